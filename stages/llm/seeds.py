"""Predictions of trainings that differ by their seed alone, as one."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from stages.llm.predictions import likeliest, majority
from stages.llm.prompts import OPTIONS
from stages.pipeline.schemas import ANSWER_OF_SEED


def mean_predictions(predictions_by_seed: Mapping[int, Sequence[dict[str, Any]]]) -> list[dict[str, Any]]:
    """One prediction for each item over all seeds, whose predictions are for the same items in the same order. Those
    of a single seed stay as they are.
    """
    seeds, predictions = list(predictions_by_seed), list(predictions_by_seed.values())
    if len(seeds) == 1:
        return list(predictions[0])
    by_item = zip(*predictions, strict=True)
    return [mean_prediction(dict(zip(seeds, of_item, strict=True))) for of_item in by_item]


def mean_prediction(prediction_by_seed: Mapping[int, dict[str, Any]]) -> dict[str, Any]:
    """An item's mean probability of each option over the seeds, as a logarithm, and the likeliest option.

    Seeds without log-probabilities are left out. An option that lacks one with another seed has none. Where all
    options lack one, the seeds' answers are counted. Letters and texts of all seeds follow one another; each seed's
    answer stands beside them.
    """
    predictions = list(prediction_by_seed.values())
    with_logprobs = [one for one in predictions if any(one[option] is not None for option in OPTIONS)]
    means = {
        option: round(log_of_mean([one[option] for one in with_logprobs]), 6)
        for option in OPTIONS
        if with_logprobs and all(one[option] is not None for one in with_logprobs)
    }
    texts = [one["said"] for one in predictions if one["said"] is not None]
    return (
        predictions[0]
        | dict.fromkeys(OPTIONS)
        | means
        | {
            "answer": likeliest(means) if means else majority([one["answer"] for one in predictions]),
            "letters": "".join(one["letters"] for one in predictions),
            "said": "\n".join(texts) if texts else None,
            "turns_lost": max(one["turns_lost"] for one in predictions),
        }
        | {f"{ANSWER_OF_SEED}{seed}": one["answer"] for seed, one in prediction_by_seed.items()}
    )


def log_of_mean(logprobs: Sequence[float]) -> float:
    """The logarithm of the mean of the probabilities whose logarithms these are."""
    largest = max(logprobs)  # taken out, so that its exponential is 1 and the sum never 0
    return largest + math.log(sum(math.exp(logprob - largest) for logprob in logprobs) / len(logprobs))
