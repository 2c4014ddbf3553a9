"""The label store: one append-only file of JSON Lines for each annotator, data/annotations/QUESTION/ANNOTATOR.jsonl.

Of an annotator's lines for an item the one with the highest `at` counts, the others are its history. A line whose
label is null says that there is none: it was taken back, or there is only a note. This module reads the files,
annotator_file.py writes them.
"""

import hashlib
import re
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import click

from stages.chat import MILLISECONDS
from stages.pipeline.definition import NEGATIVE, POSITIVE, Definition
from stages.pipeline.schemas import BY_READERS, FROM_EXPORT, NO_GUIDELINE, label_of
from stages.pipeline.tables import failures, materialize, read, refuse, rows

CLOCK_TOLERANCE = 86_400  # seconds that a clock may be ahead
VERSIONS_SECTION = re.compile(r"^## Versions\s*$(.*?)(?=^#|\Z)", re.MULTILINE | re.DOTALL)
LIST_ENTRY = re.compile(r"^[-*+].*", re.MULTILINE)
VERSION = re.compile(r"- `([0-9a-f]{12})`: \S")
CONFLICT_MARKER = re.compile(rb"(<{7}|>{7}|={7}|\|{7})(\s|$)")
IMPORTED = {"needed": POSITIVE, "not_needed": NEGATIVE}  # what the labels mean that stood in an export
Line = dict[str, Any]


def guideline_version(file: Path) -> str:
    """The first 12 digits of the guideline's sha256."""
    if not file.exists():
        raise click.ClickException(f"{file} is missing: write down what the labels mean before anybody labels")
    return hashlib.sha256(file.read_bytes()).hexdigest()[:12]


def standing_versions(file: Path) -> frozenset[str]:
    """The versions of the guideline whose labels stand: the current one, the earlier ones that the list in its section
    "Versions" names, and NO_GUIDELINE.

    Raises click.ClickException that names each entry of the list without a version.
    """
    versions = {guideline_version(file), NO_GUIDELINE}
    section = VERSIONS_SECTION.search(file.read_text(encoding="utf-8", errors="replace"))
    errors = []
    for entry in LIST_ENTRY.findall(section[1]) if section else []:
        version = VERSION.match(entry)
        if version:
            versions.add(version[1])
        else:
            errors.append(f"{file}: Versions: {entry!r} must begin with - `12 hexadecimal digits`: and say why")
    if errors:
        refuse(errors)
    return frozenset(versions)


def label_files(annotations: Path, question: Definition) -> list[Path]:
    """The files of a question's labels, one for each annotator.

    Raises click.ClickException where label files lie beside the questions' folders, as they did before there were any.
    """
    if old := sorted(annotations.glob("*.jsonl")):
        raise click.ClickException(
            f"{', '.join(map(str, old))}: labels lie in a folder for each question: git mv {' '.join(map(str, old))}"
            f" {annotations / question.name}/"
        )
    return sorted((annotations / question.name).glob("*.jsonl"))


def load(annotations: Path, question: Definition, imported: Path | None = None) -> list[Line]:
    """Every label of a question, with those that came with the export where it has them, oldest first.

    `imported` is the file of the latter, by default the one beside data/annotations, if there is one. Raises
    click.ClickException that names each bad line.
    """
    beside = annotations.parent / "imported.jsonl"
    if imported is None and beside.exists():
        imported = beside
    return load_files(label_files(annotations, question), question, imported if question.export_field else None)


def load_files(files: Iterable[Path], question: Definition, imported: Path | None = None) -> list[Line]:
    """Every line of label files and of the labels that came with the export, oldest first.

    Raises click.ClickException that names each bad line.
    """
    owners = {file: file.stem for file in files}
    reserved = [str(file) for file, owner in owners.items() if owner == FROM_EXPORT]
    if reserved:
        raise click.ClickException(
            f"{', '.join(reserved)}: {FROM_EXPORT} is the name of labels that came with the chat export: rename the"
            " file and the annotator in it"
        )
    if imported:
        owners[imported] = FROM_EXPORT
    for file in owners:
        refuse_conflict(file)
    lines: list[Line] = []
    errors: list[str] = []
    for file, owner in owners.items():
        model = label_of(list(question.labels) if file != imported else list(IMPORTED))
        try:
            table = materialize(read(file, model))
        except click.ClickException as error:
            errors += error.message.splitlines()
            continue
        broken_rows = failures(table, model, str(file))
        if broken_rows:
            errors += broken_rows
            continue
        file_lines = rows(table)
        errors += owner_and_time_errors(file, owner, file_lines)
        if file == imported:
            file_lines = [
                line | {"label": question.value(IMPORTED[line["label"]])} for line in file_lines if line["label"]
            ]
        lines += file_lines
    if errors:
        refuse(errors)
    return sorted(lines, key=lambda line: line["at"])


def refuse_conflict(file: Path) -> None:
    """Raise click.ClickException where git has left the markers of a merge conflict in a label file."""
    with file.open("rb") as lines:
        for number, line in enumerate(lines, start=1):
            if CONFLICT_MARKER.match(line):
                raise click.ClickException(
                    f"{file}, line {number}: a merge conflict: resolve it: keep both sides' lines and delete the"
                    " markers"
                )


def owner_and_time_errors(file: Path, owner: str, lines: list[Line]) -> list[str]:
    """A message for each kind of error in a file's lines, with the first id: another annotator, an impossible time."""
    ids_by_error: dict[str, list[int]] = {}
    for line in lines:
        if line["annotator"] != owner:
            error = f"by {line['annotator']}: a file is one annotator's"
            ids_by_error.setdefault(error, []).append(line["id"])
        for field in ("at", "given"):
            reason = time_error(line[field]) if line[field] else None
            if reason:
                ids_by_error.setdefault(f"whose `{field}` {reason}", []).append(line["id"])
    return [
        f"{file} has labels {error}; {len(ids)} of {len(lines)}, first id {ids[0]}"
        for error, ids in ids_by_error.items()
    ]


def time_error(at: float) -> str | None:
    """The reason why a label can't have been made at this time, None where it can."""
    if at >= MILLISECONDS:
        return "is in milliseconds and must be in seconds"
    return "lies in the future: was a clock wrong?" if at > time.time() + CLOCK_TOLERANCE else None


def latest_lines(lines: Iterable[Line]) -> dict[int, dict[str, Line]]:
    """The line that counts, by item and annotator; `lines` come oldest first."""
    latest: dict[int, dict[str, Line]] = {}
    for line in lines:
        latest.setdefault(line["id"], {})[line["annotator"]] = line
    return latest


def votes(lines: Iterable[Line]) -> dict[int, dict[str, str]]:
    """The labels that count, by item and annotator, without items that have none; `lines` come oldest first."""
    labels: dict[int, dict[str, str]] = {}
    for id, lines_by_annotator in latest_lines(lines).items():
        for annotator, line in lines_by_annotator.items():
            if line["label"]:
                labels.setdefault(id, {})[annotator] = line["label"]
    return labels


def ids_chosen_by_readers(lines: Iterable[Line]) -> set[int]:
    """The ids of items that readers chose for any annotator, whatever was labelled again or taken back since."""
    return {line["id"] for line in lines if line["chosen"] == BY_READERS}


def labelled_at(line: Line) -> int:
    """When the label of a line was made, in epoch seconds; a later note doesn't change that."""
    return line["given"] or line["at"]
