"""What is asked of the chat: a folder, questions/NAME/, with question.yaml, the prompts and the annotators' guideline.

A question has two answers. Labels, option names and scores inside the pipeline speak of `positive` and `negative`;
question.yaml says which values of its labels these are.
"""

from pathlib import Path
from typing import Annotated, Any, Literal

import click
from pydantic import Field, PrivateAttr, field_validator, model_validator

from stages.pipeline.settings import Name, Section, Text, checked

QUESTIONS = "questions"  # the folder of all questions, in the project
POSITIVE, NEGATIVE, LEFT_OUT = "positive", "negative", "left_out"
TERMINAL_KEYS = "sunq"  # of the terminal's own: skip, undo, note, quit
NOT_QUESTION = "not_question"  # the value of labels that left-out inquiries have where the filter erred
IS_QUESTION = "is_question"  # the question by whose labels the filter is judged
# Answers of models beside the labels, and reasons why an item has none.
RESERVED = ("dont_know", "unreadable", "refused", "cut_off", "unlabelled", "contradicting_labels")
Rule = Literal["not_the_first_turn", "at_most_12_words", "pointing_words"]  # those of stages/gating/rules.py


class LabelValue(Section):
    """A value that a label may have: its key in the terminal, and what it means."""

    key: Annotated[str, Field(pattern=r"^[a-z0-9]$")]
    means: Literal["positive", "negative", "left_out"]

    @field_validator("key", mode="before")
    @classmethod
    def is_text(cls, key: Any) -> Any:
        """A digit without quotes is a number in YAML."""
        return str(key) if type(key) is int else key

    @field_validator("key")
    @classmethod
    def is_free(cls, key: str) -> str:
        if key in TERMINAL_KEYS:
            raise ValueError(f"{', '.join(TERMINAL_KEYS)} have other meanings in the terminal")
        return key


class Definition(Section):
    """question.yaml. `asks` is the question in words. It is asked of `inquiries`, which pass the filter, or of `turns`
    drawn at random; with `history` annotators and models see the turns before.

    Without a model, `rules` are gates to compare with. `export_field` is a field of chat exports that has labels, true
    for the positive one.
    """

    asks: Text
    asked_of: Literal["inquiries", "turns"]
    history: bool = True
    labels: dict[Name, LabelValue]
    rules: list[Rule] = Field(default_factory=list)
    export_field: Literal["cr_need_gt"] | None = None
    _folder: Path = PrivateAttr(default=Path())

    @model_validator(mode="after")
    def has_two_answers(self) -> "Definition":
        meanings: list[str] = [value.means for value in self.labels.values()]
        for meaning in (POSITIVE, NEGATIVE):
            if meanings.count(meaning) != 1:
                raise ValueError(f"labels: {meanings.count(meaning)} of them mean {meaning}, and one must")
        if taken := sorted(self.labels.keys() & set(RESERVED)):
            raise ValueError(f"labels: {', '.join(taken)} has a meaning of its own, and no label may be called so")
        if any(name in (POSITIVE, NEGATIVE) and value.means != name for name, value in self.labels.items()):
            raise ValueError("labels: one that is called positive or negative must mean it")
        label_by_key: dict[str, str] = {}
        for name, value in self.labels.items():
            if value.key in label_by_key:
                raise ValueError(f"labels: {label_by_key[value.key]} and {name} have one key, {value.key}")
            label_by_key[value.key] = name
        return self

    @property
    def name(self) -> str:
        return self._folder.name

    @property
    def folder(self) -> Path:
        return self._folder

    @property
    def guideline(self) -> Path:
        return self._folder / "GUIDELINE.md"

    @property
    def positive(self) -> str:
        """The value of the positive label."""
        return self.meaning(POSITIVE)[0]

    @property
    def negative(self) -> str:
        """The value of the negative label."""
        return self.meaning(NEGATIVE)[0]

    @property
    def judges_filter(self) -> bool:
        """Whether annotators say of inquiries that they are none, which tells the filter's precision."""
        return self.asked_of == "inquiries" and NOT_QUESTION in self.meaning(LEFT_OUT)

    def meaning(self, meaning: str) -> list[str]:
        """The values of the labels that mean this."""
        return [name for name, value in self.labels.items() if value.means == meaning]

    def value(self, answer: str) -> str:
        """An answer as a reader knows it: the label's value for `positive` and `negative`, any other as it is."""
        return {POSITIVE: self.positive, NEGATIVE: self.negative}.get(answer, answer)

    def words(self, answer: str) -> str:
        """An answer in words, as in not needed."""
        return self.value(answer).replace("_", " ").replace("dont", "don't")


def load_definition(project: Path, name: str) -> Definition:
    """The question in the folder questions/NAME of a project.

    Raises click.ClickException that lists the questions where there is none of this name, and for one that is wrong.
    """
    folder = project / QUESTIONS / name
    file = folder / "question.yaml"
    if not file.exists():
        names = ", ".join(sorted(other.parent.name for other in folder.parent.glob("*/question.yaml"))) or "none"
        raise click.ClickException(f"question.name: there is no {file}; the questions are {names}")
    definition = checked(file, Definition)
    definition._folder = folder
    return definition
