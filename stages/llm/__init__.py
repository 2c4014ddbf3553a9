"""Language models: prompts, question scorers, inference engines, predictions and training."""

from collections.abc import Callable, Mapping
from typing import Any

Prompt = str | list[dict[str, str]]  # a text to continue, or a chat

# Takes answers by the index of their prompt and saves them. Engines call it as soon as an answer exists.
SaveAnswers = Callable[[Mapping[int, Any]], None]
