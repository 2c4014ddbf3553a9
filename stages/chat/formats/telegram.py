r"""result.json of Telegram Desktop, of one chat or of the whole account, and what converters write in its form.

Control characters are written as `\xNN`, which is not JSON. `text` is a string, or an array of strings and of objects
for links, mentions and the like. Old exports have local times only. Senders and groups are ids, since names change;
the group of a forum's topic is `CHAT/TOPIC`. Who signs a channel's post is its sender. What people forward, and what
bots write for them, are not their words. Names of people stand in service entries too.
"""

import re
from collections.abc import Iterator, Sequence
from datetime import tzinfo
from functools import partial
from typing import IO, Any

from stages.chat import Columns, Message, NamePairs, ReadSettings, Reject, epoch_seconds, name_pairs, parse_entry
from stages.chat.exports import ExportFile
from stages.chat.files import WaitingNames, json_values, read_each
from stages.chat.formats.telegram_chats import CHANNEL, Chat

ENDINGS = (".json", ".html")
STRING = r'"(?:[^"\\]|\\.)*"'
ACCOUNT = re.compile(
    rf'\{{\s*"about":\s*{STRING},\s*"(?:personal_information|profile_\w+|stories|contacts|frequent_contacts'
    r'|sessions|web_sessions|other_data|(?:left_)?chats)":',
    re.DOTALL,
)
CHAT_TYPE = re.compile(r'"type":\s*(?:"(?:\w+_)?(?:chat|group|supergroup|channel|messages|codes|replies)"|null)')
CHAT = re.compile(r'\{\s*"(?:name|type|id)":')
MESSAGES = re.compile(r':\s*\[(?:\s*\]|.*?"type":\s*"(?:message|service|unsupported)")', re.DOTALL)
PAGE = re.compile(
    r'<!DOCTYPE html>.{0,4000}(?:CheckLocation\(|"page_wrap|"message (?:default|service))', re.DOTALL | re.IGNORECASE
)
HTML = "Telegram's HTML can't be read: export the chat again, in the format 'Machine-readable JSON'"
PLACES = r"(?:(?:left_)?chats\.list\.item)?\.?(?:type|id|messages\.item)"  # of one chat, or of an account's chats
ESCAPE = re.compile(rb"\\(?:x([0-9A-Fa-f]{2})|.)", re.DOTALL)
MEDIA = (
    *("photo", "file", "media_type", "poll", "todo_list", "location_information", "place_name", "contact_information"),
    *("game_title", "invoice_information", "giveaway_information", "giveaway_results", "paid_stars_amount"),
)
FORWARD = frozenset(("forwarded_from", "forwarded_from_id", "saved_from"))
BOT = frozenset(("via_bot", "inline_bot_buttons"))


class ValidJsonFile:
    r"""A file with `\u00NN` for each `\xNN`. An escape that a chunk may have cut waits for the next chunk."""

    def __init__(self, file: IO[bytes]) -> None:
        self.file = file
        self.rest = b""

    def read(self, size: int) -> bytes:
        new_bytes = self.file.read(size)
        chunk, self.rest = self.rest + new_bytes, b""
        escape_start = chunk.rfind(b"\\", -3) if new_bytes else -1
        before = chunk[: escape_start + 1]
        backslashes = len(before) - len(before.rstrip(b"\\"))
        if backslashes % 2:  # an even number escape each other
            chunk, self.rest = chunk[:escape_start], chunk[escape_start:]
        return ESCAPE.sub(lambda match: b"\\u00" + match[1] if match[1] else match[0], chunk)


def fits(start: str, columns: Columns) -> bool:
    return _is_json(start, columns) or PAGE.match(start) is not None


def _is_json(start: str, columns: Columns) -> bool:
    chat, _, messages = start.partition('"messages"')
    return bool(ACCOUNT.match(start) or (CHAT.match(chat) and CHAT_TYPE.search(chat) and MESSAGES.match(messages)))


