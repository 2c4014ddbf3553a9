"""Labels that were made elsewhere, as lines for the label store.

The file's shape tells which tool it is from: Label Studio, doccano, Prodigy, Argilla, or a table of one's own. The
tool's module reads the rows. This module checks them, and counts what is wrong and what is no label.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import tzinfo
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import click

from stages.chat import MILLISECONDS, epoch_seconds
from stages.chat.row_times import DECIMAL_COMMA
from stages.labels import argilla, doccano, label_studio, prodigy
from stages.labels.label_rows import (
    FIELDS,
    NESTED,
    Columns,
    Entry,
    LabelRow,
    Problem,
    Record,
    RowError,
    Skip,
    chosen_words,
    column,
    inquiry_id,
    listed,
    mapping,
    person_names,
    text_of,
    with_columns,
)
from stages.labels.records import RecordFile, record_files
from stages.labels.store import Line, time_error
from stages.pipeline.schemas import FROM_EXPORT
from stages.pipeline.text import printable, quoted

ANNOTATOR = rf"(?!{FROM_EXPORT}\Z)[a-z][a-z0-9_]*"  # a file is named by it
ANNOTATOR_RULE = (
    f"must be lower case letters, digits and _, and not {FROM_EXPORT}, whose labels came with the chat export"
)
ID_LIMIT = 2**53  # as in the tables
MAX_KINDS = 20  # of problems that are listed
LONGEST = 200  # characters of a name or a word that are listed
EMPTY = (None, "")
ROUNDED = re.compile(r"\d+([.,]\d+)?[eE]\+?\d+")
ROUNDED_MESSAGE = "the spreadsheet rounded the ids; import the column as text"
HEADERS = ("inquiry", "annotation_id", "lead_time", "created_at", "updated_at", "text", "Comments")  # of tools


class Options(NamedTuple):
    """What the user says about a file: its names for the fields of a label, our names for its annotators, our labels
    for its words, and the annotator of rows that name none. `labels` are all of ours.
    """

    columns: Columns
    names: Mapping[str, str]
    values: Mapping[str, str]
    annotator: str | None
    labels: Sequence[str]


class Problems:
    """What is wrong with the rows of files, by kind."""

    def __init__(self) -> None:
        self.first: dict[tuple[Path, str], Problem] = {}  # of each kind
        self.counts: Counter[tuple[Path, str]] = Counter()

    def add(self, path: Path, problem: Problem) -> None:
        self.first.setdefault((path, problem.kind), problem)
        self.counts[path, problem.kind] += 1

    def messages(self) -> list[str]:
        """A line for each kind, at most MAX_KINDS of them."""
        messages = []
        for (path, kind), problem in self.first.items():
            count = self.counts[path, kind]
            place = f", {problem.place}" if count == 1 else f": {count} rows, first {problem.place}"
            messages.append(f"{printable(path)}{place}: {problem.message}")
        more = len(messages) - MAX_KINDS
        return messages if more <= 0 else [*messages[:MAX_KINDS], f"and {more} more"]


class LabelImport:
    """The labels of files as lines for the label store, and what was left out of them.

    `notices` say what the files are, `problems` what is wrong with rows, and `skipped` counts what is no label by
    reason. A line's `at` is None where the file has no time.
    """

    def __init__(self, options: Options, guideline: str, zone: tzinfo) -> None:
        self.options, self.guideline, self.zone = options, guideline, zone
        self.lines: dict[tuple[Any, ...], Line] = {}  # by annotator, id and time
        self.notices: dict[str, None] = {}
        self.problems = Problems()
        self.skipped: Counter[str] = Counter()

    def add_file(self, file: RecordFile, is_only_file: bool) -> None:
        """Raises click.ClickException where it can't be told which of the file's fields the labels are in."""
        tool = tool_of(file.records)
        if tool:
            self.notices[f"{printable(file.path)}: {tool.NAME}'s export"] = None
        annotator = self.options.annotator or annotator_of_file(file, tool, is_only_file)
        label_rows = tool.label_rows if tool else table_rows
        try:
            entries: list[Entry] = list(label_rows(file.records, self.options.columns))
        except ValueError as error:
            raise click.ClickException(f"{printable(file.path)}: {error}") from error
        names = listed(field_names(file.records))
        for entry in entries:
            if isinstance(entry, Problem):
                self.problems.add(file.path, entry)
            elif isinstance(entry, Skip):
                self.skipped[entry.reason] += 1
            elif not has_choice(entry.label):
                self.skipped["no label"] += 1
            else:
                self.add_row(file.path, entry, annotator, names)

    def add_row(self, path: Path, row: LabelRow, annotator: str | None, names: str) -> None:
        """Add the label of a row, or what is wrong with it.

        `annotator` is that of rows that name none, `names` are the fields of the file.
        """
        checks: dict[str, Callable[[], Any]] = {
            "id": lambda: id_of(row.id, names),
            "annotator": lambda: annotator_of(row.annotator, self.options, annotator),
            "label": lambda: label_of(row.label, self.options),
            "at": lambda: epoch_seconds_of(row.at, self.zone),
            "seconds": lambda: duration_of(row.seconds),
        }
        line: Line = {"guideline": self.guideline} | ({"note": row.note} if row.note else {})
        is_whole = True
        for field, check in checks.items():
            try:
                line[field] = check()
            except RowError as error:
                self.problems.add(path, Problem(row.place, error.kind, str(error)))
                is_whole = False
        if is_whole:
            self.add_line(path, row, line)

    def add_line(self, path: Path, row: LabelRow, line: Line) -> None:
        """Add a line that isn't there yet. It is a problem where another label of its time is."""
        annotator, label = line["annotator"], line["label"]
        other = self.lines.setdefault((annotator, line["id"], line["at"]), line)
        if other["label"] != label:
            message = (
                f"{annotator} labels id {line['id']} {label} here and {other['label']} in another row, at the same"
                " time or at none: drop one, or say when each was made"
            )
            self.problems.add(path, Problem(row.place, f"contradiction of {annotator}", message))
        elif other is not line:
            self.skipped["repeated"] += 1
        elif is_shortened(row, annotator, self.options):
            self.notices[f"{printable(path)}: {row.annotator[0]} is taken as annotator {annotator}"] = None


