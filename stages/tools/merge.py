"""Merge an adapter into its base model, as safetensors that any server can load.

    python -m stages.tools.merge data/base/NAME data/adapters/NAME data/merged/NAME

The merged weights have the dtype of the base's (stages/llm/merging.py).
"""

from pathlib import Path

import click

from stages.llm.merging import merge
from stages.pipeline.command import Command


@click.command(cls=Command, help=__doc__)
@click.argument("base", type=click.Path(exists=True, path_type=Path))
@click.argument("adapter", type=click.Path(exists=True, path_type=Path))
@click.argument("merged", type=click.Path(path_type=Path))
def main(base: Path, adapter: Path, merged: Path) -> None:
    merge(base, adapter, merged)


if __name__ == "__main__":
    main()
