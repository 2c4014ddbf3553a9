"""The label store: one append-only file of JSON Lines for each annotator, data/annotations/ANNOTATOR.jsonl.

Of an annotator's lines for an item the one with the highest `at` counts, the others are its history. A line whose
label is null says that there is none: it was taken back, or there is only a note. Labels on random turns, question or
not, lie in data/annotations/filter/ANNOTATOR.jsonl.
"""

import fcntl
import hashlib
import json
import os
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from stages.schemas import Label, QuestionLabel
from stages.tables import failures, hold, read, rows

PLACES = {Label: "", QuestionLabel: "filter"}  # of their files under data/annotations/
Line = dict[str, Any]


def guideline(folder: Path) -> str:
    """The version of the guideline: the first 12 digits of the sha256 of GUIDELINE.md in the label files' folder."""
    file = folder / "GUIDELINE.md"
    if not file.exists():
        raise click.ClickException(f"{file} is missing: write down what the labels mean before anybody labels")
    return hashlib.sha256(file.read_bytes()).hexdigest()[:12]


def load(files: Iterable[Path], model: type[Label] = Label) -> list[Line]:
    """Every line of label files, oldest first. Raises click.ClickException that names each bad line."""
    tables = {file: read(file, model) for file in files}
    wrong = [line for file in tables for line in misspelt(file, model)]
    if wrong := wrong or [line for file, table in tables.items() for line in failures(hold(table), model, str(file))]:
        raise click.ClickException("\n".join(wrong))
    return sorted((line for table in tables.values() for line in rows(table)), key=lambda line: line["at"])


def misspelt(file: Path, model: type[Label]) -> list[str]:
    """What a table that is read with its columns' types passes over: fields that it doesn't have, a missing label,
    which would count as one taken back, ids that are no whole numbers. What isn't JSON is found by reading the table.
    """
    known, found = model.to_schema().columns.keys(), []
    with file.open(encoding="utf-8", errors="replace") as lines:
        for number, line in enumerate(lines, 1):
            try:
                row = json.loads(line)
            except ValueError:
                continue
            if not isinstance(row, dict):
                found.append(f"{file}: row {number}: is no label but {line.strip()[:80]!r}")
                continue
            wrong = [f"{name}: is no field of a label" for name in row if name not in known]
            if "label" not in row:
                wrong.append("label: is missing; where there is none it is null")
            if not isinstance(row.get("id"), int):
                wrong.append("id: must be a whole number")
            found += [f"{file}: row {number}, id {row.get('id')}, {what}" for what in wrong]
    return found


def latest(lines: Iterable[Line]) -> dict[int, dict[str, Line]]:
    """Of lines, oldest first, the one that counts, by item and annotator."""
    found: dict[int, dict[str, Line]] = {}
    for line in lines:
        found.setdefault(line["id"], {})[line["annotator"]] = line
    return found


def votes(lines: Iterable[Line]) -> dict[int, dict[str, str]]:
    """Labels by item and annotator, of lines, oldest first; items without any label are left out."""
    given = {
        id: {annotator: line["label"] for annotator, line in by.items() if line["label"]}
        for id, by in latest(lines).items()
    }
    return {id: by for id, by in given.items() if by}


def when_given(line: Line) -> int:
    """When the label of a line was given, in epoch seconds: a note that comes later doesn't give it again."""
    return line["given"] or line["at"]


class Mine:
    """One annotator's file, open for appending by this process alone. `lines` are the ones that count, by item."""

    def __init__(self, file: Path, guideline: str, model: type[Label]):
        self.annotator, self.guideline, self.file = file.stem, guideline, file
        history = load([file], model)
        if others := {line["annotator"] for line in history} - {self.annotator}:
            raise click.ClickException(f"{file} has labels by {', '.join(sorted(others))}: a file is one annotator's")
        self.lines = {id: by[self.annotator] for id, by in latest(history).items()}
        self.seen = {(line["id"], line["at"]): line["label"] for line in history}
        self.given = {(line["id"], line["label"]) for line in history}

    def append(
        self,
        id: int,
        label: str | None,
        seconds: float | None = None,
        note: str | None = None,
        like: Line | None = None,
    ) -> None:
        """Put a label on disk; when this returns, no crash can lose it. With `like` it is not a new one, but that of a
        line before, with its time and guideline.
        """
        line = {
            "id": id,
            "annotator": self.annotator,
            "label": label,
            "at": self._now(id),
            "seconds": seconds,
            "guideline": like["guideline"] if like else self.guideline,
            "note": note,
            "given": when_given(like) if like else None,
        }
        self._write([line])
        self.lines[id] = line

    def extend(self, lines: list[Line]) -> int:
        """Put labels that were made elsewhere on disk, less those that are here already; how many are new. One without
        a time was made now, unless the annotator has ever given it. Raises click.ClickException for another label at
        the time of one that is here.
        """
        for line in lines:
            before = self.seen.get((line["id"], line["at"]), line["label"])
            if before != line["label"]:
                raise click.ClickException(
                    f"id {line['id']}: at {line['at']} {self.annotator} said {before} and now {line['label']}:"
                    " a changed label needs a later time, or none"
                )

        def known(line: Line) -> bool:
            if line["at"] is None:
                return (line["id"], line["label"]) in self.given
            counts = self.lines.get(line["id"])
            same = counts is not None and counts["label"] == line["label"] and counts["at"] <= line["at"]
            return same or (line["id"], line["at"]) in self.seen

        new = [line | {"at": line["at"] or self._now(line["id"])} for line in lines if not known(line)]
        self._write(new)
        return len(new)

    def _now(self, id: int) -> int:
        """In epoch seconds; a second label within the second is the later one."""
        now, before = int(time.time()), self.lines.get(id)
        return max(now, before["at"] + 1) if before else now

    def _write(self, lines: list[Line]) -> None:
        """Append lines at once and wait until they are on the disk; fields without a value are left out, but for the
        two that every line has.
        """
        kept = [{k: v for k, v in line.items() if v is not None or k in ("label", "seconds")} for line in lines]
        text = "".join(json.dumps(line, separators=(",", ":"), ensure_ascii=False) + "\n" for line in kept)
        with self.file.open("ab") as target:
            target.write(text.encode())
            target.flush()
            os.fsync(target.fileno())


@contextmanager
def opened(folder: Path, annotator: str, model: type[Label] = Label) -> Iterator[Mine]:
    """An annotator's file, made if there is none, for one process at a time."""
    file = folder / PLACES[model] / f"{annotator}.jsonl"
    version = guideline(folder / PLACES[model])
    file.parent.mkdir(exist_ok=True)
    with file.open("ab") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise click.ClickException(f"{file} is open in another terminal") from error
        mend(file)
        yield Mine(file, version, model)


def mend(file: Path) -> None:
    """Put a last line that a crash cut in the middle, and nobody was told was kept, aside in a file of its own."""
    whole, _, last = file.read_bytes().rpartition(b"\n")
    if not last:
        return
    try:
        json.loads(last)
    except ValueError:
        aside = file.with_suffix(".torn")
        aside.write_bytes(last)
        os.truncate(file, len(whole) + 1 if whole else 0)
        click.echo(f"{file}: the last line was cut in the middle; it is kept in {aside}", err=True)
    else:
        with file.open("ab") as target:
            target.write(b"\n")  # the line is whole, its end was never written
