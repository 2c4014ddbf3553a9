"""The law's verdict in words, with what to do next (paper, section 2, "Check")."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from stages.judging.bootstrap import BootstrapScores
from stages.judging.ladder import (
    CONFIDENCE,
    HOLDS,
    INCONCLUSIVE,
    MIN_MODELS,
    NO_SIGNAL,
    TOO_FEW_LABELS,
    TOO_FEW_MODELS,
    VIOLATED,
    Ladder,
    has_signal,
    labels_to_change,
)
from stages.judging.metrics import SCORES, too_few
from stages.pipeline.definition import NEGATIVE, POSITIVE, Definition
from stages.pipeline.markdown import in_percent, markdown_table, plural
from stages.reporting.few_labels import LABEL_MORE, TOO_FEW, label_counts

VERDICTS = {
    HOLDS: "holds",
    INCONCLUSIVE: "inconclusive",
    VIOLATED: "violated",
    NO_SIGNAL: "no signal",
    TOO_FEW_MODELS: "too few models",
    TOO_FEW_LABELS: "too few labels",
}
NEXT = {
    HOLDS: "go on with these labels. That the law holds is no proof that every single one is right.",
    INCONCLUSIVE: "more labelled items, or models that differ more in size.",
    VIOLATED: "read what the two biggest models get wrong. Where they are right, label anew; where they"
    " misunderstand the question, revise the prompt or the guideline.",
    NO_SIGNAL: "bigger models, another prompt, `evaluate.permutations: 6`, or the law on the tuned models.",
    TOO_FEW_MODELS: "name more models in `ladder`, and in `finetune` for the law on the tuned models.",
    TOO_FEW_LABELS: f"{LABEL_MORE}. For the law on the tuned models a larger share of the evaluated split helps too,"
    " `export.test` or `export.dev`.",
}


def change_in_points(law: Mapping[str, float], name: str) -> str:
    """As in +1.20 points (95% bounds -0.30 to +2.70)."""
    low, high = 100 * law[f"{name}_low"], 100 * law[f"{name}_high"]
    return f"{100 * law[name]:+.2f} points (95% bounds {low:+.2f} to {high:+.2f})"


def in_brief(law: Mapping[str, Any], question: Definition) -> str:
    """What a verdict rests on, in a line."""
    if law["verdict"] == TOO_FEW_LABELS:
        reason = label_counts(law["positive"], law["n"], question)
    elif law["verdict"] == TOO_FEW_MODELS:
        reason = f"{plural(law['models'], 'dense model')}, and a trend needs {MIN_MODELS}"
    elif law["verdict"] == NO_SIGNAL:
        reason = f"{law['counted']} of {plural(law['models'], 'model')} can tell {both_labels(question)}"
    else:
        reason = f"with each doubling of parameters precision changes by {change_in_points(law, 'slope')}"
    return f"{reason}; n = {law['n']:,}"


def table_rows(ladder: Ladder, scores: BootstrapScores, signals: Sequence[str]) -> list[list[str]]:
    """A row for each model: its size, its scores with their bounds, and its signal; no scores of too few items."""
    rows = []
    for i, (name, signal) in enumerate(zip(ladder.names, signals, strict=True)):
        cells = [in_percent(scores.observed[score][i], *scores.bounds(score)[:, i]) for score in SCORES]
        if too_few(ladder.truth.sum(), len(ladder.truth)):
            cells = [TOO_FEW] * len(SCORES)
        rows.append([name, f"{ladder.sizes[i]:,}", *cells, signal])
    return rows


def verdict_in_words(
    ladder: Ladder,
    scores: BootstrapScores,
    law: Mapping[str, Any],
    max_letter_share: float,
    prompt: str,
    question: Definition,
    reference: Sequence[Sequence[str]] = (),
) -> str:
    """The verdict for a reader: what was found, which pair breaks the law and by how much, what to do next.

    `reference` are rows of the table for models that aren't counted.
    """
    signal = has_signal(ladder, scores, max_letter_share)
    signals = np.where(signal, np.where(scores.observed["auc"] < 0.5, "reversed", "yes"), "none").tolist()
    if law["verdict"] == TOO_FEW_LABELS:
        signals = [TOO_FEW] * len(signals)
    columns = ["model", "parameters", *(f"{name} (%)" for name in SCORES), "signal"]
    paragraphs = [
        f"# The law, prompt {prompt}: {VERDICTS[law['verdict']]}",
        f"n = {plural(law['n'], 'labelled item')}, asked of each model.",
        markdown_table(columns, [*table_rows(ladder, scores, signals), *reference]),
    ]
    if law["verdict"] == TOO_FEW_LABELS:
        counts = label_counts(law["positive"], law["n"], question)
        paragraphs.append(f"Nothing can be read off these models: they were asked {counts}.")
    elif law["verdict"] == TOO_FEW_MODELS:
        paragraphs.append(f"The ladder has {plural(law['models'], 'dense model')}; a trend needs {MIN_MODELS}.")
    elif law["verdict"] == NO_SIGNAL:
        paragraphs.append(missing_signal_in_words(law, max_letter_share, question))
    else:
        paragraphs += trend_in_words(ladder, np.flatnonzero(signal).tolist(), law)
    return "\n\n".join([*paragraphs, f"Next: {NEXT[law['verdict']]}"]) + "\n"


def both_labels(question: Definition) -> str:
    """As in needed from not needed."""
    return f"{question.words(POSITIVE)} from {question.words(NEGATIVE)}"


def missing_signal_in_words(law: Mapping[str, Any], max_letter_share: float, question: Definition) -> str:
    return (
        f"Models that tell {both_labels(question)}: {law['counted']} of {law['models']}. The others give one"
        f" letter more than {max_letter_share:.0%} of the time, or the bounds of their AUC cover 50%. A model that"
        f" always gives one letter scores the share of {question.words(POSITIVE)} items (or 0) whatever the labels, so"
        " it says nothing about them."
    )


def trend_in_words(ladder: Ladder, signal_indices: Sequence[int], law: Mapping[str, Any]) -> list[str]:
    """Paragraphs: the trend over the models with a signal, each step that falls, what decides, and the strict rule."""
    paragraphs = [
        f"With each doubling of parameters precision changes by {change_in_points(law, 'slope')}; it rises in"
        f" {100 * law['slope_increase_probability']:.1f}% of the resamples."
    ]
    for (smaller, bigger), step in zip(pairwise(signal_indices), law["steps"].values(), strict=True):
        if step["step"] <= 0:
            paragraphs.append(fall_in_words(ladder, smaller, bigger, step))
    if law["verdict"] == HOLDS:
        paragraphs.append("The trend rises beyond chance, and no step falls beyond chance.")
    if law["verdict"] == INCONCLUSIVE:
        paragraphs.append("Neither the law nor its violation is beyond chance here.")
    return [*paragraphs, strict_rule_in_words(law)]


def strict_rule_in_words(law: Mapping[str, Any]) -> str:
    """Whether the paper's rule is met, how likely that was, and the items that it takes."""
    if "strictly_rising_items" in law:
        prospect = f"{CONFIDENCE:.0%} of data sets of {plural(law['strictly_rising_items'], 'item')} would"
    else:
        prospect = f"no number of items brings this to {CONFIDENCE:.0%}, because a measured step does not rise"
    met = "met" if law["strictly_rising"] else "not met"
    return (
        f"The paper's strict rule, that precision rises at every step, is {met}."
        f" If the measured precisions were the truth, {100 * law['strictly_rising_probability']:.1f}% of redrawn data"
        f" sets of {plural(law['n'], 'item')} would meet it; {prospect}."
    )


def fall_in_words(ladder: Ladder, smaller: int, bigger: int, step: Mapping[str, float]) -> str:
    """A step between two models at which precision falls, and the labels that would reverse it."""
    fewest = labels_to_change(ladder, smaller, bigger)
    change = f"At least {plural(fewest, 'label')} would have to change" if fewest else "No change of labels is enough"
    return (
        f"From {ladder.names[smaller]} to {ladder.names[bigger]} precision falls, {change_in_points(step, 'step')}; it"
        f" rises in {100 * step['step_increase_probability']:.1f}% of the resamples. {change} to reverse this step."
    )
