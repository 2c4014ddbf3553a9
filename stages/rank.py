"""How many directions does an adapter's update take? (The paper's open question: does the data meet LoRA's assumption
of a low rank?)

    python -m stages.rank data/adapters/NAME metrics/rank/NAME.json metrics/plots/rank/NAME.json

For each matrix: how many of its singular values count. `effective_rank` is the exponential of their entropy (Roy and
Vetterli, 2007), `stable_rank` their energy over that of the largest, `directions_90` how many hold 90% of the energy.
"""

import re
from collections import defaultdict
from pathlib import Path
from typing import Any

import click

from stages.tables import write_json

ENERGY = 0.9
FACTOR = re.compile(r"layers\.(\d+)\.(?:\w+\.)*(\w+)\.lora_([AB])\.weight$")
Update = tuple[int, str]  # layer and module


def factors(adapter: Path) -> dict[Update, dict[str, Any]]:
    """The factors A [rank, in] and B [out, rank] of each matrix."""
    from safetensors.torch import load_file

    found: dict[Update, dict[str, Any]] = defaultdict(dict)
    for name, weight in load_file(adapter / "adapter_model.safetensors").items():
        if not (parts := FACTOR.search(name)):
            raise click.ClickException(f"{adapter}: {name} is no factor of a LoRA update")
        found[int(parts[1]), parts[2]][parts[3]] = weight
    return found


def singular_values(a: Any, b: Any) -> Any:
    """Those of B A, the largest first, without the product: what is left of both after Q R has all of them."""
    import torch

    return torch.linalg.svdvals(torch.linalg.qr(b.double()).R @ torch.linalg.qr(a.double().T).R.T)


def ranks(values: Any) -> dict[str, float]:
    """How many of the singular values count, in three ways; all 0 for an update of zeros."""
    energy = values**2
    if not energy.sum():
        return dict.fromkeys(("effective_rank", "stable_rank", "directions_90"), 0)
    share = values / values.sum()
    return {
        "effective_rank": round(float((-(share * share.clamp(min=1e-300).log()).sum()).exp()), 4),
        "stable_rank": round(float(energy.sum() / energy[0]), 4),
        "directions_90": int((energy.cumsum(0) < ENERGY * energy.sum()).sum()) + 1,
    }


@click.command(help=__doc__)
@click.argument("adapter", type=click.Path(exists=True, path_type=Path))
@click.argument("metrics", type=click.Path())
@click.argument("plot", type=click.Path())
def main(adapter: Path, metrics: str, plot: str) -> None:
    found = factors(adapter)
    each: list[dict[str, Any]] = [
        {"layer": layer, "module": module} | ranks(singular_values(pair["A"], pair["B"]))
        for (layer, module), pair in sorted(found.items())
    ]
    summary: dict[str, float] = {"matrices": len(each), "rank": len(next(iter(found.values()))["A"])}
    for name in ("effective_rank", "stable_rank", "directions_90"):
        summary |= {name: round(sum(one[name] for one in each) / len(each), 4)}
    write_json(metrics, summary)
    write_json(plot, each)


if __name__ == "__main__":
    main()
