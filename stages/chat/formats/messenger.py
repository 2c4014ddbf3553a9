"""JSON of Facebook's Messenger and of Instagram: a folder for each thread with message_1.json and so on, newest first.

Texts and names in it are UTF-8 that was read as Latin-1, which is mended. The download of end-to-end encrypted chats
has a sound file for each thread. The group is the thread's path. What Meta writes in place of a person (reactions,
calls, attachments) is told by fields, or else by its words.
"""

import itertools
import json
import re
from collections import deque
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

from stages.chat import Columns, Message, ReadSettings, Reject, parse_entry
from stages.chat.exports import START_BYTES, ExportFile
from stages.chat.files import json_values, read_each
from stages.chat.formats import messenger_words
from stages.chat.json_entries import seconds_of

ENDINGS = (".json",)
START = re.compile(r'\{.{0,60000}?"(?:sender_name|senderName|thread_path|threadName)":\s*"', re.DOTALL)
MESSAGES = re.compile(r'"messages":\s*\[')
THREAD = re.compile(r'"(?:thread_path|threadName)":\s*("(?:[^"\\]|\\.)*")')
MEDIA = ("photos", "videos", "gifs", "audio_files", "files", "sticker", "share", "media")
SYSTEM_TYPES = ("Call", "Subscribe", "Unsubscribe", "Payment", "Plan", "placeholder")
SYSTEM_FIELDS = ("call_duration", "missed", "users")
BOTS = ("Meta AI",)
MAX_SAME_SECOND = 1000  # messages that are put in order at once


def fits(start: str, columns: Columns) -> bool:
    return START.match(start) is not None and MESSAGES.search(start) is not None


def read(files: Sequence[ExportFile], settings: ReadSettings) -> Iterator[Message | Reject]:
    return read_each(files, settings, fits, _read_file)


def _read_file(file: ExportFile, settings: ReadSettings) -> Iterator[Message | Reject]:
    numbered = enumerate(_timed_entries(file, _thread(file)))
    # Messages of one second in their order: the pipeline's times are seconds, and the files begin with the newest.
    for _, same in itertools.groupby(numbered, lambda item: (item[1][0] // 1000, item[0] // MAX_SAME_SECOND)):
        for _number, (_time, entry) in sorted(same, key=lambda item: item[1][0]):
            yield entry


def _thread(file: ExportFile) -> str:
    """The thread's path, which stands at either end of a file."""
    with file.open() as opened:
        ends = deque(iter(partial(opened.read, START_BYTES), b""), maxlen=2)
    match = THREAD.search(file.start()) or THREAD.search(b"".join(ends).decode("utf-8", "replace"))
    try:
        path = json.loads(match[1]) if match else ""
    except ValueError:
        path = ""
    return mended(path) or (file.stem if file.is_alone else f"{file.folder}/{file.stem}")


def _timed_entries(file: ExportFile, thread: str) -> Iterator[tuple[int, Message | Reject]]:
    """Entries with their times in milliseconds, 0 where there is none."""
    for number, (_place, raw) in enumerate(json_values(file, r"messages\.item"), start=1):
        time = raw.get("timestamp_ms", raw.get("timestamp")) if isinstance(raw, dict) else None
        entry = parse_entry(f"{file.name}, message {number}", partial(_message, thread), raw)
        yield (time if isinstance(time, int) else 0), entry


def _message(thread: str, at: str, raw: dict[str, Any]) -> Message | Reject:
    if "senderName" in raw:
        sender, text, time = raw["senderName"], raw.get("text"), raw["timestamp"]
    else:
        sender, text, time = mended(raw["sender_name"]), mended(raw.get("content")), raw["timestamp_ms"]
    if raw.get("is_unsent") or raw.get("isUnsent"):
        return Reject(at, "deleted")
    if raw.get("type") in SYSTEM_TYPES or any(field in raw for field in SYSTEM_FIELDS):
        return Reject(at, "system")
    if sender in BOTS:
        return Reject(at, "bot")
    if text is None or (not text and any(raw.get(field) for field in MEDIA)):
        return Reject(at, "media_without_text")
    reason = messenger_words.reason(sender, text)
    return Reject(at, reason) if reason else Message(at, thread, sender, text, seconds_of(time))


def mended(text: Any) -> Any:
    """A text of UTF-8 that was read as Latin-1. Any other text stays."""
    if not isinstance(text, str):
        return text
    try:
        return text.encode("latin-1").decode("utf-8")
    except UnicodeError:
        return text
