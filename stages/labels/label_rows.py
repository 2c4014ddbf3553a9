"""Rows of label files: what the readers of each tool's exports yield, and how they look a value up.

`label_rows(records, columns)` of a tool's module yields a LabelRow for each label, a Skip for what is no label, and a
Problem for what can't be read. `columns` has the names that the user says for the fields of a LabelRow.
"""

import json
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from stages.pipeline.text import printable, quoted

FIELDS = ("id", "label", "annotator", "at", "seconds", "note")
NESTED = ("data", "meta", "metadata", "fields")  # objects in which tools keep the columns of an imported file
PERSON_KEYS = ("email", "username", "name", "id")
NAMES_LISTED = 12  # of a record, in a message
Columns = Mapping[str, str]  # the name that a file has for a field of FIELDS


class Record(NamedTuple):
    """A row of a table or an object of a JSON file, and its place there."""

    place: str
    fields: Mapping[str, Any]


class LabelRow(NamedTuple):
    """A label as it stands in the file. `annotator` has all names that the file has for the annotator."""

    place: str
    id: Any
    label: Any
    annotator: tuple[str, ...] = ()
    at: Any = None
    seconds: Any = None
    note: Any = None


class Skip(NamedTuple):
    """An entry of the file that is no label, and the reason."""

    place: str
    reason: str


class Problem(NamedTuple):
    """An entry of the file that can't be read. Problems of one kind are counted; the message is the first one's."""

    place: str
    kind: str
    message: str


Entry = LabelRow | Skip | Problem


class RowError(ValueError):
    """A value that no label line can have. Problems of one kind are counted."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


def mapping(value: Any) -> Mapping[str, Any]:
    """The value if it is an object, or the JSON text of one; otherwise an empty object."""
    if isinstance(value, str) and value.lstrip().startswith("{"):
        value = json_value(value)
    return value if isinstance(value, dict) else {}


def json_value(text: str) -> Any:
    """The value of a JSON text; the text itself where it is none."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def column(name: str, *objects: Mapping[str, Any]) -> Any:
    """The value of the first object that has the name, by itself or in one of NESTED; None if none has it.

    A name as `meta.nr` is that of a value in another object.
    """
    parent, _, child = name.partition(".")
    for fields in objects:
        for place in (fields, *(mapping(fields.get(key)) for key in NESTED)):
            if name in place:
                return place[name]
        if child in mapping(fields.get(parent)):
            return mapping(fields[parent])[child]
    return None


def inquiry_id(columns: Columns, *objects: Mapping[str, Any]) -> Any:
    """The id of the inquiry: of the column that the user names, or `inquiry`, or `external_id`."""
    if "id" in columns:
        return column(columns["id"], *objects)
    own_id = column("inquiry", *objects)
    return column("external_id", *objects) if own_id is None else own_id


def with_columns(row: LabelRow, columns: Columns, *objects: Mapping[str, Any]) -> LabelRow:
    """The row with the annotator, the time and the seconds of the columns that the user names."""
    if "annotator" in columns:
        row = row._replace(annotator=person_names(column(columns["annotator"], *objects)))
    if "at" in columns:
        row = row._replace(at=column(columns["at"], *objects))
    if "seconds" in columns:
        row = row._replace(seconds=column(columns["seconds"], *objects))
    return row


def person_names(*people: Any) -> tuple[str, ...]:
    """The names of a person: texts, numbers, or the values of an object about the person; each on one line."""
    names: dict[str, None] = {}
    for person in people:
        values = [person.get(key) for key in PERSON_KEYS] if isinstance(person, dict) else [person]
        for value in values:
            if isinstance(value, float) and value.is_integer():
                value = int(value)
            if isinstance(value, str | int) and printable(value):
                names[printable(value)] = None
    return tuple(names)


def chosen_words(value: Any) -> list[str]:
    """The words that a value chooses: a text, a list, Label Studio's {"choices": […]}, or the JSON text of these.

    Raises RowError for what is no choice of words.
    """
    if isinstance(value, str) and value.lstrip().startswith(("[", "{")):
        value = json_value(value)
    if isinstance(value, dict) and "choices" in value:
        value = value["choices"]
    values = value if isinstance(value, list) else [value]
    words: dict[str, None] = {}
    for element in values:
        if isinstance(element, dict) and "choices" in element:
            words |= dict.fromkeys(chosen_words(element))
        elif isinstance(element, dict | list):
            kind = "spans" if isinstance(element, list) else ", ".join(sorted(map(str, element))) or "an empty object"
            raise RowError("no choice", f"the label holds {quoted(kind, length=80)}, and must be a choice of one word")
        elif element is not None and printable(element):
            words[printable(element)] = None
    return list(words)


def text_of(value: Any) -> str | None:
    """A note: a text, or several texts as of a text area, a line each."""
    if isinstance(value, dict):
        value = value.get("text")
    if isinstance(value, list):
        value = "\n".join(text for element in value if (text := text_of(element)))
    if value in (None, "") or isinstance(value, dict):
        return None
    return str(value).encode("utf-8", "replace").decode()  # half of a surrogate pair can't be written


def listed(names: Iterable[Any]) -> str:
    """Names from a file, for a message."""
    texts = [printable(name)[:40] for name in names]
    more = [f"and {len(texts) - NAMES_LISTED} more"] if len(texts) > NAMES_LISTED else []
    return ", ".join([*texts[:NAMES_LISTED], *more]) or "none"


def sole_name(names: Iterable[str], columns: Columns, kind: str) -> str:
    """The control or question that has the labels: the one that the user names, `label`, or the only one.

    Raises ValueError that lists the names where this doesn't tell.
    """
    choices = sorted(set(names))
    if "label" in columns:
        if columns["label"] not in choices:
            raise ValueError(f"no {kind} {printable(columns['label'])!r}; it has {listed(choices)}")
        return columns["label"]
    if "label" in choices or not choices:
        return "label"
    if len(choices) > 1:
        raise ValueError(
            f"several {kind}s and none is called 'label': {listed(choices)}; choose one with --column label=NAME"
        )
    return choices[0]
