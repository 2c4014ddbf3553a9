"""A table as a JSON array of objects with the fields that `ingest.columns` names, also inside an object."""

import json
import re
from collections.abc import Iterator, Sequence
from typing import Any

from stages.chat import Columns, Message, ReadSettings, Reject
from stages.chat.exports import ExportFile
from stages.chat.files import json_values
from stages.chat.formats import jsonl
from stages.chat.rows import fields_of_objects, read_tables, required

ENDINGS = (".json",)
ARRAY_START = re.compile(r'(?:\A|(?P<key>"(?:[^"\\]|\\.){0,200}"):\s*)\[\s*')


def fits(start: str, columns: Columns) -> bool:
    return _array(start, columns) is not None


def column_names(start: str, columns: Columns) -> set[str]:
    """The fields of the array's first objects."""
    array_start = _array(start, columns)
    return set().union(*fields_of_objects(start, array_start.end())) if array_start else set()


def _array(start: str, columns: Columns) -> re.Match[str] | None:
    """The start of the first array that has rows among its first values. In JSON Lines there is none."""
    if not start.startswith(("[", "{")) or jsonl.column_names(start) >= required(columns):
        return None
    for array_start in ARRAY_START.finditer(start):
        if any(names >= required(columns) for names in fields_of_objects(start, array_start.end())):
            return array_start
    return None


def read(files: Sequence[ExportFile], settings: ReadSettings) -> Iterator[Message | Reject]:
    return read_tables(files, settings, fits, _rows)


def _rows(file: ExportFile, columns: Columns) -> Iterator[tuple[str, Any]]:
    array_start = _array(file.start(), columns)
    place = "item"
    if array_start and array_start["key"]:
        key = json.loads(array_start["key"])
        place = rf"(?:.*\.)?{re.escape(key)}\.item"
    for number, (_place, row) in enumerate(json_values(file, place), start=1):
        yield f"{file.name}, entry {number}", row
