"""Google Chat's messages.json of Takeout: a folder for each space or direct chat, with times in English words and UTC.

Senders are mail addresses. In a space with threads a message's id names the thread, whose first message it answers.
"""

import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Any

from stages.chat import Message, ReadSettings, Reject, name_pairs, parse_entry
from stages.chat.exports import ExportFile
from stages.chat.files import begins_with, json_values, read_each

ENDINGS = (".json",)
START = re.compile(
    r'\{\s*"messages":\s*\[.{0,20000}?"creator":\s*\{.{0,20000}?"(?:created_date|topic_id)":', re.DOTALL
)
TIME_FORM = "%A, %B %d, %Y at %I:%M:%S %p UTC"
MEDIA = ("attached_files", "annotations")
fits = begins_with(START)


def read(files: Sequence[ExportFile], settings: ReadSettings) -> Iterator[Message | Reject]:
    return read_each(files, settings, fits, _read_file)


def _read_file(file: ExportFile, settings: ReadSettings) -> Iterator[Message | Reject]:
    group = file.stem if file.is_alone else file.folder
    for number, (_place, value) in enumerate(json_values(file, r"messages\.item"), start=1):
        yield parse_entry(f"{file.name}, message {number}", partial(_message, group), value)


def _message(group: str, at: str, raw: dict[str, Any]) -> Message | Reject:
    creator, key = raw.get("creator") or {}, raw.get("message_id")
    if raw.get("message_state") == "DELETED" or "deletion_metadata" in raw:
        return Reject(at, "deleted")
    if creator.get("user_type", "Human") != "Human":
        return Reject(at, "bot")
    if "text" not in raw:
        return Reject(at, "media_without_text" if any(raw.get(field) for field in MEDIA) else "system")
    sender = creator.get("email") or creator["name"]
    try:
        time = datetime.strptime(re.sub(r"\s", " ", raw["created_date"]), TIME_FORM).replace(tzinfo=UTC)
    except ValueError:
        return Reject(at, "bad_time")
    names = name_pairs(sender, creator.get("name"))
    return Message(
        at, group, sender, raw["text"], int(time.timestamp()), key=key, reply_to=_first_of_thread(key), names=names
    )


def _first_of_thread(key: Any) -> str | None:
    """The id of a thread's first message, `space/thread/thread`, by that of another, `space/thread/message`."""
    parts = key.split("/") if isinstance(key, str) else []
    return f"{parts[0]}/{parts[1]}/{parts[1]}" if len(parts) == 3 and parts[1] != parts[2] else None
