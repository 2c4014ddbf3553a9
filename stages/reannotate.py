"""The labels that are likeliest wrong (paper, section 2, "Check": what the big models get wrong is looked at again).

    python -m stages.reannotate data/valid.jsonl data/predictions/baseline data/annotations data/imported.jsonl
        data/states.safetensors data/reannotate.jsonl metrics/details/reannotate.json

Every labelled item is ranked by the evidence against its label: a probe that has not seen it, the ladder's models that
show a signal, and the annotators' own votes. `python -m stages.labels label NAME --queue data/reannotate.jsonl` shows
the first items to an annotator again.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click
import numpy as np

from stages.chat.fingerprint import check_key
from stages.judging.hidden_states import read_states
from stages.judging.label_doubt import REASONS, evidence
from stages.judging.predictions import load_predictions
from stages.judging.probe import out_of_sample
from stages.labels.store import Line, labelled_at, latest_lines, load
from stages.pipeline.command import Command
from stages.pipeline.definition import NEGATIVE, POSITIVE, Definition
from stages.pipeline.files import write_json
from stages.pipeline.model_sizes import with_sizes
from stages.pipeline.params import Params, params
from stages.pipeline.schemas import Labelled, Reannotate
from stages.pipeline.tables import from_rows, read, rows, write
from stages.pipeline.window import with_window


def independent_votes(
    lines_by_annotator: Mapping[str, Line], adjudicator: str | None, question: Definition
) -> dict[str, str]:
    """What an item's labels mean by annotator, without the adjudicator, who has seen the others' labels."""
    return {
        annotator: question.labels[line["label"]].means
        for annotator, line in lines_by_annotator.items()
        if line["label"] and annotator != adjudicator
    }


def last_independent_label(lines_by_annotator: Mapping[str, Line], adjudicator: str | None) -> int:
    """When the last label was made, in epoch seconds; the adjudicator's counts only where there is no other."""
    time_by_annotator = {name: labelled_at(line) for name, line in lines_by_annotator.items() if line["label"]}
    independent_times = [time for name, time in time_by_annotator.items() if name != adjudicator]
    return max(independent_times or time_by_annotator.values())


def summary(
    queue: Sequence[Mapping[str, Any]], labels: Sequence[bool], unseen: Sequence[float], p: Params
) -> dict[str, float]:
    """The AUC of the probe that has not seen the labels, and how many items have each reason."""
    from stages.judging.evaluate_metric import measure

    answers = [POSITIVE if probability > 0.5 else NEGATIVE for probability in unseen]
    scores = measure(answers, list(labels), list(unseen), p.evaluate.bootstrap, p.seed)
    result = {f"cross_validated_{name}": scores[name] for name in ("auc", "auc_low", "auc_high")}
    result["n"] = len(queue)
    return result | {reason: sum(row["reason"] == reason for row in queue) for reason in REASONS}


@click.command(cls=Command, help=__doc__)
@click.argument("valid", type=click.Path(exists=True))
@click.argument("predictions", type=click.Path(exists=True, path_type=Path))
@click.argument("annotations", type=click.Path(exists=True, path_type=Path))
@click.argument("imported", type=click.Path(exists=True, path_type=Path))
@click.argument("states", type=click.Path(exists=True))
@click.argument("queue", type=click.Path())
@click.argument("details", type=click.Path())
def main(
    valid: str, predictions: Path, annotations: Path, imported: Path, states: str, queue: str, details: str
) -> None:
    p = with_sizes(with_window(params()))
    check_key(annotations, p.ingest.format)
    items = rows(read(valid, Labelled))
    labels = np.array([item["label"] for item in items])
    index = {item["id"]: i for i, item in enumerate(items)}
    answers = load_predictions(predictions, p.ladder, p.question.prompt)
    for model in answers:
        answers[model].sort(key=lambda row: index[row["id"]])
    question = p.question.definition
    lines = latest_lines(load(annotations, question, imported))
    votes = [independent_votes(lines[item["id"]], p.annotate.adjudicator, question) for item in items]
    unseen = out_of_sample(items, read_states(states).of_middle_layer(items), labels, p.seed)["all"]
    ranked = evidence(items, answers, unseen, votes, p)
    for row in ranked:
        row["label"] = question.value(row["label"])
        row["at"] = last_independent_label(lines[row["id"]], p.annotate.adjudicator)  # the adjudicator labels after it
    write(queue, from_rows(ranked, Reannotate), Reannotate)
    write_json(details, summary(ranked, labels.tolist(), unseen.tolist(), p))


if __name__ == "__main__":
    main()
