"""Ranks of updates, against the product itself and against matrices whose ranks are known."""

import json
import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stages.judging.update_rank import ranks, singular_values
from stages.rank import main
from tests.conftest import run


@settings(deadline=None, max_examples=30)
@given(st.integers(1, 6), st.integers(1, 12), st.integers(1, 12), st.integers(0, 2**31))
def test_singular_values_are_those_of_the_product(rank: int, rows: int, columns: int, seed: int) -> None:
    import torch

    chance = torch.Generator().manual_seed(seed)
    a, b = torch.randn(rank, columns, generator=chance), torch.randn(rows, rank, generator=chance)
    product = torch.linalg.svdvals((b @ a).double())
    values = singular_values(a, b)
    count = min(len(values), len(product))
    assert values[:count].tolist() == pytest.approx(product[:count].tolist(), abs=1e-4)
    assert float(values[count:].sum()) == pytest.approx(0, abs=1e-4)


@pytest.mark.parametrize(
    ("values", "effective", "stable", "directions"),
    [
        ([5.0, 0, 0, 0], 1, 1, 1),
        ([2.0, 2, 2, 2], 4, 4, 4),
        ([3.0, 3, 0, 0], 2, 2, 2),
        ([3.0, 1, 0, 0], math.exp(-(0.75 * math.log(0.75) + 0.25 * math.log(0.25))), 10 / 9, 1),
        ([0.0, 0, 0, 0], 0, 0, 0),
    ],
)
def test_known_ranks(values: list[float], effective: float, stable: float, directions: int) -> None:
    import torch

    summary = ranks(torch.tensor(values, dtype=torch.float64))
    assert summary["effective_rank"] == pytest.approx(effective, abs=1e-4)
    assert summary["stable_rank"] == pytest.approx(stable, abs=1e-4)
    assert summary["directions_90"] == directions


def test_an_adapter_of_peft(base: Path, tmp_path: Path) -> None:
    import torch
    from peft import LoraConfig, get_peft_model

    from stages.llm.weights import load

    config = LoraConfig(r=4, target_modules="all-linear", init_lora_weights=False)
    model: Any = get_peft_model(load(base / "smollm2_135m_10", torch.float32)[0], config)
    for name, weight in model.named_parameters():
        if "layers.3.mlp.up_proj.lora_A" in name:
            weight.data[1:] = 0  # one direction is left
    model.save_pretrained(str(tmp_path / "adapter"))
    assert run(main, tmp_path / "adapter", tmp_path / "rank.json", tmp_path / "plot.json").exit_code == 0
    summary = json.loads((tmp_path / "rank.json").read_text())
    assert (summary["matrices"], summary["rank"]) == (70, 4)
    by_place = {(row["layer"], row["module"]): row for row in json.loads((tmp_path / "plot.json").read_text())}
    assert by_place[3, "up_proj"]["effective_rank"] == pytest.approx(1, abs=1e-3)
    assert by_place[3, "up_proj"]["directions_90"] == 1
    assert by_place[4, "up_proj"]["effective_rank"] > 3
