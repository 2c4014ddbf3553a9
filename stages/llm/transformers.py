"""The embedded engine: transformers in this process, on the CPU or one GPU."""

import json
from pathlib import Path
from typing import Any

import click
from tqdm import tqdm

Prompt = str | list[dict[str, str]]


def compute_dtype() -> Any:
    """bfloat16 on a GPU and where the CPU multiplies matrices in it (AMX), float32 elsewhere.

    AVX512-BF16 alone is no reason: on such a CPU oneDNN's bfloat16 product ran at 0.6 times the speed of float32.
    """
    import torch

    return torch.bfloat16 if torch.cuda.is_available() or torch.cpu._is_amx_tile_supported() else torch.float32


def load(base: Path, dtype: Any) -> tuple[Any, Any]:
    """Model and tokenizer of data/base/NAME, from the folder itself or from the hub's cache as its note says."""
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from transformers.utils import logging

    logging.disable_progress_bar()  # loading takes a second
    note = base / "hub.json"
    place: dict[str, Any] = {"pretrained_model_name_or_path": base}
    if note.exists():
        hub = json.loads(note.read_text(encoding="utf-8"))
        place = {"pretrained_model_name_or_path": hub["hub"], "revision": hub["revision"], "local_files_only": True}
    model = AutoModelForCausalLM.from_pretrained(**place, dtype=dtype, attn_implementation="sdpa")
    return model, AutoTokenizer.from_pretrained(**place)


class Engine:
    """One model, with an adapter merged into it in memory if one is given: unmerged it would be three times slower."""

    def __init__(self, base: Path, batch_tokens: int, adapter: Path | None = None, dtype: Any = None):
        import torch

        self.device = "cuda" if torch.cuda.is_available() else "cpu"
        self.batch_tokens = batch_tokens
        self.model, self.tokenizer = load(base, dtype or compute_dtype())
        if adapter:
            from peft import PeftModel

            self.model = PeftModel.from_pretrained(self.model, adapter).merge_and_unload()
        self.model.to(self.device).eval()

    def token(self, option: str) -> int | None:
        """The option's token, if it is a single one."""
        tokens = self.tokenizer.encode(option, add_special_tokens=False)
        return tokens[0] if len(tokens) == 1 else None

    def choose(self, prompts: list[Prompt], options: list[str], label: str) -> list[list[float]]:
        """The log-probability (natural) of each option as the next token after each prompt; [prompts][options].

        A prompt is a chat, put in the model's template, or text that is continued as it stands. Only the last
        position's logits are computed. Batches are of like lengths; padding stands on the right, where a causal model
        never looks. Raises click.ClickException for an option that is more than one token.
        """
        import torch

        tokens = [self.token(option) for option in options]
        if None in tokens:
            raise click.ClickException(f"option {options[tokens.index(None)]!r} is more than one token for this model")
        encoded = [self._encode(prompt) for prompt in prompts]
        order = sorted(range(len(encoded)), key=lambda i: len(encoded[i]), reverse=True)  # the largest batch first
        answers: list[list[float]] = [[] for _ in prompts]
        done = 0
        with tqdm(total=len(prompts), desc=label, unit=" prompts", delay=1) as bar, torch.inference_mode():
            while done < len(order):
                width = max(1, len(encoded[order[done]]))
                batch = order[done : done + max(1, self.batch_tokens // width)]
                ids = torch.zeros((len(batch), width), dtype=torch.long)
                for row, i in enumerate(batch):
                    ids[row, : len(encoded[i])] = torch.tensor(encoded[i])
                last = torch.tensor([len(encoded[i]) - 1 for i in batch])
                hidden = self.model.base_model(input_ids=ids.to(self.device), use_cache=False).last_hidden_state
                logits = self.model.get_output_embeddings()(hidden[torch.arange(len(batch)), last])
                chosen = torch.log_softmax(logits.float(), dim=-1)[:, tokens]
                for i, row in zip(batch, chosen.tolist(), strict=True):
                    answers[i] = row
                done += len(batch)
                bar.update(len(batch))
        return answers

    def _encode(self, prompt: Prompt) -> list[int]:
        if isinstance(prompt, str):
            return self.tokenizer.encode(prompt)
        return self.tokenizer.apply_chat_template(prompt, add_generation_prompt=True, return_dict=True)["input_ids"]
