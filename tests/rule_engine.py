"""An engine that answers by a rule, for what is tested around engines."""

from collections.abc import Callable
from itertools import count
from typing import Any

from stages.llm.answer_cache import Engine

NUMBERS = count()


class RuleEngine(Engine):
    """Answers each prompt by the rule and notes what it was asked; a token is a character."""

    def __init__(self, rule: Callable[[Any], Any], context: int = 10_000):
        self.rule, self.context = rule, context
        self.identity: Any = {"number": next(NUMBERS)}  # each has a store of its own
        self.prompts: list[Any] = []

    def fits(self, prompt: Any, answer_tokens: int) -> bool:
        texts = [prompt] if isinstance(prompt, str) else [message["content"] for message in prompt]
        return sum(map(len, texts)) + answer_tokens <= self.context

    def is_single_token(self, option: str) -> bool:
        return option.isascii()

    def choose(self, prompts: Any, options: Any, stored_answers: Any, save: Any, progress_title: str) -> None:
        self.generate(prompts, 1, stored_answers, save, progress_title)

    def generate(self, prompts: Any, max_tokens: int, stored_answers: Any, save: Any, progress_title: str) -> None:
        for i, prompt in enumerate(prompts):
            if i not in stored_answers:
                self.prompts.append(prompt)
                save({i: self.rule(prompt)})
