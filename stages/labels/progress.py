"""How far the labels are: how well readers do with them, what more would bring, agreement, and what lies in test."""

from collections.abc import Mapping
from operator import itemgetter
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from stages.judging.hidden_states import read_states
from stages.labels.agreement import agreement_without_adjudicator
from stages.labels.next_items import STATES
from stages.labels.reader_curve import MORE, Estimate, ReaderCurve, missing_labels, reader_curve
from stages.labels.selection import Items
from stages.labels.settling import settle_inquiries
from stages.labels.splitting import assign, has_chosen, sides
from stages.labels.store import ids_chosen_by_readers, load, votes
from stages.pipeline.definition import NEGATIVE, POSITIVE, Definition
from stages.pipeline.params import Params
from stages.pipeline.schemas import CHOSEN_BY_READERS


class Progress(NamedTuple):
    """What is known so far. `labelled` are the inquiries that are settled as positive or negative.

    `curve` is None where labels or hidden states are missing: `missing` has how many of which. `agreement` is that of
    `agreement_without_adjudicator`. `test` has the numbers of positive and negative items.
    """

    question: Definition
    labelled: int
    missing: Mapping[str, int]
    curve: ReaderCurve | None
    agreement: Mapping[str, Any]
    test: Mapping[str, int]


def progress(inquiries: Items, annotations: Path, p: Params) -> Progress:
    """Raises click.ClickException for label files or hidden states that can't be read."""
    question = p.question.definition
    lines = load(annotations, question)
    votes_by_id = votes(lines)
    settlement = settle_inquiries([item["id"] for item in inquiries], votes_by_id, p.annotate, question)
    labels_by_id, chosen_ids = settlement.labels_by_id, ids_chosen_by_readers(lines)
    labelled = [
        item | {"label": labels_by_id[item["id"]], CHOSEN_BY_READERS: item["id"] in chosen_ids}
        for item in sorted(inquiries, key=itemgetter("id"))  # in one order, so that folds are always the same
        if item["id"] in labels_by_id
    ]
    is_random = np.array([not item[CHOSEN_BY_READERS] for item in labelled], dtype=bool)
    truth = np.array([item["label"] for item in labelled], dtype=bool)
    missing = missing_labels(truth[is_random])
    states = read_states(STATES) if STATES.exists() and not any(missing.values()) else None
    has_states = states is not None and states.has(labelled)  # those of another question have not
    curve = reader_curve(labelled, is_random, states, p.seed) if states and has_states else None
    agreement = agreement_without_adjudicator(settlement.votes_by_id, p)
    return Progress(question, len(labelled), missing, curve, agreement, test_counts(labelled, inquiries, p))


def test_counts(labelled: Items, inquiries: Items, p: Params) -> dict[str, int]:
    """How many positive and negative items lie in test, as export would split them now."""
    divided = inquiries if has_chosen(labelled) else labelled
    split_by_id, _ = assign(labelled, sides(divided, p.export) if divided else {})
    in_test = [item["label"] for item in labelled if split_by_id.get(item["id"]) == "test"]
    return {POSITIVE: sum(in_test), NEGATIVE: len(in_test) - sum(in_test)}


def in_words(progress: Progress) -> str:
    """The progress on one line."""
    return " · ".join(f"{name}: {value}" for name, value in facts(progress).items())


def facts(progress: Progress) -> dict[str, str]:
    """The progress as texts by their headings."""
    texts = {"labelled": f"{progress.labelled:,}", "F1 of the readers": f1_in_words(progress)}
    if progress.curve:
        texts[f"with {MORE} more labels"] = points(progress.curve.gain)
    texts["agreement"] = agreement_in_words(progress.agreement)
    in_test = (f"{count} {progress.question.words(answer)}" for answer, count in progress.test.items())
    return texts | {"in test": ", ".join(in_test)}


def f1_in_words(progress: Progress) -> str:
    """F1 of the readers, or what is missing."""
    if any(progress.missing.values()):
        counts = " and ".join(
            f"{count} {progress.question.words(answer)}" for answer, count in progress.missing.items() if count
        )
        return f"too early, {counts} are missing among random {progress.question.asked_of}"
    if progress.curve is None:
        return "not known before dvc repro states"
    return percent(progress.curve.f1, f", n = {progress.curve.n:,}")


def agreement_in_words(agreement: Mapping[str, Any]) -> str:
    if "agreement" not in agreement:
        return "not known, nobody has labelled what another has"
    value, low, high = (agreement[f"agreement{end}"] for end in ("", "_low", "_high"))
    return f"{agreement['statistic']} {value:.2f} ({low:.2f} to {high:.2f}, n = {agreement['n']:,})"


def percent(estimate: Estimate, count: str = "") -> str:
    value, low, high = (f"{100 * number:.0f}" for number in estimate)
    return f"{value}% ({low} to {high}{count})"


def points(gain: Estimate) -> str:
    value, low, high = (f"{100 * number:+.1f}" for number in gain)
    return f"{value} points ({low} to {high})"
