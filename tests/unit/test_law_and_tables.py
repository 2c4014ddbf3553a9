"""The law and the tables against the paper's own numbers (Table 1, Table 2)."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import f1_score

from stages.judging.ladder import HOLDS, INCONCLUSIVE, NO_SIGNAL, TOO_FEW_LABELS, TOO_FEW_MODELS, VIOLATED, rising
from stages.law import main as law
from stages.law_gate import main as law_gate
from stages.pipeline.params import Model, params
from stages.pipeline.schemas import Prediction
from stages.pipeline.tables import from_rows, write
from stages.reporting.run import Run
from stages.reporting.tables import FLOOR, floors_in_words, improvements, markdown_1, markdown_2, table_1, table_2
from tests.conftest import ROOT, run

# Paper, in percent: precision and F1 of Table 1, F1 and improvement of Table 2
PAPER = {
    "qwen1_5_0_5b": (55.68, 52.43, 60.60, "+8.17"),
    "qwen1_5_1_8b": (56.15, 50.02, 62.90, "+12.88"),
    "qwen1_5_4b": (56.92, 62.75, 51.25, "-11.50"),
    "qwen1_5_7b": (57.11, 68.17, 69.22, "+1.05"),
    "qwen1_5_14b": (60.77, 64.59, 77.09, "+12.50"),
    "qwen1_5_32b": (68.29, 60.15, 85.58, "+25.43"),
    "qwen1_5_moe_a2_7b": (61.79, 32.86, 61.93, "+29.07"),
}


@pytest.fixture(scope="module")
def models() -> dict[str, Model]:
    return params(ROOT / "params.yaml").models


# Points from a score down and up to its bounds.
MARGINS = {"precision": (1, 2), "f1": (3, 4), "recall": (5, 6), "accuracy": (7, 8)}


def scores(precision: float, f1: float, recall: float = 40) -> dict[str, Any]:
    """Each score and each bound is another number, so that swapped columns show."""
    points = {"precision": precision, "f1": f1, "recall": recall, "accuracy": recall + 20}
    row = {name: value / 100 for name, value in points.items()}
    for name, (below, above) in MARGINS.items():
        row |= {f"{name}_low": (points[name] - below) / 100, f"{name}_high": (points[name] + above) / 100}
    return row | {"n": 300, "letter_share": 0.87}


def test_the_law_holds_over_table_1(models: dict[str, Model]) -> None:
    """In precision, not in F1."""
    dense = [name for name in PAPER if not models[name].moe]
    assert rising([PAPER[name][0] for name in dense])
    assert not rising([PAPER[name][1] for name in dense])


@pytest.mark.parametrize(("scores", "holds"), [([0.5, 0.5, 0.6], 0), ([0.5], 0), ([0.5, 0.4], 0), ([0.1, 0.2], 1)])
def test_strictly(scores: list[float], holds: int) -> None:
    assert rising(scores) == holds


def test_table_2_gives_the_papers_improvements(models: dict[str, Model]) -> None:
    baseline = {name: scores(precision, f1, 30 + i) for i, (name, (precision, f1, _, _)) in enumerate(PAPER.items())}
    tuned = {name: scores(precision, f1, 50 + i) for i, (name, (precision, _, f1, _)) in enumerate(PAPER.items())}
    gains = {name: {"improvement_low": -1.0, "improvement_high": 2.5} for name in PAPER}
    floors = {"always_positive": scores(90, 92)}
    vanilla_lines = markdown_1(table_1(baseline, floors, models)).splitlines()
    assert vanilla_lines[0] == (
        "| Model | Precision (%) | F1 score (%) | Recall (%) | Accuracy (%) | n | one letter (%) |"
    )
    assert [vanilla_lines[2], *vanilla_lines[-2:]] == [
        "| qwen1_5_0_5b | 55.68 (54.68 to 57.68) | 52.43 (49.43 to 56.43) | 30.00 (25.00 to 36.00)"
        " | 50.00 (43.00 to 58.00) | 300 | 87.00 |",
        "| qwen1_5_moe_a2_7b (MoE, for reference) | 61.79 (60.79 to 63.79) | 32.86 (29.86 to 36.86)"
        " | 36.00 (31.00 to 42.00) | 56.00 (49.00 to 64.00) | 300 | 87.00 |",
        "| *always_positive* | 90.00 (89.00 to 92.00) | 92.00 (89.00 to 96.00) | 40.00 (35.00 to 46.00)"
        " | 60.00 (53.00 to 68.00) | 300 | 87.00 |",
    ]
    tuned_lines = markdown_2(table_2(Run(baseline, tuned, floors, {}, {}), gains, models)).splitlines()
    assert tuned_lines[0] == (
        "| Model | F1 score (%) | improvement (points) | recall (%) before | recall (%) after | n |"
    )
    assert [line.split(" | ")[2] for line in tuned_lines[2:-1]] == [
        f"{row[3]} (-1.00 to +2.50)" for row in PAPER.values()
    ]
    assert [tuned_lines[2], *tuned_lines[-2:]] == [
        "| qwen1_5_0_5b | 60.60 (57.60 to 64.60) | +8.17 (-1.00 to +2.50) | 30.00 | 50.00 | 300 |",
        "| qwen1_5_moe_a2_7b (MoE, for reference) | 61.93 (58.93 to 65.93) | +29.07 (-1.00 to +2.50)"
        " | 36.00 | 56.00 | 300 |",
        "| *always_positive* | 92.00 (89.00 to 96.00) |  |  | 40.00 | 300 |",
    ]


def test_models_that_tuning_leaves_behind_a_floor_are_named(models: dict[str, Model]) -> None:
    names = ("qwen1_5_0_5b", "qwen1_5_1_8b", "qwen1_5_4b")
    baseline = dict.fromkeys(names, scores(50, 20))
    tuned = {name: scores(50, f1) for name, f1 in zip(names, (60, 75, 80), strict=True)}
    gains = {name: {"improvement_low": -1.0, "improvement_high": 2.5} for name in names}

    def words(probe_f1: float) -> str:
        floors = {"always_positive": scores(40, 57), "probe": scores(70, probe_f1)}
        return floors_in_words(table_2(Run(baseline, tuned, floors, {}, {}), gains, models))

    assert words(75) == "\nTuning qwen1_5_0_5b, qwen1_5_1_8b brought no higher F1 than probe has.\n"
    assert words(58) == ""


def test_the_best_is_bold_and_neither_a_floor_nor_the_reference_is(models: dict[str, Model]) -> None:
    vanilla = {
        "qwen1_5_0_5b": scores(50, 60),
        "qwen1_5_1_8b": scores(60, 60),
        "qwen1_5_4b": scores(40, 50),
        "qwen1_5_moe_a2_7b": scores(70, 70),
    }
    rows = table_1(vanilla, {"always_positive": scores(99, 99)}, models)
    small, large, worst, moe, floor = markdown_1(rows).splitlines()[2:]
    assert "| **60.00 (59.00 to 62.00)** | **60.00 (57.00 to 64.00)** |" in large
    assert "| 50.00 (49.00 to 52.00) | **60.00 (57.00 to 64.00)** |" in small  # a tie is best twice
    assert "**" not in worst
    assert "**70" not in moe
    assert "**99" not in floor
    assert [row["kind"] for row in rows][-1] == FLOOR


@pytest.mark.parametrize(
    ("f1_scores", "bold_count"),
    [((60, 60), 0), ((0, 0), 0), ((60,), 0), ((60, 60, 0), 2), ((60, 0), 1)],
    ids=["all alike", "none", "one model", "two of three", "one of two"],
)
def test_no_model_is_the_best_where_all_are_alike(
    models: dict[str, Model], f1_scores: tuple[int, ...], bold_count: int
) -> None:
    """Recall is the same for all of them here."""
    vanilla = {name: scores(0, f1) for name, f1 in zip(PAPER, f1_scores, strict=False)}
    text = markdown_1(table_1(vanilla, {"always_positive": scores(99, 99)}, models))
    assert text.count("**") == 2 * bold_count


def answer_rows(truth: Any, hits: Any) -> list[dict[str, Any]]:
    names = "negative", "positive"
    without = {"positive": None, "negative": None}
    return [
        {"id": id, "label": bool(true), "answer": names[bool(true) == bool(hit)], **without}
        for id, (true, hit) in enumerate(zip(truth, hits, strict=True))
    ]


def test_improvements_are_bounded_by_pairs() -> None:
    """As a plain loop over resampled items with scikit-learn's F1 has it; narrower than unpaired, and nothing where
    nothing changed.
    """
    rng = np.random.default_rng(0)
    truth = rng.random(200) < 0.4
    before = answer_rows(truth, rng.random(200) < 0.7)
    after = [row | {"answer": "positive" if row["label"] else row["answer"]} for row in before]
    bounds = improvements({"a": before, "b": before}, {"a": after, "b": before}, 4000, 0)
    assert bounds["b"] == {"improvement_low": 0, "improvement_high": 0}

    first, second = (np.array([row["answer"] == "positive" for row in rows]) for rows in (before, after))
    gains = []
    for _ in range(1000):
        i = rng.integers(0, 200, 200)
        gains.append(100 * (f1_score(truth[i], second[i]) - f1_score(truth[i], first[i])))
    low, high = np.percentile(gains, [2.5, 97.5])
    assert bounds["a"]["improvement_low"] == pytest.approx(low, abs=0.8)
    assert bounds["a"]["improvement_high"] == pytest.approx(high, abs=0.8)


def test_an_improvement_over_seeds_is_their_mean() -> None:
    """With one seed the answers of before and with another those of after, half as much is gained in each resample."""
    rng = np.random.default_rng(0)
    truth = rng.random(200) < 0.4
    before, after = (answer_rows(truth, rng.random(200) < skill) for skill in (0.6, 0.9))
    seeds = [
        old | {"answer": "dont_know", "answer_of_seed_3": old["answer"], "answer_of_seed_0": new["answer"]}
        for old, new in zip(before, after, strict=True)
    ]
    bounds = improvements({"a": before, "b": before}, {"a": after, "b": seeds}, 500, 0)
    for end in ("improvement_low", "improvement_high"):
        assert bounds["b"][end] == pytest.approx(bounds["a"][end] / 2, abs=0.01)
    assert bounds["b"]["improvement_low"] > 0


def test_law_reads_the_dense_models_that_params_name(project: Path, set_params: Callable[..., None]) -> None:
    """By size, whatever the order of the ladder; a model that was left behind and a mixture of experts don't count."""
    moe = {"qwen1_5_moe_a2_7b": 0}
    hits_by_name = {"qwen1_5_0_5b": 60, "qwen1_5_1_8b": 70, "qwen1_5_4b": 80}
    set_params(ladder=["qwen1_5_4b", *moe, "qwen1_5_0_5b", "qwen1_5_1_8b"], finetune=["qwen1_5_4b"])
    for name, hits in {"left_behind": 99, **hits_by_name, **moe}.items():
        answers = []
        for id in range(100):
            truth, correct = id % 2 == 0, (id * 37) % 100 < hits
            answer = "positive" if truth == correct else "negative"
            sure = {"positive": -0.1, "negative": -3.0, "dont_know": -9.0}
            odds = sure if answer == "positive" else sure | {"positive": -3.0, "negative": -0.1}
            answers.append(
                {
                    "id": id,
                    "label": truth,
                    "answer": answer,
                    "letters": "AB"[answer == "positive"],
                    "said": None,
                    "prompt": "en",
                    "turns_lost": 0,
                }
                | odds
            )
        write(project / "predictions" / f"{name}.jsonl", from_rows(answers, Prediction), Prediction)
    result = run(law, project / "predictions", project / "n.json", project / "law.json", project / "law.md")
    assert result.exit_code == 0, result.output
    verdict = json.loads((project / "law.json").read_text())
    assert (verdict["models"], verdict["strictly_rising"], verdict["spearman"], verdict["verdict"]) == (3, 1, 1, HOLDS)
    assert list(verdict["steps"]) == ["qwen1_5_0_5b_to_qwen1_5_1_8b", "qwen1_5_1_8b_to_qwen1_5_4b"]
    assert verdict["steps"]["qwen1_5_1_8b_to_qwen1_5_4b"]["step"] == pytest.approx(0.1, abs=0.02)
    moe_lines = [line for line in (project / "law.md").read_text().splitlines() if "moe" in line]
    assert len(moe_lines) == 1
    assert moe_lines[0].endswith("| MoE, for reference |")


@pytest.mark.parametrize("how", ["off", "warn", "stop"])
@pytest.mark.parametrize("verdict", [HOLDS, INCONCLUSIVE, VIOLATED, NO_SIGNAL, TOO_FEW_MODELS, TOO_FEW_LABELS])
def test_the_laws_gate_stops_at_a_violated_law_alone(
    project: Path, set_params: Callable[..., None], how: str, verdict: int
) -> None:
    set_params(**{"law.gate": how})
    (project / "law.json").write_text(json.dumps({"verdict": verdict, "n": 7}))
    result = run(law_gate, project / "law.json", project / "law_gate.json")
    stopped = verdict == VIOLATED and how == "stop"
    assert result.exit_code == int(stopped)
    assert ("the law is violated" in result.output) == (verdict == VIOLATED and how != "off")
    assert (project / "law_gate.json").exists() != stopped
