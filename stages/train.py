"""Fine-tune a model with LoRA (paper, section 4).

    python -m stages.train NAME data/base/NAME data/alpaca/train.json data/adapters/NAME metrics/training/NAME

The loss is on the answer alone. The adapter loads with `PeftModel.from_pretrained`. A run that was killed goes on from
its last checkpoint, which lies in the cache directory, and ends with the adapter that it would have ended with.
"""

import errno
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import click

from stages.llm.loss import IGNORED
from stages.params import Params, cache_directory, params

CHECKPOINTS = 10  # in a run
LAUNCHED = "LABELS_LAUNCHED"  # the environment variable that tells a process that it was started by Accelerate
ROOM = 2**20  # bytes; a disk with less is full


def examples(path: Path, tokenizer: Any, max_length: int) -> list[dict[str, list[int]]]:
    """Alpaca rows as tokens and labels; tokens of the answer and its end are their own labels, the prompt's IGNORED.

    Raises click.ClickException for a row longer than `max_length` tokens: cut, it would lose its answer.
    """
    from stages.llm.chats import encode

    found = []
    for number, row in enumerate(json.loads(path.read_text(encoding="utf-8")), start=1):
        question = [{"role": "user", "content": f"{row['instruction']}\n{row['input']}".strip()}]
        prompt = encode(tokenizer, question)
        whole = encode(tokenizer, [*question, {"role": "assistant", "content": row["output"]}])
        if len(whole) > max_length:
            raise click.ClickException(
                f"{path}: row {number} (id {row['id']}) has {len(whole)} tokens, max_length is {max_length}: raise it"
            )
        if whole[: len(prompt)] != prompt:
            raise click.ClickException("the chat template of this model writes a question anew once it is answered")
        found.append({"input_ids": whole, "labels": [IGNORED] * len(prompt) + whole[len(prompt) :]})
    return found


def train(name: str, base: Path, rows: Path, p: Params, adapter: Path, curve: Path, full: bool = False) -> None:
    """Load, wrap, train, save. With `full` not an adapter is trained but the matrices that it would have updated, and
    the whole model is saved.
    """
    import peft
    import torch
    import transformers
    import trl
    from datasets import Dataset, disable_progress_bars

    from stages.llm.trainer import LossCurve, Trainer
    from stages.llm.weights import compute_dtype, fingerprint, load, matrices

    disable_progress_bars()
    own = p.models[name].train
    model, tokenizer = load(base, compute_dtype(p.models[name].dtype), p.train.load_in_4bit)
    tokens = examples(rows, tokenizer, p.max_length)
    lora: Any = peft.LoraConfig(
        r=own.lora_rank or p.lora_rank,
        lora_alpha=p.lora_alpha,
        lora_dropout=p.lora_dropout,
        target_modules=p.train.targets,
        task_type="CAUSAL_LM",
    )
    if full:
        lora = None
        model.requires_grad_(False)
        for matrix in matrices(model).values():
            matrix.requires_grad_(True)
    settings = trl.SFTConfig(
        output_dir="checkpoints",
        seed=p.seed,
        learning_rate=own.lr or p.lr,
        num_train_epochs=p.epochs,
        per_device_train_batch_size=share(own.batch_size or p.batch_size),
        lr_scheduler_type="warmup_stable_decay",
        warmup_steps=p.warmup_steps,
        max_grad_norm=p.max_grad_norm,
        optim=p.train.optimizer,
        adam_beta2=p.adam_beta2,
        packing=p.train.packing,
        max_length=p.max_length if p.train.packing else None,  # of a pack; of each row, examples() has looked
        gradient_checkpointing=p.train.gradient_checkpointing,
        bf16=model.dtype == torch.bfloat16,
        use_cpu=not torch.cuda.is_available(),
        logging_steps=1,
        save_steps=1 / CHECKPOINTS,
        save_total_limit=1,
        report_to=p.train.report_to,
        disable_tqdm=True,  # LossCurve has a bar
    )
    decides = [fingerprint(base), tokens, lora and lora.to_dict(), settings.to_dict(), p.loraplus_ratio, p.lr_decay]
    code = [fingerprint(Path(__file__).parent / file) for file in ("train.py", "llm/trainer.py", "llm/loss.py")]
    versions = [m.__version__ for m in (torch, transformers, peft, trl)]
    run = hashlib.sha256(json.dumps([decides, code, versions], default=sorted, sort_keys=True).encode()).hexdigest()
    settings.output_dir = str(cache_directory("checkpoints") / run)
    trainer = Trainer(
        model=model,
        processing_class=tokenizer,
        train_dataset=Dataset.from_list(tokens),
        peft_config=lora,
        args=settings,
        callbacks=[LossCurve(curve)],
        p=p,
    )
    trainer.remove_callback(transformers.PrinterCallback)
    kept = sum(map(len, cast(Any, trainer.train_dataset)["input_ids"]))
    if kept != (given := sum(len(row["input_ids"]) for row in tokens)):
        raise click.ClickException(f"of {given} tokens the trainer kept {kept}")
    trainer.train(resume_from_checkpoint=last_whole(Path(settings.output_dir)))
    weights = trainer.accelerator.get_state_dict(trainer.model)
    if trainer.is_world_process_zero():
        tuned = cast(Any, trainer.accelerator.unwrap_model(trainer.model))
        for config in [] if full else tuned.peft_config.values():
            config.target_modules = sorted(config.target_modules)  # a set, which would be written in any order
        tuned.save_pretrained(str(adapter), state_dict=weights)
        shutil.rmtree(settings.output_dir)


