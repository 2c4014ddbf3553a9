"""Where the weights of a model lie, what pins them, and how they are loaded."""

import hashlib
import json
from pathlib import Path
from typing import Any


def compute_dtype() -> Any:
    """bfloat16 on a GPU and where the CPU multiplies matrices in it (AMX), float32 elsewhere.

    AVX512-BF16 alone is no reason: on such a CPU oneDNN's bfloat16 product ran at 0.6 times the speed of float32.
    """
    import torch

    return torch.bfloat16 if torch.cuda.is_available() or torch.cpu._is_amx_tile_supported() else torch.float32


def place(base: Path) -> tuple[str, str | None]:
    """What `from_pretrained` calls a model in data/base: the folder itself, or the hub's id and revision that its note
    names.
    """
    note = base / "hub.json"
    if not note.exists():
        return str(base), None
    hub = json.loads(note.read_text(encoding="utf-8"))
    return hub["hub"], hub["revision"]


def load(base: Path, dtype: Any, in_4bit: bool = False) -> tuple[Any, Any]:
    """Model and tokenizer of data/base/NAME, from the folder itself or from the hub's cache as its note says.

    `in_4bit` keeps the weights in 4 bits (NF4, as in QLoRA) and multiplies in `dtype`.
    """
    from transformers import AutoModelForCausalLM, AutoTokenizer, BitsAndBytesConfig
    from transformers.utils import logging

    logging.disable_progress_bar()  # loading takes a second
    name, revision = place(base)
    pinned: dict[str, Any] = {"revision": revision, "local_files_only": True} if revision else {}
    small = BitsAndBytesConfig(
        load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_use_double_quant=True, bnb_4bit_compute_dtype=dtype
    )
    quantized: dict[str, Any] = {"quantization_config": small} if in_4bit else {}
    model = AutoModelForCausalLM.from_pretrained(name, dtype=dtype, attn_implementation="sdpa", **pinned, **quantized)
    return model, AutoTokenizer.from_pretrained(name, **pinned)


def matrices(model: Any) -> dict[str, Any]:
    """The weights [out, in] of the linear layers, by name: what LoRA updates with targets all-linear. The head is not
    among them.
    """
    import torch

    head = model.get_output_embeddings()
    linear = {name: part for name, part in model.named_modules() if isinstance(part, torch.nn.Linear)}
    return {name: part.weight for name, part in linear.items() if part is not head}


def fingerprint(path: Path) -> str:
    """The sha256 of a file, or of the names and contents of all files in a folder."""
    if path.is_file():
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    files = sorted(file for file in path.rglob("*") if file.is_file())
    named = [f"{file.relative_to(path).as_posix()} {fingerprint(file)}" for file in files]
    return hashlib.sha256("\n".join(named).encode()).hexdigest()


def identity(base: Path, adapter: Path | None) -> dict[str, str]:
    """What pins a model's answers: base (a hub's note holds the revision) and adapter."""
    return {"base": fingerprint(base)} | ({"adapter": fingerprint(adapter)} if adapter else {})
