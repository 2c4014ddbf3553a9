"""A table with a header, with commas, semicolons, tabs or bars between the columns that `ingest.columns` names.

Case and blanks around the names in the header don't matter. A quotation mark that isn't closed, or that stands in a
table without quoting, would take the rows after it into its field; the lines of such a row are read one by one.
"""

import csv
import re
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from typing import Any, NamedTuple

from stages.chat import Columns, Message, ReadSettings, Reject
from stages.chat.exports import ExportFile
from stages.chat.files import MAX_ENTRY_BYTES, lines
from stages.chat.rows import optional, read_tables, required

ENDINGS = (".csv", ".tsv", ".txt")
DELIMITERS = ",;\t|"
SEPARATOR_LINE = re.compile(r'"?sep=.?"?\s*', re.IGNORECASE)  # for Excel, above the header
QUOTED = re.compile(r'"(?:[^"]|"")*"')
# A quotation mark inside a field as MySQL writes it, and as other tables do.
ESCAPED_QUOTE = re.compile(rf'(?:^|[{DELIMITERS}])"(?:[^"\\\n]|\\.)*\\"(?![{DELIMITERS}"\r\n])', re.MULTILINE)
DOUBLED_QUOTE = re.compile(rf'[^{DELIMITERS}\s"]""[^{DELIMITERS}\s"]')
NO_CSV = '"?'  # after an open quotation mark
DIGITS_OF_TIMES = 5  # or more

Line = tuple[str, str] | Reject  # the place and the text


class _Header(NamedTuple):
    names: list[str]
    delimiter: str


def fits(start: str, columns: Columns) -> bool:
    return column_names(start, columns) >= required(columns)


def column_names(start: str, columns: Columns) -> set[str]:
    """The names in the header, if they are split by a character that leaves all required ones whole."""
    header = _header(re.split(r"[\r\n]+", start), columns)
    return set(header.names) if header else set()


def read(files: Sequence[ExportFile], settings: ReadSettings) -> Iterator[Message | Reject]:
    return read_tables(files, settings, fits, _rows)


def _rows(file: ExportFile, columns: Columns) -> Iterator[tuple[str, Any]]:
    """The place and the fields of each row by their names, or a reject for a row that can't be read.

    Lines of a row that can't be read, or that look like rows each, are read one by one. The last of them may begin a
    row of several lines. Raises click.ClickException where the header lacks a column.
    """
    csv.field_size_limit(MAX_ENTRY_BYTES)
    all_lines = lines(file)
    header = _header((line.reason if isinstance(line, Reject) else line[1] for line in all_lines), columns)
    if header is None:
        raise file.error(f"line 1: no columns {', '.join(sorted(required(columns)))}; see ingest.columns")
    table = _Table(header, str(columns["timestamp"]), _has_escapes(file.start()))
    row_lines: list[Line] = []  # that the current row has taken
    put_back: list[Line] = []
    rows = table.reader(_texts(all_lines, row_lines, put_back))
    while True:
        try:
            row = next(rows, None)
        except csv.Error:
            row = []
        if row is None:
            break
        if len(row_lines) == 1 and len(row) == len(header.names):
            yield row_lines[0][0], dict(zip(header.names, row, strict=True))
        elif len(row_lines) > 1 and table.is_of_all(row, row_lines):
            yield row_lines[0][0], table.fields(row_lines[0][0], row)
            yield from ((line.at, line) for line in row_lines if isinstance(line, Reject))
        else:
            put_back += row_lines[1:][-1:]
            for line in row_lines[: max(1, len(row_lines) - 1)]:
                yield from table.row_of_line(line)
        row_lines.clear()
    for line in put_back:
        yield from table.row_of_line(line)


def _texts(all_lines: Iterator[Line], row_lines: list[Line], put_back: list[Line]) -> Iterator[str]:
    """The lines of a file, each added to `row_lines`. A broken one is an empty one, and one too many is no CSV."""
    size = 0  # of `row_lines` after the first
    while True:
        line = put_back.pop() if put_back else next(all_lines, None)
        if line is None:
            return
        size = size + len(line[1]) if row_lines else 0
        row_lines.append(line)
        if size > MAX_ENTRY_BYTES:
            yield NO_CSV
        else:
            yield "\n" if isinstance(line, Reject) else line[1] + "\n"


class _Table:
    """What the header and the start of a file tell of its rows."""

    def __init__(self, header: _Header, time_column: str, has_escapes: bool) -> None:
        self.names, self.delimiter = header
        self.time_place = self.names.index(time_column)
        self.reader = partial(
            csv.reader, delimiter=self.delimiter, strict=True, escapechar="\\" if has_escapes else None
        )

    def is_of_all(self, row: list[str], row_lines: list[Line]) -> bool:
        """Whether a row is one of several lines, and not of a quotation mark that took whole rows into its field."""
        looked_at = row_lines if len(row) == len(self.names) else row_lines[:1]
        return bool(row) and not all(map(self._looks_whole, looked_at))

    def _looks_whole(self, line: Line) -> bool:
        fields = line[1].split(self.delimiter)
        return len(fields) == len(self.names) and len(re.findall(r"\d", fields[self.time_place])) >= DIGITS_OF_TIMES

    def fields(self, at: str, row: list[str], reason: str = "wrong_number_of_fields") -> dict[str, str] | Reject:
        return dict(zip(self.names, row, strict=True)) if len(row) == len(self.names) else Reject(at, reason)

    def row_of_line(self, line: Line) -> Iterator[tuple[str, Any]]:
        """The row of one line. If it is no CSV, quotation marks inside of fields are characters as others."""
        if isinstance(line, Reject):
            yield line.at, line
            return
        at, text = line
        try:
            row = next(self.reader([text]), [])
        except csv.Error:
            row = [_unquoted(field) for field in text.split(self.delimiter)]
            yield at, self.fields(at, row, "invalid_csv")
        else:
            if row:
                yield at, self.fields(at, row)


def _unquoted(field: str) -> str:
    return field[1:-1].replace('""', '"') if QUOTED.fullmatch(field) else field


def _has_escapes(start: str) -> bool:
    """Whether a quotation mark inside a field has a backslash before it, not another quotation mark."""
    return ESCAPED_QUOTE.search(start) is not None and not DOUBLED_QUOTE.search(start)


def _header(first_lines: Iterable[str], columns: Columns) -> _Header | None:
    """The names in the first line that has any, and the character between them; None where some are missing."""
    text = next((line for line in first_lines if line.strip() and not SEPARATOR_LINE.fullmatch(line)), "")
    for delimiter in DELIMITERS:
        try:
            names = _known_names(next(csv.reader([text], delimiter=delimiter), []), columns)
        except csv.Error:
            continue
        if required(columns) <= set(names):
            return _Header(names, delimiter)
    return None


def _known_names(names: list[str], columns: Columns) -> list[str]:
    """The names of columns, where only case and blanks differ as `ingest.columns` has them."""
    spelled = {name.lower(): name for name in required(columns) | optional(columns) if name not in names}
    return [spelled.get(name.strip().lower(), name) for name in names]
