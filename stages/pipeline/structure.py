"""The raw file of a table: whether the keys and JSON types of every row are those of its contract.

A reader that casts hides what is wrong: 1.4 becomes the id 1, true a number, and a misspelt key a null.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import duckdb
import ibis

from stages.pipeline.schemas import Table
from stages.pipeline.text import quoted

LONGEST = 2**26  # bytes of a line
JSON_TYPES = {  # as DuckDB names them, and Spark where it infers a schema
    "int64": {"UBIGINT", "BIGINT", "bigint"},
    "float64": {"UBIGINT", "BIGINT", "DOUBLE", "bigint", "double"},
    "boolean": {"BOOLEAN", "boolean"},
    "string": {"VARCHAR", "string"},
}
EXPECTED = {"int64": "a whole number", "float64": "a number", "boolean": "true or false", "string": "text"}
KIND_OF_STRUCTURE = {
    "UBIGINT": "a whole number",
    "BIGINT": "a whole number",
    "DOUBLE": "a number that is not whole or too large",
    "BOOLEAN": "true or false",
    "VARCHAR": "text",
    "NULL": "null",
}


def misfits(path: str | Path, files: str, schema: ibis.Schema, model: type[Table]) -> list[str]:
    """What is wrong with the keys and types of JSON Lines, a line for each row and field.

    `files` is what DuckDB reads for `path`. It groups the rows by their structure: a sound table has a handful.
    Raises click.ClickException that names the first line that is no JSON.
    """
    connection = ibis.get_backend().con
    objects = f"read_ndjson_objects({sql_text(files)}, maximum_object_size={LONGEST})"
    try:
        structures = connection.execute(f"SELECT DISTINCT json_structure(json) FROM {objects}").fetchall()
    except duckdb.InvalidInputException as error:
        raise click.ClickException(_malformed(path, files, error)) from error
    problems = {structure: _unlike_row(json.loads(structure), schema, model) for (structure,) in structures}
    wrong_structures = [structure for structure, problems_of_row in problems.items() if problems_of_row]
    if not wrong_structures:
        return []
    numbered = (
        f"SELECT json_structure(json) AS structure, json->>'id' AS id, row_number() OVER () AS row FROM {objects}"
    )
    rows = f"SELECT structure, id, row FROM ({numbered}) WHERE list_contains(?, structure) ORDER BY row"
    lines = []
    for structure, id, row in connection.execute(rows, [wrong_structures]).fetchall():
        at = f"{path}: row {row}" + ("" if id is None else f", id {quoted(id, length=40)}")
        lines += [f"{at}, {problem}" for problem in problems[structure]]
    return lines


def misfits_of_schema(path: str | Path, file_schema: ibis.Schema, schema: ibis.Schema) -> list[str]:
    """How the columns of a file that has types, such as Parquet, differ from the table's, a line each."""
    problems = [f"{path}: {name}: is missing" for name in schema if name not in file_schema]
    problems += [f"{path}: {name}: is no field of this table" for name in file_schema if name not in schema]
    differing = [
        name for name in schema if name in file_schema and file_schema[name].copy(nullable=True) != schema[name]
    ]
    return problems + [f"{path}: {name}: must be {schema[name]}, is {file_schema[name]}" for name in differing]


def misfits_inferred(path: str | Path, schema: ibis.Schema, model: type[Table]) -> list[str]:
    """How the keys and types that Spark infers over all rows of JSON Lines differ from the table's, a line each."""
    inferred = ibis.get_backend()._session.read.json(str(path)).schema
    if "_corrupt_record" in inferred.names:
        return [f"{path}: a line is not JSON"]
    structure = _of_spark(inferred)
    for name in _nullable(schema, model):
        if structure.get(name) == "string":  # what Spark infers of nulls alone; real texts fail where they are read
            structure[name] = "NULL"
    return [f"{path}: {what}" for what in _unlike_row(structure, schema, model)]


def _of_spark(dtype: Any) -> Any:
    """A type of Spark as DuckDB writes structures: objects, lists of one element, and the names of scalars."""
    if hasattr(dtype, "fields"):
        return {field.name: _of_spark(field.dataType) for field in dtype.fields}
    return [_of_spark(dtype.elementType)] if hasattr(dtype, "elementType") else dtype.simpleString()


def _nullable(schema: ibis.Schema, model: type[Table]) -> set[str]:
    """The fields that may be null; the ones that a model names by a pattern are looked at when they are read."""
    declared = model.to_schema().columns
    return {name for name in schema if name not in declared or declared[name].nullable}


def _unlike_row(structure: Any, schema: ibis.Schema, model: type[Table]) -> list[str]:
    """How the structure of a row differs from the table's."""
    if not isinstance(structure, dict):
        return [f"must be an object, is {_in_words(structure)}"]
    metadata = model.get_metadata()[model.__name__]["dataframe"]
    missing = [name for name in schema if name not in structure and name not in metadata.get("optional", ())]
    unknown = [name for name in structure if name not in schema and not metadata.get("open")]
    problems = [f"{name}: is missing" for name in missing]
    problems += [f"{quoted(name)}: is no field of this table" for name in unknown]
    nullable = _nullable(schema, model)
    for name in schema:
        if name in structure and not (structure[name] == "NULL" and name in nullable):
            problems += [f"{name}{problem}" for problem in _unlike(structure[name], schema[name])]
    return problems


def _unlike(structure: Any, dtype: Any) -> Iterator[str]:
    """How the structure of a value differs from a type, each with the place inside the value."""
    if dtype.is_array():
        if not isinstance(structure, list):
            yield f": must be a list, is {_in_words(structure)}"
        elif structure[0] != "NULL":  # so stands an empty list
            yield from (f"[]{what}" for what in _unlike(structure[0], dtype.value_type))
    elif dtype.is_struct():
        if not isinstance(structure, dict):
            yield f": must be an object, is {_in_words(structure)}"
            return
        yield from (f".{name}: is missing" for name in dtype.names if name not in structure)
        yield from (f".{quoted(name)}: is no field of this table" for name in structure if name not in dtype.names)
        for name in dtype.names:
            if name in structure:
                yield from (f".{name}{what}" for what in _unlike(structure[name], dtype[name]))
    elif not isinstance(structure, str) or structure not in JSON_TYPES[str(dtype)]:
        yield f": must be {EXPECTED[str(dtype)]}, is {_in_words(structure)}"


def _in_words(structure: Any) -> str:
    if isinstance(structure, list | dict):
        return "a list" if isinstance(structure, list) else "an object"
    return KIND_OF_STRUCTURE.get(structure, "an empty object, or of several types")


def _malformed(path: str | Path, files: str, error: duckdb.Error) -> str:
    """The first line that is no JSON. It is looked for: the number that DuckDB gives is one too high."""
    for file in sorted(Path(files).parent.glob(Path(files).name)):
        with file.open("rb") as lines:
            for number, line in enumerate(lines, 1):
                try:
                    json.loads(line.decode() if line.strip() else "null")
                except UnicodeDecodeError as problem:
                    return f"{path}, line {number}: not UTF-8: {problem}"
                except (ValueError, RecursionError) as problem:
                    return f"{path}, line {number}: not JSON: {problem}"
    return f"{path}: {str(error).splitlines()[0]}"


def sql_text(path: str | Path) -> str:
    """A path as SQL text."""
    return "'" + str(path).replace("'", "''") + "'"
