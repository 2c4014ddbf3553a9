"""Score trivial baselines: answering "needed" always, and TF-IDF with logistic regression on the message alone.

    python -m stages.floor data/items.jsonl metrics/floor metrics/details/floor

A tuned model that doesn't beat these has learnt nothing that is worth a GPU.
"""

from pathlib import Path

import click

from stages.judging.classifiers import log_odds_from_words
from stages.judging.metrics import HEADLINES
from stages.pipeline.command import Command
from stages.pipeline.files import write_metrics
from stages.pipeline.params import params
from stages.pipeline.tables import split_items


@click.command(cls=Command, help=__doc__)
@click.argument("items", type=click.Path(exists=True))
@click.argument("metrics", type=click.Path(path_type=Path))
@click.argument("details", type=click.Path(path_type=Path))
def main(items: str, metrics: Path, details: Path) -> None:
    from stages.judging.evaluate_metric import measure

    p = params()
    train, evaluation = split_items(items, "train"), split_items(items, p.evaluate.split)
    truth = [item["cr_need_gt"] for item in evaluation]

    log_odds = log_odds_from_words(
        [i["text"] for i in train], [i["cr_need_gt"] for i in train], [i["text"] for i in evaluation]
    )
    answers = {
        "always_needed": (["needed"] * len(evaluation), [0.0] * len(evaluation)),
        "tfidf_lr": (["needed" if value > 0 else "not_needed" for value in log_odds], log_odds),
    }
    for name, (answer, ranking) in answers.items():
        scores = measure(answer, truth, ranking, p.evaluate.bootstrap, p.seed)
        write_metrics(metrics / f"{name}.json", details / f"{name}.json", scores, *HEADLINES)


if __name__ == "__main__":
    main()
