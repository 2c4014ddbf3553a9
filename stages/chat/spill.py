"""Tables that need not fit into memory while an export is read. They are in a temporary folder, in DuckDB."""

import itertools
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

import duckdb
import ibis
import pyarrow

from stages.pipeline.tables import CHUNK, rows
from stages.pipeline.temporary import temporary_folder

BUFFERED_ROWS = 10_000  # of 20,000 characters at most
MAX_MEMORY = "512MB"  # of DuckDB


class Spool:
    """A table that rows are appended to. Columns that a row doesn't name are null."""

    def __init__(self, columns: Mapping[str, str]) -> None:
        self.schema = ibis.schema(columns)
        self.name = ibis.util.gen_name("spool")
        self.buffer: list[dict[str, Any]] = []
        ibis.get_backend().create_table(self.name, schema=self.schema)

    def append(self, row: dict[str, Any]) -> None:
        self.buffer.append(row)
        if len(self.buffer) >= BUFFERED_ROWS:
            self._flush()

    def extend(self, rows: Iterable[dict[str, Any]]) -> None:
        for row in rows:
            self.append(row)

    def table(self) -> ibis.Table:
        """All rows so far."""
        self._flush()
        return ibis.get_backend().table(self.name)

    def _flush(self) -> None:
        if not self.buffer:
            return
        chunk = pyarrow.Table.from_pylist(self.buffer, schema=self.schema.to_pyarrow())
        connection = ibis.get_backend().con  # not through ibis, which keeps each memtable
        connection.register("chunk", chunk)
        connection.execute(f'INSERT INTO "{self.name}" SELECT * FROM chunk')  # from_arrow's insert hides a full disk
        connection.unregister("chunk")
        self.buffer = []


def in_order(table: ibis.Table, number: str) -> Iterator[dict[str, Any]]:
    """The rows of a table by a column that counts from 0. A chunk is in memory at a time."""
    ordered = ibis.get_backend().create_table(ibis.util.gen_name("in_order"), table.order_by(number))
    for start in itertools.count(0, CHUNK):
        chunk = rows(ordered.filter(ordered[number] >= start, ordered[number] < start + CHUNK).order_by(number))
        yield from chunk
        if len(chunk) < CHUNK:
            return


@contextmanager
def workspace() -> Iterator[None]:
    """Tables made inside are in a temporary folder (TMPDIR names its parent) and go at the end."""
    backend_before = ibis.options.default_backend
    with temporary_folder() as folder:
        backend = ibis.duckdb.connect(
            str(folder / "tables.duckdb"), temp_directory=str(folder / "spill"), memory_limit=MAX_MEMORY
        )
        ibis.set_backend(backend)
        try:
            yield
        finally:
            ibis.options.default_backend = backend_before
            with suppress(duckdb.Error):  # after a full disk it can't be closed in order; nothing of it is needed
                backend.disconnect()
