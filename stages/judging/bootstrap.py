"""Bootstrap over the items: scores with 95% bounds, paired over models."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from stages.judging.metrics import Bools, Floats, weighted_scores


def resample_counts(n: int, resamples: int, seed: int) -> NDArray[Any]:
    """How often each of n items occurs in each bootstrap resample, [resamples, n]. The seed alone decides, so that
    scores of the same items are paired.
    """
    return np.random.default_rng(seed).multinomial(n, np.full(n, 1 / n), resamples)


def bounds(resampled: Floats) -> Floats:
    """95% bounds over the first axis: low and high, [2, ...]."""
    return np.percentile(resampled, [2.5, 97.5], axis=0)


class BootstrapScores(NamedTuple):
    """Scores by name: of the items as observed, [models], and of their paired resamples, [resamples, models]."""

    observed: dict[str, Floats]
    resampled: dict[str, Floats]

    def bounds(self, name: str) -> Floats:
        """95% bounds of a score, [2, models]."""
        return bounds(self.resampled[name])

    def mean(self) -> "BootstrapScores":
        """The means over the models, as scores of one model."""
        return BootstrapScores(
            observed={name: score.mean(keepdims=True) for name, score in self.observed.items()},
            resampled={name: score.mean(1, keepdims=True) for name, score in self.resampled.items()},
        )


def bootstrap_scores(
    answers: NDArray[Any], log_odds: Floats, truth: Bools, resamples: int, seed: int
) -> BootstrapScores:
    """The scores of answers to items, and of bootstrap resamples of the items. Shapes as in `weighted_scores`."""
    n = len(truth)
    observed = weighted_scores(answers, log_odds, truth, np.ones((1, n)))
    resampled = weighted_scores(answers, log_odds, truth, resample_counts(n, resamples, seed))
    return BootstrapScores({name: score[0] for name, score in observed.items()}, resampled)
