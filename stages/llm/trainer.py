"""TRL's trainer with LoRA+, the loss of stages/llm/loss.py, and the loss curve in DVCLive."""

from pathlib import Path
from typing import Any, cast

import torch
import trl
from dvclive import Live
from peft import PeftModel
from peft.optimizers import create_loraplus_optimizer
from transformers.trainer_callback import ProgressCallback

from stages.llm.loss import answer_loss
from stages.llm.training_settings import ACCURACY
from stages.llm.weights import attends_to_all
from stages.pipeline.params import Params

CURVES = {"loss": "loss", "eval_loss": "validation_loss", ACCURACY: "validation_accuracy"}  # by the Trainer's key


class LossCurve(ProgressCallback):
    """Shows the loss in the progress bar and writes it to `folder` with DVCLive.

    DVCLive's own callback isn't used, since it also logs seconds and paths, which differ from run to run.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.folder = folder

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        super().on_train_begin(args, state, control, **kwargs)
        if state.is_world_process_zero:
            self.live = Live(str(self.folder), dvcyaml=None, save_dvc_exp=False, monitor_system=False)
        for logs in state.log_history:  # holds the steps before the checkpoint that training resumes from
            self.on_log(args, state, control, logs)

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, Any] | None = None, **_: Any) -> None:
        values = {CURVES[key]: float(value) for key, value in (logs or {}).items() if key in CURVES}
        if values and state.is_world_process_zero:
            cast(Any, self.training_bar).set_postfix({name: f"{value:.3f}" for name, value in values.items()})
            self.live.step = cast(Any, logs).get("step", state.global_step)
            for name, value in values.items():
                self.live.log_metric(name, round(value, 6))
            self.live.sync()

    def on_train_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        super().on_train_end(args, state, control, **kwargs)
        if state.is_world_process_zero:
            self.live.end()
            Path(self.live.metrics_file).unlink()  # the last values of the curve once more


class Trainer(trl.SFTTrainer):
    """SFTTrainer with `loraplus_ratio` and `lr_decay` of params.yaml.

    One process on a CPU without packing computes `answer_loss`, where the model's attention can be given its mask;
    everything else uses TRL's loss.
    """

    def __init__(self, *args: Any, p: Params, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.p = p

    def create_optimizer(self, model: Any = None) -> Any:
        if not self.p.loraplus_ratio or not self.is_adapter:
            return super().create_optimizer(model)
        tuned_model: Any = model or self.model
        optimizer_class, settings = self.get_optimizer_cls_and_kwargs(self.args, tuned_model)
        self.optimizer = create_loraplus_optimizer(
            tuned_model, optimizer_class, loraplus_lr_ratio=self.p.loraplus_ratio, **settings
        )
        return self.optimizer

    def create_scheduler(self, num_training_steps: int, optimizer: Any = None) -> Any:
        steps_after_warmup = num_training_steps - self.args.get_warmup_steps(num_training_steps)
        self.args.lr_scheduler_kwargs = {"num_decay_steps": round(self.p.lr_decay * steps_after_warmup)}
        return super().create_scheduler(num_training_steps, optimizer)

    def compute_loss(
        self, model: Any, inputs: Any, return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Any:
        if (
            torch.cuda.is_available()
            or self.p.train.packing
            or self.accelerator.num_processes > 1
            or not model.training  # TRL counts right tokens as well
            or not self._takes_mask(inputs["input_ids"].shape[1])
        ):
            return super().compute_loss(model, inputs, return_outputs, num_items_in_batch)
        causal_lm = model.get_base_model() if self.is_adapter else model
        return answer_loss(causal_lm, inputs["input_ids"], inputs["attention_mask"], inputs["labels"])

    def _takes_mask(self, tokens: int) -> bool:
        """Whether attention over so many tokens can be given a mask of one's own."""
        config = cast(Any, self.model).config
        return config._attn_implementation == "sdpa" and attends_to_all(config, tokens)

    @property
    def is_adapter(self) -> bool:
        return isinstance(self.model, PeftModel)
