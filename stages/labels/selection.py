"""The items that an annotator is shown, and their order."""

from pathlib import Path
from typing import Any

import click

from stages.labels.store import load, votes
from stages.pipeline.schemas import Queue
from stages.pipeline.tables import read, rows

Items = list[dict[str, Any]]


def in_queue_order(inquiries: Items, queue: Path | None, first: int | None = None) -> tuple[Items, dict[int, int]]:
    """The inquiries, those of the queue first and in its order, and since when each queued id is in the queue.

    That time is in epoch seconds; a label that is later counts as new. With `first` there are only so many inquiries,
    all of the queue if there is one.
    """
    if queue is None:
        return inquiries[:first], {}
    queued_since = {row["id"]: row["at"] for row in rows(read(queue, Queue))[:first]}
    by_id = {item["id"]: item for item in inquiries}
    queued = [by_id[id] for id in queued_since if id in by_id]
    others = [item for item in inquiries if item["id"] not in queued_since]
    return (queued if first else queued + others), queued_since


def labelled_by(annotator: str, annotations: Path, items: Items) -> Items:
    """The items that an annotator has labelled."""
    file = annotations / f"{annotator}.jsonl"
    if not file.exists():
        raise click.ClickException(f"--like: there is no {file}")
    votes_by_id = votes(load([file]))
    return [item for item in items if item["id"] in votes_by_id]
