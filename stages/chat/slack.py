"""A Slack export, zip or folder: a folder for each channel with an array of messages for each day.

What people say is kept, with a few subtypes; all other subtypes are Slack's or a bot's. Mentions become `@` and the
user's id, which is also the sender; names stand in users.json and beside the messages. Nothing is unpacked, so no
entry of a zip can write anywhere.
"""

import re
import stat
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path, PurePosixPath
from typing import IO, Any

import click

from stages.chat import Broken, Message, called, entry
from stages.chat.files import opened, values

PEOPLE = (None, "thread_broadcast", "reply_broadcast", "me_message", "file_share", "file_comment")
DAY = re.compile(r"(?:.*/)?[^/]+/\d{4}-\d\d-\d\d\.json", re.DOTALL)
USERS = re.compile(r"(?:.*/)?users\.json", re.DOTALL)
MARKUP = re.compile(r"<([@#!]?)([^<>|]*)(?:\|([^<>]*))?>")
RATIO = 200  # chats shrink to a tenth or so; what claims to grow more than this is a bomb
NAMES = ("name", "real_name", "display_name")
Names = dict[str, tuple[tuple[str, str], ...]]
DAMAGED = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, ValueError, OSError)


def read(path: Path, **_: Any) -> Iterator[Message | Broken]:
    names: Names = {}
    for name, users in _files(path, USERS):
        if isinstance(users, Broken):
            yield users
            continue
        with users as file:
            for _place, user in values(f"{path}, {name}", file, "item"):
                if isinstance(user, dict):
                    names[str(user.get("id"))] = _names(user.get("id"), user, user.get("profile"))
    everybody = tuple(pair for own in names.values() for pair in own)  # who never writes is called by name too
    for name, day in _files(path, DAY):
        if isinstance(day, Broken):
            yield day
            continue
        channel = PurePosixPath(name).parent.name
        with day as file:
            for number, (_place, value) in enumerate(values(f"{path}, {name}", file, "item"), start=1):
                made = entry(f"{name}, message {number}", partial(_message, channel), value)
                if isinstance(made, Message):
                    made, everybody = made._replace(names=everybody + made.names), ()
                yield made


def _names(person: Any, *profiles: Any) -> tuple[tuple[str, str], ...]:
    found = [profile.get(name) for profile in profiles if isinstance(profile, dict) for name in NAMES]
    return called(person, *found)


def _files(path: Path, wanted: re.Pattern[str]) -> Iterator[tuple[str, Any]]:
    """The files of such names in order, each by its name in the export, closed."""
    if path.is_dir():
        for day in sorted(path.rglob("*.json")):
            name = day.relative_to(path).as_posix()
            if wanted.fullmatch(name):  # a link to a file is followed: DVC's cache may consist of links
                yield name, opened(day) if day.is_file() else Broken(name, "not_a_file")
        return
    with opened(path) as file, _undamaged(path), zipfile.ZipFile(file) as archive:
        entries = archive.infolist()
        if sum(one.file_size for one in entries) > RATIO * max(path.stat().st_size, 2**16):
            raise click.ClickException(f"{path}: a zip that grows more than {RATIO} times is no Slack export")
        for one in sorted(entries, key=lambda one: one.filename):
            if ".." in re.split(r"[/\\]", one.filename) or one.filename.startswith(("/", "\\")):
                raise click.ClickException(f"{path}: entry {one.filename!r} leads out of the archive")
            if wanted.fullmatch(one.filename):
                link = stat.S_ISLNK(one.external_attr >> 16)
                yield one.filename, Broken(one.filename, "not_a_file") if link else _entry(path, archive, one)


@contextmanager
def _undamaged(path: Path, name: str = "") -> Iterator[None]:
    try:
        yield
    except DAMAGED as error:
        raise click.ClickException(f"{path}{name and f', {name}'}: not a readable zip: {error}") from error


@contextmanager
def _entry(path: Path, archive: zipfile.ZipFile, one: zipfile.ZipInfo) -> Iterator[IO[bytes]]:
    with _undamaged(path, one.filename), archive.open(one) as file:
        yield file


def _message(channel: str, at: str, raw: dict[str, Any]) -> Message | Broken:
    if raw.get("subtype") == "bot_message" or "bot_id" in raw:
        return Broken(at, "bot")
    if raw["type"] != "message" or raw.get("subtype") not in PEOPLE:
        return Broken(at, "system")
    if not raw["text"] and raw.get("files"):
        return Broken(at, "media_without_text")
    thread = raw.get("thread_ts")
    reply_to = thread if thread != raw["ts"] else None
    known = _names(raw["user"], raw.get("user_profile"))
    for kind, person, label in MARKUP.findall(raw["text"]):
        if kind == "@":
            known += called(person, person, label)
    return Message(
        at,
        channel,
        raw["user"],
        _plain(raw["text"]),
        int(float(raw["ts"])),
        key=raw["ts"],
        reply_to=reply_to,
        names=known,
    )


def _plain(text: str) -> str:
    """Slack's markup as its reader sees it, but a person's id instead of the name; then its three entities."""

    def shown(match: re.Match[str]) -> str:
        kind, what, label = match.groups()
        if kind == "@":
            return f"@{what}"
        if kind == "!":
            return label or f"@{what.split('^')[0]}"
        return kind + (label or what)

    return MARKUP.sub(shown, text).replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
