"""How often does the law's verdict tell clean labels from spoilt ones? On ladders whose truth is known.

    python -m stages.studies.simulated metrics/law_power.json metrics/plots/law_power.json

Assumed: 40% of the items are needed; each item has a difficulty that all models share (correlation 0.33), and a model
answers rightly where its skill beats it; skills are set so that precision on clean labels is that of LADDERS. Labels
are flipped at random, or those of the hardest items are.
"""

from collections.abc import Sequence
from statistics import NormalDist
from typing import Any

import click
import numpy as np

from stages.ladder import HOLDS, VIOLATED, Ladder, judge, sample
from stages.params import params
from stages.tables import write_json

NEEDED = 0.4
SHARED = 0.7  # how much the items' own difficulty weighs beside what is a model's alone
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
    """The skill of a model that is as often right on needed items as on others, and has this precision."""
    right = precision * (1 - NEEDED) / (NEEDED * (1 - precision) + precision * (1 - NEEDED))
    return NormalDist(sigma=float(np.hypot(1, SHARED))).inv_cdf(right)


def simulated(skills: Sequence[float], n: int, seed: int, noise: str | None = None) -> Ladder:
    """A ladder's answers to n items, and their labels, some of which are flipped as `noise` (kind_percent) says."""
    rng = np.random.default_rng(seed)
    truth = rng.random(n) < NEEDED
    ease = rng.normal(size=n)
    lead = np.array([one + SHARED * ease + rng.normal(size=n) for one in skills])
    odds = np.where(truth, lead, -lead)
    if noise:
        kind, percent = noise.split("_")
        order = rng.permutation(n) if kind == "random" else np.argsort(ease)
        spoilt = np.isin(np.arange(n), order[: round(int(percent) / 100 * n)])
        truth = truth ^ spoilt
    answers = np.where(odds > 0, "needed", "not_needed")
    names = [f"m{i}" for i in range(len(skills))]
    return Ladder(names, 10**8 * 3 ** np.arange(len(skills)), answers, odds, [0.5] * len(skills), truth)


def verdict(ladder: Ladder, letter_share: float) -> int:
    return int(judge(ladder, sample(ladder, RESAMPLES, 0), letter_share)["verdict"])


def power(spoilt: Sequence[int], clean: Sequence[int]) -> dict[str, float]:
    """How much rarer the law holds on spoilt labels than on clean ones, with 95% bounds (Newcombe's): 1 tells them
    apart every time, 0 never.
    """
    from statsmodels.stats.proportion import confint_proportions_2indep

    holding = [sum(one == HOLDS for one in verdicts) for verdicts in (clean, spoilt)]
    low, high = confint_proportions_2indep(holding[0], len(clean), holding[1], len(spoilt), method="newcomb")
    difference = holding[0] / len(clean) - holding[1] / len(spoilt)
    return {
        "verdict_power": round(difference, 4),
        "verdict_power_low": round(float(low), 4),
        "verdict_power_high": round(float(high), 4),
    }


@click.command(help=__doc__)
@click.argument("metrics", type=click.Path())
@click.argument("plot", type=click.Path())
def main(metrics: str, plot: str) -> None:
    from threadpoolctl import threadpool_limits
    from tqdm import tqdm

    most = params().law.letter_share
    result: dict[str, Any] = {"runs": RUNS}
    points = []
    with threadpool_limits(1), tqdm(total=len(LADDERS) * len(SIZES) * (1 + len(NOISES)), unit=" settings") as bar:
        for name, precisions in LADDERS.items():
            skills = [skill(one) for one in precisions]
            for n in SIZES:
                found: dict[str, list[int]] = {}
                for noise in (None, *NOISES):
                    ladders = (simulated(skills, n, seed, noise) for seed in range(RUNS))
                    found[noise or "clean"] = [verdict(ladder, most) for ladder in ladders]
                    bar.update()
                own: dict[str, Any] = {}
                for noise, verdicts in found.items():
                    shares = {"holds": verdicts.count(HOLDS) / RUNS, "violated": verdicts.count(VIOLATED) / RUNS}
                    own[noise] = shares | (power(verdicts, found["clean"]) if noise != "clean" else {})
                    points.append({"ladder": name, "items": n, "noise": noise, "holds": shares["holds"]})
                result.setdefault(name, {})[f"items_{n}"] = own
    write_json(metrics, result)
    write_json(plot, points)


if __name__ == "__main__":
    main()
