"""Zulip: an organization's export (messages-000001.json beside realm.json, unpacked), JSON of the API's messages, and
zulip-archive's JSON, in which senders are names and rooms the folders of streams with the files of topics.

A room is `stream>topic`, or the people of a direct chat. Senders are ids of users; realm.json has the names and says
who is a bot. A reply quotes the message that it answers.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from stages.chat import Message, ReadSettings, Reject, name_pairs, parse_entry
from stages.chat.exports import ExportFile
from stages.chat.files import WaitingNames, begins_with, json_values, read_each
from stages.chat.formats import zulip_text
from stages.chat.json_entries import json_entries

ENDINGS = (".json", ".jsonl")
START = re.compile(r'\{\s*"zerver_(?:user)?message":|[\[{].{0,20000}?"sender_full_name":\s*"', re.DOTALL)
PLACES = r"(?:(?:zerver_message|messages)\.)?item"
REALM_FILE = "realm.json"
METADATA_FILES = ("analytics.json", "attachment.json", "migration_status.json", "records.json", "user.json")
REALM_PLACES = r"zerver_(?:userprofile(?:_crossrealm|_mirrordummy)?|recipient|stream)\.item"
USER, STREAM = 1, 2  # types of recipients
RESOLVED_MARK = "✔ "  # before the name of a topic
BOT_ADDRESS = re.compile(r"(?:.+-bot|notification-bot|welcome-bot|emailgateway)@.+")
fits = begins_with(START)


@dataclass
class Realm:
    """What realm.json says of users, by id, and of rooms, by the id of a recipient."""

    names: WaitingNames = field(default_factory=WaitingNames)
    bots: set[int] = field(default_factory=set)
    streams: dict[int, str] = field(default_factory=dict)  # names by their own ids
    recipients: dict[int, tuple[int, int]] = field(default_factory=dict)  # types, and ids of a stream or a user

    def add(self, table: str, row: dict[str, Any]) -> None:
        if table == "zerver_stream":
            self.streams[row["id"]] = str(row["name"])
        elif table == "zerver_recipient":
            self.recipients[row["id"]] = row["type"], row["type_id"]
        else:
            self.names.add(name_pairs(str(row["id"]), row.get("full_name")))
            if row.get("is_bot") or "crossrealm" in table:
                self.bots.add(row["id"])

    def room(self, message: dict[str, Any]) -> str:
        kind, of = self.recipients.get(message["recipient"], (None, message["recipient"]))
        if kind == STREAM:
            return _room(self.streams.get(of, str(of)), message["subject"])
        people = sorted({message["sender"], of}) if kind == USER else [message["recipient"]]
        return f"direct {', '.join(map(str, people))}"


def read(files: Sequence[ExportFile], settings: ReadSettings) -> Iterator[Message | Reject]:
    realm = Realm()
    others: list[ExportFile] = []
    for file in files:
        if file.path.name == REALM_FILE:
            for place, row in json_values(file, REALM_PLACES):
                try:
                    realm.add(place.split(".")[0], row)
                except (KeyError, TypeError):
                    yield Reject(f"{file.name}, {place}", "bad_field")
        elif file.path.name not in METADATA_FILES or fits(file.start(), settings.columns):
            others.append(file)
    yield from read_each(others, settings, fits, lambda file, _settings: _read_file(file, realm))


def _read_file(file: ExportFile, realm: Realm) -> Iterator[Message | Reject]:
    for entry in json_entries(file, PLACES):
        if isinstance(entry, Reject):
            yield entry
            continue
        at, _place, raw = entry
        message = parse_entry(at, partial(_message, realm, _room(file.folder, file.stem)), raw)
        yield realm.names.brought_by(message)


def _message(realm: Realm, room: str, at: str, raw: dict[str, Any]) -> Message | Reject:
    if "sender_full_name" in raw:
        sender, time = str(raw.get("sender_id", raw["sender_full_name"])), raw["timestamp"]
        names = name_pairs(sender, raw["sender_full_name"])
        is_bot = BOT_ADDRESS.fullmatch(raw.get("sender_email") or "") is not None
        group = _room_of_api(raw) if "display_recipient" in raw else room
    else:
        sender, time, names = str(raw["sender"]), raw["date_sent"], name_pairs(None)
        is_bot, group = raw["sender"] in realm.bots, realm.room(raw)
    if is_bot:
        return Reject(at, "bot")
    is_html = raw.get("content_type") == "text/html" or not raw.keys() & {"sender_id", "sender"}
    text = zulip_text.plain(raw["content"], is_html)
    if zulip_text.UPLOADS.fullmatch(raw["content"]):
        return Reject(at, "media_without_text")
    names += text.names
    return Message(at, group, sender, text.text, int(time), key=str(raw["id"]), reply_to=text.quoted_id, names=names)


def _room(stream: str, topic: str) -> str:
    return f"{stream}>{topic.removeprefix(RESOLVED_MARK)}"


def _room_of_api(raw: dict[str, Any]) -> str:
    recipient = raw["display_recipient"]
    if isinstance(recipient, str):
        return _room(recipient, raw.get("subject") or raw.get("topic") or "")
    return f"direct {', '.join(sorted(str(person['id']) for person in recipient))}"
