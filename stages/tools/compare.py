"""The tables of this run beside the paper's own figures (data/paper.yaml), in percent.

    python -m stages.tools.compare metrics/tables.json metrics/ablation.json data/paper.yaml

Table 3 is left out where no ablation has run. Data and labels differ from the paper's, so a difference doesn't follow
from the model alone.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import click

from stages.pipeline.command import Command
from stages.pipeline.files import read_json, read_yaml
from stages.pipeline.markdown import markdown_table, percent
from stages.reporting.tables import bounded, f1_over_seeds, gain

Row = Mapping[str, Any]
Cell = Callable[[Row], str]
TABLE_1: dict[str, Cell] = {"precision": lambda row: bounded(row, "precision"), "f1": lambda row: bounded(row, "f1")}
TABLE_2: dict[str, Cell] = {
    "f1": f1_over_seeds,
    "improvement": gain,
    "recall_before": lambda row: percent(row.get("recall_before")),
    "recall_after": lambda row: percent(row["recall_after"]),
}
TABLE_3: dict[str, Cell] = {"f1": lambda row: f1_over_seeds(row["test"])}


def beside(ours: Mapping[str, Row], paper: Mapping[str, Row], columns: Mapping[str, Cell]) -> str:
    """A table with two columns for each score, ours and the paper's; a cell without a score is empty.

    `ours` and `paper` are by model or method; `columns` has the cell of our score, the paper's are in percent.
    """
    head = ["", *(f"{prefix}{key}" for key in columns for prefix in ("", "paper: "))]
    lines = []
    for name in {**paper, **ours}:
        cells = [name]
        for key, cell in columns.items():
            paper_score = paper.get(name, {}).get(key)
            cells.append(cell(ours[name]) if name in ours else "")
            cells.append("" if paper_score is None else f"{paper_score:.2f}")
        lines.append(cells)
    return markdown_table(head, lines)


@click.command(cls=Command, help=__doc__)
@click.argument("tables", type=click.Path(exists=True, path_type=Path))
@click.argument("ablation", type=click.Path(path_type=Path))
@click.argument("paper", type=click.Path(exists=True, path_type=Path))
def main(tables: Path, ablation: Path, paper: Path) -> None:
    printed = read_yaml(paper)
    ours = {name: {row["model"]: row for row in rows} for name, rows in read_json(tables).items()}
    click.echo(f"**Table 1.** Vanilla models.\n\n{beside(ours['table_1'], printed['table_1'], TABLE_1)}\n")
    click.echo(f"**Table 2.** Tuned models.\n\n{beside(ours['table_2'], printed['table_2'], TABLE_2)}")
    if ablation.exists():
        methods = read_json(ablation)["methods"]
        printed_methods = {name: {"f1": value} for name, value in printed["table_3"].items()}
        click.echo(f"\n**Table 3.** One model, F1 on test.\n\n{beside(methods, printed_methods, TABLE_3)}")


if __name__ == "__main__":
    main()
