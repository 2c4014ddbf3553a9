"""Gates: rules, thresholds and what they cost, calibration, and the stage that compares gates."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.gate import main
from stages.gating.calibration import best_temperature, brier_score, calibration_error, temperature
from stages.gating.rules import RULES, TRIVIAL_RULES, rules_of
from stages.gating.threshold import measure_gate, threshold_for, trade_off
from stages.judging.metrics import sigmoid
from stages.pipeline.schemas import Item, Prediction
from stages.pipeline.tables import from_rows, write
from stages.reporting.gate_text import gate_table
from tests.conftest import QUESTION, Row, inquiry, run, write_random_states

SCORES = st.lists(st.tuples(st.integers(-20, 20), st.booleans()), min_size=2, max_size=60).filter(
    lambda pairs: len({truth for _, truth in pairs}) == 2
)


@pytest.mark.parametrize(
    ("text", "points", "short"),
    [
        ("What time is it in Berlin?", True, True),  # the rule can't tell this "it" from another
        ("And in Paris?", True, True),
        ("Why?", True, True),
        ("How do I install Python 3.11 on Debian?", False, True),
        ("Does that work with the newest release of the tool that you told me about last week?", True, False),
        ("Which of them?", True, True),
        ("Where can one buy a cheap and good bicycle in the middle of a big old town?", True, False),
        ("Does anybody know how many people live in Iceland?", False, True),
        ("那怎么部署？", True, True),
        ("它支持中文吗？", True, True),
        ("你呢？", True, True),
        ("Python 怎么安装？", False, True),
        ("请问如何在一台没有网络的机器上安装最新版本的软件包？", False, False),
    ],
)
def test_rules(text: str, points: bool, short: bool) -> None:
    item = inquiry(1, text=text)
    assert RULES["pointing_words"](item) == points
    assert RULES["at_most_12_words"](item) == short
    assert TRIVIAL_RULES["always"](item) and not TRIVIAL_RULES["never"](item)


def test_a_question_is_compared_with_the_rules_that_it_names() -> None:
    trivial = ["always", "never"]
    assert list(rules_of(QUESTION)) == [*trivial, "not_the_first_turn", "at_most_12_words", "pointing_words"]
    assert list(rules_of(QUESTION.model_copy(update={"rules": ["pointing_words"]}))) == [*trivial, "pointing_words"]
    assert list(rules_of(QUESTION.model_copy(update={"rules": []}))) == trivial


def test_the_first_turn_of_a_chat_has_no_history() -> None:
    assert not RULES["not_the_first_turn"](inquiry(1, window=0))
    assert RULES["not_the_first_turn"](inquiry(1, window=1))


@given(SCORES, st.floats(0.01, 1))
def test_the_threshold_is_the_highest_that_keeps_the_recall(pairs: list[tuple[int, bool]], recall: float) -> None:
    log_odds, truth = np.array([score for score, _ in pairs], dtype=float), np.array([label for _, label in pairs])
    threshold = threshold_for(recall, log_odds, truth)
    assert (log_odds[truth] >= threshold).mean() >= recall - 1e-6
    above = log_odds[log_odds > threshold].min()  # the next higher threshold that decides otherwise
    assert (log_odds[truth] > above).mean() < recall
    assert not np.any(log_odds == threshold)  # rounding of a score changes no decision


@given(SCORES)
def test_the_trade_off_is_that_of_the_roc_curve(pairs: list[tuple[int, bool]]) -> None:
    from sklearn.metrics import roc_curve

    log_odds, truth = np.array([score for score, _ in pairs], dtype=float), np.array([label for _, label in pairs])
    false_alarms, recall, _ = roc_curve(truth, log_odds, drop_intermediate=False)
    share = truth.mean()
    expected = [(1 - tpr, 1 - share * tpr - (1 - share) * fpr) for tpr, fpr in zip(recall, false_alarms, strict=True)]
    assert np.allclose(sorted(trade_off(log_odds, truth)), sorted(expected))


def test_the_scores_of_a_gate_by_hand() -> None:
    truth = np.array([True] * 40 + [False] * 60)
    is_positive = np.array([True] * 38 + [False] * 2 + [True] * 19 + [False] * 41)
    scores = measure_gate(is_positive, is_positive.astype(float), truth, 500, 0)
    assert scores["recall"] == 0.95
    assert scores["precision"] == round(38 / 57, 4)
    assert scores["saved"] == 0.43
    assert scores["saved_low"] == pytest.approx(0.43 - 1.96 * np.sqrt(0.43 * 0.57 / 100), abs=0.02)
    assert scores["saved_high"] == pytest.approx(0.43 + 1.96 * np.sqrt(0.43 * 0.57 / 100), abs=0.02)


def test_calibration_by_hand_and_by_scikit_learn() -> None:
    from sklearn.metrics import brier_score_loss

    rng = np.random.default_rng(0)
    probabilities = rng.random(200)
    truth = rng.random(200) < probabilities
    assert brier_score(probabilities, truth) == pytest.approx(brier_score_loss(truth, probabilities))
    sure, right = np.full(100, 0.9), np.arange(100) % 10 < 6
    assert calibration_error(sure, right) == pytest.approx(0.3)
    assert calibration_error(right.astype(float), right) == 0


def test_the_temperature_is_the_slope_of_a_logistic_regression() -> None:
    from sklearn.linear_model import LogisticRegression

    rng = np.random.default_rng(1)
    log_odds = rng.normal(scale=3, size=400)
    truth = rng.random(400) < sigmoid(log_odds / 2.5)
    fitted = LogisticRegression(C=1e9, fit_intercept=False).fit(log_odds[:, None], truth)
    best = best_temperature(log_odds, truth, np.ones(400))
    assert best == pytest.approx(1 / fitted.coef_[0, 0], rel=1e-3)
    bounds = temperature(log_odds, truth, 200, 0)
    assert 1 < bounds["temperature_low"] < 2.5 < bounds["temperature_high"]


@pytest.mark.parametrize("positives", [19, 20, 80, 81])
def test_too_few_items_of_a_label_have_no_table(positives: int) -> None:
    truth = np.arange(100) < positives
    gates = {"always": measure_gate(np.ones(100, bool), np.ones(100), truth, 50, 0)}
    text = gate_table(gates, 0.95, "test", 50, QUESTION)
    if positives in (20, 80):
        assert text.startswith("Gates on 100 items of test, percent with 95% bounds.")
        assert "the share of the items with the label needed that a gate finds" in text
        assert "| always | 100.00 (" in text and f" | {positives}.00 (" in text
    else:
        counts = f"it has {positives} items with the label needed and {100 - positives} not needed, fewer than 20"
        assert text.startswith(f"Nothing can be read off scores of test: {counts} of a label.")
        assert "|" not in text


def write_project(project: Path) -> list[Row]:
    """40 items a split; the model's log-odds tell the labels apart, and are three times too sure in dev."""
    rng = np.random.default_rng(5)
    items = [
        inquiry(id, text=f"word{id % 7} and it?", group=f"g{id}") | {"label": bool(rng.random() < 0.5)}
        for id in range(240)
    ]
    for item, split in zip(items, ["train"] * 80 + ["dev"] * 80 + ["test"] * 80, strict=True):
        item["split"] = split
    write(project / "items.jsonl", from_rows(items, Item), Item)
    write_random_states(project / "items.jsonl", project / "states.safetensors")
    log_odds = {item["id"]: float(3 * rng.normal(1.5 if item["label"] else -1.5, 1.5)) for item in items}
    (project / "gate").mkdir()
    for name in ("smollm2_135m_10", "smollm2_135m_20", "smollm2_135m"):
        predictions = [
            {
                "id": item["id"],
                "prompt": "en",
                "label": item["label"],
                "positive": float(np.log(sigmoid(log_odds[item["id"]]))),
                "negative": float(np.log(sigmoid(-log_odds[item["id"]]))),
                "dont_know": -30.0,
                "letters": "A",
                "said": None,
                "answer": "positive" if log_odds[item["id"]] > 0 else "negative",
                "turns_lost": 0,
            }
            for item in items
            if item["split"] != "train"
        ]
        write(project / "gate" / f"{name}.jsonl", from_rows(predictions, Prediction), Prediction)
    return [item | {"log_odds": log_odds[item["id"]]} for item in items]


