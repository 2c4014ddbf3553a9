"""Language models: prompts, question scorers, inference engines, predictions and training."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

Prompt = str | list[dict[str, str]]  # a text to continue, or a chat
Prompts = Sequence[Prompt]
Answers = Mapping[int, Any]  # by the index of their prompt

SaveAnswers = Callable[[Answers], None]  # engines call it as soon as an answer exists
