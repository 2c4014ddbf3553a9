"""Compute a vanilla model's hidden states after each inquiry, from which probes learn in seconds.

    python -m stages.states data/inquiries.jsonl data/base data/states.safetensors

The model is `law.probe_model`. A probe is a floor that tuned models have to beat (stages/floor.py), ranks labels that
look wrong (stages/reannotate.py), and says which inquiries to label next (stages/labels/readers.py).
"""

from pathlib import Path

import click

from stages.judging.hidden_states import write_states
from stages.llm.states import StateReader
from stages.pipeline.command import Command
from stages.pipeline.params import params
from stages.pipeline.schemas import Inquiry
from stages.pipeline.tables import read, rows


@click.command(cls=Command, help=__doc__)
@click.argument("inquiries", type=click.Path(exists=True))
@click.argument("base", type=click.Path(exists=True, path_type=Path))
@click.argument("states", type=click.Path())
def main(inquiries: str, base: Path, states: str) -> None:
    p = params()
    items = rows(read(inquiries, Inquiry))
    write_states(states, StateReader(base / p.law.probe_model).read(items, p.question.turns_of_probes))


if __name__ == "__main__":
    main()
