"""The embedded engine: transformers in this process, on the CPU or one GPU."""

from collections.abc import Container, Iterator, Mapping, Sequence
from itertools import takewhile
from pathlib import Path
from typing import Any

from tqdm import tqdm

from stages.llm import Answers, Prompts, SaveAnswers
from stages.llm.tokenization import TokenizerMixin, common_prefix_length, encode, option_tokens, rows_of_beginnings
from stages.llm.weights import attends_to_all, compute_dtype, context_length, load, minor_version
from stages.llm.weights import identity as weight_fingerprints

# Raise this by hand with a change of this module, tokenization.py, control_tokens.py or weights.py that may change an
# answer, be it by rounding.
ANSWER_VERSION = 4
PADDING_SHARE = 1 / 32  # of a batch's budget of tokens; on a CPU more padding costs more than another batch
GENERATION_BATCH_FACTOR = 8  # times `batch_tokens`: a step of generation computes one token of each sequence


class Transformers(TokenizerMixin):
    """A model, with its adapter merged into it in memory if there is one: unmerged, it would be three times slower.

    Batch composition changes a log-probability by at most 1e-4 in float32, 0.2 in bfloat16.
    """

    def __init__(self, base: Path, batch_tokens: int, adapter: Path | None = None, dtype: str = "float32"):
        import torch
        import transformers

        self.device = "cuda" if torch.cuda.is_available() else "cpu"
        self.batch_tokens = batch_tokens
        self.model, self.tokenizer = load(base, compute_dtype(dtype))
        self.identity: Mapping[str, Any] = (
            weight_fingerprints(base, adapter)
            | self.template_identity
            | {
                "engine": "transformers",
                "format": ANSWER_VERSION,
                "libraries": [minor_version(torch.__version__), minor_version(transformers.__version__)],
                "numbers": f"{self.model.dtype} on {self.device}",
                "batch_tokens": batch_tokens,  # neighbours in a batch decide the rounding
            }
        )
        if adapter:
            import peft

            self.identity = {**self.identity, "peft": minor_version(peft.__version__)}
            adapted = peft.PeftModel.from_pretrained(self.model, adapter)
            self.model = adapted.merge_and_unload()
        self.model.to(self.device).eval()
        self.context = context_length(self.model.config)
        self.kept_prefix: tuple[list[int], Any] = ([], None)  # tokens and their keys and values
        self.eos_token_ids = _eos_token_ids(self.model, self.tokenizer)
        # `generate` takes from here what its own config leaves open; a model's may penalize or suppress tokens.
        self.model.generation_config = transformers.GenerationConfig()

    def choose(
        self, prompts: Prompts, options: Sequence[str], stored_answers: Answers, save: SaveAnswers, progress_title: str
    ) -> None:
        """Save the natural log-probability of each option as the next token.

        A prompt that begins another one is answered on the way through that one: a causal model doesn't look ahead.
        The prefix that all prompts share is computed once, where the model's layers attend to all of a prompt. Raises
        click.ClickException for options that begin with the same token.
        """
        import torch

        in_chat = any(not isinstance(prompt, str) for prompt in prompts)
        before_option, option_ids = option_tokens(self.tokenizer, options, in_chat)
        encoded = [encode(self.tokenizer, prompt) + before_option for prompt in prompts]
        rows = rows_of_beginnings(encoded)
        answered_rows = {number for number, row in enumerate(rows) if all(i in stored_answers for i in row)}
        lengths = [len(encoded[row[0]]) for row in rows]
        with torch.inference_mode():
            prefix_length, prefix_cache = self._shared_prefix(encoded)
            for batch in self._batches(lengths, self.batch_tokens, answered_rows, progress_title):
                sequences = [encoded[rows[number][0]][prefix_length:] for number in batch]
                place_by_prompt = {
                    i: (place, len(encoded[i]) - prefix_length - 1)
                    for place, number in enumerate(batch)
                    for i in rows[number]
                    if i not in stored_answers
                }
                logits = self._logits_at(list(place_by_prompt.values()), sequences, prefix_cache)
                logprobs = torch.log_softmax(logits.float(), dim=-1)[:, option_ids]
                save(dict(zip(place_by_prompt, logprobs.tolist(), strict=True)))

    def keep_prefix(self, prompts: Prompts, options: Sequence[str]) -> None:
        """Compute the prefix that these prompts share, for later calls whose prompts all begin with it too."""
        import torch

        before_option, _ = option_tokens(self.tokenizer, options, in_chat=True)
        encoded = [encode(self.tokenizer, prompt) + before_option for prompt in prompts]
        with torch.inference_mode():
            length, cache = self._shared_prefix(encoded)
        self.kept_prefix = (encoded[0][:length], cache)

    def _shared_prefix(self, encoded: Sequence[list[int]]) -> tuple[int, Any]:
        """How many tokens all sequences share at their beginning, and these tokens' keys and values; 0 and None where
        the model's layers don't attend to all of a sequence.
        """
        if not attends_to_all(self.model.config, max(map(len, encoded), default=0)):
            return 0, None
        kept_ids, kept_cache = self.kept_prefix
        if kept_ids and all(len(ids) > len(kept_ids) and ids[: len(kept_ids)] == kept_ids for ids in encoded):
            return len(kept_ids), kept_cache
        length = common_prefix_length(encoded)
        return length, self._prefix_cache(encoded[0][:length]) if length else None

    def _logits_at(
        self, places: Sequence[tuple[int, int]], sequences: Sequence[Sequence[int]], prefix_cache: Any
    ) -> Any:
        """The logits after the token at each place, a sequence and a position in it; [places, vocabulary].

        The model's own forward computes them, since some models scale or cap what the head gives. A hook hands the
        head the hidden states of these places alone, since logits of every token would take long. Padding stands on
        the right, where a causal model never looks.
        """
        import torch

        numbers, positions = torch.tensor(places).unbind(dim=1)

        def hidden_at_places(head: Any, args: tuple[Any, ...]) -> Any:
            hidden = args[0]  # [sequences, tokens, dim]
            return hidden[numbers, positions]

        with self.model.get_output_embeddings().register_forward_pre_hook(hidden_at_places):
            return self.model(
                _padded(sequences, "right").to(self.device),
                past_key_values=prefix_cache,
                use_cache=prefix_cache is not None,
            ).logits

    def _prefix_cache(self, ids: Sequence[int]) -> Any:
        """Keys and values of the shared prefix, as a cache that each batch reads and none extends."""
        import torch
        from transformers import DynamicCache

        class ReadOnlyCache(DynamicCache):
            def update(self, key_states: Any, value_states: Any, layer_idx: int, *_: Any, **__: Any) -> Any:
                """The prefix's keys and values, repeated for each sequence, before those of the batch.

                All are [batch, heads, tokens, dim]; in the prefix, batch is 1.
                """
                prefix: Any = self.layers[layer_idx]
                batch_size = len(key_states)
                keys = torch.cat([prefix.keys.expand(batch_size, -1, -1, -1), key_states], dim=-2)
                values = torch.cat([prefix.values.expand(batch_size, -1, -1, -1), value_states], dim=-2)
                return keys, values

        prefix = DynamicCache(config=self.model.config)
        self.model.base_model(torch.tensor([ids], device=self.device), past_key_values=prefix, use_cache=True)
        read_only = ReadOnlyCache(config=self.model.config)
        read_only.layers = prefix.layers
        return read_only

    def generate(
        self, prompts: Prompts, max_tokens: int, stored_answers: Answers, save: SaveAnswers, progress_title: str
    ) -> None:
        """Save the text of greedy decoding, of up to `max_tokens` tokens."""
        import torch
        from transformers import GenerationConfig

        config = GenerationConfig(
            max_new_tokens=max_tokens,
            do_sample=False,
            eos_token_id=self.eos_token_ids or None,
            pad_token_id=next(iter(self.eos_token_ids), None),
        )
        encoded = [encode(self.tokenizer, prompt) for prompt in prompts]
        lengths = [len(ids) + max_tokens for ids in encoded]
        batch_tokens = GENERATION_BATCH_FACTOR * self.batch_tokens
        with torch.inference_mode():
            for batch in self._batches(lengths, batch_tokens, stored_answers, progress_title):
                sequences = [encoded[i] for i in batch]
                input_ids = _padded(sequences, "left")  # generation continues on the right
                attention_mask = _padded([[1] * len(ids) for ids in sequences], "left")
                output_ids = self.model.generate(
                    input_ids.to(self.device), attention_mask=attention_mask.to(self.device), generation_config=config
                )
                answers = output_ids[:, input_ids.shape[1] :].tolist()
                save({i: self._text(ids) for i, ids in zip(batch, answers, strict=True)})

    def _text(self, ids: Sequence[int]) -> str:
        """The text of an answer up to its first end token, which padding follows.

        The mark of a last character of which only some bytes were generated is removed.
        """
        answer_ids = list(takewhile(lambda id: id not in self.eos_token_ids, ids))
        return self.tokenizer.decode(answer_ids, skip_special_tokens=True).rstrip("\ufffd")

    def _batches(
        self, lengths: Sequence[int], budget: int, answered: Container[int], progress_title: str
    ) -> Iterator[list[int]]:
        """The indices of unanswered sequences of similar lengths, the longest first, within a budget of tokens.

        Batches are planned over all sequences, answered or not, so that a resumed run computes what an undisturbed one
        would have.
        """
        longest_first = sorted(range(len(lengths)), key=lambda i: lengths[i], reverse=True)
        start = 0
        with tqdm(total=len(lengths), desc=progress_title, unit=" sequences", delay=1, leave=None) as bar:
            while start < len(lengths):
                size = batch_size([lengths[i] for i in longest_first[start : start + budget]], budget)
                batch = longest_first[start : start + size]
                unanswered = [i for i in batch if i not in answered]
                if unanswered:
                    yield unanswered
                bar.update(len(batch))
                start += size


def batch_size(lengths: Sequence[int], budget: int) -> int:
    """How many sequences of these lengths, the longest first, make a batch: within a budget of tokens, of which
    padding takes at most PADDING_SHARE. At least one.
    """
    longest = lengths[0]
    padding = 0
    largest = max(1, min(budget // longest, len(lengths)))
    for size in range(1, largest):
        padding += longest - lengths[size]
        if padding > PADDING_SHARE * budget:
            return size
    return largest


def _padded(sequences: Sequence[Sequence[int]], side: str) -> Any:
    """The sequences as a matrix, [sequences, tokens], with zeros on the `side` where one is shorter."""
    import torch
    from torch.nn.utils.rnn import pad_sequence

    rows = [torch.tensor(ids, dtype=torch.long) for ids in sequences]
    return pad_sequence(rows, batch_first=True, padding_side=side)


def _eos_token_ids(model: Any, tokenizer: Any) -> list[int]:
    """The tokens that end an answer: those of the model's generation config, otherwise the tokenizer's."""
    ids = model.generation_config.eos_token_id
    if ids is None:
        ids = tokenizer.eos_token_id
    if ids is None:
        return []
    return [ids] if isinstance(ids, int) else list(ids)
