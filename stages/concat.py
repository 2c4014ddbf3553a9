"""Join what one person sent in a row into one turn (paper, section 2, "Concat").

python -m stages.concat data/messages.jsonl data/turns.jsonl metrics/concat.json
"""

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import click
import ibis
from ibis import _

from stages.params import params
from stages.schemas import Message, Turn
from stages.tables import compute_on, hold, parts, read, write, write_json

PART = 2**28  # characters of messages that are joined at a time
TURNS = 500_000  # of one group that are joined at a time


def numbered(messages: ibis.Table, gap_seconds: int) -> ibis.Table:
    """Messages with the number of their `turn` in the group: one sender, no pause of `gap_seconds`."""
    before = ibis.window(group_by="group", order_by="position")
    upto = ibis.cumulative_window(group_by="group", order_by="position")
    starts = (_.sender != _.sender.lag().over(before)) | (_.timestamp - _.timestamp.lag().over(before) >= gap_seconds)
    return messages.mutate(starts=starts.fill_null(True)).mutate(turn=_.starts.cast("int64").sum().over(upto))


def joined(messages: ibis.Table) -> ibis.Table:
    """Numbered messages to turns: id, position and timestamp of the first message, the texts joined by newlines."""
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
    """The turns of messages in parts, one after the other, cut from a copy in `folder`."""
    for part in parts(messages, folder, PART):
        said = hold(numbered(part, gap_seconds))
        blocks = range(int(said.turn.max().execute() or 0) // TURNS + 1)
        yield ibis.union(*[hold(joined(said.filter(_.turn // TURNS == block))) for block in blocks])


@click.command(help=__doc__)
@click.argument("messages", type=click.Path())
@click.argument("turns", type=click.Path())
@click.argument("metrics", type=click.Path())
def main(messages: str, turns: str, metrics: str) -> None:
    p = params()
    compute_on(p.backend)
    table = read(messages, Message)
    with TemporaryDirectory() as folder:
        count = write(turns, turns_of(table, p.concat.gap_seconds, Path(folder)), Turn)
    said = table.count().execute()
    kept = read(turns, Turn).messages.sum().execute()
    if kept != said:
        raise click.ClickException(
            f"{said} messages went in and {kept} came out in turns: a message was lost or doubled"
        )
    write_json(metrics, {"messages": int(said), "turns": int(count), "messages_per_turn": round(said / count, 4)})


if __name__ == "__main__":
    main()
