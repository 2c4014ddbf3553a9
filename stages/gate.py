"""Is the law's verdict good enough to train on these labels?

    python -m stages.gate metrics/law.json data/gate.json

`law.gate` in params.yaml says what a violated law does: nothing, a warning, or a stop. What is written is the same for
every verdict that passes, so that training isn't repeated because a number of the law has changed.
"""

import json
from pathlib import Path

import click

from stages.ladder import VIOLATED
from stages.params import params
from stages.tables import write_json


@click.command(help=__doc__)
@click.argument("law", type=click.Path(exists=True, path_type=Path))
@click.argument("gate", type=click.Path())
def main(law: Path, gate: str) -> None:
    how = params().law.gate
    violated = json.loads(law.read_text(encoding="utf-8"))["verdict"] == VIOLATED
    said = f"the law is violated, {law.with_suffix('.md')} says by which models and what to do"
    if violated and how == "stop":
        raise click.ClickException(f"{said}; law.gate in params.yaml is stop: nothing is trained on these labels")
    if violated and how == "warn":
        click.echo(f"warning: {said}", err=True)
    write_json(gate, {"passed": 1})


if __name__ == "__main__":
    main()
