"""The law and the tables against the paper's own numbers (Table 1, Table 2)."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from stages.law import by_size, law
from stages.params import Model, params
from stages.report import table_1, table_2
from tests.conftest import ROOT

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
    found = {"precision": precision / 100, "f1": f1 / 100, "recall": 0.5, "letter_share": 0.5}
    return found | {f"{name}_{side}": value for name, value in found.items() for side in ("low", "high")}


def test_the_law_holds_over_table_1(models: dict[str, Model]) -> None:
    precision = {name: row[0] / 100 for name, row in reversed(PAPER.items())}
    rising = by_size(precision, models)
    assert rising == [row[0] / 100 for name, row in PAPER.items() if "moe" not in name]
    verdict = law(rising, 0.5, 0.9)
    assert (verdict["models"], verdict["strictly_rising"], verdict["spearman"], verdict["signal"]) == (6, 1, 1, 1)


def test_f1_of_table_1_breaks_the_law(models: dict[str, Model]) -> None:
    verdict = law(by_size({name: row[1] for name, row in PAPER.items()}, models), 0.5, 0.9)
    assert verdict["strictly_rising"] == 0
    assert 0 < verdict["spearman"] < 1


@pytest.mark.parametrize(("rising", "holds"), [([0.5, 0.5, 0.6], 0), ([0.5], 0), ([0.5, 0.4], 0), ([0.1, 0.2], 1)])
def test_strictly(rising: list[float], holds: int) -> None:
    assert law(rising, 0.5, 0.9)["strictly_rising"] == holds


def test_one_letter_is_no_signal() -> None:
    assert law([0.1, 0.2], 0.91, 0.9)["signal"] == 0


def test_table_2_gives_the_papers_improvements(models: dict[str, Model]) -> None:
    baseline = {name: scores(precision, f1) for name, (precision, f1, _, _) in PAPER.items()}
    tuned = {name: scores(precision, f1) for name, (precision, _, f1, _) in PAPER.items()}
    lines = table_2(baseline, tuned, {}, models).splitlines()[2:]
    assert [line.split(" | ")[2] for line in lines] == [row[3] for row in PAPER.values()]
    assert "for reference" in lines[-1]
    one = table_1(baseline, {"always_needed": scores(40, 57)}, models).splitlines()
    assert one[2].startswith("| qwen1_5_0_5b | 55.68 (55.68 to 55.68) | 52.43 (52.43 to 52.43) |")
    assert one[-1].startswith("| *always_needed* | 40.00 ")


def test_law_reads_the_models_that_params_name(project: Path, set_params: Callable[..., None]) -> None:
    import json

    from stages.law import main
    from tests.conftest import run

    set_params(ladder=["smollm2_135m_10", "smollm2_135m"], finetune=["smollm2_135m"])
    folder = project / "metrics" / "baseline"
    folder.mkdir(parents=True)
    for name, precision in (("smollm2_135m_10", 0.4), ("smollm2_135m", 0.6), ("left_behind", 0.9)):
        (folder / f"{name}.json").write_text(json.dumps({"precision": precision, "letter_share": 0.7}))
    assert run(main, folder, project / "law.json").exit_code == 0
    verdict = json.loads((project / "law.json").read_text())
    assert (verdict["models"], verdict["strictly_rising"], verdict["letter_share"]) == (2, 1, 0.7)
