"""A probe of the question filter, as the stage filter_probes has learnt it, and its file."""

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from stages.pipeline.arrays import read_arrays, write_arrays

SCALE = 10  # of a scorer's ratings
Floats = NDArray[np.float64]


class FilterProbe(NamedTuple):
    """The log-odds that a turn asks something are the mean over views of `weights` [views, hidden] times the states of
    `layer` plus `biases` [views]. `held_out` [items] are ratings of the turns `ids` by probes that haven't seen them.
    """

    layer: NDArray[np.int64]
    weights: Floats
    biases: Floats
    ids: NDArray[np.int64]
    held_out: Floats

    def rate(self, states: Floats) -> Floats:
        """The ratings [texts] of states of the probe's layer, [views, texts, hidden]."""
        log_odds = np.einsum("vth,vh->vt", states, self.weights) + self.biases[:, None]
        return ratings(log_odds.mean(0))


def ratings(log_odds: Floats) -> Floats:
    """Probabilities as a scorer's ratings, by their log-odds."""
    return SCALE / (1 + np.exp(-log_odds))


def write_probes(path: str | Path, probes: Mapping[str, FilterProbe]) -> None:
    """Write probes by the names of their scorers."""
    arrays = {f"{name}.{field}": value for name, probe in probes.items() for field, value in probe._asdict().items()}
    write_arrays(path, arrays)


def read_probe(path: Path, name: str) -> FilterProbe:
    """The probe of a scorer. Raises click.ClickException where there is none."""
    return FilterProbe(*read_arrays(path, (f"{name}.{field}" for field in FilterProbe._fields), "filter_probes"))
