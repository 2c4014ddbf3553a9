"""The studies' arithmetic, where the answer is known, and one of them whole on a few items."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import f1_score

from stages.judging.evaluate_metric import measure
from stages.judging.power_law import f1, power_law
from stages.judging.predictions import log_odds_of
from stages.llm.predictions import predict
from stages.llm.training_examples import TrainingRows
from stages.llm.weights import linear_weights
from stages.pipeline.files import write_json
from stages.pipeline.params import params
from stages.pipeline.schemas import Item
from stages.pipeline.tables import from_rows, split_items, write
from stages.studies import full_rank, label_order, learning_curve
from stages.studies.learning_curve import fit, subset
from tests.conftest import Row, run, write_random_states
from tests.synthetic_chat import items

NAME = "smollm2_135m_10"


def test_a_power_law_is_found_again() -> None:
    labels = np.array([50, 100, 200, 400])
    assert power_law(labels, 3 * labels**-0.4) == pytest.approx((3, 0.4))


def test_f1_of_each_training_is_that_of_scikit_learn() -> None:
    rng = np.random.default_rng(0)
    truth, predicted = rng.random(60) < 0.4, rng.random((2, 3, 60)) < 0.5
    answers = np.where(predicted, "positive", "negative")
    counts = np.array([np.ones(60, int), np.repeat([2, 0], 30)])
    scores = f1(answers, np.zeros(predicted.shape), truth, counts)
    for sample, times in zip(scores, counts, strict=True):
        expected = [[f1_score(truth, run_answers, sample_weight=times) for run_answers in runs] for runs in predicted]
        assert sample == pytest.approx(np.array(expected))


def test_twice_the_labels_lie_within_the_bounds_where_the_law_is_true() -> None:
    """Answers drawn with errors that halve with every fourfold of labels: at twice the labels 1.41 times fewer."""
    rng = np.random.default_rng(1)
    truth = rng.random(2000) < 0.5
    labels = np.array([100, 200, 400, 800])
    error_rates = np.sqrt(9 / labels)  # of all items, which with even classes is about 1 - F1
    answers = np.where(truth ^ (rng.random((4, 3, 2000)) < error_rates[:, None, None]), "positive", "negative")
    curve = fit(labels, answers, np.zeros(answers.shape), truth, 0)
    expected = 1 - np.sqrt(9 / 1600)
    assert curve["f1_at_twice_low"] < expected < curve["f1_at_twice_high"]
    assert curve["exponent"] == pytest.approx(0.5, abs=0.05)
    assert curve["n"] == 2000


def test_parts_keep_the_classes_and_grow_into_each_other() -> None:
    labels: list[Row] = [{"id": i, "output": "B:needed" if i % 3 else "A:not needed"} for i in range(96)]
    eighth, half, whole = (subset(labels, part, 0) for part in (8, 2, 1))
    assert [len(eighth), len(half), len(whole)] == [12, 48, 96]
    assert sum(row["output"] == "B:needed" for row in eighth) == 8
    assert {row["id"] for row in eighth} <= {row["id"] for row in half}
    assert eighth != subset(labels, 8, 1)


@pytest.mark.parametrize("study", [learning_curve.main, full_rank.main, label_order.main])
def test_an_unknown_model_is_named(project: Path, study: Any) -> None:
    result = run(study, "smollm3", "found.json", "plot.json")
    assert result.exit_code == 1
    assert "smollm3 is not under models in params.yaml (known: smollm2_135m_10" in result.output


@pytest.fixture
def labelled(project: Path, base: Path, set_params: Callable[..., None], monkeypatch: pytest.MonkeyPatch) -> list[Row]:
    """Items in a project of which the first eight are train and the others dev."""
    monkeypatch.setenv("LABELS_CACHE", str(project / "cache"))
    set_params(epochs=4, batch_size=4, seeds=[0], **{"evaluate.split": "dev"})
    labelled = [item | {"split": "train" if n < 8 else "dev"} for n, item in enumerate(items(16))]
    (project / "data").mkdir(exist_ok=True)
    (project / "data" / "base").symlink_to(base)
    write(project / "data" / "items.jsonl", from_rows(labelled, Item), Item)
    write_random_states(project / "data" / "items.jsonl", project / "data" / "states.safetensors")
    task = "Does it need its context?\nA. not needed\nB. needed\n"
    for split, part in (("train", labelled[:8]), ("dev", labelled[8:]), ("test", [])):
        answers = {True: "B:needed", False: "A:not needed"}
        rows = [
            {"id": i["id"], "instruction": task + i["text"], "input": "", "output": answers[i["label"]]} for i in part
        ]
        write_json(project / "data" / "alpaca" / f"{split}.json", rows)
    return labelled


def test_a_curve_that_was_killed_goes_on(project: Path, labelled: list[Row], monkeypatch: pytest.MonkeyPatch) -> None:
    trained: list[str] = []

    def train(name: str, base: Path, rows: TrainingRows, *others: Any, **options: Any) -> None:
        if len(trained) == 2:
            trained.append("killed")
            raise KeyboardInterrupt
        trained.append(rows.labelled.parent.name)
        really(name, base, rows, *others, **options)

    really = learning_curve.train
    monkeypatch.setattr(learning_curve, "PARTS", (2, 1))
    monkeypatch.setattr(learning_curve, "SEEDS", (0, 1))
    monkeypatch.setattr(learning_curve, "train", train)
    assert run(learning_curve.main, NAME, "curve.json", "plot.json").exit_code == 1
    result = run(learning_curve.main, NAME, "curve.json", "plot.json")
    assert result.exit_code == 0, result.output
    assert trained == [f"{NAME}_4_0", f"{NAME}_4_1", "killed", f"{NAME}_8_0", f"{NAME}_8_1"]
    curve, points = (json.loads((project / file).read_text()) for file in ("curve.json", "plot.json"))
    assert curve["n"] == len(labelled) - 8
    places = [(model, labels, seed) for labels in (4, 8) for model in ("tuned", "probe") for seed in (0, 1)]
    assert [(point["model"], point["labels"], point["seed"]) for point in points] == places
    assert curve["labels_8"]["f1"] == pytest.approx((points[4]["f1"] + points[5]["f1"]) / 2, abs=1e-6)
    assert curve["labels_8"]["probe"]["f1"] == pytest.approx((points[6]["f1"] + points[7]["f1"]) / 2, abs=1e-6)
    assert len(list((project / "cache").glob("curve/*/*/done"))) == 4
    assert not list((project / "cache").glob("**/labels.json"))  # texts of the chat


def test_full_training_and_its_approximations(
    project: Path, base: Path, labelled: list[Row], monkeypatch: pytest.MonkeyPatch
) -> None:
    """At the rank of the whole update the model is the one that was trained, and at rank 0 the base."""
    import torch
    from safetensors.torch import load_file

    from stages.llm.transformers import Transformers
    from stages.llm.weights import load

    monkeypatch.setattr(full_rank, "RANKS", (1,))
    result = run(full_rank.main, NAME, "full_rank.json", "plot.json", "--lr", "1e-4")
    assert result.exit_code == 0, result.output
    metrics = json.loads((project / "full_rank.json").read_text())
    assert {key for key in metrics if key.startswith("rank_")} == {"rank_0", "rank_1", "rank_576"}
    assert metrics["rank_0"]["n"] == 8
    assert metrics["effective_rank"] > 1
    [tuned] = (project / "cache" / "full_rank").glob("*/model.safetensors")
    model = load(base / NAME, torch.float32)[0]
    trained, before = load_file(tuned), model.state_dict()
    changed = {key for key, weight in trained.items() if not torch.equal(weight.float(), before[key].float())}
    assert changed == {f"{key}.weight" for key in linear_weights(model)}
    assert len(changed) == 70

    engine = Transformers(base / NAME, 2048)
    for rank, weights in ((0, {}), (576, trained)):
        engine.model.load_state_dict(engine.model.state_dict() | weights)
        engine.identity = {**engine.identity, "weights": f"by hand, {rank}"}
        answers = predict(split_items("data/items.jsonl", "dev"), engine, params(), "by hand")
        truth = [row["label"] for row in labelled[8:]]
        scores = measure([row["answer"] for row in answers], truth, list(map(log_odds_of, answers)), 100, 0)
        assert (metrics[f"rank_{rank}"]["f1"], metrics[f"rank_{rank}"]["auc"]) == (scores["f1"], scores["auc"])
