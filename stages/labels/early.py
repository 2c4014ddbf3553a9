"""Inquiries before the stage filter has written them: those among the turns that are scored so far, for labelling
while the scoring of a long log goes on, and random turns, for a question that is asked of turns.

Turns are scored in the order of their ids, and inquiries are labelled in this order. What is labelled early is
therefore what would have come first anyway.
"""

from collections.abc import Collection
from pathlib import Path
from typing import NamedTuple

import click
import ibis
from ibis import _

from stages.chat.inquiries import filter_turns, inquiries_of, sample_ids, sample_turns
from stages.llm.partial_scores import PARTIAL_SCORES, read_partial_scores, scoring_fingerprint
from stages.pipeline.params import Params
from stages.pipeline.schemas import Inquiry, Turn
from stages.pipeline.tables import columns, in_memory, materialize, read
from stages.pipeline.temporary import temporary_folder


class EarlyInquiries(NamedTuple):
    """A table of inquiries, and how many of the log's turns are scored so far."""

    table: ibis.Table
    scored_count: int
    turn_count: int

    def message(self) -> str | None:
        """What an annotator should know; None where all turns are scored."""
        if self.scored_count == self.turn_count:
            return None
        return (
            f"{self.scored_count} of {self.turn_count} turns are scored so far: start again for the inquiries among"
            " the others"
        )


def early_inquiries(inquiries: Path, p: Params) -> EarlyInquiries | None:
    """The inquiries so far, from the turns and the partial scores beside the file `inquiries`. None where this file is
    newer, or has no partial scores of these turns beside it.

    No model is asked, and nothing is written. Raises click.ClickException where there is no inquiry at all, since no
    turn is scored yet.
    """
    turns_file, partial_file = inquiries.with_name("turns.jsonl"), inquiries.with_name(PARTIAL_SCORES)
    asked_of_turns = p.question.definition.asked_of == "turns"  # whose inquiries need no scores
    if asked_of_turns or not turns_file.exists() or not _is_newer(partial_file, inquiries):
        return None
    partial = read_partial_scores(partial_file, scoring_fingerprint(turns_file, p))
    if partial is None or (not partial.turn_count and inquiries.exists()):
        return None
    if not partial.turn_count:
        raise click.ClickException(f"{partial_file}: no turn is scored yet: start again in a minute")
    turns = read(turns_file, Turn)
    scored_turns = turns.filter(_.id <= partial.last_id)
    turns_with_reason = filter_turns(scored_turns, in_memory(partial.scores), p)
    table = _with_windows(turns, turns_with_reason.filter(_.reason.isnull()), p)
    return EarlyInquiries(table, partial.turn_count, turns.count().execute())


def sample_inquiries(turns_file: Path, labelled_ids: Collection[int], p: Params) -> ibis.Table:
    """The turns that a question of turns is asked of, with their windows, from the file of all turns."""
    turns = read(turns_file, Turn)
    sample = sample_turns(turns, sample_ids(turns, labelled_ids, p))
    return _with_windows(turns, sample.filter(_.reason.isnull()), p)


def _with_windows(turns: ibis.Table, inquiry_turns: ibis.Table, p: Params) -> ibis.Table:
    with temporary_folder() as folder:
        parts = inquiries_of(turns, materialize(inquiry_turns), p, folder)
        return materialize(ibis.union(*[part.select(list(columns(Inquiry, part.columns))) for part in parts]))


def _is_newer(file: Path, other: Path) -> bool:
    return file.exists() and (not other.exists() or file.stat().st_mtime_ns > other.stat().st_mtime_ns)
