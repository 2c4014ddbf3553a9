"""Precision, recall and F1 of the class needed (paper, section 2, Table 1), each with its n and 95% bounds."""

import datasets
import evaluate
import numpy as np

from stages.scoring import sample

ROUND = 6


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
        taken = sample(answer[None], odds[None], truth, resamples, seed)
        found: dict[str, float] = {}
        for name, [score] in taken.whole.items():
            [low], [high] = taken.bounds(name)
            found |= {name: score, f"{name}_low": low, f"{name}_high": high}
        return {name: round(float(value), ROUND) for name, value in found.items()} | {
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
