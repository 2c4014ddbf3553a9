"""The budgets of the GPU's tests, and the table of what they measured."""

import time
from importlib.util import find_spec
from typing import Any

import pytest

from stages.pipeline.files import write_json
from stages.reporting.doc_figures import gpu_table
from tests.conftest import ROOT
from tests.gpu.work import ON_GPU, VLLM_PYTHON

# Seconds on a card of 80 GB, estimated: nobody has measured them. tests/unit/test_gpu_table.py adds them up.
BUDGETS = {
    "test_packages_and_card": 20,
    "test_training_as_in_the_paper": 120,
    "test_vllm_answers_as_transformers[float32]": 75,
    "test_vllm_answers_as_transformers[bfloat16]": 75,
    "test_a_mixture_with_an_adapter": 60,
    "test_stages_give_the_memory_back": 90,
    "test_a_step_of_the_32b_shape": 50,
    "test_vllm_starts_with_the_32b_shape": 110,
}
MEASURED: dict[str, dict[str, Any]] = {}  # by the name of the test


def pytest_runtest_setup(item: pytest.Item) -> None:
    import torch

    if ON_GPU and not torch.cuda.is_available() and item.name != "test_packages_and_card":
        pytest.skip("torch finds no GPU; GPU_TEST_DEVICE=cpu runs small shapes on a CPU")
    has_vllm = find_spec("vllm") if ON_GPU else VLLM_PYTHON.exists()
    if "vllm_settings" in getattr(item, "fixturenames", ()) and not has_vllm:
        pytest.skip(
            f"{VLLM_PYTHON} has no vLLM: docs/gpu.md has the line that installs it, on a CPU `make .venv-vllm/.ready`"
        )


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    name = report.nodeid.rpartition("::")[2]
    before = MEASURED.get(name, {"seconds": 0.0, "budget": BUDGETS[name], "outcome": "passed", "figures": {}})
    outcome = before["outcome"] if report.passed else report.outcome
    reason = str(report.longrepr[2]).removeprefix("Skipped: ") if isinstance(report.longrepr, tuple) else ""
    figures = dict(report.user_properties) | ({"reason": reason} if reason else {})
    seconds = round(before["seconds"] + report.duration, 1)
    MEASURED[name] = before | {"seconds": seconds, "outcome": outcome, "figures": before["figures"] | figures}


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Prints the table. A run of all tests on a GPU keeps it for docs/performance.md."""
    if not MEASURED:
        return
    run = {"day": time.strftime("%Y-%m-%d"), "tests": MEASURED}
    terminalreporter.write_line(f"\n{gpu_table(run)}\n")
    card = MEASURED.get("test_packages_and_card", {"figures": {}})["figures"].get("card")
    if card and MEASURED.keys() == BUDGETS.keys():
        write_json(ROOT / "metrics" / "gpu.json", run)
        terminalreporter.write_line("metrics/gpu.json has it; `make figures` puts it into docs/performance.md")
