"""Commands of this project: a full disk and a missing extra end them with one line that says what to do."""

import errno
import os
import re
import shutil
import tempfile
from pathlib import Path
from typing import Any

import click

from stages.pipeline.params import cache_directory

FULL = {
    errno.ENOSPC: "no space is left",
    errno.EDQUOT: "your quota is used up",
    errno.EFBIG: "the file grew too large",
}
# How libraries that write by themselves (DuckDB, safetensors, SQLite, PyArrow) say it.
SAID = {os.strerror(code): what for code, what in FULL.items()} | {
    "database or disk is full": "no space is left",
    "max_temp_directory_size": "no space is left for what outgrows memory",
}
EXTRAS = {  # of pyproject.toml, by the packages that a command may miss
    "aiolimiter": "servers",
    "openai": "servers",
    "tenacity": "servers",
    "textual": "terminal",
    "fastapi": "serve",
    "uvicorn": "serve",
    "markdown_it": "pictures",
    "vl_convert": "pictures",
    "bitsandbytes": "gpu",
    "vllm": "vllm",
    "pyspark": "spark",
    "cogapp": "dev",
}
PATH = re.compile(r"(?<![\w.])/[^\s\"':]+")
REMEDY = "make room, or move it (TMPDIR: temporary files, LABELS_CACHE: answers), then run this again"
ROOM = 2**22  # bytes; a folder with less room is full


class Command(click.Command):
    """A stage or a tool, which says which folder is full, whichever library met it, or which extra is missing."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except click.ClickException:
            raise
        except ModuleNotFoundError as error:
            package = (error.name or "").partition(".")[0]
            if package not in EXTRAS:
                raise
            raise click.ClickException(f"{package} isn't installed: pip install '.[{EXTRAS[package]}]'") from error
        except Exception as error:
            message = full_disk_message(error)
            if not message:
                raise
            raise click.ClickException(message) from error


class Group(Command, click.Group):
    """Several commands under one name."""


def full_disk_message(error: BaseException) -> str | None:
    """The folder that is full and what to do, on one line; None where the error says nothing of a full disk."""
    what = full_disk(error)
    return f"{_place(error)}: {what}; {REMEDY}" if what else None


def full_disk(error: BaseException | None) -> str | None:
    """What an error, or what led to it, says of a full disk; None where it says nothing of one."""
    while error is not None:
        if isinstance(error, OSError) and error.errno in FULL:
            return FULL[error.errno]
        for words, what in SAID.items():
            if words in str(error):
                return what
        error = error.__cause__ or error.__context__
    return None


def _place(error: BaseException) -> str:
    """The folder of the file that an error names, or the folders that have no room."""
    if isinstance(error, OSError) and error.filename:
        return str(Path(os.fsdecode(error.filename)).parent.absolute())
    if named := PATH.search(str(error)):
        return str(Path(named.group()).parent)
    folders = [Path(tempfile.gettempdir()), Path.cwd() / "data", Path.cwd() / "metrics", cache_directory("")]
    full = [str(folder) for folder in folders if folder.exists() and shutil.disk_usage(folder).free < ROOM]
    return ", ".join(full) or str(Path.cwd())
