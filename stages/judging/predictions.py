"""What models answered: their predictions by model, and the log-odds that a prediction stands for."""

import math
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from stages.pipeline.schemas import ANSWER_OF_SEED, Prediction
from stages.pipeline.tables import read, rows

OPTIONS = ("needed", "not_needed", "dont_know")  # the columns of their log-probabilities
LEAST_PROBABILITY = 1e-9


def load_predictions(
    folder: Path, names: Iterable[str], prompt: str, ids: Collection[int] | None = None
) -> dict[str, list[dict[str, Any]]]:
    """Each model's predictions with one prompt, ordered by id, so that models can be compared row by row.

    With `ids` the predictions of these items alone.
    """

    def of_model(name: str) -> Iterator[dict[str, Any]]:
        for prediction in rows(read(folder / f"{name}.jsonl", Prediction).order_by("id")):
            if prediction["prompt"] == prompt and (ids is None or prediction["id"] in ids):
                yield prediction

    return {name: list(of_model(name)) for name in names}


def answers_of_seeds(prediction: Mapping[str, Any]) -> list[str]:
    """The answer of each seed's training; of a prediction that is of one training its own."""
    answers = [value for column, value in prediction.items() if column.startswith(ANSWER_OF_SEED)]
    return answers or [prediction["answer"]]


def has_probability(prediction: Mapping[str, Any]) -> bool:
    """Whether the engine has a log-probability of at least one option."""
    return any(prediction[option] is not None for option in OPTIONS)


def share_of_needed(prediction: Mapping[str, Any]) -> float:
    """The share of "needed" in the probability of the options; one without a log-probability counts as 0."""
    weights = {option: 0.0 if (value := prediction[option]) is None else math.exp(value) for option in OPTIONS}
    return weights["needed"] / sum(weights.values())


def log_odds_of(prediction: Mapping[str, Any]) -> float:
    """The log-odds of needed against not needed.

    Where only one of the two has a log-probability, the other is taken to have all the rest: the bound that is nearest
    to 0. Without any, 1 for the answer needed, -1 for not needed, and 0 for any other.
    """
    needed, not_needed = prediction["needed"], prediction["not_needed"]
    if needed is not None and not_needed is not None:
        return needed - not_needed
    if needed is not None:
        return _log_odds_at_least(needed)
    if not_needed is not None:
        return -_log_odds_at_least(not_needed)
    return float((prediction["answer"] == "needed") - (prediction["answer"] == "not_needed"))


def _log_odds_at_least(logprob: float) -> float:
    rest = max(1 - math.exp(logprob), LEAST_PROBABILITY)
    return max(0.0, logprob - math.log(rest))
