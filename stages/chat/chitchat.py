"""The chitchat dataset (PyPI: chitchat-dataset): one JSON object of conversations by id, each a list of runs of
messages.

Times are ISO 8601 in UTC, to the second.
"""

import json
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import click

from stages.chat import Broken, Message


def read(path: Path) -> Iterator[Message | Broken]:
    try:
        conversations = json.loads(path.read_bytes().decode("utf-8"))
    except UnicodeDecodeError as error:
        raise click.ClickException(f"{path}: byte {error.start} is not UTF-8; export it again as UTF-8") from error
    except json.JSONDecodeError as error:
        raise click.ClickException(
            f"{path}, line {error.lineno}, column {error.colno}: not JSON: {error.msg}"
        ) from error
    if not isinstance(conversations, dict):
        raise click.ClickException(f"{path}: not a chitchat dataset, which is one JSON object of conversations by id")
    for group, conversation in conversations.items():
        for number, message in enumerate((m for run in conversation["messages"] for m in run), start=1):
            at = f"conversation {group}, message {number}"
            try:
                when = datetime.fromisoformat(message["timestamp"])
                yield Message(at, group, message["sender"], message["text"], int(when.timestamp()))
            except KeyError:
                yield Broken(at, "missing_field")
            except (TypeError, ValueError):
                yield Broken(at, "bad_field")
