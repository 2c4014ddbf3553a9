"""The numbers that the figures draw, each a list of points; templates in .dvc/plots/ draw them."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import ibis
import numpy as np

from stages.llm.asking import odds
from stages.params import Model, Scorer
from stages.results.scores import Answers, Rows, Scores
from stages.scoring import wilson

VANILLA, TUNED = "vanilla", "tuned"
ANSWERS = ("needed", "not_needed", "dont_know", "unreadable")
BINS = 10  # of probability, each as wide
LEVELS = 50  # of recall, each as far from the next
EDGES = [round(10 * (i / 20) ** 2, 4) for i in range(21)]  # of scores from 0 to 10: finer where throttles of odds lie


def size(
    vanilla: Mapping[str, Scores],
    tuned: Mapping[str, Scores],
    floors: Mapping[str, Scores],
    models: Mapping[str, Model],
) -> Rows:
    """Precision and F1 against model size (paper, Figure 4), in percent with 95% bounds; floors have no size."""
    return [
        {"score": label, "state": state, "model": name, "parameters": models[name].size if name in models else None}
        | {
            end: round(100 * scores[f"{key}{rest}"], 2)
            for end, rest in (("value", ""), ("low", "_low"), ("high", "_high"))
        }
        for key, label in (("precision", "precision"), ("f1", "F1 score"))
        for state, found in ((VANILLA, vanilla), (TUNED, tuned), ("floor", floors))
        for name, scores in found.items()
    ]


def confusion(asked: Mapping[str, Answers]) -> Rows:
    """How many items with each label got each answer, and that as a share of the label; `asked` is by state."""
    points = []
    for state, model, rows in _each(asked):
        for label in ("needed", "not_needed"):
            given = Counter(row["answer"] for row in rows if row["cr_need_gt"] == (label == "needed"))
            points += [
                {"state": state, "model": model, "label": label, "answer": answer, "items": given[answer]}
                | {"share": round(given[answer] / max(given.total(), 1), 4)}
                for answer in ANSWERS
            ]
    return points


def probability(row: Mapping[str, Any]) -> float:
    """That of "needed" among the three options."""
    weights = np.exp([row["needed"], row["not_needed"], row["dont_know"]])
    return float(weights[0] / weights.sum())


def reliability(asked: Mapping[str, Answers]) -> Rows:
    """Of items with about the same probability of needed, how many are: mean probability, share, 95% bounds (Wilson)
    and n of each bin that holds any. Models that only said something have no probabilities.
    """
    points = []
    for state, model, rows in _each(asked):
        if any(row["needed"] is None for row in rows):
            continue
        given = np.array([probability(row) for row in rows])
        truth = np.array([row["cr_need_gt"] for row in rows])
        place = np.minimum((given * BINS).astype(int), BINS - 1)
        for bin in sorted(set(place.tolist())):
            own = place == bin
            low, high = wilson(int(truth[own].sum()), int(own.sum()))
            points.append(
                {"state": state, "model": model, "probability": round(float(given[own].mean()), 4)}
                | {"needed": round(float(truth[own].mean()), 4), "low": round(low, 4), "high": round(high, 4)}
                | {"items": int(own.sum())}
            )
    return points


def precision_recall(asked: Mapping[str, Answers]) -> Rows:
    """The best precision at each level of recall or above it (interpolated), over all thresholds of the odds."""
    from sklearn.metrics import precision_recall_curve

    points = []
    for state, model, rows in _each(asked):
        truth = [row["cr_need_gt"] for row in rows]
        precision, recall, _ = precision_recall_curve(truth, [odds(row) for row in rows])
        for level in np.linspace(0, 1, LEVELS + 1):
            best = float(precision[recall >= level - 1e-9].max())
            points.append(
                {"state": state, "model": model, "recall": round(float(level), 4), "precision": round(best, 4)}
            )
    return points


def histogram(scores: ibis.Table, scorers: Sequence[Scorer]) -> Rows:
    """How many turns each scorer gave a score from `low` to below `high` (10 itself in the last), and its throttle."""
    points = []
    for scorer in scorers:
        counts, _ = np.histogram(scores.filter(scores.scorer == scorer.name).score.execute(), EDGES)
        points += [
            {"scorer": scorer.name, "low": low, "high": high, "turns": turns, "throttle": scorer.throttle}
            for low, high, turns in zip(EDGES, EDGES[1:], counts.tolist(), strict=False)
        ]
    return points


def _each(asked: Mapping[str, Answers]) -> list[tuple[str, str, Rows]]:
    return [(state, model, rows) for state, answers in asked.items() for model, rows in answers.items()]
