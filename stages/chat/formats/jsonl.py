"""JSON Lines: an object a line, with the fields that `ingest.columns` names.

Blank lines, and commas at the ends of lines, are layout.
"""

import json
import re
from collections.abc import Iterator, Sequence
from typing import Any

from stages.chat import Columns, Message, ReadSettings, Reject
from stages.chat.exports import ExportFile
from stages.chat.files import lines
from stages.chat.formats.paper import PAPER_FIELDS
from stages.chat.rows import ROWS_LOOKED_AT, field_names, read_tables, required

ENDINGS = (".jsonl", ".ndjson", ".json", ".txt")


def fits(start: str, columns: Columns) -> bool:
    rows = _first_rows(start)
    return any(names >= required(columns) for names in rows) and not any(names >= PAPER_FIELDS for names in rows)


def column_names(start: str, columns: Columns | None = None) -> set[str]:
    """The fields of the first lines' objects."""
    return set().union(*_first_rows(start))


def _first_rows(start: str) -> list[set[str]]:
    """The fields of the object in each of the first lines, if there is one in the first."""
    first_lines = re.split(r"[\r\n]+", start, maxsplit=ROWS_LOOKED_AT)[:ROWS_LOOKED_AT]
    return [field_names(line) for line in first_lines] if field_names(first_lines[0]) else []


def read(files: Sequence[ExportFile], settings: ReadSettings) -> Iterator[Message | Reject]:
    return read_tables(files, settings, fits, _rows)


def _rows(file: ExportFile, columns: Columns) -> Iterator[tuple[str, Any]]:
    """The place and the value of each line, or a reject for one that has none."""
    for line in lines(file):
        if isinstance(line, Reject):
            yield line.at, line
            continue
        at, text = line
        try:
            yield at, json.loads(text)
        except (ValueError, RecursionError):
            if text.strip():
                yield at, _value(at, text.rstrip().removesuffix(","))


def _value(at: str, text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return Reject(at, "invalid_json")