def read(files: Sequence[ExportFile], settings: ReadSettings) -> Iterator[Message | Reject]:
    """Pages are rejects beside JSON, as Telegram can write both. Raises click.ClickException for pages alone."""
    first_page = next((file for file in files if PAGE.match(file.start())), None)
    if first_page and not any(_is_json(file.start(), settings.columns) for file in files):
        raise first_page.error(HTML)
    return read_each(files, settings, _is_json, _read_file)


def _read_file(file: ExportFile, settings: ReadSettings) -> Iterator[Message | Reject]:
    chat, kind, number = Chat(file.stem, ""), "", 0
    waiting_names = WaitingNames()
    for place, value in json_values(file, PLACES, mend=ValidJsonFile):
        if place.endswith("type"):
            kind = str(value)
        elif place.endswith("id"):
            chat, number = Chat(str(value), kind), 0
        else:
            number += 1
            at = f"{file.name}, chat {chat.id}, message {number}"
            entry = parse_entry(at, partial(_message, chat, settings.zone), value)
            if isinstance(value, dict) and value.get("type") == "service":
                waiting_names.add(_names_of_service(value))
            yield waiting_names.brought_by(entry)


def _message(chat: Chat, zone: tzinfo, at: str, raw: dict[str, Any]) -> Message | Reject:
    topic = chat.topic_of(raw)
    if raw["type"] != "message":
        return Reject(at, "system" if raw["type"] == "service" else "media_without_text")
    account = _account(chat, raw)
    if not FORWARD.isdisjoint(raw):
        return Reject(at, "forward")
    if not BOT.isdisjoint(raw) or account in chat.bots:
        return Reject(at, "bot")
    text, mentioned = _text_and_names(raw["text"] if "text" in raw else raw["text_entities"])
    if not text and any(field in raw for field in MEDIA):
        return Reject(at, "media_without_text")
    group = chat.id if topic is None else f"{chat.id}/{topic}"
    sender = str(raw.get("author") or account) if account.startswith(CHANNEL) else account
    names = name_pairs(account, raw.get("from")) + mentioned
    key, reply_to = str(raw["id"]), _reply_to(raw, topic)
    return Message(at, group, sender, text, _timestamp(raw, zone), key=key, reply_to=reply_to, names=names)


def _account(chat: Chat, raw: dict[str, Any]) -> str:
    """The id, or the name where an export has no ids. The name of an account that is gone is null."""
    account = raw.get("from_id") or raw.get("from") or chat.channel_id
    if account is None:
        raise KeyError("from")
    return str(account)


def _names_of_service(raw: dict[str, Any]) -> NamePairs:
    """Of who did what a service entry tells, and of the people whom it was done to, whose ids it doesn't have."""
    actor, members = raw.get("actor_id") or raw.get("actor"), raw.get("members")
    names = () if str(actor).startswith(CHANNEL) else name_pairs(str(actor), raw.get("actor"))
    others = (raw.get("inviter"), *(members if isinstance(members, list) else ()))
    return names + tuple(pair for name in others for pair in name_pairs(f"@{name}", name))


def _timestamp(raw: dict[str, Any], zone: tzinfo) -> int:
    return int(raw["date_unixtime"]) if "date_unixtime" in raw else epoch_seconds(raw["date"], zone)


def _reply_to(raw: dict[str, Any], topic: int | None) -> str | None:
    """The id of the message that is answered. A topic's creation and what stands in another chat is none."""
    answered = raw.get("reply_to_message_id")
    return None if answered in (None, topic) or "reply_to_peer_id" in raw else str(answered)


def _text_and_names(text_parts: str | list[Any]) -> tuple[str, NamePairs]:
    """The text of a message's parts, with an at sign before each mention, and the names of the people mentioned."""
    text = ""
    names: list[tuple[str, str]] = []
    for part in text_parts if isinstance(text_parts, list) else [text_parts]:
        if isinstance(part, str):
            text += part
            continue
        if part.get("type") == "mention_name":  # written without an at sign
            names += name_pairs(f"user{part.get('user_id')}", part["text"])
            text += "@"
        elif part.get("type") == "mention":  # of a user name, which stands nowhere else in the export
            names += name_pairs(part["text"], part["text"].removeprefix("@"))
        text += part["text"]
    return text, tuple(names)
