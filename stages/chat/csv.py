"""A table with a header, separated by commas, semicolons or tabs, its columns named in `ingest.columns`."""

import csv
from collections.abc import Iterator
from datetime import tzinfo
from functools import partial
from pathlib import Path

import click

from stages.chat import Broken, Message, entry
from stages.chat.files import LIMIT, lines
from stages.chat.jsonl import Columns, message


def read(path: Path, zone: tzinfo, columns: Columns) -> Iterator[Message | Broken]:
    broken: list[Broken] = []

    def text() -> Iterator[str]:
        for line in lines(path):
            if isinstance(line, Broken):
                broken.append(line)
                line = (line.at, "")  # so that the numbers of the lines after it are right
            yield line[1] + "\n"

    start = text()
    header = next(start, "")
    wanted = {column for column in columns.values() if column is not None}
    delimiter = separator(header, wanted)
    if delimiter is None:
        raise click.ClickException(f"{path}, line 1: no columns {', '.join(sorted(wanted))}; see ingest.columns")
    names = next(csv.reader([header], delimiter=delimiter))
    csv.field_size_limit(LIMIT)
    rows = csv.reader(start, delimiter=delimiter, strict=True)
    number = 2
    try:
        for row in rows:
            yield from broken
            broken.clear()
            at, number = f"{path.name}, line {number}", rows.line_num + 2
            if len(row) == len(names):
                yield entry(at, partial(message, path.stem, zone, columns), dict(zip(names, row, strict=True)))
            elif row:
                yield Broken(at, "wrong_number_of_fields")
    except csv.Error as error:
        raise click.ClickException(f"{path}, from line {number}: not CSV: {error}") from error
    yield from broken


def separator(header: str, wanted: set[str]) -> str | None:
    """The character that separates a header into names of which all `wanted` are there."""
    for delimiter in (",", ";", "\t"):
        try:
            if wanted <= set(next(csv.reader([header], delimiter=delimiter), [])):
                return delimiter
        except csv.Error:
            continue
    return None
