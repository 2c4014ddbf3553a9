"""Prompt templates, one file each, and how an inquiry is rendered with one (paper, section 3). Those of a question lie
in its folder, questions/NAME/prompts/, those of the filter and of rewriting beside this module.

A letter stands for the option at its place in the order, so `render` and `answer` must get the same order.
"""

import json
import random
from collections.abc import Iterable, Mapping, Sequence
from itertools import permutations
from pathlib import Path
from string import Template
from typing import Any, Literal, NamedTuple

import click

from stages.pipeline.definition import NEGATIVE, POSITIVE, Definition
from stages.pipeline.files import read_yaml
from stages.pipeline.pseudonym import PSEUDONYM
from stages.pipeline.settings import Section, checked

LETTERS = "ABC"
DONT_KNOW = "dont_know"
OPTIONS = (NEGATIVE, POSITIVE, DONT_KNOW)
PLACES = {"task": ("message", "options"), "reduce": ("answer", "options")}  # that each part of a template must have


class PromptTemplate(Section):
    """How an inquiry is put to a model; questions/needs_context/prompts/en.yaml says what the parts are. `options` has
    the text of each of OPTIONS, in a file that of each label and dont_know; `form` is that of $history and $message.
    """

    task: str
    options: dict[str, str]
    reduce: str
    form: Literal["lines", "json"] = "lines"


class FilterTemplate(NamedTuple):
    """How a model is asked whether a text is a question; filter/en.yaml says what the parts are."""

    rate: str
    choose: str
    words: Sequence[str]
    system: str | None = None


class ResolveTemplate(NamedTuple):
    """How a model is asked to make a message stand alone; resolve/en.yaml says what the parts are."""

    task: str
    person: str


def load(definition: Definition, name: str) -> PromptTemplate:
    """A question's template in prompts/NAME.yaml.

    Raises click.ClickException that names file and key if there is none, a key is wrong, its options aren't the
    question's answers or two of them read alike, or a part lacks a place such as $message.
    """
    file = _existing(definition.folder / "prompts", name)
    template = checked(file, PromptTemplate)
    values = [definition.value(option) for option in OPTIONS]
    if set(template.options) != set(values):
        raise click.ClickException(f"{file}: options must be {', '.join(values)}")
    if len(set(template.options.values())) < len(values):
        raise click.ClickException(f"{file}: options: two of them have one text")
    _check_places(file, {"task": template.task, "reduce": template.reduce}, definition.history)
    texts = {option: template.options[value] for option, value in zip(OPTIONS, values, strict=True)}
    return template.model_copy(update={"options": texts})


def _check_places(file: Path, texts: Mapping[str, str], with_history: bool) -> None:
    """Raises click.ClickException where a part of a template lacks a place, or has one that nothing fills."""
    for part, names in PLACES.items():
        optional = ["history"] if part == "task" and with_history else []
        try:
            places = set(Template(texts[part]).get_identifiers())
            Template(texts[part]).substitute(dict.fromkeys(places, ""))
        except ValueError as error:
            raise click.ClickException(f"{file}: {part}: a dollar sign is written $$") from error
        if not {*names} <= places <= {*names, *optional}:
            others = "nothing else but $history" if optional else "nothing else"
            raise click.ClickException(f"{file}: {part} must have ${names[0]} and ${names[1]}, and {others} with a $")


def load_filter(name: str) -> FilterTemplate:
    """The template in filter/NAME.yaml beside this module. Raises click.ClickException if there is none."""
    return FilterTemplate(**read_yaml(_existing(Path(__file__).with_name("filter"), name)))


def load_resolve(name: str) -> ResolveTemplate:
    """The template in resolve/NAME.yaml beside this module. Raises click.ClickException if there is none."""
    return ResolveTemplate(**read_yaml(_existing(Path(__file__).with_name("resolve"), name)))


def _existing(folder: Path, name: str) -> Path:
    path = folder / f"{name}.yaml"
    if not path.exists():
        names = ", ".join(sorted(other.stem for other in folder.glob("*.yaml"))) or "no file NAME.yaml"
        raise click.ClickException(f"there is no prompt {name!r}; {folder} holds {names}")
    return path


