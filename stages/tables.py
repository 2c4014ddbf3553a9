"""Tables in and out: JSON Lines, UTF-8, sorted, one object a line, the same bytes for the same rows on every machine.

Between reading and writing a table is an Ibis expression. DuckDB runs it inside the process, in bounded memory, or
Spark on many machines; Spark writes a folder of shards, which in the order of their names are the bytes of DuckDB's
file. A path that ends in .parquet holds Parquet instead.
"""

import atexit
import json
import re
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
import duckdb
import ibis
import pyarrow
from ibis import _
from pandera.errors import SchemaErrors
from tqdm import tqdm

from stages.schemas import Labelled, Table

TYPES = {
    "int64": "int64",
    "Int64": "int64",
    "float64": "float64",
    "Float64": "float64",
    "bool": "boolean",
    "string[pyarrow]": "string",
    "object": "array<struct<sender: string, text: string, timestamp: int64>>",  # cr_window, the one nested column
}
CHUNK = 50_000
SHOWN = 20
ROW = 64  # characters that a row counts for beside its text
MEMORY = "2500MB"  # of DuckDB's own; what is larger goes to disk
SHARDS = "part-*"  # as Spark names them
CHECKS: dict[str, Callable[..., ibis.Value]] = {  # pandera's, as expressions
    "greater_than": lambda column, min_value: column > min_value,
    "greater_than_or_equal_to": lambda column, min_value: column >= min_value,
    "less_than": lambda column, max_value: column < max_value,
    "less_than_or_equal_to": lambda column, max_value: column <= max_value,
    "equal_to": lambda column, value: column == value,
    "isin": lambda column, allowed_values: column.isin(allowed_values),
    "str_matches": lambda column, pattern: column.re_search(pattern),
    "str_length": lambda column, min_value, **_: column.length() >= min_value,
    "window_of_turns": lambda column: column.notnull(),  # the rest its type says
}


def compute_on(backend: str) -> None:
    """What runs the expressions from here on: `duckdb`, or `spark`, set up by spark-defaults.conf or
    PYSPARK_SUBMIT_ARGS.

    Raises click.ClickException where PySpark is not installed.
    """
    if backend == "duckdb":
        spill = tempfile.mkdtemp(prefix="labels-by-law-")  # for this user's eyes alone
        atexit.register(shutil.rmtree, spill, ignore_errors=True)
        ibis.set_backend(ibis.duckdb.connect(memory_limit=MEMORY, temp_directory=spill))
        return
    try:
        from pyspark.sql import SparkSession
    except ImportError as error:
        raise click.ClickException("backend: spark needs PySpark: pip install -e '.[spark]'") from error
    session = SparkSession.builder.appName("labels-by-law").config("spark.sql.session.timeZone", "UTC").getOrCreate()
    ibis.set_backend(ibis.pyspark.connect(session))


def columns(model: type[Table], present: Iterable[str] = ()) -> dict[str, str]:
    """Ibis types by column. A column that the model names by a pattern stands for each one of `present` that fits
    it.
    """
    typed: dict[str, str] = {}
    for name, column in model.to_schema().columns.items():
        names = [other for other in present if re.match(name, other)] if column.regex else [name]
        typed |= dict.fromkeys(names, TYPES[str(column.dtype)])
    return typed


def read(path: str | Path, model: type[Table]) -> ibis.Table:
    """A table of a file or of a folder of shards as an Ibis expression with the model's columns; a bad line shows when
    it is computed.
    """
    backend = ibis.get_backend()
    shards = f"{path}/{SHARDS}" if Path(path).is_dir() else str(path)
    if str(path).endswith(".parquet"):
        table = backend.read_parquet(shards)
        return table.cast(columns(model, table.columns))
    first = _first(path)
    schema = ibis.schema(columns(model, first))
    if not first:
        return from_rows([], model)
    if backend.name == "pyspark":
        from ibis.backends.pyspark.datatypes import PySparkSchema

        return backend.read_json(str(path), schema=PySparkSchema.from_ibis(schema), mode="FAILFAST")
    types = {name: ibis.backends.sql.datatypes.DuckDBType.to_string(dtype) for name, dtype in schema.items()}
    return backend.read_json(shards, columns=types, format="newline_delimited", maximum_object_size=2**26)


