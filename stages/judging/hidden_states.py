"""A vanilla model's hidden states of each inquiry, from which probes learn (Alain and Bengio, 2016)."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import click
import numpy as np
from numpy.typing import NDArray

from stages.pipeline.arrays import read_arrays, write_arrays

Items = Sequence[dict[str, Any]]


class HiddenStates(NamedTuple):
    """States of the items `ids` [items] at `layers` [layers], [layers, views, items, hidden].

    The views of an item are the mean over its tokens under its window, the mean over its tokens alone, and the last
    token alone.
    """

    ids: NDArray[np.int64]
    layers: NDArray[np.int64]
    values: NDArray[Any]

    def has(self, items: Items) -> bool:
        """Whether there are states of all these items."""
        return {item["id"] for item in items} <= set(self.ids.tolist())

    def of(self, items: Items) -> NDArray[Any]:
        """The states of these items, [layers, views, items, hidden]. Raises click.ClickException for an item without
        any.
        """
        row_by_id = {id: row for row, id in enumerate(self.ids.tolist())}
        if missing := [item["id"] for item in items if item["id"] not in row_by_id]:
            raise click.ClickException(
                f"{len(missing)} items have no hidden states, first id {missing[0]}: run dvc repro states"
            )
        return self.values[:, :, [row_by_id[item["id"]] for item in items]]

    def of_middle_layer(self, items: Items) -> NDArray[Any]:
        """The states at the middle one of the layers, [views, items, hidden]: there meaning shows best."""
        return self.of(items)[(len(self.layers) - 1) // 2]


def write_states(path: str | Path, states: HiddenStates) -> None:
    write_arrays(path, states._asdict())


def read_states(path: str | Path) -> HiddenStates:
    """Raises click.ClickException where the file is missing or isn't one that `write_states` wrote."""
    return HiddenStates(*read_arrays(path, HiddenStates._fields, "states"))
