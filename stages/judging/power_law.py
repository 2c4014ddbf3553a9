"""F1 by the number of labels as a power law of the error, 1 - F1 = a labels^-b, and what it forecasts."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from stages.judging.bootstrap import resample_counts
from stages.judging.metrics import Bools, Floats, weighted_scores

RESAMPLES = 1000


def power_law(labels: NDArray[Any], error: NDArray[Any]) -> tuple[float, float]:
    """a and b of error = a labels^-b, by least squares on logarithms."""
    slope, start = np.polyfit(np.log(labels), np.log(np.clip(error, 1e-6, None)), 1)
    return float(np.exp(start)), float(-slope)


def f1(answers: NDArray[Any], log_odds: Floats, truth: Bools, counts: NDArray[Any]) -> Floats:
    """F1 of each training, [samples, sizes, seeds]; answers and log_odds are [sizes, seeds, items]."""
    sizes, seeds, n = answers.shape
    scores = weighted_scores(answers.reshape(-1, n), log_odds.reshape(-1, n), truth, counts)["f1"]
    return scores.reshape(-1, sizes, seeds)


def observed_f1(answers: NDArray[Any], log_odds: Floats, truth: Bools) -> Floats:
    """F1 of each training, [sizes, seeds], over the items as they are."""
    return f1(answers, log_odds, truth, np.ones((1, len(truth))))[0]


def resampled_f1(answers: NDArray[Any], log_odds: Floats, truth: Bools, seed: int) -> Floats:
    """F1 [resamples, sizes, seeds] of bootstrap resamples of items and of the trainings of each size."""
    sizes, seeds, n = answers.shape
    rng = np.random.default_rng(seed)
    scores = f1(answers, log_odds, truth, resample_counts(n, RESAMPLES, seed))
    trainings = rng.integers(0, seeds, (RESAMPLES, sizes, seeds))
    return np.take_along_axis(scores, trainings, axis=2)


def extrapolate(labels: NDArray[Any], scores: Floats, at: NDArray[Any]) -> Floats:
    """The exponent of the power law through F1 [sizes, seeds] at numbers of labels [sizes], and F1 at other numbers
    [numbers] by it; [1 + numbers].
    """
    a, b = power_law(np.repeat(labels, scores.shape[1]), 1 - scores.ravel())
    return np.array([b, *(1 - a * at.astype(float) ** -b)])


def extrapolate_each(labels: NDArray[Any], resampled: Floats, at: NDArray[Any]) -> Floats:
    """`extrapolate` of each resample of F1 [resamples, sizes, seeds]: [resamples, 1 + numbers]."""
    return np.array([extrapolate(labels, scores, at) for scores in resampled])