def _first(path: str | Path) -> dict[str, Any]:
    """The first row of JSON Lines, nothing where there is none."""
    if "://" in str(path):  # only Spark reads from there
        found = ibis.get_backend()._session.read.text(str(path)).head(1)
        line = found[0].value if found else ""
        where = str(path)
    else:
        where = str(next((shard for shard in sorted(Path(path).glob(SHARDS)) if shard.stat().st_size), path))
        if Path(where).is_dir():
            return {}
        try:
            with Path(where).open(encoding="utf-8") as file:
                line = file.readline()
        except FileNotFoundError as error:
            raise click.ClickException(f"{path} is missing: run the stage before, or dvc repro") from error
        except UnicodeDecodeError as error:
            raise click.ClickException(f"{where}, line 1: not UTF-8: {error}") from error
    try:
        return json.loads(line or "{}")
    except ValueError as error:
        raise click.ClickException(f"{where}, line 1: not JSON: {error}") from error


def hold(table: ibis.Table) -> ibis.Table:
    """The table as computed now, for several readings; on disk as far as it outgrows memory."""
    with reading():
        return table.cache()


def parts(table: ibis.Table, folder: Path, size: int) -> list[ibis.Table]:
    """The table in parts of whole groups, in their order and of about `size` characters each, that DuckDB can hold in
    memory: it can't move lists that it collects to disk, and sorts of windows cost it many times their size. They are
    read from a copy in `folder`, of which each part reads its own row groups if the table was in order. Spark needs
    none.
    """
    backend = ibis.get_backend()
    if backend.name != "duckdb":
        return [table]
    with reading():
        backend.to_parquet(table, folder / "whole.parquet")
    whole = backend.read_parquet(folder / "whole.parquet")
    groups = whole.group_by("group").agg(size=(_.text.length() + ROW).sum())
    upto = groups.mutate(upto=_.size.sum().over(ibis.cumulative_window(order_by="group")))
    bounds = upto.group_by(part=_.upto // size).agg(first=_.group.min(), last=_.group.max())
    found = [whole.filter(_.group.between(at["first"], at["last"])) for at in rows(bounds.order_by("part"))]
    return found or [whole]


@contextmanager
def reading() -> Iterator[None]:
    """What DuckDB says of a file that it can't read, which names file and line, as one line for the user."""
    try:
        yield
    except duckdb.InvalidInputException as error:
        raise click.ClickException(str(error).splitlines()[0]) from error


def rows(table: ibis.Table) -> list[dict[str, Any]]:
    """The rows of a table that fits into memory, as dictionaries."""
    with reading():
        return table.to_pyarrow().to_pylist()


def batches(table: ibis.Table, size: int) -> Iterator[pyarrow.RecordBatch]:
    """The rows of a table that need not fit into memory, some at a time."""
    with reading():
        yield from table.to_pyarrow_batches(chunk_size=size)


def in_memory(rows: pyarrow.Table) -> ibis.Table:
    """A table in memory as an Ibis expression."""
    backend = ibis.get_backend()
    if backend.name != "pyspark":
        return ibis.memtable(rows)
    name = ibis.util.gen_name("in_memory")  # through Ibis, nulls would become the text NaN
    backend._session.createDataFrame(rows).createTempView(name)
    return backend.table(name)


def from_rows(found: list[Any], model: type[Table]) -> ibis.Table:
    """Dictionaries to a table with the model's columns."""
    present = found[0] if found else ()
    schema = ibis.schema(columns(model, present))
    return in_memory(pyarrow.Table.from_pylist(found, schema=schema.to_pyarrow()))


def _kept(table: ibis.Table, model: type[Table]) -> ibis.Value:
    """Whether a row keeps the model's contract."""
    kept: ibis.Value = ibis.literal(True)
    for pattern, column in model.to_schema().columns.items():
        for name in filter(re.compile(rf"(?:{pattern})\Z").match, table.columns):
            checks = [CHECKS[str(check.name)](table[name], **(check.statistics or {})) for check in column.checks]
            holds = ibis.and_(*checks)
            kept &= (table[name].isnull() | holds) if column.nullable else (table[name].notnull() & holds)
    return kept


def failures(table: ibis.Table, model: type[Table], name: str) -> list[str]:
    """Everything in a table that breaks its contract, a line each with row or id, field and reason.

    One query says whether a row is wrong; if so pandera says which, in chunks of pandas, since on Ibis it lets
    duplicates pass. The key is checked by another query.
    """
    metadata = model.get_metadata()[model.__name__]["dataframe"]
    declared = {name: column for name, column in model.to_schema().columns.items() if not column.regex}
    types = {name: str(column.dtype) for name, column in declared.items() if str(column.dtype) != "object"}
    required = [name for name, column in declared.items() if not column.nullable]
    found: list[str] = []
    start = 0
    with reading():
        wrong = table.filter(~_kept(table, model)).count().execute()
    for batch in table.to_pyarrow_batches(chunk_size=CHUNK) if wrong else ():
        frame = batch.to_pandas()
        frame.index += start
        start += len(frame)
        ids = frame.get("id")

        def say(row: Any, field: str, what: str, ids: Any = ids, rows: Any = frame.index) -> None:
            """Row number from 1 and id; pandera has no row for what is wrong with a whole column."""
            at = f": row {row + 1}" + ("" if ids is None else f", id {ids[row]}") if row in rows else ""
            found.append(f"{name}{at}, {field}: {what}")

        for field in required:  # pandera names no row for a null, which also makes its integers floats
            for row in frame.index[frame[field].isna()]:
                say(row, field, "is null")
        try:
            model.validate(frame.dropna(subset=required).astype(types), lazy=True)
        except SchemaErrors as error:
            for case in error.failure_cases.to_dict("records"):
                say(case["index"], case["column"], f"{case['check']}, got {str(case['failure_case'])[:80]!r}")
    if metadata["key"]:
        repeated = table.group_by(metadata["key"]).agg(rows=_.count()).filter(_.rows > 1)
        for row in rows(repeated.order_by(metadata["key"]).limit(1000)):
            key = ", ".join(f"{field} {row[field]}" for field in metadata["key"])
            found.append(f"{name}: {key}: {row['rows']} rows, must be one")
    return found


def write(path: str | Path, table: ibis.Table | Iterable[ibis.Table], model: type[Table]) -> int:
    """Check a table, sort it and write it as JSON Lines; return the number of rows. Nothing is written if a row is
    wrong. If it comes in `parts`, each is computed and sorted by itself: only then does time grow with the rows alone.
    """
    order = model.get_metadata()[model.__name__]["dataframe"]["order"]
    all_of_it = [table] if isinstance(table, ibis.Table) else table
    ordered = (part.select(list(columns(model, part.columns))).order_by(order) for part in all_of_it)
    with tempfile.TemporaryDirectory() as folder:
        held = _held(tqdm(ordered, Path(path).name, unit=" parts", delay=5), Path(folder))
        if found := failures(held, model, Path(path).name):
            more = f"\n… and {len(found) - SHOWN} more" if len(found) > SHOWN else ""
            raise click.ClickException("\n".join(found[:SHOWN]) + more)
        _put(path, held)
        return held.count().execute()


def _held(parts: Iterable[ibis.Table], folder: Path) -> ibis.Table:
    """The rows of one part after the other, each in its order, in files in a folder; or one part held by Spark."""
    backend = ibis.get_backend()
    if backend.name == "pyspark":
        return ibis.union(*map(hold, parts))
    paths: list[Path] = []
    for part in parts:
        paths.append(folder / f"{len(paths)}.parquet")
        with reading():
            backend.to_parquet(part, paths[-1])
    return backend.read_parquet(paths)


def _put(path: str | Path, table: ibis.Table) -> None:
    """Write a file, or with Spark a folder of shards, which has a file _SUCCESS when it is whole."""
    backend = ibis.get_backend()
    form = "parquet" if str(path).endswith(".parquet") else "json"
    if backend.name == "pyspark":
        backend._session.sql(backend.compile(table)).write.save(
            str(path), format=form, mode="overwrite", ignoreNullFields=False
        )
        return
    target, part = Path(path), Path(f"{path}.part")
    target.parent.mkdir(parents=True, exist_ok=True)
    backend.raw_sql(f"COPY ({backend.compile(table)}) TO '{str(part).replace(chr(39), chr(39) * 2)}' (FORMAT {form})")
    part.replace(target)


def write_rejects(path: str | Path, rejects: list[dict[str, Any]], model: type[Table]) -> Counter[str]:
    """Write rows that left the data, each with its reason, and count the reasons."""
    write(path, from_rows([{"id": None, "at": None} | reject for reject in rejects], model), model)
    return Counter(reject["reason"] for reject in rejects)


def write_json(path: str | Path, value: Mapping[str, Any] | list[Any]) -> None:
    """A JSON document, indented: metrics (numbers only, so that `dvc metrics diff` shows them) and alpaca files."""
    target, part = Path(path), Path(f"{path}.part")
    target.parent.mkdir(parents=True, exist_ok=True)
    part.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    part.replace(target)


def items_of(valid: str | Path, folder: Path, name: str) -> list[dict[str, Any]]:
    """The labelled items of one split of the alpaca files, or of all."""
    ids = split_ids(folder, name)
    return [item for item in rows(read(valid, Labelled)) if item["id"] in ids]


def split_ids(folder: Path, name: str) -> set[int]:
    """The ids of one split of the alpaca files, or of all."""
    names = ("train", "dev", "test") if name == "all" else (name,)
    return {row["id"] for split in names for row in json.loads((folder / f"{split}.json").read_text(encoding="utf-8"))}
