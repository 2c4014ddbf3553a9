"""The scaling law as a judge of labels: does precision rise with the size of models (paper, section 2, "Check")?

Scores, trend and verdict have bounds by bootstrap over the items, paired across models.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import pairwise
from math import ceil
from typing import Any, NamedTuple

import click
import numpy as np
from numpy.typing import NDArray

from stages.judging.bootstrap import BootstrapScores, bootstrap_scores, bounds
from stages.judging.metrics import Bools, Floats, too_few
from stages.judging.predictions import log_odds_of
from stages.pipeline.params import Model
from stages.pipeline.tables import Rows

HOLDS, INCONCLUSIVE, VIOLATED, NO_SIGNAL, TOO_FEW_MODELS, TOO_FEW_LABELS = 2, 1, 0, -1, -2, -3
MIN_MODELS = 3  # a line fits any two points exactly
CONFIDENCE = 0.95
TOLERANCE = 1e-12  # of sums of fractions in floating point


class Ladder(NamedTuple):
    """Models' answers to the same items, models in the order of their sizes.

    `names`, `sizes` and `letter_share`, the share of each model's commonest letter, are [models]; `answers` and
    `log_odds` of positive are [models, items]; `truth`, whether the label is positive, is [items].
    """

    names: Sequence[str]
    sizes: NDArray[Any]
    answers: NDArray[Any]
    log_odds: Floats
    letter_share: Sequence[float]
    truth: Bools


def ladder_of(
    names: Sequence[str], predictions_by_model: Mapping[str, Rows], models: Mapping[str, Model], moe: bool = False
) -> Ladder:
    """The dense models of `names`, or for reference the mixtures of experts, with their predictions by model.

    Raises click.ClickException where a model has no predictions, two have them for different items, or two dense
    models are of one size, so that no line goes through their scores.
    """
    by_size = sorted((name for name in names if models[name].moe is moe), key=lambda name: models[name].size)
    for smaller, larger in pairwise(by_size):
        if models[smaller].size == models[larger].size and not moe:
            raise click.ClickException(f"{smaller} and {larger} have the same size: leave one out of the ladder")
    predictions = [predictions_by_model[name] for name in by_size]
    ids = [[row["id"] for row in rows] for rows in predictions]
    for name, ids_of_model in zip(by_size, ids, strict=True):
        if not ids_of_model:
            raise click.ClickException(f"{name} has no predictions with this prompt: run it again with dvc repro")
        if ids_of_model != ids[0]:
            raise click.ClickException(
                f"the predictions of {by_size[0]} and {name} are for different items: run both again with dvc repro"
            )
    return Ladder(
        names=by_size,
        sizes=np.array([models[name].size for name in by_size]),
        answers=np.array([[row["answer"] for row in rows] for rows in predictions]),
        log_odds=np.array([[log_odds_of(row) for row in rows] for rows in predictions]),
        letter_share=[commonest_letter_share(rows) for rows in predictions],
        truth=np.array([row["label"] for row in predictions[0]]),
    )


def commonest_letter_share(predictions: Sequence[Mapping[str, Any]]) -> float:
    counts = Counter("".join(row["letters"] for row in predictions))
    return round(max(counts.values()) / counts.total(), 6)


def slope(sizes: NDArray[Any], scores: Floats) -> Floats:
    """The gain of a score with each doubling of parameters: the slope of the least-squares line over log2 of the size.

    `scores` are [samples, models]; the slopes are [samples].
    """
    centered = np.log2(sizes) - np.log2(sizes).mean()
    return scores @ centered / (centered @ centered)


def rising(scores: Sequence[float] | Floats) -> bool:
    """Whether each model scores better than the next smaller one, which is the paper's strict rule."""
    return len(scores) > 1 and all(smaller < larger for smaller, larger in pairwise(scores))


def bootstrap_ladder(ladder: Ladder, resamples: int, seed: int) -> BootstrapScores:
    return bootstrap_scores(ladder.answers, ladder.log_odds, ladder.truth, resamples, seed)


def has_signal(ladder: Ladder, scores: BootstrapScores, max_letter_share: float) -> Bools:
    """Which models [models] show a signal.

    A model shows none if it gives one letter more often than `max_letter_share`, or if its AUC can't be told from 0.5.
    An AUC that is surely below 0.5 is a signal too: such a model tells the labels apart, and has them reversed.
    """
    low, high = scores.bounds("auc")
    return (np.array(ladder.letter_share) <= max_letter_share) & ((low > 0.5) | (high < 0.5))


def probability_of_increase(changes: Floats) -> float:
    """The share of resampled changes that are positive; changes of zero count by half."""
    return float((changes > 0).mean() + (changes == 0).mean() / 2)


def change_with_bounds(name: str, observed: float, resampled: Floats) -> dict[str, float]:
    """A change with its 95% bounds and the probability that it is an increase."""
    low, high = bounds(resampled)
    return {
        name: float(observed),
        f"{name}_low": float(low),
        f"{name}_high": float(high),
        f"{name}_increase_probability": probability_of_increase(resampled),
    }


def step_changes(names: Sequence[str], score: Floats, resampled: Floats) -> dict[str, dict[str, float]]:
    """The change of a score from each model to the next larger one; score [models], resampled [resamples, models]."""
    steps, resampled_steps = np.diff(score), np.diff(resampled)
    return {
        f"{smaller}_to_{larger}": change_with_bounds("step", steps[i], resampled_steps[:, i])
        for i, (smaller, larger) in enumerate(pairwise(names))
    }


