"""The learning curve: F1 by the number of labels, and a forecast for twice as many.

    python -m stages.studies.learning_curve smollm2_135m metrics/curve.json metrics/plots/curve.json

Trains on an eighth, a quarter, half and all of the labels, three times each, and asks the items of `evaluate.split`.
The other items of train are then unlabelled, as those of stages/pseudo_label.py. The probe of stages/floor.py learns
from the same parts. A power law is fitted to the tuned model's error,
1 - F1 = a labels^-b, and read off at twice the labels. Its bounds are 95% of 1,000 resamples of items and of
trainings. A run that was killed goes on where it was.
"""

import random
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

import click
import numpy as np
from numpy.typing import NDArray

from stages.judging.bootstrap import bounds
from stages.judging.hidden_states import HiddenStates, read_states
from stages.judging.metrics import Bools, Floats, rounded_bounds
from stages.judging.power_law import extrapolate, extrapolate_each, observed_f1, resampled_f1
from stages.judging.probe import probe_of_best_layer, pseudo_labelled
from stages.llm.alpaca import alpaca_rows
from stages.llm.training import train
from stages.llm.training_cache import train_once, training_fingerprint
from stages.llm.training_examples import TrainingRows
from stages.pipeline.command import Command
from stages.pipeline.files import read_json, write_json
from stages.pipeline.params import Params, cache_directory, params
from stages.pipeline.tables import Rows, split_items
from stages.pipeline.window import with_window

PARTS = (8, 4, 2, 1)
SEEDS = (0, 1, 2)


def subset(examples: Rows, part: int, seed: int) -> Rows:
    """One in `part` of the training examples, each class alike, in the file's order. A smaller subset lies in a larger
    one.
    """
    ids_of_class: dict[str, list[int]] = {}
    for row in examples:
        ids_of_class.setdefault(row["output"][2:], []).append(row["id"])  # the answer without its letter
    chosen: set[int] = set()
    for answer, ids in ids_of_class.items():
        random.Random(f"{seed}-{answer}").shuffle(ids)
        chosen |= set(ids[: round(len(ids) / part)])
    return [row for row in examples if row["id"] in chosen]


def fit(labels: NDArray[Any], answers: NDArray[Any], log_odds: Floats, truth: Bools, seed: int) -> dict[str, float]:
    """The power law through all trainings, F1 at twice the labels, and bounds of both.

    labels [sizes]; answers and log_odds of positive [sizes, seeds, items]; truth [items].
    """
    twice = 2 * labels.max(keepdims=True)
    observed = extrapolate(labels, observed_f1(answers, log_odds, truth), twice)
    low_and_high = bounds(extrapolate_each(labels, resampled_f1(answers, log_odds, truth, seed), twice))
    result: dict[str, float] = {"n": len(truth)}
    for name, value, low, high in zip(("exponent", "f1_at_twice"), observed, *low_and_high, strict=True):
        result |= rounded_bounds(name, value, low, high, 6)
    return result


def train_and_predict(name: str, examples: Rows, pseudo_examples: Rows, items: Rows, seed: int, work: Path) -> Rows:
    """The predictions for the items of a model trained on these examples, and on those that a probe has labelled as
    the stage train does. A training that finished in the folder `work` is not repeated.
    """
    from stages.llm.catalogue import engine
    from stages.llm.predictions import predict

    p = params()
    base = Path("data/base") / name
    rows = TrainingRows(work / "labels.json", Path("data/alpaca/dev.json"), work / "pseudo_labels.json")

    def train_on_examples(adapter: Path, curve: Path) -> None:
        texts = {rows.labelled: examples, work / "pseudo_labels.json": pseudo_examples}
        for file, alpaca in texts.items():
            write_json(file, alpaca)
        train(name, base, rows, p, seed, adapter, curve)
        for file in texts:
            file.unlink()

    train_once(work, train_on_examples)
    return predict(items, engine(name, base, p, work / "adapter"), p, work.name)


