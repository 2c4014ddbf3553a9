"""JSON of DiscordChatExporter: an object with `guild`, `channel` and `messages`; a large channel has several files.

Messages of bots and of Discord itself (joins, pins, calls) are rejects. What PluralKit posts for people comes from a
bot too, and nothing tells it from others. A forwarded message has no words of the person who forwards it. Senders are
user ids, since names change. Each thread is a channel.
"""

import re
from collections.abc import Iterator, Sequence
from datetime import datetime, tzinfo
from functools import partial
from typing import Any

from stages.chat import Message, NamePairs, ReadSettings, Reject, epoch_seconds, name_pairs, parse_entry
from stages.chat.exports import ExportFile
from stages.chat.files import begins_with, json_values, read_each

ENDINGS = (".json",)
START = re.compile(r'\{\s*"guild":\s*\{.{0,20000}?"channel":\s*\{', re.DOTALL)
REPLIES = ("Reply", "19")  # versions that don't know a kind write Discord's number
KINDS_OF_PEOPLE = ("Default", "0", *REPLIES)
MEDIA = ("attachments", "embeds", "stickers", "poll")
# A mention of a person, of a role or a channel, an emoji of the server, a time or a command, in exports without
# formatting (`--markdown false`).
MARKUP = re.compile(r"<(?:@!?(\d+)|(@&\d+|#\d+)|a?(:\w+:)\d+|t:(\d{1,10})(?::[a-zA-Z])?|(/[^:<>\n]+):\d+)>")
fits = begins_with(START)


def read(files: Sequence[ExportFile], settings: ReadSettings) -> Iterator[Message | Reject]:
    return read_each(files, settings, fits, _read_file)


def _read_file(file: ExportFile, settings: ReadSettings) -> Iterator[Message | Reject]:
    group, number = file.stem, 0
    for place, value in json_values(file, r"channel\.id|messages\.item"):
        if place == "channel.id":
            group = str(value)
            continue
        number += 1
        yield parse_entry(f"{file.name}, message {number}", partial(_message, group, settings.zone), value)


def _message(group: str, zone: tzinfo, at: str, raw: dict[str, Any]) -> Message | Reject:
    kind, author = str(raw["type"]), raw["author"]
    if author.get("isBot"):
        return Reject(at, "bot")
    if kind not in KINDS_OF_PEOPLE:
        return Reject(at, "system")
    content, reference = raw["content"], raw.get("reference") or {}
    has_media = not content and any(raw.get(field) for field in MEDIA)
    if _is_forward(raw, reference, has_media):
        return Reject(at, "forward")
    if has_media:
        return Reject(at, "media_without_text")
    reply_to = reference.get("messageId") if kind in REPLIES else None  # pins and forwards are no replies
    people = [author, *(raw.get("mentions") or [])]
    text, timestamp = _plain_text(content, people, zone), epoch_seconds(raw["timestamp"], zone)
    names = _names(people) + _mentioned_ids(content)
    return Message(at, group, author["id"], text, timestamp, key=raw["id"], reply_to=reply_to, names=names)


def _is_forward(raw: dict[str, Any], reference: dict[str, Any], has_media: bool) -> bool:
    """Whether a message is only a forwarded one. Until version 2.46 all that is left of it is a reference."""
    forwarded = raw.get("forwardedMessage") or {}
    if forwarded or reference.get("type") == "Forward":
        return raw["content"] in ("", forwarded.get("content"))
    return bool(reference) and "type" not in reference and not raw["content"] and not has_media


def _plain_text(content: str, people: list[dict[str, Any]], zone: tzinfo) -> str:
    """A text with what people see for markup."""
    if "<" not in content:
        return content
    names = {person.get("id"): person.get("nickname") or person.get("name") for person in people}

    def shown(match: re.Match[str]) -> str:
        person, other, emoji, seconds, command = match.groups()
        if person:
            return f"@{names.get(person) or person}"
        if seconds:
            return datetime.fromtimestamp(int(seconds), zone).strftime("%Y-%m-%d %H:%M")
        return str(emoji or command or other.replace("&", ""))

    return MARKUP.sub(shown, content)


def _mentioned_ids(content: str) -> NamePairs:
    """Of the people whom the text mentions in markup: the export may lack their names."""
    return tuple((match[1], match[1]) for match in MARKUP.finditer(content) if match[1]) if "<" in content else ()


def _names(people: list[dict[str, Any]]) -> NamePairs:
    """Of the author and of the people who are mentioned."""
    names = ("name", "nickname")
    return tuple(pair for person in people for pair in name_pairs(person["id"], *map(person.get, names)))
