"""The engine for GPUs: vLLM offline, with tensor, pipeline and data parallelism by its own arguments.

vLLM computes shared prefixes once (prefix caching) and all options' log-probabilities in one step.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, get_args

import click
from tqdm import tqdm

from stages.llm import Answers, Prompts, SaveAnswers
from stages.llm.merging import merge
from stages.llm.tokenization import TokenizerMixin, encode, option_tokens
from stages.llm.weights import identity as weight_fingerprints
from stages.llm.weights import load_tokenizer, minor_version, pretrained_source
from stages.pipeline.temporary import temporary_folder

# Raise this by hand with a change of this module, tokenization.py, control_tokens.py or weights.py that may change an
# answer, be it by rounding.
ANSWER_VERSION = 2
CHUNK = 512  # prompts of one call of vLLM, which divides them into batches; their answers are saved together


class VLLM(TokenizerMixin):
    """A model in vLLM's own process, with a LoRA adapter beside it if there is one.

    The adapter of a mixture of experts is merged into the weights first, as the paper's authors did: peft's form of an
    adapter for stacked experts is none that vLLM reads. `engine_args` are vLLM's. Raises click.ClickException where
    they would run code that comes with a model.
    """

    def __init__(
        self, base: Path, adapter: Path | None, lora_rank: int, engine_args: Mapping[str, Any], moe: bool = False
    ):
        if engine_args.get("trust_remote_code"):
            raise click.ClickException("engine_args.trust_remote_code: code that comes with a model is never run here")
        import vllm
        from vllm.config.lora import MaxLoRARanks
        from vllm.lora.request import LoRARequest

        args = {"trust_remote_code": False, "enable_prefix_caching": True} | dict(engine_args)
        self.lora_request = None
        if adapter and moe:
            with temporary_folder() as merged:
                merge(base, adapter, merged)
                self.llm = vllm.LLM(model=str(merged), **args)
        else:
            if adapter:
                max_lora_rank = next(rank for rank in get_args(MaxLoRARanks) if rank >= lora_rank)  # vLLM allows few
                args |= {"enable_lora": True, "max_lora_rank": max_lora_rank}
                self.lora_request = LoRARequest("adapter", 1, str(adapter))
            model, pin = pretrained_source(base)
            self.llm = vllm.LLM(model=model, revision=pin.get("revision"), **args)
        self.tokenizer = load_tokenizer(base)
        self.context = self.llm.model_config.max_model_len
        self.identity: Mapping[str, Any] = (
            weight_fingerprints(base, adapter)
            | self.template_identity
            | {
                "engine": "vllm",
                "format": ANSWER_VERSION,
                "libraries": [minor_version(vllm.__version__)],
                "numbers": str(self.llm.model_config.dtype),
                "engine_args": dict(engine_args),
            }
        )

    def choose(
        self, prompts: Prompts, options: Sequence[str], stored_answers: Answers, save: SaveAnswers, progress_title: str
    ) -> None:
        """Save the natural log-probability of each option as the next token.

        Raises click.ClickException for options that begin with the same token.
        """
        from vllm import SamplingParams

        in_chat = any(not isinstance(prompt, str) for prompt in prompts)
        before_option, option_ids = option_tokens(self.tokenizer, options, in_chat)
        sampling = SamplingParams(max_tokens=1, temperature=0, logprob_token_ids=option_ids, detokenize=False)
        for indices, outputs in self._outputs(prompts, sampling, stored_answers, progress_title, before_option):
            first_tokens = [output.outputs[0].logprobs[0] for output in outputs]
            logprobs = [[token[id].logprob for id in option_ids] for token in first_tokens]
            save(dict(zip(indices, logprobs, strict=True)))

    def generate(
        self, prompts: Prompts, max_tokens: int, stored_answers: Answers, save: SaveAnswers, progress_title: str
    ) -> None:
        """Save the text of greedy decoding, of up to `max_tokens` tokens."""
        from vllm import SamplingParams

        sampling = SamplingParams(max_tokens=max_tokens, temperature=0)
        for indices, outputs in self._outputs(prompts, sampling, stored_answers, progress_title):
            save({i: output.outputs[0].text for i, output in zip(indices, outputs, strict=True)})

    def _outputs(
        self,
        prompts: Prompts,
        sampling: Any,
        stored_answers: Answers,
        progress_title: str,
        before_answer: Sequence[int] = (),
    ) -> Iterator[tuple[list[int], Any]]:
        """The indices of unanswered prompts and vLLM's outputs for them, chunk by chunk.

        `before_answer` are token IDs that follow each prompt.
        """
        with tqdm(total=len(prompts), desc=progress_title, unit=" prompts", delay=1, leave=None) as bar:
            for start in range(0, len(prompts), CHUNK):
                chunk = range(start, min(start + CHUNK, len(prompts)))
                unanswered = [i for i in chunk if i not in stored_answers]
                if unanswered:
                    encoded = [[*encode(self.tokenizer, prompts[i]), *before_answer] for i in unanswered]
                    token_prompts = [{"prompt_token_ids": ids} for ids in encoded]
                    yield (
                        unanswered,
                        self.llm.generate(token_prompts, sampling, lora_request=self.lora_request, use_tqdm=False),
                    )
                bar.update(len(chunk))
