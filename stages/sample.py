"""Sample the turns that a question of turns is asked of: random ones, and all that have a label. A prompt that is
wrong is an error here, before anybody labels.

    python -m stages.sample data/turns.jsonl data/annotations data/sample.json

The file has their ids. It is empty for a question of inquiries, which the filter finds, so that labels make no filter
stale.
"""

from pathlib import Path

import click

from stages.chat.fingerprint import check_key
from stages.chat.inquiries import sample_ids
from stages.labels.store import load, votes
from stages.llm import prompts
from stages.pipeline.command import Command
from stages.pipeline.files import write_json
from stages.pipeline.params import params
from stages.pipeline.schemas import Turn
from stages.pipeline.tables import compute_on, read


@click.command(cls=Command, help=__doc__)
@click.argument("turns", type=click.Path(exists=True))
@click.argument("annotations", type=click.Path(exists=True, path_type=Path))
@click.argument("sample", type=click.Path())
def main(turns: str, annotations: Path, sample: str) -> None:
    p = params()
    question = p.question.definition
    prompts.load(question, p.question.prompt)
    if question.asked_of != "turns":
        write_json(sample, [])
        return
    compute_on(p.backend)
    check_key(annotations, p.ingest.format)
    write_json(sample, sample_ids(read(turns, Turn), votes(load(annotations, question)), p))


if __name__ == "__main__":
    main()
