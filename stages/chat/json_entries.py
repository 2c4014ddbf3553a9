"""Entries of JSON in any layout: an array, a document with an array of messages, an object a line, or objects with
indented lines one after the other, as of `mongoexport --pretty`.
"""

import json
import re
from collections.abc import Iterator
from typing import Any

from stages.chat import Reject
from stages.chat.exports import ExportFile
from stages.chat.files import json_values, lines

DOCUMENT = re.compile(r'\[|\{.*?"(?:messages|chunk|events|zerver_message)":\s*\[', re.DOTALL)
INDENTED = re.compile(r"\{\s*\n")


def json_entries(file: ExportFile, places: str) -> Iterator[tuple[str, str, Any] | Reject]:
    """Where an entry stands, its place, and its value, for each value of a document whose place the pattern matches.

    `places` is as in `json_values`. The place of an object that is no document of many is `item`, as that of an
    element of an array is.
    """
    start = file.start()
    is_stream = start.startswith("{") and not DOCUMENT.match(start)
    if is_stream and not INDENTED.match(start):
        yield from json_lines(file)
        return
    number = 0
    for place, value in json_values(file, places, is_stream=is_stream):
        number += place.endswith("item")
        yield f"{file.name}, message {number}", place, value


def json_lines(file: ExportFile, word: str = "") -> Iterator[tuple[str, str, Any] | Reject]:
    """As `json_entries`, of a file with a value a line; of lines with a word in them, if one is given."""
    for line in lines(file):
        if isinstance(line, Reject):
            yield line
            continue
        at, text = line
        if not text.strip() or word not in text:
            continue
        try:
            value = json.loads(text)
        except (ValueError, RecursionError):
            yield Reject(at, "invalid_json")
        else:
            yield at, "item", value


def seconds_of(milliseconds: Any) -> int:
    """Epoch seconds of epoch milliseconds, also where they are written as text. Raises TypeError or ValueError."""
    return int(milliseconds) // 1000
