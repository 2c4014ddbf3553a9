"""Would models tuned by cross-validation find spoilt labels better than the queue's readers do?

    python -m tests.benchmarks.cross_tuned smollm2_135m

A tenth of the labels is flipped at random, as in stages/studies/label_noise.py. For each of the five folds an adapter
is trained on the spoilt labels of the others, by the recipe of params.yaml, and asked the fold. AUC: how well a
ranking's doubt tells flipped labels from others. Killed, it goes on where it was; --asked 2 trains for two folds only.
"""

from pathlib import Path

import click
import numpy as np

from stages.export import alpaca
from stages.llm import prompts
from stages.llm.asking import odds
from stages.metric import measure
from stages.params import cache_directory, params
from stages.probe import FOLDS, folds, hidden_states, out_of_sample
from stages.schemas import Labelled
from stages.studies import training
from stages.studies.curve import answers
from stages.studies.label_noise import found, spoilt
from stages.tables import read, rows

NOISE = "random_10"


@click.command(help=__doc__)
@click.argument("name")
@click.option("--asked", default=FOLDS, show_default=True, help="How many of the folds are asked.")
def main(name: str, asked: int) -> None:
    p = params()
    items = rows(read("data/valid.jsonl", Labelled))
    truth = np.array([item["cr_need_gt"] for item in items])
    flipped = spoilt(items, truth, NOISE, p.seed)
    labels = truth ^ flipped
    prompt = prompts.load(p.export.prompt)
    examples = [
        alpaca(
            item | {"cr_need_gt": bool(label)},
            prompt,
            prompts.option_order(item["id"], p.export.option_order, p.export.seed),
            p.export.window,
        )
        for item, label in zip(items, labels, strict=True)
    ]
    states = hidden_states(Path("data/base") / p.law.reader, items, p.export.window)
    unseen = out_of_sample(items, states, labels, p.seed)["all"]
    readers = np.log(unseen / (1 - unseen))
    tuned = np.full(len(items), np.nan)
    folder = cache_directory("cross_tuned") / training(Path("data/base") / name, Path("data/valid.jsonl"), p)
    for number, (learn, ask) in enumerate(folds(items, labels, p.seed)[:asked]):
        work = folder / f"{name}_{NOISE}_{number}"
        said = answers(name, [examples[i] for i in learn], [items[i] for i in ask], p.seed, work)
        tuned[ask] = [odds(row) for row in said]
    seen = ~np.isnan(tuned)
    rankings = {"readers": readers, "tuned": tuned, "both": readers + tuned}
    click.echo(f"{name}; {seen.sum()} items, {flipped[seen].sum()} of them flipped\n")
    click.echo("| probabilities by | AUC for flipped labels, 95% bounds | found in the first 20% |\n|---|---|---|")
    for who, log_odds in rankings.items():
        doubt = np.where(labels, -1, 1)[seen] * log_odds[seen]
        scores = measure(
            ["needed"] * int(seen.sum()), flipped[seen].tolist(), doubt.tolist(), p.evaluate.bootstrap, p.seed
        )
        auc, low, high = (scores[key] for key in ("auc", "auc_low", "auc_high"))
        recall = found(doubt, flipped[seen], 0.2)[1]
        click.echo(f"| {who} | {auc:.3f} ({low:.3f} to {high:.3f}) | {recall:.0%} |")


if __name__ == "__main__":
    main()
