"""Whether a probability means what it says: Brier score, expected calibration error, and a temperature."""

import numpy as np

from stages.judging.bootstrap import bounds, resample_counts
from stages.judging.metrics import Bools, Floats, rounded_bounds, sigmoid

BINS = 10
TEMPERATURES = (0.05, 20.0)  # the least and the largest that is tried


def brier_score(probabilities: Floats, truth: Bools) -> float:
    """The mean squared distance of probabilities from the truth, both [items]; 0.25 for even odds (Brier, 1950)."""
    return float(((probabilities - truth) ** 2).mean())


def calibration_error(probabilities: Floats, truth: Bools) -> float:
    """The expected calibration error of probabilities of `truth`, both [items] (Naeini et al., 2015), in ten bins
    of as many items each.
    """
    order = np.argsort(probabilities, kind="stable")
    gaps = [
        len(bin) * abs(float(probabilities[bin].mean() - truth[bin].mean()))
        for bin in np.array_split(order, min(BINS, len(order)))
    ]
    return sum(gaps) / len(truth)


def best_temperature(log_odds: Floats, truth: Bools, counts: Floats) -> float:
    """The number by which the log-odds [items] have to be divided for the least log loss (Guo et al., 2017), each item
    as often as `counts` [items] says.
    """
    from scipy.optimize import minimize_scalar

    signs = np.where(truth, 1.0, -1.0)

    def loss(log_temperature: float) -> float:
        return float(counts @ np.logaddexp(0, -signs * log_odds / np.exp(log_temperature)))

    low, high = np.log(TEMPERATURES)
    return float(np.exp(minimize_scalar(loss, bounds=(low, high), method="bounded").x))


def temperature(log_odds: Floats, truth: Bools, resamples: int, seed: int) -> dict[str, float]:
    """The best temperature of items [items] with its 95% bounds by bootstrap."""
    counts = resample_counts(len(truth), min(resamples, 200), seed)  # a search each
    low, high = bounds(np.array([best_temperature(log_odds, truth, sample) for sample in counts]))
    best = best_temperature(log_odds, truth, np.ones(len(truth)))
    return rounded_bounds("temperature", best, low, high)


def calibration(log_odds: Floats, truth: Bools) -> dict[str, float]:
    """Brier score and calibration error of the probabilities that log-odds [items] stand for."""
    probabilities = sigmoid(log_odds)
    return {
        "brier": round(brier_score(probabilities, truth), 4),
        "calibration_error": round(calibration_error(probabilities, truth), 4),
    }
