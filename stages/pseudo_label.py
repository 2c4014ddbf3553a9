"""Have a probe label inquiries that nobody has labelled, for trainings with few labels.

    python -m stages.pseudo_label data/items.jsonl data/inquiries.jsonl data/rejects/annotate.jsonl
        data/states.safetensors data/base data/pseudo_labels.json metrics/details/pseudo_label.json

The probe is that of stages/floor.py. Where labels are so few that `min_steps` would repeat them more than eight times,
training reads these rows in the place of further repetitions: as many as they are, in the order of their ids, and none
that shares a conversation with an item of dev or test unless it is older. There are none with train.pseudo_labels
false.
"""

from pathlib import Path

import click

from stages.judging.hidden_states import read_states
from stages.judging.probe import pseudo_labelled
from stages.labels.splitting import may_be_learnt
from stages.llm.alpaca import alpaca_rows
from stages.llm.row_lengths import check_row_lengths
from stages.llm.training_settings import hyperparameters, missing_sequences
from stages.pipeline.command import Command
from stages.pipeline.files import write_json
from stages.pipeline.params import params
from stages.pipeline.schemas import Inquiry, Reject
from stages.pipeline.tables import read, rows, split_items
from stages.pipeline.window import with_window


@click.command(cls=Command, help=__doc__)
@click.argument("items", type=click.Path(exists=True))
@click.argument("inquiries", type=click.Path(exists=True))
@click.argument("rejects", type=click.Path(exists=True))
@click.argument("states", type=click.Path(exists=True))
@click.argument("base", type=click.Path(path_type=Path))
@click.argument("pseudo", type=click.Path(path_type=Path))
@click.argument("details", type=click.Path())
def main(items: str, inquiries: str, rejects: str, states: str, base: Path, pseudo: Path, details: str) -> None:
    p = with_window(params())
    train, dev, test = (split_items(items, name) for name in ("train", "dev", "test"))
    unlabelled_ids = {row["id"] for row in rows(read(rejects, Reject)) if row["reason"] == "unlabelled"}
    unlabelled = [item for item in rows(read(inquiries, Inquiry).order_by("id")) if item["id"] in unlabelled_ids]
    usable = may_be_learnt(unlabelled, dev + test)
    batch_sizes = [hyperparameters(name, p).batch_size for name in p.finetune]
    count = max(missing_sequences(len(train), batch_size, p) for batch_size in batch_sizes)
    chosen = usable[:count] if p.train.pseudo_labels else []
    labelled = pseudo_labelled(read_states(states), train, dev, chosen)
    examples = alpaca_rows(labelled, p.question)
    check_row_lengths(pseudo, examples, base, p.finetune, p.max_length)
    write_json(pseudo, examples)
    counts = {"unlabelled": len(unlabelled), "usable": len(usable), "labelled": len(labelled)}
    write_json(details, counts | {"positive": sum(item["label"] for item in labelled)})


if __name__ == "__main__":
    main()
