"""Which items to label first: F1 by the number of labels, where items come at random or as readers choose them.

    python -m stages.studies.label_order smollm2_135m_10 metrics/label_order.json metrics/plots/label_order.json

Replays the labelling of the sample with the code of `python -m stages.labels label NAME --next`, for ten random
orders. Only the labels of train are learnt from and counted. The readers, and the probe of stages/floor.py, then
answer the items of `evaluate.split`. So does the model, tuned on the first labels of five of the orders. A run that
was killed goes on where it was.
"""

import random
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click
import numpy as np

from stages.judging.hidden_states import HiddenStates, Items, read_states
from stages.judging.metrics import Bools, Floats, weighted_scores
from stages.judging.predictions import log_odds_of
from stages.judging.probe import probe_of_best_layer, truth_of
from stages.labels.next_items import STATES, Batches, Usefulness
from stages.labels.readers import Readers
from stages.llm.training_cache import training_fingerprint
from stages.pipeline.command import Command
from stages.pipeline.files import read_json, write_json
from stages.pipeline.params import Export, Params, cache_directory, params
from stages.pipeline.tables import split_items
from stages.pipeline.window import with_window
from stages.studies.label_noise import mean_with_bounds
from stages.studies.learning_curve import Probes, train_and_predict

SEEDS = range(10)
SIZES = (40, 60, 80, 100, 150, 200, 250, 300, 400, 500)  # labels of train, and all of them
HEADLINES = (200, 300)  # labels that the readers chose; how many at random do the same?
TUNED_SEEDS = range(5)  # random orders and seeds of training
Orders = dict[str, list[int]]  # ids of train as they come, by the name of the order


def replay(items: Items, usefulness: Usefulness, p: Export) -> list[int]:
    """The ids of train in the order in which an annotator gets them, one batch behind the readers."""
    answers = {item["id"]: item["label"] for item in items}
    batches = Batches(list(items), {item["id"]: item["split"] for item in items}, usefulness, p)
    labels: dict[int, bool] = {}
    pending: list[int] = []
    order: list[int] = []
    while batch := batches.batch(labels, labels.keys() | set(pending)):
        labels |= {id: answers[id] for id in pending}
        pending = [item["id"] for item in batch]
        order += [item["id"] for item in batch if item["split"] == "train"]
    return order


def orders(items: Items, readers: Readers, seed: int, p: Export) -> Orders:
    """The order of the labels of train by each rule, from one random order of the items."""
    shuffled = random.Random(seed).sample(items, len(items))
    return {
        "random": [item["id"] for item in shuffled if item["split"] == "train"],
        "chosen": replay(shuffled, readers.uncertainty, p),
    }


def f1(log_odds: Floats, truth: Bools) -> float:
    answers = np.where(log_odds > 0, "positive", "negative")
    return float(weighted_scores(answers[None], log_odds[None], truth, np.ones((1, len(truth))))["f1"][0, 0])


def f1_by_model(learnt: Items, items: Items, readers: Readers, states: HiddenStates, p: Params) -> dict[str, float]:
    """F1 on `evaluate.split` of the readers and of the probe that have learnt some items of train."""
    dev, evaluation = ([item for item in items if item["split"] == name] for name in ("dev", p.evaluate.split))
    truth = truth_of(evaluation)
    labels = {item["id"]: item["label"] for item in learnt}
    of_readers = readers.log_odds(labels, [item["id"] for item in evaluation])
    _, of_probe = probe_of_best_layer(states, learnt, dev, evaluation)
    return {"readers": f1(of_readers, truth), "probe": f1(of_probe, truth)}


def f1_scores(
    orders_by_seed: Mapping[int, Orders],
    sizes: Sequence[int],
    items: Items,
    readers: Readers,
    states: HiddenStates,
    p: Params,
) -> dict[tuple[str, str], Floats]:
    """F1 [sizes, seeds] by model and order, of models that have learnt the first labels of the order."""
    from tqdm import tqdm

    item_by_id = {item["id"]: item for item in items}
    scores: dict[tuple[str, str], Floats] = {}
    for seed, orders_of_seed in tqdm(orders_by_seed.items(), "scores", unit=" seeds"):
        for order, ids in orders_of_seed.items():
            for place, size in enumerate(sizes):
                learnt = [item_by_id[id] for id in ids[:size]]
                for model, score in f1_by_model(learnt, items, readers, states, p).items():
                    empty = np.zeros((len(sizes), len(orders_by_seed)))
                    scores.setdefault((model, order), empty)[place, seed] = score
    return scores


