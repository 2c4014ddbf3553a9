"""Learn the question filter's probes from the labels of the question is_question (paper, section 2, "Filter").

    python -m stages.filter_probes data/turns.jsonl data/annotations data/base data/filter_probes.safetensors

There is one for each scorer of kind probe in params.yaml, and none by default; the file is then empty, so that labels
make no scores stale.
"""

from pathlib import Path

import click
import numpy as np
from ibis import _

from stages.chat.fingerprint import check_key
from stages.judging.filter_probes import learn
from stages.judging.metrics import FEWEST, too_few
from stages.labels.filter_labels import random_questions
from stages.llm.filter_probe import write_probes
from stages.llm.states import StateReader
from stages.pipeline.command import Command
from stages.pipeline.definition import IS_QUESTION
from stages.pipeline.params import params
from stages.pipeline.schemas import Turn
from stages.pipeline.tables import compute_on, read, rows


@click.command(cls=Command, help=__doc__)
@click.argument("turns", type=click.Path(exists=True))
@click.argument("annotations", type=click.Path(exists=True, path_type=Path))
@click.argument("base", type=click.Path(exists=True, path_type=Path))
@click.argument("probes", type=click.Path())
def main(turns: str, annotations: Path, base: Path, probes: str) -> None:
    p = params()
    scorers = [scorer for scorer in p.score.scorers if scorer.kind == "probe"]
    if not scorers:
        write_probes(probes, {})
        return
    compute_on("duckdb")
    check_key(annotations, p.ingest.format)
    questions = random_questions(annotations, p)
    items = rows(read(turns, Turn).filter(_.id.isin(list(questions))).order_by("id"))
    labels = np.array([questions[item["id"]] for item in items], dtype=bool)
    if too_few(int(labels.sum()), len(items)):
        raise click.ClickException(
            f"{annotations / IS_QUESTION}: a scorer of kind probe learns from {FEWEST} turns of each label or more,"
            f" and there are {int(labels.sum())} and {int((~labels).sum())}: python -m stages.labels label NAME"
            f" --question {IS_QUESTION}"
        )
    probe_by_scorer = {}
    for scorer in scorers:
        reader = StateReader(base / str(scorer.model))
        states = reader.read_alone([item["text"] for item in items]).astype(float)
        probe_by_scorer[scorer.name] = learn(items, states, labels, reader.layers, p.seed)
    write_probes(probes, probe_by_scorer)


if __name__ == "__main__":
    main()
