"""Run the pipeline with a recipe's settings, as an experiment of DVC.

    python -m stages.tools.experiment recipes/paper.yaml paper
    python -m stages.tools.experiment recipes/paper.yaml small -S 'ladder=[qwen1_5_0_5b]' -S 'finetune=[qwen1_5_0_5b]'

It runs beside the workspace, which stays as it is. An experiment of that name is replaced when the new one has ended;
a stage that has run before with the same inputs isn't run again. `dvc exp apply NAME` takes settings and results over.
"""

import subprocess
from pathlib import Path

import click

from stages.pipeline.command import Command
from stages.pipeline.experiments import arguments, recipe
from stages.pipeline.shell import output_of


@click.command(cls=Command, help=__doc__)
@click.argument("settings", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.argument("name")
@click.option("-S", "--set-param", "more", multiple=True, metavar="KEY=VALUE", help="As of `dvc exp run`.")
def main(settings: Path, name: str, more: tuple[str, ...]) -> None:
    words = arguments(recipe(settings), more)
    running = f"{name}-running"
    if running in output_of("dvc", "exp", "list", "--name-only").split():
        output_of("dvc", "exp", "remove", running)
    if subprocess.run(["dvc", "exp", "run", "--temp", "--name", running, *words]).returncode:
        raise click.ClickException(f"the experiment {name} failed, see above; typed again it goes on from there")
    output_of("dvc", "exp", "rename", "--force", running, name)
    click.echo(f"{name}: `dvc exp show` has its metrics, `dvc exp apply {name}` takes settings and results over")


if __name__ == "__main__":
    main()
