"""Label Studio: inquiries as its tasks, with labels or without, and the labels in its exports.

Its JSON export has tasks with annotations. JSON-MIN, CSV and TSV have a flat row for each annotation, with
a column for each control of the labelling interface.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from stages.labels.label_rows import (
    Columns,
    Entry,
    LabelRow,
    Problem,
    Record,
    Skip,
    inquiry_id,
    json_value,
    listed,
    mapping,
    person_names,
    sole_name,
    text_of,
    with_columns,
)
from stages.labels.store import Line, labelled_at
from stages.llm.prompts import lettered
from stages.pipeline.definition import NEGATIVE, NOT_QUESTION, POSITIVE, Definition
from stages.pipeline.text import printable

NAME = "Label Studio"
LISTS = ("annotations", "completions")  # of a task; the second until version 1.0
FLAT = {"annotator", "lead_time", "updated_at"}  # columns that every flat row has
NO_CONTROLS = FLAT | {"id", "annotation_id", "created_at", "agreement", "history"}
TASK_DATA = {"inquiry", "chat", "question", "scores"}  # of the tasks that are made here

LABELING_CONFIG = """<View>
  <Paragraphs name="chat" value="$chat" layout="dialogue" nameKey="author" textKey="text"/>
  <Header value="$question" size="5"/>
  <Choices name="label" toName="chat" choice="single-radio" required="true" showInline="true">
{choices}
  </Choices>
  <TextArea name="note" toName="chat" placeholder="note" rows="1" editable="true" required="false"/>
</View>
"""


def labeling_config(question: Definition) -> str:
    """The labelling interface, with the question's labels and their keys."""
    choices = [f'    <Choice value="{name}" hotkey="{value.key}"/>' for name, value in question.labels.items()]
    return LABELING_CONFIG.format(choices="\n".join(choices))


def suggestion(source: str, label: str, score: float) -> dict[str, Any]:
    """A prediction in Label Studio's format; annotators see the label as already chosen."""
    choice = {"from_name": "label", "to_name": "chat", "type": "choices", "value": {"choices": [label]}}
    return {"model_version": source, "score": round(score, 4), "result": [choice]}


def suggestions(
    scores: Mapping[str, float], predictions: Mapping[str, Mapping[str, Any]], question: Definition
) -> list[dict[str, Any]]:
    """Labels that models and scorers suggest for an inquiry.

    `predictions` are models' answers to it, by model: the likelier label is suggested. `scores` are the filter's, from
    0 to 10, by scorer: a score below 5 suggests that it is no question, where there is a label for that.
    """
    answers = (POSITIVE, NEGATIVE)
    suggested = []
    for model, prediction in predictions.items():
        logprobs = {answer: prediction[answer] for answer in answers if prediction[answer] is not None}
        if logprobs:
            likeliest = max(logprobs, key=lambda answer: logprobs[answer])
            suggested.append(suggestion(model, question.value(likeliest), math.exp(logprobs[likeliest])))
        elif prediction["answer"] in answers:  # the protocol generate gives no probabilities
            suggested.append(suggestion(model, question.value(prediction["answer"]), 1))
    for scorer, score in scores.items():
        if score < 5 and question.judges_filter:
            suggested.append(suggestion(scorer, NOT_QUESTION, 1 - score / 10))
    return suggested


def task(
    inquiry: Mapping[str, Any],
    scores: Mapping[str, float],
    predictions: Mapping[str, Mapping[str, Any]],
    question: Definition,
) -> dict[str, Any]:
    """An inquiry as a task. The task's field `inquiry` is the id, since Label Studio has an `id` of its own."""
    turns = lettered([*inquiry["cr_window"], inquiry])
    asker, text = turns[-1]
    return {
        "data": {
            "inquiry": inquiry["id"],
            "chat": [{"author": letter, "text": text} for letter, text in turns],
            "question": f"{asker}: {text}",
            "scores": dict(scores),
        },
        "predictions": suggestions(scores, predictions, question),
    }


def labelled_task(
    inquiry: Mapping[str, Any], lines: Sequence[Line], emails: Mapping[str, str], question: Definition
) -> dict[str, Any]:
    """An inquiry as a task with the labels of annotators as annotations.

    `emails` are annotators' accounts. Label Studio refuses a `completed_by` that it doesn't know. An annotation
    without one becomes that of the person who imports it. It drops `annotator`, `created_at` and `updated_at`.
    """
    annotations = []
    for line in lines:
        at = datetime.fromtimestamp(labelled_at(line), UTC).isoformat().replace("+00:00", "Z")
        result = [{"from_name": "label", "type": "choices", "value": {"choices": [line["label"]]}}]
        if line["note"]:
            result.append({"from_name": "note", "type": "textarea", "value": {"text": [line["note"]]}})
        annotation = {
            "annotator": line["annotator"],
            "result": [{"to_name": "chat", **part} for part in result],
            "was_cancelled": False,
            "ground_truth": False,  # Label Studio takes what names none for a ground truth
            "lead_time": line["seconds"],
            "created_at": at,
            "updated_at": at,
        }
        if line["annotator"] in emails:
            annotation["completed_by"] = {"email": emails[line["annotator"]]}
        annotations.append(annotation)
    return task(inquiry, {}, {}, question) | {"annotations": annotations}


