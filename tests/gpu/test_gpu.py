"""A GPU machine in ten minutes: `make test-gpu`. The small model, the paper's settings, and the 32B shape.

Nothing is downloaded but the embedded model, where data/base lacks it.
"""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ruamel.yaml import YAML

from stages.llm.merging import merge
from stages.pipeline.experiments import recipe
from stages.pipeline.files import read_yaml, write_json
from stages.pipeline.params import Params, params
from stages.pipeline.schemas import Item
from stages.pipeline.tables import from_rows, write
from stages.tools.footprint import ARCHITECTURES, WORKSPACE, Footprint, footprint
from stages.tools.preflight import work_of
from tests.clones import call, commit, cut, read
from tests.conftest import ROOT, change_params
from tests.external.test_vllm import STAND_INS, TOLERANCE, N
from tests.gpu.work import (
    ON_GPU,
    VLLM_RANK,
    card,
    free_memory,
    in_a_process,
    placement,
    save_random_adapter,
    training_step,
    transformers_answers,
    versions,
    vllm_answers,
)
from tests.model.test_train import losses, rows
from tests.small_models import TEMPLATES, save_random_model, tokenizer
from tests.synthetic_chat import items, questions
from tests.vllm_answers import ENGINE_ARGS, GENERATED

GB = 1e9
SMALL = "smollm2_135m" if ON_GPU else "smollm2_135m_10"
LARGE = "qwen1_5_32b"
PACKAGES = ("torch", "transformers", "peft", "trl")
GPU_PACKAGES = ("vllm", "bitsandbytes")
FIRST_LOSS = 0.02  # share by which bfloat16 may change the loss of the first batch
RESUMED = 0.1  # share of the update that may differ after a kill: kernels add in any order, and Adam takes a gradient
# near 0 for a whole step of either sign
BFLOAT16 = 0.1  # mean difference of a log-probability between two engines that round differently
HELD = 0.5e9  # bytes by which a card's free memory may differ before and after a stage
Record = Callable[[str, object], None]


def use_recipe(folder: Path, name: str, **more: Any) -> Params:
    """The paper's settings for one model, in a folder's params.yaml; a CPU has another optimizer and no `auto`."""
    of_cpu = {} if ON_GPU else {"train.optimizer": "adamw_torch_fused"}
    settings = {"ladder": [name], "finetune": [name], f"models.{name}.dtype": "auto" if ON_GPU else "bfloat16"}
    change_params(folder, recipe(ROOT / "recipes" / "paper.yaml") | settings | of_cpu | more)
    return params(folder / "params.yaml")


def test_packages_and_card(record_property: Record) -> None:
    import torch

    for name, version in in_a_process(versions, PACKAGES + (GPU_PACKAGES if ON_GPU else ())).items():
        record_property(name, version)
    if ON_GPU:
        assert torch.cuda.is_available(), f"torch {torch.__version__} finds no GPU"
        for name, value in in_a_process(card).items():
            record_property(name, value)


