"""Precision, recall and F1 of the class needed (paper, section 2, Table 1), each with its n and 95% bounds."""

from typing import Any

import datasets
import evaluate
import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

ROUND = 6
BOUNDED = ("precision", "recall", "f1", "accuracy", "auc")


def scores(answer: NDArray[Any], truth: NDArray[np.bool_], ranking: NDArray[np.float64]) -> dict[str, float]:
    """Scores of one sample: answers as option names [n], whether each item needs its context [n], odds of needed [n].

    "don't know" and unreadable are wrong: a false negative on a needed item, a false positive on another.
    """
    hit = int(np.sum((answer == "needed") & truth))
    right = hit + int(np.sum((answer == "not_needed") & ~truth))
    false_positives = int(np.sum((answer != "not_needed") & ~truth))
    positives = int(truth.sum())
    precision = hit / (hit + false_positives) if hit else 0.0
    recall = hit / positives if positives else 0.0
    both = 0 < positives < len(truth)
    return {
        "precision": precision,
        "recall": recall,
        "f1": 2 * precision * recall / (precision + recall) if hit else 0.0,
        "accuracy": right / len(truth),
        "auc": float(roc_auc_score(truth, ranking)) if both else 0.5,
    }


def bounds(
    answer: NDArray[Any], truth: NDArray[np.bool_], ranking: NDArray[np.float64], resamples: int, seed: int
) -> dict[str, float]:
    """95% bounds of every score by bootstrap over items."""
    rng = np.random.default_rng(seed)
    drawn = [scores(answer[i], truth[i], ranking[i]) for i in rng.integers(0, len(truth), (resamples, len(truth)))]
    found: dict[str, float] = {}
    for name in BOUNDED:
        low, high = np.percentile([one[name] for one in drawn], [2.5, 97.5])
        found |= {f"{name}_low": float(low), f"{name}_high": float(high)}
    return found


class NeedsContext(evaluate.Metric):  # type: ignore[misc]  # evaluate has no types
    """The scores as an `evaluate.Metric`, so that they work wherever one does; nothing is fetched from a hub.

    `compute(predictions=, references=, ranking=, resamples=, seed=)` takes answers as option names, truth as booleans
    and the log-odds of needed.
    """

    def _info(self) -> evaluate.MetricInfo:
        return evaluate.MetricInfo(
            description="Precision, recall, F1, accuracy and AUC of the class needed, with bootstrap bounds.",
            citation="Kong, Labeling Supervised Fine-Tuning Data with the Scaling Law, 2024",
            inputs_description="predictions: option names; references: is the context needed; ranking: log-odds",
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
        answer, truth, odds = np.array(predictions), np.array(references, dtype=bool), np.array(ranking)
        found = scores(answer, truth, odds) | bounds(answer, truth, odds, resamples, seed)
        return {name: round(value, ROUND) for name, value in found.items()} | {
            "n": len(truth),
            "needed_share": round(float(truth.mean()), ROUND),
            "dont_know": int(np.sum(answer == "dont_know")),
            "unreadable": int(np.sum(answer == "unreadable")),
            "no_positive": int(not np.any(answer == "needed")),
        }


def measure(
    answers: list[str], truth: list[bool], ranking: list[float], resamples: int, seed: int
) -> dict[str, float]:
    """All scores of a list of answers as metrics. Shapes: [n] each."""
    metric = NeedsContext(keep_in_memory=True)
    return metric.compute(predictions=answers, references=truth, ranking=ranking, resamples=resamples, seed=seed)
