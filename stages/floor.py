"""What needs no language model: answering "needed" always, and TF-IDF with logistic regression on the message alone.

    python -m stages.floor data/valid.jsonl data/alpaca metrics/floor

A tuned model that doesn't beat these has learnt nothing that is worth a GPU.
"""

from pathlib import Path

import click

from stages.params import params
from stages.probe import by_words
from stages.schemas import Labelled
from stages.tables import read, rows, split_ids, write_json


@click.command(help=__doc__)
@click.argument("valid", type=click.Path(exists=True))
@click.argument("alpaca", type=click.Path(exists=True, path_type=Path))
@click.argument("folder", type=click.Path(path_type=Path))
def main(valid: str, alpaca: Path, folder: Path) -> None:
    from stages.metric import measure

    p = params()
    items = {item["id"]: item for item in rows(read(valid, Labelled))}
    train = [items[id] for id in sorted(split_ids(alpaca, "train"))]
    asked = [items[id] for id in sorted(split_ids(alpaca, p.evaluate.split))]
    truth = [item["cr_need_gt"] for item in asked]

    odds = by_words([i["text"] for i in train], [i["cr_need_gt"] for i in train], [i["text"] for i in asked])
    answers = {
        "always_needed": (["needed"] * len(asked), [0.0] * len(asked)),
        "tfidf_lr": (["needed" if value > 0 else "not_needed" for value in odds], odds),
    }
    for name, (answer, ranking) in answers.items():
        write_json(folder / f"{name}.json", measure(answer, truth, ranking, p.evaluate.bootstrap, p.seed))


if __name__ == "__main__":
    main()
