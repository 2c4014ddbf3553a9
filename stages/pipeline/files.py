"""JSON, YAML and text files. What is written is whole or not there."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError


def write_json(path: str | Path, value: Mapping[str, Any] | list[Any]) -> None:
    """A JSON document, indented: metrics (numbers only, so that `dvc metrics diff` shows them) and alpaca files."""
    try:
        text = json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False)
    except ValueError as error:
        raise click.ClickException(f"{path}: a number in it is NaN or infinite") from error
    write_text(path, text + "\n")


def write_metrics(metrics: str | Path, details: str | Path, values: Mapping[str, Any], *headlines: str) -> None:
    """All numbers of a stage as its details, and those that a reviewer reads as its metrics: a `headline` that is
    there, or one as in `n=messages`, which has another name among the details.
    """
    key_by_name = {headline.split("=")[0]: headline.split("=")[-1] for headline in headlines}
    write_json(metrics, {name: values[key] for name, key in key_by_name.items() if key in values})
    write_json(details, values)


def write_text(path: str | Path, text: str) -> None:
    with atomic_write(path) as part:
        part.write_text(text, encoding="utf-8")


def read_json(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def read_yaml(path: Path) -> Any:
    """Raises click.ClickException with a line where the file isn't YAML."""
    try:
        return YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8"))
    except (YAMLError, UnicodeDecodeError) as error:
        raise click.ClickException(f"{path} is not YAML: {' '.join(str(error).split())}") from error


@contextmanager
def atomic_write(path: str | Path) -> Iterator[Path]:
    """A place to write a file at, which takes the file's name when it is whole, and goes if it can't be written."""
    target, part = Path(path), Path(f"{path}.part")
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        yield part
        part.replace(target)
    except OSError as error:
        error.filename = error.filename or str(part)  # Python leaves it out where a write fails
        raise
    finally:
        part.unlink(missing_ok=True)
