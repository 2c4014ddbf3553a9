"""Experiments of DVC with settings that are data: no shell, and no grammar of DVC's overrides, reads a value."""

import re
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from stages.pipeline.files import read_yaml
from stages.pipeline.params import Params, params
from stages.pipeline.temporary import temporary_folder


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


def arguments(settings: Mapping[str, Any], more: Sequence[str] = ()) -> list[str]:
    """The arguments of `dvc exp run` for a recipe's settings, and for `more` as of its `-S`, which win."""
    replaced = {setting.partition("=")[0] for setting in more}
    words = overrides({key: value for key, value in settings.items() if key not in replaced})
    return words + [word for setting in more for word in ("-S", setting)]


def params_of_experiment(settings: Mapping[str, Any], more: Sequence[str] = ()) -> Params:
    """The parameters that an experiment with `arguments(settings, more)` has.

    Raises click.ClickException for a setting that DVC can't read, an unknown key and a wrong value.
    """
    from dvc.exceptions import DvcException
    from dvc.utils.hydra import apply_overrides

    with temporary_folder() as folder:
        file = folder / "params.yaml"
        shutil.copy("params.yaml", file)
        try:
            apply_overrides(file, arguments(settings, more)[1::2])
            return params(file)
        except DvcException as error:
            raise click.ClickException(f"{' '.join(more)}: {error.__cause__ or error}") from error
        except click.ClickException as error:
            raise click.ClickException(error.message.replace(str(file), "params.yaml with these settings")) from error


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
