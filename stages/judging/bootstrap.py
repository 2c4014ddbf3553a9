"""Scores with 95% bounds: by bootstrap over the items, paired over models, or by Wilson where it has none."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from stages.judging.metrics import AnswerCounts, Bools, Floats, count_answers, weighted_scores, wilson_bounds


def resample_counts(n: int, resamples: int, seed: int) -> NDArray[Any]:
    """How often each of n items occurs in each bootstrap resample, [resamples, n]. The seed alone decides, so that
    scores of the same items are paired.
    """
    return np.random.default_rng(seed).multinomial(n, np.full(n, 1 / n), resamples)


def bounds(resampled: Floats) -> Floats:
    """95% bounds over the first axis: low and high, [2, ...]."""
    return np.percentile(resampled, [2.5, 97.5], axis=0)


class BootstrapScores(NamedTuple):
    """Scores by name: of the items as observed, [models], and of their paired resamples, [resamples, models]; and the
    counts [models] that the observed scores are made of.
    """

    observed: dict[str, Floats]
    resampled: dict[str, Floats]
    counts: AnswerCounts

    def bounds(self, name: str) -> Floats:
        """95% bounds of a score, [2, models].

        Resamples of items that are all right, or all wrong, have one score. Their bounds would claim that it is
        certain: Wilson's take their place.
        """
        low, high = bounds(self.resampled[name])
        by_wilson = bounds_by_wilson(self.counts, self.observed["auc"])[name]
        return np.where(low == high, by_wilson, [low, high])

    def bounds_of_mean(self, name: str) -> Floats:
        """95% bounds of a score's mean over the models, [2]; the mean of Wilson's where all resamples agree."""
        low, high = bounds(self.resampled[name].mean(1))
        by_wilson = bounds_by_wilson(self.counts, self.observed["auc"])[name].mean(1)
        return by_wilson if low == high else np.array([low, high])


def bounds_by_wilson(counts: AnswerCounts, auc: Floats) -> dict[str, Floats]:
    """95% bounds of each score by name, [2, models]; counts and AUC are [models].

    Precision, recall and accuracy are shares of items. Without an answer "positive" precision is 0 by definition, and
    its bounds are 0 and 1: nothing is known. F1 is at least the harmonic mean of the lower bounds of precision and
    recall. It is at most the F1 of as many hits as recall's upper bound allows, with the same false alarms. An AUC has
    the bounds of a share of as many items as the rarer label has, because these limit what can be known.
    """
    hits, false_alarms, correct_rejections, positives, negatives = counts
    precision, recall = wilson_bounds(hits, hits + false_alarms), wilson_bounds(hits, positives)
    most_hits = positives * recall[1]
    with np.errstate(invalid="ignore", divide="ignore"):
        f1_low = 2 * precision[0] * recall[0] / (precision[0] + recall[0])
        f1_high = 2 * most_hits / (positives + most_hits + false_alarms)
    rarer = np.minimum(positives, negatives)
    return {
        "precision": precision,
        "recall": recall,
        "f1": np.stack([np.nan_to_num(f1_low, nan=0.0), np.where(positives > 0, f1_high, 1.0)]),
        "accuracy": wilson_bounds(hits + correct_rejections, positives + negatives),
        "auc": wilson_bounds(auc * rarer, rarer),
    }


def bootstrap_scores(
    answers: NDArray[Any], log_odds: Floats, truth: Bools, resamples: int, seed: int
) -> BootstrapScores:
    """The scores of answers to items, and of bootstrap resamples of the items. Shapes as in `weighted_scores`."""
    n = len(truth)
    return scores_of_samples(answers, log_odds, truth, np.ones(n), resample_counts(n, resamples, seed))


def scores_of_samples(
    answers: NDArray[Any], log_odds: Floats, truth: Bools, counts: NDArray[Any], resampled_counts: NDArray[Any]
) -> BootstrapScores:
    """The scores of items that occur as often as `counts` [items] says, and of resamples, [resamples, items]. Other
    shapes as in `weighted_scores`.
    """
    observed = weighted_scores(answers, log_odds, truth, counts[None])
    return BootstrapScores(
        observed={name: score[0] for name, score in observed.items()},
        resampled=weighted_scores(answers, log_odds, truth, resampled_counts),
        counts=AnswerCounts(*(count[0] for count in count_answers(answers, truth, counts[None]))),
    )
