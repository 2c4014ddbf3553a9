"""DiscordChatExporter's JSON: one object with `guild`, `channel` and `messages`.

A `reference` alone is no reply: pins and forwards have one too. Bots, and what Discord itself says (joins, pins,
calls), are rejects. Senders are user ids, since names change.
"""

from collections.abc import Iterator
from datetime import tzinfo
from functools import partial
from pathlib import Path
from typing import Any

from stages.chat import Broken, Message, called, entry, moment
from stages.chat.files import opened, values


def read(path: Path, zone: tzinfo, **_: Any) -> Iterator[Message | Broken]:
    group, number = path.stem, 0
    with opened(path) as file:
        for place, value in values(path, file, r"channel\.id|messages\.item"):
            if place == "channel.id":
                group = str(value)
                continue
            number += 1
            yield entry(f"{path.name}, message {number}", partial(_message, group, zone), value)


def _message(group: str, zone: tzinfo, at: str, raw: dict[str, Any]) -> Message | Broken:
    if raw["type"] not in ("Default", "Reply"):
        return Broken(at, "system")
    if raw["author"].get("isBot"):
        return Broken(at, "bot")
    if not raw["content"] and any(raw.get(kind) for kind in ("attachments", "embeds", "stickers")):
        return Broken(at, "media_without_text")
    reply_to = (raw.get("reference") or {}).get("messageId") if raw["type"] == "Reply" else None
    when = moment(raw["timestamp"], zone)
    people = [raw["author"], *(raw.get("mentions") or [])]
    names = tuple(pair for one in people for pair in called(one["id"], one.get("name"), one.get("nickname")))
    return Message(at, group, raw["author"]["id"], raw["content"], when, key=raw["id"], reply_to=reply_to, names=names)
