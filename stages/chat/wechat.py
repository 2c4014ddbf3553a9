"""The log of a WeChat bot service, as the paper's authors had it: callbacks, one pretty-printed JSON object after the
other.

A message type is a number in old callbacks and a string in new ones. A quote has its text in `title` and the quoted
message in XML. Messages to the bot alone have no group and are rejects, like what the bot itself says.
"""

import html
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from stages.chat import Broken, Message, called, entry
from stages.chat.files import LIMIT, lines

TEXT = ("5", "9", "60001", "80001")
QUOTE = ("14", "60014", "80014")
MEDIA = re.compile(r"6|[68]00\d\d")
TITLE = re.compile(r"<title>([^<]*)</title>")
QUOTED = re.compile(r"<svrid>(\d+)</svrid>")
MENTION = re.compile("@([^@\u2005]+)\u2005")
EVERYBODY = ("所有人", "all")


def read(path: Path, **_: Any) -> Iterator[Message | Broken]:
    for at, text in _objects(path):
        if text is None:
            yield Broken(at, "entry_too_long")
            continue
        try:
            raw = json.loads(text)
        except (ValueError, RecursionError):
            yield Broken(at, "invalid_json")
        else:
            yield entry(at, _message, raw)


def _objects(path: Path) -> Iterator[tuple[str, str | None]]:
    """The text of each object and where it starts: a line that begins with a brace, since all inside is indented.
    None for one that is too long.
    """
    at, size = f"{path.name}, line 1", 0
    held: list[str] = []
    for line in lines(path):
        place, text = (
            (line.at, "\0") if isinstance(line, Broken) else line
        )  # a line that can't be read spoils its object
        if text.startswith("{") and held:
            yield at, "\n".join(held) if size <= LIMIT else None
            held, size = [], 0
        if not held:
            at = place
        size += len(text) + 1
        if size <= LIMIT and (text or held):
            held.append(text)
    if held:
        yield at, "\n".join(held) if size <= LIMIT else None


def _message(at: str, raw: dict[str, Any]) -> Message | Broken:
    if "answer" in raw:
        return Broken(at, "bot")
    kind, data = str(raw["messageType"]), raw["data"]
    if kind not in TEXT + QUOTE:
        return Broken(at, "media_without_text" if MEDIA.fullmatch(kind) else "system")
    if data.get("self"):
        return Broken(at, "bot")
    if "fromGroup" not in data:
        return Broken(at, "no_group")
    text, reply_to = data["content"], None
    if kind in QUOTE:
        quoted, title = QUOTED.search(text), TITLE.search(text)
        reply_to = quoted[1] if quoted else None
        text = data["title"] if "title" in data else html.unescape(title[1]) if title else text
    if text.startswith(("<?xml", "<msg", "<sysmsg")):
        return Broken(at, "system" if text.startswith("<sysmsg") else "media_without_text")
    named = [name for name in MENTION.findall(text) if name not in EVERYBODY]
    people = [person for person in data.get("atlist") or [] if person != "notify@all"]
    if len(people) != len(named):  # somebody was called twice, or left the group
        people = [f"@{name}" for name in named]
    key = data.get("newMsgId", data.get("msgId"))
    return Message(
        at,
        data["fromGroup"],
        data["fromUser"],
        text,
        data["timestamp"],
        key=None if key is None else str(key),
        reply_to=reply_to,
        names=tuple(pair for one in zip(people, named, strict=True) for pair in called(*one)),
    )
