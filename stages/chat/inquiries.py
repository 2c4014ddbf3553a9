"""Inquiries: the turns that the question is asked of, each with the turns before it (paper, section 2, "Filter"). They
are those that ask something, or a random sample of all.
"""

from collections import Counter
from collections.abc import Collection, Iterator
from pathlib import Path

import click
import ibis
from ibis import _

from stages.pipeline.params import Params
from stages.pipeline.schemas import Inquiry, Reject
from stages.pipeline.tables import count_reasons, rows, split_by_group, write
from stages.pipeline.temporary import temporary_folder

PART_CHARACTERS = 2**28  # of turns that windows are cut from at a time


def sample_ids(turns: ibis.Table, labelled_ids: Collection[int], p: Params) -> list[int]:
    """The ids of the turns that a question of turns is asked of: the first `filter.sample`, a random sample, since ids
    are hashes, and all that have a label, which stay when the log grows.
    """
    first = turns.select("id").order_by("id").limit(p.filter.sample)
    labelled = turns.select("id").filter(_.id.isin(list(labelled_ids)))
    return sorted({row["id"] for table in (first, labelled) for row in rows(table)})


def sample_turns(turns: ibis.Table, ids: Collection[int]) -> ibis.Table:
    """Turns without their text; the `reason` of those that aren't among `ids` is not_in_sample."""
    return turns.select("id", "messages", reason=ibis.cases((~_.id.isin(list(ids)), "not_in_sample")))


def filter_turns(turns: ibis.Table, scores: ibis.Table, p: Params) -> ibis.Table:
    """Turns without their text, with each scorer's score and the `reason` why one is no inquiry: the first scorer that
    it fell at, or its length; null for an inquiry.
    """
    scored_turns = turns.select("id", "messages", chars=_.text.length())
    falls = []
    for scorer in p.score.scorers:
        name = scorer.name
        of_scorer = scores.filter(scores.scorer == name).select(
            "id", _.score.name(name), _.no_answer.name(f"no_{name}")
        )
        scored_turns = scored_turns.left_join(of_scorer, "id").drop("id_right")
        no_answer = _[f"no_{name}"].fill_null("unreadable")
        falls += [(_[name].isnull(), no_answer + f"_{name}"), (_[name] < p.filter.throttles[name], f"not_{name}")]
    return scored_turns.mutate(reason=ibis.cases(*falls, (_.chars < p.filter.min_chars, "too_short")))


def windows(turns: ibis.Table, size: int) -> ibis.Table:
    """The turns that are kept, with `cr_window`: up to `size` turns before each in its group, oldest first.

    Lags, since they are far faster than a list collected over each turn's window.
    """
    turn = ibis.struct({"sender": _.sender, "text": _.text, "timestamp": _.timestamp})
    before = ibis.window(group_by="group", order_by="position")
    lags = {f"before_{n}": _.turn.lag(n).over(before) for n in range(size, 0, -1)}
    return (
        turns.mutate(turn=turn)
        .mutate(**lags)
        .filter(_.is_inquiry)
        .mutate(cr_window=ibis.array([_[name] for name in lags]).filter(lambda turn: turn.notnull()))
        .drop("turn", "is_inquiry", *lags)
    )


def inquiries_of(turns: ibis.Table, inquiry_turns: ibis.Table, p: Params, folder: Path) -> Iterator[ibis.Table]:
    """The inquiries with their windows, empty ones for a question without history, in parts, one after the other, cut
    from a copy in `folder`.
    """
    question = p.question.definition
    turns_with_mark = turns.left_join(inquiry_turns.select("id", is_inquiry=ibis.literal(True)), "id").drop("id_right")
    scorers = p.score.scorers if question.asked_of == "inquiries" else []
    passed = {scorer.name: ibis.literal(True) for scorer in scorers}
    for part in split_by_group(turns_with_mark, folder, PART_CHARACTERS):
        inquiries = windows(part, p.filter.window).mutate(**passed)
        yield inquiries if question.history else inquiries.mutate(cr_window=_.cr_window[:0])


def write_filtered(
    turns: ibis.Table, turns_with_reason: ibis.Table, inquiries: str | Path, rejects: str | Path, p: Params
) -> Counter[str]:
    """Write the inquiries with their windows, and the other turns with their reasons, which are counted.

    Raises click.ClickException where a turn is in no table or in two.
    """
    other_turns = turns_with_reason.filter(_.reason.notnull())
    reject_count = write(rejects, other_turns.select("id", "reason", at=ibis.null("string")), Reject)
    with temporary_folder() as folder:
        parts = inquiries_of(turns, turns_with_reason.filter(_.reason.isnull()), p, folder)
        inquiry_count = write(inquiries, parts, Inquiry)
    turn_count = turns.count().execute()
    if inquiry_count + reject_count != turn_count:
        raise click.ClickException(
            f"of {turn_count} turns {inquiry_count} are inquiries and {reject_count} are not: one was lost or doubled"
        )
    return count_reasons(other_turns)
