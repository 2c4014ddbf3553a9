"""The current labels for other tools: Label Studio's tasks, doccano's JSON Lines, and a table.

Texts of the chat stand in these files. `python -m stages.labels import` reads each of them back.
"""

import csv
import io
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from stages.labels import doccano, label_studio
from stages.labels.annotator_file import write_error
from stages.labels.cells import guarded
from stages.labels.store import Line, labelled_at, latest_lines
from stages.llm.prompts import lettered
from stages.pipeline.definition import Definition
from stages.pipeline.files import write_json, write_text
from stages.pipeline.tables import Rows

TOOLS = ("label-studio", "doccano", "csv")
HEADER = ("id", "label", "annotator", "at", "seconds", "note", "question", "history")
BYTE_ORDER_MARK = "\ufeff"  # by which Excel sees that a table is UTF-8
Inquiries = Mapping[int, Mapping[str, Any]]  # by id


def current_lines(lines: Sequence[Line]) -> list[Line]:
    """Each annotator's latest line of each item, by annotator and id; `lines` come oldest first."""
    latest = [line for by_annotator in latest_lines(lines).values() for line in by_annotator.values()]
    return sorted(latest, key=lambda line: (line["annotator"], line["id"]))


def write_labels(
    folder: Path,
    tool: str,
    lines: Sequence[Line],
    inquiries: Inquiries,
    emails: Mapping[str, str],
    question: Definition,
) -> None:
    """Write labels and the texts of their inquiries, which are empty for ids that are no inquiries.

    `emails` has annotators' accounts in Label Studio. Raises click.ClickException where a file can't be written.
    """
    try:
        if tool == "label-studio":
            write_json(folder / "tasks.json", tasks(lines, inquiries, emails, question))
            write_text(folder / "config.xml", label_studio.labeling_config(question))
        elif tool == "doccano":
            for annotator in sorted({line["annotator"] for line in lines}):
                write_text(folder / f"{annotator}.jsonl", examples(annotator, lines, inquiries))
        else:
            write_text(folder / "labels.csv", BYTE_ORDER_MARK + table(lines, inquiries))
    except OSError as error:
        raise write_error(Path(error.filename or folder), error, "write the labels again") from error


def tasks(lines: Sequence[Line], inquiries: Inquiries, emails: Mapping[str, str], question: Definition) -> Rows:
    lines_by_id: dict[int, list[Line]] = {}
    for line in lines:
        lines_by_id.setdefault(line["id"], []).append(line)
    return [
        label_studio.labelled_task(inquiries.get(id, without_text(id)), lines_of_item, emails, question)
        for id, lines_of_item in lines_by_id.items()
    ]


def examples(annotator: str, lines: Sequence[Line], inquiries: Inquiries) -> str:
    """The labels of an annotator as JSON Lines for doccano."""
    objects = [
        doccano.example(line, "\n".join(turns(inquiries.get(line["id"]))))
        for line in lines
        if line["annotator"] == annotator
    ]
    return "".join(json.dumps(example, ensure_ascii=False) + "\n" for example in objects)


def table(lines: Sequence[Line], inquiries: Inquiries) -> str:
    """The labels as comma-separated values. The history of a question has a line for each turn."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(HEADER)
    for line in lines:
        *history, question = turns(inquiries.get(line["id"])) or [""]
        at = datetime.fromtimestamp(labelled_at(line), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        cells = (line["id"], line["label"], line["annotator"], at, line["seconds"], line["note"])
        texts = (question, "\n".join(history))
        writer.writerow([guarded(cell) if isinstance(cell, str) else cell for cell in (*cells, *texts)])
    return text.getvalue()


def turns(inquiry: Mapping[str, Any] | None) -> list[str]:
    """The turns of an inquiry's window and then the inquiry, each after the letter of its speaker."""
    utterances = lettered([*inquiry["cr_window"], inquiry]) if inquiry else []
    return [f"{letter}: {text}" for letter, text in utterances]


def without_text(id: int) -> dict[str, Any]:
    """An inquiry of an id whose text isn't here."""
    return {"id": id, "sender": "", "text": "", "cr_window": []}


def refuse_label_files(folder: Path, annotations: Path) -> None:
    """Raise click.ClickException for the folder of the label files, which an export would replace."""
    if folder.resolve().is_relative_to(annotations.resolve()):
        raise click.ClickException(f"{folder} is the folder of the label files: export into another one")
