"""Check every table so far against its contract and pass on the labelled one, or name everything that is wrong.

python -m stages.validate data/messages.jsonl data/turns.jsonl data/inquiries.jsonl data/labelled.jsonl
data/valid.jsonl
"""

import click
import ibis
from ibis import _

from stages.params import params
from stages.schemas import Inquiry, Labelled, Message, Table, Turn
from stages.tables import compute_on, failures, hold, read, rows, write


def strangers(part: ibis.Table, whole: ibis.Table, name: str, of: str) -> list[str]:
    """Rows of a table whose id is not in the table that it was made from."""
    lost = rows(part.anti_join(whole, "id").select("id").order_by(_.id))
    return [f"{name}: id {row['id']}, id: is not in {of}" for row in lost]


@click.command(help=__doc__)
@click.argument("messages", type=click.Path(exists=True))
@click.argument("turns", type=click.Path(exists=True))
@click.argument("inquiries", type=click.Path(exists=True))
@click.argument("labelled", type=click.Path(exists=True))
@click.argument("valid", type=click.Path())
def main(messages: str, turns: str, inquiries: str, labelled: str, valid: str) -> None:
    compute_on(params().backend)
    models: dict[str, type[Table]] = {messages: Message, turns: Turn, inquiries: Inquiry, labelled: Labelled}
    tables = {path: read(path, model) for path, model in models.items()}
    wrong = [line for path, table in tables.items() for line in failures(hold(table), models[path], path)]
    paths = list(models)
    for part, whole in zip(paths[1:], paths[:-1], strict=True):
        wrong += strangers(tables[part], tables[whole], part, whole)
    if wrong:
        raise click.ClickException(f"{len(wrong)} rows break their contract:\n" + "\n".join(wrong))
    write(valid, tables[labelled], Labelled)


if __name__ == "__main__":
    main()
