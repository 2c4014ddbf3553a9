"""Reading of large and damaged files, piece by piece: lines of text, and values of a JSON document."""

import re
from collections.abc import Callable, Iterator, Sequence
from typing import IO, Any

import ijson

from stages.chat import Columns, Message, NamePairs, ReadSettings, Reject
from stages.chat.exports import UTF8_MARK, ExportFile
from stages.pipeline.text import quoted

MAX_ENTRY_BYTES = 2**23  # of a line or an entry; no message is longer, and longer ones are never held
MAX_DEPTH = 100  # of nesting in a JSON document


def read_each(
    files: Sequence[ExportFile],
    settings: ReadSettings,
    fits: Callable[[str, Columns], bool],
    read_file: Callable[[ExportFile, ReadSettings], Iterator[Message | Reject]],
) -> Iterator[Message | Reject]:
    """The entries of one file after the other. Among several files one that isn't of the format is a reject."""
    for file in files:
        if file.is_alone or fits(file.start(), settings.columns):
            yield from read_file(file, settings)
        else:
            yield Reject(file.name, "other_file")


class WaitingNames:
    """Names of people beside the messages, as of users and of people who joined: the next message brings them, so that
    one who never writes is known too.
    """

    def __init__(self, names: NamePairs = ()) -> None:
        self.names = dict.fromkeys(names)

    def add(self, names: NamePairs) -> None:
        self.names |= dict.fromkeys(names)

    def brought_by(self, entry: Message | Reject) -> Message | Reject:
        if isinstance(entry, Message) and self.names:
            entry = entry._replace(names=(*self.names, *entry.names))
            self.names = {}
        return entry


def begins_with(start: re.Pattern[str]) -> Callable[[str, Columns], bool]:
    """`fits` of a format whose files all begin alike."""
    return lambda text, columns: start.match(text) is not None


def lines(export_file: ExportFile) -> Iterator[tuple[str, str] | Reject]:
    """The place and the text of each line of a file, or Reject. A line ends in LF, CR LF or CR."""
    with export_file.open() as file:
        number = 0
        while chunk := file.readline(MAX_ENTRY_BYTES):
            if len(chunk) == MAX_ENTRY_BYTES and not chunk.endswith(b"\n"):
                _skip_line(file)
                number += 1
                yield Reject(f"{export_file.name}, line {number}", "line_too_long")
                continue
            for line in chunk.rstrip(b"\r\n").split(b"\r"):
                number += 1
                at = f"{export_file.name}, line {number}"
                if number == 1:
                    line = line.removeprefix(UTF8_MARK)
                try:
                    text = line.decode("utf-8")
                except UnicodeDecodeError:
                    yield Reject(at, "invalid_utf8")
                else:
                    yield at, text


def _skip_line(file: IO[bytes]) -> None:
    while chunk := file.readline(MAX_ENTRY_BYTES):
        if chunk.endswith(b"\n"):
            return


class _BoundedFile:
    """A file for ijson, without a UTF-8 mark. It raises ValueError where an entry gets too long; who reads an entry
    sets `bytes_in_entry` to 0.
    """

    def __init__(self, file: IO[bytes]) -> None:
        self.file = file
        self.bytes_in_entry = 0
        self.is_at_start = True

    def read(self, size: int) -> bytes:
        chunk = self.file.read(size)
        self.bytes_in_entry += len(chunk)
        if self.bytes_in_entry > MAX_ENTRY_BYTES:
            raise ValueError(f"more than {MAX_ENTRY_BYTES:,} bytes without the end of an entry")
        if size and self.is_at_start:
            self.is_at_start = False
            return chunk.removeprefix(UTF8_MARK) or self.file.read(size)
        return chunk


def json_values(
    export_file: ExportFile,
    place_pattern: str,
    mend: Callable[[IO[bytes]], Any] = lambda file: file,
    is_stream: bool = False,
) -> Iterator[tuple[str, Any]]:
    """The place and the value of each value in a JSON document whose place the pattern matches.

    A place is the keys on the way to the value, joined by dots, with `item` for an element of an array:
    `messages.item`. `mend` wraps a file that isn't quite JSON. A stream has documents one after the other, each an
    `item`. Half of a surrogate pair becomes a question mark.
    Raises click.ClickException for invalid JSON, with the number of array elements before it.
    """
    count = 0
    with export_file.open() as file:
        source = _BoundedFile(mend(file))
        try:
            for place, value in _json_values(source, re.compile(place_pattern), is_stream):
                source.bytes_in_entry = 0
                count += place.endswith("item")
                yield place, value
        except (ijson.JSONError, ValueError) as error:
            problem = quoted(_json_problem(error))
            raise export_file.error(f"after entry {count}: not readable as JSON: {problem}") from error


def _json_values(file: _BoundedFile, place_pattern: re.Pattern[str], is_stream: bool) -> Iterator[tuple[str, Any]]:
    """As `json_values`. Raises ijson.JSONError or ValueError."""
    keys = ["item"] if is_stream else []  # of the containers that are open
    builder = None  # of the value that is being read
    builder_depth = 0
    for event, value in ijson.basic_parse(file, use_float=True, multiple_values=is_stream):
        if event == "map_key":
            keys[-1] = value
        elif event in ("end_map", "end_array"):
            keys.pop()
        elif builder is None and place_pattern.fullmatch(".".join(keys)):
            builder, builder_depth = ijson.ObjectBuilder(), len(keys)
        if builder is not None:
            builder.event(event, value)
        if event in ("start_map", "start_array"):
            keys.append("item")
            if len(keys) > MAX_DEPTH:
                raise ValueError(f"nested deeper than {MAX_DEPTH}")
        elif builder is not None and event != "map_key" and len(keys) == builder_depth:
            yield ".".join(keys), builder.value
            builder = None


def _json_problem(error: Exception) -> str:
    """The parser's message without its second line, which quotes the chat."""
    reason = error.args[0]
    text = reason.decode("utf-8", "replace") if isinstance(reason, bytes) else str(error)
    if "UTF8" in text or isinstance(error, UnicodeDecodeError):
        return "not UTF-8"
    return text.splitlines()[0]
