"""Join what one person sent in a row into one turn (paper, section 2, "Concat").

python -m stages.concat data/messages.jsonl data/turns.jsonl metrics/concat.json metrics/details/concat.json
"""

import click

from stages.chat.turns import check_turns, turns_of
from stages.pipeline.command import Command
from stages.pipeline.files import write_metrics
from stages.pipeline.params import params
from stages.pipeline.schemas import Message, Turn
from stages.pipeline.tables import compute_on, read, write
from stages.pipeline.temporary import temporary_folder


@click.command(cls=Command, help=__doc__)
@click.argument("messages", type=click.Path())
@click.argument("turns", type=click.Path())
@click.argument("metrics", type=click.Path())
@click.argument("details", type=click.Path())
def main(messages: str, turns: str, metrics: str, details: str) -> None:
    p = params()
    compute_on(p.backend)
    message_table = read(messages, Message)
    with temporary_folder() as folder:
        turn_count = int(write(turns, turns_of(message_table, p.concat.gap_seconds, folder), Turn))
    message_count = int(message_table.count().execute())
    check_turns(read(turns, Turn), message_count)
    messages_per_turn = round(message_count / turn_count, 4)
    counts = {"messages": message_count, "turns": turn_count, "messages_per_turn": messages_per_turn}
    write_metrics(metrics, details, counts, "n=turns")


if __name__ == "__main__":
    main()
