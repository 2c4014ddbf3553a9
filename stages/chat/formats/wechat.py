"""The log of a WeChat bot service, as the paper's authors had it: callbacks, each an indented JSON object.

The type of a message is a number in old callbacks and a string in new ones. A quote has its text in `title` and the
quoted message in XML. Messages of the bot, and messages to the bot alone, which have no group, are rejects.
"""

import html
import json
import re
from collections.abc import Iterator, Sequence
from typing import Any

from stages.chat import Message, NamePairs, ReadSettings, Reject, name_pairs, parse_entry
from stages.chat.exports import ExportFile
from stages.chat.files import MAX_ENTRY_BYTES, begins_with, lines, read_each

TEXT_TYPES = ("5", "9", "60001", "80001")
QUOTE_TYPES = ("14", "60014", "80014")
MEDIA_TYPES = re.compile(r"6|[68]00\d\d")
TITLE = re.compile(r"<title>([^<]*)</title>")
QUOTED_ID = re.compile(r"<svrid>(\d+)</svrid>")
MENTION = re.compile("@([^@\u2005]+)\u2005")
EVERYBODY = ("所有人", "all")
EVERYBODY_ID = "notify@all"
UNREADABLE_LINE = "\0"  # makes its object invalid JSON


ENDINGS = (".txt", ".log", ".json")
START = re.compile(r'\{.{0,5000}"messageType":\s*"?\d', re.DOTALL)  # words: Microsoft Teams
fits = begins_with(START)


def read(files: Sequence[ExportFile], settings: ReadSettings) -> Iterator[Message | Reject]:
    return read_each(files, settings, fits, _read_file)


def _read_file(file: ExportFile, settings: ReadSettings) -> Iterator[Message | Reject]:
    for at, text in _objects(file):
        if text is None:
            yield Reject(at, "entry_too_long")
            continue
        try:
            raw = json.loads(text)
        except (ValueError, RecursionError):
            yield Reject(at, "invalid_json")
        else:
            yield parse_entry(at, _message, raw)


def _objects(file: ExportFile) -> Iterator[tuple[str, str | None]]:
    """The place and the text of each object, or None for one that is too long.

    An object begins at a line that begins with a brace, since all lines inside are indented.
    """
    at, size = f"{file.name}, line 1", 0
    object_lines: list[str] = []
    for line in lines(file):
        line_at, text = (line.at, UNREADABLE_LINE) if isinstance(line, Reject) else line
        if text.startswith("{") and object_lines:
            yield at, "\n".join(object_lines) if size <= MAX_ENTRY_BYTES else None
            object_lines, size = [], 0
        if not object_lines:
            at = line_at
        size += len(text) + 1
        if size <= MAX_ENTRY_BYTES and (text or object_lines):
            object_lines.append(text)
    if object_lines:
        yield at, "\n".join(object_lines) if size <= MAX_ENTRY_BYTES else None


def _message(at: str, raw: dict[str, Any]) -> Message | Reject:
    if "answer" in raw:
        return Reject(at, "bot")
    message_type, data = str(raw["messageType"]), raw["data"]
    if message_type not in TEXT_TYPES + QUOTE_TYPES:
        return Reject(at, "media_without_text" if MEDIA_TYPES.fullmatch(message_type) else "system")
    if data.get("self"):
        return Reject(at, "bot")
    if "fromGroup" not in data:
        return Reject(at, "no_group")
    text, reply_to = data["content"], None
    if message_type in QUOTE_TYPES:
        text, reply_to = _quote(data)
    if text.startswith("<sysmsg"):
        return Reject(at, "system")
    if text.startswith(("<?xml", "<msg")):
        return Reject(at, "media_without_text")
    names = _mentioned_names(text, data.get("atlist") or [])
    key = data.get("newMsgId", data.get("msgId"))
    return Message(
        at,
        data["fromGroup"],
        data["fromUser"],
        text,
        data["timestamp"],
        key=None if key is None else str(key),
        reply_to=reply_to,
        names=names,
    )


def _quote(data: dict[str, Any]) -> tuple[str, str | None]:
    """The text of a quote and the id of the quoted message."""
    xml = data["content"]
    quoted_id, title = QUOTED_ID.search(xml), TITLE.search(xml)
    text = xml
    if "title" in data:
        text = data["title"]
    elif title:
        text = html.unescape(title[1])
    return text, quoted_id[1] if quoted_id else None


def _mentioned_names(text: str, mentioned_ids: list[str]) -> NamePairs:
    """Pairs of the ids of the people mentioned and the names in the text, in their order.

    The numbers differ where somebody is mentioned twice or has left the group; then the names stand for the ids.
    """
    names = [name for name in MENTION.findall(text) if name not in EVERYBODY]
    people = [person for person in mentioned_ids if person != EVERYBODY_ID]
    if len(people) != len(names):
        people = [f"@{name}" for name in names]
    return tuple(pair for person, name in zip(people, names, strict=True) for pair in name_pairs(person, name))
