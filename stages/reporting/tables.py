"""Table 1 and Table 2 (paper, sections 2 and 4), as rows and as Markdown."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from stages.judging.bootstrap import bootstrap_scores, bounds
from stages.judging.predictions import log_odds_of
from stages.pipeline.markdown import in_percent, markdown_table, percent, plural
from stages.pipeline.params import Model, Params
from stages.reporting.few_labels import TOO_FEW, few_labels_in_words, has_few_labels
from stages.reporting.run import Answers, Rows, Run, Scores

BOUNDED = {"precision": "Precision (%)", "f1": "F1 score (%)", "recall": "Recall (%)", "accuracy": "Accuracy (%)"}
MODEL, REFERENCE, FLOOR = "model", "for reference", "floor"


def kind(name: str, models: Mapping[str, Model]) -> str:
    """What a row of a table is: a model, a mixture of experts, or a floor that needs no language model."""
    if name not in models:
        return FLOOR
    return REFERENCE if models[name].moe else MODEL


def with_bounds(scores: Scores, *names: str) -> dict[str, Any]:
    """These scores with their bounds."""
    return {f"{name}{end}": scores[f"{name}{end}"] for name in names for end in ("", "_low", "_high")}


def table_1(baseline: Mapping[str, Scores], floors: Mapping[str, Scores], models: Mapping[str, Model]) -> Rows:
    """Vanilla models and floors: each score with its bounds, n, and the largest share of one letter."""
    return [
        {"model": name, "kind": kind(name, models), "n": scores["n"], "letter_share": scores.get("letter_share")}
        | with_bounds(scores, *BOUNDED)
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
    answers = [before[name] for name in names] + [after[name] for name in names]
    resampled = bootstrap_scores(
        np.array([[row["answer"] for row in rows] for rows in answers]),
        np.array([[log_odds_of(row) for row in rows] for rows in answers]),
        np.array([row["cr_need_gt"] for row in answers[0]]),
        resamples,
        seed,
    ).resampled["f1"]
    gains = 100 * (resampled[:, len(names) :] - resampled[:, : len(names)])
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
        | with_bounds(scores, "f1")
        for name, scores in tuned.items()
    ] + [
        {"model": name, "kind": FLOOR, "n": scores["n"], "recall_after": scores["recall"]} | with_bounds(scores, "f1")
        for name, scores in floors.items()
    ]


def bounded(scores: Scores, name: str) -> str:
    """A score of a metrics file with its bounds, as in 80.40 (74.23 to 85.59)."""
    return in_percent(scores[name], scores[f"{name}_low"], scores[f"{name}_high"])


def f1_over_seeds(scores: Scores) -> str:
    """As in 80.40 (74.23 to 85.59), in percent; with more than one seed the least and the largest too."""
    seeds = f"; seeds {100 * scores['f1_least']:.2f} to {100 * scores['f1_most']:.2f}" if scores["seeds"] > 1 else ""
    return in_percent(scores["f1"], scores["f1_low"], scores["f1_high"], seeds)


def tables_of_run(run: Run, p: Params) -> dict[str, Rows]:
    """Table 1 and Table 2 as rows."""
    gains = improvements(run.vanilla_answers, run.tuned_answers, p.evaluate.bootstrap, p.seed)
    return {
        "table_1": table_1(run.vanilla, run.floors, p.models),
        "table_2": table_2(run.vanilla, run.tuned, gains, run.floors, p.models),
    }


def tables_in_markdown(tables: Mapping[str, Rows], run: Run, p: Params) -> str:
    """Both tables, with what their numbers are of, or why they have none."""
    first = next(iter(run.vanilla.values()))
    items = (
        f"n = {plural(first['n'], 'item')} of {p.evaluate.split}, {percent(first['needed_share'])}% of them needed;"
        " 95% bounds by bootstrap, by Wilson where all resamples have one score, of improvements by paired bootstrap."
        " In bold: the best model. In italics: what needs no language model."
    )
    few = has_few_labels(first)
    return (
        f"{few_labels_in_words(p.evaluate.split, first) if few else items}\n\n"
        f"**Table 1.** Vanilla models.\n\n{markdown_1(tables['table_1'], few)}\n\n"
        f"**Table 2.** Tuned models.\n\n{markdown_2(tables['table_2'], few)}\n"
    )


def shown(row: Scores) -> str:
    """A row's name: floors in italics, a mixture of experts marked."""
    if row["kind"] == FLOOR:
        return f"*{row['model']}*"
    return f"{row['model']} (MoE, for reference)" if row["kind"] == REFERENCE else row["model"]


def bold(cell: str, row: Scores, rows: Rows, name: str) -> str:
    """The cell in bold where its row is the best of the models; floors and what is for reference don't compete. No
    model is the best where all have the same score, or none has any.
    """
    scores = [other[name] for other in rows if other["kind"] == MODEL]
    is_best = row["kind"] == MODEL and row[name] == max(scores) > max(0, min(scores))
    return f"**{cell}**" if is_best else cell


def gain(row: Scores) -> str:
    if "improvement" not in row:
        return ""
    low, high = row["improvement_low"], row["improvement_high"]
    return f"{row['improvement']:+.2f} ({low:+.2f} to {high:+.2f})"


def markdown_1(rows: Rows, few: bool = False) -> str:
    """Table 1; with too few items of a label it has no scores."""
    lines = []
    for row in rows:
        scores = [TOO_FEW if few else bold(bounded(row, name), row, rows, name) for name in BOUNDED]
        lines.append([shown(row), *scores, str(row["n"]), percent(row["letter_share"])])
    return markdown_table(["Model", *BOUNDED.values(), "n", "one letter (%)"], lines)


def markdown_2(rows: Rows, few: bool = False) -> str:
    """Table 2; with too few items of a label it has no scores."""
    lines = []
    for row in rows:
        scores = [
            bold(bounded(row, "f1"), row, rows, "f1"),
            gain(row),
            percent(row.get("recall_before")),
            percent(row["recall_after"]),
        ]
        if few:
            scores = [TOO_FEW if score else "" for score in scores]
        lines.append([shown(row), *scores, str(row["n"])])
    return markdown_table(
        ["Model", "F1 score (%)", "improvement (points)", "recall (%) before", "recall (%) after", "n"], lines
    )
