"""A gate's threshold, and what it costs: needed questions that are lost against rewrites that are saved.

A question whose score reaches the threshold is rewritten, any other is sent on as it is. Scores are log-odds of
needed.
"""

from typing import NamedTuple

import numpy as np

from stages.judging.bootstrap import bootstrap_scores, bounds, resample_counts
from stages.judging.metrics import DIGITS, Bools, Floats


class Threshold(NamedTuple):
    """The least `log_odds` of a question that needs its history, and the `temperature` that log-odds are divided by
    for a probability.
    """

    log_odds: float
    temperature: float


def threshold_for(recall: float, log_odds: Floats, truth: Bools) -> float:
    """The highest threshold at which at least this share of the needed items [items] reaches it, in the middle between
    two items, so that rounding changes no decision.
    """
    of_needed = np.sort(log_odds[truth])[::-1]
    least_count = int(np.ceil(recall * len(of_needed) - 1e-9))  # 0.95 of 20 items is 19, whatever floats say
    least = of_needed[least_count - 1]
    lower = log_odds[log_odds < least]
    return float((least + lower.max()) / 2) if len(lower) else float(least - 1)


def measure_gate(is_needed: Bools, log_odds: Floats, truth: Bools, resamples: int, seed: int) -> dict[str, float]:
    """Precision, recall, F1 and AUC of a gate's decisions [items], and the share of items that it sends on as they are
    (`saved`), each with 95% bounds by bootstrap over the items.
    """
    answers = np.where(is_needed, "needed", "not_needed")
    scores = bootstrap_scores(answers[None], log_odds[None], truth, resamples, seed)
    values: dict[str, float] = {"n": len(truth)}
    for name in ("precision", "recall", "f1", "auc"):
        [low], [high] = scores.bounds(name)
        values |= {name: float(scores.observed[name][0]), f"{name}_low": low, f"{name}_high": high}
    low, high = bounds(resample_counts(len(truth), resamples, seed) @ ~is_needed / len(truth))
    values |= {"saved": float((~is_needed).mean()), "saved_low": low, "saved_high": high}
    return {name: round(float(value), DIGITS) if name != "n" else value for name, value in values.items()}


def trade_off(log_odds: Floats, truth: Bools) -> list[tuple[float, float]]:
    """At each threshold that the items [items] tell apart, from the lowest: the share of the needed ones that is lost,
    and the share of all that is saved.
    """
    points = []
    for threshold in [*np.unique(log_odds), np.inf]:
        is_needed = log_odds >= threshold
        points.append((float((~is_needed)[truth].mean()), float((~is_needed).mean())))
    return points
