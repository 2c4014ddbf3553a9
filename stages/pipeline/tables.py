"""Tables in and out: JSON Lines, UTF-8, sorted, one object a line, the same bytes for the same rows on every machine.

Between reading and writing a table is an Ibis expression. DuckDB runs it inside the process, in bounded memory, or
Spark on many machines; Spark writes a folder of shards, which in the order of their names are the bytes of DuckDB's
file. A path that ends in .parquet holds Parquet instead.
"""

import atexit
import json
import re
import shutil
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import cache
from pathlib import Path
from typing import Any, NoReturn

import click
import duckdb
import ibis
import pandas as pd
import pyarrow
import pyarrow.compute
from ibis import _
from pandera.errors import SchemaErrors
from tqdm import tqdm

from stages.pipeline.files import atomic_write
from stages.pipeline.schemas import SPLITS, Item, Table, windows_are_whole
from stages.pipeline.structure import LONGEST, misfits, misfits_inferred, misfits_of_schema, sql_text
from stages.pipeline.temporary import temporary_folder

IBIS_TYPES = {  # by the names of pandera's
    "int64": "int64",
    "Int64": "int64",
    "float64": "float64",
    "Float64": "float64",
    "bool": "boolean",
    "string[pyarrow]": "string",
    "object": "array<struct<sender: string, text: string, timestamp: int64>>",  # cr_window, the one nested column
}
Rows = list[dict[str, Any]]
CHUNK = 50_000  # rows that are in pandas, or in Python, at a time
MAX_ERROR_LINES = 20
ROW_OVERHEAD = 64  # characters, added to the length of a row's text as an estimate of memory
MEMORY_LIMIT = "2500MB"  # of DuckDB; what is larger goes to disk
SHARDS = "part-*"  # as Spark names them
BYTE_ORDER_MARK = b"\xef\xbb\xbf"
BLANK_BYTES = BYTE_ORDER_MARK + b" \t\r\n"  # a line of these alone has no row


def compute_on(backend: str) -> None:
    """What runs the expressions from here on: `duckdb`, or `spark`, set up by spark-defaults.conf or
    PYSPARK_SUBMIT_ARGS.
    """
    if backend == "duckdb":
        ibis.set_backend(ibis.duckdb.connect(memory_limit=MEMORY_LIMIT, temp_directory=str(_run_folder() / "spill")))
        return
    from pyspark.sql import SparkSession

    session = SparkSession.builder.appName("labels-by-law").config("spark.sql.session.timeZone", "UTC").getOrCreate()
    ibis.set_backend(ibis.pyspark.connect(session))


def columns(model: type[Table], present: Iterable[str] = ()) -> dict[str, str]:
    """Ibis types by column. A column that the model names by a pattern stands for each one of `present` that fits
    it.
    """
    typed: dict[str, str] = {}
    for name, column in model.to_schema().columns.items():
        names = [other for other in present if re.match(name, other)] if column.regex else [name]
        typed |= dict.fromkeys(names, IBIS_TYPES[str(column.dtype)])
    return typed


@cache
def _run_folder() -> Path:
    """A temporary folder that lasts as long as this process."""
    until_exit = ExitStack()
    atexit.register(until_exit.close)
    return until_exit.enter_context(temporary_folder())


def read(path: str | Path, model: type[Table]) -> ibis.Table:
    """A table of a file or of a folder of shards as an Ibis expression with the model's columns.

    Keys and types of every row are checked here, before a cast could hide what is wrong with them, and so are NaN and
    infinite numbers; the rest of the contract is checked where a table is written, and by the stage `validate`.
    Raises click.ClickException that names file, row and id.
    """
    check_exists(path)
    if str(path).endswith(".parquet"):
        with duckdb_errors():
            table = ibis.get_backend().read_parquet(f"{path}/{SHARDS}" if Path(path).is_dir() else str(path))
        problems = misfits_of_schema(path, table.schema(), ibis.schema(columns(model, table.columns)))
    elif first_rows := _first_rows(path):
        keys = first_rows[0] if isinstance(first_rows[0], dict) else ()
        table, problems = _read_json_lines(path, ibis.schema(columns(model, keys)), model)
    else:
        return from_rows([], model)
    if problems:
        refuse(problems)
    if rows(table.filter(_is_not_finite(table)).limit(1)):
        refuse(failures(table, model, str(path)))
    return table


