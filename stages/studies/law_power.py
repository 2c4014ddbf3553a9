"""The law's error rates: how often each verdict comes out on simulated ladders whose truth is known.

    python -m stages.studies.law_power metrics/law_power.json metrics/plots/law_power.json

Assumptions: 40% of the items are needed. Each model has a true precision and recall (LADDERS) and gives a letter
without probabilities. All models find the same items hard, and all lean on the length of a message: they call short
messages needed more often. LABELS are the ways in which the labels come about. Each run draws new items, answers and
labels.
"""

from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from itertools import product
from statistics import NormalDist
from typing import Any, NamedTuple

import click
import numpy as np

from stages.judging.bootstrap import BootstrapScores, scores_of_samples
from stages.judging.ladder import HOLDS, NO_SIGNAL, VIOLATED, Ladder, judge, strict_rule_prospects
from stages.judging.metrics import Bools, Floats
from stages.pipeline.command import Command
from stages.pipeline.files import write_json
from stages.pipeline.params import params

NEEDED = 0.4
SHARED = 0.7  # weight of the difficulty that models share; the weight of each model's own is 1
LEANING = 0.4  # weight of the shortness of a message
SHORTER = 0.545  # standard deviations by which needed messages are shorter in length_related: an AUC of 65%


class Quality(NamedTuple):
    """A model's true precision and recall."""

    precision: float
    recall: float

    @property
    def false_alarms(self) -> float:
        """The share of the items that are not needed for which the model answers "positive"."""
        return self.recall * (1 / self.precision - 1) * NEEDED / (1 - NEEDED)


def of_f1(precision: float, f1: float) -> Quality:
    """The recall follows from precision and F1."""
    return Quality(precision, f1 * precision / (2 * precision - f1))


def balanced(*precisions: float) -> list[Quality]:
    """Models of these precisions that are correct as often on needed items as on others."""
    return [Quality(p, p * (1 - NEEDED) / (NEEDED * (1 - p) + p * (1 - NEEDED))) for p in precisions]


LADDERS = {
    "paper": [  # Table 1, dense models
        of_f1(0.5568, 0.5243),
        of_f1(0.5615, 0.5002),
        of_f1(0.5692, 0.6275),
        of_f1(0.5711, 0.6817),
        of_f1(0.6077, 0.6459),
        of_f1(0.6829, 0.6015),
    ],
    "nearly_flat": balanced(0.560, 0.561, 0.562, 0.563, 0.564, 0.565),
    "steps_of_5": balanced(0.45, 0.50, 0.55),
    "steps_of_10": balanced(0.50, 0.60, 0.70),
}
SIZES = (500, 2302, 5000)  # items; 2,302 are the paper's
LABELS = (
    "clean",
    "random_10",  # per cent of the labels that are flipped
    "random_25",  # as if half of the labels were drawn by lot
    "random_40",
    "random_50",  # as if all were drawn by lot
    "random_100",  # inverted
    "hardest_10",
    "length",  # short messages are labelled needed; the length says nothing about the truth
    "length_related",  # the same, where needed messages tend to be shorter
)
RUNS = 400
RESAMPLES = 1000


def simulate_ladder(models: Sequence[Quality], n: int, seed: int, kind: str = "clean") -> Ladder:
    """The models' answers to n items, and labels of a kind of LABELS."""
    rng = np.random.default_rng(seed)
    needed = rng.random(n) < NEEDED
    ease, shortness = rng.normal(size=(2, n))
    normal = NormalDist(sigma=float(np.sqrt(SHARED**2 + LEANING**2 + 1)))
    rates = [(model.false_alarms, model.recall) for model in models]  # of the answer "positive"
    means = np.array([[normal.inv_cdf(rate) for rate in pair] for pair in rates])[:, needed.astype(int)]
    noise = rng.normal(size=(len(models), n))
    log_odds = means + SHARED * np.where(needed, ease, -ease) + LEANING * shortness + noise
    answers = np.where(log_odds > 0, "positive", "negative")
    return Ladder(
        names=[f"m{i}" for i in range(len(models))],
        sizes=10**8 * 3 ** np.arange(len(models)),
        answers=answers,
        log_odds=np.sign(log_odds),
        letter_share=[0.5] * len(models),
        truth=labels_of_kind(kind, needed, ease, shortness, rng),
    )


