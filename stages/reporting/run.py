"""What a finished run left: the scores of its models and their predictions on the split that is judged."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from stages.judging.predictions import load_predictions
from stages.pipeline.files import read_json
from stages.pipeline.params import Params
from stages.pipeline.tables import Rows, split_items

Scores = Mapping[str, Any]  # a metrics file of a model
Answers = Mapping[str, Rows]  # predictions by model
FLOORS = ("always_positive", "tfidf_lr", "probe")  # of the stage floor, which learn in seconds or not at all


class Run(NamedTuple):
    """Scores and predictions by model, vanilla and tuned, smallest first; scores of the floors."""

    vanilla: Mapping[str, Scores]
    tuned: Mapping[str, Scores]
    floors: Mapping[str, Scores]
    vanilla_answers: Answers
    tuned_answers: Answers


def load_run(metrics: Path, data: Path, p: Params) -> Run:
    """Read the metrics and predictions of the models in `ladder` and `finetune`."""
    names = sorted(p.ladder, key=lambda name: p.models[name].size)
    trained = [name for name in names if name in p.finetune]
    ids = {item["id"] for item in split_items(data / "items.jsonl", p.evaluate.split)}
    return Run(
        vanilla={name: read_json(metrics / "details" / "baseline" / f"{name}.json") for name in names},
        tuned={name: read_json(metrics / "details" / "tuned" / f"{name}.json") for name in trained},
        floors={name: read_json(metrics / "details" / "floor" / f"{name}.json") for name in FLOORS},
        vanilla_answers=load_predictions(data / "predictions" / "baseline", names, p.question.prompt, ids),
        tuned_answers=load_predictions(data / "predictions" / "tuned", trained, p.question.prompt, ids),
    )
