"""Models before and after a change: precision, recall and F1, and whether the difference is beyond chance."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from stages.judging.metrics import too_few, weighted_scores
from stages.judging.predictions import log_odds_of
from stages.pipeline.markdown import percent
from stages.reporting.few_labels import TOO_FEW, has_few_labels
from stages.reporting.run import Rows, Scores

SCORES = {"precision": "precision", "recall": "recall", "f1": "F1"}
CHANCE = 0.05


class Comparison(NamedTuple):
    """A model's scores before and after; `moved` says "better" or "worse" of those that moved beyond chance.

    `before` is empty for a new model. `few_labels` says that a side has too few items of a label for any score;
    nothing has `moved` then. `other_answers` and `other_labels` count the items whose answer or label is another than
    before; None where the predictions aren't at hand.
    """

    before: Mapping[str, float]
    after: Mapping[str, float]
    moved: Mapping[str, str]
    n: int
    few_labels: bool
    other_answers: int | None = None
    other_labels: int | None = None

    def in_words(self) -> str:
        if not self.before:
            return "new"
        if self.few_labels:
            return "too few items to say"
        if self.other_answers == 0:
            return "the same answers"
        parts = [
            f"{', '.join(SCORES[name] for name, direction in self.moved.items() if direction == way)} {way}"
            for way in ("better", "worse")
            if way in self.moved.values()
        ]
        return f"**{'; '.join(parts)} beyond chance**" if parts else "within chance"


def compare_answers(before: Rows, after: Rows, resamples: int, seed: int) -> Comparison | None:
    """A model's predictions on the items that both answered, by the labels of `after`; None where there is no such
    item.

    Whether a difference is beyond chance says a paired randomization test (Yeh, 2000): were the change nothing, either
    answer to an item could be the earlier one. A bootstrap would take four changed answers that all improve, which is
    what rounding of another CPU may do, for more than chance.
    """
    before_by_id = {row["id"]: row for row in before}
    pairs = [(before_by_id[row["id"]], row) for row in after if row["id"] in before_by_id]
    if not pairs:
        return None
    answers = np.array([[old["answer"], new["answer"]] for old, new in pairs]).T
    rankings = np.array([[log_odds_of(old), log_odds_of(new)] for old, new in pairs]).T
    truth = np.array([new["label"] for _, new in pairs])
    observed = weighted_scores(answers, rankings, truth, np.ones((1, len(truth))))
    scores = {name: observed[name][0].tolist() for name in SCORES}
    chance = differences_by_chance(answers, rankings, truth, resamples, seed)
    few_labels = too_few(int(truth.sum()), len(truth))
    moved = {}
    for name, (old, new) in scores.items():
        as_large = np.abs(chance[name]) >= abs(new - old) - 1e-12
        if not few_labels and new != old and (1 + as_large.sum()) / (1 + resamples) <= CHANCE:
            moved[name] = "better" if new > old else "worse"
    return Comparison(
        before={name: old for name, (old, _) in scores.items()},
        after={name: new for name, (_, new) in scores.items()},
        moved=moved,
        n=len(pairs),
        few_labels=few_labels,
        other_answers=int((answers[0] != answers[1]).sum()),
        other_labels=sum(old["label"] != new["label"] for old, new in pairs),
    )


def differences_by_chance(
    answers: NDArray[Any], rankings: NDArray[Any], truth: NDArray[Any], resamples: int, seed: int
) -> dict[str, NDArray[Any]]:
    """The differences [resamples] of each score between two sets of answers [2, items] where a coin decides for each
    item which answer belongs to which set.
    """
    swapped = np.random.default_rng(seed).integers(0, 2, (resamples, len(truth)))
    both = answers.reshape(1, -1), rankings.reshape(1, -1), np.tile(truth, 2)  # one set after the other
    old = weighted_scores(*both, np.hstack([1 - swapped, swapped]))
    new = weighted_scores(*both, np.hstack([swapped, 1 - swapped]))
    return {name: (new[name] - old[name])[:, 0] for name in SCORES}


def compare_bounds(before: Scores, after: Scores) -> Comparison:
    """A model's metrics alone: a score moved beyond chance where its bounds before and after don't overlap."""
    few_labels = has_few_labels(before) or has_few_labels(after)
    moved = {}
    for name in () if few_labels else SCORES:
        if after[f"{name}_low"] > before[f"{name}_high"]:
            moved[name] = "better"
        elif after[f"{name}_high"] < before[f"{name}_low"]:
            moved[name] = "worse"
    return Comparison(before, after, moved, after["n"], few_labels)


def new_model(scores: Scores) -> Comparison:
    """The metrics of a model that was not there before."""
    return Comparison({}, scores, {}, scores["n"], has_few_labels(scores))


def comparison_row(model: str, comparison: Comparison) -> list[str]:
    """The cells of a row below COMPARISON_HEAD."""
    sides = [scores for scores in (comparison.before, comparison.after) if scores]
    scores = [" → ".join(percent(side[name]) for side in sides) for name in SCORES]
    if comparison.few_labels:
        scores = [TOO_FEW] * len(SCORES)
    changed = "" if comparison.other_answers is None else str(comparison.other_answers)
    return [model, *scores, str(comparison.n), changed, comparison.in_words()]


COMPARISON_HEAD: Sequence[str] = [
    "model",
    *(f"{name} (%)" for name in SCORES.values()),
    "n",
    "other answers",
    "difference",
]
