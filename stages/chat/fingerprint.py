"""The fingerprint of a chat's key, in KEY_FINGERPRINT beside the labels.

Labels are joined to messages by ids, and only one key makes these ids. The fingerprint does not reveal the key. It is
committed with the labels, so that a stage with another key is refused before it makes or joins ids.
"""

import os
import re
from pathlib import Path

import click

from stages.chat.keys import (
    KEY_HINT,
    PUBLIC_KEY,
    Key,
    create_key,
    find_key,
    keyed_hash,
    main_worktree_key,
    project_folder,
)

ANNOTATIONS = Path("data/annotations")
FINGERPRINT_FILE = "KEY_FINGERPRINT"


def fingerprint(key: bytes) -> str:
    return keyed_hash(key, "fingerprint")


SAMPLE_FINGERPRINT = fingerprint(PUBLIC_KEY)


def secret_key(format: str, annotations: Path | None = ANNOTATIONS) -> bytes:
    """The key that ids are made with; a new chat gets a new key. Writes its fingerprint beside the label files, unless
    there are to be none.

    Raises click.ClickException where the labels' key is another one or isn't here.
    """
    # First the fingerprint, then the key: another process may make both now, the key first.
    stored = stored_fingerprint(annotations) if annotations else None
    obstacle = _obstacle_to_new_key(annotations or ANNOTATIONS)
    key = find_key(format)
    if annotations and stored == SAMPLE_FINGERPRINT and format != "chitchat" and _label_files(annotations):
        raise _sample_labels_error(annotations)
    if key is None:
        if obstacle:
            raise click.ClickException(obstacle)
        key = create_key(project_folder())
    if annotations:
        _bind_to_key(annotations, key)
    return key.value


def check_key(annotations: Path, format: str) -> None:
    """Raises click.ClickException where the labels' key is not the key that is here.

    Without a key here nothing is compared: a stage that only joins labels takes the ids from tables.
    """
    stored, key = stored_fingerprint(annotations), find_key(format)
    if not stored or not key or stored == fingerprint(key.value) or not _label_files(annotations):
        return
    is_detected_sample = format == "auto" and stored == SAMPLE_FINGERPRINT  # ingest refuses any other chat
    if not is_detected_sample:
        raise _other_key_error(annotations, stored, key)


def bind_labels(annotations: Path, format: str) -> None:
    """As `check_key`, before labels are written; writes the fingerprint where there is none yet.

    There is none after a checkout: outputs of ingest come from DVC's cache without it.
    """
    key = None if format == "auto" else find_key(format)
    if key:
        _bind_to_key(annotations, key)
    else:
        check_key(annotations, format)


def stored_fingerprint(annotations: Path) -> str | None:
    """The fingerprint beside the label files, if there is one."""
    file = annotations / FINGERPRINT_FILE
    if not file.exists():
        return None
    digits = re.fullmatch(rb"\s*([0-9a-f]{16})\s*", file.read_bytes())
    if not digits:
        raise click.ClickException(
            f"{file} is no fingerprint, 16 hexadecimal digits: restore it with git; a merge conflict in it says that"
            " two keys were made for one chat (docs/key.md)"
        )
    return digits[1].decode()


def _bind_to_key(annotations: Path, key: Key) -> None:
    """Write the key's fingerprint beside the label files. Raises click.ClickException for labels of another key."""
    stored = stored_fingerprint(annotations)
    if stored == fingerprint(key.value):
        return
    if stored and _label_files(annotations):
        raise _other_key_error(annotations, stored, key)
    file, part = annotations / FINGERPRINT_FILE, annotations / f".{FINGERPRINT_FILE}.{os.getpid()}"
    try:
        annotations.mkdir(parents=True, exist_ok=True)
        part.write_text(fingerprint(key.value) + "\n")
        part.replace(file)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise click.ClickException(f"{annotations}: {FINGERPRINT_FILE} can't be written: {error.strerror}") from error
    click.echo(f"{file} names the key of the labels' ids, {key.source}: commit it with them", err=True)


def _label_files(annotations: Path) -> list[Path]:
    """The files that have labels in them."""
    return [file for file in sorted(annotations.rglob("*.jsonl")) if file.stat().st_size]


def _obstacle_to_new_key(annotations: Path) -> str | None:
    """Why no new key may be made, and what to do: the chat has a key that isn't in this clone or worktree."""
    key_file = main_worktree_key()
    hint = f"cp {key_file} {project_folder()}, or {KEY_HINT}" if key_file else KEY_HINT
    for folder in dict.fromkeys((annotations, project_folder() / ANNOTATIONS)):
        stored = stored_fingerprint(folder)
        if stored != SAMPLE_FINGERPRINT and (stored or _label_files(folder)):
            of_fingerprint = f", of the fingerprint {stored}" if stored else ""
            return (
                f"{folder}: the key of these labels' ids{of_fingerprint}, isn't here, and a new one would orphan them:"
                f" {hint}; or, if they belong to another chat, {_removal_hint(folder)}"
            )
    return f"{project_folder()}: the key of the chat is in the main worktree: {hint}" if key_file else None


def _other_key_error(annotations: Path, stored: str, key: Key) -> click.ClickException:
    if stored == SAMPLE_FINGERPRINT:
        return _sample_labels_error(annotations)
    hint = "set ingest.path and ingest.format to their chat" if key.value == PUBLIC_KEY else KEY_HINT
    return click.ClickException(
        f"{annotations}: the key of these labels' ids has the fingerprint {stored}, and {key.source} has"
        f" {fingerprint(key.value)}: {hint}; or, if they belong to another chat, {_removal_hint(annotations)}"
    )


def _sample_labels_error(annotations: Path) -> click.ClickException:
    return click.ClickException(
        f"{annotations}: these labels belong to another chat, the sample; {_removal_hint(annotations)}"
    )


def _removal_hint(annotations: Path) -> str:
    files = [*_label_files(annotations), annotations / FINGERPRINT_FILE]
    return f"take them away: git rm {' '.join(str(file) for file in files if file.exists())}"
