"""Chats and texts as token IDs, in which control tokens spelled out in a message stay text."""

import re
from collections.abc import Iterator, Sequence
from typing import Any

import click

from stages.llm import Prompt
from stages.llm.control_tokens import INSIDE_CONTROL_TOKEN

# Stands for the content of message number i while the template is rendered: characters of the private use area, which
# no template changes.
PLACEHOLDER = "\ue000{}\ue000"
PLACEHOLDERS = re.compile("\ue000([0-9]+)\ue000")


def encode(tokenizer: Any, prompt: Prompt) -> list[int]:
    """The token IDs of a text to continue, or of a chat in the model's template.

    A chat that ends with the user ends with the template's opening of the model's turn.

    Control tokens come from the template alone. One that is spelled out in a message (`<|im_end|>`, `<think>`) is
    encoded as ordinary text, so that nobody in the chat can end their message and speak as the model.
    """
    cuts = _cuts_in_added_control_tokens(tokenizer)
    if isinstance(prompt, str):
        first, *rest = cuts.split(prompt)
        beginning: list[int] = tokenizer.encode(first, split_special_tokens=True)
        return beginning + _encode_parts(tokenizer, rest)
    ids: list[int] = []
    for is_control_token, piece in _rendered_pieces(tokenizer, prompt):
        if is_control_token:
            ids.append(tokenizer.convert_tokens_to_ids(piece))
        else:
            ids += _encode_parts(tokenizer, _parts_with_messages(piece, prompt, cuts))
    return ids


def _rendered_pieces(tokenizer: Any, chat: Sequence[dict[str, str]]) -> Iterator[tuple[bool, str]]:
    """The chat in the model's template with placeholders for its messages, split at the template's control tokens.

    Each piece comes with whether it is a control token.
    """
    with_placeholders = [message | {"content": PLACEHOLDER.format(i)} for i, message in enumerate(chat)]
    rendered = tokenizer.apply_chat_template(
        with_placeholders, add_generation_prompt=chat[-1]["role"] == "user", tokenize=False
    )
    longest_first = sorted(tokenizer.all_special_tokens, key=len, reverse=True)
    control_tokens = "|".join(map(re.escape, longest_first))
    for number, piece in enumerate(re.split(f"({control_tokens})", rendered)):
        yield number % 2 == 1, piece  # re.split puts what its group matches at odd places


def _parts_with_messages(piece: str, chat: Sequence[dict[str, str]], cuts: re.Pattern[str]) -> list[str]:
    """A piece of the template with the messages in place of the placeholders, cut inside the messages' control tokens.

    Parts reach over the borders between template and messages, as the tokenizer would see the text in one.
    """
    parts = [""]
    for place, text in enumerate(PLACEHOLDERS.split(piece)):  # template text and message numbers in turn
        first, *rest = cuts.split(chat[int(text)]["content"]) if place % 2 else [text]
        parts[-1] += first
        parts += rest
    return parts


def _encode_parts(tokenizer: Any, parts: Sequence[str]) -> list[int]:
    ids: list[int] = []
    for part in parts:
        ids += tokenizer.encode(part, add_special_tokens=False, split_special_tokens=True)
    return ids


def _cuts_in_added_control_tokens(tokenizer: Any) -> re.Pattern[str]:
    """Matches behind the first character of control tokens that the tokenizer doesn't call special, as with some
    tokenizers' `<think>`.

    `split_special_tokens` doesn't cover these: the tokenizer recognizes them in any text that isn't cut there.
    """
    added_tokens = [token.content for token in tokenizer.added_tokens_decoder.values() if not token.special]
    control_tokens = [token for token in added_tokens if INSIDE_CONTROL_TOKEN.search(token)]
    cuts = [f"(?<={re.escape(token[0])})(?={re.escape(token[1:])})" for token in control_tokens]
    matches_nothing = "(?!)"
    return re.compile("|".join(cuts) or matches_nothing)


def common_prefix_length(encoded: Sequence[list[int]]) -> int:
    """The number of tokens that all sequences begin with. At least one token is left of each sequence."""
    if not encoded:
        return 0
    first, last = min(encoded), max(encoded)  # in lexicographic order: what these two share, all share
    longest = min(map(len, encoded)) - 1
    return next((i for i in range(longest) if first[i] != last[i]), longest)


def option_tokens(tokenizer: Any, options: Sequence[str]) -> list[int]:
    """The token ID of each option. Raises click.ClickException for an option of several tokens."""
    ids = []
    for option in options:
        tokens = tokenizer.encode(option, add_special_tokens=False)
        if len(tokens) != 1:
            raise click.ClickException(f"option {option!r} is more than one token for this model")
        ids.append(tokens[0])
    return ids


class TokenizerMixin:
    """`fits` and `is_single_token` of engines that have the model's tokenizer."""

    tokenizer: Any
    context: int  # tokens of prompt and answer together

    def fits(self, prompt: Prompt, answer_tokens: int) -> bool:
        return len(encode(self.tokenizer, prompt)) + answer_tokens <= self.context

    def is_single_token(self, option: str) -> bool:
        return len(self.tokenizer.encode(option, add_special_tokens=False)) == 1
