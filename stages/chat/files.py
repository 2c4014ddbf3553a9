"""Files that are larger than memory, and broken ones: lines and JSON documents, a piece at a time."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import click
import ijson

from stages.chat import Broken

LIMIT = 2**23  # bytes of a line or an entry: no message is longer, and what is longer isn't held
DEPTH = 100  # of nesting in a JSON document
UTF8_MARK = b"\xef\xbb\xbf"


@contextmanager
def opened(path: Path) -> Iterator[IO[bytes]]:
    """A file for reading; one that can't be opened or read, or is UTF-16 or UTF-32, is said in one line."""
    try:
        with path.open("rb") as file:
            if file.read(4)[:2] in (b"\xff\xfe", b"\xfe\xff") or _wide(file):
                raise click.ClickException(f"{path}: not UTF-8 but UTF-16 or UTF-32; save or export it again as UTF-8")
            file.seek(0)
            yield file
    except OSError as error:
        raise click.ClickException(f"{path}: {error.strerror or error}") from error


def _wide(file: IO[bytes]) -> bool:
    """Whether most of every second byte at the start is null, as in UTF-16 without its mark."""
    file.seek(0)
    start = file.read(64)
    return any(start) and max(start[::2].count(0), start[1::2].count(0)) > len(start) // 3 > 3


def lines(path: Path) -> Iterator[tuple[str, str] | Broken]:
    """Each line of a text file as its place and its text, or Broken. A line ends in LF, CR LF or CR."""
    with opened(path) as file:
        number = 0
        while line := file.readline(LIMIT):
            if len(line) == LIMIT and not line.endswith(b"\n"):
                while (rest := file.readline(LIMIT)) and not rest.endswith(b"\n"):
                    pass
                number += 1
                yield Broken(f"{path.name}, line {number}", "line_too_long")
                continue
            for part in line.rstrip(b"\r\n").split(b"\r"):
                number += 1
                at = f"{path.name}, line {number}"
                try:
                    text = part.removeprefix(UTF8_MARK if number == 1 else b"").decode("utf-8")
                except UnicodeDecodeError:
                    yield Broken(at, "invalid_utf8")
                else:
                    yield at, text


class _Counted:
    """A file as ijson reads it, which stops where an entry gets too long; whoever gets an entry sets `since` to 0."""

    def __init__(self, file: IO[bytes]) -> None:
        self.file, self.since, self.begun = file, 0, False

    def read(self, size: int) -> bytes:
        chunk = self.file.read(size)
        self.since += len(chunk)
        if self.since > LIMIT:
            raise ValueError(f"more than {LIMIT:,} bytes without the end of an entry")
        if size and not self.begun:
            self.begun = True
            return chunk.removeprefix(UTF8_MARK) or self.file.read(size)
        return chunk


def values(name: str | Path, file: IO[bytes], wanted: str) -> Iterator[tuple[str, Any]]:
    """The values in a JSON document whose place fits the pattern `wanted`, each with its place.

    A place is the keys on the way, joined by dots, with `item` for an element of an array: `messages.item`.
    Half a surrogate pair is read as a question mark. Raises click.ClickException for what is no JSON, with the number
    of array elements found before it.
    """
    source, found = _Counted(file), 0
    keys: list[str] = []  # of the containers that are open
    fits = re.compile(wanted).fullmatch
    building, top = None, 0
    try:
        for event, value in ijson.basic_parse(source, use_float=True):
            if event == "map_key":
                keys[-1] = value
            elif event in ("end_map", "end_array"):
                keys.pop()
            elif building is None and fits(".".join(keys)):
                building, top = ijson.ObjectBuilder(), len(keys)
            if building is not None:
                building.event(event, value)
            if event in ("start_map", "start_array"):
                keys.append("item")
                if len(keys) > DEPTH:
                    raise ValueError(f"nested deeper than {DEPTH}")
            elif building is not None and event != "map_key" and len(keys) == top:
                source.since = 0
                place = ".".join(keys)
                found += place.endswith("item")
                yield place, building.value
                building = None
    except (ijson.JSONError, ValueError) as error:  # the parser quotes the chat from its second line on
        said = str(error.args[0].decode("utf-8", "replace") if isinstance(error.args[0], bytes) else error)
        what = "not UTF-8" if "UTF8" in said or isinstance(error, UnicodeDecodeError) else said.splitlines()[0]
        raise click.ClickException(f"{name}, after entry {found}: not readable as JSON: {what}") from error
