"""Matrix events: the JSON of Element's chat export, arrays and lines of events, and answers of a homeserver, also to
`/sync`.

A text that was edited is the new one where the event brings it along, as in Element's exports; an edit that stands
alone is a reject, and the original is kept. Senders are Matrix ids. Messages of type m.notice are those of bots.
"""

import html
import re
from collections.abc import Iterator, Sequence
from datetime import tzinfo
from functools import partial
from typing import Any
from urllib.parse import unquote

from stages.chat import Message, NamePairs, ReadSettings, Reject, epoch_seconds, name_pairs, parse_entry
from stages.chat.exports import ExportFile
from stages.chat.files import WaitingNames, begins_with, read_each
from stages.chat.json_entries import json_entries, seconds_of

ENDINGS = (".json", ".jsonl", ".ndjson")
START = re.compile(r'\{\s*"room_name":|[\[{].{0,20000}?(?:"origin_server_ts":\s*\d|"msgtype":\s*"m\.)', re.DOTALL)
PLACES = (
    r"room_name|room_id"
    r"|(?:(?:messages|chunk|state|events|rooms\.(?:join|leave)\..+\.(?:state|timeline)\.events)\.)?item"
)
ROOM_OF_SYNC = re.compile(r"rooms\.\w+\.(.+)\.\w+\.events\.item")
QUOTED = re.compile(r"> (?:\* )?<@[^>\n]+>[^\n]*\n(?:>[^\n]*\n)*\n?")  # the message that a reply answers
PILL = re.compile(r"""href=["']https://matrix\.to/#/((?:@|%40)[^"'?/]{1,300})[^<>]{0,300}>@?([^<]{1,300})<""")
MARKDOWN_PILL = re.compile(r"\[@?([^\[\]\n]{1,300})\]\(https://matrix\.to/#/((?:@|%40)[^)\s?/]{1,300})[^)\s]{0,300}\)")
# What in an event of a type has its poll.
POLLS = {"m.poll.start": "m.poll", "org.matrix.msc3381.poll.start": "org.matrix.msc3381.poll.start"}
REASONS = {
    "m.sticker": "media_without_text",
    "m.room.encrypted": "encrypted",
    "m.reaction": "reaction",
    "m.notice": "bot",
    "m.bad.encrypted": "encrypted",
    **dict.fromkeys(("m.image", "m.file", "m.audio", "m.video", "m.location"), "media_without_text"),
}
fits = begins_with(START)


def read(files: Sequence[ExportFile], settings: ReadSettings) -> Iterator[Message | Reject]:
    return read_each(files, settings, fits, _read_file)


def _read_file(file: ExportFile, settings: ReadSettings) -> Iterator[Message | Reject]:
    room = file.stem
    names_of_members = WaitingNames()
    for entry in json_entries(file, PLACES):
        if isinstance(entry, Reject):
            yield entry
            continue
        at, place, value = entry
        if place in ("room_name", "room_id"):
            room = str(value or room)
            continue
        room_of_sync = ROOM_OF_SYNC.fullmatch(place)
        names_of_members.add(_names_of_member(value))
        message = parse_entry(at, partial(_message, room_of_sync[1] if room_of_sync else room, settings.zone), value)
        yield names_of_members.brought_by(message)


def _names_of_member(event: Any) -> NamePairs:
    """What a person is called in a room, by an event on the membership; one who leaves, by the event before it."""
    if not isinstance(event, dict) or event.get("type") != "m.room.member":
        return ()
    unsigned = event.get("unsigned")
    before = unsigned.get("prev_content") if isinstance(unsigned, dict) else None
    contents = [content for content in (event.get("content"), before) if isinstance(content, dict)]
    return name_pairs(event.get("state_key"), *(content.get("displayname") for content in contents))


def _message(room: str, zone: tzinfo, at: str, event: dict[str, Any]) -> Message | Reject:
    kind, unsigned = event["type"], event.get("unsigned") or {}
    if kind not in ("m.room.message", *POLLS):
        return Reject(at, REASONS.get(kind, "system"))
    content, relation = event["content"], event["content"].get("m.relates_to") or {}
    if not content or "redacted_because" in unsigned:
        return Reject(at, "deleted")
    if relation.get("rel_type") == "m.replace":
        return Reject(at, "edit")
    edit = (unsigned.get("m.relations") or {}).get("m.replace") or {}
    content = (edit.get("content") or {}).get("m.new_content") or content
    if kind in POLLS and content.get(POLLS[kind]):
        content = {"msgtype": "m.text", "body": _question(content[POLLS[kind]]["question"])}
    text, sender = content["body"], event["sender"]
    has_caption = content.get("filename") not in (None, text)
    if content["msgtype"] not in ("m.text", "m.emote") and not has_caption:
        return Reject(at, REASONS.get(content["msgtype"], "system"))
    answered = _answered(relation)
    if answered and (quoted := QUOTED.match(text)):
        text = text[quoted.end() :]
    time = event.get("origin_server_ts")
    timestamp = epoch_seconds(event["timestamp"], zone) if time is None else seconds_of(time)
    names = name_pairs(sender, re.split("[@:]", sender)[1] if sender.startswith("@") else None)
    pills = PILL.findall(content.get("formatted_body") or "")
    pills += [(person, name) for name, person in MARKDOWN_PILL.findall(text)]
    for person, name in pills:
        names += name_pairs(unquote(person), html.unescape(name))
    text = MARKDOWN_PILL.sub(r"@\1", text)
    group, key = event.get("room_id") or room, event.get("event_id")
    return Message(at, group, sender, text, timestamp, key=key, reply_to=answered, names=names)


def _question(question: dict[str, Any]) -> Any:
    """Of a poll, in the form of any version of Matrix."""
    if isinstance(question.get("m.text"), list):
        return question["m.text"][0]["body"]
    return question.get("org.matrix.msc1767.text") or question["body"]


def _answered(relation: dict[str, Any]) -> Any:
    """The id of the message that is answered; in a thread, of its first one unless another is named."""
    answered = (relation.get("m.in_reply_to") or {}).get("event_id")
    if relation.get("rel_type") == "m.thread" and (answered is None or relation.get("is_falling_back")):
        return relation.get("event_id")
    return answered
