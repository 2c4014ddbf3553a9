"""A gate's threshold, and what it costs: positive items that are lost against the share that is saved.

An item whose score reaches the threshold is taken for positive: a question, for instance, is rewritten before it is
sent on. Any other item is saved that. Scores are log-odds of positive.
"""

from typing import NamedTuple

import numpy as np

from stages.judging.bootstrap import bootstrap_scores, bounds, resample_counts
from stages.judging.metrics import Bools, Floats, rounded_bounds


class Threshold(NamedTuple):
    """The least `log_odds` of an item that is taken for positive, and the `temperature` that log-odds are divided by
    for a probability.
    """

    log_odds: float
    temperature: float


def threshold_for(recall: float, log_odds: Floats, truth: Bools) -> float:
    """The highest threshold at which at least this share of the positive items [items] reaches it, in the middle
    between two items, so that rounding changes no decision.
    """
    of_positive = np.sort(log_odds[truth])[::-1]
    least_count = int(np.ceil(recall * len(of_positive) - 1e-9))  # 0.95 of 20 items is 19, whatever floats say
    least = of_positive[least_count - 1]
    lower = log_odds[log_odds < least]
    return float((least + lower.max()) / 2) if len(lower) else float(least - 1)


def measure_gate(is_positive: Bools, log_odds: Floats, truth: Bools, resamples: int, seed: int) -> dict[str, float]:
    """Precision, recall, F1 and AUC of a gate's decisions [items], and the share of items that it doesn't take for
    positive (`saved`), each with 95% bounds by bootstrap over the items.
    """
    answers = np.where(is_positive, "positive", "negative")
    scores = bootstrap_scores(answers[None], log_odds[None], truth, resamples, seed)
    values: dict[str, float] = {"n": len(truth)}
    for name in ("precision", "recall", "f1", "auc"):
        [low], [high] = scores.bounds(name)
        values |= rounded_bounds(name, scores.observed[name][0], low, high)
    saved = bounds(resample_counts(len(truth), resamples, seed) @ ~is_positive / len(truth))
    return values | rounded_bounds("saved", (~is_positive).mean(), *saved)


def trade_off(log_odds: Floats, truth: Bools) -> list[tuple[float, float]]:
    """At each threshold that the items [items] tell apart, from the lowest: the share of the positive ones that is
    lost, and the share of all that is saved.
    """
    points = []
    for threshold in [*np.unique(log_odds), np.inf]:
        is_positive = log_odds >= threshold
        points.append((float((~is_positive)[truth].mean()), float((~is_positive).mean())))
    return points
