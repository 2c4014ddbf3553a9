"""Table 1 and Table 2 (paper, sections 2 and 4), as rows and as Markdown."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np

from stages.cards.model import bounded
from stages.llm.asking import odds
from stages.params import Model
from stages.scoring import bounds, sample

Rows = list[dict[str, Any]]
Scores = Mapping[str, Any]
Answers = Mapping[str, Rows]  # predictions by model
BOUNDED = {"precision": "Precision (%)", "f1": "F1 score (%)", "recall": "Recall (%)", "accuracy": "Accuracy (%)"}
MODEL, REFERENCE, FLOOR = "model", "for reference", "floor"


def kind(name: str, models: Mapping[str, Model]) -> str:
    """What a row of a table is: a model, a mixture of experts, or a floor that needs no language model."""
    if name not in models:
        return FLOOR
    return REFERENCE if models[name].moe else MODEL


def kept(scores: Scores, *names: str) -> dict[str, Any]:
    """These scores with their bounds."""
    return {f"{name}{end}": scores[f"{name}{end}"] for name in names for end in ("", "_low", "_high")}


def table_1(baseline: Mapping[str, Scores], floors: Mapping[str, Scores], models: Mapping[str, Model]) -> Rows:
    """Vanilla models and floors: each score with its bounds, n, and the largest share of one letter."""
    return [
        {"model": name, "kind": kind(name, models), "n": scores["n"], "letter_share": scores.get("letter_share")}
        | kept(scores, *BOUNDED)
        for name, scores in (*baseline.items(), *floors.items())
    ]


def improvement(tuned: float, vanilla: float) -> float:
    """The difference of two scores in points, from scores rounded as they are printed (paper, Table 2)."""
    return round(round(100 * tuned, 2) - round(100 * vanilla, 2), 2)


def improvements(before: Answers, after: Answers, resamples: int, seed: int) -> dict[str, dict[str, float]]:
    """95% bounds of what tuning adds to F1, in points, by paired bootstrap: each resample of the items counts for a
    model before and after. Both must hold the same items in the same order.
    """
    if not after:
        return {}
    names = list(after)
    asked = [before[name] for name in names] + [after[name] for name in names]
    drawn = sample(
        np.array([[row["answer"] for row in rows] for rows in asked]),
        np.array([[odds(row) for row in rows] for rows in asked]),
        np.array([row["cr_need_gt"] for row in asked[0]]),
        resamples,
        seed,
    ).drawn["f1"]
    gains = 100 * (drawn[:, len(names) :] - drawn[:, : len(names)])
    return {
        name: {"improvement_low": low, "improvement_high": high}
        for name, (low, high) in zip(names, bounds(gains).T.round(2).tolist(), strict=True)
    }


def table_2(
    baseline: Mapping[str, Scores],
    tuned: Mapping[str, Scores],
    gains: Mapping[str, dict[str, float]],
    floors: Mapping[str, Scores],
    models: Mapping[str, Model],
) -> Rows:
    """Tuned models and floors: F1, its improvement on the vanilla model in points, and recall before and after."""
    return [
        {
            "model": name,
            "kind": kind(name, models),
            "n": scores["n"],
            "improvement": improvement(scores["f1"], baseline[name]["f1"]),
            "recall_before": baseline[name]["recall"],
            "recall_after": scores["recall"],
        }
        | gains[name]
        | kept(scores, "f1")
        for name, scores in tuned.items()
    ] + [
        {"model": name, "kind": FLOOR, "n": scores["n"], "recall_after": scores["recall"]} | kept(scores, "f1")
        for name, scores in floors.items()
    ]


def percent(value: float | None) -> str:
    """As in the paper: percent with two digits. Nothing for nothing."""
    return "" if value is None else f"{100 * value:.2f}"


def shown(row: Scores) -> str:
    """A row's name: floors in italics, a mixture of experts marked."""
    if row["kind"] == FLOOR:
        return f"*{row['model']}*"
    return f"{row['model']} (MoE, for reference)" if row["kind"] == REFERENCE else row["model"]


def line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def markdown(head: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    return "\n".join([line(head), "|---" * len(head) + "|", *map(line, lines)])


def bold(cell: str, row: Scores, rows: Rows, name: str) -> str:
    """The cell in bold where its row is the best of the models; floors and what is for reference don't compete."""
    best = max((other[name] for other in rows if other["kind"] == MODEL), default=None)
    return f"**{cell}**" if row["kind"] == MODEL and row[name] == best else cell


def gain(row: Scores) -> str:
    if "improvement" not in row:
        return ""
    low, high = row["improvement_low"], row["improvement_high"]
    return f"{row['improvement']:+.2f} ({low:+.2f} to {high:+.2f})"


def markdown_1(rows: Rows) -> str:
    lines = [
        [
            shown(row),
            *(bold(bounded(row, name), row, rows, name) for name in BOUNDED),
            str(row["n"]),
            percent(row["letter_share"]),
        ]
        for row in rows
    ]
    return markdown(["Model", *BOUNDED.values(), "n", "one letter (%)"], lines)


def markdown_2(rows: Rows) -> str:
    lines = [
        [
            shown(row),
            bold(bounded(row, "f1"), row, rows, "f1"),
            gain(row),
            percent(row.get("recall_before")),
            percent(row["recall_after"]),
            str(row["n"]),
        ]
        for row in rows
    ]
    return markdown(
        ["Model", "F1 score (%)", "improvement (points)", "recall (%) before", "recall (%) after", "n"], lines
    )


def split(answers: Answers, prompt: str, ids: Collection[int]) -> dict[str, Rows]:
    """The predictions for one prompt and the items of a split, by id."""
    return {
        name: sorted((row for row in rows if row["prompt"] == prompt and row["id"] in ids), key=lambda row: row["id"])
        for name, rows in answers.items()
    }
