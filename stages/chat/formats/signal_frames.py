"""main.jsonl of Signal's own export: lines of frames as in its backups, of people, of chats, and of what was said.

A sender is the id of a recipient, which is unique in the file; names stand in the recipients' frames. A message's key
is its sender and the time when it was sent, as in a quote.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from stages.chat import Message, NamePairs, Reject, name_pairs, parse_entry
from stages.chat.exports import ExportFile
from stages.chat.files import WaitingNames
from stages.chat.json_entries import json_lines, seconds_of

START = re.compile(
    r'(?:\{\s*"version":[^\n]{0,5000}\n\s*)?\{\s*"(?:account|recipient|chat|chatItem)":\s*\{'
    r'|\{\s*"version":[^\n]{0,2000}"backupTimeMs"'
)
PLACEHOLDER = "\ufffc"  # in a text, of a mention
REASONS = {
    "updateMessage": "system",
    "remoteDeletedMessage": "deleted",
    "adminDeletedMessage": "deleted",
    **dict.fromkeys(("stickerMessage", "contactMessage", "viewOnceMessage"), "media_without_text"),
    **dict.fromkeys(("paymentNotification", "giftBadge"), "system"),
}


@dataclass
class People:
    """The names of recipients by id, and what else frames say of them."""

    names: dict[str, NamePairs] = field(default_factory=dict)
    ids: dict[str, str] = field(default_factory=dict)  # by the account's id, as mentions have it
    services: set[str] = field(default_factory=set)
    new_names: WaitingNames = field(default_factory=WaitingNames)  # that no message has brought yet
    account: NamePairs = ()

    def add(self, kind: str, frame: dict[str, Any]) -> None:
        if kind == "account":
            self.account = _names("", frame)
        elif kind == "recipient":
            person, contact = str(frame["id"]), frame.get("contact")
            if "releaseNotes" in frame:
                self.services.add(person)
            self.names[person] = _names(person, contact or {})
            if "self" in frame:
                self.names[person] = tuple((person, name) for _, name in self.account)
            if contact and contact.get("aci"):
                self.ids[contact["aci"]] = person
            self.new_names.add(self.names[person])


def fits(start: str) -> bool:
    return START.match(start) is not None


def read(file: ExportFile) -> Iterator[Message | Reject]:
    people = People()
    for entry in json_lines(file):
        if isinstance(entry, Reject):
            yield entry
            continue
        at, _place, frame = entry
        item = frame.get("chatItem") if isinstance(frame, dict) else None
        if item is None:
            try:
                for kind, value in frame.items():
                    people.add(kind, value)
            except (AttributeError, KeyError, TypeError):
                yield Reject(at, "bad_field")
            continue
        yield people.new_names.brought_by(parse_entry(at, partial(_message, people), item))


def _names(person: str, contact: dict[str, Any]) -> NamePairs:
    """All names that a contact's frame or the account's has."""
    nickname = contact.get("nickname") or {}
    pairs = [(contact.get(f"{kind}Name"), contact.get(f"{family}Name")) for kind, family in NAME_FIELDS]
    pairs.append((nickname.get("given"), nickname.get("family")))
    names = [" ".join(part for part in pair if part) for pair in pairs]
    return name_pairs(person, *names, contact.get("systemNickname"), contact.get("username"))


NAME_FIELDS = (("given", "family"), ("profileGiven", "profileFamily"), ("systemGiven", "systemFamily"))


def _message(people: People, at: str, item: dict[str, Any]) -> Message | Reject:
    sender = str(item["authorId"])
    if sender in people.services:
        return Reject(at, "bot")
    for kind, reason in REASONS.items():
        if kind in item:
            return Reject(at, reason)
    if "poll" in item:
        message = {"text": {"body": item["poll"]["question"]}}
    else:
        message = (
            item["standardMessage"] if "standardMessage" in item else item["directStoryReplyMessage"]["textReply"]
        )
    text, quote = message.get("text") or {}, message.get("quote") or {}
    body = _with_mentions(people, text.get("body") or "", text.get("bodyRanges") or [])
    if not body and (message.get("attachments") or message.get("longText")):
        return Reject(at, "media_without_text")
    answered = f"{quote['authorId']}:{quote['targetSentTimestamp']}" if "targetSentTimestamp" in quote else None
    key, chat = f"{sender}:{item['dateSent']}", str(item["chatId"])
    return Message(at, chat, sender, body, seconds_of(item["dateSent"]), key=key, reply_to=answered)


def _with_mentions(people: People, body: str, ranges: list[dict[str, Any]]) -> str:
    """A text with `@` and a name for each mention's placeholder. Places count UTF-16 units."""
    mentions = sorted((item for item in ranges if "mentionAci" in item), key=lambda item: item.get("start", 0))
    for mention in mentions:
        person = people.ids.get(mention["mentionAci"], mention["mentionAci"])
        names = people.names.get(person, ())
        body = body.replace(PLACEHOLDER, f"@{names[0][1] if names else person}", 1)
    return body
