"""What the GPU's tests run in processes of their own, so that each begins and ends with an empty card.

GPU_TEST_DEVICE=cpu runs the same code on a CPU, with small shapes and without what needs a GPU.
"""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from stages.llm import Prompt, prompts
from stages.llm.training_settings import hyperparameters, lora_config, sft_config
from stages.pipeline.params import Params, params
from tests.conftest import ROOT
from tests.small_models import TEMPLATES, tokenizer
from tests.vllm_answers import GENERATED, TOKENS

ON_GPU = os.environ.get("GPU_TEST_DEVICE", "cuda") == "cuda"
if not ON_GPU:
    os.environ["CUDA_VISIBLE_DEVICES"] = ""
PATIENCE = 300  # seconds after which a process counts as hung
LETTERS = list(prompts.LETTERS)
# On a CPU vLLM has an environment of its own, and copies an adapter's weights for every token.
VLLM_PYTHON = Path(sys.executable) if ON_GPU else ROOT / ".venv-vllm" / "bin" / "python"
VLLM_RANK = 64 if ON_GPU else 1
VLLM_ENVIRONMENT = {
    "VLLM_CPU_KVCACHE_SPACE": "2",
    "VLLM_CPU_OMP_THREADS_BIND": "0-1",
    "VLLM_NO_USAGE_STATS": "1",
    "HF_HUB_OFFLINE": "1",
    "PYTHONPATH": str(ROOT),
}


def in_a_process(function: Callable[..., Any], *arguments: Any) -> Any:
    """The result of a function in a new process, which takes its memory on the GPU along when it ends."""
    with get_context("spawn").Pool(1) as pool:
        return pool.apply_async(function, arguments).get(PATIENCE)


def versions(packages: Sequence[str]) -> dict[str, str]:
    """The versions of packages, which are imported."""
    return {package: import_module(package).__version__ for package in packages}


def card() -> dict[str, Any]:
    """Name, memory (bytes) and driver of the GPU."""
    import torch

    properties = torch.cuda.get_device_properties(0)
    query = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
    driver = subprocess.run(query, capture_output=True, text=True, check=True).stdout.split()[0]
    return {"card": properties.name, "bytes": properties.total_memory, "driver": driver}


def free_memory() -> int:
    """Bytes of the GPU that no process holds but this one, whose own share is the same each time."""
    import torch

    return torch.cuda.mem_get_info()[0]


def placement(folder: Path, name: str, base: Path, rows: Path) -> dict[str, Any]:
    """The number types and devices of the weights that a training updates, and of those that it leaves."""
    from stages.llm.training import _prepare
    from stages.llm.training_examples import TrainingRows

    os.chdir(folder)
    model = _prepare(name, base, TrainingRows(rows), params(), 0, folder / "unused", full=False).model
    trained = {f"{weight.dtype} on {weight.device.type}" for weight in model.parameters() if weight.requires_grad}
    frozen = {f"{weight.dtype} on {weight.device.type}" for weight in model.parameters() if not weight.requires_grad}
    return {"trained": trained, "frozen": frozen}


def save_random_adapter(base: Path, rank: int, p: Params, folder: Path, spread: float = 0.05) -> None:
    """Write an adapter with random factors for a model's config; its weights are not read."""
    import peft
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    with torch.device("meta"):
        empty = AutoModelForCausalLM.from_config(AutoConfig.from_pretrained(base), trust_remote_code=False)
    adapted = peft.get_peft_model(empty, lora_config(empty, rank, p), low_cpu_mem_usage=True)
    generator = torch.Generator().manual_seed(0)
    weights = {
        name: spread * torch.randn(weight.shape, generator=generator)
        for name, weight in adapted.state_dict().items()
        if "lora_" in name
    }
    adapted.save_pretrained(str(folder), state_dict=weights)


def transformers_answers(base: Path, adapter: Path | None, chats: Sequence[Prompt], dtype: str) -> dict[str, Any]:
    """What the embedded engine answers: log-probabilities [chats][letters], and texts to the first chats."""
    from stages.llm.transformers import Transformers

    engine = Transformers(base, 8192, adapter, dtype)
    assert engine.device == ("cuda" if ON_GPU else "cpu")
    logprobs: dict[int, Any] = {}
    engine.choose(chats, LETTERS, {}, logprobs.update, "transformers")
    texts: dict[int, Any] = {}
    engine.generate(chats[:GENERATED], TOKENS, {}, texts.update, "transformers")
    return {"logprobs": [logprobs[i] for i in sorted(logprobs)], "texts": [texts[i] for i in sorted(texts)]}


def vllm_answers(
    base: Path, adapter: Path | None, chats: Sequence[Prompt], folder: Path, settings: Mapping[str, Any]
) -> dict[str, Any]:
    """What vLLM answers, likewise; `settings` are the engine's."""
    questions, answers = folder / "questions.json", folder / "answers.json"
    questions.write_text(json.dumps({"prompts": chats, "options": LETTERS, "settings": settings}))
    command = [VLLM_PYTHON, "-m", "tests.vllm_answers", base, adapter or "-", questions, answers]
    subprocess.run(list(map(str, command)), env=os.environ | VLLM_ENVIRONMENT, check=True, timeout=PATIENCE)
    return json.loads(answers.read_text())


def training_step(shape: Mapping[str, Any], name: str, p: Params, tokens: int, folder: Path) -> dict[str, float]:
    """One step of a model with random weights, on a batch of rows of `tokens` tokens: its loss, and the GPU's bytes.

    The weights are made where they are used, in bfloat16, so that no copy of them stands in RAM.
    """
    import torch
    from datasets import Dataset
    from transformers import AutoConfig, AutoModelForCausalLM

    from stages.llm.loss import IGNORED
    from stages.llm.trainer import LossCurve, Trainer

    rank, lr, batch_size = hyperparameters(name, p)
    with torch.device("cuda" if ON_GPU else "cpu"):
        model = AutoModelForCausalLM.from_config(
            AutoConfig.for_model(**shape), dtype=torch.bfloat16, trust_remote_code=False
        )
    fast = tokenizer("bytes", TEMPLATES["chatml"])
    row = [i % len(fast) for i in range(tokens)]
    example = {"input_ids": row, "labels": [IGNORED] * (tokens - 4) + row[-4:]}
    settings = sft_config(lr, batch_size, model.dtype, 0, p)
    settings.output_dir, settings.save_strategy = str(folder / "checkpoints"), "no"
    trainer = Trainer(
        model=model,
        processing_class=fast,
        train_dataset=Dataset.from_list([example] * batch_size),
        peft_config=lora_config(model, rank, p),
        args=settings,
        callbacks=[LossCurve(folder / "curve")],
        p=p,
    )
    trainer.train()
    return {
        "steps": trainer.state.global_step,
        "loss": trainer.state.log_history[0]["loss"],
        "checkpointing": any(getattr(module, "gradient_checkpointing", False) for module in model.modules()),
        "peak": torch.cuda.max_memory_allocated() if ON_GPU else 0,
        "reserved": torch.cuda.max_memory_reserved() if ON_GPU else 0,
    }
