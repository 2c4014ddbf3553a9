"""Check every table so far against its contract and pass the labelled one on, or name everything that is wrong.

python -m stages.validate data/messages.jsonl data/turns.jsonl data/inquiries.jsonl data/labelled.jsonl
data/valid.jsonl
"""

from itertools import pairwise

import click
import ibis
from ibis import _

from stages.pipeline.command import Command
from stages.pipeline.params import params
from stages.pipeline.schemas import Inquiry, Labelled, Message, Table, Turn
from stages.pipeline.tables import compute_on, failures, materialize, read, refuse, rows, write


def unknown_ids(table: ibis.Table, source: ibis.Table, name: str, source_name: str) -> list[str]:
    """A message for each row whose id is not in the table that it was made from."""
    unknown = rows(table.anti_join(source, "id").select("id").order_by(_.id))
    return [f"{name}: id {row['id']}, id: is not in {source_name}" for row in unknown]


@click.command(cls=Command, help=__doc__)
@click.argument("messages", type=click.Path(exists=True))
@click.argument("turns", type=click.Path(exists=True))
@click.argument("inquiries", type=click.Path(exists=True))
@click.argument("labelled", type=click.Path(exists=True))
@click.argument("valid", type=click.Path())
def main(messages: str, turns: str, inquiries: str, labelled: str, valid: str) -> None:
    compute_on(params().backend)
    models: dict[str, type[Table]] = {messages: Message, turns: Turn, inquiries: Inquiry, labelled: Labelled}
    tables: dict[str, ibis.Table] = {}
    errors: list[str] = []
    for path, model in models.items():
        try:
            tables[path] = read(path, model)
        except click.ClickException as error:
            errors += error.message.splitlines()
        else:
            errors += failures(materialize(tables[path]), model, path)
    for source, path in pairwise(tables):  # each is made from the one before
        errors += unknown_ids(tables[path], tables[source], path, source)
    if errors:
        refuse(errors)
    write(valid, tables[labelled], Labelled)


if __name__ == "__main__":
    main()
