"""Where the weights of a model lie, what pins them, and how they are loaded."""

import hashlib
import json
import timeit
from pathlib import Path
from typing import Any

FASTER = 1.3  # times float32's speed, from which bfloat16 is worth its rounding


def compute_dtype(name: str) -> Any:
    """The dtype that `models.NAME.dtype` asks for. `auto` is bfloat16 on a GPU and on a CPU that multiplies matrices
    faster in it, else float32.

    Measured, since what a CPU says of itself settles nothing: with AVX512-BF16 and no AMX, one ran at 0.6 and another
    at 2.3 times the speed of float32.
    """
    import torch

    if name == "auto":
        faster = torch.cuda.is_available() or _seconds(torch.bfloat16) * FASTER < _seconds(torch.float32)
        name = "bfloat16" if faster else "float32"
    return getattr(torch, name)


def _seconds(dtype: Any) -> float:
    """The least time of a matrix product on the CPU, 512 by 512."""
    import torch

    matrix = torch.ones(512, 512, dtype=dtype)
    return min(timeit.repeat(lambda: matrix @ matrix, number=1, repeat=20))


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