def test_training_as_in_the_paper(project: Path, base: Path, record_property: Record) -> None:
    """Number types; the first loss against a CPU's in float32, which a dropout can't change while LoRA's B is 0; and
    the adapter of a training that was killed against an undisturbed one's.
    """
    batch_size = 4 if ON_GPU else 2
    use_recipe(project, SMALL, batch_size=batch_size, warmup_steps=2)
    file = rows(project / "train.json", 10 * batch_size)
    weights = in_a_process(placement, project, SMALL, base / SMALL, file)
    device = "cuda" if ON_GPU else "cpu"
    assert weights["trained"] == {f"torch.float32 on {device}"}
    assert weights["frozen"] == {f"torch.bfloat16 on {device}"}

    def start(out: str, **variables: str) -> subprocess.Popen[bytes]:
        command = ["stages.train", SMALL, str(base / SMALL), str(file), f"{out}/adapter", f"{out}/curve"]
        environment = {"LABELS_CACHE": str(project / "cache" / out), "TQDM_DISABLE": "1", "PYTHONPATH": str(ROOT)}
        return subprocess.Popen([sys.executable, "-m", *command], env=os.environ | environment | variables)

    def kill_once(happened: Callable[[], object], process: subprocess.Popen[bytes]) -> None:
        while not happened():
            assert process.poll() is None, "it ended before it was killed"
            time.sleep(0.02)
        process.kill()
        assert process.wait() != 0

    assert start("once").wait() == 0
    checkpoint = "checkpoints/*/checkpoint-[3-9]/trainer_state.json"
    kill_once(lambda: list((project / "cache" / "killed").glob(checkpoint)), start("killed"))
    assert not (project / "killed" / "adapter").exists()
    assert start("killed").wait() == 0
    on_cpu = {f"models.{SMALL}.dtype": "float32", "train.optimizer": "adamw_torch_fused"}
    use_recipe(project, SMALL, **on_cpu, batch_size=batch_size, warmup_steps=2)
    curve = project / "cpu" / "curve"
    kill_once(lambda: first_losses(curve), start("cpu", CUDA_VISIBLE_DEVICES=""))

    first, reference = losses(project / "once" / "curve")[0], first_losses(curve)[0]
    record_property("first loss", f"{first:.3f}, {reference:.3f} on the CPU")
    assert first == pytest.approx(reference, rel=FIRST_LOSS)
    difference = update_difference(project / "killed" / "adapter", project / "once" / "adapter")
    record_property("update after a kill differs by", f"{difference:.1e} of its length")
    assert difference <= RESUMED
    assert len(losses(project / "killed" / "curve")) == len(losses(project / "once" / "curve")) == 10


def first_losses(curve: Path) -> list[float]:
    """The losses that a training has written so far."""
    return losses(curve) if (curve / "plots" / "metrics" / "loss.tsv").exists() else []


def update_difference(adapter: Path, reference: Path) -> float:
    """The length of the difference of two adapters' B, which begins as 0, as a share of the second's length."""
    from safetensors.numpy import load_file

    ours, theirs = (load_file(folder / "adapter_model.safetensors") for folder in (adapter, reference))
    assert ours.keys() == theirs.keys() and {str(weight.dtype) for weight in ours.values()} == {"float32"}
    names = [name for name in theirs if "lora_B" in name]
    update = np.concatenate([theirs[name].ravel() for name in names])
    difference = np.concatenate([ours[name].ravel() for name in names]) - update
    return float(np.linalg.norm(difference) / np.linalg.norm(update))


@pytest.fixture
def vllm_settings() -> dict[str, Any]:
    """Of the engine for small models; tests with this fixture skip where vLLM is missing."""
    return {"engine_args": ENGINE_ARGS, "lora_rank": VLLM_RANK}


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_vllm_answers_as_transformers(
    dtype: str, project: Path, base: Path, vllm_settings: dict[str, Any], record_property: Record
) -> None:
    save_random_adapter(base / SMALL, VLLM_RANK, use_recipe(project, SMALL), project / "adapter")
    settings = vllm_settings | {"engine_args": ENGINE_ARGS | {"dtype": dtype}}
    by_adapter = []
    for name, adapter in (("base", None), ("adapter", project / "adapter")):
        ours = in_a_process(transformers_answers, base / SMALL, adapter, questions(N), dtype)
        theirs = vllm_answers(base / SMALL, adapter, questions(N), project, settings)
        compare(name, dtype, ours, theirs, record_property)
        by_adapter.append(np.array(ours["logprobs"]))
    assert np.abs(by_adapter[0] - by_adapter[1]).max() > 10 * TOLERANCE


