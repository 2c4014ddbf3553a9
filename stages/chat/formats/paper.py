"""JSON Lines with the fields of the paper's section 3: id, sender, text, timestamp, and optionally group, cr_window
and cr_need_gt.

The group is the file's name if a line has none. The published files hold questions with their windows rather than the
whole log, so each turn of a `cr_window` becomes a message too, once. `cr_need_gt` is imported as a label. The scorers'
booleans are not imported: the filter asks again.
"""

import json
import re
from collections.abc import Iterator, Sequence
from typing import Any

from stages.chat import Columns, Message, ReadSettings, Reject
from stages.chat.exports import ExportFile
from stages.chat.files import lines, read_each

ENDINGS = (".jsonl",)
PAPER_FIELDS = {"id", "sender", "text", "timestamp", "cr_window"}


def fits(start: str, columns: Columns) -> bool:
    try:
        row = json.loads(re.split(r"\r?\n", start)[0])
    except (ValueError, RecursionError):
        return False
    return isinstance(row, dict) and set(row) >= PAPER_FIELDS


def read(files: Sequence[ExportFile], settings: ReadSettings) -> Iterator[Message | Reject]:
    return read_each(files, settings, fits, _read_file)


def _read_file(file: ExportFile, settings: ReadSettings) -> Iterator[Message | Reject]:
    hashes = {_content_hash(entry) for entry in _entries(file, with_windows=False) if isinstance(entry, Message)}
    for entry in _entries(file, with_windows=True):
        if isinstance(entry, Message) and entry.at.endswith("cr_window"):
            if _content_hash(entry) in hashes:
                continue
            hashes.add(_content_hash(entry))
        yield entry


def _content_hash(message: Message) -> int:
    return hash((message.group, message.sender, message.text, message.timestamp))  # 8 bytes instead of the text


def _entries(file: ExportFile, with_windows: bool) -> Iterator[Message | Reject]:
    """The messages of a file, each after the turns of its window if those are asked for."""
    ids = set()
    for line in lines(file):
        if isinstance(line, Reject):
            yield line
            continue
        at, text = line
        try:
            row = json.loads(text)
            group = row.get("group", file.stem)
            message = _message(at, group, row, row.get("cr_need_gt"))
            window = [_message(f"{at}, cr_window", group, turn) for turn in row.get("cr_window", [])]
            if row["id"] in ids:
                yield Reject(at, "duplicate_id")
                continue
            ids.add(row["id"])
        except (ValueError, RecursionError):
            yield Reject(at, "invalid_json")
        except KeyError:
            yield Reject(at, "missing_field")
        except (AttributeError, TypeError):
            yield Reject(at, "bad_field")
        else:
            if with_windows:
                yield from window
            yield message


def _message(at: str, group: Any, row: dict[str, Any], cr_need_gt: Any = None) -> Message:
    sender, text, timestamp = row["sender"], row["text"], row["timestamp"]
    has_strings = all(isinstance(value, str) for value in (group, sender, text))
    if not has_strings or type(timestamp) is not int or type(cr_need_gt) not in (bool, type(None)):
        raise TypeError
    return Message(at, group, sender, text, timestamp, cr_need_gt)
