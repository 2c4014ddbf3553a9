"""How fast an adapter is trained on a CPU: the train stage beside what a user would take instead.

    python -m tests.benchmarks.training

`make bench BENCH=training` installs LLaMA-Factory and axolotl, each into an environment of its own, and runs this. All
train the same base on the same labels with the same rank, batch and epochs, one process after the other. Tokens are
the real ones, prompt and answer in the template of the base, without padding; seconds are those of the trainer's loop,
which all four have from transformers. Ours takes the dtype that is faster here (`dtype: auto`), the others what they
choose themselves; peak is this machine's own matrix product in ours.
"""

import json
import math
import os
import re
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import click
from ruamel.yaml import YAML
from ruamel.yaml.scalarstring import DoubleQuotedScalarString

from stages.llm.training_examples import TrainingRows
from stages.pipeline.params import params
from tests.benchmarks.engines import peak
from tests.conftest import ROOT

NAME = "smollm2_135m"
BASE = ROOT / "data" / "base" / NAME
ITEMS = 48
BATCHES = (2, 4, 8)
PATIENCE = 900  # seconds for another trainer, after which it counts as hung
SECONDS = re.compile(r"'train_runtime': '?([0-9.]+)")


def timed(work: Any) -> float:
    """The seconds of the Trainer's own loop while `work` is done."""
    from transformers import Trainer

    loop, seconds = Trainer._inner_training_loop, [0.0]

    def measured(*args: Any, **kwargs: Any) -> Any:
        start = time.perf_counter()
        result = loop(*args, **kwargs)
        seconds.append(time.perf_counter() - start)
        return result

    Trainer._inner_training_loop = measured  # type: ignore[method-assign]
    work()
    return seconds[-1]


def ours(rows: Path, batch: int, folder: Path) -> float:
    from stages.llm import training, training_settings

    os.environ["LABELS_CACHE"] = str(folder / "cache")
    training_settings.CHECKPOINTS = (
        2  # the others write none; ten are little in a whole run, and much in this short one
    )
    p = params(ROOT / "params.yaml")
    models = {NAME: p.models[NAME].model_copy(update={"dtype": "auto"})}
    p = p.model_copy(update={"batch_size": batch, "epochs": 1, "min_steps": 0, "models": models})
    return timed(lambda: training.train(NAME, BASE, TrainingRows(rows), p, 0, folder / "adapter", folder / "curve"))


def trl_as_documented(rows: Path, batch: int, folder: Path) -> float:
    """The trainer's documentation with LoRA: prompt and completion as messages, everything else left alone but what a
    CPU can't do.
    """
    from datasets import Dataset
    from peft import LoraConfig
    from trl import SFTConfig, SFTTrainer

    data = [
        {
            "prompt": [{"role": "user", "content": row["instruction"]}],
            "completion": [{"role": "assistant", "content": row["output"]}],
        }
        for row in json.loads(rows.read_text())
    ]
    settings = SFTConfig(
        output_dir=str(folder / "trl"),
        per_device_train_batch_size=batch,
        num_train_epochs=1,
        max_length=1400,
        use_cpu=True,
        bf16=False,
        report_to="none",
        save_strategy="no",
    )
    lora = LoraConfig(r=16, lora_alpha=16, target_modules="all-linear", task_type="CAUSAL_LM")
    trainer = SFTTrainer(str(BASE), args=settings, train_dataset=Dataset.from_list(data), peft_config=lora)
    return timed(trainer.train)


def seconds_of(command: list[str], folder: Path) -> float:
    """The seconds that another trainer's command reports; raises with its last words if it fails."""
    quiet = {"CUDA_VISIBLE_DEVICES": "", "WANDB_MODE": "disabled", "HF_HUB_OFFLINE": "1", "DO_NOT_TRACK": "1"}
    environment = os.environ | quiet
    result = subprocess.run(command, cwd=folder, capture_output=True, text=True, env=environment, timeout=PATIENCE)
    if result.returncode or not (seconds := SECONDS.findall(result.stdout + result.stderr)):
        raise click.ClickException((result.stderr or result.stdout)[-2000:])
    return float(seconds[-1])


def llama_factory(rows: Path, batch: int, folder: Path) -> float:
    (folder / "dataset_info.json").write_text(json.dumps({"labels": {"file_name": str(rows)}}))
    config = {
        "model_name_or_path": str(BASE),
        "stage": "sft",
        "do_train": True,
        "finetuning_type": "lora",
        "lora_rank": 16,
        "lora_alpha": 16,
        "lora_target": "all",
        "dataset_dir": str(folder),
        "dataset": "labels",
        "template": "chatml",
        "cutoff_len": 1400,
        "output_dir": str(folder / "llama_factory"),
        "per_device_train_batch_size": batch,
        "gradient_accumulation_steps": 1,
        "num_train_epochs": 1,
        "use_cpu": True,
        "report_to": "none",
        "save_strategy": DoubleQuotedScalarString("no"),  # else YAML 1.1 reads false
        "disable_gradient_checkpointing": True,
    }
    YAML().dump(config, folder / "config.yaml")
    return seconds_of([str(ROOT / ".venv-llama-factory" / "bin" / "llamafactory-cli"), "train", "config.yaml"], folder)


