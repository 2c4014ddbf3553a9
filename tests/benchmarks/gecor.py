"""GECOR (Quan et al., EMNLP 2019; CC-BY-4.0) as labelled items: what people said, and whether it needs its context.

    python -m tests.benchmarks.gecor CamRest676_annotated.json gecor.jsonl

People rewrote each turn so that it stands alone. A turn needs its context where the rewrite has other letters or
digits than what was said; the system's turns are history alone. Times are made up: a minute for each turn.
"""

import json
import re
from pathlib import Path
from typing import Any

import click

from stages.schemas import Labelled
from stages.tables import from_rows, write

SENDERS = {"usr": "a" * 16, "sys": "b" * 16}
WINDOW = 12


def bare(text: str) -> str:
    return re.sub(r"\W", "", text.casefold())


def items(dialogues: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The user's turns, each with up to twelve turns before it, oldest first."""
    found: list[dict[str, Any]] = []
    for number, dialogue in enumerate(dialogues):
        said: list[dict[str, Any]] = []
        for turn in dialogue["dial"]:
            for who, text in (("usr", turn["usr"]["transcript"]), ("sys", turn["sys"]["sent"])):
                one = {"sender": SENDERS[who], "text": text, "timestamp": 60 * (len(said) + 1)}
                if who == "usr":
                    need = bare(text) != bare(turn["usr"]["transcript_complete"])
                    own = {"id": len(found), "group": str(number), "position": len(said), "messages": 1}
                    found.append(one | own | {"is_question": True, "cr_window": said[-WINDOW:], "cr_need_gt": need})
                said.append(one)
    return found


@click.command(help=__doc__)
@click.argument("dialogues", type=click.Path(exists=True, path_type=Path))
@click.argument("labelled", type=click.Path())
def main(dialogues: Path, labelled: str) -> None:
    found = items(json.loads(dialogues.read_text(encoding="utf-8")))
    write(labelled, from_rows(found, Labelled), Labelled)
    click.echo(f"{len(found)} turns, {sum(item['cr_need_gt'] for item in found)} of them need their context")


if __name__ == "__main__":
    main()
