"""What reports say where too few items of a label were evaluated: no score says anything then."""

from collections.abc import Mapping
from typing import Any

from stages.judging.metrics import FEWEST, too_few
from stages.pipeline.definition import NEGATIVE, POSITIVE, Definition
from stages.pipeline.markdown import plural

TOO_FEW = "too few"  # in the place of a score
LABEL_MORE = "label more items, in a random order (not with `--in-order`)"


def positive_count(counts: Mapping[str, Any]) -> int:
    """How many items are positive, by the metrics of a model or of a split."""
    return round(counts["positive_share"] * counts["n"])


def has_few_labels(counts: Mapping[str, Any]) -> bool:
    """Whether a model's scores, or those that a split could give, say nothing."""
    return too_few(positive_count(counts), counts["n"])


def label_counts(positives: int, n: int, question: Definition) -> str:
    """As in 2 items with the label needed and 6 not needed, fewer than 20 of a label."""
    negatives = f"{n - positives} {question.words(NEGATIVE)}"
    of_labels = f"{plural(positives, 'item')} with the label {question.words(POSITIVE)} and {negatives}"
    return f"{of_labels}, fewer than {FEWEST} of a label"


def few_labels_in_words(split: str, counts: Mapping[str, Any], question: Definition) -> str:
    """Why the scores of a split say nothing, and what to do."""
    share = f", or raise `export.{split}` in params.yaml" if split in ("dev", "test") else ""
    counts_in_words = label_counts(positive_count(counts), counts["n"], question)
    return f"Nothing can be read off scores of {split}: it has {counts_in_words}. {LABEL_MORE.capitalize()}{share}."
