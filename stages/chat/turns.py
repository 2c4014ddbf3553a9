"""Turns: what one person sent in a row, as one (paper, section 2, "Concat")."""

from collections.abc import Iterator
from pathlib import Path

import click
import ibis
from ibis import _

from stages.pipeline.tables import materialize, split_by_group

PART_CHARACTERS = 2**28  # of messages that are joined at a time
PART_TURNS = 500_000  # of one group that are joined at a time


def numbered(messages: ibis.Table, gap_seconds: int) -> ibis.Table:
    """Messages with the number of their `turn` in the group: a turn has one sender and no pause of `gap_seconds`."""
    in_order = ibis.window(group_by="group", order_by="position")
    so_far = ibis.cumulative_window(group_by="group", order_by="position")
    other_sender = _.sender != _.sender.lag().over(in_order)
    after_pause = _.timestamp - _.timestamp.lag().over(in_order) >= gap_seconds
    starts_turn = (other_sender | after_pause).fill_null(True)
    return messages.mutate(starts_turn=starts_turn).mutate(turn=_.starts_turn.cast("int64").sum().over(so_far))


def joined(messages: ibis.Table) -> ibis.Table:
    """The turns of numbered messages: id, position and timestamp of the first, the texts joined by newlines."""
    part = ibis.struct({"position": _.position, "id": _.id, "timestamp": _.timestamp, "text": _.text})
    return (
        messages.mutate(part=part)
        .group_by("group", "turn")
        .agg(sender=_.sender.max(), messages=_.count(), parts=_.part.collect())
        .mutate(parts=_.parts.sort())  # collect, then sort: Spark has no ordered aggregates
        .mutate(
            id=_.parts[0].id,
            position=_.parts[0].position,
            timestamp=_.parts[0].timestamp,
            text=_.parts.map(lambda part: part.text).join("\n"),
        )
        .drop("parts", "turn")
    )


def turns_of(messages: ibis.Table, gap_seconds: int, folder: Path) -> Iterator[ibis.Table]:
    """The turns of messages, in parts that fit into memory; `folder` takes a copy of the messages."""
    for part in split_by_group(messages, folder, PART_CHARACTERS):
        numbered_part = materialize(numbered(part, gap_seconds))
        last_turn = int(numbered_part.turn.max().execute() or 0)
        blocks = [numbered_part.filter(_.turn // PART_TURNS == block) for block in range(last_turn // PART_TURNS + 1)]
        yield ibis.union(*[materialize(joined(block)) for block in blocks])


def check_turns(turns: ibis.Table, message_count: int) -> None:
    """Raises click.ClickException where the turns don't hold as many messages as there are."""
    messages_in_turns = turns.messages.sum().execute()
    if messages_in_turns != message_count:
        raise click.ClickException(
            f"{message_count} messages went in and {messages_in_turns} came out in turns: one was lost or doubled"
        )
