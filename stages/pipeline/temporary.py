"""Folders for what need not outlive a run, in TMPDIR. What a killed run leaves there goes when the next one begins."""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import click

LOCK = ".lock"  # held while the folder is in use


@contextmanager
def temporary_folder() -> Iterator[Path]:
    """An empty folder for this user's eyes alone, removed when the block ends.

    Raises click.ClickException where another user owns the place in TMPDIR that holds such folders.
    """
    parent = Path(tempfile.gettempdir(), f"labels-by-law-{os.getuid()}")
    parent.mkdir(mode=0o700, exist_ok=True)
    if parent.is_symlink() or parent.stat().st_uid != os.getuid():
        raise click.ClickException(f"{parent} belongs to somebody else: set TMPDIR to a folder of your own")
    with ExitStack() as in_use:
        with _locked(parent):  # so that no other run takes the folder for one that a killed run left
            _remove_abandoned(parent)
            folder = Path(tempfile.mkdtemp(dir=parent))
            in_use.callback(shutil.rmtree, folder, ignore_errors=True)
            lock = in_use.enter_context((folder / LOCK).open("wb"))
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield folder


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _remove_abandoned(parent: Path) -> None:
    """Remove the folders that no process holds the lock of."""
    for folder in parent.iterdir():
        try:
            with (folder / LOCK).open("rb") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            continue
        except FileNotFoundError:
            pass  # a run was killed before it had the lock, or its folder has gone meanwhile
        shutil.rmtree(folder, ignore_errors=True)