def compare(name: str, dtype: str, ours: dict[str, Any], theirs: dict[str, Any], record_property: Record) -> None:
    """Equal log-probabilities, choices and texts in float32. bfloat16's changed choices and texts are counted."""
    logprobs, reference = np.array(theirs["logprobs"]), np.array(ours["logprobs"])
    difference = np.abs(logprobs - reference)
    changed = int((logprobs.argmax(1) != reference.argmax(1)).sum())
    same_texts = sum(agree(*texts) for texts in zip(theirs["texts"], ours["texts"], strict=True))
    record_property(f"{name}: largest difference", f"{difference.max():.1e}")
    record_property(f"{name}: choices changed", f"{changed} of {len(reference)}")
    record_property(f"{name}: equal texts", f"{same_texts} of {GENERATED}")
    if dtype == "float32":
        assert difference.max() <= TOLERANCE
        assert same_texts >= GENERATED - 1  # of two tokens that are equally likely either may come
    else:
        assert difference.mean() <= BFLOAT16


def agree(text: str, reference: str) -> bool:
    """Whether texts are equal as far as both go: vLLM holds the end back where a character is cut in its middle."""
    return bool(text) == bool(reference) and (text.startswith(reference) or reference.startswith(text))


def test_a_mixture_with_an_adapter(project: Path, vllm_settings: dict[str, Any], record_property: Record) -> None:
    """Qwen1.5-MoE's architecture with random weights; the engine merges the adapter into its stacked experts."""
    shape = {"hidden_size": 128, "intermediate_size": 128, "max_position_embeddings": 2048}
    heads = {"num_attention_heads": 2, "num_key_value_heads": 2, "head_dim": 64}
    base, adapter, merged = project / "base", project / "adapter", project / "merged"
    fast = tokenizer("bytes", TEMPLATES["chatml"])
    save_random_model("qwen2_moe", base, fast, **shape, **heads, **STAND_INS["qwen2_moe"])
    save_random_adapter(base, 4, use_recipe(project, SMALL), adapter)
    by_adapter = []
    for name, tuned in (("base", None), ("adapter", adapter)):
        ours = in_a_process(transformers_answers, base, tuned, questions(N), "float32")
        if tuned and not ON_GPU:  # the CPU's environment of vLLM has no peft
            in_a_process(merge, base, tuned, merged)
            theirs = vllm_answers(merged, None, questions(N), project, vllm_settings)
        else:
            theirs = vllm_answers(base, tuned, questions(N), project, vllm_settings | {"moe": True})
        compare(name, "float32", ours, theirs, record_property)
        by_adapter.append(np.array(ours["logprobs"]))
    assert np.abs(by_adapter[0] - by_adapter[1]).max() > 10 * TOLERANCE


def test_stages_give_the_memory_back(tmp_path: Path, base: Path, record_property: Record) -> None:
    """Baseline, train and tuned, each by `dvc exp run`, with vLLM on a GPU."""
    name = "smollm2_135m_10"
    stages = YAML(typ="safe", pure=True).load((ROOT / "dvc.yaml").read_text())["stages"]
    folder = cut(tmp_path / "clone", {stage: stages[stage] for stage in ("baseline", "train", "tuned")})
    engine = {f"models.{name}.engine": "vllm", f"models.{name}.engine_args": {"max_model_len": 4096}} if ON_GPU else {}
    quick = {"batch_size": 4, "warmup_steps": 2, "evaluate.max_tokens": 16, "evaluate.bootstrap": 40}
    use_recipe(folder, name, **engine, **quick)
    (folder / "data" / "alpaca").mkdir(parents=True)
    rows(folder / "data" / "alpaca" / "train.json", 24)
    for name_of_rows in ("alpaca/dev", "pseudo_labels"):  # empty: these settings learn nothing from them
        write_json(folder / "data" / f"{name_of_rows}.json", [])
    in_test = [item | {"split": "test"} for item in items(16 if ON_GPU else 4)]
    write(folder / "data" / "items.jsonl", from_rows(in_test, Item), Item)
    write_json(folder / "data" / "law_gate.json", {"passed": 1})
    write_json(folder / "data" / "window.json", {"is_auto": False, "turns": 12})
    (folder / "data" / "base").mkdir()
    (folder / "data" / "base" / name).symlink_to(base / name)
    commit(folder, "a pipeline of three stages")
    variables = {"LABELS_CACHE": str(tmp_path / "cache"), "HF_HUB_OFFLINE": "1", "VLLM_NO_USAGE_STATS": "1"}
    before = in_a_process(free_memory) if ON_GPU else 0
    for stage in ("baseline", "train", "tuned"):
        call(folder, "dvc", "exp", "run", "--name", f"gpu-{stage}", f"{stage}@{name}", variables=variables)
        if ON_GPU:
            held = before - in_a_process(free_memory)
            record_property(f"GB held after {stage}", f"{held / GB:.2f}")
            assert abs(held) <= HELD
    for stage in ("baseline", "tuned"):
        assert read(folder / "metrics" / "details" / stage / f"{name}.json")["n"] == len(in_test)


