"""Fine-tune a model with LoRA on all linear layers (paper, section 4).

    python -m stages.train NAME data/base/NAME data/alpaca/train.json data/adapters/NAME metrics/training/NAME

The loss is on the answer alone. The adapter loads with `PeftModel.from_pretrained`.
"""

import json
import tempfile
from pathlib import Path
from typing import Any, cast

import click

from stages.params import Params, params

IGNORED = -100  # the label of a token that bears no loss


def examples(path: Path) -> list[dict[str, Any]]:
    """Alpaca rows as prompt and completion in messages, which puts the loss on the completion alone."""
    return [
        {
            "prompt": [{"role": "user", "content": f"{row['instruction']}\n{row['input']}".strip()}],
            "completion": [{"role": "assistant", "content": row["output"]}],
        }
        for row in json.loads(path.read_text(encoding="utf-8"))
    ]


def check(rows: list[dict[str, Any]], prepared: Any, tokenizer: Any, max_length: int) -> None:
    """Raise where a row was lost or its answer cut: the trainer itself drops such rows without a word."""
    for number, row in enumerate(rows, start=1):
        length = len(tokenizer.apply_chat_template(row["prompt"] + row["completion"], return_dict=True)["input_ids"])
        if length > max_length:
            raise click.ClickException(
                f"train row {number} has {length} tokens and max_length is {max_length}: raise it"
            )
    if len(prepared) != len(rows):
        raise click.ClickException(f"{len(rows)} rows went into training and {len(prepared)} were prepared")


def answer_loss(model: Any, ids: Any, labels: Any) -> Any:
    """The mean cross-entropy of the tokens that have a label; ids and labels [sequences, tokens], padded on the right.

    The same loss and gradient as from one pass over everything, at less work the larger the batch: what all begin
    with (template, task, options) is computed once, and only the answers' positions go through the head.
    """
    import torch
    from transformers import DynamicCache

    alike = int((ids == ids[0]).all(dim=0).int().cumprod(0).sum())
    shared = min(alike, int((labels != IGNORED).any(dim=0).int().argmax()) - 1)
    cache: Any = DynamicCache(config=model.config)
    if shared:
        model.base_model(ids[:1, :shared], past_key_values=cache, use_cache=True)
        for layer in cache.layers:
            layer.keys, layer.values = (states.expand(len(ids), -1, -1, -1) for states in (layer.keys, layer.values))
    hidden = model.base_model(ids[:, shared:], past_key_values=cache, use_cache=True).last_hidden_state
    wanted = labels[:, shared + 1 :]
    answers = wanted != IGNORED
    logits = model.get_output_embeddings()(hidden[:, :-1][answers])
    return torch.nn.functional.cross_entropy(logits.float(), wanted[answers])


def train(base: Path, rows: list[dict[str, Any]], p: Params, name: str, adapter: Path, curve: Path) -> None:
    """Load, wrap, train, save."""
    import torch
    from datasets import Dataset, disable_progress_bars
    from dvclive import Live
    from peft import LoraConfig, PeftModel
    from peft.optimizers import create_loraplus_optimizer
    from transformers import PrinterCallback
    from transformers.trainer_callback import ProgressCallback
    from trl import SFTConfig, SFTTrainer

    from stages.llm.weights import compute_dtype, load

    class LossCurve(ProgressCallback):
        """The loss in the progress bar and in DVCLive, whose own callback also logs seconds and paths."""

        def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, Any] | None = None, **_: Any) -> None:
            if logs and "loss" in logs and self.training_bar is not None:
                self.training_bar.set_postfix(loss=f"{logs['loss']:.3f}")
                live.step = state.global_step
                live.log_metric("loss", round(float(logs["loss"]), 6))
                live.sync()

    class Trainer(SFTTrainer):
        def create_optimizer(self, model: Any = None) -> Any:
            if not p.loraplus_ratio:
                return super().create_optimizer(model)
            self.optimizer = create_loraplus_optimizer(
                cast(Any, model or self.model),
                torch.optim.AdamW,
                lr=self.args.learning_rate,
                loraplus_lr_ratio=p.loraplus_ratio,
                betas=(self.args.adam_beta1, self.args.adam_beta2),
                fused=True,
            )
            return self.optimizer

        def compute_loss(
            self, model: Any, inputs: Any, return_outputs: bool = False, num_items_in_batch: Any = None
        ) -> Any:
            if torch.cuda.is_available():
                return super().compute_loss(model, inputs, return_outputs, num_items_in_batch)
            return answer_loss(model.get_base_model(), inputs["input_ids"], inputs["labels"])

    disable_progress_bars()
    own = p.models[name].train
    model, tokenizer = load(base, compute_dtype())
    with (
        tempfile.TemporaryDirectory() as scratch,
        Live(str(curve), dvcyaml=None, save_dvc_exp=False, monitor_system=False) as live,
    ):
        trainer = Trainer(
            model=model,
            processing_class=tokenizer,
            train_dataset=Dataset.from_list(rows),
            peft_config=LoraConfig(
                r=own.lora_rank or p.lora_rank,
                lora_alpha=p.lora_alpha,
                lora_dropout=p.lora_dropout,
                target_modules="all-linear",
                task_type="CAUSAL_LM",
            ),
            args=SFTConfig(
                output_dir=scratch,
                seed=p.seed,
                learning_rate=own.lr or p.lr,
                num_train_epochs=p.epochs,
                per_device_train_batch_size=own.batch_size or p.batch_size,
                lr_scheduler_type="cosine",
                warmup_steps=p.warmup_steps,
                max_grad_norm=p.max_grad_norm,
                adam_beta2=p.adam_beta2,
                max_length=p.max_length,
                train_sampling_strategy="group_by_length",
                gradient_checkpointing=torch.cuda.is_available(),
                bf16=model.dtype == torch.bfloat16,
                use_cpu=not torch.cuda.is_available(),
                logging_steps=1,
                save_strategy="no",
                report_to="none",
                disable_tqdm=True,  # LossCurve has a bar
            ),
            callbacks=[LossCurve()],
        )
        trainer.remove_callback(PrinterCallback)
        check(rows, trainer.train_dataset, tokenizer, p.max_length)
        trainer.train()
        cast(PeftModel, trainer.model).save_pretrained(str(adapter))


@click.command(help=__doc__)
@click.argument("name")
@click.argument("base", type=click.Path(exists=True, path_type=Path))
@click.argument("rows", type=click.Path(exists=True, path_type=Path))
@click.argument("adapter", type=click.Path(path_type=Path))
@click.argument("curve", type=click.Path(path_type=Path))
def main(name: str, base: Path, rows: Path, adapter: Path, curve: Path) -> None:
    train(base, examples(rows), params(), name, adapter, curve)


if __name__ == "__main__":
    main()
