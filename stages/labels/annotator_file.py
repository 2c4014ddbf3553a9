"""One annotator's label file, written by one process at a time. A label that was appended survives any crash."""

import fcntl
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import click

from stages.labels.store import (
    Line,
    guideline_version,
    label_files,
    labelled_at,
    latest_lines,
    load_files,
    refuse_conflict,
)
from stages.pipeline.definition import Definition

ALWAYS_WRITTEN = ("label", "seconds")  # fields that every line has, null or not


class AnnotatorFile:
    """An annotator's file with labels of a question, open for appending by this process alone. `lines` has the line
    that counts, by item.
    """

    def __init__(self, file: Path, question: Definition):
        self.annotator, self.question, self.file = file.stem, question, file
        self.guideline = guideline_version(question.guideline)
        history = load_files([file], question)
        self.lines = {id: by_annotator[self.annotator] for id, by_annotator in latest_lines(history).items()}
        self._label_at = {(line["id"], line["at"]): line["label"] for line in history}
        self._labels_ever = {(line["id"], line["label"]) for line in history}

    def append(
        self,
        id: int,
        label: str | None,
        seconds: float | None = None,
        note: str | None = None,
        restored_from: Line | None = None,
        chosen: str | None = None,
    ) -> None:
        """Put a label on disk; when this returns, no crash can lose it.

        `chosen` says how the item came to the annotator. With `restored_from` the label is not a new one: it keeps the
        time, the guideline and `chosen` of that earlier line.
        """
        line = {
            "id": id,
            "annotator": self.annotator,
            "label": label,
            "at": self._next_time(id),
            "seconds": seconds,
            "guideline": restored_from["guideline"] if restored_from else self.guideline,
            "note": note,
            "given": labelled_at(restored_from) if restored_from else None,
            "chosen": restored_from["chosen"] if restored_from else chosen,
        }
        self._write([line], "the last label or note is not kept")
        self.lines[id] = line

    def extend(self, lines: list[Line]) -> int:
        """Put labels that were made elsewhere on disk, except those that are here already; return how many are new.

        A label without a time was made now, unless the annotator has ever given it to the item. Raises
        click.ClickException where another label of the same time is here.
        """
        self.refuse_contradictions(lines)
        new = [line | {"at": line["at"] or self._next_time(line["id"])} for line in lines if not self._is_known(line)]
        self._write(new, f"none of {self.annotator}'s {len(new)} new labels is kept")
        return len(new)

    def refuse_contradictions(self, lines: list[Line]) -> None:
        """Raise click.ClickException where another label of the same time is here."""
        contradicting = [
            line for line in lines if self._label_at.get((line["id"], line["at"]), line["label"]) != line["label"]
        ]
        if contradicting:
            id, at, label = (contradicting[0][field] for field in ("id", "at", "label"))
            count = f"{len(contradicting)} labels, first " if len(contradicting) > 1 else ""
            raise click.ClickException(
                f"{count}id {id}: at {at} {self.annotator} said {self._label_at[id, at]} and now {label}: a changed"
                " label needs a later time, or none; nothing was imported"
            )

    def _is_known(self, line: Line) -> bool:
        if line["at"] is None:
            return (line["id"], line["label"]) in self._labels_ever
        if (line["id"], line["at"]) in self._label_at:
            return True
        current = self.lines.get(line["id"])
        return current is not None and current["label"] == line["label"] and current["at"] <= line["at"]

    def _next_time(self, id: int) -> int:
        """Now in epoch seconds, or a second after the item's last label where that is later."""
        now = int(time.time())
        last = self.lines.get(id)
        return max(now, last["at"] + 1) if last else now

    def _write(self, lines: list[Line], consequence: str) -> None:
        """Append lines in one write. Fields that are null are left out, except ALWAYS_WRITTEN."""
        text = ""
        for line in lines:
            fields = {name: value for name, value in line.items() if value is not None or name in ALWAYS_WRITTEN}
            text += json.dumps(fields, separators=(",", ":"), ensure_ascii=False) + "\n"
        append_bytes(self.file, text.encode(), consequence)


def append_bytes(file: Path, content: bytes, consequence: str) -> None:
    """Append to a file and wait until the content is on the disk.

    Where it can't be written, the file stays as it was and click.ClickException states the `consequence`.
    """
    size = file.stat().st_size if file.exists() else 0
    try:
        with file.open("ab") as target:
            target.write(content)
            target.flush()
            os.fsync(target.fileno())
    except OSError as error:
        with suppress(OSError):  # where this fails too, the next start puts the torn line aside
            os.truncate(file, size)
        raise write_error(file, error, consequence) from error


def write_error(file: Path, error: OSError, consequence: str) -> click.ClickException:
    return click.ClickException(f"{file.parent}: {file.name} can't be written: {error.strerror}; {consequence}")


@contextmanager
def open_for(annotator: str, annotations: Path, question: Definition) -> Iterator[AnnotatorFile]:
    """The file of an annotator's labels of a question, made if there is none, locked against other processes."""
    file = annotations / question.name / f"{annotator}.jsonl"
    guideline_version(question.guideline)  # without a guideline nobody labels
    label_files(annotations, question)
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        lock = file.open("ab")
    except OSError as error:
        raise write_error(file, error, "nothing was labelled") from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise click.ClickException(f"{file} is open in another terminal") from error
        refuse_conflict(file)
        repair_last_line(file)
        yield AnnotatorFile(file, question)


def repair_last_line(file: Path) -> None:
    """Move a last line that a crash cut in the middle to a file of its own; nobody was told that it was kept."""
    complete, _, last = file.read_bytes().rpartition(b"\n")
    if not last:
        return
    try:
        json.loads(last)
    except ValueError:
        torn = file.with_suffix(".torn")
        append_bytes(torn, last + b"\n", f"{file.name} keeps its torn last line")
        os.truncate(file, len(complete) + 1 if complete else 0)
        click.echo(f"{file}: the last line was cut in the middle; it is kept in {torn}", err=True)
    else:
        append_bytes(file, b"\n", "nothing was labelled")  # only the line's end was never written