def read_labels(path: Path, options: Options, guideline: str, zone: tzinfo) -> LabelImport:
    """The labels of a file, or of the files in a folder or a zip. `zone` is the time zone of times that name none.

    Raises click.ClickException for a file that can't be read or is empty.
    """
    files, skips = record_files(path, (*FIELDS, *HEADERS, *options.columns.values()))
    if not any(file.records for file in files):
        raise click.ClickException(f"{printable(path)}: it has no rows, so there is nothing to import")
    labels = LabelImport(options, guideline, zone)
    labels.skipped.update(skip.reason for skip in skips)
    for file in files:
        labels.add_file(file, is_only_file=len(files) == 1)
    return labels


def tool_of(records: Sequence[Record]) -> ModuleType | None:
    """The module of the tool whose export has such records; None for a table of one's own."""
    for tool in (prodigy, argilla, label_studio, doccano):
        if any(tool.fits(record.fields) for record in records):
            return tool
    return None


def annotator_of_file(file: RecordFile, tool: ModuleType | None, is_only_file: bool) -> str | None:
    """The annotator whom a file among others is named by, as in doccano's export."""
    is_of_everybody = file.path.stem == doccano.EVERYBODY and is_only_file
    return None if file.is_alone or tool not in (doccano, None) or is_of_everybody else file.path.stem


def table_rows(records: Sequence[Record], columns: Columns) -> Iterator[Entry]:
    """The labels of a table of one's own, whose columns are called as FIELDS or as the user says."""
    label_name = columns.get("label", "label")
    if records and label_name not in field_names(records):
        names = listed(field_names(records))
        message = f"no {printable(label_name)!r}; name the column of the labels by --column label=NAME: {names}"
        yield from (Problem(record.place, "no label", message) for record in records)
        return
    for record in records:
        fields = record.fields
        id = inquiry_id(columns, fields)
        row = LabelRow(
            record.place,
            fields.get("id") if id is None and "id" not in columns else id,
            column(label_name, fields),
            person_names(fields.get("annotator")),
            fields.get("updated_at") if fields.get("at") in EMPTY else fields["at"],
            fields.get("lead_time") if fields.get("seconds") in EMPTY else fields["seconds"],
            text_of(column(columns.get("note", "note"), fields)),
        )
        yield with_columns(row, columns, fields)


def has_choice(value: Any) -> bool:
    """Whether a value chooses something, if not a label that we know."""
    try:
        return bool(chosen_words(value))
    except RowError:
        return True


def label_of(value: Any, options: Options) -> str:
    """The label that a value chooses."""
    words = chosen_words(value)
    parts = words[0].split("#")  # as doccano's tables join several
    if len(words) == 1 and len(parts) > 1 and all(our_label(part, options) for part in parts):
        words = parts
    if len(words) > 1:
        raise RowError("choices", f"{len(words)} choices in one row: {listed(words)}")
    label = our_label(words[0], options)
    if label is None:
        word = words[0][:LONGEST]
        hint = in_quotes(f"{word}={options.labels[0]}")
        raise RowError(f"label {word}", f"label {word!r} is none of {', '.join(options.labels)}: --value {hint}")
    return label


def our_label(word: str, options: Options) -> str | None:
    own_word = re.sub(r"[\s_-]+", "_", word.lower())
    return options.values.get(word) or (own_word if own_word in options.labels else None)


