"""Whatever a file looks like: recognised by how it starts, and said before it is read."""

import json
import re
from pathlib import Path

import click

from stages.chat.csv import separator
from stages.chat.files import UTF8_MARK, opened
from stages.chat.irc import LINE, WEECHAT
from stages.chat.jsonl import Columns
from stages.chat.whatsapp import HEADER

START = 2**16  # bytes that are looked at
SIGNS = {
    "slack": re.compile(r"PK\x03\x04"),
    "discord": re.compile(r'\{\s*"guild":\s*\{'),
    "telegram": re.compile(r'\{\s*"(?:about"|(?:name|type)":.{0,5000}"messages":\s*\[)', re.DOTALL),
    "wechat": re.compile(r'\{.{0,5000}"messageType":', re.DOTALL),
    "chitchat": re.compile(r'\{\s*"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}":\s*\{'),
}
PAPER = {"id", "sender", "text", "timestamp", "cr_window"}


def recognised(path: Path, columns: Columns) -> str:
    """The format of a file, which is said. Raises click.ClickException where it could be none or several."""
    found = fitting(path, columns)
    if len(found) != 1:
        what = f"could be {' or '.join(found)}" if found else "looks like none of the formats"
        raise click.ClickException(f"{path}: {what}; say which in ingest.format")
    click.echo(f"{path}: taken for {found[0]}", err=True)
    return found[0]


def fitting(path: Path, columns: Columns) -> list[str]:
    """The formats that a file may be of."""
    if path.is_dir():
        return ["slack"]
    with opened(path) as file:
        start = file.read(START).removeprefix(UTF8_MARK).decode("utf-8", "replace").lstrip()
    lines = re.split(r"\r?\n", start)
    found = [name for name, sign in SIGNS.items() if sign.match(start)]
    wanted = {column for column in columns.values() if column}
    if separator(lines[0], wanted):
        found.append("csv")
    try:
        row = json.loads(lines[0])
        if isinstance(row, dict) and set(row) >= PAPER:
            found.append("paper")
        elif isinstance(row, dict) and set(row) >= wanted - {columns["id"], columns["reply_to"]}:
            found.append("jsonl")
    except (ValueError, RecursionError):
        pass
    if any(LINE.fullmatch(line) or WEECHAT.fullmatch(line) for line in lines):
        found.append("irc")
    if any(HEADER.fullmatch(line) for line in lines):
        found.append("whatsapp")
    return found