def check_exists(path: str | Path) -> None:
    """Raises click.ClickException for a file that is missing, and for a folder without a shard or Spark's _SUCCESS."""
    if "://" in str(path):  # only Spark reads from there
        return
    folder = Path(path)
    is_unfinished = folder.is_dir() and not any(folder.glob(SHARDS)) and not (folder / "_SUCCESS").exists()
    if is_unfinished or not folder.exists():
        what = f"has no {SHARDS}" if is_unfinished else "is missing"
        raise click.ClickException(f"{path} {what}: run the stage that writes it, or dvc repro")


def _read_json_lines(path: str | Path, schema: ibis.Schema, model: type[Table]) -> tuple[ibis.Table, list[str]]:
    """The table, and what is wrong with its keys and types."""
    backend = ibis.get_backend()
    if backend.name == "pyspark":
        from ibis.backends.pyspark.datatypes import PySparkSchema

        problems = misfits_inferred(path, schema, model)
        return backend.read_json(str(path), schema=PySparkSchema.from_ibis(schema), mode="FAILFAST"), problems
    files = f"{path}/{SHARDS}" if Path(path).is_dir() else _without_byte_order_mark(str(path))
    problems = misfits(path, files, schema, model)
    types = {name: ibis.backends.sql.datatypes.DuckDBType.to_string(dtype) for name, dtype in schema.items()}
    table = backend.read_json(files, columns=types, format="newline_delimited", maximum_object_size=LONGEST)
    return table, problems


def refuse(problems: list[str]) -> NoReturn:
    """End with what is wrong, a line each; of a long list with the first ones."""
    more = f"\n… and {len(problems) - MAX_ERROR_LINES} more" if len(problems) > MAX_ERROR_LINES else ""
    raise click.ClickException("\n".join(problems[:MAX_ERROR_LINES]) + more)


def _first_rows(path: str | Path) -> list[Any]:
    """The first row of JSON Lines, in a list that is empty where there is none."""
    if "://" in str(path):
        head = ibis.get_backend()._session.read.text(str(path)).head(1)
        return [json.loads(line.value) for line in head]
    for file in sorted(Path(path).glob(SHARDS)) if Path(path).is_dir() else [Path(path)]:
        with file.open("rb") as lines:
            for number, line in enumerate(lines, 1):
                if line.strip(BLANK_BYTES):
                    return [_parsed(line, f"{file}, line {number}")]
    return []


