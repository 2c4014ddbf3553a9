"""What models answered: their predictions by model, and the log-odds that a prediction stands for."""

from collections.abc import Collection, Iterable, Iterator
from pathlib import Path
from typing import Any

from stages.pipeline.schemas import Prediction
from stages.pipeline.tables import read, rows


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


def log_odds_of(prediction: dict[str, Any]) -> float:
    """The log-odds of needed against not needed.

    Without log-probabilities 1 for the answer needed, -1 for not needed, and 0 for any other.
    """
    if prediction["needed"] is None:
        return float((prediction["answer"] == "needed") - (prediction["answer"] == "not_needed"))
    return prediction["needed"] - prediction["not_needed"]
