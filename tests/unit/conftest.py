"""Fixtures of several files of unit tests."""

from pathlib import Path

import pytest


@pytest.fixture
def annotations(tmp_path: Path) -> Path:
    folder = tmp_path / "annotations"
    folder.mkdir()
    (folder / "GUIDELINE.md").write_text("A question needs its context if …")
    (folder / "filter").mkdir()
    (folder / "filter" / "GUIDELINE.md").write_text("A question is …")
    return folder
