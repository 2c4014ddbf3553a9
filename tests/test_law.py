"""The law on ladders whose truth is known: by hand, by brute force, and by simulation."""

from itertools import combinations
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from stages.ladder import (
    HOLDS,
    INCONCLUSIVE,
    NO_SIGNAL,
    TOO_FEW,
    VIOLATED,
    Ladder,
    judge,
    labels_to_change,
    sample,
)
from stages.law import in_words
from stages.scoring import scores
from stages.studies.simulated import simulated

SIZES = [10**8, 3 * 10**8, 10**9, 3 * 10**9, 10**10]


def ladder(answers: Any, truth: Any, odds: Any = None) -> Ladder:
    answers, truth = np.array(answers), np.array(truth, dtype=bool)
    odds = (answers == "needed").astype(float) - (answers == "not_needed") if odds is None else odds
    names = [f"m{i}" for i in range(len(answers))]
    return Ladder(names, np.array(SIZES[: len(answers)]), answers, odds, [0.5] * len(answers), truth)


def verdict(of: Ladder) -> int:
    return int(judge(of, sample(of, 300, 0), 0.9)["verdict"])


YES, NO = "needed", "not_needed"
YES_OR_NO = st.sampled_from([YES, NO])


def test_verdicts_of_clear_ladders() -> None:
    assert verdict(simulated([0.2, 0.6, 1.0, 1.5], 1000, 0)) == HOLDS
    assert verdict(simulated([1.5, 1.0, 0.6, 0.2], 1000, 0)) == VIOLATED
    assert verdict(simulated([0.2, 1.4, 0.5, 1.9], 1000, 0)) == VIOLATED  # one step down, though the trend is up
    assert verdict(simulated([1.0, 1.0, 1.0, 1.0], 100, 0)) == INCONCLUSIVE
    assert verdict(simulated([0.0, 0.0, 0.0], 300, 0)) == NO_SIGNAL
    assert verdict(simulated([0.2, 1.0], 1000, 0)) == TOO_FEW


def test_a_model_without_signal_is_not_counted() -> None:
    some = simulated([0.0, 0.4, 0.8, 1.4], 1000, 3)
    found = judge(some, sample(some, 300, 0), 0.9)
    assert (found["verdict"], found["models"], found["counted"], found["signal"]) == (HOLDS, 4, 3, 0)
    one_letter = some._replace(letter_share=[0.5, 0.5, 0.95, 0.95])
    assert judge(one_letter, sample(one_letter, 300, 0), 0.9)["verdict"] == NO_SIGNAL


@pytest.mark.parametrize("n", [300, 1000])
def test_clean_labels_are_rarely_called_violated(n: int) -> None:
    """Where each true step is worth some 5 points of precision."""
    found = [verdict(simulated([0.3, 0.6, 0.9, 1.2], n, seed)) for seed in range(100)]
    assert found.count(VIOLATED) / len(found) < 0.05
    if n == 1000:
        assert found.count(HOLDS) / len(found) > 0.8


def test_equal_models_are_seldom_judged_either_way() -> None:
    found = [verdict(simulated([0.8, 0.8, 0.8, 0.8], 300, seed)) for seed in range(100)]
    assert found.count(VIOLATED) / len(found) < 0.15  # two tests of 5%, and a bootstrap of 300
    assert found.count(HOLDS) / len(found) < 0.05


@settings(deadline=None, max_examples=60)
@given(st.lists(st.tuples(YES_OR_NO, YES_OR_NO, st.booleans()), min_size=2, max_size=9))
@example([(YES, YES, True)] * 2 + [(YES, NO, True)] * 3 + [(NO, YES, False)] * 3)  # three labels make a tie
def test_the_fewest_labels_to_change_by_brute_force(items: list[Any]) -> None:
    a, b, truth = (np.array(column) for column in zip(*items, strict=True))

    def turned(labels: Any) -> bool:
        one = ladder([a, b], labels)
        first, second = scores(one.answers, one.odds, one.truth, np.ones((1, len(labels))))["precision"][0]
        return bool(second > first + 1e-12)

    found = labels_to_change(ladder([a, b], truth), 0, 1)
    if turned(truth):
        return
    fewest = next(
        (
            size
            for size in range(1, len(truth) + 1)
            for some in combinations(range(len(truth)), size)
            if turned(np.where(np.isin(range(len(truth)), some), ~truth, truth))
        ),
        None,
    )
    assert found == fewest


def test_the_words_name_the_pair_and_what_to_do() -> None:
    broken = simulated([0.2, 1.4, 0.5, 1.9], 1000, 0)
    drawn = sample(broken, 300, 0)
    said = in_words(broken, drawn, judge(broken, drawn, 0.9), 0.9, "en")
    assert said.startswith("# The law, prompt en: violated")
    assert "From m1 to m2 precision falls" in said
    assert "Next: read what the two biggest models get wrong" in said
    assert "From m0" not in said
    nothing = simulated([0.0, 0.0, 0.0], 300, 0)
    drawn = sample(nothing, 300, 0)
    said = in_words(nothing, drawn, judge(nothing, drawn, 0.9), 0.9, "en")
    assert "Models that tell needed from not needed: 0 of 3." in said
