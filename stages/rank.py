"""The rank of an adapter's update (the paper's open question: does the data meet LoRA's assumption of a low rank?).

    python -m stages.rank data/adapters/NAME metrics/details/rank/NAME.json metrics/plots/rank/NAME.json

The plot has the measures of each matrix (stages/judging/update_rank.py), the details have their means.
"""

from pathlib import Path
from typing import Any

import click

from stages.judging.update_rank import factors, mean_ranks, ranks, singular_values
from stages.pipeline.command import Command
from stages.pipeline.files import write_json


@click.command(cls=Command, help=__doc__)
@click.argument("adapter", type=click.Path(exists=True, path_type=Path))
@click.argument("details", type=click.Path())
@click.argument("plot", type=click.Path())
def main(adapter: Path, details: str, plot: str) -> None:
    by_matrix = sorted(factors(adapter).items())
    rows: list[dict[str, Any]] = [
        {"layer": layer, "module": module} | ranks(singular_values(factor["A"], factor["B"]))
        for (layer, module), factor in by_matrix
    ]
    _, first = by_matrix[0]
    write_json(details, {"matrices": len(rows), "rank": len(first["A"])} | mean_ranks(rows))
    write_json(plot, rows)


if __name__ == "__main__":
    main()
