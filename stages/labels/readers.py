"""Readers that learn from the labels so far, in less than a second, and say which inquiries they are least sure of.

They are a probe: logistic regression on a vanilla model's hidden states. Readers of the message's words, averaged with
it, chose worse items on the sample, and so did the expected length of the gradient (Settles and Craven, 2008).
"""

from collections.abc import Mapping, Sequence

import numpy as np

from stages.judging.classifiers import log_odds_from_views
from stages.judging.hidden_states import HiddenStates, Items
from stages.judging.metrics import Floats, sigmoid

LEAST = 20  # items that readers learn from


class Readers:
    """Readers of `items`, of which `states` has the hidden states.

    Raises click.ClickException for an item without states.
    """

    def __init__(self, states: HiddenStates, items: Items):
        self.views = states.of_middle_layer(items)
        self.row_by_id = {item["id"]: row for row, item in enumerate(items)}

    def log_odds(self, labels: Mapping[int, bool], ids: Sequence[int]) -> Floats:
        """Log-odds of positive [ids] by readers that have learnt `labels`, whether each is positive, by id."""
        learnt, asked = ([self.row_by_id[id] for id in part] for part in (labels, ids))
        return log_odds_from_views(self.views[:, learnt], np.array(list(labels.values())), self.views[:, asked])

    def uncertainty(self, labels: Mapping[int, bool], ids: Sequence[int]) -> Floats:
        """How unsure the readers are of each item [ids]: p (1 - p), with the probability p of positive."""
        probabilities: Floats = sigmoid(self.log_odds(labels, ids))
        return probabilities * (1 - probabilities)


def can_learn(labels: Mapping[int, bool]) -> bool:
    """Whether there are enough labels to learn from, and of both kinds."""
    return len(labels) >= LEAST and len(set(labels.values())) == 2
