"""What other programs on the cores cost a training, by how its threads wait for each other.

    python -m tests.benchmarks.busy

Each cell is one training of the default's base, in seconds of the trainer's loop as tests/benchmarks/training.py takes
them. The other programs are loops that do nothing, one on each busy core.
"""

import json
import multiprocessing
import os
import tempfile
from pathlib import Path
from unittest import mock

import click

from stages.pipeline.markdown import markdown_table
from tests.benchmarks.training import measured
from tests.conftest import ROOT

ITEMS, BATCH = 24, 4
SETTINGS = ("", "OMP_WAIT_POLICY=PASSIVE", "OMP_NUM_THREADS=1")


def spin() -> None:
    while True:
        pass


def seconds(setting: str, busy_cores: int, rows: Path) -> float:
    others = [multiprocessing.Process(target=spin, daemon=True) for _ in range(busy_cores)]
    for other in others:
        other.start()
    try:
        with mock.patch.dict(os.environ, [setting.split("=")] if setting else []):
            return measured("ours", BATCH, rows)["seconds"]
    finally:
        for other in others:
            other.kill()


@click.command(help=__doc__)
def main() -> None:
    labels = json.loads((ROOT / "data" / "alpaca" / "train.json").read_text())[:ITEMS]
    cores = os.cpu_count() or 1
    busy = sorted({0, cores // 2, cores})
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump(labels, file)
        file.flush()
        lines = [[setting, *(f"{seconds(setting, n, Path(file.name)):.0f}" for n in busy)] for setting in SETTINGS]
    click.echo(f"{ITEMS // BATCH} steps of {BATCH} items, {cores} cores; seconds\n")
    click.echo(markdown_table(["", *(f"{n} busy" for n in busy)], lines))


if __name__ == "__main__":
    main()
