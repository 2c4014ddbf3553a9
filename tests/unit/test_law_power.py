"""The simulated ladders of the study of the law's error rates, and the error rates themselves, on fewer runs."""

from typing import Any

import numpy as np
import pytest

from stages.judging.ladder import bootstrap_ladder
from stages.studies.law_power import (
    LADDERS,
    SIZES,
    balanced,
    bootstrap_by_pattern,
    simulate,
    simulate_ladder,
    verdict_shares,
)


@pytest.mark.parametrize("name", LADDERS)
def test_simulated_models_have_their_precision_and_recall(name: str) -> None:
    ladder = simulate_ladder(LADDERS[name], 100_000, 0)
    called_positive = ladder.answers == "positive"
    hits = (called_positive & ladder.truth).sum(1)
    assert hits / called_positive.sum(1) == pytest.approx([model.precision for model in LADDERS[name]], abs=0.01)
    assert hits / ladder.truth.sum() == pytest.approx([model.recall for model in LADDERS[name]], abs=0.01)


def test_recall_of_table_1() -> None:
    """The paper's text has the recall of its 14B model, 68.91%; Table 1 has precision and F1."""
    assert LADDERS["paper"][4].recall == pytest.approx(0.6891, abs=2e-4)


def test_models_share_what_they_find_hard() -> None:
    ladder = simulate_ladder(LADDERS["paper"], 20_000, 0)
    correct = (ladder.answers == "positive") == ladder.truth
    assert (np.corrcoef(correct)[~np.eye(6, dtype=bool)] > 0.1).all()


@pytest.mark.parametrize(
    ("kind", "changed"),
    [("clean", 0), ("random_10", 0.1), ("random_50", 0.5), ("random_100", 1), ("hardest_10", 0.1)],
)
def test_labels_that_are_flipped(kind: str, changed: float) -> None:
    """The items and the answers stay the same."""
    clean, flipped = (simulate_ladder(balanced(0.5, 0.7), 1000, 0, labels) for labels in ("clean", kind))
    assert (clean.answers == flipped.answers).all()
    assert (clean.truth != flipped.truth).mean() == changed


def test_the_hardest_items_are_those_that_models_get_wrong() -> None:
    clean, flipped = (simulate_ladder(balanced(0.5, 0.7), 1000, 0, labels) for labels in ("clean", "hardest_10"))
    hardest = clean.truth != flipped.truth
    correct = (clean.answers == "positive") == clean.truth
    assert correct[:, hardest].mean() < correct[:, ~hardest].mean() - 0.2


def test_labels_by_the_length_of_a_message() -> None:
    """Both kinds are as many as the positive ones, and the models' answers lean on them; one says something of the
    truth.
    """
    n = 50_000
    truth = simulate_ladder(LADDERS["paper"], n, 0).truth
    by_length = simulate_ladder(LADDERS["paper"], n, 0, "length")
    related = simulate_ladder(LADDERS["paper"], n, 0, "length_related")
    assert by_length.truth.mean() == pytest.approx(0.4, abs=0.001)
    assert related.truth.mean() == pytest.approx(0.4, abs=0.001)
    assert np.corrcoef(by_length.truth, truth)[0, 1] == pytest.approx(0, abs=0.02)
    assert np.corrcoef(related.truth, truth)[0, 1] > 0.15
    assert np.corrcoef(by_length.truth, by_length.answers[0] == "positive")[0, 1] > 0.1


def test_a_bootstrap_by_pattern_is_that_of_the_items() -> None:
    ladder = simulate_ladder(LADDERS["paper"], 800, 0, "random_25")
    items, patterns = bootstrap_ladder(ladder, 8000, 0), bootstrap_by_pattern(ladder, 8000, 1)
    for name in ("precision", "recall", "auc"):
        assert patterns.observed[name] == pytest.approx(items.observed[name])
        assert np.cov(patterns.resampled[name].T) == pytest.approx(np.cov(items.resampled[name].T), abs=7e-5)


def test_shares_of_verdicts() -> None:
    rises, falls = (
        {"a_to_b": {"step": 0.1}, "b_to_c": {"step": 0.2}},
        {"a_to_b": {"step": 0.3}, "b_to_c": {"step": -0.1}},
    )
    laws: list[dict[str, Any]] = [
        {"verdict": 2, "steps": rises},
        {"verdict": 2, "steps": falls},
        {"verdict": 2, "steps": falls},
        {"verdict": 1, "steps": rises},
        {"verdict": 0, "steps": falls},
        {"verdict": 0, "steps": falls},
        {"verdict": -1},
        {"verdict": -1},
        {"verdict": -1},
        {"verdict": -1},
    ]
    assert verdict_shares(laws) == {
        "holds": 0.3,
        "holds_and_every_step_rises": 0.1,
        "violated": 0.2,
        "no_signal": 0.4,
    }


def test_the_law_holds_with_table_1_as_the_truth() -> None:
    """A perfect reproduction of the paper: 2,302 items and correct labels."""
    shares = simulate(("paper", 2302, "clean"), 150, 0.9)
    assert shares["holds"] >= 0.95
    assert shares["violated"] < 0.05
    assert shares["holds_and_every_step_rises"] < 0.25
    assert shares["strictly_rising_probability"] == pytest.approx(shares["holds_and_every_step_rises"], abs=0.03)


@pytest.mark.parametrize("n", SIZES)
@pytest.mark.parametrize("kind", ["random_50", "random_100", "length"])
def test_labels_that_say_nothing_do_not_pass(kind: str, n: int) -> None:
    shares = simulate(("paper", n, kind), 40, 0.9)
    assert shares["holds"] <= 0.05
    assert shares["no_signal"] >= 0.85 or kind != "random_50"
    assert shares["violated"] >= 0.85 or kind != "random_100"


@pytest.mark.slow
@pytest.mark.parametrize("n", SIZES)
@pytest.mark.parametrize("name", LADDERS)
def test_correct_labels_are_rarely_called_violated(name: str, n: int) -> None:
    assert simulate((name, n, "clean"), 200, 0.9)["violated"] < 0.09  # 5% and three standard errors
