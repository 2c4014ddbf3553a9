"""The floors, on states in which one layer shows the labels, and the file of hidden states."""

import json
import pickle
from pathlib import Path
from typing import Any

import click
import numpy as np
import pytest
from safetensors.numpy import save

from stages.judging.hidden_states import HiddenStates, read_states, write_states
from stages.judging.probe import probe_of_best_layer
from stages.pipeline.arrays import read_arrays, write_arrays

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
    write_states(tmp_path / "states.safetensors", states)
    again = read_states(tmp_path / "states.safetensors")
    for before, after in zip(states, again, strict=True):
        assert np.array_equal(before, after)


@pytest.mark.parametrize("names", [("a", "b", "c"), ("c", "b", "a")])
def test_a_file_of_arrays_has_the_bytes_that_its_format_says(tmp_path: Path, names: tuple[str, ...]) -> None:
    """A length of 8 bytes, a header of JSON, then rows one after the other, also of arrays that lie otherwise."""
    array_by_name = {"a": np.arange(6.0).reshape(2, 3).T, "b": np.array(7.0), "c": np.arange(9.0)[::2]}
    file = tmp_path / "arrays.safetensors"
    write_arrays(file, {name: array_by_name[name] for name in names})
    content = file.read_bytes()
    start = 8 + int.from_bytes(content[:8], "little")
    header = json.loads(content[8:start])
    assert content[start:] == b"".join(array_by_name[name].tobytes() for name in header)
    assert list(header) == ["a", "b", "c"]
    for array, expected in zip(read_arrays(file, "abc", "states"), array_by_name.values(), strict=True):
        assert np.array_equal(array, expected)
        assert array.shape == expected.shape


@pytest.mark.parametrize("content", [None, b"", b"no arrays", pickle.dumps({"ids": [1]}), save({"ids": np.arange(3)})])
def test_a_file_without_states_is_one_line(tmp_path: Path, content: bytes | None) -> None:
    file = tmp_path / "states.safetensors"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(click.ClickException, match=r"states\.safetensors .*dvc repro") as error:
        read_states(file)
    assert "\n" not in error.value.message


def test_an_item_without_states_is_named() -> None:
    with pytest.raises(click.ClickException, match="1 items have no hidden states, first id 900"):
        states_with_labels_at(0).of([{"id": 3}, {"id": 900}])
