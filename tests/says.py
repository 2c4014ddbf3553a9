"""An engine that answers by a rule, for what is tested around engines."""

from collections.abc import Callable
from itertools import count
from typing import Any

from stages.llm.kept import Engine

NUMBERS = count()


class Says(Engine):
    """Answers each prompt by the rule and notes what it was asked; a token is a character."""

    def __init__(self, rule: Callable[[Any], Any], context: int = 10_000):
        self.rule, self.context = rule, context
        self.identity: Any = {"number": next(NUMBERS)}  # each has a store of its own
        self.asked: list[Any] = []

    def fits(self, prompt: Any, room: int) -> bool:
        texts = [prompt] if isinstance(prompt, str) else [message["content"] for message in prompt]
        return sum(map(len, texts)) + room <= self.context

    def single(self, option: str) -> bool:
        return option.isascii()

    def choose(self, prompts: Any, options: Any, known: Any, keep: Any, label: str) -> None:
        self.generate(prompts, 1, known, keep, label)

    def generate(self, prompts: Any, max_tokens: int, known: Any, keep: Any, label: str) -> None:
        for i, prompt in enumerate(prompts):
            if i not in known:
                self.asked.append(prompt)
                keep({i: self.rule(prompt)})
