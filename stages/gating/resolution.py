"""A message that needs its history, rewritten by a model so that it stands alone.

As the paper's authors do after an answer "needed", the model sees the history and writes the message with its
references resolved. A rewrite that can't take the message's place is refused, and the message stays as it is
(rewrite_checks.py).

The prompt is in the message's language: a model answers in the language it is asked in, a room may have several, and
`question.prompt` may be in any. It shows people by their names, so that a rewrite reads as people write, where the
task's prompts have letters. Where the chat has pseudonyms, the prompt has numbers ("User1"), which the rewrite's text
gives back: letters couldn't be told from words, and small models misspell pseudonyms.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from string import Template
from typing import Any, NamedTuple

import click

from stages.gating.rewrite_checks import Fallback, cleaned, is_chinese, most_bytes, problem, script_counts
from stages.llm import answer_cache, prompts
from stages.llm.answer_cache import Engine
from stages.llm.catalogue import engine
from stages.llm.no_answers import NoAnswer
from stages.pipeline.params import Params
from stages.pipeline.pseudonym import PSEUDONYM
from stages.pipeline.text import printable


class Resolution(NamedTuple):
    """The text to go on with, and why it is the message itself; None where it is the model's."""

    text: str
    reason: Fallback | None


class People:
    """How a prompt calls the people of a chat. A pseudonym becomes `word` with a number that the texts don't have."""

    def __init__(self, turns: Sequence[Mapping[str, Any]], word: str) -> None:
        self.word = word
        self.numbered = re.compile(rf"(?<![A-Za-z0-9]){word} ?([0-9]+)(?![0-9])", re.IGNORECASE)
        texts = [text for turn in turns for text in (turn["sender"], turn["text"])]
        self.taken = {number for text in texts for number in self.numbered.findall(text)}
        self.numbers: dict[str, str] = {}  # by pseudonym

    def shown(self, text: str) -> str:
        """A name or a text with numbers in the place of pseudonyms."""
        return PSEUDONYM.sub(lambda match: self._number(match[0]), text)

    def restored(self, text: str) -> str:
        """A text as `shown` gave it, with the pseudonyms again."""
        pseudonyms = {number: pseudonym for pseudonym, number in self.numbers.items()}
        return self.numbered.sub(lambda match: pseudonyms.get(match[1], match[0]), text)

    def has_unknown(self, text: str) -> bool:
        """Whether a text names somebody by a number that nobody has."""
        return not set(self.numbered.findall(text)) <= {*self.numbers.values(), *self.taken}

    def _number(self, pseudonym: str) -> str:
        if pseudonym not in self.numbers:
            used = {*self.numbers.values(), *self.taken}
            self.numbers[pseudonym] = next(str(n) for n in range(1, len(used) + 2) if str(n) not in used)
        return self.word + self.numbers[pseudonym]


class Rendering(NamedTuple):
    """An item as a prompt shows it."""

    instruction: str
    message: str  # on one line
    window: list[str]  # the turns before it, a line each
    names: list[str]  # of those who speak
    people: People


class Request(NamedTuple):
    """What a model is asked about an item."""

    chat: list[dict[str, str]]
    max_tokens: int
    rendering: Rendering


def load_resolver(p: Params, base: Path) -> Engine | None:
    """The engine of the model that `gate.resolve` names, with the weights in `base`, data/base; None without one.

    Raises click.ClickException where the weights are missing.
    """
    name = p.gate.resolve
    if name is None:
        return None
    if not p.models[name].endpoint and not (base / name).exists():
        raise click.ClickException(f"{base / name}, the model of gate.resolve, is missing: run dvc repro fetch_models")
    return engine(name, base / name, p)


def resolve(item: Mapping[str, Any], resolver: Engine, window: int) -> Resolution:
    """The message of an item, resolved by its last `window` turns; the model is asked each time."""
    request = request_for(item, resolver, window)
    if isinstance(request, Fallback):
        return Resolution(item["text"], request)
    [answer] = answer_cache.generate_unstored(resolver, [request.chat], request.max_tokens, "resolve")
    return resolution(item["text"], request.rendering, answer)


