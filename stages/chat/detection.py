"""The reader of a chat export, and its format, detected by how its files begin."""

import importlib
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import get_args
from zoneinfo import ZoneInfo

import click

from stages.chat import Columns, Message, ReadSettings, Reject
from stages.chat.exports import Export, ExportFile, open_export
from stages.chat.layouts import layouts
from stages.chat.rows import unread
from stages.chat.screening import ReadExport
from stages.chat.senders import people
from stages.pipeline.params import Format, Ingest
from stages.pipeline.text import printable

FILES_LOOKED_AT = 50  # of a folder or a zip
MAX_ENDINGS = 5  # of ignored files, that are named
# How files begin that no format reads, and what to do about it.
HINTS = [
    (re.compile(beginning, re.DOTALL | re.IGNORECASE), hint)
    for beginning, hint in (
        (
            r"<!DOCTYPE html>.*?\bchatlog|=+\r?\nGuild: ",
            "HTML or text of DiscordChatExporter; export the chat again, as JSON",
        ),
        (
            r'\[\s*\{\s*"ID":\s*"?\d+"?,\s*"Timestamp":|ID,Timestamp,Contents,Attachments',
            "Discord's data package has only your own messages; export the chat with DiscordChatExporter, as JSON",
        ),
        (
            r'\{\s*"meta":\s*\{\s*"users":',
            "made by Discord History Tracker; export the chat with DiscordChatExporter, as JSON",
        ),
        (
            r'\{\s*"order":\s*\[[^\]]*\],\s*"posts":\s*\{',
            "an answer of Mattermost's API, which names no people; use its bulk export",
        ),
    )
]
FORMATS = [name for name in get_args(Format) if name != "auto"]


def module_of(format: str) -> ModuleType:
    return importlib.import_module(f"stages.chat.formats.{format}")


def detect_format(path: Path, p: Ingest) -> Ingest:
    """The parameters with the format of an export, and with the columns of a layout where its tables have these. What
    is chosen is reported to the user. Raises click.ClickException if no format or several fit.
    """
    with open_export(path, p.files) as export:
        looked_at = files_looked_at(export)
        of_export = [file for file in looked_at if not is_doubtful(file)]
        for files in (of_export, looked_at):
            formats_by_file = {file.name: matching_formats(file, p.columns.model_dump()) for file in files}
            if any(formats_by_file.values()):
                return _with_format_of_most(path, files, formats_by_file, p)
            if layout := matching_layout(files):
                click.echo(f"{printable(path)}: taken for the {layouts()[layout]['format']} of {layout}", err=True)
                return p.model_validate(p.model_dump() | layouts()[layout])
        raise click.ClickException(f"{printable(path)}: {_why_no_format(export, looked_at)}")


def _with_format_of_most(
    path: Path, files: Sequence[ExportFile], formats_by_file: Mapping[str, list[str]], p: Ingest
) -> Ingest:
    counts = Counter(format for formats in formats_by_file.values() for format in formats)
    most = max(counts.values())
    best = [format for format in FORMATS if counts[format] == most]
    others = [name for name, formats in formats_by_file.items() if formats and not set(formats) & set(best)]
    if len(best) != 1 or others:
        hint = ", or choose among its files by ingest.files" if len(files) > 1 else ""
        by_file = f", by {printable(others[0])}" if others else ""
        names = " or ".join(format for format in FORMATS if counts[format])
        raise click.ClickException(f"{printable(path)}: could be {names}{by_file}; say which in ingest.format{hint}")
    of_files = f", as {most} of {len(files)} files in it begin so" if len(files) > 1 else ""
    click.echo(f"{printable(path)}: taken for {best[0]}{of_files}", err=True)
    if unread_columns := _unread_columns(files, module_of(best[0]), p.columns.model_dump()):
        columns = ", ".join(unread_columns)
        click.echo(f"{printable(path)}: columns not read: {columns}; to read them, set ingest.columns", err=True)
    return p.model_copy(update={"format": best[0]})


def files_looked_at(export: Export) -> list[ExportFile]:
    """The first files that may be of any format: pictures and films say nothing. Doubtful ones come last, and before
    them those of folders in folders, which may be many.
    """
    modules = [module_of(format) for format in FORMATS]
    readable = [file for file in export.files if any(may_be_of(file, module) for module in modules)]
    readable.sort(key=lambda file: (is_doubtful(file), file.name.count("/")))
    return readable[:FILES_LOOKED_AT]


