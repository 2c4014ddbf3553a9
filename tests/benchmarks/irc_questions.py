"""Questions of Ubuntu IRC (Kummerfeld et al., ACL 2019; CC-BY-4.0) as labelled items.

    python -m tests.benchmarks.irc_questions IRC_FOLDER irc.jsonl

The folder has messages.jsonl (id, group, sender, text, timestamp) and questions.jsonl (id, reply_to_earlier). A
question that answers an earlier message stands in for one that needs its context: of such questions about two thirds
do, of the others nearly none. The nick that a message begins with is left out, since it would give the label away.
"""

import json
import re
from pathlib import Path
from typing import Any

import click

from stages.pipeline.schemas import Labelled
from stages.pipeline.tables import from_rows, write

WINDOW = 12
NICK = re.compile(r"^\S{1,20}[:,]\s+")


def pseudonym(name: str) -> str:
    return name.encode().hex().ljust(16, "a")[:16]


def lines(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


def items(folder: Path) -> list[dict[str, Any]]:
    """The questions, each with up to twelve messages of its channel before it, oldest first."""
    is_reply = {row["id"]: row["reply_to_earlier"] for row in lines(folder / "questions.jsonl")}
    before: dict[str, list[dict[str, Any]]] = {}
    rows = []
    for message in lines(folder / "messages.jsonl"):
        turns = before.setdefault(message["group"], [])
        text = NICK.sub("", message["text"])
        turn = {"sender": pseudonym(message["sender"]), "text": text, "timestamp": message["timestamp"]}
        if message["id"] in is_reply and text.strip():
            fields = {"id": message["id"], "group": message["group"], "position": len(turns), "messages": 1}
            label = {"is_question": True, "label": is_reply[message["id"]]}
            rows.append(turn | fields | label | {"cr_window": turns[-WINDOW:]})
        turns.append(turn)
    return rows


@click.command(help=__doc__)
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.argument("labelled", type=click.Path())
def main(folder: Path, labelled: str) -> None:
    rows = items(folder)
    write(labelled, from_rows(rows, Labelled), Labelled)
    click.echo(f"{len(rows)} questions, {sum(item['label'] for item in rows)} of them answer an earlier message")


if __name__ == "__main__":
    main()
