"""Answers already paid for, in the user's cache directory: a killed run goes on where it was, nothing is asked twice.

An answer stands under the hash of what decides it: the engine's identity (kind, model, revision or hash of the
weights, adapter, type of numbers) and the question. `LABELS_CACHE` moves the directory.
"""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from stages.llm import Keep, Prompt
from stages.params import cache_directory


class Engine(Protocol):
    """Answers questions about many prompts; it asks for nothing that `known` holds, and hands every answer to `keep`
    as soon as it exists. Batches are planned over all prompts, known or not, so that a run that goes on after a crash
    computes the same batches as one that was never disturbed.
    """

    identity: Mapping[str, Any]
    context: int  # tokens that prompt and answer may have together

    def fits(self, prompt: Prompt, room: int) -> bool:
        """Whether the prompt and an answer of `room` tokens fit into the context."""
        ...

    def single(self, option: str) -> bool:
        """Whether the option is a single token for this model, as `choose` needs it."""
        ...

    def choose(
        self, prompts: Sequence[Prompt], options: Sequence[str], known: Mapping[int, Any], keep: Keep, label: str
    ) -> None: ...

    def generate(
        self, prompts: Sequence[Prompt], max_tokens: int, known: Mapping[int, Any], keep: Keep, label: str
    ) -> None: ...


def choose(engine: Engine, prompts: Sequence[Prompt], options: Sequence[str], label: str) -> list[list[float]]:
    """The log-probability (natural) of each option as the next token after each prompt; [prompts][options]."""

    def ask(unique: Sequence[Prompt], known: Mapping[int, Any], keep: Keep) -> None:
        engine.choose(unique, options, known, keep, label)

    return _answers(engine, {"choose": list(options)}, prompts, ask)


def generate(engine: Engine, prompts: Sequence[Prompt], max_tokens: int, label: str) -> list[str]:
    """The likeliest text after each prompt, up to `max_tokens` tokens."""

    def ask(unique: Sequence[Prompt], known: Mapping[int, Any], keep: Keep) -> None:
        engine.generate(unique, max_tokens, known, keep, label)

    return _answers(engine, {"generate": max_tokens}, prompts, ask)


def _answers(
    engine: Engine,
    question: Mapping[str, Any],
    prompts: Sequence[Prompt],
    ask: Callable[[Sequence[Prompt], Mapping[int, Any], Keep], None],
) -> list[Any]:
    import diskcache

    def key(prompt: Prompt) -> str:
        decides = json.dumps([engine.identity, question, prompt], sort_keys=True, ensure_ascii=False)
        return hashlib.sha256(decides.encode()).hexdigest()

    unique = {key(prompt): prompt for prompt in prompts}
    keys = list(unique)
    with diskcache.Cache(str(cache_directory("answers")), disk=diskcache.JSONDisk, eviction_policy="none") as cache:
        known = {i: answer for i, one in enumerate(keys) if (answer := cache.get(one)) is not None}

        def keep(found: Mapping[int, Any]) -> None:
            with cache.transact():
                for i, answer in found.items():
                    cache[keys[i]] = answer
            known.update(found)

        ask(list(unique.values()), dict(known), keep)
    by_key = {one: known[i] for i, one in enumerate(keys)}
    return [by_key[key(prompt)] for prompt in prompts]