class Probes(NamedTuple):
    """Probes that learn parts of the training items, and choose their layer on dev."""

    states: HiddenStates
    train: Rows
    dev: Rows

    def log_odds(self, examples: Rows, items: Rows) -> Floats:
        """Log-odds of positive [items] by the probe that has learnt these examples."""
        return probe_of_best_layer(self.states, self._items_of(examples)[0], self.dev, items)[1]

    def label_the_others(self, examples: Rows, p: Params) -> Rows:
        """Training examples of all other training items, with the labels of this probe, as `train.pseudo_labels` asks
        for them.
        """
        learnt, others = self._items_of(examples)
        others = others if p.train.pseudo_labels else []
        return alpaca_rows(pseudo_labelled(self.states, learnt, self.dev, others), p.question)

    def _items_of(self, examples: Rows) -> tuple[Rows, Rows]:
        """The items of these examples, and all others."""
        ids = {row["id"] for row in examples}
        return [item for item in self.train if item["id"] in ids], [
            item for item in self.train if item["id"] not in ids
        ]


def mean_and_range(scores: Floats) -> dict[str, float]:
    """The mean F1 over the seeds, the least and the largest."""
    return {"f1": round(float(scores.mean()), 6), "f1_least": float(scores.min()), "f1_most": float(scores.max())}


@click.command(cls=Command, help=__doc__)
@click.argument("name")
@click.argument("metrics", type=click.Path())
@click.argument("plot", type=click.Path())
def main(name: str, metrics: str, plot: str) -> None:
    from stages.judging.predictions import log_odds_of

    p = with_window(params())
    p.named(name)
    alpaca = Path("data/alpaca")
    items = split_items("data/items.jsonl", p.evaluate.split)
    all_examples = read_json(alpaca / "train.json")
    states_file = Path("data/states.safetensors")
    folder = cache_directory("curve") / training_fingerprint(name, Path("data/base") / name, p, alpaca, states_file)
    train_items, dev = split_items("data/items.jsonl", "train"), split_items("data/items.jsonl", "dev")
    probes = Probes(read_states(states_file), train_items, dev)
    sizes, predictions = [], []  # predictions [sizes, seeds, items]
    for part in PARTS:
        subsets = [subset(all_examples, part, seed) for seed in SEEDS]
        size = len(subsets[0])
        of_seeds = []
        for seed, examples in zip(SEEDS, subsets, strict=True):
            click.echo(f"{size} labels, seed {seed}", err=True)
            pseudo = probes.label_the_others(examples, p)
            of_seeds.append(train_and_predict(name, examples, pseudo, items, seed, folder / f"{name}_{size}_{seed}"))
        sizes.append(size)
        predictions.append(of_seeds)
    answers = np.array([[[row["answer"] for row in rows] for rows in of_seeds] for of_seeds in predictions])
    log_odds = np.array([[[log_odds_of(row) for row in rows] for rows in of_seeds] for of_seeds in predictions])
    parts = product(PARTS, SEEDS)
    by_probes = [probes.log_odds(subset(all_examples, part, seed), items) for part, seed in parts]
    probe_log_odds = np.reshape(by_probes, (len(PARTS), len(SEEDS), len(items)))
    truth = np.array([item["label"] for item in items])
    result: dict[str, Any] = fit(np.array(sizes), answers, log_odds, truth, p.seed)
    f1_of_tuned = observed_f1(answers, log_odds, truth)
    f1_of_probes = observed_f1(np.where(probe_log_odds > 0, "positive", "negative"), probe_log_odds, truth)
    points = []
    for size, *scores_by_model in zip(sizes, f1_of_tuned.round(6), f1_of_probes.round(6), strict=True):
        for model, scores in zip(("tuned", "probe"), scores_by_model, strict=True):
            points += [
                {"model": model, "labels": size, "seed": seed, "f1": float(score)}
                for seed, score in zip(SEEDS, scores, strict=True)
            ]
        tuned_scores, probe_scores = scores_by_model
        result[f"labels_{size}"] = mean_and_range(tuned_scores) | {"probe": mean_and_range(probe_scores)}
    write_json(metrics, result)
    write_json(plot, points)


if __name__ == "__main__":
    main()
