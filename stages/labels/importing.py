"""Labels that were made elsewhere: CSV, JSON and JSON Lines with any column names, and Label Studio's exports."""

import csv
import io
import json
import re
from collections.abc import Mapping
from datetime import tzinfo
from pathlib import Path
from typing import Any

import click

from stages.chat import MILLISECONDS, epoch_seconds
from stages.labels import label_studio
from stages.labels.store import Line, time_error
from stages.pipeline.schemas import FROM_EXPORT, LABELS
from stages.pipeline.text import quoted

FIELDS = ("id", "label", "annotator", "at", "seconds", "note")  # of a label, that a file's columns are mapped to
COLUMNS = {field: field for field in FIELDS}
LABEL_STUDIO_COLUMNS = COLUMNS | {"id": "inquiry", "at": "updated_at", "seconds": "lead_time"}
ANNOTATOR = rf"(?!{FROM_EXPORT}\Z)[a-z][a-z0-9_]*"  # a file is named by it
ANNOTATOR_RULE = (
    f"must be lower case letters, digits and _, and not {FROM_EXPORT}, whose labels came with the chat export"
)
ID_LIMIT = 2**53  # as in the tables
EMPTY = (None, "")
Row = dict[str, Any]


def label_lines(
    path: Path, columns: Mapping[str, str], names: Mapping[str, str], guideline: str, zone: tzinfo
) -> list[Line]:
    """Every row of a file as a line for the label store; a row that repeats another one is left out.

    Raises one click.ClickException that names every bad row. Arguments as for `label_line`.
    """
    lines: dict[tuple[Any, ...], Line] = {}
    errors = []
    for place, row in read_rows(path):
        is_label_studio = columns == COLUMNS and "inquiry" in row
        try:
            line = label_line(row, LABEL_STUDIO_COLUMNS if is_label_studio else columns, names, guideline, zone)
            other = lines.setdefault((line["annotator"], line["id"], line["at"]), line)
            if other["label"] != line["label"]:
                raise ValueError(
                    f"{line['annotator']} labels id {line['id']} {line['label']} here and {other['label']} in another"
                    " row, at the same time or at none: drop one, or say when each was made"
                )
        except (TypeError, ValueError, OverflowError) as error:  # TypeError: a list where a number or text belongs
            errors.append(f"{path}, {place}: {quoted(error, length=400)}")
    if errors:
        raise click.ClickException("nothing was imported:\n" + "\n".join(errors))
    return list(lines.values())


def label_line(
    row: Mapping[str, Any], columns: Mapping[str, str], names: Mapping[str, str], guideline: str, zone: tzinfo
) -> Line:
    """A row as a line for the label store, its `at` None where the row has no time.

    `columns` has the file's column for each of FIELDS, `names` our names for the file's annotators, `zone` the time
    zone of times that name none. Raises ValueError that says what is wrong with the row.
    """
    values: dict[str, Any] = {field: row.get(column) for field, column in columns.items()}
    for field in ("id", "label", "annotator"):
        if values[field] in EMPTY:
            raise ValueError(f"no {columns[field]!r}")
    if not re.fullmatch(r"\d{1,16}", str(values["id"])) or int(values["id"]) >= ID_LIMIT:
        raise ValueError(f"{columns['id']} is {quoted(repr(values['id']))}, not the id of an inquiry")
    if values["label"] not in LABELS:
        raise ValueError(f"{columns['label']} is {quoted(repr(values['label']))}, not one of {', '.join(LABELS)}")
    annotator = names.get(str(values["annotator"]), str(values["annotator"]))
    if not re.fullmatch(ANNOTATOR, annotator):
        name = quoted(annotator)
        raise ValueError(f"annotator {name!r} {ANNOTATOR_RULE}: --rename '{name}=name'")
    line = {
        "id": int(values["id"]),
        "annotator": annotator,
        "label": values["label"],
        "at": None if values["at"] in EMPTY else _epoch_seconds(values["at"], zone),
        "seconds": None if values["seconds"] in EMPTY else _duration(values["seconds"]),
        "guideline": guideline,
    }
    return line | ({"note": str(values["note"])} if values["note"] else {})


def _epoch_seconds(value: Any, zone: tzinfo) -> int:
    """Epoch seconds of a number or an ISO 8601 time, in `zone` where it names none."""
    is_number = isinstance(value, int | float) or re.fullmatch(r"\d+(\.\d+)?", value)
    at = float(value) if is_number else epoch_seconds(value, zone)
    if not 0 < at < MILLISECONDS:
        raise ValueError(f"{quoted(repr(value))} is no time in epoch seconds")
    reason = time_error(at)
    if reason:
        raise ValueError(f"{quoted(repr(value))} {reason}")
    return int(at)


def _duration(value: Any) -> float:
    seconds = float(value)
    if not 0 <= seconds < MILLISECONDS:
        raise ValueError(f"{quoted(repr(value))} are no seconds that a label takes")
    return seconds


def read_rows(path: Path) -> list[tuple[str, Row]]:
    """The rows of a file, each with its place there. Raises click.ClickException where the file has no rows."""
    readers = {".csv": _csv_rows, ".jsonl": _json_lines_rows}
    try:
        return readers.get(path.suffix, _json_rows)(path.read_text(encoding="utf-8-sig"))
    except (ValueError, csv.Error) as error:  # UnicodeDecodeError and JSONDecodeError are ValueErrors
        form = path.suffix.lstrip(".") or "JSON"
        raise click.ClickException(f"{path}: can't be read as {form}: {quoted(error)}") from error


def _csv_rows(text: str) -> list[tuple[str, Row]]:
    reader = csv.DictReader(io.StringIO(text, newline=""), strict=True)
    return [(f"line {reader.line_num}", row) for row in reader]


def _json_lines_rows(text: str) -> list[tuple[str, Row]]:
    rows = []
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            rows.append((f"line {number}", _object(json.loads(line))))
        except ValueError as error:
            raise ValueError(f"line {number}: {error}") from error
    return rows


def _json_rows(text: str) -> list[tuple[str, Row]]:
    """The objects of a JSON list, or the annotations in a list of Label Studio's tasks."""
    objects = json.loads(text)
    if not isinstance(objects, list):
        raise ValueError("a list of objects is wanted")
    if objects and "annotations" in _object(objects[0]):
        objects = label_studio.flat_annotations(objects)
    return [(f"row {number}", _object(value)) for number, value in enumerate(objects, start=1)]


def _object(value: Any) -> Row:
    if not isinstance(value, dict):
        raise ValueError(f"an object is wanted, got {quoted(value, length=40)!r}")
    return value
