"""Join what one person sent in a row into one turn (paper, section 2, "Concat").

python -m stages.concat data/messages.jsonl data/turns.jsonl metrics/concat.json
"""

from pathlib import Path
from tempfile import TemporaryDirectory

import click
import ibis
from ibis import _

from stages.params import params
from stages.schemas import Message, Turn
from stages.tables import buckets, compute_on, hold, read, write, write_json

PART = 2**28  # bytes of messages that are joined at a time


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


@click.command(help=__doc__)
@click.argument("messages", type=click.Path())
@click.argument("turns", type=click.Path())
@click.argument("metrics", type=click.Path())
def main(messages: str, turns: str, metrics: str) -> None:
    p = params()
    compute_on(p.backend)
    table = read(messages, Message)
    with TemporaryDirectory() as folder:
        parts = buckets(numbered(table, p.concat.gap_seconds), messages, Path(folder), PART, by="turn")
        count = write(turns, ibis.union(*[hold(joined(part)) for part in parts]), Turn)
    said = table.count().execute()
    kept = read(turns, Turn).messages.sum().execute()
    if kept != said:
        raise click.ClickException(
            f"{said} messages went in and {kept} came out in turns: a message was lost or doubled"
        )
    write_json(metrics, {"messages": int(said), "turns": int(count), "messages_per_turn": round(said / count, 4)})


if __name__ == "__main__":
    main()
