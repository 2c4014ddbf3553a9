"""Fine-tune a model with LoRA (paper, section 4), once with each of `seeds`.

    python -m stages.train NAME data/base/NAME data/alpaca/train.json data/adapters/NAME metrics/training/NAME
        --dev data/alpaca/dev.json --pseudo data/pseudo_labels.json

The loss is computed on the answers alone. The adapter loads with `PeftModel.from_pretrained`. The first seed's lies in
data/adapters/NAME, that of another seed N in the folder seed_N beside it; the loss curve is the first seed's. An
interrupted run resumes from its last checkpoint, which lies in the cache directory, and writes the same adapters as an
undisturbed run.
"""

import json
import os
import shutil
import subprocess
import sys
from functools import partial
from pathlib import Path

import click

from stages.llm.training import train
from stages.llm.training_cache import train_once, training_fingerprint
from stages.llm.training_examples import TrainingRows
from stages.llm.training_settings import hyperparameters, too_few_steps
from stages.llm.weights import adapter_folders
from stages.pipeline.command import Command
from stages.pipeline.params import Params, cache_directory, params

LAUNCHED = "LABELS_LAUNCHED_SEED"  # the environment variable of a process that Accelerate's launcher has started


@click.command(cls=Command, help=__doc__)
@click.argument("name")
@click.argument("base", type=click.Path(exists=True, path_type=Path))
@click.argument("rows", type=click.Path(exists=True, path_type=Path))
@click.argument("adapter", type=click.Path(path_type=Path))
@click.argument("curve", type=click.Path(path_type=Path))
@click.option("--dev", type=click.Path(exists=True, path_type=Path), help="Rows by which train.keep: best chooses.")
@click.option("--pseudo", type=click.Path(exists=True, path_type=Path), help="Rows that a probe has labelled.")
def main(name: str, base: Path, rows: Path, adapter: Path, curve: Path, dev: Path | None, pseudo: Path | None) -> None:
    p = params()
    items = len(json.loads(rows.read_text(encoding="utf-8")))
    problem = too_few_steps(items, hyperparameters(name, p).batch_size, p)
    if problem:
        raise click.ClickException(f"{rows}: {problem}")
    files = TrainingRows(rows, dev, pseudo)
    if LAUNCHED in os.environ:
        train(name, base, files, p, int(os.environ[LAUNCHED]), adapter, curve)
    elif len(p.seeds) == 1:
        train_one(name, base, files, p, p.seeds[0], adapter, curve)
    else:
        train_all(name, base, files, p, adapter, curve)


def train_one(name: str, base: Path, rows: TrainingRows, p: Params, seed: int, adapter: Path, curve: Path) -> None:
    """A training with one seed: in this process, or in those of Accelerate's launcher, which start this command again.

    Ends this process with the launcher's exit status where that is an error.
    """
    if not p.train.launcher:
        train(name, base, rows, p, seed, adapter, curve)
        return
    launcher = [sys.executable, "-m", "accelerate.commands.launch", "--config_file", str(p.train.launcher_config)]
    options = {"--dev": rows.dev, "--pseudo": rows.pseudo_labelled}
    arguments = [name, base, rows.labelled, adapter, curve]
    arguments += [part for option, file in options.items() if file for part in (option, file)]
    command = [*launcher, "-m", "stages.train", *map(str, arguments)]
    status = subprocess.run(command, env=os.environ | {LAUNCHED: str(seed)}).returncode
    if status:
        sys.exit(status)


def train_all(name: str, base: Path, rows: TrainingRows, p: Params, adapter: Path, curve: Path) -> None:
    """A training with each of several seeds.

    DVC deletes a stage's outputs before it starts. Until the last training has ended, the others therefore wait in the
    cache directory: a run that was killed doesn't repeat them.
    """
    folder = cache_directory("seeds") / training_fingerprint(name, base, p, *rows.files)
    works = {seed: folder / str(seed) for seed in p.seeds}
    for number, (seed, work) in enumerate(works.items(), start=1):
        click.echo(f"{name}, seed {seed} ({number} of {len(works)})", err=True)
        train_once(work, partial(train_one, name, base, rows, p, seed))
    for seed, target in adapter_folders(adapter, p.seeds).items():
        shutil.copytree(works[seed] / "adapter", target, dirs_exist_ok=True)
    shutil.copytree(works[p.seeds[0]] / "curve", curve, dirs_exist_ok=True)
    shutil.rmtree(folder)


if __name__ == "__main__":
    main()
