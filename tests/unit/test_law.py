"""The law on ladders whose truth is known: by hand, by brute force, and by simulation."""

from itertools import combinations
from typing import Any

import click
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy.stats import multivariate_normal

from stages.judging.bootstrap import BootstrapScores
from stages.judging.ladder import (
    HOLDS,
    INCONCLUSIVE,
    NO_SIGNAL,
    TOO_FEW_LABELS,
    TOO_FEW_MODELS,
    VIOLATED,
    Ladder,
    bootstrap_ladder,
    judge,
    labels_to_change,
    ladder_of,
)
from stages.judging.metrics import SCORES, AnswerCounts, count_answers, weighted_scores
from stages.pipeline.params import Model
from stages.reporting.law_text import verdict_in_words
from stages.studies.law_power import balanced, bootstrap_by_pattern, simulate_ladder
from tests.conftest import QUESTION

SIZES = [10**8, 3 * 10**8, 10**9, 3 * 10**9, 10**10]


def ladder(answers: Any, truth: Any, odds: Any = None) -> Ladder:
    answers, truth = np.array(answers), np.array(truth, dtype=bool)
    odds = (answers == "positive").astype(float) - (answers == "negative") if odds is None else odds
    names = [f"m{i}" for i in range(len(answers))]
    return Ladder(names, np.array(SIZES[: len(answers)]), answers, odds, [0.5] * len(answers), truth)


def verdict(of: Ladder) -> int:
    return int(judge(of, bootstrap_ladder(of, 300, 0), 0.9)["verdict"])


YES, NO = "positive", "negative"
YES_OR_NO = st.sampled_from([YES, NO])
BROKEN = balanced(0.46, 0.82, 0.56, 0.91)
BLIND = balanced(0.40, 0.40, 0.40)  # the share of positive items


def test_verdicts_of_clear_ladders() -> None:
    assert verdict(simulate_ladder(balanced(0.46, 0.60, 0.72, 0.84), 1000, 0)) == HOLDS
    assert verdict(simulate_ladder(balanced(0.84, 0.72, 0.60, 0.46), 1000, 0)) == VIOLATED
    assert verdict(simulate_ladder(BROKEN, 1000, 0)) == VIOLATED  # one step down, though the trend is up
    assert verdict(simulate_ladder(balanced(0.72, 0.72, 0.72, 0.72), 100, 0)) == INCONCLUSIVE
    assert verdict(simulate_ladder(BLIND, 300, 0)) == NO_SIGNAL
    assert verdict(simulate_ladder(balanced(0.46, 0.72), 1000, 0)) == TOO_FEW_MODELS


@pytest.mark.parametrize("rarer", [True, False], ids=["positive", "negative"])
@pytest.mark.parametrize("count", [19, 20])
def test_too_few_items_of_a_label_have_no_other_verdict(rarer: bool, count: int) -> None:
    """Each model is right on all items that it was asked."""
    truth = np.arange(500) < count if rarer else np.arange(500) >= count
    models = ladder([np.where(truth, YES, NO)] * 3, truth)
    scores = bootstrap_ladder(models, 300, 0)
    judgement = judge(models, scores, 0.9)
    text = verdict_in_words(models, scores, judgement, 0.9, "en", QUESTION)
    if count == 20:
        assert judgement["verdict"] not in (TOO_FEW_LABELS, TOO_FEW_MODELS, NO_SIGNAL)
        assert "too few" not in text
        return
    assert (judgement["verdict"], judgement["positive"]) == (TOO_FEW_LABELS, 19 if rarer else 481)
    assert verdict(models._replace(names=["m0"], sizes=models.sizes[:1], answers=models.answers[:1],
                                   log_odds=models.log_odds[:1], letter_share=[0.5])) == TOO_FEW_LABELS  # fmt: skip
    assert text.startswith("# The law, prompt en: too few labels")
    assert f"| m0 | 100,000,000 |{' too few |' * 6}" in text
    counts = "19 items with the label needed and 481 not needed"
    if not rarer:
        counts = "481 items with the label needed and 19 not needed"
    assert f"Nothing can be read off these models: they were asked {counts}, fewer than 20 of a label." in text
    assert "Next: label more items, in a random order" in text


