r"""Telegram Desktop's result.json, of one chat or of the whole account.

Control characters stand there as `\xNN`, which is not JSON. `text` is a string, or an array of strings and of objects
for links, mentions and the like. Old exports have local times only. Senders and groups are ids, since names change.
"""

import re
from collections.abc import Iterator
from datetime import tzinfo
from functools import partial
from pathlib import Path
from typing import IO, Any, cast

from stages.chat import Broken, Message, called, entry, moment
from stages.chat.files import opened, values

CHAT = r"(?:(?:left_)?chats\.list\.item)?"
ESCAPE = re.compile(rb"\\(?:x([0-9A-Fa-f]{2})|.)", re.DOTALL)


class Mended:
    r"""A file whose `\xNN` are `\u00NN`. What may be the start of one at the end of a chunk waits for the next."""

    def __init__(self, file: IO[bytes]) -> None:
        self.file, self.rest = file, b""

    def read(self, size: int) -> bytes:
        more = self.file.read(size)
        chunk, self.rest = self.rest + more, b""
        last = chunk.rfind(b"\\", -3) + 1 if more else 0
        if (last - len(chunk[:last].rstrip(b"\\"))) % 2:  # of an even run of backslashes all are escaped
            chunk, self.rest = chunk[: last - 1], chunk[last - 1 :]
        return ESCAPE.sub(lambda m: b"\\u00" + m[1] if m[1] else m[0], chunk)


def read(path: Path, zone: tzinfo, **_: Any) -> Iterator[Message | Broken]:
    group, number = path.stem, 0
    with opened(path) as file:
        for place, value in values(path, cast(IO[bytes], Mended(file)), CHAT + r"\.?(?:id|messages\.item)"):
            if place.endswith("id"):
                group, number = str(value), 0
                continue
            number += 1
            at = f"{path.name}, chat {group}, message {number}"
            yield entry(at, partial(_message, group, zone), value)


def _message(group: str, zone: tzinfo, at: str, raw: dict[str, Any]) -> Message | Broken:
    if raw["type"] != "message":
        return Broken(at, "system" if raw["type"] == "service" else "media_without_text")
    parts = raw["text"] if isinstance(raw["text"], list) else [raw["text"]]
    sender = str(raw.get("from_id") or raw["from"])
    names, text = called(sender, raw.get("from")), ""
    for part in parts:
        if isinstance(part, str):
            text += part
            continue
        if part.get("type") == "mention_name":  # shown without an at sign
            names += called(f"user{part.get('user_id')}", part["text"])
            text += "@"
        elif part.get("type") == "mention":  # of a user name, which stands nowhere else
            names += called(part["text"], part["text"].removeprefix("@"))
        text += part["text"]
    if not text and any(kind in raw for kind in ("photo", "file", "media_type", "poll", "location_information")):
        return Broken(at, "media_without_text")
    when = int(raw["date_unixtime"]) if "date_unixtime" in raw else moment(raw["date"], zone)
    elsewhere = "reply_to_peer_id" in raw
    reply_to = None if elsewhere or "reply_to_message_id" not in raw else str(raw["reply_to_message_id"])
    return Message(at, group, sender, text, when, key=str(raw["id"]), reply_to=reply_to, names=names)
