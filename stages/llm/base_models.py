"""The folders data/base/NAME: models converted from GGUF, notes of where others are, and their chat templates."""

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from stages.llm.weights import CHAT_TEMPLATE, HUB_NOTE, PATH_NOTE, fingerprint, load_tokenizer, pretrained_source
from stages.pipeline.files import read_json, write_json, write_text
from stages.pipeline.params import Model, Wheel
from stages.pipeline.text import quoted

FORMAT = 1  # raised by hand when the same source is converted otherwise
NOTE = "source.json"  # what a converted model was made of
ENDPOINT_NOTE = "endpoint.json"  # URL and name of a model behind a server
TOKENIZER_FILES = ("tokenizer.json", "tokenizer.model", "vocab.json", "vocab.txt", "spiece.model")
UNUSED_FILES = ["*.bin", "*.pt", "*.pth", "*.gguf", "*.msgpack", "*.h5", "*.onnx", "original/*"]
# Of a model that has none, as base models do: a transcript that it is to continue.
PLAIN_TEMPLATE = """\
{{ bos_token or '' }}{% for message in messages %}{% if message.role == 'assistant' %}Assistant: {{ message.content }}\
{{ eos_token or '' }}
{% elif message.role == 'user' %}User: {{ message.content }}

{% else %}{{ message.content }}

{% endif %}{% endfor %}{% if add_generation_prompt %}Assistant:{% endif %}"""


def is_gguf(model: Model) -> bool:
    return model.path is not None and model.path.endswith(".gguf")


def source_of(model: Model, wheel: Wheel) -> dict[str, Any]:
    """What a model in data/base is converted from: the embedded one, or a GGUF file.

    Raises click.ClickException where the file is missing.
    """
    source = {"layers": model.layers} | wheel.model_dump() if model.layers else path_source(model)
    template = {"chat_template": model.chat_template} if model.chat_template else {}
    return source | template | {"format": FORMAT}


def path_source(model: Model) -> dict[str, Any]:
    """The path of a model in a folder or a file, and its fingerprint.

    Raises click.ClickException where it is missing.
    """
    path = existing_path(model)
    return {"path": str(path), "sha256": fingerprint(path)}


def existing_path(model: Model) -> Path:
    path = Path(str(model.path))
    if not path.exists():
        raise click.ClickException(
            f"{path}, the path of a model in params.yaml, is missing: put it there, or dvc pull"
        )
    return path


def is_there(folder: Path, model: Model, wheel: Wheel) -> bool:
    """Whether a folder holds the model as it would be converted now. The note is written last."""
    note = folder / NOTE
    return note.exists() and read_json(note) == source_of(model, wheel)


def convert_gguf(gguf: Path, models: Mapping[str, Model], base: Path, wheel: Wheel) -> None:
    """Save the model in a GGUF file once for each of `models`, whole or with its first `layers` layers; norm and head
    are kept.

    bfloat16, the type that weights are published in before they are quantised. Raises click.ClickException for a file
    that transformers doesn't read, for more layers than there are, and for another number of parameters than `models`
    says.
    """
    import torch
    from tqdm import tqdm
    from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer
    from transformers.utils import logging

    logging.disable_progress_bar()
    try:
        full = AutoModelForCausalLM.from_pretrained(
            gguf.parent, gguf_file=gguf.name, dtype=torch.float32, trust_remote_code=False
        )
        tokenizer = AutoTokenizer.from_pretrained(gguf.parent, gguf_file=gguf.name, trust_remote_code=False)
    except Exception as error:  # of any kind: what struct, NumPy, mmap and transformers meet in a broken file
        raise click.ClickException(
            f"{gguf}: transformers can't read this GGUF file: {quoted(error, length=300)}"
        ) from error
    config = full.config.to_dict()
    config.pop("quantization_config", None)  # a model read from GGUF refuses to be saved with it
    depth = config["num_hidden_layers"]
    for name, model in tqdm(models.items(), "models", unit=" models"):
        if (model.layers or 0) > depth:
            raise click.ClickException(f"models.{name}.layers is more than the {depth} that the embedded model has")
        cut = AutoModelForCausalLM.from_config(
            AutoConfig.for_model(**config | {"num_hidden_layers": model.layers or depth}),
            dtype=torch.bfloat16,
            trust_remote_code=False,
        )
        weights = full.state_dict()
        cut.load_state_dict({key: weights[key] for key in cut.state_dict()})
        cut.generation_config = full.generation_config
        if model.parameters not in (None, cut.num_parameters()):
            raise click.ClickException(
                f"models.{name}.parameters is {model.parameters}, but the model has {cut.num_parameters()}"
            )
        shutil.rmtree(base / name, ignore_errors=True)
        cut.save_pretrained(base / name)
        tokenizer.chat_template = model.chat_template or tokenizer.chat_template or PLAIN_TEMPLATE
        tokenizer.save_pretrained(base / name)
        write_json(base / name / NOTE, source_of(model, wheel))


