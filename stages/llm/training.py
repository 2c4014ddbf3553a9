"""Fine-tuning of a model with LoRA, or of its linear layers in full (paper, section 4)."""

import hashlib
import json
import os
import random
import re
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import click

from stages.llm.training_examples import Example, TrainingRows, load_examples
from stages.llm.training_settings import (
    hyperparameters,
    label_readings,
    lora_config,
    missing_sequences,
    sft_config,
    too_few_steps,
    training_steps,
)
from stages.pipeline.command import full_disk_message
from stages.pipeline.params import Params, cache_directory

# Raise this by hand with a change of a training module, trainer.py, loss.py, tokenization.py, control_tokens.py or
# weights.py that may change what is learnt: checkpoints of earlier code are then not resumed.
FORMAT = 3


def train(
    name: str, base: Path, rows: TrainingRows, p: Params, seed: int, adapter: Path, curve: Path, full: bool = False
) -> None:
    """Train a model on alpaca rows with one seed; write the adapter to `adapter` and the loss curve to `curve`.

    With `full` the matrices that LoRA would update are trained themselves, and `adapter` receives the whole model.
    `train.keep: best` keeps the checkpoint that answers most rows of dev right. An interrupted training resumes from
    its last checkpoint and ends with the same bytes as an undisturbed one.

    Raises click.ClickException for a row that is too long, too little memory and a full disk.
    """
    _use_one_gpu()
    with _readable_errors():
        trainer = _prepare(name, base, rows, p, seed, curve, full)
        checkpoints = Path(trainer.args.output_dir)
        trainer.train(resume_from_checkpoint=last_complete_checkpoint(checkpoints))
        _save(trainer, adapter, full)


