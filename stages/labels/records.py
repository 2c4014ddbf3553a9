"""Files of labels as records: tables, JSON and JSON Lines. A folder and a zip have several files."""

import csv
import io
import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import click

from stages.chat.exports import PACKED, UTF16_MARKS, ExportFile, open_export
from stages.chat.files import MAX_ENTRY_BYTES
from stages.chat.formats.csv import DELIMITERS, SEPARATOR_LINE
from stages.labels.cells import unguarded
from stages.labels.label_rows import Record, Skip
from stages.pipeline.text import printable, quoted

TABLE_ENDINGS = (".csv", ".tsv", ".tab", ".txt")
JSON_ENDINGS = (".json", ".jsonl", ".ndjson")
SPREADSHEET_ENDINGS = (".xlsx", ".xlsm", ".xlsb", ".xls", ".ods", ".numbers")
PARTS_OF_SPREADSHEETS = ("xl/workbook.xml", "xl/workbook.bin", "content.xml")
PAGES = ("items", "results", "tasks")  # the lists in what APIs answer
LINE_END = re.compile(r"\r\n|\r|\n")


class RecordFile(NamedTuple):
    """A file of labels. `path` goes on inside a zip. `is_alone` is false for a file of a folder or a zip."""

    path: Path
    is_alone: bool
    records: list[Record]


def record_files(path: Path, column_names: Iterable[str]) -> tuple[list[RecordFile], list[Skip]]:
    """The files of labels, and what else lies in the folder or the zip.

    `column_names` are names of columns for which a table's header may have other case or blanks around it. Raises
    click.ClickException for a file that can't be read.
    """
    files: list[RecordFile] = []
    refuse_spreadsheet(path)
    with open_export(path) as export:
        skips = [Skip(reject.at, reject.reason.replace("_", " ")) for reject in export.rejects]
        for file in export.files:
            refuse_spreadsheet(file.path, file.name)
            if not file.is_alone and file.path.suffix.lower() not in (*TABLE_ENDINGS, *JSON_ENDINGS):
                skips.append(Skip(printable(file.name), "other file"))
            else:
                files.append(RecordFile(file.path, file.is_alone, read_records(file, column_names)))
    return files, skips


def refuse_spreadsheet(path: Path, name: str = "") -> None:
    """Raise click.ClickException for a spreadsheet. Some are zips, of which a file is known by its `name`."""
    if path.suffix.lower() in SPREADSHEET_ENDINGS or name in PARTS_OF_SPREADSHEETS:
        raise click.ClickException(f"{printable(path)}: a spreadsheet; save its sheet as CSV UTF-8 and import that")


def read_records(file: ExportFile, column_names: Iterable[str]) -> list[Record]:
    text = decoded(file)
    ending = file.path.suffix.lower()
    is_json = text.lstrip().startswith(("{", "["))
    try:
        if ending in TABLE_ENDINGS or (ending not in JSON_ENDINGS and not is_json):
            return table_records(text, column_names)
        return json_records(text, are_lines=ending in (".jsonl", ".ndjson"))
    except (ValueError, csv.Error, RecursionError) as error:  # JSONDecodeError is a ValueError
        raise file.error(f"can't be read as {ending.lstrip('.') or 'a table'}: {quoted(error)}") from error


def decoded(file: ExportFile) -> str:
    """The text of a file in UTF-8, or in UTF-16 as Excel's "Unicode text". Raises click.ClickException for others."""
    with file.open_bytes() as source:
        content = source.read()
    for magic, kind in PACKED.items():
        if content.startswith(magic):
            raise file.error(f"packed with {kind}; unpack it")
    try:
        return content.decode("utf-16" if content.startswith(UTF16_MARKS) else "utf-8-sig")
    except UnicodeDecodeError as error:
        raise file.error("not UTF-8; save it again as UTF-8 (in Excel: CSV UTF-8)") from error


def table_records(text: str, column_names: Iterable[str]) -> list[Record]:
    """The rows of a table by the names in its header. Raises ValueError or csv.Error where it is none."""
    csv.field_size_limit(MAX_ENTRY_BYTES)
    lines_before = 0
    while text:
        end = LINE_END.search(text)
        first_line = text[: end.start()] if end else text
        if first_line.strip() and not SEPARATOR_LINE.fullmatch(first_line):
            break
        text = text[end.end() :] if end else ""
        lines_before += 1
    spelling = {name.strip().lower(): name for name in column_names}
    headers = {delimiter: table_header(text, delimiter, spelling) for delimiter in DELIMITERS}
    delimiter = max(DELIMITERS, key=lambda d: (len(set(headers[d]) & set(spelling.values())), len(headers[d])))
    names = headers[delimiter]
    for name in names:
        if name in spelling.values() and names.count(name) > 1:
            raise ValueError(f"line {lines_before + 1}: two columns are called {printable(name)!r}")
    records = []
    for line_number, row in numbered_rows(text, delimiter):
        place = f"line {lines_before + line_number}"
        if any(cell.strip() for cell in row[len(names) :]):
            raise ValueError(f"{place}: {len(row)} fields, and the header has {len(names)}")
        if any(cell.strip() for cell in row):
            cells = map(unguarded, row + [""] * (len(names) - len(row)))
            records.append(Record(place, dict(zip(names, cells, strict=False))))
    return records


def numbered_rows(text: str, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """The rows of a table after its header, each with the number of its first line. Raises ValueError for no table."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        next(reader, None)
        while True:
            line_number = reader.line_num + 1
            row = next(reader, None)
            if row is None:
                return
            yield line_number, row
    except csv.Error as error:
        raise ValueError(f"line {reader.line_num}: {error}") from error


def table_header(text: str, delimiter: str, spelling: dict[str, str]) -> list[str]:
    """The names in the first line, without blanks around them, each as `spelling` has it by its lower case."""
    header: list[str] = next(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter), [])
    names = [name.strip() for name in header]
    return [name if name in spelling.values() else spelling.get(name.lower(), name) for name in names]


def json_records(text: str, are_lines: bool) -> list[Record]:
    """The objects of JSON Lines, of a list, or of an object of rows or columns. Raises ValueError where it is none."""
    first_line, _, other_lines = text.strip().partition("\n")
    if first_line.startswith("{") and (are_lines or (other_lines and is_json(first_line))):
        return json_lines(text)
    objects = json.loads(text) if text.strip() else []
    if isinstance(objects, dict):
        objects = rows_of_object(objects)
    if not isinstance(objects, list):
        raise ValueError("a list of objects is wanted")
    return [Record(f"row {number}", json_object(value)) for number, value in enumerate(objects, start=1)]


def is_json(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


def json_lines(text: str) -> list[Record]:
    records = []
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip():
            try:
                records.append(Record(f"line {number}", json_object(json.loads(line))))
            except ValueError as error:
                raise ValueError(f"line {number}: {error}") from error
    return records


def rows_of_object(document: dict[str, Any]) -> list[Any]:
    """The rows of an object that has them by their ids, or a list for each column, or a page of an API; otherwise the
    object alone.
    """
    values = list(document.values())
    if values and all(isinstance(value, dict) for value in values):
        return values
    if len(values) > 1 and all(isinstance(value, list) and len(value) == len(values[0]) for value in values):
        return [dict(zip(document, row, strict=True)) for row in zip(*values, strict=True)]
    pages = [document[name] for name in PAGES if isinstance(document.get(name), list)]
    return pages[0] if pages else [document]


def json_object(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ValueError(f"an object is wanted, got {quoted(value, length=40)!r}")
    return value
