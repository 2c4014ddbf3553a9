"""How the question filter's probes learn from turns that are labelled as questions or not.

A probe is logistic regression on a vanilla model's hidden states of the turn alone. Each labelled turn also has the
rating of a probe that hasn't seen its conversation, by which the filter is judged.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from stages.judging.classifiers import fit_states, log_odds_from_views
from stages.judging.hidden_states import Items
from stages.judging.metrics import Bools, Floats, auc
from stages.judging.probe import folds
from stages.llm.filter_probe import FilterProbe, ratings


def learn(items: Items, states: Floats, labels: Bools, layers: Sequence[int], seed: int) -> FilterProbe:
    """The probe of the layer that ranks held-out turns best; `states` are [layers, views, items, hidden]."""
    item_folds = folds(items, labels, seed)
    held_out = np.zeros((len(layers), len(items)))
    for train, test in item_folds:
        if len(set(labels[train].tolist())) == 2:
            for place, of_layer in enumerate(states):
                held_out[place, test] = log_odds_from_views(of_layer[:, train], labels[train], of_layer[:, test])
    everything = np.ones((1, len(items)))
    best = int(np.argmax([auc(log_odds, labels, everything)[0] for log_odds in held_out]))
    weights, biases = zip(*(linear(fit_states(view, labels)) for view in states[best]), strict=True)
    return FilterProbe(
        np.array(layers[best]),
        np.stack(weights),
        np.array(biases),
        np.array([item["id"] for item in items], dtype=np.int64),
        ratings(held_out[best]),
    )


def linear(pipeline: Any) -> tuple[Floats, float]:
    """The weights [hidden] and the bias of logistic regression on standardized states, for the states as they are."""
    scaler, classifier = (step for _, step in pipeline.steps)
    weights = classifier.coef_[0] / scaler.scale_
    return weights, float(classifier.intercept_[0] - weights @ scaler.mean_)
