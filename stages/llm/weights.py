"""The weights of a model: where they lie, what pins them, and how they are loaded."""

import hashlib
import json
import timeit
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import click

HUB_NOTE = "hub.json"  # name and revision of a model on the hub
PATH_NOTE = "path.json"  # path and fingerprint of a model in a folder
CHAT_TEMPLATE = "chat_template.jinja"  # the name that transformers gives it
FIXED_DATE = "{%- macro strftime_now(format) -%}26 Jul 2024{%- endmacro -%}"  # goes before the function of that name
MIN_SPEEDUP = 1.3  # over float32, from which bfloat16 is worth its rounding


def compute_dtype(name: str) -> Any:
    """The dtype that `models.NAME.dtype` asks for. `auto` is bfloat16 on a GPU and on a CPU that multiplies matrices
    faster in it, else float32.

    The speed is measured, since a CPU's flags don't tell: with AVX512-BF16 and no AMX, one CPU ran bfloat16 at 0.6 and
    another at 2.3 times the speed of float32.
    """
    import torch

    if name == "auto":
        is_faster = torch.cuda.is_available() or (
            _matmul_seconds(torch.bfloat16) * MIN_SPEEDUP < _matmul_seconds(torch.float32)
        )
        name = "bfloat16" if is_faster else "float32"
    return getattr(torch, name)


def _matmul_seconds(dtype: Any) -> float:
    """The shortest of 20 measured times of a matrix product on the CPU, 512 by 512."""
    import torch

    matrix = torch.ones(512, 512, dtype=dtype)
    return min(timeit.repeat(lambda: matrix @ matrix, number=1, repeat=20))


def pretrained_source(base: Path) -> tuple[str, dict[str, Any]]:
    """Name and keyword arguments of a model in data/base for `from_pretrained`.

    They are the hub's where the folder holds a note of a pinned revision (HUB_NOTE), a folder elsewhere where it
    holds a note of its path (PATH_NOTE), otherwise the folder itself.
    """
    pin: dict[str, Any] = {"local_files_only": True, "trust_remote_code": False}
    hub_note, path_note = base / HUB_NOTE, base / PATH_NOTE
    if hub_note.exists():
        hub = json.loads(hub_note.read_text(encoding="utf-8"))
        return hub["hub"], pin | {"revision": hub["revision"]}
    if path_note.exists():
        return json.loads(path_note.read_text(encoding="utf-8"))["path"], pin
    return str(base), pin


def load_tokenizer(base: Path) -> Any:
    """The tokenizer of a model in data/base, with the chat template that lies there if one does.

    A template that states today's date states a fixed one instead, so that a prompt is the same every day.
    """
    from transformers import AutoTokenizer

    name, pin = pretrained_source(base)
    tokenizer = AutoTokenizer.from_pretrained(name, **pin)
    template = base / CHAT_TEMPLATE
    if template.exists():
        tokenizer.chat_template = template.read_text(encoding="utf-8")
    if isinstance(tokenizer.chat_template, str) and "strftime_now" in tokenizer.chat_template:
        tokenizer.chat_template = FIXED_DATE + tokenizer.chat_template
    return tokenizer


def load(base: Path, dtype: Any, in_4bit: bool = False) -> tuple[Any, Any]:
    """Model and tokenizer of data/base/NAME, from the folder itself, a folder elsewhere or the hub's cache.

    `dtype` "auto" is that in which the weights are stored. `in_4bit` keeps them in 4 bits (NF4, as in QLoRA) and
    multiplies in `dtype`.
    """
    from transformers import AutoModelForCausalLM, BitsAndBytesConfig
    from transformers.utils import logging

    logging.disable_progress_bar()  # loading takes a second
    name, pin = pretrained_source(base)
    if in_4bit:
        pin["quantization_config"] = BitsAndBytesConfig(
            load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_use_double_quant=True, bnb_4bit_compute_dtype=dtype
        )
    model = AutoModelForCausalLM.from_pretrained(name, dtype=dtype, use_safetensors=True, **pin)
    return model, load_tokenizer(base)


def context_length(config: Any) -> int:
    """The tokens that a model's positions allow. Raises click.ClickException where its config doesn't say."""
    text_config = config.get_text_config(decoder=True)
    for key in ("max_position_embeddings", "seq_length", "n_positions", "max_seq_len"):
        if getattr(text_config, key, None):
            return int(getattr(text_config, key))
    raise click.ClickException(f"the config of this {config.model_type} model doesn't say how long its context is")


def attends_to_all(config: Any, tokens: int) -> bool:
    """Whether each layer of a model attends to all of so many tokens: none has a shorter window, or a state instead of
    keys and values.
    """
    from transformers import DynamicCache
    from transformers.cache_utils import DynamicLayer, DynamicSlidingWindowLayer

    for layer in DynamicCache(config=config).layers:
        is_wide_window = type(layer) is DynamicSlidingWindowLayer and tokens < layer.sliding_window
        if type(layer) is not DynamicLayer and not is_wide_window:
            return False
    return True


def linear_weights(model: Any) -> dict[str, Any]:
    """The weights [out, in] of the linear layers without the head, by layer name: what LoRA updates with targets
    all-linear.
    """
    import torch

    head = model.get_output_embeddings()
    layers = {name: layer for name, layer in model.named_modules() if isinstance(layer, torch.nn.Linear)}
    return {name: layer.weight for name, layer in layers.items() if layer is not head}


def fingerprint(path: Path) -> str:
    """The sha256 of a file, or of the names and contents of all files in a folder."""
    if path.is_file():
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    return _fingerprint_of_files(path, path.rglob("*"))


def _fingerprint_of_files(folder: Path, paths: Iterable[Path]) -> str:
    lines = [f"{path.relative_to(folder).as_posix()} {fingerprint(path)}" for path in sorted(paths) if path.is_file()]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def identity(base: Path, adapter: Path | None) -> dict[str, str]:
    """The fingerprints that pin a model's answers. A hub model's folder holds its pinned revision.

    An adapter is the files of its folder. Those of other seeds, in folders beside them, play no part.
    """
    fingerprints = {"base": fingerprint(base)}
    if adapter:
        fingerprints["adapter"] = _fingerprint_of_files(adapter, adapter.iterdir())
    return fingerprints


def adapter_folders(adapter: Path, seeds: Sequence[int]) -> dict[int, Path]:
    """The folder of each seed's adapter: that of the first is `adapter` itself, the others' lie in it."""
    first, *others = seeds
    return {first: adapter} | {seed: adapter / f"seed_{seed}" for seed in others}


def minor_version(version: str) -> str:
    """The part of a library's version that may change an answer: 2.13 of 2.13.0+cpu. Patch releases fix errors and
    don't change how numbers are rounded.
    """
    return ".".join(version.split(".")[:2])
