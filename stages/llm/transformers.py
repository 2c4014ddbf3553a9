"""The embedded engine: transformers in this process, on the CPU or one GPU."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from tqdm import tqdm

from stages.llm import Keep, Prompt
from stages.llm.chats import Tokenized, common_beginning, encode, option_tokens
from stages.llm.weights import compute_dtype, fingerprint, identity, load

SAID = 8  # times the tokens in a batch that says something: a step computes one token of each sequence


class Transformers(Tokenized):
    """One model, with an adapter merged into it in memory if one is given: unmerged it would be three times slower.

    In float32 an answer doesn't depend on its neighbours in a batch beyond 1e-4; in bfloat16 it may by 0.2.
    """

    def __init__(self, base: Path, batch_tokens: int, adapter: Path | None = None, dtype: str = "float32"):
        import torch
        import transformers

        self.device = "cuda" if torch.cuda.is_available() else "cpu"
        self.batch_tokens = batch_tokens
        self.model, self.tokenizer = load(base, compute_dtype(dtype))
        self.identity: Mapping[str, Any] = identity(base, adapter) | {
            "engine": "transformers",
            "code": [fingerprint(Path(__file__).with_name(name)) for name in ("transformers.py", "chats.py")],
            "versions": [torch.__version__, transformers.__version__],
            "numbers": f"{self.model.dtype} on {self.device}",
        }
        if adapter:
            from peft import PeftModel

            self.model = PeftModel.from_pretrained(self.model, adapter).merge_and_unload()
        self.model.to(self.device).eval()
        self.context = self.model.config.max_position_embeddings

    def choose(
        self, prompts: Sequence[Prompt], options: Sequence[str], known: Mapping[int, Any], keep: Keep, label: str
    ) -> None:
        """The log-probability (natural) of each option as the next token.

        What all prompts begin with is computed once, and only the last position's logits are. Padding stands on the
        right, where a causal model never looks. Raises click.ClickException for an option of several tokens.
        """
        import torch

        tokens = option_tokens(self.tokenizer, options)
        encoded = [encode(self.tokenizer, prompt) for prompt in prompts]
        shared = common_beginning(encoded)
        with torch.inference_mode():
            beginning = self._computed(encoded[0][:shared]) if shared else None
            for batch in self._batches([len(ids) for ids in encoded], self.batch_tokens, known, label):
                rest = [encoded[i][shared:] for i in batch]
                padded = torch.zeros((len(batch), max(map(len, rest))), dtype=torch.long)
                for row, ids in enumerate(rest):
                    padded[row, : len(ids)] = torch.tensor(ids)
                hidden = self.model.base_model(
                    padded.to(self.device), past_key_values=beginning, use_cache=bool(shared)
                ).last_hidden_state
                last = hidden[torch.arange(len(batch)), torch.tensor([len(ids) - 1 for ids in rest])]
                logits = self.model.get_output_embeddings()(last)
                chosen = torch.log_softmax(logits.float(), dim=-1)[:, tokens]
                keep(dict(zip(batch, chosen.tolist(), strict=True)))

    def _computed(self, ids: Sequence[int]) -> Any:
        """Keys and values of what all prompts begin with, as a cache that each batch reads and none adds to."""
        import torch
        from transformers import DynamicCache

        class Beginning(DynamicCache):
            def update(self, key_states: Any, value_states: Any, layer_idx: int, *_: Any, **__: Any) -> Any:
                own: Any = self.layers[layer_idx]
                pairs = ((own.keys, key_states), (own.values, value_states))
                return tuple(torch.cat([past.expand(len(new), -1, -1, -1), new], dim=-2) for past, new in pairs)

        found, cache = DynamicCache(config=self.model.config), Beginning(config=self.model.config)
        self.model.base_model(torch.tensor([ids], device=self.device), past_key_values=found, use_cache=True)
        cache.layers = found.layers
        return cache

    def generate(
        self, prompts: Sequence[Prompt], max_tokens: int, known: Mapping[int, Any], keep: Keep, label: str
    ) -> None:
        """The likeliest text, up to `max_tokens` tokens."""
        import torch
        from transformers import GenerationConfig

        ends = self.model.generation_config.eos_token_id or self.tokenizer.eos_token_id
        config = GenerationConfig(max_new_tokens=max_tokens, do_sample=False, eos_token_id=ends, pad_token_id=0)
        encoded = [encode(self.tokenizer, prompt) for prompt in prompts]
        with torch.inference_mode():
            lengths = [len(ids) + max_tokens for ids in encoded]
            for batch in self._batches(lengths, SAID * self.batch_tokens, known, label):
                width = max(len(encoded[i]) for i in batch)
                ids = torch.zeros((len(batch), width), dtype=torch.long)
                seen = torch.zeros_like(ids)
                for row, i in enumerate(batch):  # padding on the left: what is said goes on at the right
                    ids[row, width - len(encoded[i]) :] = torch.tensor(encoded[i])
                    seen[row, width - len(encoded[i]) :] = 1
                said = self.model.generate(
                    ids.to(self.device), attention_mask=seen.to(self.device), generation_config=config
                )
                texts = self.tokenizer.batch_decode(said[:, width:], skip_special_tokens=True)
                keep({i: text.rstrip("\ufffd") for i, text in zip(batch, texts, strict=True)})  # half a character

    def _batches(
        self, lengths: Sequence[int], budget: int, known: Mapping[int, Any], label: str
    ) -> Iterator[list[int]]:
        """The places of prompts of like lengths, the longest first, within the budget of tokens.

        Planned over all prompts, known or not, so that a run that goes on computes what an undisturbed one would have.
        """
        order = sorted(range(len(lengths)), key=lambda i: lengths[i], reverse=True)
        with tqdm(total=len(order), desc=label, unit=" prompts", delay=1) as bar:
            while order:
                size = max(1, budget // lengths[order[0]])
                batch, order = order[:size], order[size:]
                if missing := [i for i in batch if i not in known]:
                    yield missing
                bar.update(len(batch))
