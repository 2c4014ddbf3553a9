"""Answers on disk: one SQLite file of keys and JSON texts in the user's cache directory.

Nothing in the file can run. An answer is on the disk when `put` returns. Several processes may use the file at once.
"""

import json
import os
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

LOCK_TIMEOUT = 60  # seconds to wait while another process writes
DAMAGED = "it is damaged: delete it, and its answers are asked for again"
REMEDIES = {
    sqlite3.SQLITE_FULL: "make room",
    sqlite3.SQLITE_CORRUPT: DAMAGED,
    sqlite3.SQLITE_NOTADB: DAMAGED,
    sqlite3.SQLITE_BUSY: "another process holds it: wait for its end",
}
OTHER_REMEDY = "make the file and its folder readable and writable"


class AnswerStore:
    """The answers in a folder.

    Raises click.ClickException where the file can't be read or written. The constructor writes to the file, so that
    most of these errors come before a model is asked.
    """

    def __init__(self, folder: Path):
        self.file = folder / "answers.sqlite"
        with self._readable_errors():
            os.close(os.open(self.file, os.O_RDWR | os.O_CREAT, 0o600))
            self.database = sqlite3.connect(self.file, timeout=LOCK_TIMEOUT, isolation_level=None)
            self.database.text_factory = bytes
            self.database.execute("PRAGMA trusted_schema = OFF")
            self.database.execute(
                "CREATE TABLE IF NOT EXISTS answers (key TEXT PRIMARY KEY, answer TEXT) WITHOUT ROWID"
            )
            self.database.execute("PRAGMA user_version = 1")  # writes, and so fails on a file that is read-only

    def get(self, key: str) -> Any:
        """The answer under a key; None where there is none or it isn't JSON."""
        with self._readable_errors():
            row = self.database.execute("SELECT answer FROM answers WHERE key = ?", (key,)).fetchone()
        try:
            return json.loads(row[0]) if row else None
        except (ValueError, TypeError, RecursionError):
            return None

    def put(self, answers: Mapping[str, Any]) -> None:
        """Write answers under their keys: all of them, or none where that fails."""
        rows = [(key, json.dumps(answer, ensure_ascii=False)) for key, answer in answers.items()]
        with self._readable_errors(), self.database:
            self.database.execute("BEGIN IMMEDIATE")
            self.database.executemany("INSERT OR REPLACE INTO answers VALUES (?, ?)", rows)

    def close(self) -> None:
        self.database.close()

    @contextmanager
    def _readable_errors(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            code = getattr(error, "sqlite_errorcode", 0) & 0xFF  # the primary code in an extended one
            cause = getattr(error, "strerror", None) or error
            raise click.ClickException(
                f"{self.file}: the store of answers can't be used ({cause}):"
                f" {REMEDIES.get(code, OTHER_REMEDY)}, or name another folder in LABELS_CACHE"
            ) from error
