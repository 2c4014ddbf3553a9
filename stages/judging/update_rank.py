"""The rank of an update of weights, in three measures: effective rank, stable rank, and directions of its energy."""

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from stages.pipeline.files import read_json

ENERGY = 0.9  # share of the energy that directions_90 counts
MEASURES = ("effective_rank", "stable_rank", "directions_90")
FACTOR = re.compile(r"\.(\d+)\.(?:\w+\.)*?((?:experts\.\d+\.)?\w+)\.lora_([AB])\.weight$")  # layer, module, factor
# A mixture's experts are stacked in two parameters of one module, which peft wraps one around the other.
STACKED = {"base_layer": "gate_up_proj", "experts": "down_proj"}
Matrix = tuple[int, str]  # layer and module


def factors(adapter: Path) -> dict[Matrix, dict[str, Any]]:
    """The factors A [rank, in] and B [out, rank] of each matrix that an adapter updates, each expert's by itself."""
    from safetensors.torch import load_file

    rank = read_json(adapter / "adapter_config.json")["r"]

    by_matrix: dict[Matrix, dict[str, Any]] = defaultdict(dict)
    for name, weight in load_file(adapter / "adapter_model.safetensors").items():
        match = FACTOR.search(name)
        if not match:
            raise click.ClickException(f"{adapter}: {name} is no factor of a LoRA update")
        layer, module, factor = match.groups()
        by_matrix[int(layer), module][factor] = weight
    for layer, module in [matrix for matrix in by_matrix if matrix[1] in STACKED]:
        stacked = by_matrix.pop((layer, module))
        for expert, pair in enumerate(split_by_expert(stacked["A"], stacked["B"], rank)):
            by_matrix[layer, f"experts.{expert}.{STACKED[module]}"] = pair
    return by_matrix


def split_by_expert(a: Any, b: Any, rank: int) -> list[dict[str, Any]]:
    """The factors of each expert from peft's stacked ones, A [experts * rank, in] and B [out, rank * experts]."""
    experts = len(a) // rank
    a_by_expert = a.reshape(experts, rank, -1)
    b_by_expert = b.reshape(len(b), rank, experts).permute(2, 0, 1)
    return [{"A": a_by_expert[i], "B": b_by_expert[i]} for i in range(experts)]


def singular_values(a: Any, b: Any) -> Any:
    """The singular values of B A, the largest first.

    The product of both factors' R, after QR decompositions, has the same ones and is only [rank, rank].
    """
    import torch

    r_of_b, r_of_a = torch.linalg.qr(b.double()).R, torch.linalg.qr(a.double().T).R
    return torch.linalg.svdvals(r_of_b @ r_of_a.T)


def ranks(singular_values: Any) -> dict[str, float]:
    """The measures of MEASURES for singular values, the largest first; all 0 for an update of zeros.

    `effective_rank` is the exponential of their entropy (Roy and Vetterli, 2007), `stable_rank` their energy over that
    of the largest, `directions_90` how many hold 90% of the energy.
    """
    energy = singular_values**2
    if not energy.sum():
        return dict.fromkeys(MEASURES, 0)
    share = singular_values / singular_values.sum()
    entropy = -(share * share.clamp(min=1e-300).log()).sum()
    return {
        "effective_rank": round(float(entropy.exp()), 4),
        "stable_rank": round(float(energy.sum() / energy[0]), 4),
        "directions_90": int((energy.cumsum(0) < ENERGY * energy.sum()).sum()) + 1,
    }


def mean_ranks(rows: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """The mean over matrices of each measure."""
    return {measure: round(sum(row[measure] for row in rows) / len(rows), 4) for measure in MEASURES}
