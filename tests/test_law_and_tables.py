"""The law and the tables against the paper's own numbers (Table 1, Table 2)."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ruamel.yaml import YAML
from sklearn.metrics import f1_score

from stages.gate import main as gate
from stages.ladder import HOLDS, INCONCLUSIVE, NO_SIGNAL, TOO_FEW, VIOLATED, rising
from stages.law import main as law
from stages.params import Model, params
from stages.results.scores import FLOOR, improvements, markdown_1, markdown_2, table_1, table_2
from stages.schemas import Prediction
from stages.tables import from_rows, write
from tests.clones import call, cut, lock
from tests.conftest import ROOT, change_params, run

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


def scores(precision: float, f1: float) -> dict[str, Any]:
    found = {"precision": precision / 100, "f1": f1 / 100, "recall": 0.5, "accuracy": 0.5}
    bounds = {f"{name}_{side}": value for name, value in found.items() for side in ("low", "high")}
    return found | bounds | {"n": 300, "letter_share": 0.5}


def test_the_law_holds_over_table_1(models: dict[str, Model]) -> None:
    """In precision, not in F1."""
    dense = [name for name in PAPER if not models[name].moe]
    assert rising([PAPER[name][0] for name in dense])
    assert not rising([PAPER[name][1] for name in dense])


@pytest.mark.parametrize(("scores", "holds"), [([0.5, 0.5, 0.6], 0), ([0.5], 0), ([0.5, 0.4], 0), ([0.1, 0.2], 1)])
def test_strictly(scores: list[float], holds: int) -> None:
    assert rising(scores) == holds


def test_table_2_gives_the_papers_improvements(models: dict[str, Model]) -> None:
    baseline = {name: scores(precision, f1) for name, (precision, f1, _, _) in PAPER.items()}
    tuned = {name: scores(precision, f1) for name, (precision, _, f1, _) in PAPER.items()}
    gains = {name: {"improvement_low": -1.0, "improvement_high": 2.5} for name in PAPER}
    floors = {"always_needed": scores(99, 99)}
    lines = markdown_2(table_2(baseline, tuned, gains, floors, models)).splitlines()[2:]
    assert [line.split(" | ")[2] for line in lines[:-1]] == [f"{row[3]} (-1.00 to +2.50)" for row in PAPER.values()]
    assert lines[-1].startswith("| *always_needed* | 99.00 ")
    one = markdown_1(table_1(baseline, floors, models)).splitlines()[2:]
    assert one[0].startswith("| qwen1_5_0_5b | 55.68 (55.68 to 55.68) | 52.43 (52.43 to 52.43) |")
    assert one[6].startswith("| qwen1_5_moe_a2_7b (MoE, for reference) | 61.79 ")


def test_the_best_is_bold_and_neither_a_floor_nor_the_reference_is(models: dict[str, Model]) -> None:
    vanilla = {"qwen1_5_0_5b": scores(50, 60), "qwen1_5_1_8b": scores(60, 60), "qwen1_5_moe_a2_7b": scores(70, 70)}
    rows = table_1(vanilla, {"always_needed": scores(99, 99)}, models)
    small, large, moe, floor = markdown_1(rows).splitlines()[2:]
    assert "| **60.00 (60.00 to 60.00)** | **60.00 (60.00 to 60.00)** |" in large
    assert "| 50.00 (50.00 to 50.00) | **60.00 (60.00 to 60.00)** |" in small  # a tie is best twice
    assert "**70" not in moe
    assert "**99" not in floor
    assert [row["kind"] for row in rows][-1] == FLOOR


def said(truth: Any, right: Any) -> list[dict[str, Any]]:
    names = "not_needed", "needed"
    return [
        {"id": id, "cr_need_gt": bool(true), "answer": names[bool(true) == bool(hit)], "needed": None}
        for id, (true, hit) in enumerate(zip(truth, right, strict=True))
    ]


def test_improvements_are_bounded_by_pairs() -> None:
    """As a plain loop over resampled items with scikit-learn's F1 has it; narrower than unpaired, and nothing where
    nothing changed.
    """
    rng = np.random.default_rng(0)
    truth = rng.random(200) < 0.4
    before = said(truth, rng.random(200) < 0.7)
    after = [row | {"answer": "needed" if row["cr_need_gt"] else row["answer"]} for row in before]
    found = improvements({"a": before, "b": before}, {"a": after, "b": before}, 4000, 0)
    assert found["b"] == {"improvement_low": 0, "improvement_high": 0}

    first, second = (np.array([row["answer"] == "needed" for row in rows]) for rows in (before, after))
    gains = []
    for _ in range(1000):
        i = rng.integers(0, 200, 200)
        gains.append(100 * (f1_score(truth[i], second[i]) - f1_score(truth[i], first[i])))
    low, high = np.percentile(gains, [2.5, 97.5])
    assert found["a"]["improvement_low"] == pytest.approx(low, abs=0.8)
    assert found["a"]["improvement_high"] == pytest.approx(high, abs=0.8)


def test_law_reads_the_dense_models_that_params_name(project: Path, set_params: Callable[..., None]) -> None:
    """By size, whatever the order of the ladder; a model that was left behind and a mixture of experts don't count."""
    moe = {"qwen1_5_moe_a2_7b": 0}
    right = {"qwen1_5_0_5b": 60, "qwen1_5_1_8b": 70, "qwen1_5_4b": 80}
    set_params(ladder=["qwen1_5_4b", *moe, "qwen1_5_0_5b", "qwen1_5_1_8b"], finetune=["qwen1_5_4b"])
    for name, hits in {"left_behind": 99, **right, **moe}.items():
        found = []
        for id in range(100):
            truth, correct = id % 2 == 0, (id * 37) % 100 < hits
            answer = "needed" if truth == correct else "not_needed"
            sure = {"needed": -0.1, "not_needed": -3.0, "dont_know": -9.0}
            odds = sure if answer == "needed" else sure | {"needed": -3.0, "not_needed": -0.1}
            found.append(
                {
                    "id": id,
                    "cr_need_gt": truth,
                    "answer": answer,
                    "letters": "AB"[answer == "needed"],
                    "said": None,
                    "prompt": "en",
                    "turns_lost": 0,
                }
                | odds
            )
        write(project / "predictions" / f"{name}.jsonl", from_rows(found, Prediction), Prediction)
    done = run(law, project / "predictions", project / "law.json", project / "law.md")
    assert done.exit_code == 0, done.output
    verdict = json.loads((project / "law.json").read_text())
    assert (verdict["models"], verdict["strictly_rising"], verdict["spearman"], verdict["verdict"]) == (3, 1, 1, HOLDS)
    assert list(verdict["steps"]) == ["qwen1_5_0_5b_to_qwen1_5_1_8b", "qwen1_5_1_8b_to_qwen1_5_4b"]
    assert verdict["steps"]["qwen1_5_1_8b_to_qwen1_5_4b"]["step"] == pytest.approx(0.1, abs=0.02)
    shown = [line for line in (project / "law.md").read_text().splitlines() if "moe" in line]
    assert len(shown) == 1
    assert shown[0].endswith("| MoE, for reference |")