def matching_layout(files: Sequence[ExportFile]) -> str | None:
    """The name of the layout whose columns the tables have."""
    for name, layout in layouts().items():
        module = module_of(layout["format"])
        if any(fits(file, module, layout["columns"]) for file in files):
            return name
    return None


def is_of_format(path: Path, p: Ingest) -> bool:
    """Whether an export has a file that fits `ingest.format`."""
    with open_export(path, p.files) as export:
        columns = p.columns.model_dump()
        return any(p.format in matching_formats(file, columns) for file in files_looked_at(export))


def _unread_columns(files: Sequence[ExportFile], module: ModuleType, columns: Columns) -> list[str]:
    """Of the first table. Formats that are none have no columns."""
    tables = [file for file in files if fits(file, module, columns)]
    return unread(module.column_names(tables[0].start(), columns), columns) if hasattr(module, "column_names") else []


def _why_no_format(export: Export, files: Sequence[ExportFile]) -> str:
    for file in files:
        start = start_of(file)
        for beginning, hint in HINTS:
            if beginning.match(start):
                return f"{printable(file.name)}: {hint}" if len(files) > 1 else hint
    modules = [module_of(format) for format in FORMATS]
    ignored = [file for file in export.files if not any(may_be_of(file, module) for module in modules)]
    endings = Counter(printable(file.path.suffix.lower()) for file in ignored).most_common(MAX_ENDINGS)
    names = ", ".join(ending for ending, _count in endings)
    of_ignored = f"; files ignored for their endings: {len(ignored)} ({names})" if ignored else ""
    return f"looks like none of the formats ({', '.join(FORMATS)}); say which in ingest.format{of_ignored}"


def matching_formats(file: ExportFile, columns: Columns) -> list[str]:
    """All formats that the start of a file fits; for a file in a folder or a zip, those that have such endings."""
    start = start_of(file)
    modules = {format: module_of(format) for format in FORMATS}
    return [format for format, module in modules.items() if may_be_of(file, module) and module.fits(start, columns)]


def fits(file: ExportFile, module: ModuleType, columns: Columns) -> bool:
    return may_be_of(file, module) and module.fits(start_of(file), columns)


def start_of(file: ExportFile) -> str:
    """Nothing of a doubtful file that can't be read: it is no text. Raises click.ClickException for others."""
    try:
        return file.start()
    except click.ClickException:
        if is_doubtful(file):
            return ""
        raise


def may_be_of(file: ExportFile, module: ModuleType) -> bool:
    """Whether a file has an ending of a format, or none, as some logs of days have."""
    return file.is_alone or file.has_no_ending or file.path.suffix.lower() in module.ENDINGS


def is_doubtful(file: ExportFile) -> bool:
    """Whether a file may be no part of the export: what people sent, or anything without an ending."""
    return file.is_attached or file.has_no_ending


def reader(path: Path, p: Ingest) -> ReadExport:
    """What reads the entries of an export of the format `ingest.format`, from the first one with each call."""
    settings = ReadSettings(ZoneInfo(p.timezone), p.columns.model_dump(), frozenset(p.text_types))
    module = module_of(p.format)
    return lambda: people(read_export(path, p.files, module, settings), p.leave_out, p.bridges)


def read_export(
    path: Path, pattern: str | None, module: ModuleType, settings: ReadSettings
) -> Iterator[Message | Reject]:
    """The entries of an export by the reader of a format."""
    with open_export(path, pattern) as export:
        yield from export.rejects
        yield from module.read(files_of_format(export, module, settings.columns), settings)


def files_of_format(export: Export, module: ModuleType, columns: Columns) -> list[ExportFile]:
    """The files that have an ending of the format, and those without an ending that fit it. Of files in folders of
    attachments only those that fit, if a file outside fits: otherwise the export itself may lie there.

    Raises click.ClickException if there is none.
    """
    files = [
        file
        for file in export.files
        if may_be_of(file, module) and (not file.has_no_ending or fits(file, module, columns))
    ]
    others = [file for file in files if not file.is_attached]
    if len(others) < len(files) and any(fits(file, module, columns) for file in others):
        files = [file for file in files if not file.is_attached or fits(file, module, columns)]
    if not files:
        raise click.ClickException(f"{printable(export.path)}: no file in it ends in {' or '.join(module.ENDINGS)}")
    return files