def judge_precisions(precision: list[float], deviations: Any) -> dict[str, Any]:
    """The judgement of models with these precisions; `deviations` [resamples, models] are those of the resamples.
    Each model has twice the size of the one before and a sure signal.
    """
    count = len(precision)
    observed = {name: np.full(count, 0.7) for name in SCORES} | {"precision": np.array(precision)}
    resampled = {name: np.tile(score, (len(deviations), 1)) for name, score in observed.items()}
    resampled["precision"] = resampled["precision"] + deviations
    models = ladder([[YES] * 2000] * count, [True, False] * 1000)._replace(sizes=10**8 * 2 ** np.arange(count))
    counts = count_answers(models.answers, models.truth, np.ones((1, 2000)))
    return judge(models, BootstrapScores(observed, resampled, AnswerCounts(*(array[0] for array in counts))), 0.9)


@pytest.mark.parametrize(
    ("precision", "deviation", "expected"),
    [
        ([0.50, 0.55, 0.60, 0.65], 0.01, HOLDS),
        ([0.50, 0.55, 0.54, 0.65], 0.01, HOLDS),  # the second step falls, and in 24% of the resamples it rises
        ([0.50, 0.55, 0.54, 0.65], 0.001, VIOLATED),  # in none
        ([0.50, 0.51, 0.49, 0.51], 0.02, INCONCLUSIVE),
        ([0.50, 0.51, 0.52, 0.53], 0.05, INCONCLUSIVE),  # every step rises, and the trend by chance
        ([0.55, 0.54, 0.53, 0.52], 0.01, VIOLATED),  # no step falls beyond chance, the trend does
    ],
)
def test_what_decides_is_beyond_chance(precision: list[float], deviation: float, expected: int) -> None:
    deviations = np.random.default_rng(0).normal(0, deviation, (4000, 4))
    judgement = judge_precisions(precision, deviations)
    assert judgement["verdict"] == expected
    assert judgement["strictly_rising"] == int(precision == sorted(precision))


@pytest.mark.parametrize(("rises", "expected"), [(12, VIOLATED), (13, HOLDS)])
def test_steps_and_trend_share_the_five_percent(rises: int, expected: int) -> None:
    """Of 1,000 resamples of three steps and a trend, 1.25% are 12.5."""
    deviations = np.zeros((1000, 4))
    deviations[:rises, 2] = 0.02
    assert judge_precisions([0.50, 0.55, 0.54, 0.65], deviations)["verdict"] == expected


def rising_probability(steps: Any, covariance: Any) -> float:
    """That all steps are positive, by the normal distribution."""
    return float(multivariate_normal(-steps, covariance).cdf(np.zeros(len(steps)), rng=np.random.default_rng(0)))


def test_prospects_of_the_strict_rule_by_the_normal_distribution() -> None:
    n = 600
    simulation = simulate_ladder(balanced(0.46, 0.50, 0.54, 0.60), n, 1)
    scores = bootstrap_ladder(simulation, 4000, 0)
    prospects = judge(simulation, scores, 0.9)
    steps = np.diff(scores.observed["precision"])
    covariance = np.cov(np.diff(scores.resampled["precision"]).T)
    assert (steps > 0).all()
    probability, items = prospects["strictly_rising_probability"], prospects["strictly_rising_items"]
    assert 0.3 < probability < 0.94
    assert probability == pytest.approx(rising_probability(steps, covariance), abs=0.02)
    assert rising_probability(steps, covariance * n / items) == pytest.approx(0.95, abs=0.01)


def test_as_many_items_as_it_says_meet_the_strict_rule() -> None:
    """Data sets of that size are drawn from the items, which are the truth then."""
    simulation = simulate_ladder(balanced(0.46, 0.50, 0.54, 0.60), 600, 1)
    items = judge(simulation, bootstrap_ladder(simulation, 2000, 0), 0.9)["strictly_rising_items"]
    hits, answered = (simulation.answers == YES) & simulation.truth, simulation.answers == YES
    rng = np.random.default_rng(0)
    redrawn = (rng.integers(0, 600, items) for _ in range(1000))
    met = [bool((np.diff(hits[:, draw].sum(1) / answered[:, draw].sum(1)) > 0).all()) for draw in redrawn]
    assert sum(met) / len(met) == pytest.approx(0.95, abs=0.025)