def labels_for(score: float, sizes: Sequence[int], scores: Sequence[float]) -> float | None:
    """The number of labels at which a curve first reaches a score, on straight lines between its sizes; None where it
    never does.
    """
    if scores[0] >= score:
        return sizes[0]
    for place in range(1, len(sizes)):
        low, high = scores[place - 1], scores[place]
        if high >= score:
            return sizes[place - 1] + (score - low) / (high - low) * (sizes[place] - sizes[place - 1])
    return None


def headlines(sizes: Sequence[int], scores: Mapping[tuple[str, str], Floats]) -> dict[str, float]:
    """For each model, the labels at random that give the mean F1 of HEADLINES labels that readers chose, and the gain
    in F1 over as many at random. A number that no size at random reaches is left out.

    `scores` are [sizes, seeds] by model and order.
    """
    result: dict[str, float] = {}
    for model in ("readers", "probe"):
        at_random, chosen = scores[model, "random"], scores[model, "chosen"]
        for count in (count for count in HEADLINES if count in sizes):
            place = sizes.index(count)
            needed = labels_for(float(chosen[place].mean()), sizes, at_random.mean(1).tolist())
            if needed is not None:
                result[f"{model}_random_labels_for_{count}"] = round(needed)
            result |= mean_with_bounds(f"{model}_gain_{count}", (chosen[place] - at_random[place]).tolist())
    return result


def tuned_scores(
    name: str, orders_by_seed: Mapping[int, Orders], items: Items, states: HiddenStates, p: Params
) -> dict[str, float | dict[str, float]]:
    """F1 on `evaluate.split` of a model that is tuned on HEADLINES labels of each order, and the gain of the chosen
    ones over as many at random.
    """
    alpaca = Path("data/alpaca")
    examples = read_json(alpaca / "train.json")
    folder = cache_directory("label_order") / training_fingerprint(name, Path("data/base") / name, p, alpaca)
    train, dev, evaluation = (
        [item for item in items if item["split"] == split] for split in ("train", "dev", p.evaluate.split)
    )
    probes = Probes(states, train, dev)

    def f1_of(order: str, count: int, seed: int) -> float:
        ids = set(orders_by_seed[seed][order][:count])
        subset = [row for row in examples if row["id"] in ids]
        click.echo(f"{name}: {count} labels, order {order}, seed {seed}", err=True)
        pseudo = probes.label_the_others(subset, p)
        work = folder / f"{name}_{order}_{count}_{seed}"
        predictions = train_and_predict(name, subset, pseudo, evaluation, seed, work)
        return f1(np.array([log_odds_of(row) for row in predictions]), truth_of(evaluation))

    result: dict[str, float | dict[str, float]] = {"seeds": len(TUNED_SEEDS)}
    for count in HEADLINES:
        at_random, chosen = ([f1_of(order, count, seed) for seed in TUNED_SEEDS] for order in ("random", "chosen"))
        result[f"random_{count}"] = mean_with_bounds("f1", at_random)
        result[f"chosen_{count}"] = mean_with_bounds("f1", chosen)
        result |= mean_with_bounds(f"gain_{count}", np.subtract(chosen, at_random).tolist())
    return result


@click.command(cls=Command, help=__doc__)
@click.argument("name")
@click.argument("metrics", type=click.Path())
@click.argument("plot", type=click.Path())
def main(name: str, metrics: str, plot: str) -> None:
    from tqdm import tqdm

    p = with_window(params())
    p.named(name)
    items = split_items("data/items.jsonl", "all")
    states = read_states(STATES)
    readers = Readers(states, items)
    train_count = sum(item["split"] == "train" for item in items)
    sizes = [size for size in SIZES if size < train_count] + [train_count]
    orders_by_seed = {seed: orders(items, readers, seed, p.export) for seed in tqdm(SEEDS, "orders", unit=" seeds")}
    scores = f1_scores(orders_by_seed, sizes, items, readers, states, p)
    result: dict[str, Any] = {
        "n": sum(item["split"] == p.evaluate.split for item in items),
        "seeds": len(SEEDS),
        "labels": train_count,
    } | headlines(sizes, scores)
    points = []
    for (model, order), of_sizes in scores.items():
        for size, of_seeds in zip(sizes, of_sizes, strict=True):
            means = mean_with_bounds("f1", of_seeds.tolist())
            result[f"{model}_{order}_{size}"] = means
            points.append({"model": model, "order": order, "labels": size} | means)
    result["tuned"] = tuned_scores(name, orders_by_seed, items, states, p)
    write_json(metrics, result)
    write_json(plot, points)


if __name__ == "__main__":
    main()
