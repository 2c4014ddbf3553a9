"""The scores against scikit-learn, and the rules for what is no answer."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, f1_score, precision_score, recall_score, roc_auc_score

from stages.judging.evaluate_metric import measure
from stages.judging.metrics import weighted_scores

ANSWERS = ["needed", "not_needed", "dont_know", "unreadable"]


def scikit_learn_scores(answers: Any, truth: Any, odds: Any) -> dict[str, float]:
    """ "don't know" and unreadable are wrong whatever the truth."""
    predicted = np.where(answers == "needed", True, np.where(answers == "not_needed", False, ~truth))
    return {
        "precision": precision_score(truth, predicted, zero_division=0),
        "recall": recall_score(truth, predicted, zero_division=0),
        "f1": f1_score(truth, predicted, zero_division=0),
        "accuracy": accuracy_score(truth, predicted),
        "auc": roc_auc_score(truth, odds) if len(set(truth)) > 1 else 0.5,
    }


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from(ANSWERS), st.booleans(), st.integers(-3, 3)), min_size=2, max_size=40),
    st.data(),
)
def test_scores_of_a_resample_equal_scikit_learn(items: list[Any], data: st.DataObject) -> None:
    answers, truth, odds = (np.array(column) for column in zip(*items, strict=True))
    indices = data.draw(st.lists(st.integers(0, len(items) - 1), min_size=len(items), max_size=len(items)))
    counts = np.bincount(indices, minlength=len(items))[None]
    scores = weighted_scores(answers[None], odds[None].astype(float), truth, counts)
    for name, value in scikit_learn_scores(answers[indices], truth[indices], odds[indices]).items():
        assert scores[name][0, 0] == pytest.approx(value), name


def test_measure_equals_scikit_learn() -> None:
    rng = np.random.default_rng(1)
    truth = rng.random(300) < 0.4
    odds = truth + rng.normal(0, 1, 300)
    answers = np.array(ANSWERS)[rng.choice(4, 300, p=[0.4, 0.4, 0.1, 0.1])]
    scores = measure(list(answers), list(truth), list(odds), 50, 0)
    expected = scikit_learn_scores(answers, truth, odds)
    assert {name: scores[name] for name in expected} == pytest.approx(expected, abs=1e-6)
    for name in expected:
        assert scores[f"{name}_low"] < scores[name] < scores[f"{name}_high"]
    assert scores["dont_know"] == np.sum(answers == "dont_know")
    assert scores["unreadable"] == np.sum(answers == "unreadable")
    assert scores["n"] == 300


def test_bounds_are_those_of_a_bootstrap_item_by_item() -> None:
    """Another way to draw the same: places with replacement, each resample scored by scikit-learn."""
    rng = np.random.default_rng(3)
    truth = rng.random(300) < 0.4
    odds = truth + rng.normal(0, 1, 300)
    answers = np.array(ANSWERS)[np.where(odds > 0.5, 0, rng.choice([1, 1, 1, 2, 3], 300))]
    scores = measure(list(answers), list(truth), list(odds), 2000, 0)
    resamples = [scikit_learn_scores(answers[i], truth[i], odds[i]) for i in rng.integers(0, 300, (400, 300))]
    for name in resamples[0]:
        low, high = np.percentile([resample[name] for resample in resamples], [2.5, 97.5])
        assert scores[f"{name}_low"] == pytest.approx(low, abs=0.02), name
        assert scores[f"{name}_high"] == pytest.approx(high, abs=0.02), name


def test_nothing_answered_needed() -> None:
    scores = measure(["not_needed", "dont_know"], [True, False], [0.0, 1.0], 10, 0)
    assert (scores["precision"], scores["f1"], scores["no_positive"]) == (0, 0, 1)


def test_always_needed() -> None:
    scores = measure(["needed"] * 4, [True, False, False, False], [0.0] * 4, 10, 0)
    assert (scores["precision"], scores["recall"], scores["auc"]) == (0.25, 1, 0.5)


def test_bounds_cover_the_truth_about_as_often_as_they_say() -> None:
    rng = np.random.default_rng(2)
    covered = 0
    for trial in range(50):
        truth = rng.random(120) < 0.5
        right = rng.random(120) < 0.8  # the true accuracy
        answers = np.where(truth == right, "needed", "not_needed")
        scores = measure(list(answers), list(truth), [0.0] * 120, 100, trial)
        covered += scores["accuracy_low"] <= 0.8 <= scores["accuracy_high"]
    assert covered >= 40  # 47 expected
