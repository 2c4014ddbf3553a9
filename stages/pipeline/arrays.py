"""Files of arrays, whose bytes follow from the arrays alone: those of NumPy's .npz depend on Python's version."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import click
import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load_file, save

from stages.pipeline.files import atomic_write


def write_arrays(path: str | Path, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Write arrays by their names, as safetensors."""
    content = save({name: np.asarray(array, order="C") for name, array in arrays.items()})
    with atomic_write(path) as part:
        part.write_bytes(content)


def read_arrays(path: str | Path, names: Iterable[str], stage: str) -> list[NDArray[Any]]:
    """The arrays of these names in a file that `stage` writes. Raises click.ClickException where it lacks them."""
    try:
        arrays = load_file(path)
        return [arrays[name] for name in names]
    except FileNotFoundError as error:
        raise click.ClickException(f"{path} is missing: run dvc repro {stage}") from error
    except SafetensorError as error:
        raise click.ClickException(f"{path} is not readable ({error}): run dvc repro --force {stage}") from error
    except KeyError as error:
        raise click.ClickException(f"{path} has no {error}: run dvc repro --force {stage}") from error
