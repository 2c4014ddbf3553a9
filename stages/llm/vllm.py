"""The engine for GPUs: vLLM offline, with tensor, pipeline and data parallelism by its own arguments.

Prompts that begin alike share their beginning (prefix caching), and the options' log-probabilities come from one step.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, get_args

from tqdm import tqdm

from stages.llm import Keep, Prompt
from stages.llm.chats import Tokenized, encode, option_tokens
from stages.llm.weights import fingerprint, identity, place

CHUNK = 512  # prompts that are handed over and kept at once; vLLM makes its own batches of them


class VLLM(Tokenized):
    """A model in vLLM's own process, with a LoRA adapter beside it if one is given.

    `engine_args` are vLLM's own, passed through.
    """

    def __init__(self, base: Path, adapter: Path | None, lora_rank: int, engine_args: Mapping[str, Any]):
        import vllm
        from vllm.config.lora import MaxLoRARanks
        from vllm.lora.request import LoRARequest

        weights, revision = place(base)
        room = next(rank for rank in get_args(MaxLoRARanks) if rank >= lora_rank)  # vLLM reserves room for few ranks
        lora = {"enable_lora": True, "max_lora_rank": room} if adapter else {}
        self.llm = vllm.LLM(model=weights, revision=revision, enable_prefix_caching=True, **lora, **engine_args)
        self.adapter = LoRARequest("adapter", 1, str(adapter)) if adapter else None
        self.tokenizer = self.llm.get_tokenizer()
        self.context = self.llm.model_config.max_model_len
        self.identity: Mapping[str, Any] = identity(base, adapter) | {
            "engine": "vllm",
            "code": [fingerprint(Path(__file__).with_name(name)) for name in ("vllm.py", "chats.py")],
            "versions": [vllm.__version__],
            "numbers": str(self.llm.model_config.dtype),
            "engine_args": dict(engine_args),
        }

    def choose(
        self, prompts: Sequence[Prompt], options: Sequence[str], known: Mapping[int, Any], keep: Keep, label: str
    ) -> None:
        """The log-probability (natural) of each option as the next token.

        Raises click.ClickException for an option of several tokens.
        """
        from vllm import SamplingParams

        ids = option_tokens(self.tokenizer, options)
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
        """Places and what vLLM says to the prompts there, chunk by chunk."""
        with tqdm(total=len(prompts), desc=label, unit=" prompts", delay=1) as bar:
            for start in range(0, len(prompts), CHUNK):
                chunk = range(start, min(start + CHUNK, len(prompts)))
                if places := [i for i in chunk if i not in known]:
                    asked = [{"prompt_token_ids": encode(self.tokenizer, prompts[i])} for i in places]
                    yield places, self.llm.generate(asked, sampling, lora_request=self.adapter, use_tqdm=False)
                bar.update(len(chunk))