def _parsed(line: bytes, place: str) -> Any:
    try:
        return json.loads(line.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise click.ClickException(f"{place}: not UTF-8: {error}") from error
    except (ValueError, RecursionError) as error:
        raise click.ClickException(f"{place}: not JSON: {error}") from error


def _without_byte_order_mark(path: str) -> str:
    """The file, or a copy of it without the byte order mark that DuckDB refuses."""
    with Path(path).open("rb") as file:
        if file.read(len(BYTE_ORDER_MARK)) != BYTE_ORDER_MARK:
            return path
        copy = _run_folder() / f"{ibis.util.gen_name('without_mark')}.jsonl"
        with copy.open("wb") as target:
            shutil.copyfileobj(file, target)
    return str(copy)


def _is_not_finite(table: ibis.Table) -> ibis.Value:
    """Whether a row has a number that is NaN or infinite."""
    numbers = [table[name] for name, dtype in table.schema().items() if dtype.is_floating()]
    return ibis.or_(ibis.literal(False), *[number.isnan() | number.isinf() for number in numbers])


def materialize(table: ibis.Table) -> ibis.Table:
    """The table as computed now, for several readings; on disk as far as it outgrows memory."""
    with duckdb_errors():
        return table.cache()


def split_by_group(table: ibis.Table, folder: Path, part_characters: int) -> list[ibis.Table]:
    """The table in parts of whole chat groups, in their order, each of about `part_characters` characters.

    DuckDB holds collected lists and the sorts of windows in memory, so a part must fit into it. The parts read a
    Parquet copy in `folder`; where the table was sorted by group, each reads only its own section of the file. Spark
    needs no parts: there the table is one.
    """
    backend = ibis.get_backend()
    if backend.name != "duckdb":
        return [table]
    with duckdb_errors():
        backend.to_parquet(table, folder / "copy.parquet")
    copy = backend.read_parquet(folder / "copy.parquet")
    row_characters = _.text.length() + ROW_OVERHEAD
    groups = copy.group_by("group").agg(characters=row_characters.sum())
    so_far = ibis.cumulative_window(order_by="group")
    groups = groups.mutate(part=_.characters.sum().over(so_far) // part_characters)
    ranges = groups.group_by("part").agg(first=_.group.min(), last=_.group.max()).order_by("part")
    return [copy.filter(_.group.between(part["first"], part["last"])) for part in rows(ranges)] or [copy]


@contextmanager
def duckdb_errors() -> Iterator[None]:
    """Raises click.ClickException, with the line that names file and row, for a file that DuckDB can't read."""
    try:
        yield
    except duckdb.InvalidInputException as error:
        raise click.ClickException(str(error).splitlines()[0]) from error


def rows(table: ibis.Table) -> Rows:
    """The rows of a table that fits into memory, as dictionaries."""
    with duckdb_errors():
        return table.to_pyarrow().to_pylist()


def in_memory(arrow_table: pyarrow.Table) -> ibis.Table:
    """A table in memory as an Ibis expression."""
    backend = ibis.get_backend()
    if backend.name != "pyspark":
        return ibis.memtable(arrow_table)
    name = ibis.util.gen_name("in_memory")  # through Ibis, nulls would become the text NaN
    # in one chunk, since Spark takes a table that begins with empty chunks for an empty one
    backend._session.createDataFrame(arrow_table.combine_chunks()).createTempView(name)
    return backend.table(name)


def from_rows(records: list[Any], model: type[Table]) -> ibis.Table:
    """Dictionaries to a table with the model's columns; other keys are left out.

    The first one tells the columns that the model names by a pattern.
    """
    schema = ibis.schema(columns(model, records[0] if records else ()))
    return in_memory(pyarrow.Table.from_pylist(records, schema=schema.to_pyarrow()))


def _keeps_contract(table: ibis.Table, model: type[Table]) -> ibis.Value:
    """Whether a row keeps the model's contract: pandera's checks, as it writes them for Ibis."""
    keeps: ibis.Value = ~_is_not_finite(table).fill_null(False)
    for name, column in _model_columns(table.columns, model).items():
        holds = ibis.and_(*[_holds(table, name, check) for check in column.checks])
        keeps &= (table[name].isnull() | holds) if column.nullable else (table[name].notnull() & holds)
    return keeps


def _holds(table: ibis.Table, name: str, check: Any) -> ibis.Value:
    """One check of a column as an expression."""
    from pandera.api.ibis.types import IbisData
    from pandera.backends.ibis import builtin_checks

    if check.name == "window_of_turns":
        return windows_are_whole(table[name])
    checked = getattr(builtin_checks, check.name)(IbisData(table, name), **(check.statistics or {}))
    return checked.op().values[name].to_expr()


def failures(table: ibis.Table, model: type[Table], source: str) -> list[str]:
    """Everything in a table that breaks its contract, a line each with row or id, field and reason.

    One query counts the rows that break it. If there are any, pandera names them, in chunks of pandas: on Ibis it
    doesn't name rows. Another query looks for rows with the same key. `source` is the table's name in the lines.
    """
    with duckdb_errors():
        invalid_count = table.filter(~_keeps_contract(table, model)).count().execute()
    lines: list[str] = []
    start = 0
    for batch in table.to_pyarrow_batches(chunk_size=CHUNK) if invalid_count else ():
        lines += _failures_of_batch(batch, model, source, start)
        start += batch.num_rows
    if invalid_count and not lines:
        lines.append(
            f"{source}: {invalid_count} rows break their contract, and no check of {model.__name__} says which"
        )
    if key := model.get_metadata()[model.__name__]["dataframe"]["key"]:
        repeated = table.group_by(key).agg(rows=_.count()).filter(_.rows > 1)
        for row in rows(repeated.order_by(key).limit(1000)):
            values = ", ".join(f"{field} {row[field]}" for field in key)
            lines.append(f"{source}: {values}: {row['rows']} rows, must be one")
    return lines


def _failures_of_batch(batch: pyarrow.RecordBatch, model: type[Table], source: str, start: int) -> list[str]:
    """What is wrong with each row of a part of a table that begins at row `start`, counted from 0."""
    ids = batch.column("id").to_pylist() if "id" in batch.schema.names else None
    problems = _problems_in_arrow(batch, model)
    numbers = pd.RangeIndex(batch.num_rows)
    frame = batch.to_pandas().set_axis(numbers).drop(index=[number for number, _field, _problem in problems])
    types = {field: str(column.dtype) for field, column in _model_columns(batch.schema.names, model).items()}
    try:
        model.validate(frame.astype({field: dtype for field, dtype in types.items() if dtype != "object"}), lazy=True)
    except SchemaErrors as error:
        for case in error.failure_cases.to_dict("records"):
            problem = f"{case['check']}, got {str(case['failure_case'])[:80]!r}"
            problems.append((case["index"], case["column"], problem))
    lines = []
    for number, field, problem in problems:
        place = ""
        if number in numbers:  # pandera has no row for what is wrong with a whole column
            place = f": row {start + number + 1}" + ("" if ids is None else f", id {ids[number]}")
        lines.append(f"{source}{place}, {field}: {problem}")
    return lines


def _problems_in_arrow(batch: pyarrow.RecordBatch, model: type[Table]) -> list[tuple[Any, str, str]]:
    """Row, field and problem of each null that may be none and each number that is not finite.

    Pandas can't tell these from sound ones: to it NaN and null are one, and a column of integers with a null is of
    floats.
    """
    model_columns = _model_columns(batch.schema.names, model)
    problems: list[tuple[Any, str, str]] = []
    for field, column in zip(batch.schema.names, batch.columns, strict=True):
        if pyarrow.types.is_floating(column.type):
            is_not_finite = pyarrow.compute.invert(pyarrow.compute.is_finite(column)).fill_null(False)
            problems += [(row, field, "is not a finite number") for row in _true_rows(is_not_finite)]
        if field in model_columns and not model_columns[field].nullable:
            problems += [(row, field, "is null") for row in _true_rows(column.is_null())]
    return problems


def _true_rows(flags: pyarrow.BooleanArray) -> list[int]:
    return [row for row, flag in enumerate(flags.to_pylist()) if flag]


def _model_columns(fields: Sequence[str], model: type[Table]) -> dict[str, Any]:
    """The model's column for each field that has one."""
    return {
        field: column
        for pattern, column in model.to_schema().columns.items()
        for field in fields
        if (re.fullmatch(pattern, field) if column.regex else pattern == field)
    }


def write(path: str | Path, table: ibis.Table | Iterable[ibis.Table], model: type[Table]) -> int:
    """Check a table, sort it and write it as JSON Lines; return the number of rows. Nothing is written if a row is
    wrong.

    The table may come in parts that follow one another in the model's order. Each is sorted by itself, so that the
    time grows with the number of rows alone.
    """
    order = model.get_metadata()[model.__name__]["dataframe"]["order"]
    parts = [table] if isinstance(table, ibis.Table) else table
    ordered_parts = (part.select(list(columns(model, part.columns))).order_by(order) for part in parts)
    with temporary_folder() as folder:
        progress = tqdm(ordered_parts, Path(path).name, unit=" parts", delay=5)
        materialized = _materialize_parts(progress, folder)
        materialized = from_rows([], model) if materialized is None else materialized
        if problems := failures(materialized, model, Path(path).name):
            refuse(problems)
        _write_file(path, materialized)
        return materialized.count().execute()


def _materialize_parts(parts: Iterable[ibis.Table], folder: Path) -> ibis.Table | None:
    """The rows of one part after the other, in files in a folder, or in one table of Spark; None without a part."""
    backend = ibis.get_backend()
    if backend.name == "pyspark":
        tables = [materialize(part) for part in parts]
        return ibis.union(*tables) if tables else None
    paths: list[Path] = []
    for part in parts:
        paths.append(folder / f"{len(paths)}.parquet")
        with duckdb_errors():
            backend.to_parquet(part, paths[-1])
    return backend.read_parquet(paths) if paths else None


def _write_file(path: str | Path, table: ibis.Table) -> None:
    """Write a file, or with Spark a folder of shards, which has a file _SUCCESS when it is whole."""
    backend = ibis.get_backend()
    form = "parquet" if str(path).endswith(".parquet") else "json"
    if backend.name == "pyspark":
        backend._session.sql(backend.compile(table)).write.save(
            str(path), format=form, mode="overwrite", ignoreNullFields=False
        )
        return
    with atomic_write(path) as part:
        backend.raw_sql(f"COPY ({backend.compile(table)}) TO {sql_text(part)} (FORMAT {form})")


def count_reasons(rejects: ibis.Table) -> Counter[str]:
    reasons = rejects.group_by("reason").agg(count=_.count())
    return Counter({row["reason"]: row["count"] for row in rows(reasons)})


def write_rejects(path: str | Path, rejects: Rows, model: type[Table]) -> Counter[str]:
    """Write rows that left the data, each with its reason, and count the reasons."""
    write(path, from_rows([{"id": None, "at": None} | reject for reject in rejects], model), model)
    return Counter(reject["reason"] for reject in rejects)


def split_items(path: str | Path, split: str) -> Rows:
    """The items of one split of data/items.jsonl, or of `all` three, by id. Items between two blocks are in none."""
    items = rows(read(path, Item).order_by("id"))
    splits = SPLITS if split == "all" else (split,)
    return [item for item in items if item["split"] in splits]