def fits(record: Mapping[str, Any]) -> bool:
    """Whether a record is a task with annotations or a row of a flat export."""
    return record.keys() >= FLAT or ("text" not in record and any(isinstance(record.get(key), list) for key in LISTS))


def label_rows(records: Sequence[Record], columns: Columns) -> Iterator[Entry]:
    """The labels of an export. Raises ValueError where no control is known to have them."""
    note_name = columns.get("note", "note")
    flat = [record for record in records if record.fields.keys() >= FLAT]
    if flat:
        label_column = _label_column(flat, columns)
        for record in flat:
            yield _flat_row(record, label_column, note_name, columns)
    tasks = [record for record in records if not record.fields.keys() >= FLAT]
    label_control = _label_control(tasks, columns)
    for record in tasks:
        yield from _task_rows(record, label_control, note_name, columns)


def _label_column(records: Sequence[Record], columns: Columns) -> str:
    names = {name for record in records for name in record.fields}
    return sole_name(names - NO_CONTROLS - TASK_DATA - {"note", columns.get("id")}, columns, "column")


def _flat_row(record: Record, label_name: str, note_name: str, columns: Columns) -> LabelRow | Skip:
    fields = record.fields
    if fields.get("annotation_id", 0) in (None, "") and fields.get(label_name) in (None, ""):
        return Skip(record.place, "not annotated")
    note = fields.get(note_name)
    if isinstance(note, str) and note.startswith(('{"text":', '[{"text":')):
        note = json_value(note)
    row = LabelRow(
        record.place,
        inquiry_id(columns, fields),
        fields.get(label_name),
        person_names(fields["annotator"]),
        fields.get("updated_at") or fields.get("created_at"),
        fields.get("lead_time"),
        text_of(note),
    )
    return with_columns(row, columns, fields)


def _annotations(task: Mapping[str, Any]) -> list[Any] | None:
    """The annotations of a task; None where it has no list of them."""
    return next((task[key] for key in LISTS if isinstance(task.get(key), list)), None)


def _parts(annotation: Any) -> list[Mapping[str, Any]]:
    """What an annotation says, a part for each control."""
    result = annotation.get("result") if isinstance(annotation, dict) else None
    return [part for part in result if isinstance(part, dict)] if isinstance(result, list) else []


def _control(part: Mapping[str, Any]) -> str:
    return str(part.get("from_name") or "label")


def _label_control(records: Sequence[Record], columns: Columns) -> str:
    """The control that has the labels. Raises ValueError where none is known to have them."""
    annotations = [annotation for record in records for annotation in _annotations(record.fields) or []]
    parts = [part for annotation in annotations if not _is_cancelled(annotation) for part in _parts(annotation)]
    kinds = {_control(part): _kind(part) for part in parts}
    choices = {name for name, kind in kinds.items() if kind == "choices"}
    name = columns.get("label", "label")
    if name in kinds and name not in choices:
        raise ValueError(f"the control {listed([name])} is of type {kinds[name]}, and must be of type choices")
    if set(kinds.values()) - {"choices", "textarea"} and not choices:
        raise ValueError(f"no control is of type choices; its controls are {listed(kinds)}")
    return sole_name(choices, columns if choices else {}, "control")


def _kind(part: Mapping[str, Any]) -> str:
    kind = "choices" if "choices" in mapping(part.get("value")) else part.get("type")
    return printable(kind or "unknown")


def _is_cancelled(annotation: Any) -> bool:
    return isinstance(annotation, dict) and bool(annotation.get("was_cancelled") or annotation.get("skipped"))


def _task_rows(record: Record, label_name: str, note_name: str, columns: Columns) -> Iterator[Entry]:
    annotations = _annotations(record.fields)
    if annotations is None:
        yield Problem(record.place, "no task", "no task of Label Studio: its list of annotations is missing")
        return
    drafts = record.fields.get("drafts")
    for _ in drafts if isinstance(drafts, list) else []:
        yield Skip(record.place, "draft")
    if not annotations:
        yield Skip(record.place, "not annotated")
    for annotation in annotations:
        if not isinstance(annotation, dict):
            yield Problem(record.place, "no annotation", "an annotation is no object")
        elif _is_cancelled(annotation):
            yield Skip(record.place, "cancelled")
        else:
            yield _annotation_row(record, annotation, label_name, note_name, columns)


def _annotation_row(
    record: Record, annotation: Mapping[str, Any], label_name: str, note_name: str, columns: Columns
) -> LabelRow:
    labels: list[Any] = []
    notes: list[Any] = []
    for part in _parts(annotation):
        if _control(part) == label_name:
            labels.append(mapping(part.get("value")).get("choices"))
        elif _control(part) == note_name:
            notes.append(part.get("value"))
    row = LabelRow(
        record.place,
        inquiry_id(columns, record.fields),
        [{"choices": label} for label in labels],
        person_names(annotation.get("annotator"), annotation.get("completed_by")),
        annotation.get("updated_at") or annotation.get("created_at"),
        annotation.get("lead_time"),
        text_of(notes),
    )
    return with_columns(row, columns, annotation, record.fields)
