"""Keyed hashes: what stands for senders and groups, and the ids of messages."""

import hmac
import os
import secrets
from pathlib import Path
from typing import Any

import click

from stages.chat import Message

PUBLIC_KEY = (
    b"chitchat-dataset 0.9.0"  # the sample is public: a fixed key gives everyone the ids of the committed labels
)
KEY_VARIABLE = "CHAT_KEY"
KEY_FILE = ".chat_key"


def secret_key(format: str) -> bytes:
    """The key of the hashes: public for the sample, otherwise CHAT_KEY, or a file that is made once and git ignores.

    The file is looked for upwards too, since `dvc exp run --temp` works in a folder inside the project.
    """
    if format == "chitchat":
        return PUBLIC_KEY
    if key := os.environ.get(KEY_VARIABLE):
        return key.encode()
    here = Path.cwd()
    for folder in (here, *here.parents):
        if (found := folder / KEY_FILE).exists():
            return found.read_bytes().strip()
    home = next((folder.parent for folder in here.parents if folder.name == ".dvc"), here)  # its folder is thrown away
    made = home / KEY_FILE
    made.touch(mode=0o600)
    made.write_text(secrets.token_hex(32) + "\n")
    click.echo(
        f"made {made}: keep it, ids and senders depend on it; others set {KEY_VARIABLE} to its content", err=True
    )
    return made.read_bytes().strip()


def keyed_hash(key: bytes, *parts: Any) -> str:
    """64 bits of HMAC-SHA256 over the parts, each with its length, so that no two lists of parts look alike; 16 hex
    digits.
    """
    message = "".join(f"{len(part)}:{part}" for part in map(str, parts))
    return hmac.digest(key, message.encode("utf-8", "surrogatepass"), "sha256").hex()[:16]


def message_id(key: bytes, message: Message, repeat: int) -> int:
    """53 bits, which every JSON reader keeps. `repeat` counts messages that are alike in everything."""
    return int(keyed_hash(key, "id", message.group, message.sender, message.timestamp, message.text, repeat), 16) >> 11


def number(key: bytes, *parts: Any) -> int:
    """63 bits of the hash, which a column of whole numbers holds."""
    return int(keyed_hash(key, *parts), 16) >> 1
