"""Fine-tune a model with LoRA (paper, section 4).

    python -m stages.train NAME data/base/NAME data/alpaca/train.json data/adapters/NAME metrics/training/NAME
        --dev data/alpaca/dev.json

The loss is computed on the answers alone. The adapter loads with `PeftModel.from_pretrained`. An interrupted run
resumes from its last checkpoint, which lies in the cache directory, and writes the same adapter as an undisturbed run.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import click

from stages.llm.training import train
from stages.llm.training_settings import hyperparameters, too_few_steps
from stages.pipeline.command import Command
from stages.pipeline.params import Params, params

LAUNCHED = "LABELS_LAUNCHED"  # the environment variable of a process that Accelerate's launcher has started


@click.command(cls=Command, help=__doc__)
@click.argument("name")
@click.argument("base", type=click.Path(exists=True, path_type=Path))
@click.argument("rows", type=click.Path(exists=True, path_type=Path))
@click.argument("adapter", type=click.Path(path_type=Path))
@click.argument("curve", type=click.Path(path_type=Path))
@click.option("--dev", type=click.Path(exists=True, path_type=Path), help="Rows by which train.keep: best chooses.")
def main(name: str, base: Path, rows: Path, adapter: Path, curve: Path, dev: Path | None) -> None:
    p = params()
    items = len(json.loads(rows.read_text(encoding="utf-8")))
    problem = too_few_steps(items, hyperparameters(name, p).batch_size, p)
    if problem:
        raise click.ClickException(f"{rows}: {problem}")
    if p.train.launcher and LAUNCHED not in os.environ:
        sys.exit(launch(p))
    train(name, base, rows, p, adapter, curve, dev_rows=dev)


def launch(p: Params) -> int:
    """Have Accelerate start this command again, once in each process; returns its exit status."""
    launcher = [sys.executable, "-m", "accelerate.commands.launch", "--config_file", str(p.train.launcher_config)]
    command = [*launcher, "-m", "stages.train", *sys.argv[1:]]
    return subprocess.run(command, env=os.environ | {LAUNCHED: "1"}).returncode


if __name__ == "__main__":
    main()
