"""What would more labels bring? Trains on an eighth, a quarter, half and all of the labels, three times each.

    python -m stages.studies.curve smollm2_135m metrics/curve.json metrics/plots/curve.json

Each is asked the items of `evaluate.split`. A power law is fitted to the error, 1 - F1 = a labels^-b, and read off at
twice the labels. Its bounds are 95% of 1,000 resamples of items and of trainings. Killed, it goes on where it was.
"""

import json
import random
import shutil
from pathlib import Path
from typing import Any

import click
import numpy as np
from numpy.typing import NDArray

from stages.params import cache_directory, params
from stages.scoring import Bools, Floats, bounds, resampled, scores
from stages.studies import training
from stages.tables import items_of, write_json
from stages.train import train

PARTS = (8, 4, 2, 1)
SEEDS = (0, 1, 2)
RESAMPLES = 1000


def part_of(labels: list[dict[str, Any]], part: int, seed: int) -> list[dict[str, Any]]:
    """One in `part` of the labels, each class alike, in the file's order. A smaller part lies in a larger one."""
    kept: set[int] = set()
    for answer in {row["output"][2:] for row in labels}:
        ids = [row["id"] for row in labels if row["output"][2:] == answer]
        random.Random(f"{seed}-{answer}").shuffle(ids)
        kept |= set(ids[: round(len(ids) / part)])
    return [row for row in labels if row["id"] in kept]


def power_law(labels: NDArray[Any], error: NDArray[Any]) -> tuple[float, float]:
    """a and b of error = a labels^-b, by least squares on logarithms."""
    slope, start = np.polyfit(np.log(labels), np.log(np.clip(error, 1e-6, None)), 1)
    return float(np.exp(start)), float(-slope)


def f1(answers: NDArray[Any], odds: Floats, truth: Bools, counts: NDArray[Any]) -> Floats:
    """F1 of each training, [samples, sizes, seeds]; answers and odds are [sizes, seeds, items]."""
    *trainings, n = answers.shape
    found = scores(answers.reshape(-1, n), odds.reshape(-1, n), truth, counts)["f1"]
    return found.reshape(-1, *trainings)


def fit(labels: NDArray[Any], answers: NDArray[Any], odds: Floats, truth: Bools, seed: int) -> dict[str, float]:
    """The power law through all trainings, what it says at twice the labels, and bounds of both.

    labels [sizes]; answers and odds of needed [sizes, seeds, items]; truth [items].
    """

    def at_twice(reached: Floats) -> list[float]:
        a, b = power_law(np.repeat(labels, seeds), 1 - reached.ravel())
        return [b, 1 - a * (2 * labels.max()) ** -b]

    sizes, seeds, n = answers.shape
    rng = np.random.default_rng(seed)
    whole = at_twice(f1(answers, odds, truth, np.ones((1, n)))[0])
    drawn = [
        at_twice(np.take_along_axis(reached, rng.integers(0, seeds, (sizes, seeds)), axis=1))
        for reached in f1(answers, odds, truth, resampled(n, RESAMPLES, seed))
    ]
    low, high = bounds(np.array(drawn))
    found = {"n": n}
    for i, name in enumerate(("exponent", "f1_at_twice")):
        found |= {name: round(whole[i], 6), f"{name}_low": round(low[i], 6), f"{name}_high": round(high[i], 6)}
    return found


def answers(
    name: str, labels: list[dict[str, Any]], items: list[dict[str, Any]], seed: int, work: Path
) -> list[dict[str, Any]]:
    """What a model trained on these labels says of each item. What was trained once in this folder is not trained
    again.
    """
    from stages.llm.asking import predict
    from stages.llm.engines import engine

    p = params().model_copy(update={"seed": seed})
    base, adapter = Path("data/base") / name, work / "adapter"
    if not (work / "done").exists():
        shutil.rmtree(adapter, ignore_errors=True)
        write_json(work / "labels.json", labels)
        train(name, base, work / "labels.json", p, adapter, work / "curve")
        (work / "labels.json").unlink()  # texts of the chat
        (work / "done").touch()
    return predict(items, engine(name, base, p, adapter), p, work.name)


@click.command(help=__doc__)
@click.argument("name")
@click.argument("metrics", type=click.Path())
@click.argument("plot", type=click.Path())
def main(name: str, metrics: str, plot: str) -> None:
    from stages.llm.asking import odds

    p = params()
    p.named(name)
    alpaca = Path("data/alpaca")
    items = items_of("data/valid.jsonl", alpaca, p.evaluate.split)
    all_labels = json.loads((alpaca / "train.json").read_text(encoding="utf-8"))
    folder = cache_directory("curve") / training(Path("data/base") / name, alpaca, p)
    said, sizes = [], []
    for part in PARTS:
        runs = []
        for seed in SEEDS:
            some = part_of(all_labels, part, seed)
            click.echo(f"{len(some)} labels, seed {seed}", err=True)
            runs.append(answers(name, some, items, seed, folder / f"{name}_{len(some)}_{seed}"))
        said.append(runs)
        sizes.append(len(some))
    given = np.array([[[row["answer"] for row in run] for run in runs] for runs in said])
    leaning = np.array([[[odds(row) for row in run] for run in runs] for runs in said])
    truth = np.array([item["cr_need_gt"] for item in items])
    found: dict[str, Any] = fit(np.array(sizes), given, leaning, truth, p.seed)
    points = [
        {"labels": size, "seed": seed, "f1": round(float(score), 6)}
        for size, runs in zip(sizes, f1(given, leaning, truth, np.ones((1, len(items))))[0], strict=True)
        for seed, score in zip(SEEDS, runs, strict=True)
    ]
    for size in sizes:
        own = [point["f1"] for point in points if point["labels"] == size]
        found[f"labels_{size}"] = {"f1": round(sum(own) / len(own), 6), "f1_least": min(own), "f1_most": max(own)}
    write_json(metrics, found)
    write_json(plot, points)


if __name__ == "__main__":
    main()
