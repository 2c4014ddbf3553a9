"""The metrics of trainings that differ by their seed alone: means over them, and how far they lie apart."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from stages.judging.bootstrap import bootstrap_scores
from stages.judging.evaluate_metric import DIGITS, measure
from stages.judging.predictions import log_odds_of

Predictions = Sequence[Mapping[str, Any]]  # with `label`


def measure_predictions(predictions: Predictions, resamples: int, seed: int) -> dict[str, float]:
    """The metrics of one training's predictions."""
    return measure(
        [row["answer"] for row in predictions],
        [row["label"] for row in predictions],
        [log_odds_of(row) for row in predictions],
        resamples,
        seed,
    )


def measure_seeds(
    predictions_by_seed: Mapping[int, Predictions], mean_predictions: Predictions, resamples: int, seed: int
) -> dict[str, float]:
    """The metrics of several trainings' predictions for the same items, in the same order; a single one's as they are.

    Each is the mean of the trainings' own. The bounds are of this mean, by bootstrap over the items. `f1_least` and
    `f1_most` are the F1 of the worst and of the best training, `f1_of_mean` that of their mean probabilities
    (`mean_predictions`).
    """
    by_seed = [measure_predictions(rows, resamples, seed) for rows in predictions_by_seed.values()]
    if len(by_seed) == 1:
        return by_seed[0]
    scores = bootstrap_scores(
        np.array([[row["answer"] for row in rows] for rows in predictions_by_seed.values()]),
        np.array([[log_odds_of(row) for row in rows] for rows in predictions_by_seed.values()]),
        np.array([row["label"] for row in mean_predictions]),
        resamples,
        seed,
    )
    metrics = means(by_seed)
    for name in scores.observed:
        low, high = scores.bounds_of_mean(name).round(DIGITS).tolist()
        metrics |= {f"{name}_low": low, f"{name}_high": high}
    f1s = [of_seed["f1"] for of_seed in by_seed]
    f1_of_mean = measure_predictions(mean_predictions, resamples, seed)["f1"]
    return metrics | {"seeds": len(by_seed), "f1_least": min(f1s), "f1_most": max(f1s), "f1_of_mean": f1_of_mean}


def means(metrics: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """The mean of each number over metrics with the same keys; one that is the same in all stays as it is."""
    return {name: _mean([values[name] for values in metrics]) for name in metrics[0]}


def _mean(values: Sequence[float]) -> float:
    return values[0] if len(set(values)) == 1 else round(sum(values) / len(values), DIGITS)
