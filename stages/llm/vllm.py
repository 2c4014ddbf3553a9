"""The engine for GPUs: vLLM offline, with tensor, pipeline and data parallelism by its own arguments.

Prompts that begin alike share their beginning (prefix caching), and the options' log-probabilities come from one step.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click
from tqdm import tqdm

from stages.llm import Keep, Prompt

CHUNK = 512  # prompts that are handed over and kept at once; vLLM makes its own batches of them


class VLLM:
    """A model in vLLM's own process, with a LoRA adapter beside it if one is given.

    `weights` is a folder or a hub id; `identity` says what pins them. `engine_args` are vLLM's own, passed through.
    """

    def __init__(
        self,
        weights: str,
        revision: str | None,
        adapter: Path | None,
        max_lora_rank: int,
        engine_args: Mapping[str, Any],
        identity: Mapping[str, Any],
    ):
        from vllm import LLM
        from vllm.lora.request import LoRARequest

        lora = {"enable_lora": True, "max_lora_rank": max_lora_rank} if adapter else {}
        self.llm = LLM(model=weights, revision=revision, enable_prefix_caching=True, **lora, **engine_args)
        self.adapter = LoRARequest("adapter", 1, str(adapter)) if adapter else None
        self.tokenizer = self.llm.get_tokenizer()
        self.identity: Mapping[str, Any] = {"engine": "vllm", "engine_args": dict(engine_args), **identity}

    def choose(
        self, prompts: Sequence[Prompt], options: Sequence[str], known: Mapping[int, Any], keep: Keep, label: str
    ) -> None:
        """The log-probability (natural) of each option as the next token.

        Raises click.ClickException for an option that is more than one token.
        """
        from vllm import SamplingParams

        tokens = [self.tokenizer.encode(option, add_special_tokens=False) for option in options]
        if long := [option for option, several in zip(options, tokens, strict=True) if len(several) != 1]:
            raise click.ClickException(f"option {long[0]!r} is more than one token for this model")
        ids = [several[0] for several in tokens]
        sampling = SamplingParams(max_tokens=1, temperature=0, logprob_token_ids=ids, detokenize=False)
        for places, outputs in self._outputs(prompts, sampling, known, label):
            given = [output.outputs[0].logprobs[0] for output in outputs]
            keep({i: [one[id].logprob for id in ids] for i, one in zip(places, given, strict=True)})

    def generate(
        self, prompts: Sequence[Prompt], max_tokens: int, known: Mapping[int, Any], keep: Keep, label: str
    ) -> None:
        """The likeliest text, up to `max_tokens` tokens."""
        from vllm import SamplingParams

        sampling = SamplingParams(max_tokens=max_tokens, temperature=0)
        for places, outputs in self._outputs(prompts, sampling, known, label):
            keep({i: output.outputs[0].text for i, output in zip(places, outputs, strict=True)})

    def _outputs(self, prompts: Sequence[Prompt], sampling: Any, known: Mapping[int, Any], label: str) -> Any:
        """Chunks of places and what vLLM says to the prompts there; a chunk that is known is left out."""
        with tqdm(total=len(prompts), desc=label, unit=" prompts", delay=1) as bar:
            for start in range(0, len(prompts), CHUNK):
                places = range(start, min(start + CHUNK, len(prompts)))
                if not all(i in known for i in places):
                    asked = [{"prompt_token_ids": self._encode(prompts[i])} for i in places]
                    yield places, self.llm.generate(asked, sampling, lora_request=self.adapter, use_tqdm=False)
                bar.update(len(places))

    def _encode(self, prompt: Prompt) -> list[int]:
        if isinstance(prompt, str):
            return self.tokenizer.encode(prompt)
        return self.tokenizer.apply_chat_template(prompt, add_generation_prompt=True, return_dict=True)["input_ids"]
