"""What reports say where too few items of a label were evaluated: no score says anything then."""

from collections.abc import Mapping
from typing import Any

from stages.judging.metrics import FEWEST, too_few
from stages.pipeline.markdown import plural

TOO_FEW = "too few"  # in the place of a score
LABEL_MORE = "label more questions, in a random order (not with `--in-order`)"


def needed_count(counts: Mapping[str, Any]) -> int:
    """How many items are needed, by the metrics of a model or of a split."""
    return round(counts["needed_share"] * counts["n"])


def has_few_labels(counts: Mapping[str, Any]) -> bool:
    """Whether a model's scores, or those that a split could give, say nothing."""
    return too_few(needed_count(counts), counts["n"])


def label_counts(needed: int, n: int) -> str:
    """As in 2 needed items and 6 other items, fewer than 20 of a label."""
    return f"{plural(needed, 'needed item')} and {plural(n - needed, 'other item')}, fewer than {FEWEST} of a label"


def few_labels_in_words(split: str, counts: Mapping[str, Any]) -> str:
    """Why the scores of a split say nothing, and what to do."""
    share = f", or raise `export.{split}` in params.yaml" if split in ("dev", "test") else ""
    return (
        f"Nothing can be read off scores of {split}: it has {label_counts(needed_count(counts), counts['n'])}."
        f" {LABEL_MORE.capitalize()}{share}."
    )
