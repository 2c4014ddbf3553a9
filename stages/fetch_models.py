"""Get the models that params.yaml asks: the ladder, the probe's, the filter's and the one that resolves.

    python -m stages.fetch_models data/base data/models.json data/scorers.json

Each has a folder data/base/NAME. It holds weights for a model that is cut from the embedded one or converted from a
GGUF file, otherwise a note: of the pinned revision on the hub, since weights stay in the hub's own cache, of the path
and the hash of a model in a folder, or of the URL of one behind a server. It also holds a chat template that isn't the
model's own. What is there already isn't made again. Adapters of the filter's scorers lie in folders of their own.

data/models.json holds the entries of the ladder's models and the probe's in params.yaml, with their number of
parameters and whose chat template they have, data/scorers.json those of the filter's models with the source of their
weights: stages depend on these files, and so not on models that they never ask.
"""

import shutil
from pathlib import Path
from typing import Any

import click

from stages.llm.base_models import convert_gguf, count_parameters, is_gguf, is_there, note, template_source, write_note
from stages.llm.weights import fingerprint
from stages.pipeline.command import Command
from stages.pipeline.files import write_json
from stages.pipeline.params import Model, params
from stages.pipeline.temporary import temporary_folder
from stages.pipeline.wheels import unpack

MODELS = Path("models")  # a dep of this stage


def description(name: str, model: Model, folder: Path) -> dict[str, Any]:
    """A model's entry in params.yaml with the number of its parameters, counted where none is stated, whose chat
    template it has, and the hash of one in a folder.
    """
    parameters = model.parameters or (None if model.endpoint else count_parameters(name, folder))
    facts = {"parameters": parameters, "template": template_source(model, folder)}
    return model.model_dump(mode="json") | facts | ({"sha256": note(folder)["sha256"]} if model.path else {})


def adapter_fingerprint(adapter: Path) -> str:
    """The hash of a scorer's adapter. Raises click.ClickException where it is missing."""
    if not (adapter / "adapter_config.json").exists():
        raise click.ClickException(
            f"{adapter}, the adapter of a scorer in params.yaml, holds no adapter: put it there"
        )
    return fingerprint(adapter)


def warn_outside_models(what: str, path: Path) -> None:
    if MODELS.resolve() not in path.resolve().parents:
        click.echo(
            f"{what} is outside {MODELS}/, where DVC sees no change: after one, dvc repro --force fetch_models",
            err=True,
        )


@click.command(cls=Command, help=__doc__)
@click.argument("base", type=click.Path(path_type=Path))
@click.argument("models", type=click.Path())
@click.argument("scorers", type=click.Path())
def main(base: Path, models: str, scorers: str) -> None:
    p = params()
    models_of_run = {name: model for name, model in p.models.items() if name in p.names_of_run}
    base.mkdir(parents=True, exist_ok=True)
    for folder in base.iterdir():
        if folder.name not in models_of_run:
            shutil.rmtree(folder)
    gguf_models = {name: model for name, model in models_of_run.items() if model.layers or is_gguf(model)}
    missing = {name: model for name, model in gguf_models.items() if not is_there(base / name, model, p.fetch.base)}
    embedded = {name: model for name, model in missing.items() if model.layers}
    if embedded:
        with temporary_folder() as folder:
            gguf = folder / "base.gguf"
            unpack(p.fetch.base, gguf)
            convert_gguf(gguf, embedded, base, p.fetch.base)
    for name, model in missing.items():
        if model.path:
            convert_gguf(Path(model.path), {name: model}, base, p.fetch.base)
    for name, model in models_of_run.items():
        if name not in gguf_models:
            write_note(name, model, base / name)
        if model.path:
            warn_outside_models(f"models.{name}.path", Path(model.path))
    models_of_law = {name: model for name, model in models_of_run.items() if name in {*p.ladder, p.law.probe_model}}
    write_json(models, {name: description(name, model, base / name) for name, model in models_of_law.items()})
    adapters = [scorer.adapter for scorer in p.score.scorers if scorer.adapter]
    for adapter in adapters:
        warn_outside_models(f"{adapter}, the adapter of a scorer,", Path(adapter))
    of_scorers = {scorer.model for scorer in p.score.scorers if scorer.model}
    entries = {name: p.models[name].model_dump(mode="json") | note(base / name) for name in sorted(of_scorers)}
    write_json(scorers, entries | {adapter: adapter_fingerprint(Path(adapter)) for adapter in sorted(adapters)})


if __name__ == "__main__":
    main()
