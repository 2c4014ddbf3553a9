"""Rows of tables, of whatever format, to messages.

`ingest.columns` names the columns. Sender, group, id and the id replied to are strings or whole numbers. Times are
read by row_times.py. The group is the file's name if the columns name none.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache, partial
from typing import Any

from stages.chat import Columns, Message, ReadSettings, Reject, name_pairs, parse_entry
from stages.chat.dates import common_order
from stages.chat.exports import ExportFile
from stages.chat.files import WaitingNames, read_each
from stages.chat.row_times import RowTimes

QUOTE = re.compile(r"\n\s*\[引用\].*", re.DOTALL)  # WeChat's: the message that is answered, below the answer
# What WeChat writes in the name of who accepts a friend.
NOTES = ("我通过了你的朋友验证请求，现在我们可以开始聊天了", "I've accepted your friend request. Now let's chat!")
JOINED = " + "  # between the names of two columns that tell the type together, and between their values
SEPARATOR = re.compile(r"[\s,]*")  # of the values of a JSON array
OPTIONAL = ("id", "reply_to", "name")
ROWS_LOOKED_AT = 20  # at the start of a file; the first may be an entry of another kind

Row = Mapping[Any, Any]
ReadRows = Callable[[ExportFile, Columns], Iterator[tuple[str, Any]]]  # the place of each row, and it or a Reject


def required(columns: Columns) -> set[str]:
    """The names of the columns that every row has."""
    names = {name for role, name in columns.items() if name and role not in (*OPTIONAL, "type")}
    return names | set(_type_columns(columns))


def optional(columns: Columns) -> set[str]:
    """The names of the columns that a row may lack."""
    return {name for role in OPTIONAL if (name := columns[role])}


def _type_columns(columns: Columns) -> list[str]:
    name = columns.get("type")
    return name.split(JOINED) if name else []


def unread(names: set[str], columns: Columns) -> list[str]:
    """Columns that a table has under the name of a role for which `ingest.columns` names none."""
    lower_case = {name.strip().lower() for name in names}
    return [role for role, name in columns.items() if name is None and role in lower_case]


def field_names(text: str, start: int = 0) -> set[str]:
    """The names in the JSON object that begins at a place of a text; none for what is no object."""
    return next(fields_of_objects(text, start), set())


def fields_of_objects(text: str, start: int) -> Iterator[set[str]]:
    """The names in each of the first JSON objects from a place of a text; none for a value that is no object."""
    decoder = json.JSONDecoder()
    for _ in range(ROWS_LOOKED_AT):
        try:
            row, end = decoder.raw_decode(text, start)
        except (ValueError, RecursionError):
            return
        yield set(row) if isinstance(row, dict) else set()
        separator = SEPARATOR.match(text, end)
        start = separator.end() if separator else end


def read_tables(
    files: Sequence[ExportFile], settings: ReadSettings, fits: Callable[[str, Columns], bool], rows_of: ReadRows
) -> Iterator[Message | Reject]:
    """The entries of one table after the other, as `rows_of` reads their rows."""

    def times_of(file: ExportFile) -> RowTimes:
        return RowTimes(file, settings.zone, partial(_column, file), order_of_others)

    def _column(file: ExportFile) -> Iterator[Any]:
        for _at, row in rows_of(file, settings.columns):
            if isinstance(row, dict):
                yield row.get(settings.columns["timestamp"])

    @cache
    def order_of_others() -> str | None:
        tables = (file for file in files if fits(file.start(), settings.columns))
        return common_order(times_of(table).dates.orders() for table in tables)

    def read_file(file: ExportFile, settings: ReadSettings) -> Iterator[Message | Reject]:
        reader = RowReader(file, settings, times_of(file))
        for at, row in rows_of(file, settings.columns):
            yield row if isinstance(row, Reject) else parse_entry(at, reader.message, row)

    return read_each(files, settings, fits, read_file)


class RowReader:
    """Makes messages of a file's rows."""

    def __init__(self, file: ExportFile, settings: ReadSettings, times: RowTimes) -> None:
        self.file = file
        self.settings = settings
        self.times = times
        self.type_columns = _type_columns(settings.columns)
        self.names = WaitingNames()  # of people whose rows since the last message were none

    def message(self, at: str, row: Row) -> Message | Reject:
        """Raises KeyError for a column that is missing, and TypeError or ValueError for a value of the wrong type."""
        columns = self.settings.columns
        row = dict.fromkeys((columns["id"], columns["reply_to"], columns["name"])) | dict(row)
        sender = _identifier(row, columns["sender"])
        self.names.add(name_pairs(sender, row[columns["name"]] if columns["name"] else None))
        if self.settings.text_types and self._type(row) not in self.settings.text_types:
            return Reject(at, "other_type")
        group = _identifier(row, columns["group"], default=self.file.stem)
        if sender is None or group is None:
            raise TypeError
        key, reply_to = _identifier(row, columns["id"]), _identifier(row, columns["reply_to"])
        timestamp = self.times.seconds(row[columns["timestamp"]])
        text = QUOTE.sub("", row[columns["text"]])
        if text in NOTES:
            return Reject(at, "system")
        return self.names.brought_by(Message(at, group, sender, text, timestamp, key=key, reply_to=reply_to))

    def _type(self, row: Row) -> str:
        return JOINED.join(str(row[column]) for column in self.type_columns)


def _identifier(row: Row, column: str | None, default: str | None = None) -> str | None:
    """A string or a whole number as a string; None for an empty one."""
    value = default if column is None else row[column]
    if type(value) not in (str, int, type(None)):
        raise TypeError
    return None if value in (None, "") else str(value)
