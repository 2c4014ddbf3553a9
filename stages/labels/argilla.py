"""Argilla: the labels in records that versions 1 and 2 write as JSON or JSON Lines.

Version 2 nests the responses (`to_json`) or has a column for each question (`to_datasets`). Of version 1 there are
feedback datasets, with a list of responses for each question or for each record, and text classification, with one
annotation for each record.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from stages.labels.label_rows import (
    Columns,
    Entry,
    LabelRow,
    Record,
    Skip,
    column,
    inquiry_id,
    mapping,
    person_names,
    sole_name,
    text_of,
    with_columns,
)

NAME = "Argilla"
RESPONSES = ".responses"  # after the name of a question
SUGGESTION = "-suggestion"
NO_LABEL = ("draft", "discarded")  # status of a response
CLASSIFICATION_SKIPS = {"Discarded": "discarded", "Edited": "draft"}  # status of a record of text classification
Response = Mapping[str, Any]  # with value, user_id, status, and in version 1 updated_at


def fits(record: Mapping[str, Any]) -> bool:
    """Whether a record has responses to questions, or is one of text classification."""
    has_responses = isinstance(record.get("responses"), dict | list) or bool(_responses_by_question(record))
    return has_responses or _is_classified(record)


def _is_classified(record: Mapping[str, Any]) -> bool:
    return "annotation" in record and ("annotation_agent" in record or "prediction_agent" in record)


def label_rows(records: Sequence[Record], columns: Columns) -> Iterator[Entry]:
    """The labels of an export. Raises ValueError where no question is known to have them."""
    note_name = columns.get("note", "note")
    questions = {name for record in records for name in _responses_by_question(record.fields)}
    label_name = sole_name(questions - {note_name}, columns if questions else {}, "question")
    if any(_has_text_for_responses(record.fields) for record in records):
        raise ValueError("Argilla's responses don't survive in a table: export JSON Lines (to_datasets().to_json)")
    for record in records:
        if _is_classified(record.fields):
            yield _classified_row(record, columns)
            continue
        responses = _responses_by_question(record.fields)
        without_label = _responses_without(label_name, record.fields)
        if not responses.get(label_name) and not without_label:
            yield Skip(record.place, "no response")
        for response in responses.get(label_name, []):
            yield _row(record, response, responses.get(note_name, []), columns)
        for response in without_label:
            yield Skip(record.place, _reason(response) or "no label")


def _responses_by_question(record: Mapping[str, Any]) -> dict[str, list[Response]]:
    """The responses to each question, whichever of Argilla's forms the record has."""
    nested = record.get("responses")
    by_question: dict[str, list[Response]] = {}
    if isinstance(nested, list):  # of version 1: each has the answers of a person to all questions
        for response in map(mapping, nested):
            for name, answer in mapping(response.get("values")).items():
                by_question.setdefault(name, []).append({**response, "value": mapping(answer).get("value")})
        return by_question
    for name, value in (nested if isinstance(nested, dict) else record).items():
        if name.endswith(RESPONSES):
            statuses = _elements(record.get(f"{name}.status"))
            users = _elements(record.get(f"{name}.users"))
            values = _elements(value)
            by_question[name.removesuffix(RESPONSES)] = [
                {"value": value, "user_id": _at(users, i), "status": _at(statuses, i)}
                for i, value in enumerate(values)
            ]
        elif responses := _response_objects(value):
            by_question[name] = responses
        elif f"{name}{SUGGESTION}" in record:
            by_question[name] = []
    return by_question


def _responses_without(question: str, record: Mapping[str, Any]) -> list[Response]:
    """The responses of a record of version 1 that don't answer the question."""
    responses = map(mapping, _elements(record.get("responses")))
    return [response for response in responses if question not in mapping(response.get("values"))]


def _reason(response: Response) -> str | None:
    """The reason why a response is no label, by its status."""
    status = response.get("status")
    return status if status in NO_LABEL else None


def _has_text_for_responses(record: Mapping[str, Any]) -> bool:
    """Whether a text stands where responses belong, as where a dataset was written as CSV."""
    names = [name for name in record if name.endswith(RESPONSES) or f"{name}{SUGGESTION}" in record]
    return any(isinstance(record[name], str) and record[name].strip() for name in names)


def _response_objects(value: Any) -> list[Response]:
    """A list of responses, also one that a dataset has turned into an object of lists; empty for any other value."""
    if isinstance(value, dict) and isinstance(value.get("value"), list) and "user_id" in value:
        lists = {key: _elements(elements) for key, elements in value.items()}
        return [{key: _at(elements, i) for key, elements in lists.items()} for i in range(len(lists["value"]))]
    elements = _elements(value)
    is_response = all(isinstance(element, dict) and element.keys() >= {"value", "user_id"} for element in elements)
    return elements if is_response else []


def _elements(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _at(values: list[Any], index: int) -> Any:
    return values[index] if index < len(values) else None


def _row(record: Record, response: Response, notes: list[Response], columns: Columns) -> LabelRow | Skip:
    reason = _reason(response)
    if reason:
        return Skip(record.place, reason)
    note = next((note.get("value") for note in notes if note.get("user_id") == response.get("user_id")), None)
    row = LabelRow(
        record.place,
        _record_id(record.fields, columns),
        response.get("value"),
        person_names(response.get("user_id")),
        response.get("updated_at") or response.get("inserted_at"),
        note=text_of(note),
    )
    return with_columns(row, columns, record.fields)


def _classified_row(record: Record, columns: Columns) -> LabelRow | Skip:
    fields = record.fields
    status = fields.get("status")
    if isinstance(status, str) and status in CLASSIFICATION_SKIPS:
        return Skip(record.place, CLASSIFICATION_SKIPS[status])
    annotators = person_names(fields.get("annotation_agent"))
    row = LabelRow(record.place, _record_id(fields, columns), fields.get("annotation"), annotators)
    return with_columns(row, columns, fields)


def _record_id(fields: Mapping[str, Any], columns: Columns) -> Any:
    """The id of the inquiry; the record's `id` may be it, which is the one that the record was imported with."""
    id = inquiry_id(columns, fields)
    return column("id", fields) if id is None and "id" not in columns else id
