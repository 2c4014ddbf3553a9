"""Experiments of DVC with settings that are data: no shell, and no grammar of DVC's overrides, reads a value."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from stages.pipeline.files import read_yaml


def recipe(path: Path) -> dict[str, Any]:
    """The settings of a file under recipes/ by their keys in params.yaml, with dots between.

    Raises click.ClickException where the file has no settings.
    """
    settings = read_yaml(path)
    if not isinstance(settings, dict):
        raise click.ClickException(f"{path} has no settings: it names keys of params.yaml, each with a value")
    return flattened(settings)


def flattened(settings: Mapping[str, Any], above: str = "") -> dict[str, Any]:
    """Sections of settings as one mapping; their keys have dots between."""
    flat: dict[str, Any] = {}
    for key, value in settings.items():
        flat |= flattened(value, f"{above}{key}.") if isinstance(value, dict) else {f"{above}{key}": value}
    return flat


def overrides(settings: Mapping[str, Any]) -> list[str]:
    """The arguments of `dvc exp run` for these settings."""
    return [word for key, value in settings.items() for word in ("-S", f"{key}={literal(value)}")]


def literal(value: Any) -> str:
    """A value in the grammar of `-S`, which is Hydra's; text is quoted, and no ${…} in it is filled in."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        text = re.sub(r"(\\*)\$\{", r"\1\1\\${", value)  # for OmegaConf
        return "'" + re.sub(r"(\\*)('|$)", _quotable, text) + "'"
    if isinstance(value, Mapping):
        return "{" + ",".join(f"{key}:{literal(entry)}" for key, entry in value.items()) + "}"
    if isinstance(value, Sequence):
        return "[" + ",".join(map(literal, value)) + "]"
    return repr(value)


def _quotable(match: re.Match[str]) -> str:
    """Backslashes before a quote, doubled, and the quote after one more."""
    return match[1] * 2 + ("\\'" if match[2] else "")
