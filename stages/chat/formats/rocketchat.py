"""Rocket.Chat: `mongoexport` of rocketchat_message, a room's export as a file, messages saved from the app, its API.

These are an object a line, an array, or a document with `messages`. Senders are user names, as mentions are. A
`mongoexport` of the users beside the messages has all names and says who is a bot.
"""

import re
from collections.abc import Collection, Iterator, Sequence
from datetime import tzinfo
from functools import partial
from typing import Any

from stages.chat import Columns, Message, NamePairs, ReadSettings, Reject, epoch_seconds, name_pairs, parse_entry
from stages.chat.exports import ExportFile
from stages.chat.files import WaitingNames, read_each
from stages.chat.json_entries import json_entries, seconds_of

ENDINGS = (".json", ".jsonl", ".ndjson")
LOOKED_AT = 20_000  # characters
SIGNS = (
    re.compile(r'"msg":\s*"'),
    re.compile(r'"u(?:sername)?":\s*["{]'),
    re.compile(r'"ts":\s*(?:\{\s*"\$date"|"\d{4}-)'),
)
ROOM = re.compile(r'"(?:lastMessage|usersCount)":')  # has the room's last message in it
USER = re.compile(r'[\[{].{0,20000}?"(?:roles|emails|services)":\s*[\[{]', re.DOTALL)
PLACES = r"roomId|(?:messages\.)?item"
REASONS = {"rm": "deleted", "e2e": "encrypted", "otr": "encrypted"}  # of types; all others are the system's
SERVICE_USER = "rocket.cat"
QUOTES = re.compile(
    r"(?:\[ ?\]\([^)\s]{0,500}[?&]msg=([^)&\s]{1,100})[^)]{0,500}\)\s*)+"
)  # an empty link to each answered message


class Users:
    """Of all users: names, and the user names of bots."""

    def __init__(self) -> None:
        self.names = WaitingNames()
        self.bots: set[str] = set()

    def read(self, file: ExportFile) -> None:
        for entry in json_entries(file, "item"):
            user = None if isinstance(entry, Reject) else entry[2]
            if isinstance(user, dict):
                self.names.add(_names(user))
                if user.get("type") == "bot" or "bot" in (user.get("roles") or ()):
                    self.bots.add(str(user.get("username")))


def fits(start: str, columns: Columns) -> bool:
    looked_at = start[:LOOKED_AT]
    return (
        start.startswith(("[", "{")) and all(sign.search(looked_at) for sign in SIGNS) and not ROOM.search(looked_at)
    )


def read(files: Sequence[ExportFile], settings: ReadSettings) -> Iterator[Message | Reject]:
    users = Users()
    others: list[ExportFile] = []
    for file in files:
        start = file.start()
        is_of_messages = file.is_alone or fits(start, settings.columns)
        if not is_of_messages and USER.match(start) and '"username":' in start:
            users.read(file)
        elif is_of_messages or not ROOM.search(start):
            others.append(file)
    yield from read_each(others, settings, fits, partial(_read_file, users))


def _read_file(users: Users, file: ExportFile, settings: ReadSettings) -> Iterator[Message | Reject]:
    room = file.stem
    for entry in json_entries(file, PLACES):
        if isinstance(entry, Reject):
            yield entry
            continue
        at, place, value = entry
        if place == "roomId":
            room = str(value or room)
        else:
            message = parse_entry(at, partial(_message, users.bots, room, settings.zone), value)
            yield users.names.brought_by(message)


def _message(bots: Collection[str], room: str, zone: tzinfo, at: str, raw: dict[str, Any]) -> Message | Reject:
    user, kind = raw.get("u") or {}, raw.get("t") or raw.get("type")
    sender = user["username"] if "u" in raw else raw["username"]
    if kind:
        return Reject(at, REASONS.get(kind, "system"))
    if raw.get("_hidden"):  # what a message was before it was edited
        return Reject(at, "edit")
    if raw.get("bot") or sender == SERVICE_USER or sender in bots:
        return Reject(at, "bot")
    attachments = raw.get("attachments") or []
    quotes = QUOTES.match(raw["msg"])
    text = raw["msg"][quotes.end() :] if quotes else raw["msg"]
    text = text or "\n".join(filter(None, (attachment.get("description") for attachment in attachments)))
    if not text and (attachments or raw.get("file")):
        return Reject(at, "media_without_text")
    answered = quotes[1] if quotes else raw.get("tmid")
    names = name_pairs(sender, raw.get("alias")) + _names(user, *(raw.get("mentions") or []))
    group, key = raw.get("rid") or room, raw.get("_id")
    timestamp = _timestamp(raw["ts"], zone)
    return Message(at, group, sender, text, timestamp, key=key, reply_to=answered, names=names)


def _names(*people: dict[str, Any]) -> NamePairs:
    """Of the author and of the people who are mentioned."""
    return tuple(pair for person in people for pair in name_pairs(person.get("username"), person.get("name")))


def _timestamp(time: Any, zone: tzinfo) -> int:
    """Of a time in ISO 8601 or milliseconds, or of MongoDB's object with one of these."""
    while isinstance(time, dict):
        time = time["$date"] if "$date" in time else time["$numberLong"]
    return epoch_seconds(time, zone) if isinstance(time, str) and not time.lstrip("-").isdigit() else seconds_of(time)
