"""The tables of this run beside the paper's own figures (data/paper.yaml), in percent.

    python -m stages.results.compare metrics/tables.json metrics/ablation.json data/paper.yaml

Table 3 is left out where no ablation has run. Other data and other labels: figures differ for more reasons than the
model.
"""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import click
from ruamel.yaml import YAML

from stages.cards.model import bounded
from stages.results.scores import gain, markdown, percent
from stages.studies.ablation import f1

Cell = Callable[[Mapping[str, Any]], str]


def beside(ours: Mapping[str, Mapping[str, Any]], paper: Mapping[str, Any], columns: Mapping[str, Cell]) -> str:
    """A table with two columns for each score, ours and the paper's; what one of the two doesn't have is empty."""
    head = ["", *(f"{who}{key}" for key in columns for who in ("", "paper: "))]
    lines = []
    for name in {**paper, **ours}:
        cells = [name]
        for key, cell in columns.items():
            theirs = paper.get(name, {}).get(key)
            cells += [cell(ours[name]) if name in ours else "", "" if theirs is None else f"{theirs:.2f}"]
        lines.append(cells)
    return markdown(head, lines)


@click.command(help=__doc__)
@click.argument("tables", type=click.Path(exists=True, path_type=Path))
@click.argument("ablation", type=click.Path(path_type=Path))
@click.argument("paper", type=click.Path(exists=True, path_type=Path))
def main(tables: Path, ablation: Path, paper: Path) -> None:
    theirs = YAML(typ="safe", pure=True).load(paper.read_text(encoding="utf-8"))
    ours = {
        table: {row["model"]: row for row in rows}
        for table, rows in json.loads(tables.read_text(encoding="utf-8")).items()
    }
    one: dict[str, Cell] = {"precision": lambda row: bounded(row, "precision"), "f1": lambda row: bounded(row, "f1")}
    two: dict[str, Cell] = {
        "f1": one["f1"],
        "improvement": gain,
        "recall_before": lambda row: percent(row.get("recall_before")),
        "recall_after": lambda row: percent(row["recall_after"]),
    }
    click.echo(f"**Table 1.** Vanilla models.\n\n{beside(ours['table_1'], theirs['table_1'], one)}\n")
    click.echo(f"**Table 2.** Tuned models.\n\n{beside(ours['table_2'], theirs['table_2'], two)}")
    if ablation.exists():
        methods = json.loads(ablation.read_text(encoding="utf-8"))["methods"]
        printed = {name: {"f1": value} for name, value in theirs["table_3"].items()}
        click.echo(
            f"\n**Table 3.** One model, F1 on test.\n\n{beside(methods, printed, {'f1': lambda row: f1(row['test'])})}"
        )


if __name__ == "__main__":
    main()
