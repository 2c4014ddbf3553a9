"""The chitchat dataset (PyPI: chitchat-dataset): a JSON object of conversations by id.

A conversation is a list of runs, which are lists of messages. Times are ISO 8601 in UTC, to the second. The dataset
has a known size and is read whole.
"""

import itertools
import json
import re
from collections.abc import Iterator, Sequence
from datetime import UTC
from typing import Any

from stages.chat import Message, ReadSettings, Reject, epoch_seconds, parse_entry
from stages.chat.exports import ExportFile
from stages.chat.files import begins_with, read_each
from stages.pipeline.text import quoted

ENDINGS = (".json",)
START = re.compile(r'\{\s*"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}":\s*\{')
fits = begins_with(START)


def read(files: Sequence[ExportFile], settings: ReadSettings) -> Iterator[Message | Reject]:
    return read_each(files, settings, fits, _read_file)


def _read_file(file: ExportFile, settings: ReadSettings) -> Iterator[Message | Reject]:
    for group, conversation in _conversations(file).items():
        try:
            messages = list(itertools.chain.from_iterable(conversation["messages"]))
        except (KeyError, TypeError):
            yield Reject(f"conversation {group}", "bad_conversation")
            continue
        for number, message in enumerate(messages, start=1):
            yield parse_entry(f"conversation {group}, message {number}", _message, group, message)


def _conversations(file: ExportFile) -> dict[str, Any]:
    try:
        with file.open() as opened:
            conversations = json.loads(opened.read().decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise file.error(f"byte {error.start} is not UTF-8; export it again as UTF-8") from error
    except json.JSONDecodeError as error:
        raise file.error(f"line {error.lineno}, column {error.colno}: not JSON: {error.msg}") from error
    except (RecursionError, ValueError) as error:
        raise file.error(f"not readable as JSON: {quoted(error)}") from error
    if not isinstance(conversations, dict):
        raise file.error("not a chitchat dataset, which is one JSON object of conversations by id")
    return conversations


def _message(at: str, group: str, raw: dict[str, Any]) -> Message:
    return Message(at, group, raw["sender"], raw["text"], epoch_seconds(raw["timestamp"], UTC))
