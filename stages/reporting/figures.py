"""The numbers that the figures draw, each a list of points; templates in .dvc/plots/ draw them."""

from collections import Counter
from collections.abc import Mapping

import ibis
import numpy as np

from stages.judging.metrics import wilson
from stages.judging.predictions import has_probability, log_odds_of, share_of_positive
from stages.pipeline.definition import NEGATIVE, POSITIVE, Definition
from stages.pipeline.params import Model, Params
from stages.pipeline.schemas import ANSWERS
from stages.reporting.run import Answers, Rows, Run

VANILLA, TUNED = "vanilla", "tuned"
BINS = 10  # of probability, each as wide
LEVELS = 50  # of recall, each as far from the next
EDGES = [round(10 * (i / 20) ** 2, 4) for i in range(21)]  # of scores from 0 to 10: finer where throttles of odds lie


def figures_of_run(run: Run, scores: ibis.Table, p: Params) -> dict[str, Rows]:
    """The points of each figure by its name; `scores` are the filter's."""
    answers = {VANILLA: run.vanilla_answers, TUNED: run.tuned_answers}
    return {
        "size": size(run, p.models),
        "confusion": confusion(answers, p.question.definition),
        "reliability": reliability(answers),
        "precision_recall": precision_recall(answers),
        "scores": histogram(scores, p.filter.throttles),
    }


def size(run: Run, models: Mapping[str, Model]) -> Rows:
    """Precision and F1 against model size (paper, Figure 4), in percent with 95% bounds; floors have no size."""
    return [
        {"score": label, "state": state, "model": name, "parameters": models[name].size if name in models else None}
        | {
            end: round(100 * scores[f"{key}{rest}"], 2)
            for end, rest in (("value", ""), ("low", "_low"), ("high", "_high"))
        }
        for key, label in (("precision", "precision"), ("f1", "F1 score"))
        for state, scores_by_model in ((VANILLA, run.vanilla), (TUNED, run.tuned), ("floor", run.floors))
        for name, scores in scores_by_model.items()
    ]


def confusion(answers_by_state: Mapping[str, Answers], question: Definition) -> Rows:
    """How many items with each label got each answer that occurs, and that as a share of the label."""
    occurring = {row["answer"] for _state, _model, rows in _each(answers_by_state) for row in rows}
    points = []
    for state, model, rows in _each(answers_by_state):
        for label in (POSITIVE, NEGATIVE):
            counts = Counter(row["answer"] for row in rows if row["label"] == (label == POSITIVE))
            points += [
                {"state": state, "model": model, "label": question.words(label), "answer": question.words(answer)}
                | {"items": counts[answer]}
                | {"share": round(counts[answer] / max(counts.total(), 1), 4)}
                for answer in ANSWERS
                if answer in occurring
            ]
    return points


def reliability(answers_by_state: Mapping[str, Answers]) -> Rows:
    """Of items with about the same probability of positive, how many are: mean probability, share, 95% bounds (Wilson)
    and n of each bin that holds any. Answers without log-probabilities are left out.
    """
    points = []
    for state, model, rows in _each(answers_by_state):
        with_probability = [row for row in rows if has_probability(row)]
        probabilities = np.array([share_of_positive(row) for row in with_probability])
        truth = np.array([row["label"] for row in with_probability])
        bins = np.minimum((probabilities * BINS).astype(int), BINS - 1)
        for bin in sorted(set(bins.tolist())):
            in_bin = bins == bin
            low, high = wilson(int(truth[in_bin].sum()), int(in_bin.sum()))
            points.append(
                {"state": state, "model": model, "probability": round(float(probabilities[in_bin].mean()), 4)}
                | {"positive": round(float(truth[in_bin].mean()), 4), "low": round(low, 4), "high": round(high, 4)}
                | {"items": int(in_bin.sum())}
            )
    return points


def precision_recall(answers_by_state: Mapping[str, Answers]) -> Rows:
    """The best precision at each level of recall or above it (interpolated), over all thresholds of the odds."""
    from sklearn.metrics import precision_recall_curve

    points = []
    for state, model, rows in _each(answers_by_state):
        truth = [row["label"] for row in rows]
        precision, recall, _ = precision_recall_curve(truth, [log_odds_of(row) for row in rows])
        for level in np.linspace(0, 1, LEVELS + 1):
            best = float(precision[recall >= level - 1e-9].max())
            points.append(
                {"state": state, "model": model, "recall": round(float(level), 4), "precision": round(best, 4)}
            )
    return points


def histogram(scores: ibis.Table, throttles: Mapping[str, float]) -> Rows:
    """How many turns each scorer gave a score from `low` to below `high` (10 itself in the last), and its throttle."""
    points = []
    for scorer, throttle in throttles.items():
        of_scorer = scores.filter(scores.scorer == scorer, scores.score.notnull())
        counts, _ = np.histogram(of_scorer.score.execute(), EDGES)
        points += [
            {"scorer": scorer, "low": low, "high": high, "turns": turns, "throttle": throttle}
            for low, high, turns in zip(EDGES, EDGES[1:], counts.tolist(), strict=False)
        ]
    return points


def _each(answers_by_state: Mapping[str, Answers]) -> list[tuple[str, str, Rows]]:
    return [(state, model, rows) for state, answers in answers_by_state.items() for model, rows in answers.items()]
