"""A ladder of models before the law: scores, trend and verdict, by paired bootstrap over the items."""

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import click
import numpy as np
from numpy.typing import NDArray

from stages import scoring
from stages.llm.asking import odds
from stages.params import Model
from stages.scoring import Bools, Floats, Sample, bounds

HOLDS, INCONCLUSIVE, VIOLATED, NO_SIGNAL, TOO_FEW = 2, 1, 0, -1, -2
FEWEST = 3  # models; through two points goes every trend
CONFIDENCE = 0.95


class Ladder(NamedTuple):
    """Models' answers to the same items, by size: names and sizes [models], answers, their letters' largest
    share and odds of needed [models, items], truth [items].
    """

    names: Sequence[str]
    sizes: NDArray[Any]
    answers: NDArray[Any]
    odds: Floats
    letter_share: Sequence[float]
    truth: Bools


def ladder_of(
    names: Sequence[str], answers: Mapping[str, list[dict[str, Any]]], models: Mapping[str, Model], moe: bool = False
) -> Ladder:
    """The dense models of `names`, by size, over the items that were asked of all of them; or, for reference, the
    mixtures of experts.
    """
    taken = sorted((name for name in names if models[name].moe is moe), key=lambda name: models[name].size)
    ids = [row["id"] for row in answers[taken[0]]]
    for name in taken:
        if [row["id"] for row in answers[name]] != ids:
            raise click.ClickException(f"{name} was asked other items than {taken[0]}: run both again with dvc repro")
    letters = [Counter("".join(row["letters"] for row in answers[name])) for name in taken]
    return Ladder(
        taken,
        np.array([models[name].size for name in taken]),
        np.array([[row["answer"] for row in answers[name]] for name in taken]),
        np.array([[odds(row) for row in answers[name]] for name in taken]),
        [round(max(given.values()) / given.total(), 6) for given in letters],
        np.array([row["cr_need_gt"] for row in answers[taken[0]]]),
    )


def slope(sizes: NDArray[Any], scores: Floats) -> Floats:
    """What a score gains with each doubling of parameters, by least squares; scores are [samples, models]."""
    x = np.log2(sizes) - np.log2(sizes).mean()
    return scores @ x / (x @ x)


def rising(scores: Sequence[float] | Floats) -> bool:
    """The paper's rule: each model scores better than the next smaller one."""
    return len(scores) > 1 and all(smaller < larger for smaller, larger in pairwise(scores))


def sample(ladder: Ladder, resamples: int, seed: int) -> Sample:
    return scoring.sample(ladder.answers, ladder.odds, ladder.truth, resamples, seed)


def telling(ladder: Ladder, drawn: Sample, most: float) -> Bools:
    """The models [models] that show a signal: a model that gives one letter more often than `most`, or whose AUC can't
    be told from 0.5, says nothing of labels.
    """
    low, high = drawn.bounds("auc")
    return (np.array(ladder.letter_share) <= most) & ((low > 0.5) | (high < 0.5))


def up(change: Floats) -> float:
    """How likely a change is positive: the share of resamples where it is, those without a change by half."""
    return float((change > 0).mean() + (change == 0).mean() / 2)


def change(name: str, whole: float, drawn: Floats) -> dict[str, float]:
    low, high = bounds(drawn)
    return {name: float(whole), f"{name}_low": float(low), f"{name}_high": float(high), f"{name}_up": up(drawn)}


def judge(ladder: Ladder, drawn: Sample, most: float) -> dict[str, Any]:
    """The verdict over a ladder, and its reasons as numbers.

    Models without a signal aren't counted. The law *holds* if precision rises at every step, and its trend in 95% of
    the resamples; it is *violated* if a step (all steps taken together, after Bonferroni) or the trend falls in 95% of
    them, and *inconclusive* otherwise.
    """
    from scipy.stats import kendalltau, spearmanr

    models, counted = len(ladder.names), np.flatnonzero(telling(ladder, drawn, most))
    found: dict[str, Any] = {
        "n": len(ladder.truth),
        "models": models,
        "counted": len(counted),
        "signal": int(len(counted) == models),
        "letter_share": max(ladder.letter_share),
    }
    orders = {}
    for name, score in drawn.whole.items():
        varied = len(set(score)) > 1
        orders[name] = {
            "strictly_rising": int(rising(score)),
            "spearman": float(spearmanr(range(models), score).statistic) if varied else 0.0,
            "kendall": float(kendalltau(range(models), score).statistic) if varied else 0.0,
        }
    found |= orders.pop("precision") | orders
    if len(counted) < FEWEST:
        return {"verdict": NO_SIGNAL if models >= FEWEST else TOO_FEW} | found
    sizes, precision = ladder.sizes[counted], drawn.whole["precision"][counted]
    sampled = drawn.drawn["precision"][:, counted]
    found |= change("slope", slope(sizes, precision[None])[0], slope(sizes, sampled))
    found["steps"] = {
        f"{ladder.names[counted[i]]}_to_{ladder.names[counted[i + 1]]}": change(
            "step", precision[i + 1] - precision[i], sampled[:, i + 1] - sampled[:, i]
        )
        for i in range(len(counted) - 1)
    }
    least = min(step["step_up"] for step in found["steps"].values())
    falls = least <= (1 - CONFIDENCE) / len(found["steps"]) or found["slope_up"] <= 1 - CONFIDENCE
    holds = rising(precision) and found["slope_up"] >= CONFIDENCE
    return {"verdict": HOLDS if holds else VIOLATED if falls else INCONCLUSIVE} | found


def labels_to_change(ladder: Ladder, a: int, b: int) -> int | None:
    """The fewest labels that would have to be others for model `b` to be more precise than model `a`; None if no
    number is enough.

    A label counts most where one of the two says "not needed": a false alarm of `b` made a hit, or a hit of `a` made a
    false alarm. The number is exact where both answer "needed" or "not needed" alone.
    """
    yes, no, truth = ladder.answers == "needed", ladder.answers == "not_needed", ladder.truth
    said = (yes & truth | ~no & ~truth).sum(1)
    better_b, worse_a = (yes[b] & ~truth & no[a]).sum(), (yes[a] & truth & no[b]).sum()
    both = (yes[a] & yes[b] & (truth if said[a] < said[b] else ~truth)).sum()
    each = 1 / np.maximum(said[[a, b]], 1)
    gains = np.sort(np.repeat([each[1], each[0], abs(each[0] - each[1])], [better_b, worse_a, both]))[::-1]
    precision = (yes & truth).sum(1) / np.maximum(said, 1)
    enough = np.flatnonzero(gains.cumsum() > precision[a] - precision[b] + 1e-12)  # sums of thirds and fifths round up
    return int(enough[0]) + 1 if len(enough) else None
