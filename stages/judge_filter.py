"""Measure the question filter on turns that were drawn at random and labelled (paper, section 2, "Filter").

    python -m stages.judge_filter data/turns.jsonl data/scores.jsonl data/annotations/filter metrics/judge_filter.json
        metrics/details/judge_filter.json metrics/plots/throttle.json

The labels lie in data/annotations/filter/. The sample is random, so the figures hold at any threshold.
"""

from pathlib import Path

import click
from ibis import _

from stages.chat.fingerprint import check_key
from stages.chat.inquiries import filter_turns
from stages.judging.question_filter import filter_quality, threshold_sweep
from stages.labels.settling import labelled_questions
from stages.pipeline.command import Command
from stages.pipeline.files import write_json, write_metrics
from stages.pipeline.params import params
from stages.pipeline.schemas import Score, Turn
from stages.pipeline.tables import compute_on, read, rows


@click.command(cls=Command, help=__doc__)
@click.argument("turns", type=click.Path())
@click.argument("scores", type=click.Path())
@click.argument("labels", type=click.Path(exists=True, path_type=Path))
@click.argument("metrics", type=click.Path())
@click.argument("details", type=click.Path())
@click.argument("plot", type=click.Path())
def main(turns: str, scores: str, labels: Path, metrics: str, details: str, plot: str) -> None:
    p = params()
    compute_on("duckdb")
    check_key(labels.parent, p.ingest.format)
    questions = labelled_questions(labels)
    labelled = read(turns, Turn).filter(_.id.isin(list(questions)))
    all_scores = read(scores, Score)
    turn_by_id = {row["id"]: row for row in rows(filter_turns(labelled, all_scores, p.score.scorers, p.filter))}
    if gone := len(questions) - len(turn_by_id):
        click.echo(f"warning: {labels}: labelled turns that are not in {turns}: {gone}", err=True)
    quality = filter_quality(turn_by_id, questions, p.score.scorers, p.filter)
    write_metrics(metrics, details, {"labels_without_turn": gone} | quality, "precision", "recall", "n=recall_n")
    write_json(plot, threshold_sweep(all_scores, turn_by_id, questions, p.score.scorers))


if __name__ == "__main__":
    main()
