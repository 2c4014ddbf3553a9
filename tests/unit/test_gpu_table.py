"""The table of the GPU's tests, and their budgets; the tests themselves need a GPU."""

import ast
from pathlib import Path

import pytest

from stages.pipeline.files import write_json
from stages.reporting.doc_figures import gpu_tests
from tests.conftest import ROOT
from tests.gpu.conftest import BUDGETS

TEN_MINUTES = 600


def test_each_test_has_a_budget_and_all_take_ten_minutes() -> None:
    source = (ROOT / "tests" / "gpu" / "test_gpu.py").read_text(encoding="utf-8")
    functions = [node.name for node in ast.parse(source).body if isinstance(node, ast.FunctionDef)]
    tests = {name for name in functions if name.startswith("test_")}
    assert {name.partition("[")[0] for name in BUDGETS} == tests
    assert sum(BUDGETS.values()) <= TEN_MINUTES


def test_the_docs_have_the_measured_table_or_say_that_there_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert "Nobody has run" in gpu_tests()
    tests = {
        "test_packages_and_card": {
            "seconds": 9.6,
            "outcome": "passed",
            "budget": 20,
            "figures": {"card": "NVIDIA H100"},
        },
        "test_a_step": {"seconds": 1.0, "outcome": "skipped", "budget": 50, "figures": {"reason": "48 GB", "b": 2}},
    }
    write_json(tmp_path / "metrics" / "gpu.json", {"day": "2026-12-01", "tests": tests})
    heading, _, *table = gpu_tests().split("\n")
    assert heading == "NVIDIA H100, 2026-12-01, n = 1 run."
    assert table[2:] == [
        "| packages and card | passed | 10 | 20 | card: NVIDIA H100 |",
        "| a step | skipped | 1 | 50 | reason: 48 GB; b: 2 |",
    ]
