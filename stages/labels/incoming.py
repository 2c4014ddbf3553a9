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

from stages.chat import MILLISECONDS, moment
from stages.labels import studio
from stages.schemas import LABELS

OURS = {"id": "id", "label": "label", "annotator": "annotator", "at": "at", "seconds": "seconds", "note": "note"}
ANNOTATOR = r"[a-z][a-z0-9_]*"  # a file is named by it
LABEL_STUDIO = OURS | {"id": "inquiry", "at": "updated_at", "seconds": "lead_time"}


def read(path: Path) -> list[tuple[str, dict[str, Any]]]:
    """Rows with their places in the file. Raises click.ClickException where it is no table."""
    try:
        text = path.read_text(encoding="utf-8-sig")
        if path.suffix == ".csv":
            lines = csv.DictReader(io.StringIO(text, newline=""), strict=True)
            return [(f"line {lines.line_num}", row) for row in lines]
        if path.suffix == ".jsonl":
            numbered = [(f"line {n}", line) for n, line in enumerate(text.split("\n"), start=1) if line.strip()]
            return [(place, _parsed(place, line)) for place, line in numbered]
        found = json.loads(text)
        if not isinstance(found, list):
            raise ValueError("a list of objects is wanted")
        if found and "annotations" in _object(found[0]):
            found = studio.exported(found)
        return [(f"row {number}", _object(row)) for number, row in enumerate(found, start=1)]
    except (ValueError, csv.Error) as error:  # UnicodeDecodeError and JSONDecodeError are ValueErrors
        raise click.ClickException(f"{path}: can't be read as {path.suffix.lstrip('.') or 'JSON'}: {error}") from error


def _object(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ValueError(f"an object is wanted, got {str(value)[:40]!r}")
    return value


def _parsed(place: str, line: str) -> dict[str, Any]:
    try:
        return _object(json.loads(line))
    except ValueError as error:
        raise ValueError(f"{place}: {error}") from error


def _at(value: Any, zone: tzinfo) -> int:
    """Epoch seconds of a number or an ISO 8601 time, in `zone` where it names none."""
    number = isinstance(value, int | float) or re.fullmatch(r"\d+(\.\d+)?", value)
    at = float(value) if number else moment(value, zone)
    if not 0 < at < MILLISECONDS:
        raise ValueError(f"{value!r} is no time in epoch seconds")
    return int(at)


def _took(value: Any) -> float:
    seconds = float(value)
    if not 0 <= seconds < MILLISECONDS:
        raise ValueError(f"{value!r} are no seconds that a label takes")
    return seconds


def label_line(
    row: Mapping[str, Any], columns: Mapping[str, str], names: Mapping[str, str], guideline: str, zone: tzinfo
) -> dict[str, Any]:
    """A line for the label store, its `at` None where the row has no time. Raises ValueError that says what is wrong
    with the row.

    `columns` gives our fields' names in the file, `names` other names for annotators.
    """
    value: dict[str, Any] = {ours: row.get(theirs) for ours, theirs in columns.items()}
    for field in ("id", "label", "annotator"):
        if value[field] in (None, ""):
            raise ValueError(f"no {columns[field]!r}")
    if not re.fullmatch(r"\d{1,16}", str(value["id"])) or int(value["id"]) >= 2**53:
        raise ValueError(f"{columns['id']} is {value['id']!r}, not the id of an inquiry")
    if value["label"] not in LABELS:
        raise ValueError(f"{columns['label']} is {value['label']!r}, not one of {', '.join(LABELS)}")
    who = names.get(str(value["annotator"]), str(value["annotator"]))
    if not re.fullmatch(ANNOTATOR, who):
        raise ValueError(f"annotator {who!r} must be lower case letters, digits and _: --rename '{who}=name'")
    line = {
        "id": int(value["id"]),
        "annotator": who,
        "label": value["label"],
        "at": None if value["at"] in (None, "") else _at(value["at"], zone),
        "seconds": None if value["seconds"] in (None, "") else _took(value["seconds"]),
        "guideline": guideline,
    }
    return line | ({"note": str(value["note"])} if value["note"] else {})


def label_lines(
    path: Path, columns: Mapping[str, str], names: Mapping[str, str], guideline: str, zone: tzinfo
) -> list[dict[str, Any]]:
    """Every row of a file as a line for the label store, or one error that names every bad row. A row that says again
    what another one said is left out.
    """
    found: dict[tuple[Any, ...], dict[str, Any]] = {}
    wrong = []
    for place, row in read(path):
        own = LABEL_STUDIO if columns == OURS and "inquiry" in row else columns
        try:
            line = label_line(row, own, names, guideline, zone)
            other = found.setdefault((line["annotator"], line["id"], line["at"]), line)
            if other["label"] != line["label"]:
                raise ValueError(
                    f"{line['annotator']} labels id {line['id']} {line['label']} here and {other['label']} in another"
                    " row, at the same time or at none: drop one, or say when each was made"
                )
        except (TypeError, ValueError, OverflowError) as error:  # a list where a number or text is wanted
            wrong.append(f"{path}, {place}: {error}")
    if wrong:
        raise click.ClickException("nothing was imported:\n" + "\n".join(wrong))
    return list(found.values())
