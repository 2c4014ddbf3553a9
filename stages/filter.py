"""Keep the turns that the question is asked of, each with the turns before it (paper, section 2, "Filter", and section
3).

    python -m stages.filter data/turns.jsonl data/scores.jsonl data/inquiries.jsonl data/rejects/filter.jsonl
        metrics/filter.json metrics/details/filter.json --sample data/sample.json

A turn passes if every scorer gave it at least its throttle, and if it is long enough to be shown to annotators. For a
question that is asked of turns those pass that the stage sample has.
"""

from pathlib import Path

import click
from ibis import _

from stages.chat.inquiries import filter_turns, sample_turns, write_filtered
from stages.judging.metrics import DIGITS
from stages.pipeline.command import Command
from stages.pipeline.files import read_json, write_metrics
from stages.pipeline.params import params
from stages.pipeline.schemas import Score, Turn
from stages.pipeline.tables import compute_on, materialize, read


@click.command(cls=Command, help=__doc__)
@click.argument("turns", type=click.Path())
@click.argument("scores", type=click.Path())
@click.argument("inquiries", type=click.Path())
@click.argument("rejects", type=click.Path())
@click.argument("metrics", type=click.Path())
@click.argument("details", type=click.Path())
@click.option(
    "--sample", type=click.Path(exists=True, path_type=Path), help="Turns that a question of turns is asked of."
)
def main(
    turns: str, scores: str, inquiries: str, rejects: str, metrics: str, details: str, sample: Path | None
) -> None:
    p = params()
    compute_on(p.backend)
    all_turns = read(turns, Turn)
    if p.question.definition.asked_of == "turns":
        if sample is None:
            raise click.ClickException("--sample is missing: the question is asked of the turns of the stage sample")
        turns_with_reason = materialize(sample_turns(all_turns, read_json(sample)))
    else:
        turns_with_reason = materialize(filter_turns(all_turns, read(scores, Score), p))
    inquiry_turns = turns_with_reason.filter(_.reason.isnull())
    inquiry_count = inquiry_turns.count().execute()
    if not inquiry_count:
        raise click.ClickException(f"{turns}: no turn passed the filter; lower filter.throttles in params.yaml")
    reasons = write_filtered(all_turns, turns_with_reason, inquiries, rejects, p)
    counts = {
        "turns": inquiry_count + reasons.total(),
        "inquiries": inquiry_count,
        "messages_per_inquiry": round(inquiry_turns.messages.mean().execute(), DIGITS),
        "rejected": dict(sorted(reasons.items())),
    }
    write_metrics(metrics, details, counts, "n=inquiries")


if __name__ == "__main__":
    main()
