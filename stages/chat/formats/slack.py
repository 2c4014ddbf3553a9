"""A Slack export, zip or folder: a folder for each channel with an array of messages for each day, or an array for
each channel. slackdump's dumps too: an object for each channel, with the replies in the messages that they answer.
Answers of the API are such objects without replies.

Messages of people are taken, with a few subtypes; all other subtypes are Slack's or a bot's. Where a message has no
`text`, its blocks hold it. A mention becomes `@` and the user's id, as the sender is; names stand in users.json and
beside the messages.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any, NamedTuple

from stages.chat import Columns, Message, NamePairs, ReadSettings, Reject, name_pairs, parse_entry
from stages.chat.exports import ExportFile
from stages.chat.files import WaitingNames, json_values
from stages.chat.formats.slack_files import (
    EMPTY,
    Rooms,
    begins_with_message,
    dumped_channel,
    is_day,
    is_dump,
    is_message_array,
    is_metadata,
    is_of_users,
)
from stages.chat.formats.slack_markup import markup_of_blocks, mentioned_names, plain_text

SUBTYPES_OF_PEOPLE = (None, "thread_broadcast", "reply_broadcast", "me_message", "file_share", "file_comment")
SUBTYPES_OF_BOTS = ("bot_message", "slackbot_response")
SLACKBOT = "USLACKBOT"
ENDINGS = (".json",)
NAME_FIELDS = (
    *("first_name", "last_name", "real_name_normalized", "display_name_normalized"),
    *("name", "real_name", "display_name"),
)
NOT_SHOWN = "This content can't be displayed."  # the text of a message that has only blocks
MEDIA = ("files", "file", "upload", "attachments", "blocks")
SHARED = ("is_share", "is_msg_unfurl")  # marks of an attachment that is another message
# What Slack wrote as the text of a file until 2018; the comment alone is the person's.
UPLOAD = re.compile(r"<@[^<>]*> (?:uploaded|shared) a file: <[^<>]*>(?: and commented: (.*))?", re.DOTALL)
REPLIES = "slackdump_thread_replies"


class Users(NamedTuple):
    """Of all users of the export: names, and the ids of people and of bots."""

    names: NamePairs
    people: frozenset[str]
    bots: frozenset[str]


def fits(start: str, columns: Columns) -> bool:
    return is_message_array(start) or is_dump(start)


def read(files: Sequence[ExportFile], settings: ReadSettings) -> Iterator[Message | Reject]:
    users, rooms = _users(files), Rooms(files)
    names_of_users = WaitingNames(users.names)
    for file in files:
        for entry in _read_file(file, rooms, users):
            yield names_of_users.brought_by(entry)


def _users(files: Sequence[ExportFile]) -> Users:
    names: dict[tuple[str, str], None] = {}  # each once: an organization's users stand in each of their teams too
    people: set[str] = set()
    bots = {SLACKBOT}
    for file in files:
        if not is_of_users(file):
            continue
        for _place, user in json_values(file, "item"):
            if isinstance(user, dict) and isinstance(user.get("id"), str):
                names |= dict.fromkeys(_names(user["id"], user, user.get("profile")))
                (bots if user.get("is_bot") else people).add(user["id"])
    return Users(tuple(names), frozenset(people - bots), frozenset(bots))


def _read_file(file: ExportFile, rooms: Rooms, users: Users) -> Iterator[Message | Reject]:
    start = "" if is_day(file) else file.start()
    if is_metadata(file) and not file.is_alone and not begins_with_message(start):  # a channel may be called `lists`
        return
    if is_day(file) or is_message_array(start):
        yield from _read_messages(file, "item", partial(_message, rooms.room_of(file), users))
    elif is_dump(start):
        yield from _read_messages(file, r"messages\.item", partial(_message, dumped_channel(file, start), users))
    elif not EMPTY.fullmatch(start):
        yield Reject(file.name, "other_file")


def _read_messages(
    file: ExportFile, places: str, parse: Callable[..., Message | Reject]
) -> Iterator[Message | Reject]:
    for number, (_place, value) in enumerate(json_values(file, places), start=1):
        at = f"{file.name}, message {number}"
        yield parse_entry(at, parse, value)
        replies = value.get(REPLIES) if isinstance(value, dict) else None
        for reply_number, reply in enumerate(replies if isinstance(replies, list) else (), start=1):
            yield parse_entry(f"{at}, reply {reply_number}", parse, reply)


def _message(room: str, users: Users, at: str, raw: dict[str, Any]) -> Message | Reject:
    subtype = raw.get("subtype") or None
    if subtype in SUBTYPES_OF_BOTS:
        return Reject(at, "bot")
    if raw["type"] != "message" or subtype not in SUBTYPES_OF_PEOPLE:
        return Reject(at, "system")
    if _is_of_bot(raw, users):
        return Reject(at, "bot")
    comment = (raw.get("comment") if subtype == "file_comment" else None) or {}  # until 2018
    sender, markup = comment.get("user") or raw["user"], comment.get("comment") or _markup(raw)
    if not markup and any(raw.get(field) for field in MEDIA):
        is_shared = any(attachment.get(mark) for attachment in raw.get("attachments") or () for mark in SHARED)
        return Reject(at, "forward" if is_shared else "media_without_text")
    if not markup:
        markup = raw["text"]
    thread = raw.get("thread_ts")
    reply_to = thread if thread != raw["ts"] else None
    names = _names(sender, raw.get("user_profile")) + mentioned_names(markup)
    text, timestamp = plain_text(markup), int(float(raw["ts"]))
    return Message(at, room, sender, text, timestamp, key=raw["ts"], reply_to=reply_to, names=names)


def _is_of_bot(raw: dict[str, Any], users: Users) -> bool:
    """Whether a bot wrote a message. What an app posts for a person has an app's id too, but is the person's."""
    user = raw.get("user")
    is_of_person = user and ("client_msg_id" in raw or user in users.people)
    return user in users.bots or (bool(raw.get("bot_id")) and not is_of_person)


def _markup(raw: dict[str, Any]) -> str:
    """A message's words in Slack's markup."""
    text = raw.get("text")
    if not text or text == NOT_SHOWN:
        return markup_of_blocks(raw.get("blocks") or []) or text or ""
    if raw.get("subtype") == "file_share":
        upload = UPLOAD.fullmatch(text)
        if upload:
            return upload[1] or ""
    return text


def _names(person: Any, *profiles: Any) -> NamePairs:
    names: list[Any] = []
    for profile in profiles:
        if isinstance(profile, dict):
            names += [profile.get(field) for field in NAME_FIELDS]
    return name_pairs(person, *dict.fromkeys(name for name in names if isinstance(name, str)))
