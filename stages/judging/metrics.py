"""Precision, recall, F1, accuracy and AUC of the positive class (paper, section 2, Table 1).

"don't know" and unreadable answers are wrong: a false negative on a positive item, a false positive on another. Where
nothing is answered "positive", precision is 0.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

SCORES = ("precision", "recall", "f1", "accuracy", "auc")
HEADLINES = ("precision", "recall", "f1", "auc", "n")  # what a reviewer reads of a model
DIGITS = 4  # of proportions
FEWEST = 20  # items of each label, positive and negative, that a score takes
Z = 1.959963984540054  # standard deviations of the normal distribution within which 95% lie
Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


def too_few(positives: int, n: int) -> bool:
    """Whether n items, of which so many are positive, have too few of a label for any score to be read."""
    return min(positives, n - positives) < FEWEST


class AnswerCounts(NamedTuple):
    """How many items got which answer, each [samples, models] or [models], and how many there are of each label.

    `false_alarms` are answers to negative items, other than "negative".
    """

    hits: Floats
    false_alarms: Floats
    correct_rejections: Floats
    positives: Floats
    negatives: Floats


def count_answers(answers: NDArray[Any], truth: Bools, counts: NDArray[Any]) -> AnswerCounts:
    """The counts [samples, models] of samples that have each item as often as `counts` [samples, items] says.

    `answers`, as names of options, are [models, items]; `truth`, whether the label is positive, is [items].
    """
    counts = np.asarray(counts, dtype=float)
    hits = counts @ ((answers == "positive") & truth).T
    return AnswerCounts(
        hits=hits,
        false_alarms=counts @ ((answers != "negative") & ~truth).T,
        correct_rejections=counts @ ((answers == "negative") & ~truth).T,
        positives=np.broadcast_to((counts @ truth)[:, None], hits.shape),
        negatives=np.broadcast_to((counts @ ~truth)[:, None], hits.shape),
    )


def weighted_scores(answers: NDArray[Any], log_odds: Floats, truth: Bools, counts: NDArray[Any]) -> dict[str, Floats]:
    """Every score by name, [samples, models].

    A sample has each item as often as `counts` [samples, items] says. `answers`, as names of options, and the
    `log_odds` of positive are [models, items]; `truth`, whether the label is positive, is [items].
    """
    counts = counts.astype(float)
    hits, false_alarms, correct_rejections, positives, negatives = count_answers(answers, truth, counts)
    with np.errstate(invalid="ignore", divide="ignore"):
        scores = {
            "precision": hits / (hits + false_alarms),
            "recall": hits / positives,
            "f1": 2 * hits / (positives + hits + false_alarms),
            "accuracy": (hits + correct_rejections) / (positives + negatives),
            "auc": np.stack([auc(ranking, truth, counts) for ranking in log_odds], axis=1),
        }
    return {name: np.nan_to_num(score, nan=0.5 if name == "auc" else 0.0) for name, score in scores.items()}


def auc(ranking: Floats, truth: Bools, counts: Floats) -> Floats:
    """The probability [samples] that a positive item ranks higher than another; ties count by half."""
    _, ranks = np.unique(ranking, return_inverse=True)  # tied items have one rank
    order = np.argsort(ranks, kind="stable")
    starts = np.flatnonzero(np.diff(ranks[order], prepend=-1))  # of each rank in the order
    positives = np.add.reduceat((counts * truth)[:, order], starts, axis=1)
    negatives = np.add.reduceat((counts * ~truth)[:, order], starts, axis=1)
    negatives_below = negatives.cumsum(1) - negatives / 2
    return (positives * negatives_below).sum(1) / (positives.sum(1) * negatives.sum(1))


def sigmoid(log_odds: Any) -> Any:
    """The probability that log-odds, a number or an array, stand for."""
    return 1 / (1 + np.exp(-log_odds))


def wilson_bounds(hits: Any, n: Any) -> Floats:
    """95% bounds of the shares hits / n (Wilson, 1927): low and high, [2, ...]; 0 and 1 where n is 0.

    `hits` and n are numbers or arrays of one shape; hits need not be whole numbers.
    """
    hits, n = np.asarray(hits, dtype=float), np.asarray(n, dtype=float)
    with np.errstate(invalid="ignore", divide="ignore"):
        share = hits / n
        center = share + Z**2 / (2 * n)
        half_width = Z * np.sqrt(share * (1 - share) / n + (Z / (2 * n)) ** 2)
        low, high = ((center + side * half_width) / (1 + Z**2 / n) for side in (-1, 1))
    low, high = np.minimum(low, share), np.maximum(high, share)  # rounding puts the share outside where it is 0 or 1
    return np.stack([np.nan_to_num(low, nan=0.0), np.nan_to_num(high, nan=1.0)]).clip(0, 1)


def wilson(hits: int, n: int) -> tuple[float, float]:
    """95% bounds of hits / n (Wilson, 1927)."""
    low, high = wilson_bounds(hits, n).tolist()
    return low, high


def rounded_bounds(name: str, value: float, low: float, high: float, digits: int = DIGITS) -> dict[str, float]:
    """A number and its 95% bounds as a metrics file has them, rounded."""
    values = {name: value, f"{name}_low": low, f"{name}_high": high}
    return {key: round(float(value), digits) for key, value in values.items()}


def proportion(name: str, hits: int, n: int) -> dict[str, float]:
    """The share hits / n with its 95% bounds (Wilson) and n; empty where n is 0."""
    return rounded_bounds(name, hits / n, *wilson(hits, n)) | {f"{name}_n": n} if n else {}
