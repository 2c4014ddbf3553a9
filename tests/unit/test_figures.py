"""What the figures draw, against counts by hand and by scikit-learn."""

import json
import math

import numpy as np
import pytest
from sklearn.metrics import confusion_matrix, precision_score, recall_score

from stages.pipeline.params import params
from stages.pipeline.schemas import Score
from stages.pipeline.tables import from_rows
from stages.reporting.figures import confusion, histogram, precision_recall, reliability, size
from stages.reporting.run import Run
from tests.conftest import QUESTION, ROOT, Row


def answers(n: int = 300, seed: int = 0) -> list[Row]:
    """Predictions whose probability of positive is true: an item is positive as often as it says."""
    rng = np.random.default_rng(seed)
    rows = []
    for id in range(n):
        p, rest = rng.random(), rng.random() * 0.1
        weights = {"positive": p * (1 - rest), "negative": (1 - p) * (1 - rest), "dont_know": rest}
        logs = {name: math.log(max(weight, 1e-9)) for name, weight in weights.items()}
        answer = max(logs, key=logs.__getitem__)
        rows.append({"id": id, "label": bool(rng.random() < weights["positive"]), "answer": answer} | logs)
    return rows


def test_confusion_is_scikit_learns() -> None:
    rows = answers()
    rows[0]["answer"], rows[1]["answer"] = "refused", "dont_know"
    points = confusion({"vanilla": {"a": rows}, "tuned": {}}, QUESTION)
    truth = ["positive" if row["label"] else "negative" for row in rows]
    labels = ["positive", "negative", "dont_know", "refused"]  # those that occur
    expected = confusion_matrix(truth, [row["answer"] for row in rows], labels=labels)
    assert [point["items"] for point in points] == expected[:2].ravel().tolist()
    assert sum(point["share"] for point in points) == pytest.approx(2, abs=1e-3)


def test_true_probabilities_lie_on_the_diagonal() -> None:
    points = reliability({"tuned": {"a": answers(5000)}})
    assert sum(point["items"] for point in points) == 5000
    assert sum(point["low"] <= point["probability"] <= point["high"] for point in points) >= len(points) - 1
    assert all(point["low"] <= point["positive"] <= point["high"] for point in points)


def test_what_only_talked_has_no_probabilities() -> None:
    without = dict.fromkeys(("positive", "negative", "dont_know"))
    assert reliability({"vanilla": {"a": [row | without for row in answers(9)]}}) == []


def test_precision_at_each_recall() -> None:
    """The best over all thresholds that reach the recall, one by one."""
    rows = answers(120)
    odds = np.array([row["positive"] - row["negative"] for row in rows])
    truth = [row["label"] for row in rows]
    at = [(recall_score(truth, odds >= cut), precision_score(truth, odds >= cut)) for cut in odds]
    points = precision_recall({"tuned": {"a": rows}})
    assert points[0]["recall"] == 0
    assert points[-1]["recall"] == 1
    for point in points[1:]:
        assert point["precision"] == pytest.approx(max(p for r, p in at if r >= point["recall"] - 1e-9), abs=1e-4)


def test_every_score_is_in_the_histogram_once() -> None:
    scores = [
        {"id": i, "scorer": "is_question", "score": score, "no_answer": None}
        for i, score in enumerate([0.0, 0.1, 0.0999, 5.0, 10.0, 10.0])
    ]
    other = {"id": 9, "scorer": "other_is_question", "score": 1.0, "no_answer": None}
    scores.append({"id": 8, "scorer": "is_question", "score": None, "no_answer": "refused"})
    points = histogram(from_rows([*scores, other], Score), {"is_question": 5})
    assert sum(point["turns"] for point in points) == 6
    assert points[-1]["turns"] == 2
    assert {point["throttle"] for point in points} == {5}
    at = {(point["low"], point["high"]): point["turns"] for point in points}
    assert at[(0.025, 0.1)] == 1
    assert at[(0.1, 0.225)] == 1


def test_size_in_percent() -> None:
    precision = {"precision": 0.5, "precision_low": 0.4, "precision_high": 0.65}
    scores = precision | {"f1": 0.7, "f1_low": 0.61234, "f1_high": 0.8}
    models = params(ROOT / "params.yaml").models
    points = size(Run({"qwen1_5_4b": scores}, {}, {"always_positive": scores}, {}, {}), models)
    assert [point["parameters"] for point in points] == [models["qwen1_5_4b"].size, None] * 2
    assert [(point["score"], point["low"], point["value"], point["high"]) for point in points] == [
        ("precision", 40, 50, 65),
        ("precision", 40, 50, 65),
        ("F1 score", 61.23, 70, 80),
        ("F1 score", 61.23, 70, 80),
    ]


@pytest.mark.parametrize("name", sorted(file.name for file in (ROOT / ".dvc" / "plots").iterdir()))
def test_a_template_names_axes_with_words(name: str) -> None:
    """No axis is left with the bare name of a column."""
    spec = json.loads((ROOT / ".dvc" / "plots" / name).read_text())
    axes: dict[str, list[bool]] = {"x": [], "y": []}
    for key, value in _pairs(spec):
        if key in axes and isinstance(value, dict) and "field" in value:
            axes[key].append("title" in value or "title" in value.get("axis", {}))
    assert all(any(titles) for titles in axes.values())


def _pairs(value: object) -> list[tuple[str, object]]:
    if isinstance(value, list):
        return [pair for part in value for pair in _pairs(part)]
    if isinstance(value, dict):
        return [*value.items(), *(pair for part in value.values() for pair in _pairs(part))]
    return []
