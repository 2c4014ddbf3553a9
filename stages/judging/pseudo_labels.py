"""Labels that a probe gives to inquiries which nobody has labelled (Lee, 2013)."""

from typing import Any

from stages.judging.hidden_states import HiddenStates, Items
from stages.judging.probe import probe_of_best_layer


def pseudo_labelled(states: HiddenStates, train: Items, dev: Items, unlabelled: Items) -> list[dict[str, Any]]:
    """The unlabelled items with the label of a probe that has learnt `train`, and whose layer ranks `dev` best."""
    if not unlabelled:
        return []
    log_odds = probe_of_best_layer(states, train, dev, unlabelled)[1]
    return [{**item, "label": bool(value > 0)} for item, value in zip(unlabelled, log_odds, strict=True)]
