"""The scores against scikit-learn, and the rules for what is no answer."""

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, f1_score, precision_score, recall_score, roc_auc_score

from stages.metric import measure


def test_scores_equal_scikit_learn() -> None:
    rng = np.random.default_rng(1)
    truth = rng.random(300) < 0.4
    odds = truth + rng.normal(0, 1, 300)
    answers = np.array(["needed", "not_needed", "dont_know", "unreadable"])[rng.choice(4, 300, p=[0.4, 0.4, 0.1, 0.1])]
    found = measure(list(answers), list(truth), list(odds), 50, 0)
    # "don't know" and unreadable are wrong whatever the truth
    said = np.where(answers == "needed", True, np.where(answers == "not_needed", False, ~truth))
    expected = {
        "precision": precision_score(truth, said),
        "recall": recall_score(truth, said),
        "f1": f1_score(truth, said),
        "accuracy": accuracy_score(truth, said),
        "auc": roc_auc_score(truth, odds),
    }
    assert {name: found[name] for name in expected} == pytest.approx(expected, abs=1e-6)
    for name in expected:
        assert found[f"{name}_low"] < found[name] < found[f"{name}_high"]
    assert found["dont_know"] == np.sum(answers == "dont_know")
    assert found["unreadable"] == np.sum(answers == "unreadable")
    assert found["n"] == 300


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