@pytest.mark.parametrize("how", ["off", "warn", "stop"])
@pytest.mark.parametrize("verdict", [HOLDS, INCONCLUSIVE, VIOLATED, NO_SIGNAL, TOO_FEW])
def test_the_gate_stops_at_a_violated_law_alone(
    project: Path, set_params: Callable[..., None], how: str, verdict: int
) -> None:
    set_params(**{"law.gate": how})
    (project / "law.json").write_text(json.dumps({"verdict": verdict, "n": 7}))
    done = run(gate, project / "law.json", project / "gate.json")
    stopped = verdict == VIOLATED and how == "stop"
    assert done.exit_code == int(stopped)
    assert ("the law is violated" in done.output) == (verdict == VIOLATED and how != "off")
    assert (project / "gate.json").exists() != stopped


def test_a_violated_law_ends_dvc_repro_before_training_with_a_line_and_keeps_its_verdict(tmp_path: Path) -> None:
    """The real gate behind a stand-in for the law and before one for training."""
    gate = YAML(typ="safe", pure=True).load((ROOT / "dvc.yaml").read_text())["stages"]["gate"]
    law = {"cmd": "echo '{\"verdict\": 0}' > metrics/law.json", "outs": [{"metrics/law.json": {"cache": False}}]}
    train = {"cmd": "touch trained", "deps": ["data/gate.json"], "outs": ["trained"]}
    folder = cut(tmp_path, {"law": law, "gate": gate, "train": train})
    (folder / "metrics").mkdir()
    change_params(folder, {"law.gate": "stop"})
    said = call(folder, "dvc", "repro", fails=True)
    assert sum("the law is violated" in line for line in said.splitlines()) == 1
    assert "Traceback" not in said
    assert not (folder / "trained").exists()
    assert (folder / "metrics" / "law.json").exists()
    assert {"law"} <= lock(folder).keys() and not {"gate", "train"} & lock(folder).keys()
    change_params(folder, {"law.gate": "warn"})
    assert "warning: the law is violated" in call(folder, "dvc", "repro")
    assert (folder / "trained").exists()
