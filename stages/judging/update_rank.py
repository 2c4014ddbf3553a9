"""The rank of an update of weights, in three measures: effective rank, stable rank, and directions of its energy."""

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click

ENERGY = 0.9  # share of the energy that directions_90 counts
MEASURES = ("effective_rank", "stable_rank", "directions_90")
FACTOR = re.compile(r"layers\.(\d+)\.(?:\w+\.)*(\w+)\.lora_([AB])\.weight$")
Matrix = tuple[int, str]  # layer and module


def factors(adapter: Path) -> dict[Matrix, dict[str, Any]]:
    """The factors A [rank, in] and B [out, rank] of each matrix that an adapter updates."""
    from safetensors.torch import load_file

    by_matrix: dict[Matrix, dict[str, Any]] = defaultdict(dict)
    for name, weight in load_file(adapter / "adapter_model.safetensors").items():
        match = FACTOR.search(name)
        if not match:
            raise click.ClickException(f"{adapter}: {name} is no factor of a LoRA update")
        layer, module, factor = match.groups()
        by_matrix[int(layer), module][factor] = weight
    return by_matrix


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