def labels_of_kind(kind: str, needed: Bools, ease: Floats, shortness: Floats, rng: np.random.Generator) -> Bools:
    """The labels [items] where the truth is `needed`."""
    if kind == "clean":
        return needed
    if kind.startswith("length"):
        shortness = shortness + SHORTER * needed if kind == "length_related" else shortness
        return shortness > np.quantile(shortness, 1 - NEEDED)
    which, percent = kind.split("_")
    order = rng.permutation(len(needed)) if which == "random" else np.argsort(ease)
    flipped = order[: round(int(percent) / 100 * len(needed))]
    return needed ^ np.isin(np.arange(len(needed)), flipped)


def bootstrap_by_pattern(ladder: Ladder, resamples: int, seed: int) -> BootstrapScores:
    """The same as bootstrap_ladder, many times faster, for models that answer "positive" or "negative" and
    have no other log-odds: items with the same answers and label are drawn as one pattern.
    """
    answers_and_label = np.vstack([ladder.answers == "positive", ladder.truth])
    patterns = 2 ** np.arange(len(answers_and_label)) @ answers_and_label
    _, items, counts = np.unique(patterns, return_index=True, return_counts=True)
    resampled_counts = np.random.default_rng(seed).multinomial(counts.sum(), counts / counts.sum(), resamples)
    answers, log_odds, truth = ladder.answers[:, items], ladder.log_odds[:, items], ladder.truth[items]
    return scores_of_samples(answers, log_odds, truth, counts, resampled_counts)


def verdict_shares(laws: Sequence[dict[str, Any]]) -> dict[str, float]:
    """The share of the runs with each verdict, and of those in which every step rises too; `laws` as by `judge`."""
    verdicts = [law["verdict"] for law in laws]
    strict = [law["verdict"] == HOLDS and all(step["step"] > 0 for step in law["steps"].values()) for law in laws]
    return {
        "holds": verdicts.count(HOLDS) / len(laws),
        "holds_and_every_step_rises": sum(strict) / len(laws),
        "violated": verdicts.count(VIOLATED) / len(laws),
        "no_signal": verdicts.count(NO_SIGNAL) / len(laws),
    }


def simulate(setting: tuple[str, int, str], runs: int, max_letter_share: float) -> dict[str, float]:
    """The shares of the verdicts over ladders that differ by their seeds, for a name of LADDERS, a number of items and
    a kind of LABELS. With clean labels also the prospects of the strict rule with the true precisions.
    """
    name, n, kind = setting
    laws, precisions = [], []
    for seed in range(runs):
        ladder = simulate_ladder(LADDERS[name], n, seed, kind)
        scores = bootstrap_by_pattern(ladder, RESAMPLES, seed)
        laws.append(judge(ladder, scores, max_letter_share))
        precisions.append(scores.observed["precision"])
    shares = verdict_shares(laws)
    if kind == "clean":
        truth = np.array([model.precision for model in LADDERS[name]])
        shares |= strict_rule_prospects(truth, np.array(precisions), n)
    return shares


@click.command(cls=Command, help=__doc__)
@click.argument("metrics", type=click.Path())
@click.argument("plot", type=click.Path())
def main(metrics: str, plot: str) -> None:
    from threadpoolctl import threadpool_limits
    from tqdm import tqdm

    run = partial(simulate, runs=RUNS, max_letter_share=params().law.letter_share)
    settings = list(product(LADDERS, SIZES, LABELS))
    result: dict[str, Any] = {"runs": RUNS}
    points = []
    with ProcessPoolExecutor(initializer=threadpool_limits, initargs=(1,)) as pool:
        all_shares = tqdm(pool.map(run, settings), total=len(settings), unit=" settings")
        for (name, n, kind), shares in zip(settings, all_shares, strict=True):
            result.setdefault(name, {}).setdefault(f"items_{n}", {})[kind] = shares
            points.append({"ladder": name, "items": n, "labels": kind, "holds": shares["holds"]})
    write_json(metrics, result)
    write_json(plot, points)


if __name__ == "__main__":
    main()
