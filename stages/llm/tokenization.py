"""Chats and texts as token IDs, in which control tokens spelled out in a message stay text."""

import re
from collections.abc import Iterator, Sequence
from functools import cached_property, lru_cache
from typing import Any, NamedTuple

import click

from stages.llm import Prompt
from stages.llm.control_tokens import INSIDE_CONTROL_TOKEN

# Stands for the content of message number i while the template is rendered: characters of the private use area, which
# no template changes.
PLACEHOLDER = "\ue000{}\ue000"
PLACEHOLDERS = re.compile("\ue000([0-9]+)\ue000")
# Variables that templates read, each under the name that some family gives it: a model that can think aloud is asked
# without, in training and evaluation alike.
TEMPLATE_VARIABLES = {"enable_thinking": False, "thinking": False}
OPEN_THOUGHT, EMPTY_THOUGHT = "<think>", "\n\n</think>\n\n"

Chat = Sequence[dict[str, str]]


def encode(tokenizer: Any, prompt: Prompt) -> list[int]:
    """The token IDs of a text to continue, or of a chat in the model's template.

    A chat that ends with the user ends with the template's opening of the model's turn. A template that knows no
    system role gets the system's message at the beginning of the user's.

    Control tokens come from the template alone. One that is spelled out in a message (`<|im_end|>`, `<think>`) is
    encoded as ordinary text, so that nobody in the chat can end their message and speak as the model.

    Raises click.ClickException for a chat that the template refuses.
    """
    cuts = _cuts_in_added_control_tokens(tokenizer)
    if isinstance(prompt, str):
        first, *rest = cuts.split(prompt)
        beginning: list[int] = tokenizer.encode(first, split_special_tokens=True)
        return beginning + _encode_parts(tokenizer, rest)
    chat, rendered = _rendered(tokenizer, prompt)
    control_tokens = _control_tokens(tokenizer)
    if not any(control_tokens.search(message["content"]) for message in chat):
        return tokenizer.encode(_apply_template(tokenizer, chat), add_special_tokens=False)
    ids: list[int] = []
    for is_control_token, piece in _pieces(rendered, control_tokens):
        if is_control_token:
            ids.append(tokenizer.convert_tokens_to_ids(piece))
        else:
            ids += _encode_parts(tokenizer, _parts_with_messages(piece, chat, cuts))
    return ids


def _rendered(tokenizer: Any, chat: Chat) -> tuple[Chat, str]:
    """The chat as the template takes it, and the template's text with placeholders for its messages."""
    from jinja2 import TemplateError

    refusal = None
    try:
        rendered = _apply_template(
            tokenizer, [message | {"content": PLACEHOLDER.format(i)} for i, message in enumerate(chat)]
        )
        if not all(PLACEHOLDER.format(i) in rendered for i in range(len(chat))):
            refusal = "it leaves a message out"
    except TemplateError as error:
        refusal = str(error)
    if refusal and chat[0]["role"] == "system":
        return _rendered(tokenizer, _without_system_role(chat))
    if refusal:
        raise click.ClickException(
            f"the chat template of {tokenizer.name_or_path} can't take a chat of"
            f" {', '.join(message['role'] for message in chat)}: {refusal}; set models.NAME.chat_template"
        )
    return chat, rendered


def _apply_template(tokenizer: Any, chat: Chat) -> str:
    """The chat in the template's words. A thought that the template opens, whatever its variables say, is closed, so
    that it stays empty.
    """
    text = _template_text(tokenizer, chat)
    return f"{text.rstrip()}{EMPTY_THOUGHT}" if _opens_thought(text) else text


def _template_text(tokenizer: Any, chat: Chat) -> str:
    return tokenizer.apply_chat_template(
        chat, add_generation_prompt=chat[-1]["role"] == "user", tokenize=False, **TEMPLATE_VARIABLES
    )


def _opens_thought(text: str) -> bool:
    return text.rstrip().endswith(OPEN_THOUGHT)


def _without_system_role(chat: Chat) -> Chat:
    """The chat with its system message at the beginning of the next one."""
    system, first, *rest = chat
    return [first | {"content": f"{system['content']}\n\n{first['content']}"}, *rest]


@lru_cache(maxsize=8)
def _control_tokens(tokenizer: Any) -> re.Pattern[str]:
    """Matches the tokenizer's control tokens, the longest first. Added tokens of other kinds, such as Gemma's line
    breaks, are text.
    """
    added_tokens = tokenizer.added_tokens_decoder.values()
    contents = {token.content for token in added_tokens if token.special or INSIDE_CONTROL_TOKEN.search(token.content)}
    longest_first = sorted({*contents, *tokenizer.all_special_tokens}, key=len, reverse=True)
    matches_nothing = "(?!)"
    return re.compile("|".join(map(re.escape, longest_first)) or matches_nothing)


