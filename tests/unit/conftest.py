"""Fixtures of several files of unit tests."""

import shutil
from pathlib import Path

import pytest

from stages.pipeline.definition import Definition, load_definition
from tests.conftest import ROOT


@pytest.fixture
def question(tmp_path: Path) -> Definition:
    """The question needs_context in a project of its own, with a short guideline."""
    shutil.copytree(ROOT / "questions", tmp_path / "questions", dirs_exist_ok=True)
    (tmp_path / "questions" / "needs_context" / "GUIDELINE.md").write_text("A question needs its context if …")
    return load_definition(tmp_path, "needs_context")


@pytest.fixture
def annotations(question: Definition) -> Path:
    """The folder of all labels in the same project, with an empty one for the question."""
    folder = question.folder.parent.parent / "annotations"
    (folder / question.name).mkdir(parents=True)
    return folder
