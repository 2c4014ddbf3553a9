"""How good the question filter is, on labelled turns (paper, section 2, "Filter")."""

from collections.abc import Mapping, Sequence
from typing import Any

import ibis
import numpy as np
from ibis import _

from stages.judging.metrics import DIGITS, proportion
from stages.pipeline.params import Filter, Scorer

THRESHOLDS = [0, 0.02, 0.05, 0.1, 0.2, 0.5, *range(1, 11)]
Turn = Mapping[str, Any]  # a turn with each scorer's score, None where it has none, and the `reason` of its reject
Questions = Mapping[int, bool]  # whether a labelled turn is a question, by id


def filter_quality(
    turns: Mapping[int, Turn], questions: Questions, scorers: Sequence[Scorer], p: Filter
) -> dict[str, float]:
    """Precision and recall of each scorer on what reached it, and of the whole filter, over labelled turns, which are
    a random sample.
    """
    inquiries = {id for id, turn in turns.items() if turn["reason"] is None}
    question_ids = {id for id in turns if questions[id]}
    quality: dict[str, float] = {"labelled_kept": len(inquiries), "labelled_rejected": len(turns) - len(inquiries)}
    ids = set(turns)
    for scorer in scorers:
        passing_ids = {id for id in ids if _passes(turns[id][scorer.name], p.throttles[scorer.name])}
        quality |= proportion(f"{scorer.name}_precision", len(passing_ids & question_ids), len(passing_ids))
        quality |= proportion(f"{scorer.name}_recall", len(passing_ids & question_ids), len(ids & question_ids))
        ids = passing_ids
    quality |= proportion("precision", len(inquiries & question_ids), len(inquiries))
    quality |= proportion("recall", len(inquiries & question_ids), len(question_ids))
    return quality


def threshold_sweep(
    scores: ibis.Table, turns: Mapping[int, Turn], questions: Questions, scorers: Sequence[Scorer]
) -> list[dict[str, Any]]:
    """The share that each scorer would keep of the turns that it rated, and how good that would be, by threshold."""
    points = []
    for scorer in scorers:
        rated = scores.filter(scores.scorer == scorer.name, _.score.notnull()).score.execute().to_numpy()
        labelled = {id: turn[scorer.name] for id, turn in turns.items() if turn[scorer.name] is not None}
        all_questions = sum(questions[id] for id in labelled)
        for threshold in THRESHOLDS:
            hits = [questions[id] for id, score in labelled.items() if score >= threshold]
            shares = {
                "kept": (int(np.sum(rated >= threshold)), len(rated)),
                "recall": (sum(hits), all_questions),
                "precision": (sum(hits), len(hits)),
            }
            points += [
                {"scorer": scorer.name, "throttle": threshold, "measure": measure, "share": round(part / n, DIGITS)}
                for measure, (part, n) in shares.items()
                if n
            ]
    return points


def _passes(score: float | None, threshold: float) -> bool:
    return score is not None and score >= threshold