def note(folder: Path) -> dict[str, Any]:
    """The note in data/base/NAME (`folder`) of where a model is from."""
    [path] = (folder / name for name in (NOTE, HUB_NOTE, PATH_NOTE, ENDPOINT_NOTE) if (folder / name).exists())
    return read_json(path)


def write_note(name: str, model: Model, folder: Path) -> None:
    """Write to data/base/NAME (`folder`) where a model is; one on the hub is downloaded into the hub's cache.

    Raises click.ClickException for a model that isn't there or can't be loaded: the hub doesn't have it, or can't be
    reached and its cache doesn't have it; a folder lacks files; the model comes with code of its own.
    """
    shutil.rmtree(folder, ignore_errors=True)
    if model.endpoint:
        write_json(folder / ENDPOINT_NOTE, {"url": model.endpoint.url, "model": model.endpoint.model})
        return
    if model.path:
        if missing := missing_files(existing_path(model)):
            raise click.ClickException(
                f"models.{name}.path: {model.path} has no {', '.join(missing)}; a model is a GGUF file, or a folder as"
                " `save_pretrained` writes it, with safetensors"
            )
        write_json(folder / PATH_NOTE, path_source(model))
    else:
        if not cached_snapshot(model):
            download(name, model)
        write_json(folder / HUB_NOTE, {"hub": model.hub, "revision": model.revision})
    template = model.chat_template or (None if _loadable_tokenizer(name, folder).chat_template else PLAIN_TEMPLATE)
    if template:
        write_text(folder / CHAT_TEMPLATE, template)


def missing_files(folder: Path) -> list[str]:
    """The files that a folder lacks of a model in the Hugging Face layout."""
    index = folder / "model.safetensors.index.json"
    weights = sorted(set(read_json(index)["weight_map"].values())) if index.exists() else ["model.safetensors"]
    missing = [file for file in ("config.json", *weights) if not (folder / file).exists()]
    has_tokenizer = any((folder / file).exists() for file in TOKENIZER_FILES)
    return missing if has_tokenizer else [*missing, TOKENIZER_FILES[0]]


def cached_snapshot(model: Model) -> Path | None:
    """The folder of a model in the hub's cache; None where the cache doesn't have all of it. Asks no server."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import LocalEntryNotFoundError

    try:
        folder = Path(snapshot_download(str(model.hub), revision=model.revision, local_files_only=True))
    except LocalEntryNotFoundError:
        return None
    return None if missing_files(folder) else folder


def download(name: str, model: Model) -> None:
    """Download a model from the hub into its cache. Raises click.ClickException where that can't be done."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    try:
        folder = snapshot_download(str(model.hub), revision=model.revision, ignore_patterns=UNUSED_FILES)
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError) as error:
        raise click.ClickException(
            f"{name}: can't get {model.hub} at {model.revision} from the hub, and its cache doesn't have all of it:"
            f" {quoted(error, length=400)}"
        ) from error
    if missing := missing_files(Path(folder)):
        raise click.ClickException(
            f"{name}: can't get {', '.join(missing)} of {model.hub} at {model.revision}: the hub is offline and its"
            " cache lacks them, or there are none; only weights as safetensors are read"
        )


def _loadable_tokenizer(name: str, folder: Path) -> Any:
    try:
        return load_tokenizer(folder)
    except (ValueError, OSError, ImportError) as error:
        raise click.ClickException(_cannot_load(name, error)) from error


def count_parameters(name: str, folder: Path) -> int:
    """The number of parameters of a model in data/base/NAME (`folder`), by its config alone.

    Raises click.ClickException for a model whose architecture transformers doesn't have.
    """
    from transformers import AutoConfig

    source, pin = pretrained_source(folder)
    try:
        return empty_model(AutoConfig.from_pretrained(source, **pin)).num_parameters()
    except (ValueError, OSError) as error:
        raise click.ClickException(_cannot_load(name, error)) from error


def empty_model(config: Any) -> Any:
    """A model with the shapes of its weights alone."""
    import torch
    from transformers import AutoModelForCausalLM

    with torch.device("meta"):
        return AutoModelForCausalLM.from_config(config, trust_remote_code=False)


def _cannot_load(name: str, error: Exception) -> str:
    needs_code = "remote_code" in str(error) or "custom code" in str(error)
    why = "it needs code of its authors, which is never run here" if needs_code else quoted(error, length=300)
    return f"models.{name} can't be loaded: {why}"


def template_source(model: Model, folder: Path) -> str:
    """Whose chat template a model in data/base/NAME (`folder`) has: its own, that of params.yaml, or the plain one."""
    if model.endpoint:
        return "server"
    if model.chat_template:
        return "params.yaml"
    template = folder / CHAT_TEMPLATE
    is_plain = template.exists() and template.read_text(encoding="utf-8") == PLAIN_TEMPLATE
    return "plain" if is_plain else "model"