def option_order(id: int, how: str, seed: int) -> list[str]:
    """The options in the order of their letters: `fixed` as in OPTIONS, or `shuffled` with a random generator of the
    item's own (paper, section 3).
    """
    order = list(OPTIONS)
    if how == "shuffled":
        random.Random(f"{seed}-{id}").shuffle(order)
    return order


def option_permutations(order: Sequence[str], number: int) -> list[list[str]]:
    """1 order: the order itself. 3: its rotations, in which each option has each letter once. 6: all orders."""
    if number == 6:
        return [list(permutation) for permutation in permutations(order)]
    return [[*order[n:], *order[:n]] for n in range(number)]


def render(inquiry: Mapping[str, Any], template: PromptTemplate, order: Sequence[str], window: int) -> str:
    """The instruction for an inquiry with the last `window` turns before it."""
    if template.form == "json":
        history, message = json_history(inquiry, window)
    else:
        *earlier_lines, message = lines(inquiry, window)
        history = "\n".join(earlier_lines)
    return Template(template.task).substitute(history=history, message=message, options=option_list(template, order))


def render_reduction(template: PromptTemplate, answer: str, order: Sequence[str]) -> str:
    """The second turn of the protocol `generate`, which asks which option the model's own answer chose."""
    return Template(template.reduce).substitute(answer=answer, options=option_list(template, order))


def answer(option: str, template: PromptTemplate, order: Sequence[str]) -> str:
    """The answer that a model should give to one of OPTIONS: letter and text, as in `B:needed`."""
    return f"{LETTERS[order.index(option)]}:{template.options[option]}"


def option_list(template: PromptTemplate, order: Sequence[str]) -> str:
    """The options, one a line, each with its letter."""
    return "\n".join(f"{letter}. {template.options[option]}" for letter, option in zip(LETTERS, order, strict=True))


def lines(inquiry: Mapping[str, Any], window: int) -> list[str]:
    """The last `window` turns before the inquiry and the inquiry, one line each, with the sender's letter before it.

    Line breaks inside a turn become slashes.
    """
    turns = turns_to_show(inquiry, window)
    return [f"{letter}: " + " / ".join(text.splitlines()) for letter, text in lettered(turns)]


def json_history(inquiry: Mapping[str, Any], window: int) -> tuple[str, str]:
    """The last `window` turns before the inquiry as a JSON list of username and content, and the inquiry as such an
    object. Senders have letters in order of appearance, A speaks first (the prompt of the paper's authors).

    Each is one line: any line break inside a turn becomes the escape \\n.
    """
    turns = [
        {"username": letter, "content": "\n".join(text.splitlines())}
        for letter, text in lettered_by_appearance(turns_to_show(inquiry, window))
    ]
    return json.dumps(turns[:-1], ensure_ascii=False), json.dumps(turns[-1], ensure_ascii=False)


def turns_to_show(inquiry: Mapping[str, Any], window: int) -> list[Mapping[str, Any]]:
    """The last `window` turns before the inquiry and the inquiry, oldest first."""
    history = inquiry["cr_window"][-window:] if window else []
    return [*history, inquiry]


def lettered(turns: Sequence[Mapping[str, Any]]) -> list[tuple[str, str]]:
    """The letter of each turn's sender, and its text with letters for the people whom it names.

    Letters go back from the last turn, whose sender is A. So they are the same in windows of any length.
    """
    return lettered_by_appearance(reversed(turns))[::-1]


def lettered_by_appearance(turns: Iterable[Mapping[str, Any]]) -> list[tuple[str, str]]:
    """As `lettered`, with A for the sender of the first turn and the next letters in order of appearance."""
    letters: dict[str, str] = {}

    def letter(sender: str) -> str:
        return letters.setdefault(sender, _spreadsheet_column(len(letters)))

    letters_and_texts = []
    for turn in turns:
        sender_letter = letter(turn["sender"])
        text = PSEUDONYM.sub(lambda pseudonym: letter(pseudonym[0]), turn["text"])
        letters_and_texts.append((sender_letter, text))
    return letters_and_texts


def _spreadsheet_column(number: int) -> str:
    """A to Z, then AA, AB and so on."""
    return (_spreadsheet_column(number // 26 - 1) if number >= 26 else "") + chr(ord("A") + number % 26)
