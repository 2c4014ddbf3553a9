"""Tables that need not fit into memory while an export is read: they lie in a temporary folder."""

import itertools
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import ibis
import pyarrow

from stages.tables import CHUNK, rows

SPOOLED = 10_000  # rows, of 20,000 characters at most
SPOOL_MEMORY = "512MB"


class Spool:
    """Rows on their way into a table that need not fit into memory: some are held at a time; columns that a row
    doesn't name are null.
    """

    def __init__(self, columns: Mapping[str, str]) -> None:
        self.schema = ibis.schema(columns)
        self.name = ibis.util.gen_name("spool")
        self.held: list[dict[str, Any]] = []
        ibis.get_backend().create_table(self.name, schema=self.schema)

    def append(self, row: dict[str, Any]) -> None:
        self.held.append(row)
        if len(self.held) >= SPOOLED:
            self._flush()

    def extend(self, rows: Iterable[dict[str, Any]]) -> None:
        for row in rows:
            self.append(row)

    def _flush(self) -> None:
        if self.held:
            chunk = pyarrow.Table.from_pylist(self.held, schema=self.schema.to_pyarrow())
            ibis.get_backend().con.from_arrow(chunk).insert_into(self.name)  # ibis would keep a memtable of it
            self.held = []

    def table(self) -> ibis.Table:
        self._flush()
        return ibis.get_backend().table(self.name)


def in_order(table: ibis.Table, by: str) -> Iterator[dict[str, Any]]:
    """The rows of a table by a column that counts from 0, a chunk at a time."""
    held = table.order_by(by).cache()
    for start in itertools.count(0, CHUNK):
        page = rows(held.filter(held[by] >= start, held[by] < start + CHUNK).order_by(by))
        yield from page
        if len(page) < CHUNK:
            return


@contextmanager
def workspace() -> Iterator[None]:
    """Tables inside lie in a temporary folder (TMPDIR says where) and take SPOOL_MEMORY at most."""
    before = ibis.options.default_backend
    with tempfile.TemporaryDirectory() as folder:
        backend = ibis.duckdb.connect(f"{folder}/tables.duckdb", temp_directory=folder, memory_limit=SPOOL_MEMORY)
        ibis.set_backend(backend)
        try:
            yield
        finally:
            ibis.options.default_backend = before
            backend.disconnect()
