"""A chat export as the files in it: one file, a folder, or a zip, also one among other files of a folder.

Nothing is unpacked to disk, so no entry of a zip can write anywhere.
"""

import re
import stat
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from typing import IO

import click

from stages.chat import Reject
from stages.pipeline.text import printable, quoted

START_BYTES = 2**16
UTF8_MARK = b"\xef\xbb\xbf"
UTF16_MARKS = (b"\xff\xfe", b"\xfe\xff")  # little-endian UTF-32 begins with the first
MAX_COMPRESSION = 200  # chats shrink to a tenth or so; a zip that claims more than this is a bomb
MIN_ZIP_SIZE = 2**16  # bytes that a smaller zip counts as
ZIP_ERRORS = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, ValueError, OSError)
PATTERN = re.compile(r"[*?\[]")
BLANKS_BEFORE_COLON = re.compile(r'(?<=")\s+:')  # of JSON
# How packed files begin that are none of ours.
PACKED = {b"\x1f\x8b": "gzip", b"BZh9": "bzip2", b"\xfd7zXZ": "xz", b"7z\xbc\xaf": "7z", b"Rar!\x1a": "rar"}
# Folders that exporters put into an export for what people sent: `general/attachments/`, `Lab [42].json_Files/`.
ATTACHMENTS = re.compile(
    r"(?:.*/)?(?:[^/]+_files|_*uploads|attachments|assets|media|data|files|photos|images|videos?|video_files|audio"
    r"|voice_messages|round_video_messages|stickers|avatars|emoji)/",
    re.DOTALL | re.IGNORECASE,
)
# No ending, or a day or a number in its place: `lab.log.1`, `lab.log.15Nov2016`.
NO_ENDING = re.compile(r"(?:\.(?:\d[\d_-]*|\d\d?-?[a-z]{3}-?\d{2,4}))?", re.IGNORECASE)
# What systems and editors leave in folders: no part of an export.
DEBRIS = re.compile(r"(?:.*/)?(?:\.|__MACOSX/|Thumbs\.db$|desktop\.ini$)", re.DOTALL)


@dataclass(frozen=True)
class ExportFile:
    """A file of an export.

    `path` is where it lies; the path of an entry goes on inside its zip. `name` is its path in the export, or the
    file's own name where the export is one file. Where the export has several files, `is_alone` is false.
    """

    path: Path
    name: str
    open_bytes: Callable[[], AbstractContextManager[IO[bytes]]]
    is_alone: bool

    @contextmanager
    def open(self) -> Iterator[IO[bytes]]:
        """Its bytes. Raises click.ClickException for a file that can't be read, is packed, or is UTF-16 or UTF-32."""
        with self.open_bytes() as file:
            start = file.read(4096)
            for magic, kind in PACKED.items():
                if start.startswith(magic):
                    raise self.error(f"packed with {kind}; unpack it")
            if start.startswith(UTF16_MARKS) or _looks_like_utf16(start):
                raise self.error("not UTF-8 but UTF-16 or UTF-32; save or export it again as UTF-8")
        with self.open_bytes() as file:
            yield file

    def start(self) -> str:
        """Its first 64 KB as text, without a byte order mark, blanks before it, and in JSON blanks before a colon."""
        with self.open() as file:
            start = file.read(START_BYTES).removeprefix(UTF8_MARK).decode("utf-8", "replace").lstrip()
        return BLANKS_BEFORE_COLON.sub(":", start) if start.startswith(("{", "[")) else start

    def error(self, problem: str) -> click.ClickException:
        return click.ClickException(f"{printable(self.path)}: {problem}")

    @property
    def stem(self) -> str:
        """The file's name without its ending."""
        return self.path.stem

    @property
    def has_no_ending(self) -> bool:
        return not self.is_alone and NO_ENDING.fullmatch(self.path.suffix) is not None

    @property
    def is_attached(self) -> bool:
        """Whether it lies in a folder of attachments, by the folder's name."""
        return ATTACHMENTS.match(self.name) is not None

    @property
    def folder(self) -> str:
        """The name of the folder that it lies in, or of the zip."""
        return self.path.absolute().parent.name.removesuffix(".zip")


@dataclass(frozen=True)
class Export:
    """The files of an export by name, and what in it is none: a broken link, an entry that is a link."""

    path: Path
    files: list[ExportFile]
    rejects: list[Reject]


