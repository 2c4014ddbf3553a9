"""Say in one line what this machine lacks for a recipe, before any work is done.

    python -m stages.tools.preflight recipes/paper.yaml
    python -m stages.tools.preflight recipes/paper.yaml qwen1_5_0_5b qwen1_5_1_8b

Without names, the models are those of the recipe's ladder.
"""

from importlib.util import find_spec
from pathlib import Path

import click

from stages.pipeline.command import Command
from stages.pipeline.experiments import recipe
from stages.pipeline.params import params


@click.command(cls=Command, help=__doc__)
@click.argument("settings", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.argument("names", nargs=-1)
def main(settings: Path, names: tuple[str, ...]) -> None:
    p = params()
    models, names = p.models, names or tuple(recipe(settings).get("ladder", p.ladder))
    if unknown := [name for name in names if name not in models]:
        raise click.ClickException(
            f"{', '.join(unknown)}: not under models in params.yaml, which has {', '.join(models)}"
        )

    import torch
    from huggingface_hub import HfApi

    missing = [] if torch.cuda.is_available() else ["a GPU that torch can use"]
    missing += [] if find_spec("bitsandbytes") else ["the 8-bit optimizer (pip install '.[gpu]')"]
    try:
        for name in names:
            if models[name].hub:
                HfApi().model_info(str(models[name].hub), revision=models[name].revision, timeout=10)
    except Exception as error:  # the hub client raises its own errors and, by version, those of httpx or httpx2
        missing.append(f"the model hub ({name}: {type(error).__name__})")
    if missing:
        raise click.ClickException(f"the paper's run needs {' and '.join(missing)}; `make repro` runs without either")


if __name__ == "__main__":
    main()
