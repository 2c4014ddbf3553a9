"""Prodigy: the labels in what `prodigy db-out` writes, an object for each answer.

A session is named by the dataset and the person, as in room-ines, or by the time when it began if nobody was named.
"""

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from stages.labels.label_rows import (
    Columns,
    Entry,
    LabelRow,
    Problem,
    Record,
    Skip,
    column,
    inquiry_id,
    mapping,
    person_names,
    text_of,
    with_columns,
)
from stages.pipeline.text import quoted

NAME = "Prodigy"
NO_LABEL = {"ignore": "ignored", "reject": "rejected"}  # the reason of an answer that gives no label
UNNAMED = re.compile(r"(?:.*-)?(?:\d{4}-\d\d-\d\d_\d\d-\d\d-\d\d|default)")


def fits(record: Mapping[str, Any]) -> bool:
    return record.get("answer") in ("accept", *NO_LABEL)


def label_rows(records: Sequence[Record], columns: Columns) -> Iterator[Entry]:
    """The labels of the answers that accept one."""
    names_by_session = _session_names({_session(record.fields) for record in records})
    for record in records:
        answer = record.fields.get("answer")
        if isinstance(answer, str) and answer in NO_LABEL:
            yield Skip(record.place, NO_LABEL[answer])
        elif answer != "accept":
            yield Problem(record.place, "no answer", f"answer is {quoted(repr(answer))}, not accept, reject or ignore")
        else:
            yield _row(record, names_by_session[_session(record.fields)], columns)


def _row(record: Record, annotator: tuple[str, ...], columns: Columns) -> LabelRow:
    fields = record.fields
    if "label" in columns:
        label = column(columns["label"], fields)
    else:
        label = _accepted(fields) if isinstance(fields.get("accept"), list) else fields.get("label")
    row = LabelRow(
        record.place,
        inquiry_id(columns, fields),
        label,
        annotator,
        fields.get("_timestamp"),
        note=text_of(column(columns.get("note", "note"), fields)),
    )
    return with_columns(row, columns, fields)


def _accepted(fields: Mapping[str, Any]) -> list[Any]:
    """The accepted options: their ids, or the texts of those whose ids are numbers."""
    options = fields.get("options")
    text_by_id = {}
    for option in map(mapping, options if isinstance(options, list) else []):
        if isinstance(option.get("id"), int):
            text_by_id[option["id"]] = option.get("text")
    return [text_by_id.get(id, id) if isinstance(id, int) else id for id in fields["accept"]]


def _session(fields: Mapping[str, Any]) -> str:
    names = person_names(fields.get("_annotator_id") or fields.get("_session_id"))
    return names[0] if names and not UNNAMED.fullmatch(names[0]) else ""


def _session_names(sessions: set[str]) -> dict[str, tuple[str, ...]]:
    """The names of the person in each session: its own name, and what follows its last hyphen where that tells the
    sessions apart.
    """
    sessions_by_person = defaultdict(list)
    for session in sessions:
        sessions_by_person[session.rpartition("-")[2]].append(session)
    names: dict[str, tuple[str, ...]] = {"": ()}
    for person, same_person in sessions_by_person.items():
        for session in filter(None, same_person):
            names[session] = person_names(session, person) if len(same_person) == 1 else (session,)
    return names