def _looks_like_utf16(start: bytes) -> bool:
    """Whether it looks like UTF-16 without a mark: many of every second byte are null, and fewer of the others."""
    fewer, more = sorted((start[::2].count(0), start[1::2].count(0)))
    return more > max(3, len(start) // 20) and fewer < 0.6 * more


def split_pattern(path: Path) -> tuple[Path, str | None]:
    """A path with a pattern in it, such as logs/*.log, as a folder and the pattern of its files, or with None."""
    parts = path.parts
    for number, part in enumerate(parts):
        if PATTERN.search(part) and not Path(*parts[: number + 1]).exists():
            return Path(*parts[:number]), "/".join(parts[number:])
    return path, None


@contextmanager
def open_export(path: Path, pattern: str | None = None) -> Iterator[Export]:
    """An export whose files can be opened inside the `with`, those of a folder or a zip by name.

    `pattern`, such as `*.log`, chooses among these. Raises click.ClickException for an export that isn't there, can't
    be read, or has no such file.
    """
    with ExitStack() as zips:
        files: list[ExportFile] = []
        rejects: list[Reject] = []
        for entry in _entries(path, zips):
            if isinstance(entry, Reject):
                rejects.append(entry)
            elif pattern is None or PurePosixPath(entry.name).match(pattern):
                files.append(entry)
        if not files:
            raise click.ClickException(f"{printable(path)}: no file{f' {pattern}' if pattern else ''} is in it")
        yield Export(path, files, rejects)


def _entries(path: Path, zips: ExitStack) -> Iterator[ExportFile | Reject]:
    if path.is_dir():
        yield from _entries_of_folder(path, zips)
    elif _is_zip(path):
        yield from _entries_of_zip(path, "", zips)
    else:
        yield ExportFile(path, path.name, partial(_open_file, path), is_alone=True)


def _entries_of_folder(folder: Path, zips: ExitStack) -> Iterator[ExportFile | Reject]:
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if DEBRIS.match(name) or path.is_dir():
            continue
        if not path.is_file():  # links to files are followed: DVC's cache may consist of links
            yield Reject(name, "not_a_file")
        elif path.suffix.lower() == ".zip" and _is_zip(path):
            yield from _entries_of_zip(path, f"{name}/", zips)
        else:
            yield ExportFile(path, name, partial(_open_file, path), is_alone=False)


def _entries_of_zip(path: Path, prefix: str, zips: ExitStack) -> Iterator[ExportFile | Reject]:
    with _zip_errors(path):
        archive = zips.enter_context(zipfile.ZipFile(path))
    entries = [entry for entry in archive.infolist() if not entry.is_dir()]
    max_size = MAX_COMPRESSION * max(path.stat().st_size, MIN_ZIP_SIZE)
    if sum(entry.file_size for entry in entries) > max_size:
        raise click.ClickException(
            f"{printable(path)}: a zip that grows more than {MAX_COMPRESSION} times is no chat export"
        )
    for entry in sorted(entries, key=lambda entry: entry.filename):
        name = entry.filename
        if ".." in re.split(r"[/\\]", name) or name.startswith(("/", "\\")):
            raise click.ClickException(f"{printable(path)}: entry {quoted(name)!r} leads out of the archive")
        if DEBRIS.match(name):
            continue
        if stat.S_ISLNK(entry.external_attr >> 16):
            yield Reject(prefix + name, "not_a_file")
        else:
            open_bytes = partial(_open_entry, path, archive, entry)
            yield ExportFile(path / name, prefix + name, open_bytes, is_alone=False)


def _is_zip(path: Path) -> bool:
    with _open_file(path) as file:
        return file.read(4) == b"PK\x03\x04"


@contextmanager
def _open_file(path: Path) -> Iterator[IO[bytes]]:
    try:
        with path.open("rb") as file:
            yield file
    except OSError as error:
        raise click.ClickException(f"{printable(path)}: {error.strerror or error}") from error


@contextmanager
def _open_entry(path: Path, archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> Iterator[IO[bytes]]:
    with _zip_errors(path, entry.filename), archive.open(entry) as file:
        yield file


@contextmanager
def _zip_errors(path: Path, entry_name: str = "") -> Iterator[None]:
    """Turns errors of a damaged zip into a click.ClickException."""
    try:
        yield
    except ZIP_ERRORS as error:
        place = f"{printable(path)}, {quoted(entry_name)}" if entry_name else printable(path)
        raise click.ClickException(f"{place}: not a readable zip: {quoted(error)}") from error