def resolve_all(
    items: Sequence[Mapping[str, Any]], resolver: Engine, window: int, progress_title: str
) -> list[Resolution]:
    """As `resolve` for each item, with answers from the cache where it has them."""
    requests = [request_for(item, resolver, window) for item in items]
    chats_by_limit: dict[int, dict[int, list[dict[str, str]]]] = {}  # and by the item's index
    for index, request in enumerate(requests):
        if isinstance(request, Request):
            chats_by_limit.setdefault(request.max_tokens, {})[index] = request.chat
    answers: dict[int, str | NoAnswer] = {}
    for limit, chats in sorted(chats_by_limit.items()):
        texts = answer_cache.generate(resolver, list(chats.values()), limit, f"{progress_title}, up to {limit} tokens")
        answers |= dict(zip(chats, texts, strict=True))
    resolutions = []
    for index, (item, request) in enumerate(zip(items, requests, strict=True)):
        if isinstance(request, Fallback):
            resolutions.append(Resolution(item["text"], request))
        else:
            resolutions.append(resolution(item["text"], request.rendering, answers[index]))
    return resolutions


def count_fallbacks(resolutions: Iterable[Resolution]) -> dict[str, int]:
    """How many messages stay as they are, by reason."""
    counts = Counter(resolution.reason for resolution in resolutions if resolution.reason)
    return {reason.value: counts[reason] for reason in Fallback if counts[reason]}


def training_row(item: Mapping[str, Any], rewrite: str, window: int) -> dict[str, Any]:
    """A person's rewrite of an item's message as an alpaca row, by which a model learns to resolve."""
    rendering = render(item, window)
    return {
        "id": item["id"],
        "instruction": rendering.instruction,
        "input": "",
        "output": rendering.people.shown(" ".join(rewrite.split())),
    }


def request_for(item: Mapping[str, Any], resolver: Engine, window: int) -> Request | Fallback:
    """The request with as many of the last `window` turns as fit, at least one, or why there is none.

    The answer may have as many tokens as a rewrite may have bytes, rounded up to a power of two, so that few limits
    are in use. A token has at least one byte: an answer that is cut off at the limit is too long for a rewrite.
    """
    turns = min(window, len(item["cr_window"]))
    if not turns:
        return Fallback.NO_HISTORY
    for shown_turns in range(turns, 0, -1):
        rendering = render(item, shown_turns)
        max_tokens = 1 << most_bytes(rendering.message, rendering.window).bit_length()
        chat = [{"role": "user", "content": rendering.instruction}]
        if resolver.fits(chat, max_tokens):
            return Request(chat, max_tokens, rendering)
    return Fallback.DOES_NOT_FIT


def render(item: Mapping[str, Any], window: int) -> Rendering:
    """The instruction for an item with the last `window` turns before it.

    Line breaks become slashes in the turns before, and blanks in the message, whose rewrite is one line. Who has no
    name, or one that can't be printed, isn't named.
    """
    turns = prompts.turns_to_show(item, window)
    language = "zh" if is_in_chinese([turn["text"] for turn in turns]) else "en"
    template = prompts.load_resolve(language)
    people = People(turns, template.person)
    names = [printable(people.shown(turn["sender"])) for turn in turns]
    texts = [people.shown(" / ".join(turn["text"].splitlines())) for turn in turns[:-1]]
    message = people.shown(" ".join(item["text"].split()))
    *window_lines, message_line = [
        f"{name}: {text}" if name else text for name, text in zip(names, [*texts, message], strict=True)
    ]
    instruction = Template(template.task).substitute(history="\n".join(window_lines), message=message_line)
    return Rendering(instruction, message, window_lines, sorted({*names} - {""}), people)


def is_in_chinese(texts: Sequence[str]) -> bool:
    """Whether the last text is Chinese; all of them, where it has no letters."""
    return is_chinese(texts[-1] if script_counts(texts[-1]) else " ".join(texts))


def resolution(message: str, rendering: Rendering, answer: str | NoAnswer) -> Resolution:
    """What the model's answer makes of a message."""
    if isinstance(answer, NoAnswer):
        return Resolution(message, Fallback.NO_ANSWER)
    rewrite = cleaned(answer, rendering.message, rendering.names)
    reason = problem(rewrite, rendering.message, rendering.window)
    if reason is None and rendering.people.has_unknown(rewrite):
        reason = Fallback.UNKNOWN_PERSON
    return Resolution(message, reason) if reason else Resolution(rendering.people.restored(rewrite), None)
