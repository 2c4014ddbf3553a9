"""The loop of the paper's Figure 2, once: law, queue, labels, law; and what came of it.

    python -m stages.studies.relabel ANNOTATOR [--first 50]

Shows the items whose labels are likeliest wrong to ANNOTATOR in this terminal, joins the new labels as
`annotate.policy` says and asks the law again. Nothing is trained. Left early, it goes on with what was labelled.
"""

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click
import numpy as np

from stages.params import params
from stages.schemas import Labelled, Prediction
from stages.scoring import scores
from stages.tables import read, rows

LAW = Path("metrics/law.json")
VALID = Path("data/valid.jsonl")
QUEUE = Path("data/reannotate.jsonl")
PREDICTIONS = Path("data/predictions/baseline")


def step(*command: str) -> None:
    if subprocess.run([sys.executable, "-m", *command]).returncode:
        raise click.ClickException(f"`{' '.join(command)}` failed, see above; the labels made so far are kept")


def answered(name: str, labels: Mapping[int, bool]) -> float:
    """A vanilla model's precision over all labelled items."""
    said = rows(read(PREDICTIONS / f"{name}.jsonl", Prediction))
    asked = [row for row in said if row["prompt"] == params().export.prompt]
    answers = np.array([[row["answer"] for row in asked]])
    truth = np.array([labels[row["id"]] for row in asked])
    return float(scores(answers, np.zeros(answers.shape), truth, np.ones((1, len(asked))))["precision"][0, 0])


def state() -> dict[str, Any]:
    """What the law says now, and each item's label."""
    step("dvc", "repro", "--quiet", "law", "reannotate")
    labels = {item["id"]: item["cr_need_gt"] for item in rows(read(VALID, Labelled))}
    precision = {name: answered(name, labels) for name in params().ladder}
    return {"law": json.loads(LAW.read_text(encoding="utf-8")), "labels": labels, "precision": precision}


def compared(before: dict[str, Any], after: dict[str, Any]) -> list[tuple[str, str, str]]:
    """Name, before and after of everything that a reader of the loop wants to see."""
    old, new = before["labels"], after["labels"]
    changed = sum(old[id] != new[id] for id in old.keys() & new.keys())
    lines = [("labelled items", str(len(old)), str(len(new))), ("labels changed", "", str(changed))]
    for key in ("verdict", "strictly_rising", "slope", "slope_up"):
        was, now = (f"{one['law'][key]:g}" if key in one["law"] else "-" for one in (before, after))
        lines.append((key, was, now))
    for name, value in before["precision"].items():
        lines.append((f"precision, {name} (%)", f"{100 * value:.2f}", f"{100 * after['precision'][name]:.2f}"))
    return lines


@click.command(help=__doc__)
@click.argument("annotator")
@click.option("--first", default=50, show_default=True, help="How many items of the queue.")
def main(annotator: str, first: int) -> None:
    before = state()
    step("stages.labels", "label", annotator, "--queue", str(QUEUE), "--first", str(first))
    after = state()
    click.echo("| | before | after |\n|---|---|---|")
    for line in compared(before, after):
        click.echo(f"| {' | '.join(line)} |")


if __name__ == "__main__":
    main()
