"""One round of the loop of the paper's Figure 2: law, queue, labels, law; and a comparison of before and after.

    python -m stages.tools.relabel ANNOTATOR [--first 50]

Shows the items whose labels are likeliest wrong to ANNOTATOR in this terminal, joins the new labels as
`annotate.policy` says and judges the law again. Nothing is trained. Left early, it goes on with the labels that were
made.
"""

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import click
import numpy as np

from stages.judging.metrics import weighted_scores
from stages.judging.predictions import load_predictions
from stages.pipeline.command import Command
from stages.pipeline.files import read_json
from stages.pipeline.markdown import markdown_table
from stages.pipeline.params import params
from stages.pipeline.schemas import Labelled
from stages.pipeline.tables import read, rows

LAW = Path("metrics/details/law.json")
VALID = Path("data/valid.jsonl")
QUEUE = Path("data/reannotate.jsonl")
PREDICTIONS = Path("data/predictions/baseline")


class State(NamedTuple):
    """The law's metrics, each item's label by id, and each vanilla model's precision over all labelled items."""

    law: dict[str, Any]
    labels: dict[int, bool]
    precision: dict[str, float]


def run_module(*command: str) -> None:
    if subprocess.run([sys.executable, "-m", *command]).returncode:
        raise click.ClickException(f"`{' '.join(command)}` failed, see above; the labels made so far are kept")


def precision_of(model: str, labels: Mapping[int, bool]) -> float:
    """A vanilla model's precision over all labelled items."""
    predictions = load_predictions(PREDICTIONS, [model], params().question.prompt)[model]
    answers = np.array([[row["answer"] for row in predictions]])
    truth = np.array([labels[row["id"]] for row in predictions])
    no_odds, counts = np.zeros(answers.shape), np.ones((1, len(predictions)))
    return float(weighted_scores(answers, no_odds, truth, counts)["precision"][0, 0])


def current_state() -> State:
    """The state after the law and the queue have been brought up to date."""
    run_module("dvc", "repro", "--quiet", "law", "reannotate")
    labels = {item["id"]: item["label"] for item in rows(read(VALID, Labelled))}
    precision = {model: precision_of(model, labels) for model in params().ladder}
    return State(read_json(LAW), labels, precision)


def comparison(before: State, after: State) -> list[tuple[str, str, str]]:
    """The rows of the table: name, before and after."""
    changed = sum(before.labels[id] != after.labels[id] for id in before.labels.keys() & after.labels.keys())
    table = [("labelled items", str(len(before.labels)), str(len(after.labels))), ("labels changed", "", str(changed))]
    for key in ("verdict", "strictly_rising", "slope", "slope_increase_probability"):
        values = [f"{state.law[key]:g}" if key in state.law else "-" for state in (before, after)]
        table.append((key, values[0], values[1]))
    for model in before.precision:
        values = [f"{100 * state.precision[model]:.2f}" for state in (before, after)]
        table.append((f"precision, {model} (%)", values[0], values[1]))
    return table


@click.command(cls=Command, help=__doc__)
@click.argument("annotator")
@click.option(
    "--first", type=click.IntRange(min=1), default=50, show_default=True, help="How many items of the queue."
)
def main(annotator: str, first: int) -> None:
    before = current_state()
    run_module("stages.labels", "label", annotator, "--queue", str(QUEUE), "--first", str(first))
    after = current_state()
    click.echo(markdown_table(["", "before", "after"], comparison(before, after)))


if __name__ == "__main__":
    main()
