"""How well readers do by the number of labels, and what more labels would bring.

Cross-validation: the readers of each fold learn a quarter, half and all of the labels outside it, with whole
conversations on one side. They learn from every labelled item; they are judged by those alone that readers didn't
choose, which are a random sample of the log.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from stages.judging.bootstrap import bounds
from stages.judging.hidden_states import HiddenStates, Items
from stages.judging.metrics import FEWEST, Bools, Floats
from stages.judging.power_law import extrapolate, extrapolate_each, observed_f1, resampled_f1
from stages.judging.probe import FOLDS, folds, truth_of
from stages.labels.readers import Readers
from stages.pipeline.definition import NEGATIVE, POSITIVE

PARTS = (0.25, 0.5, 1)  # of the labels outside a fold
MOST_DRAWS = 3  # of folds and parts
LABELS_OF_DRAWS = 1500  # in all of them, so that many labels take no longer
MORE = 50  # labels that the forecast is for


class Estimate(NamedTuple):
    """A value and its 95% bounds."""

    value: float
    low: float
    high: float


class ReaderCurve(NamedTuple):
    """F1 of readers by the number of labels that they have learnt, and by the curve with MORE labels than now.

    `labels` is the number now, `gain` what MORE would bring, `n` the number of items that F1 is measured on,
    `always_positive` the F1 of answering so.
    """

    labels: int
    n: int
    f1_by_size: dict[int, Estimate]
    forecast: Estimate
    gain: Estimate
    always_positive: float

    @property
    def f1(self) -> Estimate:
        """F1 of the readers that have learnt the labels of all folds but one."""
        return self.f1_by_size[max(self.f1_by_size)]


def missing_labels(truth: Bools) -> dict[str, int]:
    """How many positive and negative items are missing before F1 says anything; `truth` is of random items."""
    positives = int(truth.sum())
    return {POSITIVE: max(0, FEWEST - positives), NEGATIVE: max(0, FEWEST - (len(truth) - positives))}


def reader_curve(items: Items, is_random: Bools, states: HiddenStates, seed: int) -> ReaderCurve:
    """The curve over labelled items, of which `is_random` [items] were not chosen by readers. Takes some seconds."""
    truth = truth_of(items)
    sizes, log_odds = cross_validated(items, truth, Readers(states, items), seed)
    measured, measured_truth = log_odds[:, :, is_random], truth[is_random]
    answers = np.where(measured > 0, "positive", "negative")
    no_ranking = np.zeros_like(measured)  # F1 needs none
    observed = observed_f1(answers, no_ranking, measured_truth)
    resampled = resampled_f1(answers, no_ranking, measured_truth, seed)
    low, high = bounds(resampled.mean(2))
    f1_by_size = {
        int(size): Estimate(*map(float, values))
        for size, *values in zip(sizes, observed.mean(1), low, high, strict=True)
    }
    now_and_later = np.array([len(items), len(items) + MORE])
    _, now, later = extrapolate(sizes, observed, now_and_later)
    _, resampled_now, resampled_later = extrapolate_each(sizes, resampled, now_and_later).T
    positive_share = float(measured_truth.mean())
    return ReaderCurve(
        labels=len(items),
        n=len(measured_truth),
        f1_by_size=f1_by_size,
        forecast=Estimate(*(float(value) for value in np.clip([later, *bounds(resampled_later)], 0, 1))),
        gain=Estimate(float(later - now), *map(float, bounds(resampled_later - resampled_now))),
        always_positive=2 * positive_share / (1 + positive_share),
    )


def cross_validated(items: Items, truth: Bools, readers: Readers, seed: int) -> tuple[NDArray[np.float64], Floats]:
    """The mean numbers of labels [PARTS] and log-odds [PARTS, draws, items] by readers of parts of the other folds."""
    ids = np.array([item["id"] for item in items])
    draws = max(1, min(MOST_DRAWS, LABELS_OF_DRAWS // len(items)))
    sizes = np.zeros((len(PARTS), draws, FOLDS))
    log_odds = np.zeros((len(PARTS), draws, len(items)))
    for draw in range(draws):
        rng = np.random.default_rng((seed, draw))
        for fold, (outside, inside) in enumerate(folds(items, truth, seed + draw)):
            order = rng.permutation(outside)
            for place, part in enumerate(PARTS):
                learnt = order[: round(part * len(order))]
                sizes[place, draw, fold] = len(learnt)
                labels = dict(zip(ids[learnt].tolist(), truth[learnt].tolist(), strict=True))
                if len(set(labels.values())) == 2:  # one label alone teaches nothing: even odds
                    log_odds[place, draw, inside] = readers.log_odds(labels, ids[inside].tolist())
    return sizes.mean((1, 2)), log_odds
