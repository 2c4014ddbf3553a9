"""Precision, recall and F1 of the positive class (paper, section 2, Table 1), each with its n and 95% bounds."""

import datasets
import evaluate
import numpy as np

from stages.judging.bootstrap import bootstrap_scores
from stages.pipeline.schemas import NO_ANSWERS

DIGITS = 6


class PositiveClass(evaluate.Metric):  # type: ignore[misc]  # evaluate has no types
    """The scores as an `evaluate.Metric`, for other code that takes such metrics; nothing is fetched from a hub.

    `compute(predictions=, references=, ranking=, resamples=, seed=)` takes answers as option names, truth as booleans
    and the log-odds of positive.
    """

    def _info(self) -> evaluate.MetricInfo:
        return evaluate.MetricInfo(
            description="Precision, recall, F1, accuracy and AUC of the positive class, with bootstrap bounds.",
            citation="Kong, Labeling Supervised Fine-Tuning Data with the Scaling Law, 2024",
            inputs_description="predictions: option names; references: is the label positive; ranking: log-odds",
            features=datasets.Features(
                {
                    "predictions": datasets.Value("string"),
                    "references": datasets.Value("bool"),
                    "ranking": datasets.Value("float64"),
                }
            ),
        )

    def _compute(
        self, predictions: list[str], references: list[bool], ranking: list[float], resamples: int, seed: int
    ) -> dict[str, float]:
        answer, truth, log_odds = np.array(predictions), np.array(references, dtype=bool), np.array(ranking)
        scores = bootstrap_scores(answer[None], log_odds[None], truth, resamples, seed)
        values: dict[str, float] = {}
        for name, [score] in scores.observed.items():  # of one model
            [low], [high] = scores.bounds(name)
            values |= {name: score, f"{name}_low": low, f"{name}_high": high}
        return {name: round(float(value), DIGITS) for name, value in values.items()} | {
            "n": len(truth),
            "positive_share": round(float(truth.mean()), DIGITS),
            "dont_know": int(np.sum(answer == "dont_know")),
            **{reason: int(np.sum(answer == reason)) for reason in NO_ANSWERS},
            "no_positive": int(not np.any(answer == "positive")),
        }


def measure(
    answers: list[str], truth: list[bool], ranking: list[float], resamples: int, seed: int
) -> dict[str, float]:
    """The metrics of one model's answers: scores with bounds, n, and counts of the other answers. Shapes: [n] each."""
    metric = PositiveClass(keep_in_memory=True)
    return metric.compute(predictions=answers, references=truth, ranking=ranking, resamples=resamples, seed=seed)
