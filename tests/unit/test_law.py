"""The law on ladders whose truth is known: by hand, by brute force, and by simulation."""

from itertools import combinations
from typing import Any

import click
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from stages.judging.ladder import (
    HOLDS,
    INCONCLUSIVE,
    NO_SIGNAL,
    TOO_FEW,
    VIOLATED,
    Ladder,
    bootstrap_ladder,
    judge,
    labels_to_change,
    ladder_of,
)
from stages.judging.metrics import weighted_scores
from stages.pipeline.params import Model
from stages.reporting.law_text import verdict_in_words
from stages.studies.law_power import simulate_ladder

SIZES = [10**8, 3 * 10**8, 10**9, 3 * 10**9, 10**10]


def ladder(answers: Any, truth: Any, odds: Any = None) -> Ladder:
    answers, truth = np.array(answers), np.array(truth, dtype=bool)
    odds = (answers == "needed").astype(float) - (answers == "not_needed") if odds is None else odds
    names = [f"m{i}" for i in range(len(answers))]
    return Ladder(names, np.array(SIZES[: len(answers)]), answers, odds, [0.5] * len(answers), truth)


def verdict(of: Ladder) -> int:
    return int(judge(of, bootstrap_ladder(of, 300, 0), 0.9)["verdict"])


YES, NO = "needed", "not_needed"
YES_OR_NO = st.sampled_from([YES, NO])


def test_verdicts_of_clear_ladders() -> None:
    assert verdict(simulate_ladder([0.2, 0.6, 1.0, 1.5], 1000, 0)) == HOLDS
    assert verdict(simulate_ladder([1.5, 1.0, 0.6, 0.2], 1000, 0)) == VIOLATED
    assert verdict(simulate_ladder([0.2, 1.4, 0.5, 1.9], 1000, 0)) == VIOLATED  # one step down, though the trend is up
    assert verdict(simulate_ladder([1.0, 1.0, 1.0, 1.0], 100, 0)) == INCONCLUSIVE
    assert verdict(simulate_ladder([0.0, 0.0, 0.0], 300, 0)) == NO_SIGNAL
    assert verdict(simulate_ladder([0.2, 1.0], 1000, 0)) == TOO_FEW


def test_a_model_without_signal_is_not_counted() -> None:
    simulation = simulate_ladder([0.0, 0.4, 0.8, 1.4], 1000, 3)
    judgement = judge(simulation, bootstrap_ladder(simulation, 300, 0), 0.9)
    assert (judgement["verdict"], judgement["models"], judgement["counted"], judgement["signal"]) == (HOLDS, 4, 3, 0)
    one_letter = simulation._replace(letter_share=[0.5, 0.5, 0.95, 0.95])
    assert judge(one_letter, bootstrap_ladder(one_letter, 300, 0), 0.9)["verdict"] == NO_SIGNAL


@pytest.mark.parametrize("n", [300, 1000])
def test_clean_labels_are_rarely_called_violated(n: int) -> None:
    """Where each true step is worth some 5 points of precision."""
    verdicts = [verdict(simulate_ladder([0.3, 0.6, 0.9, 1.2], n, seed)) for seed in range(100)]
    assert verdicts.count(VIOLATED) / len(verdicts) < 0.05
    if n == 1000:
        assert verdicts.count(HOLDS) / len(verdicts) > 0.8


def test_equal_models_are_seldom_judged_either_way() -> None:
    verdicts = [verdict(simulate_ladder([0.8, 0.8, 0.8, 0.8], 300, seed)) for seed in range(100)]
    assert verdicts.count(VIOLATED) / len(verdicts) < 0.15  # two tests of 5%, and a bootstrap of 300
    assert verdicts.count(HOLDS) / len(verdicts) < 0.05


@settings(deadline=None, max_examples=60)
@given(st.lists(st.tuples(YES_OR_NO, YES_OR_NO, st.booleans()), min_size=2, max_size=9))
@example([(YES, YES, True)] * 2 + [(YES, NO, True)] * 3 + [(NO, YES, False)] * 3)  # three labels make a tie
def test_the_fewest_labels_to_change_by_brute_force(items: list[Any]) -> None:
    a, b, truth = (np.array(column) for column in zip(*items, strict=True))

    def is_reversed(labels: Any) -> bool:
        pair = ladder([a, b], labels)
        scores = weighted_scores(pair.answers, pair.log_odds, pair.truth, np.ones((1, len(labels))))
        first, second = scores["precision"][0]
        return bool(second > first + 1e-12)

    label_count = labels_to_change(ladder([a, b], truth), 0, 1)
    if is_reversed(truth):
        return
    fewest = next(
        (
            size
            for size in range(1, len(truth) + 1)
            for flipped in combinations(range(len(truth)), size)
            if is_reversed(np.where(np.isin(range(len(truth)), flipped), ~truth, truth))
        ),
        None,
    )
    assert label_count == fewest


def test_the_words_name_the_pair_and_what_to_do() -> None:
    broken = simulate_ladder([0.2, 1.4, 0.5, 1.9], 1000, 0)
    resampled = bootstrap_ladder(broken, 300, 0)
    text = verdict_in_words(broken, resampled, judge(broken, resampled, 0.9), 0.9, "en")
    assert text.startswith("# The law, prompt en: violated")
    assert "From m1 to m2 precision falls" in text
    assert "labels would have to change to reverse this step." in text
    assert "Next: read what the two biggest models get wrong" in text
    assert "From m0" not in text
    nothing = simulate_ladder([0.0, 0.0, 0.0], 300, 0)
    resampled = bootstrap_ladder(nothing, 300, 0)
    text = verdict_in_words(nothing, resampled, judge(nothing, resampled, 0.9), 0.9, "en")
    assert "Models that tell needed from not needed: 0 of 3." in text
    assert "A model that always gives one letter scores the share of needed items (or 0) whatever the labels" in text


def prediction(id: int, answer: str = YES) -> dict[str, Any]:
    return {"id": id, "answer": answer, "needed": -0.1, "not_needed": -2.0, "letters": "A", "cr_need_gt": True}


@pytest.mark.parametrize(
    ("predictions", "problem"),
    [
        ({"a": [prediction(1)], "b": []}, "b has no predictions with this prompt: run it again"),
        ({"a": [prediction(1)], "b": [prediction(2)]}, "the predictions of a and b are for different items"),
        ({"a": [prediction(1)], "c": [prediction(1)]}, "a and c have the same size: leave one out of the ladder"),
    ],
)
def test_what_is_no_ladder(predictions: dict[str, Any], problem: str) -> None:
    models = {
        name: Model(family="qwen", hub="x/y", revision="0" * 40, parameters=size)
        for name, size in (("a", 100), ("b", 200), ("c", 100))
    }
    with pytest.raises(click.ClickException, match=problem):
        ladder_of(list(predictions), predictions, models)
