"""The scores against scikit-learn, and the rules for what is no answer."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, f1_score, precision_score, recall_score, roc_auc_score

from stages.metric import measure
from stages.scoring import scores

ANSWERS = ["needed", "not_needed", "dont_know", "unreadable"]


def by_scikit_learn(answers: Any, truth: Any, odds: Any) -> dict[str, float]:
    """ "don't know" and unreadable are wrong whatever the truth."""
    said = np.where(answers == "needed", True, np.where(answers == "not_needed", False, ~truth))
    return {
        "precision": precision_score(truth, said, zero_division=0),
        "recall": recall_score(truth, said, zero_division=0),
        "f1": f1_score(truth, said, zero_division=0),
        "accuracy": accuracy_score(truth, said),
        "auc": roc_auc_score(truth, odds) if len(set(truth)) > 1 else 0.5,
    }


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from(ANSWERS), st.booleans(), st.integers(-3, 3)), min_size=2, max_size=40),
    st.data(),
)
def test_scores_of_a_resample_equal_scikit_learn(items: list[Any], data: st.DataObject) -> None:
    answers, truth, odds = (np.array(column) for column in zip(*items, strict=True))
    drawn = data.draw(st.lists(st.integers(0, len(items) - 1), min_size=len(items), max_size=len(items)))
    counts = np.bincount(drawn, minlength=len(items))[None]
    found = scores(answers[None], odds[None].astype(float), truth, counts)
    for name, value in by_scikit_learn(answers[drawn], truth[drawn], odds[drawn]).items():
        assert found[name][0, 0] == pytest.approx(value), name


def test_measure_equals_scikit_learn() -> None:
    rng = np.random.default_rng(1)
    truth = rng.random(300) < 0.4
    odds = truth + rng.normal(0, 1, 300)
    answers = np.array(ANSWERS)[rng.choice(4, 300, p=[0.4, 0.4, 0.1, 0.1])]
    found = measure(list(answers), list(truth), list(odds), 50, 0)
    expected = by_scikit_learn(answers, truth, odds)
    assert {name: found[name] for name in expected} == pytest.approx(expected, abs=1e-6)
    for name in expected:
        assert found[f"{name}_low"] < found[name] < found[f"{name}_high"]
    assert found["dont_know"] == np.sum(answers == "dont_know")
    assert found["unreadable"] == np.sum(answers == "unreadable")
    assert found["n"] == 300


def test_bounds_are_those_of_a_bootstrap_item_by_item() -> None:
    """Another way to draw the same: places with replacement, each resample scored by scikit-learn."""
    rng = np.random.default_rng(3)
    truth = rng.random(300) < 0.4
    odds = truth + rng.normal(0, 1, 300)
    answers = np.array(ANSWERS)[np.where(odds > 0.5, 0, rng.choice([1, 1, 1, 2, 3], 300))]
    found = measure(list(answers), list(truth), list(odds), 2000, 0)
    drawn = [by_scikit_learn(answers[i], truth[i], odds[i]) for i in rng.integers(0, 300, (400, 300))]
    for name in drawn[0]:
        low, high = np.percentile([one[name] for one in drawn], [2.5, 97.5])
        assert found[f"{name}_low"] == pytest.approx(low, abs=0.02), name
        assert found[f"{name}_high"] == pytest.approx(high, abs=0.02), name


def test_nothing_answered_needed() -> None:
    found = measure(["not_needed", "dont_know"], [True, False], [0.0, 1.0], 10, 0)
    assert (found["precision"], found["f1"], found["no_positive"]) == (0, 0, 1)


def test_always_needed() -> None:
    found = measure(["needed"] * 4, [True, False, False, False], [0.0] * 4, 10, 0)
    assert (found["precision"], found["recall"], found["auc"]) == (0.25, 1, 0.5)


def test_bounds_cover_the_truth_about_as_often_as_they_say() -> None:
    rng = np.random.default_rng(2)
    covered = 0
    for trial in range(50):
        truth = rng.random(120) < 0.5
        right = rng.random(120) < 0.8  # the true accuracy
        answers = np.where(truth == right, "needed", "not_needed")
        found = measure(list(answers), list(truth), [0.0] * 120, 100, trial)
        covered += found["accuracy_low"] <= 0.8 <= found["accuracy_high"]
    assert covered >= 40  # 47 expected
