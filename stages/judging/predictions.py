"""What models answered: their predictions by model, and the log-odds that a prediction stands for."""

import math
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from stages.judging.metrics import sigmoid
from stages.pipeline.definition import NEGATIVE, POSITIVE
from stages.pipeline.schemas import ANSWER_OF_SEED, Prediction
from stages.pipeline.tables import Rows, read, rows

OPTIONS = (POSITIVE, NEGATIVE, "dont_know")  # the columns of their log-probabilities
LEAST_PROBABILITY = 1e-9


def load_predictions(
    folder: Path, names: Iterable[str], prompt: str, ids: Collection[int] | None = None
) -> dict[str, Rows]:
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


def share_of_positive(prediction: Mapping[str, Any]) -> float:
    """The share of "positive" in the probability of the options; one without a log-probability counts as 0."""
    weights = {option: 0.0 if (value := prediction[option]) is None else math.exp(value) for option in OPTIONS}
    return weights["positive"] / sum(weights.values())


def log_odds_of(prediction: Mapping[str, Any]) -> float:
    """The log-odds of positive against negative.

    Where only one of the two has a log-probability, the other is taken to have all the rest: the bound that is nearest
    to 0. Without any, 1 for the answer positive, -1 for negative, and 0 for any other.
    """
    positive, negative = prediction["positive"], prediction["negative"]
    if positive is not None and negative is not None:
        return positive - negative
    if positive is not None:
        return _log_odds_at_least(positive)
    if negative is not None:
        return -_log_odds_at_least(negative)
    return float((prediction["answer"] == "positive") - (prediction["answer"] == "negative"))


def probability_of(prediction: Mapping[str, Any]) -> float | None:
    """The probability of positive against negative; None for a prediction without log-probabilities."""
    return round(float(sigmoid(log_odds_of(prediction))), 4) if has_probability(prediction) else None


def _log_odds_at_least(logprob: float) -> float:
    rest = max(1 - math.exp(logprob), LEAST_PROBABILITY)
    return max(0.0, logprob - math.log(rest))
