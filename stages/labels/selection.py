"""The items that an annotator is shown, and their order."""

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import click

from stages.labels.store import Line, labelled_at, latest_lines, load, load_files, votes
from stages.pipeline.definition import Definition
from stages.pipeline.schemas import Queue
from stages.pipeline.tables import read, rows

Items = list[dict[str, Any]]


def in_queue_order(inquiries: Items, queue: Path | None, first: int | None = None) -> Items:
    """The first of the inquiries, or of those that a queue has, in its order. Other ids of the queue are left out."""
    if queue is None:
        return inquiries[:first]
    by_id = {item["id"]: item for item in inquiries}
    return [by_id[id] for id in rows_by_id(queue) if id in by_id][:first]


def rows_by_id(queue: Path) -> dict[int, dict[str, Any]]:
    """The rows of a queue by id, in its order."""
    return {row["id"]: row for row in rows(read(queue, Queue))}


def labelled_by(annotator: str, annotations: Path, question: Definition, items: Items) -> Items:
    """The items that an annotator has labelled."""
    file = annotations / question.name / f"{annotator}.jsonl"
    if not file.exists():
        raise click.ClickException(f"--like: there is no {file}")
    votes_by_id = votes(load_files([file], question))
    return [item for item in items if item["id"] in votes_by_id]


def is_done(line: Line, queue_row: Mapping[str, Any] | None, standing: Collection[str]) -> bool:
    """Whether an annotator's line has a label that needn't be made again.

    In a queue it is made again unless it is later than the last label that led to the queue, or the item is queued for
    an older guideline and this label is under one of the `standing` versions.
    """
    if not line["label"] or queue_row is None:
        return bool(line["label"])
    stands = line["guideline"] in standing
    return labelled_at(line) > queue_row["at"] or (queue_row["reason"] == "older_guideline" and stands)


def lines_of_others(annotator: str, annotations: Path, question: Definition) -> dict[int, list[Line]]:
    """The current label or note of every other annotator, by item, with the labels that came with the export."""
    others = [line for line in load(annotations, question) if line["annotator"] != annotator]
    return {
        id: [line for line in lines_by_annotator.values() if line["label"] or line["note"]]
        for id, lines_by_annotator in latest_lines(others).items()
    }
