"""Readers that learn from the labels so far, in less than a second, and say which inquiries teach them most.

One reads a vanilla model's hidden states after the inquiry, the other the words of the message; both are logistic
regression, and their log-odds are averaged.
"""

from collections.abc import Mapping, Sequence
from functools import cached_property

import numpy as np

from stages.judging.classifiers import log_odds_from_states, log_odds_from_words
from stages.judging.hidden_states import HiddenStates, Items
from stages.judging.metrics import Floats, sigmoid

DEPTH = 0.75  # of the deepest layer in data/states.npz, which lies at 0.8 of the model: states at 0.6 are read
COMPONENTS = 150  # directions of most variance, in which the length of an inquiry's states is measured
LEAST = 20  # items that readers learn from


class Readers:
    """Readers of `items`, of which `states` has the hidden states.

    Raises click.ClickException for an item without states.
    """

    def __init__(self, states: HiddenStates, items: Items):
        place = int(np.abs(states.layers - DEPTH * states.layers.max()).argmin())
        middle = states._replace(layers=states.layers[[place]], values=states.values[[place]])
        self.states = middle.of(items)[0]
        self.texts = [item["text"] for item in items]
        self.row_by_id = {item["id"]: row for row, item in enumerate(items)}

    @cached_property
    def lengths(self) -> Floats:
        return projected_lengths(self.states)

    def log_odds(self, labels: Mapping[int, bool], ids: Sequence[int]) -> Floats:
        """Log-odds of needed [ids] by readers that have learnt `labels`, whether an item needs its context, by id."""
        from threadpoolctl import threadpool_limits

        learnt, asked = ([self.row_by_id[id] for id in part] for part in (labels, ids))
        answers = list(labels.values())
        with threadpool_limits(1):  # matrices this small only wait for more threads
            from_states = log_odds_from_states(self.states[learnt], np.array(answers), self.states[asked])
            from_words = log_odds_from_words(
                [self.texts[row] for row in learnt], answers, [self.texts[row] for row in asked]
            )
        return (from_states + np.array(from_words)) / 2

    def gradient_lengths(self, labels: Mapping[int, bool], ids: Sequence[int]) -> Floats:
        """The expected length [ids] of the gradient that an item's label would give the reader of states (Settles and
        Craven, 2008), up to a constant.

        With the probability p of needed and the states x it is (1 - p) |x| where the label is needed and p |x|
        otherwise; expected are 2 p (1 - p) |x|.
        """
        probabilities = sigmoid(self.log_odds(labels, ids))
        return 2 * probabilities * (1 - probabilities) * self.lengths[[self.row_by_id[id] for id in ids]]


def can_learn(labels: Mapping[int, bool]) -> bool:
    """Whether there are enough labels to learn from, and of both kinds."""
    return len(labels) >= LEAST and len(set(labels.values())) == 2


def projected_lengths(states: Floats) -> Floats:
    """The length [items] of each item's states [items, hidden], standardised, in the COMPONENTS directions of most
    variance.
    """
    from sklearn.decomposition import PCA
    from sklearn.preprocessing import StandardScaler
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1):
        pca = PCA(min(COMPONENTS, *states.shape), random_state=0)
        return np.linalg.norm(pca.fit_transform(StandardScaler().fit_transform(states)), axis=1)