def id_of(value: Any, names: str) -> int:
    """The id of an inquiry. Raises RowError that has the `names` of the file's fields where there is no id."""
    if value in EMPTY:
        raise RowError("no id", f"no id of an inquiry; name its column by --column id=NAME: {names}")
    text = "" if isinstance(value, bool) else printable(value).removeprefix("'")  # which spreadsheets put before texts
    if ROUNDED.fullmatch(text):
        raise RowError("rounded id", f"id is {text[:LONGEST]}: {ROUNDED_MESSAGE}")
    whole = re.fullmatch(r"(\d{1,16})([.,]0+)?", text, re.ASCII)
    if not whole or int(whole[1]) >= ID_LIMIT:
        raise RowError(
            "id", f"id is {quoted(repr(value))}, not the id of an inquiry; --column id=NAME names another column"
        )
    return int(whole[1])


def annotator_of(names: Sequence[str], options: Options, default: str | None) -> str:
    """The annotator who has the names in the file, or the default. Raises RowError where there is none or another."""
    if not names and default is None:
        raise RowError("no annotator", "no annotator; say whose labels these are by --annotator NAME")
    names = names or person_names(default)
    renamed = [options.names[name] for name in names if name in options.names]
    annotator = next((name for name in (*renamed, *names) if re.fullmatch(ANNOTATOR, name)), None)
    if annotator is None:
        name = names[0][:LONGEST]
        hint = in_quotes(f"{name}={suggested_name(names)}")
        raise RowError(f"annotator {name}", f"annotator {name!r} {ANNOTATOR_RULE}: --rename {hint}")
    if options.annotator and annotator != options.annotator:
        hint = in_quotes(f"{names[0]}={options.annotator}")
        message = (
            f"the row is by {annotator} and --annotator says {options.annotator}: leave it out, or --rename {hint}"
        )
        raise RowError(f"other annotator {annotator}", message)
    return annotator


def suggested_name(names: Sequence[str]) -> str:
    """A name that an annotator may have here, of the last name that can be made one."""
    for name in reversed(names):
        suggestion = re.sub(r"[^a-z0-9]+", "_", name.partition("@")[0].lower()).strip("_")
        if re.fullmatch(ANNOTATOR, suggestion):
            return suggestion
    return "name"


def in_quotes(text: str) -> str:
    """The text as one word for a shell."""
    return "'" + text.replace("'", "'\"'\"'") + "'"


def is_shortened(row: LabelRow, annotator: str, options: Options) -> bool:
    """Whether the annotator is called by a part of the name in the file, which the user hasn't said."""
    return annotator in row.annotator[1:] and not any(name in options.names for name in row.annotator)


def field_names(records: Sequence[Record]) -> list[str]:
    """The names in the records, also of the objects inside them that have an imported file's columns."""
    names: dict[str, None] = {}
    for record in records:
        for name, value in record.fields.items():
            nested = mapping(value) if name in NESTED else {}
            names |= dict.fromkeys(nested or [name])
    return list(names)


def rounded_ids(unknown_ids: set[int], inquiry_ids: set[int]) -> set[int]:
    """The ids of no inquiry that differ from an inquiry's in the 16th digit alone, where a spreadsheet puts a 0."""
    beginnings = {id // 10 for id in inquiry_ids}
    return {id for id in unknown_ids if id >= 10**15 and id % 10 == 0 and id // 10 in beginnings}


def epoch_seconds_of(value: Any, zone: tzinfo) -> int | None:
    """Epoch seconds of a number or an ISO 8601 time, in `zone` where it names none; None of no time."""
    if value in EMPTY:
        return None
    try:
        if isinstance(value, bool):
            raise TypeError
        is_number = isinstance(value, int | float) or re.fullmatch(r"\s*\d+(\.\d+)?\s*", value)
        at = float(value) if is_number else epoch_seconds(value.strip(), zone)
        reason = time_error(at) if at > 0 else "is no time in epoch seconds"
    except (TypeError, ValueError, OverflowError) as error:
        raise RowError("at", f"at is {quoted(repr(value))}, no time in epoch seconds or ISO 8601") from error
    if reason:
        raise RowError(f"at {reason}", f"at is {quoted(repr(value))}, which {reason}")
    return int(at)


def duration_of(value: Any) -> float | None:
    """The seconds that a label took, also with a decimal comma; None of no number."""
    if value in EMPTY:
        return None
    if isinstance(value, str) and DECIMAL_COMMA.fullmatch(value.strip()):
        value = value.replace(",", ".")
    try:
        seconds = float(value)
    except (TypeError, ValueError, OverflowError):
        seconds = -1.0
    if not 0 <= seconds < MILLISECONDS:
        raise RowError("seconds", f"seconds is {quoted(repr(value))}, no time that a label takes")
    return seconds
