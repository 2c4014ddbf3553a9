"""The power of the law: how often its verdict tells clean labels from noisy ones, on ladders whose truth is known.

    python -m stages.studies.law_power metrics/law_power.json metrics/plots/law_power.json

Assumptions: 40% of the items are needed. Each item has a difficulty that all models share (correlation 0.33), and a
model answers correctly where its skill exceeds it. Skills are set so that precision on clean labels is that of
LADDERS. Labels are flipped at random, or those of the hardest items are.
"""

from collections.abc import Sequence
from itertools import product
from statistics import NormalDist
from typing import Any

import click
import numpy as np

from stages.judging.ladder import HOLDS, VIOLATED, Ladder, bootstrap_ladder, judge
from stages.pipeline.command import Command
from stages.pipeline.files import write_json
from stages.pipeline.params import params

NEEDED = 0.4
SHARED = 0.7  # weight of the difficulty that models share, beside each model's own
LADDERS = {
    "paper": (0.5568, 0.5615, 0.5692, 0.5711, 0.6077, 0.6829),  # Table 1, dense models
    "steps_of_5": (0.45, 0.50, 0.55),
    "steps_of_10": (0.50, 0.60, 0.70),
    "steps_of_15": (0.55, 0.70, 0.85),
}
SIZES = (250, 500, 1000, 2302, 5000)  # items; 2,302 are the paper's
NOISES = ("random_5", "random_10", "random_20", "random_40", "hardest_10")
RUNS = 100
RESAMPLES = 200


def skill(precision: float) -> float:
    """The skill of a model of this precision that is correct as often on needed items as on others."""
    correct = precision * (1 - NEEDED) / (NEEDED * (1 - precision) + precision * (1 - NEEDED))
    return NormalDist(sigma=float(np.hypot(1, SHARED))).inv_cdf(correct)


def simulate_ladder(skills: Sequence[float], n: int, seed: int, noise: str | None = None) -> Ladder:
    """A ladder's answers to n items, and their labels; `noise`, as in random_10, flips that percentage of them."""
    rng = np.random.default_rng(seed)
    needed = rng.random(n) < NEEDED
    ease = rng.normal(size=n)
    margins = np.array([model + SHARED * ease + rng.normal(size=n) for model in skills])  # above 0 is correct
    log_odds = np.where(needed, margins, -margins)
    answers = np.where(log_odds > 0, "needed", "not_needed")
    labels = needed
    if noise:
        kind, percent = noise.split("_")
        order = rng.permutation(n) if kind == "random" else np.argsort(ease)
        flipped = order[: round(int(percent) / 100 * n)]
        labels = needed ^ np.isin(np.arange(n), flipped)
    names = [f"m{i}" for i in range(len(skills))]
    sizes = 10**8 * 3 ** np.arange(len(skills))
    return Ladder(names, sizes, answers, log_odds, [0.5] * len(skills), labels)


def verdict(ladder: Ladder, max_letter_share: float) -> int:
    return int(judge(ladder, bootstrap_ladder(ladder, RESAMPLES, 0), max_letter_share)["verdict"])


def power(noisy: Sequence[int], clean: Sequence[int]) -> dict[str, float]:
    """By how much less often the law holds on noisy labels than on clean ones, with 95% bounds (Newcombe's).

    The arguments are verdicts. 1 tells the labels apart every time, 0 never.
    """
    from statsmodels.stats.proportion import confint_proportions_2indep

    clean_holds, noisy_holds = list(clean).count(HOLDS), list(noisy).count(HOLDS)
    low, high = confint_proportions_2indep(clean_holds, len(clean), noisy_holds, len(noisy), method="newcomb")
    return {
        "verdict_power": round(clean_holds / len(clean) - noisy_holds / len(noisy), 4),
        "verdict_power_low": round(float(low), 4),
        "verdict_power_high": round(float(high), 4),
    }


@click.command(cls=Command, help=__doc__)
@click.argument("metrics", type=click.Path())
@click.argument("plot", type=click.Path())
def main(metrics: str, plot: str) -> None:
    from threadpoolctl import threadpool_limits
    from tqdm import tqdm

    max_letter_share = params().law.letter_share
    result: dict[str, Any] = {"runs": RUNS}
    points = []
    settings = list(product(LADDERS, SIZES))
    with threadpool_limits(1), tqdm(total=len(settings) * (1 + len(NOISES)), unit=" settings") as bar:
        for name, n in settings:
            skills = [skill(precision) for precision in LADDERS[name]]
            shares: dict[str, dict[str, float]] = {}
            clean: list[int] = []
            for noise in (None, *NOISES):
                ladders = (simulate_ladder(skills, n, seed, noise) for seed in range(RUNS))
                verdicts = [verdict(ladder, max_letter_share) for ladder in ladders]
                clean = clean or verdicts  # the first ones
                label = noise or "clean"
                holds, violated = verdicts.count(HOLDS) / RUNS, verdicts.count(VIOLATED) / RUNS
                shares[label] = {"holds": holds, "violated": violated} | (power(verdicts, clean) if noise else {})
                points.append({"ladder": name, "items": n, "noise": label, "holds": holds})
                bar.update()
            result.setdefault(name, {})[f"items_{n}"] = shares
    write_json(metrics, result)
    write_json(plot, points)


if __name__ == "__main__":
    main()