def large_shape() -> dict[str, Any]:
    """Qwen1.5-32B's; on a CPU of the same kind and small, with heads that vLLM's attention takes there."""
    shape = read_yaml(ARCHITECTURES)["Qwen/Qwen1.5-32B-Chat"]
    small = {"hidden_size": 128, "intermediate_size": 256, "num_hidden_layers": 2, "num_attention_heads": 2}
    return shape if ON_GPU else shape | small | {"num_key_value_heads": 2}


def large_needs(p: Params) -> Footprint:
    """What preflight says of the shape."""
    from transformers import AutoConfig

    return footprint(LARGE, AutoConfig.for_model(**large_shape()), p, work_of(LARGE, p, items=1), on_gpu=True)


def skip_unless_it_fits(needed: float) -> None:
    memory = in_a_process(card)["bytes"] if ON_GPU else needed
    if memory < needed:
        pytest.skip(f"the card has {memory / GB:.1f} GB, and by preflight's estimate this needs {needed / GB:.1f}")


def test_a_step_of_the_32b_shape(project: Path, record_property: Record) -> None:
    """4 rows of 1,400 tokens, with gradient checkpointing and rank 64; the peak against preflight's table."""
    p = use_recipe(project, LARGE, warmup_steps=0, **{"train.validation_share": 0})
    needs = large_needs(p)
    skip_unless_it_fits(needs.training)
    step = in_a_process(training_step, large_shape(), LARGE, p, p.max_length if ON_GPU else 64, project)
    record_property("loss", f"{step['loss']:.2f}")
    assert step["steps"] == 1 and step["checkpointing"]
    assert step["loss"] == pytest.approx(np.log(large_shape()["vocab_size"]), rel=0.2)  # random weights know nothing
    if ON_GPU:
        table = needs.training - WORKSPACE  # CUDA's own memory is none that torch allocates
        record_property("peak, GB", f"{step['peak'] / GB:.1f}, {table / GB:.1f} by preflight's table")
        record_property("reserved by torch, GB", f"{step['reserved'] / GB:.1f}")
        assert 0.7 * table <= step["peak"] <= table


def test_vllm_starts_with_the_32b_shape(project: Path, vllm_settings: dict[str, Any], record_property: Record) -> None:
    """With the catalogue's engine_args, weights that vLLM makes up, and an adapter of the shape."""
    import torch
    from transformers import AutoConfig

    p = use_recipe(project, LARGE)
    skip_unless_it_fits(large_needs(p).inference)
    AutoConfig.for_model(**large_shape(), dtype=torch.bfloat16, architectures=["Qwen2ForCausalLM"]).save_pretrained(
        project / "base"
    )
    tokenizer("bytes", TEMPLATES["chatml"]).save_pretrained(project / "base")
    save_random_adapter(project / "base", VLLM_RANK, p, project / "adapter", spread=0.01)
    engine_args = p.models[LARGE].engine_args | {"load_format": "dummy"}
    if not ON_GPU:  # where another share of the memory is free
        engine_args = {name: value for name, value in engine_args.items() if name != "gpu_memory_utilization"}
    start = time.monotonic()
    answers = vllm_answers(
        project / "base",
        project / "adapter",
        questions(N)[:GENERATED],
        project,
        vllm_settings | {"engine_args": engine_args},
    )
    record_property("start and answers, s", round(time.monotonic() - start))
    assert np.isfinite(answers["logprobs"]).all() and np.shape(answers["logprobs"]) == (GENERATED, 3)
