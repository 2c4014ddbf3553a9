"""Rate how likely each turn is a question (paper, section 2, "Filter").

    python -m stages.score data/turns.jsonl data/base data/scores.jsonl metrics/details/score.json

Each scorer of params.yaml gives a turn 0 to 10. A turn below a scorer's `next_from` is not rated by the scorers after
it, which cost more. Throttles are the stage filter's: another one needs no new scores. Turns are scored in the order
of their ids. Those so far are in partial_scores.jsonl beside the scores, from which `python -m stages.labels label`
takes its inquiries meanwhile.
"""

from pathlib import Path

import click

from stages.llm.no_answers import warn_of_no_answers
from stages.llm.partial_scores import PARTIAL_SCORES, saved_parts, scoring_fingerprint
from stages.llm.scoring import collected, rated_counts, score_parts
from stages.pipeline.command import Command
from stages.pipeline.files import write_json
from stages.pipeline.params import params
from stages.pipeline.schemas import Score, Turn
from stages.pipeline.tables import compute_on, in_memory, read, write


@click.command(cls=Command, help=__doc__)
@click.argument("turns", type=click.Path())
@click.argument("base", type=click.Path(path_type=Path))
@click.argument("scores", type=click.Path())
@click.argument("details", type=click.Path())
def main(turns: str, base: Path, scores: str, details: str) -> None:
    p = params()
    compute_on(p.backend)
    turn_table = read(turns, Turn)
    parts = score_parts(turn_table, base, p)
    partial_file = Path(scores).with_name(PARTIAL_SCORES)
    all_scores = collected(saved_parts(parts, partial_file, scoring_fingerprint(Path(turns), p)))
    counts = rated_counts(all_scores, p.score.scorers)
    turn_count, first_count = turn_table.count().execute(), counts[p.score.scorers[0].name]["rated"]
    if first_count != turn_count:
        raise click.ClickException(f"of {turn_count} turns {first_count} were scored: one was lost or doubled")
    row_count = write(scores, in_memory(all_scores), Score)
    rated = sum(count["rated"] for count in counts.values())
    if row_count != rated:
        raise click.ClickException(f"{scores} has {row_count} scores of {rated}: one was lost or doubled")
    for name, count in counts.items():
        warn_of_no_answers(name, count, count["rated"])
    write_json(details, counts)


if __name__ == "__main__":
    main()
