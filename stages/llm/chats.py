"""A chat as tokens, in which the text of its messages stays text."""

import re
from collections.abc import Sequence
from typing import Any

import click

from stages.llm import Prompt

MARKER = re.compile("\ue000([0-9]+)\ue000")  # of the private use area: no template changes it


def encode(tokenizer: Any, prompt: Prompt) -> list[int]:
    """The prompt's tokens: a chat in the model's template, up to where the model answers or with its answer if the
    chat has one; or text that is continued.

    Control tokens come from the template alone: one that is spelled out in a message (`<|im_end|>`) is encoded letter
    by letter, so that nobody in the chat can end their message and speak as the model.
    """
    if isinstance(prompt, str):
        return tokenizer.encode(prompt, split_special_tokens=True)
    marked = [message | {"content": f"\ue000{i}\ue000"} for i, message in enumerate(prompt)]
    rendered = tokenizer.apply_chat_template(
        marked, add_generation_prompt=prompt[-1]["role"] == "user", tokenize=False
    )
    control = "|".join(map(re.escape, sorted(tokenizer.all_special_tokens, key=len, reverse=True)))
    ids: list[int] = []
    for number, piece in enumerate(re.split(f"({control})", rendered)):
        if number % 2:
            ids.append(tokenizer.convert_tokens_to_ids(piece))
        else:
            text = MARKER.sub(lambda found: prompt[int(found.group(1))]["content"], piece)
            ids += tokenizer.encode(text, add_special_tokens=False, split_special_tokens=True)
    return ids


def common_beginning(encoded: Sequence[list[int]]) -> int:
    """How many tokens all sequences begin with, where at least one is left of each."""
    if not encoded:
        return 0
    first, last = min(encoded), max(encoded)  # in the order of dictionaries: what these two share, all do
    most = min(map(len, encoded)) - 1
    return next((i for i in range(most) if first[i] != last[i]), most)


def option_tokens(tokenizer: Any, options: Sequence[str]) -> list[int]:
    """The token of each option. Raises click.ClickException for an option that is more than one."""
    encoded = [tokenizer.encode(option, add_special_tokens=False) for option in options]
    for option, tokens in zip(options, encoded, strict=True):
        if len(tokens) != 1:
            raise click.ClickException(f"option {option!r} is more than one token for this model")
    return [tokens[0] for tokens in encoded]


class Tokenized:
    """What engines have in common that know the model's tokenizer. `context`: tokens of prompt and answer together."""

    tokenizer: Any
    context: int

    def fits(self, prompt: Prompt, room: int) -> bool:
        return len(encode(self.tokenizer, prompt)) + room <= self.context

    def single(self, option: str) -> bool:
        return len(self.tokenizer.encode(option, add_special_tokens=False)) == 1
