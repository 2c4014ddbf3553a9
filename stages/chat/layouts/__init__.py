"""Layouts of tables that well-known tools write: settings of ingest, one file each.

`auto` takes a layout where a table has its columns and not those of `ingest.columns`.
"""

from functools import cache
from pathlib import Path
from typing import Any

from stages.pipeline.files import read_yaml


@cache
def layouts() -> dict[str, dict[str, Any]]:
    """The settings of each layout by its name."""
    return {file.stem: read_yaml(file) for file in sorted(Path(__file__).parent.glob("*.yaml"))}
