"""Small exports, written by hand, and what the readers make of them."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

from stages.chat import Message, Reject
from tests.chat_exports import formats_of, read_export
from tests.conftest import ROOT

CASES = ROOT / "tests" / "fixtures" / "exports" / "cases"
MS = 1_700_000_000_123
AT = 1_700_000_000  # of MS in seconds


def written(folder: Path, name: str, content: Any) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return path


def json_lines(*rows: Any) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)


def read(format: str, path: Path, zone: str = "UTC") -> tuple[list[Message], dict[str, int]]:
    """The messages and the number of rejects for each reason; auto takes a file for the format."""
    entries = list(read_export(format, path, zone))
    messages = [entry for entry in entries if isinstance(entry, Message)]
    if path.is_file() and path.suffix != ".zip":
        assert formats_of(path) == [format]
    return messages, dict(Counter(entry.reason for entry in entries if isinstance(entry, Reject)))


def said(messages: list[Message]) -> list[tuple[str, str]]:
    return [(message.sender, message.text) for message in messages]
