"""The floors, on states in which one layer shows the labels, and the file of hidden states."""

from pathlib import Path
from typing import Any

import click
import numpy as np
import pytest

from stages.judging.hidden_states import HiddenStates, read_states, write_states
from stages.judging.probe import probe_of_best_layer

LABELS = np.random.default_rng(1).random(300) < 0.4


def items(start: int, end: int) -> list[dict[str, Any]]:
    return [{"id": i, "label": bool(LABELS[i])} for i in range(start, end)]


def states_with_labels_at(place: int, layers: tuple[int, ...] = (3, 5, 7)) -> HiddenStates:
    values = np.random.default_rng(0).normal(size=(len(layers), 3, len(LABELS), 16))
    values[place, :, :, 4] += np.where(LABELS, 1.5, -1.5)
    shuffled = np.random.default_rng(2).permutation(len(LABELS))  # rows follow ids, not the order of the file
    return HiddenStates(shuffled, np.array(layers), values[:, :, shuffled])


@pytest.mark.parametrize("place", [0, 1, 2])
def test_the_probe_reads_the_layer_that_ranks_dev_best(place: int) -> None:
    layer, log_odds = probe_of_best_layer(
        states_with_labels_at(place), items(0, 150), items(150, 220), items(220, 300)
    )
    assert layer == (3, 5, 7)[place]
    assert ((log_odds > 0) == LABELS[220:]).mean() > 0.8


def test_the_layer_is_not_chosen_by_the_items_that_are_scored() -> None:
    """The layer that tells labels of dev apart is taken, even where another one tells those of test apart."""
    states = states_with_labels_at(0)
    values = states.values.copy()
    rows = {id: row for row, id in enumerate(states.ids.tolist())}
    for i in range(220, 300):
        values[2, :, rows[i], 4] += 9.0 if LABELS[i] else -9.0
    layer, _ = probe_of_best_layer(states._replace(values=values), items(0, 150), items(150, 220), items(220, 300))
    assert layer == 3


def test_states_come_back_as_they_were_written(tmp_path: Path) -> None:
    states = states_with_labels_at(1)
    write_states(tmp_path / "states.npz", states)
    again = read_states(tmp_path / "states.npz")
    for before, after in zip(states, again, strict=True):
        assert np.array_equal(before, after)


@pytest.mark.parametrize("content", [None, b"", b"no archive", "pickle"])
def test_a_file_without_states_is_one_line(tmp_path: Path, content: bytes | str | None) -> None:
    file = tmp_path / "states.npz"
    if content == "pickle":
        np.savez(file, ids=np.array([object()]), layers=np.array([1]), values=np.zeros((1, 1, 1)))
    elif isinstance(content, bytes):
        file.write_bytes(content)
    with pytest.raises(click.ClickException, match=r"states\.npz .*dvc repro") as error:
        read_states(file)
    assert "\n" not in error.value.message


def test_an_item_without_states_is_named() -> None:
    with pytest.raises(click.ClickException, match="1 items have no hidden states, first id 900"):
        states_with_labels_at(0).of([{"id": 3}, {"id": 900}])
