"""How answers are scored (paper, section 2, Table 1): one rule for metrics, law, tables and studies.

"don't know" and unreadable are wrong: a false negative on a needed item, a false positive on another. With nothing
answered "needed" precision is 0.
"""

from functools import partial
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

SCORES = ("precision", "recall", "f1", "accuracy", "auc")
DIGITS = 4  # of proportions
Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


def scores(answers: NDArray[Any], odds: Floats, truth: Bools, counts: NDArray[Any]) -> dict[str, Floats]:
    """Every score [samples, models] of samples that hold each item as often as `counts` [samples, items] says.

    answers, as names of options, and odds of needed are [models, items], truth, whether it is needed, [items].
    """
    counts = counts.astype(float)
    hits = counts @ ((answers == "needed") & truth).T
    alarms = counts @ ((answers != "not_needed") & ~truth).T
    rests = counts @ ((answers == "not_needed") & ~truth).T
    positives = (counts @ truth)[:, None]
    with np.errstate(invalid="ignore", divide="ignore"):
        found = {
            "precision": hits / (hits + alarms),
            "recall": hits / positives,
            "f1": 2 * hits / (positives + hits + alarms),
            "accuracy": (hits + rests) / counts.sum(1, keepdims=True),
            "auc": np.stack([auc(ranking, truth, counts) for ranking in odds], axis=1),
        }
    return {name: np.nan_to_num(score, nan=0.5 if name == "auc" else 0.0) for name, score in found.items()}


def auc(ranking: Floats, truth: Bools, counts: Floats) -> Floats:
    """The chance that a needed item ranks higher than another, ties by half; [samples]."""
    _, tie = np.unique(ranking, return_inverse=True)
    order = np.argsort(tie, kind="stable")
    starts = np.flatnonzero(np.diff(tie[order], prepend=-1))
    positive = np.add.reduceat((counts * truth)[:, order], starts, axis=1)
    negative = np.add.reduceat((counts * ~truth)[:, order], starts, axis=1)
    below = negative.cumsum(1) - negative / 2
    return (positive * below).sum(1) / (positive.sum(1) * negative.sum(1))


def resampled(n: int, resamples: int, seed: int) -> NDArray[Any]:
    """How often each of n items stands in each bootstrap resample, [resamples, n]; with one seed the same for all."""
    return np.random.default_rng(seed).multinomial(n, np.full(n, 1 / n), resamples)


def bounds(drawn: Floats) -> Floats:
    """95% bounds over the first axis, low and high."""
    return np.percentile(drawn, [2.5, 97.5], axis=0)


class Sample(NamedTuple):
    """Each score [models] of the items as they are, and [samples, models] of paired resamples of them."""

    whole: dict[str, Floats]
    drawn: dict[str, Floats]

    def bounds(self, name: str) -> Floats:
        """95% bounds of a score, [2, models]."""
        return bounds(self.drawn[name])


def sample(answers: NDArray[Any], odds: Floats, truth: Bools, resamples: int, seed: int) -> Sample:
    """The scores of answers to items, and of bootstrap resamples of the items."""
    of, n = partial(scores, answers, odds, truth), len(truth)
    return Sample({name: score[0] for name, score in of(np.ones((1, n))).items()}, of(resampled(n, resamples, seed)))


def in_percent(value: float, low: float, high: float, more: str = "") -> str:
    """A share with its bounds, as in 80.40 (74.23 to 85.59)."""
    return f"{100 * value:.2f} ({100 * low:.2f} to {100 * high:.2f}{more})"


def wilson(hits: int, n: int) -> tuple[float, float]:
    """95% bounds of hits / n (Wilson, 1927)."""
    from scipy.stats import binomtest

    low, high = binomtest(hits, n).proportion_ci(method="wilson")
    return float(low), float(high)


def proportion(name: str, hits: int, n: int) -> dict[str, float]:
    """A share of n with its 95% bounds (Wilson); nothing where there is nothing to divide by."""
    if not n:
        return {}
    low, high = wilson(hits, n)
    return {
        name: round(hits / n, DIGITS),
        f"{name}_low": round(low, DIGITS),
        f"{name}_high": round(high, DIGITS),
        f"{name}_n": n,
    }