def last_whole(folder: Path) -> str | None:
    """The latest checkpoint that was written to its end: the trainer's state, which it writes last, can be read."""
    for checkpoint in sorted(folder.glob("checkpoint-*"), key=lambda path: int(path.name.split("-")[1]), reverse=True):
        try:
            json.loads((checkpoint / "trainer_state.json").read_text(encoding="utf-8"))
        except (FileNotFoundError, json.JSONDecodeError):
            continue
        return str(checkpoint)
    return None


def share(batch_size: int) -> int:
    """One process's part of the sequences in a step; the launcher says how many processes train together."""
    processes = int(os.environ.get("WORLD_SIZE", "1"))
    if batch_size % processes:
        raise click.ClickException(f"a batch of {batch_size} sequences can't be shared by {processes} processes")
    return batch_size // processes


@contextmanager
def in_plain_words(folder: Path) -> Iterator[None]:
    """A full disk and too little memory end with a line that says what to do, not with a library's own words."""
    try:
        yield
    except Exception as error:
        if shutil.disk_usage(folder).free < ROOM or (isinstance(error, OSError) and error.errno == errno.ENOSPC):
            raise click.ClickException(
                f"the disk of {folder} is full: make room and run again, it goes on from the last checkpoint"
            ) from error
        if isinstance(error, MemoryError) or re.search("out of memory|can't allocate memory", str(error)):
            raise click.ClickException(
                "out of memory: lower batch_size, or set train.gradient_checkpointing; what was trained with these"
                " settings is kept"
            ) from error
        raise


@click.command(help=__doc__)
@click.argument("name")
@click.argument("base", type=click.Path(exists=True, path_type=Path))
@click.argument("rows", type=click.Path(exists=True, path_type=Path))
@click.argument("adapter", type=click.Path(path_type=Path))
@click.argument("curve", type=click.Path(path_type=Path))
def main(name: str, base: Path, rows: Path, adapter: Path, curve: Path) -> None:
    p = params()
    if p.train.launcher and LAUNCHED not in os.environ:  # Accelerate starts this stage again, in each process
        launch = [sys.executable, "-m", "accelerate.commands.launch", "--config_file", str(p.train.launcher_config)]
        command = [*launch, "-m", "stages.train", *sys.argv[1:]]
        sys.exit(subprocess.run(command, env=os.environ | {LAUNCHED: "1"}).returncode)
    checkpoints = cache_directory("checkpoints")
    checkpoints.mkdir(parents=True, exist_ok=True)
    with in_plain_words(checkpoints):
        train(name, base, rows, p, adapter, curve)


if __name__ == "__main__":
    main()