def size_correlations(score: Floats) -> dict[str, float]:
    """Whether a score [models] rises with each model, and its rank correlations with the order by size; 0 where all
    scores are equal.
    """
    from scipy.stats import kendalltau, spearmanr

    order = range(len(score))
    varies = len(set(score)) > 1
    return {
        "strictly_rising": int(rising(score)),
        "spearman": float(spearmanr(order, score).statistic) if varies else 0.0,
        "kendall": float(kendalltau(order, score).statistic) if varies else 0.0,
    }


def strict_rule_prospects(score: Floats, resampled: Floats, n: int) -> dict[str, float]:
    """How likely redrawn data sets are to meet the strict rule if the measured scores were the truth.

    `score` is [models], `resampled` [resamples, models], n the number of items. `strictly_rising_probability` is for
    data sets of n items: a bootstrap resample is such a redrawn data set. `strictly_rising_items` is the number of
    items at which that probability reaches 95%; it is absent where a measured step does not rise, because no number
    of items is enough then. A ladder of a single model has neither.
    """
    steps, resampled_steps = np.diff(score), np.diff(resampled)
    if not len(steps):
        return {}
    prospects: dict[str, float] = {"strictly_rising_probability": float((resampled_steps > 0).all(1).mean())}
    if (steps > 0).all():
        # With m items, deviations from the truth shrink by sqrt(m / n). Every step of a resample then rises if
        # sqrt(m / n) exceeds the largest fall below the truth, in units of the true step.
        largest_falls = ((steps - resampled_steps) / steps).max(1)
        prospects["strictly_rising_items"] = max(1, ceil(n * np.quantile(largest_falls, CONFIDENCE) ** 2))
    return prospects


def judge(ladder: Ladder, scores: BootstrapScores, max_letter_share: float) -> dict[str, Any]:
    """The verdict over a ladder, and its reasons as numbers.

    Slope and steps are over the models with a signal; correlations and the strict rule are over all models.
    *Violated*: the slope is positive, or a step rises, in at most 5% of the resamples, divided by the number of steps
    and slope (Bonferroni). *Holds*: not violated, and the slope is positive in at least 95% of the resamples.
    *Inconclusive*: all else. The paper's strict rule, that every step rises, does not decide: between two models of
    nearly the same precision it is a matter of chance (stages/studies/law_power.py). Too few items of a label have no
    other verdict than that.
    """
    model_count, positives = len(ladder.names), int(ladder.truth.sum())
    counted = np.flatnonzero(has_signal(ladder, scores, max_letter_share))
    correlations = {name: size_correlations(score) for name, score in scores.observed.items()}
    reasons: dict[str, Any] = {
        "n": len(ladder.truth),
        "models": model_count,
        "counted": len(counted),
        "signal": int(len(counted) == model_count),
        "letter_share": max(ladder.letter_share),
    }
    reasons |= correlations["precision"]  # the law's own score stands at the top
    reasons |= strict_rule_prospects(scores.observed["precision"], scores.resampled["precision"], len(ladder.truth))
    reasons |= {name: values for name, values in correlations.items() if name != "precision"}
    if too_few(positives, len(ladder.truth)):
        return {"verdict": TOO_FEW_LABELS, "positive": positives} | reasons
    if len(counted) < MIN_MODELS:
        return {"verdict": NO_SIGNAL if model_count >= MIN_MODELS else TOO_FEW_MODELS} | reasons
    names, sizes = [ladder.names[i] for i in counted.tolist()], ladder.sizes[counted]
    precision = scores.observed["precision"][counted]
    resampled = scores.resampled["precision"][:, counted]
    trend = change_with_bounds("slope", slope(sizes, precision[None])[0], slope(sizes, resampled))
    steps = step_changes(names, precision, resampled)
    slope_probability = trend["slope_increase_probability"]
    probabilities = [slope_probability, *(step["step_increase_probability"] for step in steps.values())]
    if min(probabilities) <= (1 - CONFIDENCE) / len(probabilities):
        verdict = VIOLATED
    elif slope_probability >= CONFIDENCE:
        verdict = HOLDS
    else:
        verdict = INCONCLUSIVE
    return {"verdict": verdict} | reasons | trend | {"steps": steps}


def labels_to_change(ladder: Ladder, better: int, worse: int) -> int | None:
    """The fewest labels that would have to be others for model `worse` to be more precise than model `better`; None if
    no number is enough. The models are indices of the ladder.

    The number is exact where both models answer "positive" or "negative" alone.
    """
    positive, negative, truth = ladder.answers == "positive", ladder.answers == "negative", ladder.truth
    hits, false_alarms = positive & truth, ~negative & ~truth
    denominators = np.maximum((hits | false_alarms).sum(1), 1)  # of precision, by model
    precision = hits.sum(1) / denominators
    gap = precision[better] - precision[worse]

    # Another label narrows the gap in three ways. The worse model was wrong and the better one says "negative": the
    # worse one gains.
    flips_for_worse = (positive[worse] & ~truth & negative[better]).sum()
    # The better model was right and the worse one says "negative": the better one loses.
    flips_against_better = (hits[better] & negative[worse]).sum()
    # Both say "positive": both change, by more the one with the smaller denominator.
    narrows_gap = truth if denominators[better] < denominators[worse] else ~truth
    flips_for_both = (positive[better] & positive[worse] & narrows_gap).sum()

    weight_better, weight_worse = 1 / denominators[better], 1 / denominators[worse]
    weights = [weight_worse, weight_better, abs(weight_better - weight_worse)]
    largest_first = np.sort(np.repeat(weights, [flips_for_worse, flips_against_better, flips_for_both]))[::-1]
    enough = np.flatnonzero(largest_first.cumsum() > gap + TOLERANCE)
    return int(enough[0]) + 1 if len(enough) else None
