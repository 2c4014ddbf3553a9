"""Prompts: one file each, and how an inquiry is rendered with it (paper, section 3).

The letter and the text of an option are bound by its place, so `render` and `answer` take the same order.
"""

import random
from collections.abc import Mapping, Sequence
from itertools import permutations
from pathlib import Path
from string import Template
from typing import Any, NamedTuple

import click
from ruamel.yaml import YAML

LETTERS = "ABC"
OPTIONS = ("not_needed", "needed", "dont_know")


class Prompt(NamedTuple):
    task: str
    options: Mapping[str, str]
    reduce: str


class FilterPrompt(NamedTuple):
    rate: str
    choose: str
    words: Sequence[str]


def load(name: str) -> Prompt:
    """The prompt in the file of that name beside this module. Raises click.ClickException if there is none."""
    prompt = Prompt(**_read(Path(__file__).parent, name))
    if set(prompt.options) != set(OPTIONS):
        raise click.ClickException(f"stages/llm/prompts/{name}.yaml: options must be {', '.join(OPTIONS)}")
    return prompt


def load_filter(name: str) -> FilterPrompt:
    """The filter's prompt of that name. Raises click.ClickException if there is none."""
    return FilterPrompt(**_read(Path(__file__).with_name("filter"), name))


def _read(folder: Path, name: str) -> dict[str, Any]:
    path = folder / f"{name}.yaml"
    if not path.exists():
        known = ", ".join(sorted(other.stem for other in folder.glob("*.yaml")))
        raise click.ClickException(f"there is no prompt {name!r}; {folder} holds {known}")
    return YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8"))


def option_order(id: int, how: str, seed: int) -> list[str]:
    """The options in the order of their letters: as they stand, or shuffled by the item's own RNG (paper, section
    3).
    """
    order = list(OPTIONS)
    if how == "shuffled":
        random.Random(f"{seed}-{id}").shuffle(order)
    return order


def reordered(order: Sequence[str], number: int) -> list[list[str]]:
    """The order itself, or with it its rotations (3 orders: each option has each letter once), or all 6."""
    if number == 6:
        return [list(other) for other in permutations(order)]
    return [[*order[n:], *order[:n]] for n in range(number)]


def lines(inquiry: Mapping[str, Any], window: int) -> list[str]:
    """The inquiry after the last `window` turns before it, a line each.

    Senders are A, B, C… by first appearance, line breaks inside a turn become slashes.
    """
    turns = [*(inquiry["cr_window"][-window:] if window else []), inquiry]
    return [
        f"{name}: " + " / ".join(turn["text"].splitlines()) for name, turn in zip(speakers(turns), turns, strict=True)
    ]


def render(inquiry: Mapping[str, Any], prompt: Prompt, order: Sequence[str], window: int) -> str:
    """The instruction for an inquiry with the last `window` turns before it."""
    *history, message = lines(inquiry, window)
    return Template(prompt.task).substitute(
        history="\n".join(history), message=message, options=lettered(prompt, order)
    )


def reduction(prompt: Prompt, order: Sequence[str]) -> str:
    """The second turn of the protocol `generate`, which asks the model to bring its answer down to a letter."""
    return Template(prompt.reduce).substitute(options=lettered(prompt, order))


def lettered(prompt: Prompt, order: Sequence[str]) -> str:
    """The options, each on a line with its letter."""
    return "\n".join(f"{letter}. {prompt.options[option]}" for letter, option in zip(LETTERS, order, strict=True))


def speakers(turns: Sequence[Mapping[str, Any]]) -> list[str]:
    """A name for the sender of each turn: A, B, C… by first appearance."""
    names: dict[str, str] = {}
    return [names.setdefault(turn["sender"], _name(len(names))) for turn in turns]


def _name(number: int) -> str:
    """A to Z, then AA, AB and so on, as in a spreadsheet."""
    return (_name(number // 26 - 1) if number >= 26 else "") + chr(ord("A") + number % 26)


def answer(option: str, prompt: Prompt, order: Sequence[str]) -> str:
    """What a model should say: letter and text, as in `B:needed`."""
    return f"{LETTERS[order.index(option)]}:{prompt.options[option]}"
