"""Would models tuned by cross-validation find spoilt labels better than the queue's readers do?

    python -m tests.benchmarks.cross_tuned smollm2_135m

A tenth of the labels is flipped at random, as in stages/studies/label_noise.py. For each of the five folds an adapter
is trained on the spoilt labels of the others, by the recipe of params.yaml, and asked the fold. AUC: how well a
ranking's doubt tells flipped labels from others. Killed, it goes on where it was; --asked 2 trains for two folds only.
"""

from pathlib import Path

import click
import numpy as np

from stages.judging.evaluate_metric import measure
from stages.judging.hidden_states import read_states
from stages.judging.predictions import log_odds_of
from stages.judging.probe import FOLDS, folds, out_of_sample
from stages.llm.alpaca import alpaca_rows
from stages.llm.training_cache import training_fingerprint
from stages.pipeline.params import cache_directory, params
from stages.pipeline.schemas import Labelled
from stages.pipeline.tables import read, rows
from stages.studies.label_noise import flip_labels, precision_and_recall
from stages.studies.learning_curve import train_and_predict

NOISE = "random_10"


@click.command(help=__doc__)
@click.argument("name")
@click.option("--asked", default=FOLDS, show_default=True, help="How many of the folds are asked.")
def main(name: str, asked: int) -> None:
    p = params()
    items = rows(read("data/valid.jsonl", Labelled).order_by("id"))
    truth = np.array([item["label"] for item in items])
    flipped = flip_labels(items, truth, NOISE, p.seed)
    labels = truth ^ flipped
    examples = alpaca_rows(
        [item | {"label": bool(label)} for item, label in zip(items, labels, strict=True)], p.question
    )
    states = read_states("data/states.safetensors").of_middle_layer(items)
    unseen = out_of_sample(items, states, labels, p.seed)["all"]
    readers = np.log(unseen / (1 - unseen))
    tuned = np.full(len(items), np.nan)
    folder = cache_directory("cross_tuned") / training_fingerprint(
        name, Path("data/base") / name, p, Path("data/valid.jsonl")
    )
    for number, (learn, ask) in enumerate(folds(items, labels, p.seed)[:asked]):
        work = folder / f"{name}_{NOISE}_{number}"
        predictions = train_and_predict(
            name, [examples[i] for i in learn], [], [items[i] for i in ask], p.seeds[0], work
        )
        tuned[ask] = [log_odds_of(row) for row in predictions]
    is_predicted = ~np.isnan(tuned)
    rankings = {"readers": readers, "tuned": tuned, "both": readers + tuned}
    click.echo(f"{name}; {is_predicted.sum()} items, {flipped[is_predicted].sum()} of them flipped\n")
    click.echo("| probabilities by | AUC for flipped labels, 95% bounds | found in the first 20% |\n|---|---|---|")
    for who, log_odds in rankings.items():
        doubt = np.where(labels, -1, 1)[is_predicted] * log_odds[is_predicted]
        scores = measure(
            ["positive"] * int(is_predicted.sum()),
            flipped[is_predicted].tolist(),
            doubt.tolist(),
            p.evaluate.bootstrap,
            p.seed,
        )
        auc, low, high = (scores[key] for key in ("auc", "auc_low", "auc_high"))
        _, recall = precision_and_recall(doubt, flipped[is_predicted], 0.2)
        click.echo(f"| {who} | {auc:.3f} ({low:.3f} to {high:.3f}) | {recall:.0%} |")


if __name__ == "__main__":
    main()