def _pieces(rendered: str, control_tokens: re.Pattern[str]) -> Iterator[tuple[bool, str]]:
    """The pieces of a rendered template between its control tokens and these tokens themselves, in their order.

    Each piece comes with whether it is a control token.
    """
    for number, piece in enumerate(re.split(f"({control_tokens.pattern})", rendered)):
        yield number % 2 == 1, piece  # re.split puts what its group matches at odd places


def _parts_with_messages(piece: str, chat: Chat, cuts: re.Pattern[str]) -> list[str]:
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


@lru_cache(maxsize=8)
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


def rows_of_beginnings(encoded: Sequence[list[int]]) -> list[list[int]]:
    """The indices of all sequences in rows. The first sequence of a row begins with each of the others, and is itself
    the beginning of no other sequence.
    """
    rows: list[list[int]] = []
    before: list[int] = []
    for index in sorted(range(len(encoded)), key=encoded.__getitem__, reverse=True):  # a beginning comes behind
        ids = encoded[index]
        if rows and before[: len(ids)] == ids:
            rows[-1].append(index)
        else:
            rows.append([index])
        before = ids
    return sorted(rows)


class ModelTurn(NamedTuple):
    """The model's turn in a chat template: the prompt that opens it, and the text before and after an answer.

    `opening` is what the template writes between its prompt and an answer, as Llama 2's blank.
    """

    prompt: str
    opening: str
    end: str


def model_turn(tokenizer: Any) -> ModelTurn:
    """The model's turn after a question of one letter.

    `opening` is empty where the template writes the prompt anew once it is answered. `end` reaches up to a second
    control token, with which Llama 3 opens the next turn; it is the end-of-sequence token where the template has none.
    """
    question = {"role": "user", "content": "x"}
    _, prompt = _rendered(tokenizer, [question])
    _, answered = _rendered(tokenizer, [question, {"role": "assistant", "content": "x"}])
    before, _, end = answered.partition(PLACEHOLDER.format(1))
    opening = before.removeprefix(prompt) if before.startswith(prompt) else ""
    control_tokens = list(_control_tokens(tokenizer).finditer(end))
    if len(control_tokens) > 1:
        end = end[: control_tokens[1].start()]
    return ModelTurn(prompt.replace(PLACEHOLDER.format(0), "x"), opening, end or tokenizer.eos_token or "")


def answer_tokens(tokenizer: Any, answer: str) -> list[int]:
    """The token IDs of an answer and of its end, as they follow a chat's prompt."""
    turn = model_turn(tokenizer)
    return _continuation(tokenizer, turn.prompt, turn.opening + answer + turn.end)


def option_tokens(tokenizer: Any, options: Sequence[str], in_chat: bool) -> tuple[list[int], list[int]]:
    """The token IDs that stand before every option, and the next one of each option.

    The options answer a chat, or with `in_chat` false continue a text. Some tokenizers put a token of a blank or a
    line break before a letter. Raises click.ClickException for options that begin with the same token after that.
    """
    turn = model_turn(tokenizer) if in_chat else ModelTurn("x", "", "")
    encoded = [_continuation(tokenizer, turn.prompt, turn.opening + option) for option in options]
    before = common_prefix_length(encoded) if len(encoded) > 1 else len(encoded[0]) - 1
    next_tokens = [ids[before] for ids in encoded]
    if len(set(next_tokens)) < len(options):
        raise click.ClickException(
            f"this model's tokenizer begins several of {', '.join(options)} with the same token"
        )
    return encoded[0][:before], next_tokens


def _continuation(tokenizer: Any, text: str, rest: str) -> list[int]:
    """The token IDs of `rest` behind a text, or by itself where the tokenizer joins the two at their border."""
    before = tokenizer.encode(text, add_special_tokens=False)
    both = tokenizer.encode(text + rest, add_special_tokens=False)
    if both[: len(before)] == before:
        return both[len(before) :]
    return tokenizer.encode(rest, add_special_tokens=False)


class TokenizerMixin:
    """What engines that have the model's tokenizer share."""

    tokenizer: Any
    context: int  # tokens of prompt and answer together

    def fits(self, prompt: Prompt, answer_tokens: int) -> bool:
        opening_tokens = 0 if isinstance(prompt, str) else self._opening_tokens
        return len(encode(self.tokenizer, prompt)) + opening_tokens + answer_tokens <= self.context

    @property
    def template_identity(self) -> dict[str, Any]:
        """What the identity of an engine says of the chat template: whether a thought that it opens is closed."""
        if self.tokenizer.chat_template is None:
            return {}
        text = _template_text(self.tokenizer, [{"role": "user", "content": "x"}])
        return {"thought": "closed"} if _opens_thought(text) else {}

    @cached_property
    def _opening_tokens(self) -> int:
        """The tokens between a chat's prompt and the letter of an option."""
        turn = model_turn(self.tokenizer)
        return len(_continuation(self.tokenizer, turn.prompt, f"{turn.opening}A")) - 1

    def is_single_token(self, option: str) -> bool:
        """Whether the option is one token where it continues a text."""
        return len(_continuation(self.tokenizer, "x", option)) == 1
