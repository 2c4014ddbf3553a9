"""Pass labels on to training, unless the law is violated and `law.gate` stops them.

    python -m stages.law_gate metrics/law.json data/law_gate.json

`law.gate` in params.yaml says what a violated law does: nothing, a warning, or a stop. The output is the same for
every verdict that passes, so that another number of the law doesn't repeat training.
"""

from pathlib import Path

import click

from stages.judging.ladder import VIOLATED
from stages.pipeline.command import Command
from stages.pipeline.files import read_json, write_json
from stages.pipeline.params import params


@click.command(cls=Command, help=__doc__)
@click.argument("law", type=click.Path(exists=True, path_type=Path))
@click.argument("gate", type=click.Path())
def main(law: Path, gate: str) -> None:
    policy = params().law.gate
    violated = read_json(law)["verdict"] == VIOLATED
    message = f"the law is violated, {law.with_suffix('.md')} says by which models and what to do"
    if violated and policy == "stop":
        raise click.ClickException(f"{message}; law.gate in params.yaml is stop: nothing is trained on these labels")
    if violated and policy == "warn":
        click.echo(f"warning: {message}", err=True)
    write_json(gate, {"passed": 1})


if __name__ == "__main__":
    main()
