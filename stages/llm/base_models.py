"""The folders data/base/NAME: models cut from the embedded one, and notes of what others are pinned to."""

import shutil
from pathlib import Path
from typing import Any

import click
from tqdm import tqdm

from stages.pipeline.files import read_json, write_json
from stages.pipeline.params import Model, Wheel
from stages.pipeline.text import quoted

FORMAT = 1  # raised by hand when the same source is cut otherwise
NOTE = "source.json"  # of what a cut model was made of


def source_of(model: Model, wheel: Wheel) -> dict[str, Any]:
    return wheel.model_dump() | {"layers": model.layers, "format": FORMAT}


def is_there(folder: Path, model: Model, wheel: Wheel) -> bool:
    """Whether a folder holds the model as it would be cut now. The note is written last."""
    note = folder / NOTE
    return note.exists() and read_json(note) == source_of(model, wheel)


def cut_models(gguf: Path, models: dict[str, Model], base: Path, wheel: Wheel) -> None:
    """Save the model in a GGUF file once for each of `models`, with its first `layers` layers; norm and head are kept.

    bfloat16, the type that the weights were published in before they were quantised. Raises click.ClickException for
    more layers than there are, and for another number of parameters than `models` says.
    """
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer
    from transformers.utils import logging

    logging.disable_progress_bar()
    full = AutoModelForCausalLM.from_pretrained(
        gguf.parent, gguf_file=gguf.name, dtype=torch.float32, trust_remote_code=False
    )
    tokenizer = AutoTokenizer.from_pretrained(gguf.parent, gguf_file=gguf.name, trust_remote_code=False)
    config = full.config.to_dict()
    config.pop("quantization_config", None)  # a model read from GGUF refuses to be saved with it
    deeper = [name for name, model in models.items() if (model.layers or 0) > config["num_hidden_layers"]]
    if deeper:
        raise click.ClickException(
            f"models.{deeper[0]}.layers is more than the {config['num_hidden_layers']} that the embedded model has"
        )
    for name, model in tqdm(models.items(), "models", unit=" models"):
        cut = AutoModelForCausalLM.from_config(
            AutoConfig.for_model(**config | {"num_hidden_layers": model.layers}),
            dtype=torch.bfloat16,
            trust_remote_code=False,
        )
        weights = full.state_dict()
        cut.load_state_dict({key: weights[key] for key in cut.state_dict()})
        cut.generation_config = full.generation_config
        if (parameters := cut.num_parameters()) != model.parameters:
            raise click.ClickException(
                f"models.{name}.parameters is {model.parameters}, but the model has {parameters}"
            )
        shutil.rmtree(base / name, ignore_errors=True)
        cut.save_pretrained(base / name)
        tokenizer.save_pretrained(base / name)
        write_json(base / name / NOTE, source_of(model, wheel))


def cached_snapshot(model: Model) -> Path | None:
    """The folder of the hub's cache that holds a model whole; None where a file is missing. The hub isn't asked."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import LocalEntryNotFoundError

    try:
        folder = Path(snapshot_download(str(model.hub), revision=model.revision, local_files_only=True))
    except LocalEntryNotFoundError:
        return None
    weights = folder / "model.safetensors.index.json"
    shards = set(read_json(weights)["weight_map"].values()) if weights.exists() else {"model.safetensors"}
    is_whole = all((folder / name).exists() for name in {"config.json", "tokenizer_config.json", *shards})
    return folder if is_whole else None


def pin_model(name: str, model: Model, base: Path) -> None:
    """Note where a model is; one on the hub is downloaded into the hub's cache.

    Raises click.ClickException where the hub doesn't have it, or can't be reached and its cache doesn't have it.
    """
    if model.endpoint:
        write_json(base / name / "endpoint.json", {"url": model.endpoint.url, "model": model.endpoint.model})
        return
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    unused = ["*.bin", "*.pt", "*.pth", "*.gguf"]
    try:
        snapshot_download(str(model.hub), revision=model.revision, ignore_patterns=unused)
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError) as error:
        raise click.ClickException(
            f"{name}: can't get {model.hub} at {model.revision} from the hub: {quoted(error, length=400)}"
        ) from error
    write_json(base / name / "hub.json", {"hub": model.hub, "revision": model.revision})
