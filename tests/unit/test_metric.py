"""The scores against scikit-learn, and the rules for what is no answer."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest
from sklearn.metrics import accuracy_score, f1_score, precision_score, recall_score, roc_auc_score

from stages.judging.bootstrap import bootstrap_scores
from stages.judging.evaluate_metric import measure
from stages.judging.metrics import SCORES, too_few, weighted_scores, wilson, wilson_bounds

ANSWERS = ["positive", "negative", "dont_know", "unreadable"]


def scikit_learn_scores(answers: Any, truth: Any, odds: Any) -> dict[str, float]:
    """ "don't know" and unreadable are wrong whatever the truth."""
    predicted = np.where(answers == "positive", True, np.where(answers == "negative", False, ~truth))
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


def test_nothing_answered_positive() -> None:
    scores = measure(["negative", "dont_know"], [True, False], [0.0, 1.0], 10, 0)
    assert (scores["precision"], scores["f1"], scores["no_positive"]) == (0, 0, 1)


def test_always_positive() -> None:
    scores = measure(["positive"] * 4, [True, False, False, False], [0.0] * 4, 10, 0)
    assert (scores["precision"], scores["recall"], scores["auc"]) == (0.25, 1, 0.5)


def test_bounds_cover_the_truth_about_as_often_as_they_say() -> None:
    rng = np.random.default_rng(2)
    covered = 0
    for trial in range(50):
        truth = rng.random(120) < 0.5
        right = rng.random(120) < 0.8  # the true accuracy
        answers = np.where(truth == right, "positive", "negative")
        scores = measure(list(answers), list(truth), [0.0] * 120, 100, trial)
        covered += scores["accuracy_low"] <= 0.8 <= scores["accuracy_high"]
    assert covered >= 40  # 47 expected


@pytest.mark.parametrize(
    ("hits", "n", "low", "high"),
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_wilsons_bounds_as_published(hits: int, n: int, low: float, high: float) -> None:
    """The examples of Newcombe (1998), method 3."""
    assert wilson(hits, n) == pytest.approx((low, high), abs=5e-5)


@given(st.integers(1, 5000), st.data())
def test_wilsons_bounds_as_scipy_has_them(n: int, data: st.DataObject) -> None:
    hits = data.draw(st.integers(0, n))
    expected = binomtest(hits, n).proportion_ci(method="wilson")
    assert wilson(hits, n) == pytest.approx((expected.low, expected.high), abs=1e-12)
    low, high = wilson_bounds(np.array([hits, hits / 2]), np.array([n, n]))
    assert (low[0], high[0]) == wilson(hits, n)
    assert low[1] <= hits / 2 / n <= high[1]


def bounds_of(answers: list[str], truth: list[bool], odds: list[float]) -> dict[str, tuple[float, float]]:
    scores = measure(answers, truth, odds, 1000, 0)
    return {name: (scores[f"{name}_low"], scores[f"{name}_high"]) for name in SCORES}


def right_answers(truth: list[bool]) -> list[str]:
    return ["positive" if label else "negative" for label in truth]


def test_bounds_where_no_positive_item_is_found() -> None:
    """Two of them, and three false alarms. Of 0 of n, Wilson's upper bound is z² / (n + z²), with z² = 3.8415."""
    truth, answers = [True] * 2 + [False] * 28, ["negative"] * 2 + ["positive"] * 3 + ["negative"] * 25
    bounds = bounds_of(answers, truth, [0.0] * 30)
    assert bounds["recall"] == pytest.approx((0, 3.8415 / 5.8415), abs=1e-5)
    assert bounds["precision"] == pytest.approx((0, 3.8415 / 6.8415), abs=1e-5)
    hits = 2 * 3.8415 / 5.8415
    assert bounds["f1"] == pytest.approx((0, 2 * hits / (2 + hits + 3)), abs=1e-5)


def test_bounds_where_nothing_is_answered_positive() -> None:
    """Nothing is known of precision. Recall's upper bound is 11.35%, that of 0 of 30, or 3.405 hits."""
    truth = [True] * 30 + [False] * 70
    bounds = bounds_of(["negative"] * 100, truth, [0.0] * 100)
    assert bounds["precision"] == (0, 1)
    assert bounds["recall"] == pytest.approx((0, 0.113514), abs=1e-5)
    assert bounds["f1"] == pytest.approx((0, 2 * 3.40541 / 33.40541), abs=1e-5)
    assert bounds["accuracy"][0] < 0.7 < bounds["accuracy"][1]


def test_bounds_where_all_is_right() -> None:
    """Of n of n, Wilson's lower bound is n / (n + z²). Precision and recall are 30 of 30, F1's bound is the same then;
    the AUC counts as 30 of 30 too, the rarer label.
    """
    truth = [True] * 30 + [False] * 70
    bounds = bounds_of(right_answers(truth), truth, [float(label) for label in truth])
    of_30, of_100 = (pytest.approx((n / (n + 3.8415), 1), abs=1e-5) for n in (30, 100))
    assert bounds == {"precision": of_30, "recall": of_30, "f1": of_30, "auc": of_30, "accuracy": of_100}


def test_bounds_of_few_items_say_little() -> None:
    """What was 100.00 (100.00 to 100.00) of six items, five of them positive."""
    bounds = bounds_of(["positive"] * 5 + ["negative"], [True] * 5 + [False], [1.0] * 5 + [0.0])
    assert bounds["recall"] == bounds["precision"] == pytest.approx((5 / 8.8415, 1), abs=1e-5)
    two = bounds_of(["positive"] * 2, [True] * 2, [1.0, 1.0])
    assert two["recall"] == pytest.approx((2 / 5.8415, 1), abs=1e-5)
    assert two["auc"] == (0, 1)  # of one label


def test_other_bounds_stay_those_of_the_bootstrap() -> None:
    """Always positive: recall alone has resamples of one score, and the AUC, which one log-odds leave at a half."""
    truth = [True] * 95 + [False] * 142
    scores = measure(["positive"] * 237, truth, [0.0] * 237, 1000, 0)
    assert (scores["recall_low"], scores["recall_high"]) == pytest.approx((0.9611, 1), abs=5e-5)
    resampled = bootstrap_scores(
        np.array([["positive"] * 237]), np.zeros((1, 237)), np.array(truth), 1000, 0
    ).resampled
    for name in ("precision", "f1", "accuracy"):
        low, high = np.percentile(resampled[name], [2.5, 97.5])
        assert (scores[f"{name}_low"], scores[f"{name}_high"]) == pytest.approx((low, high), abs=1e-6)
    assert scores["auc_low"] < 0.45 < 0.55 < scores["auc_high"]


@settings(deadline=None, max_examples=200)
@given(
    st.lists(st.tuples(st.sampled_from(ANSWERS), st.booleans(), st.integers(-2, 2)), min_size=1, max_size=30),
    st.integers(1, 33),
    st.integers(0, 5),
)
def test_bounds_contain_the_score_and_have_a_width(items: list[Any], repeats: int, seed: int) -> None:
    """Of up to 990 items, often all alike."""
    answers, truth, odds = (list(column) for column in zip(*(items * repeats), strict=True))
    scores = measure(answers, truth, odds, 200, seed)
    for name in SCORES:
        assert 0 <= scores[f"{name}_low"] <= scores[name] <= scores[f"{name}_high"] <= 1, name
        assert scores[f"{name}_low"] < scores[f"{name}_high"], name


def test_twenty_items_of_each_label_are_enough() -> None:
    assert not too_few(20, 40)
    assert too_few(19, 1000)
    assert too_few(981, 1000)
    assert too_few(20, 39)
