"""Inquiries that a probe labels where labels are few: which, how many, and with which labels."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.judging.hidden_states import HiddenStates, write_states
from stages.labels.splitting import may_be_learnt
from stages.llm.training_settings import missing_sequences
from stages.pipeline.params import params
from stages.pipeline.schemas import Inquiry, Item, Reject
from stages.pipeline.tables import from_rows, write
from stages.pseudo_label import main
from tests.conftest import Row, inquiry, run

TRUTH = np.random.default_rng(3).random(200) < 0.5


def write_project(project: Path) -> None:
    """100 labelled items, 20 that are no question and 80 unlabelled ones, whose states show the label. The unlabelled
    ones from 180 on are in a conversation of test.
    """
    splits = ["train"] * 60 + ["dev"] * 20 + ["test"] * 20
    rows = [inquiry(id, group=f"g{id}" if id < 180 else "g99", at=100 * id) for id in range(200)]
    labelled = [
        row | {"label": bool(TRUTH[row["id"]]), "split": split} for row, split in zip(rows[:100], splits, strict=True)
    ]
    write(project / "items.jsonl", from_rows(labelled, Item), Item)
    write(project / "inquiries.jsonl", from_rows(rows, Inquiry), Inquiry)
    rejects = [{"id": id, "at": None, "reason": "not_question"} for id in range(100, 120)]
    rejects += [{"id": id, "at": None, "reason": "unlabelled"} for id in range(120, 200)]
    write(project / "rejects.jsonl", from_rows(rejects, Reject), Reject)
    values = np.random.default_rng(0).normal(size=(2, 3, 200, 8))
    values[1, :, :, 0] += np.where(TRUTH, 4, -4)
    write_states(project / "states.safetensors", HiddenStates(np.arange(200), np.array([1, 2]), values))


def pseudo_labels(project: Path) -> tuple[list[Row], dict[str, int]]:
    read = ("items.jsonl", "inquiries.jsonl", "rejects.jsonl", "states.safetensors", "base")
    written = ("pseudo.json", "details.json")
    (project / "base").mkdir(exist_ok=True)
    result = run(main, *(project / file for file in read + written))
    assert result.exit_code == 0, result.output
    return tuple(json.loads((project / file).read_text()) for file in written)


def test_the_probe_labels_what_nobody_labelled_and_test_does_not_show(
    project: Path, set_params: Callable[..., None]
) -> None:
    set_params(min_steps=200, batch_size=4)
    write_project(project)
    rows, details = pseudo_labels(project)
    assert [row["id"] for row in rows] == list(range(120, 180))
    right = [(row["output"] == "B:needed") == TRUTH[row["id"]] for row in rows]
    assert np.mean(right) > 0.9
    assert details == {
        "unlabelled": 80,
        "usable": 60,
        "labelled": 60,
        "positive": sum(row["output"] == "B:needed" for row in rows),
    }


@pytest.mark.parametrize(
    ("settings", "count"),
    [
        ({"min_steps": 130, "batch_size": 4}, 40),  # 520 sequences, of which 8 times 60 are labelled
        ({"min_steps": 120, "batch_size": 4}, 0),  # that many steps, the labels give by themselves
        ({"min_steps": 130, "batch_size": 4, "epochs": 9}, 0),
        ({"min_steps": 200, "batch_size": 4, "train.pseudo_labels": False}, 0),
        ({"min_steps": 100, "models.smollm2_135m.train": {"batch_size": 5}}, 20),  # of the model that asks for most
    ],
)
def test_there_are_as_many_as_the_longest_training_lacks(
    project: Path, set_params: Callable[..., None], settings: Row, count: int
) -> None:
    set_params(**settings)
    write_project(project)
    assert len(pseudo_labels(project)[0]) == count


def test_a_training_that_is_long_enough_lacks_nothing(project: Path, set_params: Callable[..., None]) -> None:
    set_params(min_steps=350, batch_size=4)
    assert [missing_sequences(labelled, 4, params()) for labelled in (0, 87, 174, 175, 5000)] == [1400, 704, 8, 0, 0]


GROUP = st.sampled_from("abc")


@given(st.lists(st.tuples(GROUP, st.integers(0, 50)), max_size=30), st.lists(st.tuples(GROUP, st.integers(0, 50))))
def test_nothing_is_learnt_that_a_kept_item_shows_or_that_answers_it(
    unlabelled: list[tuple[str, int]], kept: list[tuple[str, int]]
) -> None:
    kept_items: list[dict[str, Any]] = [inquiry(i, group=g, at=100 * at) for i, (g, at) in enumerate(kept)]
    others = [inquiry(i, group=g, at=100 * at) for i, (g, at) in enumerate(unlabelled)]
    if not kept_items:
        return
    shown = {(item["group"], turn["timestamp"]) for item in kept_items for turn in [item, *item["cr_window"]]}
    usable = may_be_learnt(others, kept_items)
    for item in usable:
        assert (item["group"], item["timestamp"]) not in shown
        after = [other for other in kept_items if other["group"] == item["group"]]
        assert all(item["timestamp"] < other["timestamp"] for other in after)
    apart = [item for item in others if item["group"] not in {group for group, _ in shown}]
    assert [item for item in usable if item in apart] == apart
