"""Probes of hidden states, and probabilities of positive for items whose own label is kept from the model.

A probe is logistic regression on a vanilla model's hidden states (Alain and Bengio, 2016). Cross-validation asks it
and logistic regression on the words of the message. That takes seconds; a fine-tuned model for each fold would take an
hour.
"""

from collections.abc import Sequence

import numpy as np

from stages.judging.classifiers import Indices, log_odds_from_states, log_odds_from_views, log_odds_from_words
from stages.judging.hidden_states import HiddenStates, Items
from stages.judging.metrics import Bools, Floats, auc, sigmoid
from stages.pipeline.tables import Rows

FOLDS = 5
SUSPECTS = 0.1  # share of each label's items that the second round doesn't learn from


def folds(items: Items, labels: Bools, seed: int) -> list[tuple[Indices, Indices]]:
    """Indices to train on and indices to test on, for each fold.

    A conversation lies whole on one side, except in a log of few conversations.
    """
    from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

    groups = [item["group"] for item in items]
    if len(set(groups)) >= 2 * FOLDS:
        return list(StratifiedGroupKFold(FOLDS, shuffle=True, random_state=seed).split(groups, labels, groups))
    return list(StratifiedKFold(FOLDS, shuffle=True, random_state=seed).split(groups, labels))


def suspects(doubt: Floats, labels: Bools) -> Bools:
    """Which items [items] are doubted most, a share of each label.

    Among all items together they would be those of the rarer label, which models doubt more, and little of it would be
    left to learn from.
    """
    doubted = np.zeros(len(labels), dtype=bool)
    for label in np.unique(labels):
        has_label = labels == label
        doubted |= has_label & (doubt >= np.quantile(doubt[has_label], 1 - SUSPECTS))
    return doubted


def out_of_sample(items: Items, views: Sequence[Floats] | Floats, labels: Bools, seed: int) -> dict[str, Floats]:
    """The probability of positive [items] by models that saw neither the item's label nor, where the log has enough of
    them, its conversation. `views` are hidden states [views, items, hidden].

    `words` and `states` are models of one kind of feature, in one round. `all` is the mean of their log-odds over two
    rounds; the second learns without the labels that the first doubts most (Northcutt et al., 2021).
    """
    texts = np.array([item["text"] for item in items], dtype=object)
    item_folds = folds(items, labels, seed)

    def cross_validate(usable: Bools) -> Floats:
        """Log-odds [1 + views, items], words first, learnt from `usable` items alone."""
        log_odds = np.zeros((1 + len(views), len(items)))
        for all_train, test in item_folds:
            train = all_train[usable[all_train]]
            if len(set(labels[train])) < 2:
                continue  # one label alone teaches nothing: even odds
            log_odds[0, test] = log_odds_from_words(
                texts[train].tolist(), labels[train].tolist(), texts[test].tolist()
            )
            for place, states in enumerate(views, start=1):
                log_odds[place, test] = log_odds_from_states(states[train], labels[train], states[test])
        return log_odds

    first = cross_validate(np.ones(len(items), dtype=bool))
    doubt = np.where(labels, -1, 1) * first.mean(0)
    second = cross_validate(~suspects(doubt, labels))
    log_odds = {"words": first[0], "states": first[1:].mean(0), "all": (first + second).mean(0) / 2}
    return {name: sigmoid(values) for name, values in log_odds.items()}


def truth_of(items: Items) -> Bools:
    """Whether each item's label is positive, [items]."""
    return np.array([item["label"] for item in items])


def probe_of_best_layer(states: HiddenStates, train: Items, dev: Items, evaluation: Items) -> tuple[int, Floats]:
    """The layer that ranks `dev` best, and the log-odds of positive [evaluation] that a probe of it gives."""
    labels = truth_of(train)
    of_train, of_dev = states.of(train), states.of(dev)
    everything = np.ones((1, len(dev)))
    aucs = [
        float(auc(log_odds_from_views(of_train[i], labels, of_dev[i]), truth_of(dev), everything)[0])
        for i in range(len(states.layers))
    ]
    best = int(np.argmax(aucs))
    return int(states.layers[best]), log_odds_from_views(of_train[best], labels, states.of(evaluation)[best])


def pseudo_labelled(states: HiddenStates, train: Items, dev: Items, unlabelled: Items) -> Rows:
    """The unlabelled items with the label of a probe (Lee, 2013) that has learnt `train`, and whose layer ranks `dev`
    best.
    """
    if not unlabelled:
        return []
    log_odds = probe_of_best_layer(states, train, dev, unlabelled)[1]
    return [{**item, "label": bool(value > 0)} for item, value in zip(unlabelled, log_odds, strict=True)]
