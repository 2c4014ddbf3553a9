"""Measure the question filter on turns that were drawn at random and labelled (paper, section 2, "Filter").

    python -m stages.judge_filter data/turns.jsonl data/scores.jsonl data/filter_probes.safetensors data/annotations
        metrics/judge_filter.json metrics/details/judge_filter.json metrics/plots/throttle.json

The labels are those of the question is_question but for turns that readers chose. So they are a random sample, and the
figures hold at any threshold. A probe is judged by ratings of turns that it hasn't seen, a tuned model by the turns of
dev and test.
"""

from collections.abc import Sequence
from pathlib import Path

import click
import ibis
import pyarrow
from ibis import _

from stages.chat.fingerprint import check_key
from stages.chat.inquiries import filter_turns
from stages.judging.metrics import DIGITS
from stages.judging.question_filter import filter_quality, threshold_sweep
from stages.labels.filter_labels import random_questions
from stages.labels.splitting import sides
from stages.llm.filter_probe import read_probe
from stages.pipeline.command import Command
from stages.pipeline.definition import IS_QUESTION
from stages.pipeline.files import write_json, write_metrics
from stages.pipeline.params import Params, Scorer, params
from stages.pipeline.schemas import Score, Turn
from stages.pipeline.tables import compute_on, in_memory, read, rows


def with_held_out_ratings(scores: ibis.Table, probes: Path, scorers: Sequence[Scorer]) -> ibis.Table:
    """The scores, with those of learnt turns replaced by the ratings of probes that haven't seen them."""
    for scorer in scorers:
        if scorer.kind == "probe":
            probe = read_probe(probes, scorer.name)
            ratings = in_memory(pyarrow.table({"id": probe.ids, "held_out": probe.held_out.round(DIGITS)}))
            joined = scores.left_join(ratings, "id").drop("id_right")
            is_rated = (_.scorer == scorer.name) & _.score.notnull() & _.held_out.notnull()
            scores = joined.mutate(score=ibis.ifelse(is_rated, _.held_out, _.score)).drop("held_out")
    return scores


def held_out_turns(turns: ibis.Table, p: Params) -> ibis.Table:
    """The labelled turns that no model of the filter was tuned on: those of dev and test, as the stage export splits
    the labels of a question, where a scorer is of kind tuned; all turns otherwise.
    """
    if all(scorer.kind != "tuned" for scorer in p.score.scorers):
        return turns
    items = [turn | {"cr_window": []} for turn in rows(turns)]
    train_ids = [id for id, side in sides(items, p.export).items() if side not in ("dev", "test")]
    return turns.filter(~_.id.isin(train_ids))


@click.command(cls=Command, help=__doc__)
@click.argument("turns", type=click.Path())
@click.argument("scores", type=click.Path())
@click.argument("probes", type=click.Path(path_type=Path))
@click.argument("annotations", type=click.Path(exists=True, path_type=Path))
@click.argument("metrics", type=click.Path())
@click.argument("details", type=click.Path())
@click.argument("plot", type=click.Path())
def main(turns: str, scores: str, probes: Path, annotations: Path, metrics: str, details: str, plot: str) -> None:
    p = params()
    compute_on("duckdb")
    check_key(annotations, p.ingest.format)
    questions = random_questions(annotations, p)
    labelled = read(turns, Turn).filter(_.id.isin(list(questions)))
    all_scores = with_held_out_ratings(read(scores, Score), probes, p.score.scorers)
    if gone := len(questions) - labelled.count().execute():
        click.echo(f"warning: {annotations / IS_QUESTION}: labelled turns that are not in {turns}: {gone}", err=True)
    held_out = held_out_turns(labelled, p)
    turn_by_id = {row["id"]: row for row in rows(filter_turns(held_out, all_scores, p))}
    quality = filter_quality(turn_by_id, questions, p.score.scorers, p.filter)
    write_metrics(metrics, details, {"labels_without_turn": gone} | quality, "precision", "recall", "n=recall_n")
    write_json(plot, threshold_sweep(all_scores, turn_by_id, questions, p.score.scorers))


if __name__ == "__main__":
    main()
