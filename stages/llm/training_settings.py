"""The settings of a training: params.yaml as peft's and TRL's configurations."""

import math
import os
from typing import Any, NamedTuple

import click

from stages.pipeline.params import Params

CHECKPOINTS = 10  # in a run, and evaluations on items for validation
MANY_READINGS = 8  # of a label: more of them teach less than other items with a guessed label do
ACCURACY = "eval_mean_token_accuracy"  # TRL's name of the share of the answers' tokens that are right


class Hyperparameters(NamedTuple):
    """What a model may set for itself in `models.NAME.train`; otherwise the value for all models applies."""

    lora_rank: int
    lr: float
    batch_size: int


def hyperparameters(name: str, p: Params) -> Hyperparameters:
    overrides = p.named(name).train
    return Hyperparameters(
        lora_rank=overrides.lora_rank or p.lora_rank,
        lr=overrides.lr or p.lr,
        batch_size=overrides.batch_size or p.batch_size,
    )


def lora_config(model: Any, lora_rank: int, p: Params) -> Any:
    """peft's configuration. `all-linear` reaches a mixture's experts and routers too, as in the paper's training; peft
    has no dropout for these, so such a model is trained without.
    """
    import peft

    experts = expert_parameters(model) if p.train.targets == "all-linear" else []
    return peft.LoraConfig(
        r=lora_rank,
        lora_alpha=p.lora_alpha,
        lora_dropout=0.0 if experts else p.lora_dropout,
        target_modules=p.train.targets,
        target_parameters=experts or None,
        task_type="CAUSAL_LM",
    )


def expert_parameters(model: Any) -> list[str]:
    """The weights of a mixture that no linear layer holds: its stacked experts [experts, …, …] and their routers.

    Each is named by the end of its path, as in mlp.experts.down_proj, which all layers share.
    """
    from torch.nn import Linear

    parameters = dict(model.named_parameters())
    experts = {name for name, parameter in parameters.items() if ".experts." in name and parameter.dim() == 3}
    blocks = {name.partition(".experts.")[0] for name in experts}
    linear = {f"{name}.weight" for name, module in model.named_modules() if isinstance(module, Linear)}
    routers = {
        name
        for name, parameter in parameters.items()
        if parameter.dim() == 2 and name not in linear and name.rsplit(".", 2)[0] in blocks
    }
    return sorted({".".join(name.split(".")[-3:]) for name in experts | routers})


def sft_config(lr: float, batch_size: int, dtype: Any, seed: int, p: Params) -> Any:
    """TRL's configuration; `dtype` is the model's. `output_dir` is set later, since it is named after the rest."""
    import torch
    import trl

    is_best_kept = p.train.keep == "best"
    return trl.SFTConfig(
        output_dir="checkpoints",
        seed=seed,
        learning_rate=lr,
        num_train_epochs=p.epochs,
        per_device_train_batch_size=process_batch_size(batch_size),
        lr_scheduler_type="warmup_stable_decay",
        warmup_steps=p.warmup_steps,
        max_grad_norm=p.max_grad_norm,
        optim=p.train.optimizer,
        adam_beta2=p.adam_beta2,
        packing=p.train.packing,
        max_length=p.max_length if p.train.packing else None,  # of a pack; rows are checked when they are tokenized
        gradient_checkpointing=p.train.gradient_checkpointing,
        bf16=dtype == torch.bfloat16,
        use_cpu=not torch.cuda.is_available(),
        eval_strategy="steps" if p.train.validation_share or is_best_kept else "no",
        eval_steps=1 / CHECKPOINTS,
        per_device_eval_batch_size=process_batch_size(batch_size),
        router_aux_loss_coef=0.0,  # as in the paper's training: the loss is that of the answers alone
        logging_steps=1,
        save_steps=1 / CHECKPOINTS,
        save_total_limit=1,  # and the best one
        load_best_model_at_end=is_best_kept,
        metric_for_best_model=ACCURACY if is_best_kept else None,
        greater_is_better=True if is_best_kept else None,
        report_to=p.train.report_to,
        disable_tqdm=True,  # LossCurve has a progress bar
    )


def process_batch_size(batch_size: int) -> int:
    """The sequences of one process in a step. The launcher says in WORLD_SIZE how many processes train together.

    Raises click.ClickException where the batch can't be divided among them.
    """
    processes = int(os.environ.get("WORLD_SIZE", "1"))
    if batch_size % processes:
        raise click.ClickException(f"a batch of {batch_size} sequences can't be shared by {processes} processes")
    return batch_size // processes


def training_steps(sequences: int, batch_size: int, p: Params) -> int:
    """The steps of a training: `epochs` times over the sequences, and at least `min_steps`."""
    return max(math.ceil(p.epochs * math.ceil(sequences / batch_size)), p.min_steps) if sequences else 0


def label_readings(p: Params) -> int:
    """How often each label is read before pseudo-labels are."""
    return max(MANY_READINGS, math.ceil(p.epochs))


def missing_sequences(labelled: int, batch_size: int, p: Params) -> int:
    """How many sequences a training of `min_steps` reads beside `label_readings` times the labelled ones."""
    return max(0, p.min_steps * batch_size - label_readings(p) * labelled)


def too_few_steps(sequences: int, batch_size: int, p: Params) -> str | None:
    """What is wrong with a training that ends before its learning rate has warmed up; None where nothing is.

    `warmup_steps` is a number of steps, or below 1 a share of them, as in transformers' Trainer.
    """
    steps, warmup = training_steps(sequences, batch_size, p), p.warmup_steps
    warmup_steps = int(warmup) if warmup >= 1 else math.ceil(warmup * steps)
    if warmup_steps < steps:
        return None
    return (
        f"{sequences} items in batches of {batch_size} for {p.epochs:g} epochs are {steps} steps, and warmup_steps is"
        f" {warmup:g}: next to nothing would be learnt; lower warmup_steps, or raise min_steps"
    )
