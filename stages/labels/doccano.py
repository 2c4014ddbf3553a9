"""doccano: labelled inquiries as its JSON Lines, and the labels in its exports.

Its export has a file for each member of the project, named by the member, or all.jsonl where all work on one set of
labels. An object has the text, the labels as a list, the comments, and what else was in the imported file.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from stages.labels.label_rows import (
    Columns,
    Entry,
    LabelRow,
    Record,
    column,
    inquiry_id,
    mapping,
    person_names,
    text_of,
    with_columns,
)
from stages.labels.store import Line, labelled_at

NAME = "doccano"
EVERYBODY = "all"  # the name of the file with the labels of all members


def fits(record: Mapping[str, Any]) -> bool:
    """Whether a record has a text, and labels as doccano and its earlier versions write them."""
    has_list = any(isinstance(record.get(key), list) for key in ("label", "labels", "annotations"))
    return "text" in record and (has_list or record.keys() >= {"label", "Comments"})


def label_rows(records: Sequence[Record], columns: Columns) -> Iterator[Entry]:
    """The labels of an export. doccano's `id` is its own, so the inquiry's must be among the other fields."""
    for record in records:
        if isinstance(record.fields.get("annotations"), list):
            yield from _old_rows(record, columns)
        else:
            yield _row(record, columns)


def _row(record: Record, columns: Columns) -> LabelRow:
    fields = record.fields
    label = column(columns["label"], fields) if "label" in columns else fields.get("label", fields.get("labels"))
    row = LabelRow(
        record.place,
        inquiry_id(columns, fields),
        label,
        person_names(fields.get("username"), fields.get("annotator")),
        note=text_of(column(columns.get("note", "Comments"), fields)),
    )
    exported = mapping(fields.get("labelled"))
    if exported and [exported.get("label")] == label:  # nobody has changed it in doccano, so it was made before
        row = row._replace(at=exported.get("at"), seconds=exported.get("seconds"))
    return with_columns(row, columns, fields)


def _old_rows(record: Record, columns: Columns) -> Iterator[LabelRow]:
    """The labels of an object of version 1.2 or earlier: numbers, of which a person may have chosen several."""
    words: dict[tuple[str, ...], list[Any]] = {}
    for annotation in map(mapping, record.fields["annotations"]):
        words.setdefault(person_names(annotation.get("user")), []).append(annotation.get("label"))
    for person, labels in (words or {(): []}).items():
        row = LabelRow(record.place, inquiry_id(columns, record.fields), labels, person)
        yield with_columns(row, columns, record.fields)


def example(line: Line, text: str) -> dict[str, Any]:
    """A label and the text of its inquiry for doccano, which gives fields that it doesn't know back in its export.

    `labelled` tells the label with its time, so that a label that comes back unchanged is no new one.
    """
    return {
        "text": text,
        "inquiry": line["id"],
        "label": [line["label"]],
        "Comments": [line["note"]] if line["note"] else [],
        "labelled": {"label": line["label"], "at": labelled_at(line), "seconds": line["seconds"]},
    }
