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

from stages.pipeline.schemas import Labelled
from stages.pipeline.tables import from_rows, write

SENDERS = {"usr": "a" * 16, "sys": "b" * 16}
WINDOW = 12


def bare(text: str) -> str:
    return re.sub(r"\W", "", text.casefold())


def items(dialogues: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The user's turns, each with up to twelve turns before it, oldest first."""
    rows: list[dict[str, Any]] = []
    for number, dialogue in enumerate(dialogues):
        turns: list[dict[str, Any]] = []
        for turn in dialogue["dial"]:
            for who, text in (("usr", turn["usr"]["transcript"]), ("sys", turn["sys"]["sent"])):
                message = {"sender": SENDERS[who], "text": text, "timestamp": 60 * (len(turns) + 1)}
                if who == "usr":
                    need = bare(text) != bare(turn["usr"]["transcript_complete"])
                    fields = {"id": len(rows), "group": str(number), "position": len(turns), "messages": 1}
                    rows.append(message | fields | {"is_question": True, "cr_window": turns[-WINDOW:], "label": need})
                turns.append(message)
    return rows


@click.command(help=__doc__)
@click.argument("dialogues", type=click.Path(exists=True, path_type=Path))
@click.argument("labelled", type=click.Path())
def main(dialogues: Path, labelled: str) -> None:
    rows = items(json.loads(dialogues.read_text(encoding="utf-8")))
    write(labelled, from_rows(rows, Labelled), Labelled)
    click.echo(f"{len(rows)} turns, {sum(item['label'] for item in rows)} of them need their context")


if __name__ == "__main__":
    main()
