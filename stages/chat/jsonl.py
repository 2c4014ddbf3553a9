"""JSON Lines: an object a line, its fields named in `ingest.columns`.

Sender, group, id and the id replied to may be strings or whole numbers; a time is epoch seconds or ISO 8601. Group is
the file's name where the columns name none.
"""

import json
from collections.abc import Iterator, Mapping
from datetime import tzinfo
from functools import partial
from pathlib import Path
from typing import Any

from stages.chat import Broken, Message, entry, moment
from stages.chat.files import lines

Columns = Mapping[str, str | None]


def read(path: Path, zone: tzinfo, columns: Columns) -> Iterator[Message | Broken]:
    for line in lines(path):
        if isinstance(line, Broken):
            yield line
            continue
        at, text = line
        try:
            row = json.loads(text)
        except (ValueError, RecursionError):
            yield Broken(at, "invalid_json")
        else:
            yield entry(at, partial(message, path.stem, zone, columns), row)


def message(stem: str, zone: tzinfo, columns: Columns, at: str, row: dict[str | None, Any]) -> Message:
    """A message from a row of a table, which may lack an id and what it replies to. Raises KeyError for another column
    that isn't there, TypeError or ValueError for what is not of its type.
    """

    def name(field: str, default: str | None = None) -> str | None:
        found = default if (column := columns[field]) is None else row[column]
        if type(found) not in (str, int, type(None)):
            raise TypeError
        return None if found in (None, "") else str(found)

    row = dict.fromkeys((columns["id"], columns["reply_to"])) | row
    sender, group = name("sender"), name("group", stem)
    if sender is None or group is None:
        raise TypeError
    key, reply_to = name("id"), name("reply_to")
    when = _when(row[columns["timestamp"] or ""], zone)
    return Message(at, group, sender, row[columns["text"] or ""], when, key=key, reply_to=reply_to)


def _when(time: Any, zone: tzinfo) -> int:
    if type(time) in (int, float):
        return int(time)
    try:
        return int(float(time))
    except ValueError:
        return moment(time.strip(), zone)
