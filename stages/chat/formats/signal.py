"""Signal: the app's own export of its chats (main.jsonl), and data.json or chat.md of the tool signal-export.

The tool's data.json is lines of JSON, its chat.md is `[2024-01-13 10:00:00] Ann: text`, where a quote, reactions and
files stand around the text. Where both stand in one folder, data.json is read. A group of these is the folder.
"""

import re
from collections.abc import Iterator, Sequence
from datetime import tzinfo
from functools import partial
from pathlib import PurePosixPath
from typing import Any

from stages.chat import Columns, Message, ReadSettings, Reject, epoch_seconds, parse_entry
from stages.chat.exports import ExportFile
from stages.chat.files import read_each
from stages.chat.formats import signal_frames
from stages.chat.json_entries import json_lines
from stages.chat.text_logs import log_entries

ENDINGS = (".json", ".jsonl", ".md")
JSON_START = re.compile(
    r'\{\s*"date":\s*"\d{4}-\d\d-\d\dT[^"]*",\s*"sender":\s*"[^"]*",\s*"body":.{0,20000}?"reactions":', re.DOTALL
)
HEADER = re.compile(r"\[(\d{4}-\d\d-\d\d),? (\d\d:\d\d(?::\d\d)?)\] ([^\s<*:][^:\n]*): ?(.*)", re.DOTALL)
# WhatsApp has such headers too, but with seconds, and without a blank line after the first message.
MARKDOWN_START = re.compile(
    r"\[\d{4}-\d\d-\d\d,? \d\d:\d\d\] [^\s<*:][^:\n]*:"
    r"|\[\d{4}-\d\d-\d\d,? \d\d:\d\d:\d\d\] [^\s<*:][^:\n]*:(?:(?!\n\[\d{4}-).)*?\n\n(?:\[\d{4}-|\Z)",
    re.DOTALL,
)
QUOTE = re.compile(r"\s*\n(?:> ?[^\n]*\n)+\n")
AFTER_TEXT = re.compile(  # a sticker, reactions, and files
    r"(?:\n\(- [^\n]*: [^\n]* -\)|\n\(\( [^\n]* \)\)"
    r"|!?\[[^\]\n]*\]\((?:\./media|\.\./exported_stickers)/[^)\n]*\) *)+\s*$"
)
LONGEST_AFTER_TEXT = 4000  # characters, so that a hostile text takes no time
NO_SENDER = "No-Sender"
DELETED_TEXT = "(This message was deleted)"
CALL = re.compile(r"(?:Incoming|Outgoing|Missed) (?:\w+ )?call(?: \([^)\n]*\))?")
NAMES_OF_FILES = ("chat", "data", "index")  # the same in every folder


def fits(start: str, columns: Columns) -> bool:
    return signal_frames.fits(start) or JSON_START.match(start) is not None or is_markdown(start)


def is_markdown(start: str) -> bool:
    return MARKDOWN_START.match(start) is not None


def read(files: Sequence[ExportFile], settings: ReadSettings) -> Iterator[Message | Reject]:
    folders = {PurePosixPath(file.name).parent for file in files if PurePosixPath(file.name).name == "data.json"}
    for file in files:
        path = PurePosixPath(file.name)
        if path.suffix == ".md" and path.parent in folders and not file.is_alone:
            yield Reject(file.name, "duplicate_file")
        else:
            yield from read_each([file], settings, fits, _read_file)


def _read_file(file: ExportFile, settings: ReadSettings) -> Iterator[Message | Reject]:
    start = file.start()
    group = file.folder if file.stem in NAMES_OF_FILES else file.stem
    if signal_frames.fits(start):
        yield from signal_frames.read(file)
    elif start.startswith("{"):
        for entry in json_lines(file):
            if isinstance(entry, Reject):
                yield entry
            else:
                at, _place, raw = entry
                yield parse_entry(at, partial(_message, group, settings.zone), raw)
    else:
        yield from log_entries(file, partial(_begin, group, settings.zone), _complete)


def _message(group: str, zone: tzinfo, at: str, raw: dict[str, Any]) -> Message | Reject:
    sender, text = raw["sender"], raw["body"].removesuffix("  ")
    if raw.get("deleted"):
        return Reject(at, "deleted")
    if sender == NO_SENDER or raw.get("call") or CALL.fullmatch(text):
        return Reject(at, "system")
    if not text and (raw.get("attachments") or raw.get("sticker")):
        return Reject(at, "media_without_text")
    return Message(at, group, sender, text, epoch_seconds(raw["date"], zone))


def _begin(group: str, zone: tzinfo, at: str, line: str) -> list[Message | Reject] | None:
    match = HEADER.fullmatch(line)
    if not match:
        return None
    day, clock, sender, text = match.groups()
    try:
        return [Message(at, group, sender, text, epoch_seconds(f"{day} {clock}", zone))]
    except (ValueError, OverflowError):
        return [Reject(at, "bad_time")]


def _complete(message: Message) -> Message | Reject:
    quote = QUOTE.match(message.text)
    whole = message.text[quote.end() :] if quote else message.text
    end = max(0, len(whole) - LONGEST_AFTER_TEXT)
    body = whole[:end] + AFTER_TEXT.sub("", whole[end:])
    text = body.removesuffix("  ")
    if text == DELETED_TEXT:
        return Reject(message.at, "deleted")
    if message.sender == NO_SENDER or CALL.fullmatch(text):
        return Reject(message.at, "system")
    if not text.strip() and body != whole:
        return Reject(message.at, "media_without_text")
    return message._replace(text=text)