def test_prospects_of_ladders_that_cannot_meet_the_strict_rule() -> None:
    deviations = np.random.default_rng(0).normal(0, 0.01, (1000, 3))
    for second in (0.50, 0.49):
        judgement = judge_precisions([0.50, second, 0.60], deviations)
        assert "strictly_rising_items" not in judgement
        assert 0 < judgement["strictly_rising_probability"] <= 0.55
    assert "strictly_rising_probability" not in judge_precisions([0.5], deviations[:, :1])


def test_steps_without_deviations_need_an_item() -> None:
    judgement = judge_precisions([0.5, 0.6, 0.7], np.zeros((40, 3)))
    assert (judgement["strictly_rising_probability"], judgement["strictly_rising_items"]) == (1, 1)


def test_a_model_without_signal_is_not_counted() -> None:
    simulation = simulate_ladder(balanced(0.40, 0.53, 0.66, 0.82), 1000, 3)
    judgement = judge(simulation, bootstrap_ladder(simulation, 300, 0), 0.9)
    assert (judgement["verdict"], judgement["models"], judgement["counted"], judgement["signal"]) == (HOLDS, 4, 3, 0)
    one_letter = simulation._replace(letter_share=[0.5, 0.5, 0.95, 0.95])
    assert judge(one_letter, bootstrap_ladder(one_letter, 300, 0), 0.9)["verdict"] == NO_SIGNAL


def simulated_verdicts(precisions: list[float], n: int, runs: int) -> list[int]:
    ladders = [simulate_ladder(balanced(*precisions), n, seed) for seed in range(runs)]
    return [judge(models, bootstrap_by_pattern(models, 500, 0), 0.9)["verdict"] for models in ladders]


@pytest.mark.parametrize("n", [300, 1000])
def test_clean_labels_are_rarely_called_violated(n: int) -> None:
    """Where each true step is worth some 9 points of precision."""
    verdicts = simulated_verdicts([0.50, 0.60, 0.69, 0.77], n, 100)
    assert verdicts.count(VIOLATED) / len(verdicts) < 0.05
    if n == 1000:
        assert verdicts.count(HOLDS) / len(verdicts) > 0.8


def test_equal_models_are_seldom_judged_either_way() -> None:
    """By each rule in 5% of the runs, here within three standard errors."""
    verdicts = simulated_verdicts([0.66, 0.66, 0.66, 0.66], 1000, 200)
    assert verdicts.count(VIOLATED) / len(verdicts) < 0.1
    assert verdicts.count(HOLDS) / len(verdicts) < 0.1


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
    broken = simulate_ladder(BROKEN, 1000, 0)
    resampled = bootstrap_ladder(broken, 300, 0)
    text = verdict_in_words(broken, resampled, judge(broken, resampled, 0.9), 0.9, "en", QUESTION)
    assert text.startswith("# The law, prompt en: violated")
    assert "From m1 to m2 precision falls" in text
    assert "labels would have to change to reverse this step." in text
    assert "Next: read what the two biggest models get wrong" in text
    assert "From m0" not in text
    assert "that precision rises at every step, is not met." in text
    assert "no number of items brings this to 95%, because a measured step does not rise." in text
    nothing = simulate_ladder(BLIND, 300, 0)
    resampled = bootstrap_ladder(nothing, 300, 0)
    text = verdict_in_words(nothing, resampled, judge(nothing, resampled, 0.9), 0.9, "en", QUESTION)
    assert "Models that tell needed from not needed: 0 of 3." in text
    assert "A model that always gives one letter scores the share of needed items (or 0) whatever the labels" in text


def test_the_words_of_a_law_that_holds() -> None:
    """Every precision and bound is another number; the strict rule's prospects are those of the judgement."""
    rising = simulate_ladder(balanced(0.46, 0.50, 0.54, 0.60), 600, 1)
    scores = bootstrap_ladder(rising, 500, 0)
    law = judge(rising, scores, 0.9)
    text = verdict_in_words(rising, scores, law, 0.9, "en", QUESTION)
    assert "The trend rises beyond chance, and no step falls beyond chance." in text
    share, items = f"{100 * law['strictly_rising_probability']:.1f}%", f"{law['strictly_rising_items']:,}"
    assert f"is met. If the measured precisions were the truth, {share} of redrawn data sets of 600 items" in text
    assert f"would meet it; 95% of data sets of {items} items would." in text


def prediction(id: int, answer: str = YES) -> dict[str, Any]:
    return {"id": id, "answer": answer, "positive": -0.1, "negative": -2.0, "letters": "A", "label": True}


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
