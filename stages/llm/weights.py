"""The weights of a model: where they lie, what pins them, and how they are loaded."""

import hashlib
import json
import timeit
from pathlib import Path
from typing import Any

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


def pretrained_source(base: Path) -> tuple[str, str | None]:
    """Name and revision of a model in data/base for `from_pretrained`.

    They are the hub's where the folder holds a note of them (hub.json), otherwise the folder itself and None.
    """
    note = base / "hub.json"
    if not note.exists():
        return str(base), None
    hub = json.loads(note.read_text(encoding="utf-8"))
    return hub["hub"], hub["revision"]


def load(base: Path, dtype: Any, in_4bit: bool = False) -> tuple[Any, Any]:
    """Model and tokenizer of data/base/NAME, from the folder itself or from the hub's cache.

    `in_4bit` keeps the weights in 4 bits (NF4, as in QLoRA) and multiplies in `dtype`.
    """
    from transformers import AutoModelForCausalLM, AutoTokenizer, BitsAndBytesConfig
    from transformers.utils import logging

    logging.disable_progress_bar()  # loading takes a second
    name, revision = pretrained_source(base)
    pin: dict[str, Any] = {"revision": revision, "local_files_only": True} if revision else {}
    nf4 = BitsAndBytesConfig(
        load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_use_double_quant=True, bnb_4bit_compute_dtype=dtype
    )
    quantization: dict[str, Any] = {"quantization_config": nf4} if in_4bit else {}
    model = AutoModelForCausalLM.from_pretrained(
        name, dtype=dtype, attn_implementation="sdpa", trust_remote_code=False, **pin, **quantization
    )
    tokenizer = AutoTokenizer.from_pretrained(name, trust_remote_code=False, **pin)
    return model, tokenizer


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
    files = sorted(file for file in path.rglob("*") if file.is_file())
    lines = [f"{file.relative_to(path).as_posix()} {fingerprint(file)}" for file in files]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def identity(base: Path, adapter: Path | None) -> dict[str, str]:
    """The fingerprints that pin a model's answers. A hub model's folder holds its pinned revision."""
    fingerprints = {"base": fingerprint(base)}
    if adapter:
        fingerprints["adapter"] = fingerprint(adapter)
    return fingerprints


def minor_version(version: str) -> str:
    """The part of a library's version that may change an answer: 2.13 of 2.13.0+cpu. Patch releases fix errors and
    don't change how numbers are rounded.
    """
    return ".".join(version.split(".")[:2])