def _use_one_gpu() -> None:
    """Leaves the first GPU visible to a training without a launcher: TRL refuses several in one process."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES", "0")
    if "WORLD_SIZE" not in os.environ:
        os.environ["CUDA_VISIBLE_DEVICES"] = visible.partition(",")[0]


def _prepare(name: str, base: Path, rows: TrainingRows, p: Params, seed: int, curve: Path, full: bool) -> Any:
    """The trainer with model, examples and settings."""
    import transformers
    from datasets import Dataset, disable_progress_bars

    from stages.llm.trainer import LossCurve, Trainer
    from stages.llm.weights import compute_dtype, load

    if p.train.load_in_4bit or re.search("8bit|bnb|paged", p.train.optimizer):
        import bitsandbytes  # noqa: F401  # a missing extra shows before the weights are read
    disable_progress_bars()
    lora_rank, lr, batch_size = hyperparameters(name, p)
    model, tokenizer = load(base, compute_dtype(p.models[name].dtype), p.train.load_in_4bit)
    examples, evaluation_examples = split_validation(
        load_examples(rows.labelled, tokenizer, p.max_length), p.train.validation_share, seed
    )
    if p.train.keep == "best":
        if rows.dev is None:
            raise click.ClickException("train.keep is best, and there are no items of dev to choose by")
        evaluation_examples = load_examples(rows.dev, tokenizer, p.max_length)
    pseudo = rows.pseudo_labelled
    pseudo_examples = load_examples(pseudo, tokenizer, p.max_length) if pseudo else []
    missing = missing_sequences(len(examples), batch_size, p)
    is_filled = bool(pseudo_examples and missing)
    if is_filled:
        examples = examples * label_readings(p) + pseudo_examples[:missing]
    lora = None if full else lora_config(model, lora_rank, p)
    if full:
        _freeze_all_but_linear_layers(model)
    settings = sft_config(lr, batch_size, model.dtype, seed, p)
    run = _run_identity(base, [examples, evaluation_examples], lora, settings, model.dtype, p)
    settings.output_dir = str(cache_directory("checkpoints") / run)
    trainer = Trainer(
        model=model,
        processing_class=tokenizer,
        train_dataset=Dataset.from_list(cast(Any, examples)),
        eval_dataset=Dataset.from_list(cast(Any, evaluation_examples)) if evaluation_examples else None,
        peft_config=lora,
        args=settings,
        callbacks=[LossCurve(curve)],
        p=p,
    )
    trainer.remove_callback(transformers.PrinterCallback)
    sequences = cast(Any, trainer.train_dataset)["input_ids"]
    _check_token_count(examples, sequences)
    trainer.args.max_steps = p.min_steps if is_filled else training_steps(len(sequences), batch_size, p)
    problem = too_few_steps(len(sequences), batch_size, p)
    if problem:  # in a study's part of the labels, or once rows are packed; the stage has refused the rest
        click.echo(f"warning: {rows.labelled}: {problem}", err=True)
    return trainer


def split_validation(examples: list[Example], share: float, seed: int) -> tuple[list[Example], list[Example]]:
    """The examples to learn, and a share drawn at random, which only shows its loss: none, or at least one."""
    count = max(1, round(share * len(examples))) if share else 0
    validation_indices = set(random.Random(seed).sample(range(len(examples)), count))
    training_examples = [example for i, example in enumerate(examples) if i not in validation_indices]
    return training_examples, [examples[i] for i in sorted(validation_indices)]


def _freeze_all_but_linear_layers(model: Any) -> None:
    from stages.llm.weights import linear_weights

    model.requires_grad_(False)
    for weight in linear_weights(model).values():
        weight.requires_grad_(True)


def _run_identity(
    base: Path, examples: Sequence[Sequence[Example]], lora: Any, settings: Any, dtype: Any, p: Params
) -> str:
    """A hash of everything that decides the result. Checkpoints lie under it, so only the same run resumes them."""
    import peft
    import torch
    import transformers
    import trl

    from stages.llm.weights import fingerprint

    lora_settings = lora and lora.to_dict()
    schedule = [p.min_steps, p.loraplus_ratio, p.lr_decay]
    inputs = [fingerprint(base), examples, lora_settings, settings.to_dict(), schedule]
    number_types = [str(dtype), p.train.load_in_4bit]
    versions = [FORMAT, *(library.__version__ for library in (torch, transformers, peft, trl))]
    text = json.dumps([inputs, number_types, versions], default=sorted, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _check_token_count(examples: Sequence[Example], sequences: Sequence[Sequence[int]]) -> None:
    """Raises click.ClickException if the trainer dropped or added tokens while it prepared its sequences."""
    before = sum(len(example["input_ids"]) for example in examples)
    after = sum(map(len, sequences))
    if before != after:
        raise click.ClickException(f"of {before} tokens the trainer kept {after}")


def last_complete_checkpoint(folder: Path) -> str | None:
    """The latest checkpoint whose trainer_state.json can be read: the trainer writes this file last."""
    checkpoints = sorted(folder.glob("checkpoint-*"), key=lambda path: int(path.name.split("-")[1]), reverse=True)
    for checkpoint in checkpoints:
        try:
            json.loads((checkpoint / "trainer_state.json").read_text(encoding="utf-8"))
        except (FileNotFoundError, json.JSONDecodeError):
            continue
        return str(checkpoint)
    return None


def _save(trainer: Any, folder: Path, full: bool) -> None:
    """Write the adapter, or with `full` the model, and delete the checkpoints."""
    weights = trainer.accelerator.get_state_dict(trainer.model)  # all processes gather the weights
    if not trainer.is_world_process_zero():
        return
    tuned = trainer.accelerator.unwrap_model(trainer.model)
    if not full:
        for config in tuned.peft_config.values():  # sets, whose order changes from run to run
            config.target_modules = sorted(config.target_modules)
            config.target_parameters = config.target_parameters and sorted(config.target_parameters)
    tuned.save_pretrained(str(folder), state_dict=weights)
    shutil.rmtree(trainer.args.output_dir)


@contextmanager
def _readable_errors() -> Iterator[None]:
    """Turns too little memory and a full disk into one line that says what to do."""
    try:
        yield
    except click.ClickException:
        raise
    except Exception as error:
        full_disk = full_disk_message(error)
        if full_disk:
            raise click.ClickException(f"{full_disk}; training goes on from its last checkpoint") from error
        if isinstance(error, MemoryError) or re.search("out of memory|can't allocate memory", str(error)):
            raise click.ClickException(
                "out of memory: lower batch_size, or set train.gradient_checkpointing; what was trained with these"
                " settings is kept"
            ) from error
        raise
