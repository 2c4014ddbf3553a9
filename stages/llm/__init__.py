"""Language models: prompts, the question scorers, and the engines that answer."""

from collections.abc import Callable, Mapping
from typing import Any

Prompt = str | list[dict[str, str]]  # text to go on with, or a chat
Keep = Callable[[Mapping[int, Any]], None]  # answers by the place of their prompts, to be kept as soon as they exist
