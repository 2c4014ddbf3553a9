"""JSON Lines in the fields of the paper's section 3: id, sender, text, timestamp, and maybe group, cr_window,
cr_need_gt.

Group is the file's name where a line has none. The turns of `cr_window` are messages too, once each, since the
published files hold questions with their windows rather than the whole log. `cr_need_gt` is imported as a label. The
scorers' booleans are not: the filter asks again.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from stages.chat import Broken, Message
from stages.chat.files import lines


def read(path: Path, **_: Any) -> Iterator[Message | Broken]:
    known = {_key(row) for row in _lines(path) if isinstance(row, Message)}
    for row in _lines(path, windows=True):
        if isinstance(row, Message) and row.at.endswith("cr_window"):
            if _key(row) in known:
                continue
            known.add(_key(row))
        yield row


def _key(message: Message) -> int:
    return hash((message.group, message.sender, message.text, message.timestamp))  # 8 bytes instead of the text


def _lines(path: Path, windows: bool = False) -> Iterator[Message | Broken]:
    ids = set()
    for line in lines(path):
        if isinstance(line, Broken):
            yield line
            continue
        at, text = line
        try:
            row = json.loads(text)
            group = row.get("group", path.stem)
            message = _message(at, group, row, row.get("cr_need_gt"))
            window = [_message(f"{at}, cr_window", group, turn) for turn in row.get("cr_window", [])]
            if row["id"] in ids:
                yield Broken(at, "duplicate_id")
                continue
            ids.add(row["id"])
        except (ValueError, RecursionError):
            yield Broken(at, "invalid_json")
        except KeyError:
            yield Broken(at, "missing_field")
        except (AttributeError, TypeError):
            yield Broken(at, "bad_field")
        else:
            if windows:
                yield from window
            yield message


def _message(at: str, group: Any, row: dict[str, Any], cr_need_gt: Any = None) -> Message:
    sender, text, timestamp = row["sender"], row["text"], row["timestamp"]
    strings = isinstance(group, str) and isinstance(sender, str) and isinstance(text, str)
    if not strings or type(timestamp) is not int or type(cr_need_gt) not in (bool, type(None)):
        raise TypeError
    return Message(at, group, sender, text, timestamp, cr_need_gt)
