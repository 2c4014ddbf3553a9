"""Precision, recall, F1, accuracy and AUC of the class needed (paper, section 2, Table 1).

"don't know" and unreadable answers are wrong: a false negative on a needed item, a false positive on another. Where
nothing is answered "needed", precision is 0.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

SCORES = ("precision", "recall", "f1", "accuracy", "auc")
HEADLINES = ("precision", "recall", "f1", "auc", "n")  # what a reviewer reads of a model
DIGITS = 4  # of proportions
Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


def weighted_scores(answers: NDArray[Any], log_odds: Floats, truth: Bools, counts: NDArray[Any]) -> dict[str, Floats]:
    """Every score by name, [samples, models].

    A sample has each item as often as `counts` [samples, items] says. `answers`, as names of options, and the
    `log_odds` of needed are [models, items]; `truth`, whether the context is needed, is [items].
    """
    counts = counts.astype(float)
    hits = counts @ ((answers == "needed") & truth).T
    false_alarms = counts @ ((answers != "not_needed") & ~truth).T
    correct_rejections = counts @ ((answers == "not_needed") & ~truth).T
    positives = (counts @ truth)[:, None]
    with np.errstate(invalid="ignore", divide="ignore"):
        scores = {
            "precision": hits / (hits + false_alarms),
            "recall": hits / positives,
            "f1": 2 * hits / (positives + hits + false_alarms),
            "accuracy": (hits + correct_rejections) / counts.sum(1, keepdims=True),
            "auc": np.stack([auc(ranking, truth, counts) for ranking in log_odds], axis=1),
        }
    return {name: np.nan_to_num(score, nan=0.5 if name == "auc" else 0.0) for name, score in scores.items()}


def auc(ranking: Floats, truth: Bools, counts: Floats) -> Floats:
    """The probability [samples] that a needed item ranks higher than another; ties count by half."""
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


def wilson(hits: int, n: int) -> tuple[float, float]:
    """95% bounds of hits / n (Wilson, 1927)."""
    from scipy.stats import binomtest

    low, high = binomtest(hits, n).proportion_ci(method="wilson")
    return float(low), float(high)


def proportion(name: str, hits: int, n: int) -> dict[str, float]:
    """The share hits / n with its 95% bounds (Wilson) and n; empty where n is 0."""
    if not n:
        return {}
    low, high = wilson(hits, n)
    return {
        name: round(hits / n, DIGITS),
        f"{name}_low": round(low, DIGITS),
        f"{name}_high": round(high, DIGITS),
        f"{name}_n": n,
    }
