"""The secret key of a chat, and keyed hashes: the ids of messages, and the pseudonyms of senders and groups."""

import hmac
import os
import secrets
from itertools import chain, count
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any, NamedTuple

import click

from stages.chat import Message
from stages.pipeline.pseudonym import PSEUDONYM

PUBLIC_KEY = b"chitchat-dataset 0.9.0"  # of the sample, which is public: its committed labels fit everybody's ids
KEY_VARIABLE = "CHAT_KEY"
KEY_FILE = ".chat_key"
KEY_HINT = f"get it from a colleague, as {KEY_VARIABLE} or in {KEY_FILE} (docs/key.md)"


class Key(NamedTuple):
    value: bytes
    source: str  # where it is from, for messages


def find_key(format: str) -> Key | None:
    """The key of a chat in this format: public for the sample, otherwise the variable CHAT_KEY or the key file.

    The file may be in the working directory or above it, since `dvc exp run --temp` works in a folder inside the
    project. Raises click.ClickException for an empty key.
    """
    if format == "chitchat":
        return Key(PUBLIC_KEY, "the sample's public key")
    value = os.environb.get(KEY_VARIABLE.encode())
    if value is not None:
        return _stripped(Key(value, f"the environment variable {KEY_VARIABLE}"))
    here = Path.cwd()
    for folder in (here, *here.parents):
        if (folder / KEY_FILE).exists():
            return _read_key(folder / KEY_FILE)
    return None


def create_key(folder: Path) -> Key:
    """A new key in a folder's key file. Of several processes that start together all get the key of the first."""
    file = folder / KEY_FILE
    try:
        with NamedTemporaryFile(dir=folder, prefix=f"{KEY_FILE}.") as part:  # only its owner may read it
            part.write(f"{secrets.token_hex(32)}\n".encode())
            part.flush()
            os.fsync(part.fileno())
            os.link(part.name, file)  # fails where another process was first
    except FileExistsError:
        return _read_key(file)
    except OSError as error:
        raise click.ClickException(
            f"{folder}: the chat's {KEY_FILE} can't be made: {error.strerror}: make room, or set {KEY_VARIABLE}"
        ) from error
    click.echo(f"made {file}: keep it, labels are worth nothing without it (docs/key.md)", err=True)
    return _read_key(file)


def project_folder() -> Path:
    """The folder of the key file: the working directory, or the project that `dvc exp run --temp` works inside."""
    here = Path.cwd()
    return next((folder.parent for folder in here.parents if folder.name == ".dvc"), here)


def main_worktree_key() -> Path | None:
    """The key file of git's main worktree, if the project is a linked worktree and the main one has a key."""
    link = project_folder() / ".git"
    if not link.is_file():
        return None
    target = link.read_text().strip().removeprefix("gitdir: ")  # MAIN/.git/worktrees/NAME
    git_folder = (project_folder() / target).resolve()
    file = git_folder.parents[2] / KEY_FILE
    return file if git_folder.parent.name == "worktrees" and file.exists() else None


def keyed_hash(key: bytes, *parts: Any) -> str:
    """16 hexadecimal digits, 64 bits of HMAC-SHA256. Each part goes in with its length, so that different lists of
    parts are different messages.
    """
    message = "".join(f"{len(part)}:{part}" for part in map(str, parts))
    return hmac.digest(key, message.encode("utf-8", "surrogatepass"), "sha256").hex()[:16]


def pseudonym(key: bytes, sender: str) -> str:
    """The keyed hash of a sender that looks like a pseudonym (stages/pipeline/pseudonym.py), as nearly all do."""
    hashes = (keyed_hash(key, "sender", sender, *repeats) for repeats in chain([()], zip(count(1))))
    return next(filter(PSEUDONYM.fullmatch, hashes))


def hash_number(key: bytes, *parts: Any) -> int:
    """63 bits of the hash: they fit into an int64 column."""
    return int(keyed_hash(key, *parts), 16) >> 1


def message_id(key: bytes, message: Message, repeat: int) -> int:
    """53 bits of the hash: every JSON parser keeps them. `repeat` counts earlier messages with the same fields."""
    return int(keyed_hash(key, "id", message.group, message.sender, message.timestamp, message.text, repeat), 16) >> 11


def _read_key(file: Path) -> Key:
    try:
        return _stripped(Key(file.read_bytes(), str(file)))
    except OSError as error:
        raise click.ClickException(f"{file}, the key of the chat, can't be read: {error.strerror}") from error


def _stripped(key: Key) -> Key:
    value = key.value.strip()
    if not value:
        raise click.ClickException(f"{key.source} is empty, and holds the key of the chat: {KEY_HINT}, or remove it")
    return key._replace(value=value)