def test_the_stage_chooses_on_dev_and_measures_on_test(project: Path, set_params: Callable[..., None]) -> None:
    items = write_project(project)
    files = ("items.jsonl", "states.safetensors", "gate", "gate.json", "m.json", "d.json", "gate.md", "plot.json")
    set_params(**{"gate.recall": 0.9})
    result = run(main, *(project / file for file in files))
    assert result.exit_code == 0, result.output
    written = json.loads((project / "gate.json").read_text())
    assert written["question"] == "needs_context"
    threshold = written["thresholds"]["smollm2_135m"]
    scores = json.loads((project / "m.json").read_text())["smollm2_135m"]
    positive_of_dev = sorted(item["log_odds"] for item in items if item["split"] == "dev" and item["label"])
    lost_of_dev = [value for value in positive_of_dev if value < threshold["log_odds"]]
    assert len(lost_of_dev) == int(0.1 * len(positive_of_dev))
    test = [item for item in items if item["split"] == "test"]
    kept = [item for item in test if item["log_odds"] >= threshold["log_odds"]]
    positive = [item for item in test if item["label"]]
    assert scores["n"] == 80
    assert scores["saved"] == pytest.approx(1 - len(kept) / 80, abs=1e-4)
    assert scores["recall"] == pytest.approx(sum(item["label"] for item in kept) / len(positive), abs=1e-4)
    details = json.loads((project / "d.json").read_text())
    assert threshold["temperature"] == details["smollm2_135m"]["temperature"] > 1.5
    assert details["smollm2_135m"]["brier_calibrated"] < details["smollm2_135m"]["brier"]
    assert details["always"]["saved"] == 0 and details["always"]["recall"] == 1
    assert details["never"]["saved"] == 1 and details["never"]["recall"] == 0
    words = (project / "gate.md").read_text()
    assert "| always | 100.00 (" in words and "| `smollm2_135m` |" in words
    points = [point for point in json.loads((project / "plot.json").read_text()) if point["gate"] == "smollm2_135m"]
    assert {"gate": "smollm2_135m", "lost": round(1 - scores["recall"], 4), "saved": scores["saved"]} in points