def axolotl(rows: Path, batch: int, folder: Path) -> float:
    config = {
        "base_model": str(BASE),
        "trust_remote_code": False,
        "datasets": [{"path": str(rows), "ds_type": "json", "type": "alpaca"}],
        "adapter": "lora",
        "lora_r": 16,
        "lora_alpha": 16,
        "lora_target_linear": True,
        "sequence_len": 1400,
        "output_dir": str(folder / "axolotl"),
        "micro_batch_size": batch,
        "gradient_accumulation_steps": 1,
        "num_epochs": 1,
        "learning_rate": 2e-4,
        "optimizer": "adamw_torch",
        "lr_scheduler": "constant",
        "attn_implementation": "sdpa",
        "lora_mlp_kernel": False,  # its kernels for LoRA want CUDA
        "lora_qkv_kernel": False,
        "lora_o_kernel": False,
        "bf16": False,
        "fp16": False,
        "use_cpu": True,
        "save_strategy": DoubleQuotedScalarString("no"),
    }
    YAML().dump(config, folder / "config.yaml")
    return seconds_of(
        [str(ROOT / ".venv-axolotl" / "bin" / "python"), "-m", "axolotl.cli.train", "config.yaml"], folder
    )


CANDIDATES = {
    "ours": ours,
    "TRL as documented": trl_as_documented,
    "LLaMA-Factory": llama_factory,
    "axolotl": axolotl,
}


def measured(name: str, batch: int, rows: Path) -> dict[str, float]:
    """Seconds of training and the peak memory of the largest process in GB. Raises click.ClickException with the last
    line that a failing candidate says.
    """
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "tests.benchmarks.training", name, str(batch), str(rows), folder]
        result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    if result.returncode:
        raise click.ClickException([line for line in result.stderr.splitlines() if line.strip()][-1])
    return json.loads(result.stdout.splitlines()[-1])


def compare(path: Path) -> None:
    """A table of all candidates on the labels in the file."""
    from safetensors.torch import load_file
    from transformers import AutoTokenizer

    from stages.llm.tokenization import common_prefix_length
    from stages.llm.training_examples import load_examples
    from stages.llm.weights import compute_dtype

    tokenizer = AutoTokenizer.from_pretrained(BASE, trust_remote_code=False)
    encoded = [row["input_ids"] for row in load_examples(path, tokenizer, 1400)]
    items, tokens, shared = len(encoded), sum(map(len, encoded)), common_prefix_length(encoded)
    weights = load_file(BASE / "model.safetensors")
    body = sum(weight.numel() for name, weight in weights.items() if "embed" not in name)
    dtype = str(compute_dtype("auto")).removeprefix("torch.")
    best = peak(dtype)
    click.echo(f"{items} items, {tokens} real tokens, the first {shared} of each alike; rank 16, one epoch; {dtype}\n")
    click.echo("| batch | | tokens/s | ours is faster by | peak memory, GB |\n|---|---|---|---|---|")
    for batch in BATCHES:
        seconds = measured("ours", batch, path)["seconds"]
        for name in CANDIDATES:
            try:
                run = measured(name, batch, path)
            except click.ClickException as error:
                click.echo(f"| {batch} | {name} | fails: {error.message} | | |")
                continue
            speed, ratio = tokens / run["seconds"], run["seconds"] / seconds
            click.echo(f"| {batch} | {name} | {speed:.0f} | {ratio:.2f} | {run['memory']:.1f} |")
        computed = tokens - shared * (items - math.ceil(items / batch))
        work = 4 * body * computed / 1e9  # two for the forward pass, two for the activations' gradients
        click.echo(f"| {batch} | ours, share of the matrix product's peak | {work / seconds / best:.0%} | | |")


@click.command(help=__doc__)
@click.argument("worker", nargs=-1)
def main(worker: tuple[str, ...]) -> None:
    if worker:
        name, size, rows, folder = worker
        seconds = CANDIDATES[name](Path(rows), int(size), Path(folder))
        peak_memory = max(
            resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
        )
        click.echo(json.dumps({"seconds": seconds, "memory": peak_memory / 1e6}))
        return
    labels = json.loads((ROOT / "data" / "alpaca" / "train.json").read_text())[:ITEMS]
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump(labels, file)
        file.flush()
        compare(Path(file.name))


if __name__ == "__main__":
    main()
