"""Table 1 and Table 2 (paper, sections 2 and 4), as rows and as Markdown."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from stages.judging.bootstrap import bootstrap_scores, bounds
from stages.judging.metrics import Floats
from stages.judging.predictions import answers_of_seeds
from stages.pipeline.definition import POSITIVE
from stages.pipeline.markdown import in_percent, markdown_table, percent, plural
from stages.pipeline.params import Model, Params
from stages.reporting.few_labels import TOO_FEW, few_labels_in_words, has_few_labels
from stages.reporting.run import Answers, Rows, Run, Scores

BOUNDED = {"precision": "Precision (%)", "f1": "F1 score (%)", "recall": "Recall (%)", "accuracy": "Accuracy (%)"}
MODEL, REFERENCE, FLOOR = "model", "for reference", "floor"
OVER_SEEDS = ("seeds", "f1_least", "f1_most", "f1_of_mean")  # what the scores of trainings with several seeds have


def kind(name: str, models: Mapping[str, Model]) -> str:
    """What a row of a table is: a model, a mixture of experts, or a floor."""
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
    gains = {}
    for name, predictions in after.items():
        added = resampled_f1(predictions, resamples, seed) - resampled_f1(before[name], resamples, seed)
        low, high = bounds(100 * added).round(2).tolist()
        gains[name] = {"improvement_low": low, "improvement_high": high}
    return gains


def resampled_f1(predictions: Rows, resamples: int, seed: int) -> Floats:
    """F1 of bootstrap resamples of the items, [resamples]; with several seeds of training their mean."""
    answers = np.array([answers_of_seeds(row) for row in predictions]).T
    truth = np.array([row["label"] for row in predictions])
    no_ranking = np.zeros(answers.shape)  # which F1 doesn't look at
    return bootstrap_scores(answers, no_ranking, truth, resamples, seed).resampled["f1"].mean(1)


def table_2(run: Run, gains: Mapping[str, dict[str, float]], models: Mapping[str, Model]) -> Rows:
    """Tuned models and floors: F1, its improvement on the vanilla model in points, and recall before and after."""
    return [
        {
            "model": name,
            "kind": kind(name, models),
            "n": scores["n"],
            "improvement": improvement(scores["f1"], run.vanilla[name]["f1"]),
            "recall_before": run.vanilla[name]["recall"],
            "recall_after": scores["recall"],
        }
        | gains[name]
        | with_bounds(scores, "f1")
        | {key: scores[key] for key in OVER_SEEDS if key in scores}
        for name, scores in run.tuned.items()
    ] + [
        {"model": name, "kind": FLOOR, "n": scores["n"], "recall_after": scores["recall"]} | with_bounds(scores, "f1")
        for name, scores in run.floors.items()
    ]


def bounded(scores: Scores, name: str) -> str:
    """A score of a metrics file with its bounds, as in 80.40 (74.23 to 85.59)."""
    return in_percent(scores[name], scores[f"{name}_low"], scores[f"{name}_high"])


def f1_over_seeds(scores: Scores) -> str:
    """As in 80.40 (74.23 to 85.59), in percent; with more than one seed the least and the largest too."""
    seeds = f"; seeds {100 * scores['f1_least']:.2f} to {100 * scores['f1_most']:.2f}" if has_seeds(scores) else ""
    return in_percent(scores["f1"], scores["f1_low"], scores["f1_high"], seeds)


def has_seeds(scores: Scores) -> bool:
    """Whether scores are means over several seeds of training."""
    return scores.get("seeds", 1) > 1


def seeds_in_words(rows: Rows) -> str:
    """What the scores of Table 2 are where its models were trained with several seeds; nothing where they weren't."""
    trained = [row for row in rows if has_seeds(row)]
    if not trained:
        return ""
    of_means = ", ".join(f"{percent(row['f1_of_mean'])} ({row['model']})" for row in trained)
    return (
        f"\nScores of tuned models are means over {trained[0]['seeds']} seeds of training; the least and the largest"
        " F1 stand behind the bounds. The law and the figures of answers judge each item's mean probability over the"
        f" seeds, whose F1 (%) is {of_means}.\n"
    )


def tables_of_run(run: Run, p: Params) -> dict[str, Rows]:
    """Table 1 and Table 2 as rows."""
    gains = improvements(run.vanilla_answers, run.tuned_answers, p.evaluate.bootstrap, p.seed)
    return {"table_1": table_1(run.vanilla, run.floors, p.models), "table_2": table_2(run, gains, p.models)}


def tables_in_markdown(tables: Mapping[str, Rows], run: Run, p: Params) -> str:
    """Both tables, with what their numbers are of, or why they have none."""
    first, question = next(iter(run.vanilla.values())), p.question.definition
    items = (
        f"n = {plural(first['n'], 'item')} of {p.evaluate.split}, {percent(first['positive_share'])}% of them"
        f" {question.words(POSITIVE)};"
        " 95% bounds by bootstrap, by Wilson where all resamples have one score, of improvements by paired bootstrap."
        " In bold: the best model. In italics: floors, which learn in seconds or not at all."
    )
    few = has_few_labels(first)
    return (
        f"{few_labels_in_words(p.evaluate.split, first, question) if few else items}\n\n"
        f"**Table 1.** Vanilla models.\n\n{markdown_1(tables['table_1'], few)}\n\n"
        f"**Table 2.** Tuned models.\n\n{markdown_2(tables['table_2'], few)}\n"
        f"{'' if few else seeds_in_words(tables['table_2']) + floors_in_words(tables['table_2'])}"
    )


def floors_in_words(rows: Rows) -> str:
    """Which tuned models are no better than a floor, in a sentence; nothing where all are better."""
    best = max((row for row in rows if row["kind"] == FLOOR), key=lambda row: row["f1"], default=None)
    if best is None:
        return ""
    names = [row["model"] for row in rows if row["kind"] == MODEL and row["f1"] <= best["f1"]]
    return f"\nTuning {', '.join(names)} brought no higher F1 than {best['model']} has.\n" if names else ""


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
            bold(f1_over_seeds(row), row, rows, "f1"),
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
