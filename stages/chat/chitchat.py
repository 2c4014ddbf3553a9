"""The chitchat dataset (PyPI: chitchat-dataset): one JSON object of conversations by id, each a list of runs of
messages.

Times are ISO 8601 in UTC, to the second. The dataset is of a known size and is read whole.
"""

import json
from collections.abc import Iterator
from datetime import UTC
from pathlib import Path
from typing import Any

import click

from stages.chat import Broken, Message, entry, moment
from stages.chat.files import opened


def read(path: Path, **_: Any) -> Iterator[Message | Broken]:
    try:
        with opened(path) as file:
            conversations = json.loads(file.read().decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise click.ClickException(f"{path}: byte {error.start} is not UTF-8; export it again as UTF-8") from error
    except json.JSONDecodeError as error:
        raise click.ClickException(
            f"{path}, line {error.lineno}, column {error.colno}: not JSON: {error.msg}"
        ) from error
    except (RecursionError, ValueError) as error:
        raise click.ClickException(f"{path}: not readable as JSON: {error}") from error
    if not isinstance(conversations, dict):
        raise click.ClickException(f"{path}: not a chitchat dataset, which is one JSON object of conversations by id")
    for group, conversation in conversations.items():
        try:
            messages = [message for run in conversation["messages"] for message in run]
        except (KeyError, TypeError):
            yield Broken(f"conversation {group}", "bad_conversation")
            continue
        for number, message in enumerate(messages, start=1):
            yield entry(f"conversation {group}, message {number}", _message, group, message)


def _message(at: str, group: str, raw: dict[str, Any]) -> Message:
    return Message(at, group, raw["sender"], raw["text"], moment(raw["timestamp"], UTC))
