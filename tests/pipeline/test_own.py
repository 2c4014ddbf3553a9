"""A project of one's own: nothing of the sample stays, and what a user does next works."""

import json
import re
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from stages.chat.fingerprint import SAMPLE_FINGERPRINT
from stages.tools.verify import output_hashes
from tests.clones import call, commit, contents, copy, read
from tests.conftest import ONLY_THE_SAMPLE, ROOT

pytestmark = ONLY_THE_SAMPLE

SET = {
    "ingest.path": "data/room.jsonl",
    "ingest.format": "auto",
    "ingest.limit": None,
    "ingest.min_senders": 1,
    "annotate.policy": "majority",
    "annotate.adjudicator": None,
}
TEMPLATES = {
    "questions/needs_context/GUIDELINE.md": "needs_context.md",
    "questions/is_question/GUIDELINE.md": "is_question.md",
    "data/card.md": "card.md",
}
FOLDERS = ("needs_context/.gitignore", "is_question/.gitignore", "mine/.gitignore")  # for the labels of each question


def make_own(folder: Path, chat: str, fails: bool = False) -> str:
    return call(folder, sys.executable, "-m", "stages.tools.own", "--", chat, fails=fails)


def settings(text: str) -> dict[str, Any]:
    """What params.yaml holds, by keys with dots between."""

    def leaves(section: dict[str, Any], above: str) -> dict[str, Any]:
        values: dict[str, Any] = {}
        for key, value in section.items():
            values |= leaves(value, f"{above}{key}.") if isinstance(value, dict) else {f"{above}{key}": value}
        return values

    return leaves(YAML(typ="safe", pure=True).load(text), "")


def tiny_chat(file: Path) -> None:
    lines = [("ann", "Does ncnn run on ARM?"), ("bob", "yes"), ("ann", "And how do I build it?"), ("cleo", "make")]
    rows = [
        {"sender": who, "text": text, "timestamp": 1_700_000_000 + 60 * at} for at, (who, text) in enumerate(lines)
    ]
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """The repository as it stands, committed, with a file for each output of its lock, a question, and a chat."""
    folder = copy(tmp_path / "project")
    shutil.copytree(folder / "questions" / "is_question", folder / "questions" / "mine")
    for outputs in output_hashes(folder).values():
        for path in outputs:
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            if not (folder / path).exists():
                (folder / path).write_text("the sample's")
    tiny_chat(folder / "data" / "room.jsonl")
    commit(folder, "the sample")
    return folder


def test_nothing_of_the_sample_stays(project: Path) -> None:
    before = (project / "params.yaml").read_text()
    make_own(project, "data/room.jsonl")
    assert not (project / "metrics").exists()
    assert not (project / "dvc.lock").exists()
    assert not (project / "data" / "README.md").exists()
    for file, content in (contents(project / "data") | contents(project / "questions")).items():
        if not file.endswith(".gitignore"):
            for trace in (b"the sample's", b"claude", SAMPLE_FINGERPRINT.encode(), b"1,034", b"license: mit"):
                assert trace not in content, (file, trace)
    assert not list((project / "data").rglob("KEY_FINGERPRINT"))
    assert contents(project / "data" / "annotations") == dict.fromkeys(FOLDERS, b"")
    for target, template in TEMPLATES.items():
        assert (project / target).read_text() == (ROOT / "stages/tools/templates" / template).read_text()
    after = (project / "params.yaml").read_text()
    assert settings(after) == settings(before) | SET
    changed = set(before.splitlines()) ^ set(after.splitlines())
    assert len(changed) == 2 * sum(settings(before)[key] != value for key, value in SET.items())
    assert len(before.splitlines()) == len(after.splitlines())


@pytest.mark.parametrize(
    "path",
    [
        "data/annotations/needs_context/ann.jsonl",
        "data/annotations/export.json",
        "questions/needs_context/GUIDELINE.md",
        "data/card.md",
        "metrics/tables.md",
    ],
)
def test_what_git_does_not_have_is_not_removed(project: Path, path: str) -> None:
    """Changed, new, or ignored."""
    (project / path).write_text("mine")
    before = contents(project)
    output = make_own(project, "data/room.jsonl", fails=True)
    assert path in output and "git doesn't have this yet" in output
    after = contents(project)
    assert {name: after[name] for name in before if not name.startswith(".git/")} == {
        name: content for name, content in before.items() if not name.startswith(".git/")
    }


@pytest.mark.parametrize(
    "chat", ["data/no such.jsonl", "data/annotations", "metrics/tables.json", "dvc.lock", "data/raw/chitchat.json"]
)
def test_a_chat_that_is_none(project: Path, chat: str) -> None:
    """Or would be removed with the sample."""
    output = make_own(project, chat, fails=True)
    assert chat in output and "Traceback" not in output
    assert (project / "dvc.lock").exists() and (project / "metrics" / "tables.json").exists()


@pytest.mark.parametrize("name", ["a room.jsonl", 'it\'s $(touch X) "so" \\ .jsonl', "房间: #1.jsonl", "-x.jsonl"])
def test_a_chat_of_any_name(project: Path, name: str) -> None:
    (project / "data" / "room.jsonl").rename(project / name)
    make_own(project, name)
    assert settings((project / "params.yaml").read_text())["ingest.path"] == name


def test_the_next_steps_work(project: Path) -> None:
    """And figures of studies that are gone break neither `dvc plots` nor the page of a run."""
    call(project, "dvc", "add", "data/room.jsonl")
    make_own(project, "data/room.jsonl")
    call(project, "dvc", "repro", "concat")
    assert read(project / "metrics" / "details" / "ingest.json")["messages"] == 4
    assert read(project / "metrics" / "details" / "concat.json")["turns"] == 4
    call(project, "git", "add", "--all")
    tracked = call(project, "git", "ls-files").splitlines()
    files = {"data/room.jsonl.dvc", "data/annotations/KEY_FINGERPRINT", "metrics/ingest.json", "dvc.lock"}
    assert files | {f"data/annotations/{folder}" for folder in FOLDERS} <= set(tracked)
    assert not {"data/room.jsonl", ".chat_key", "metrics/tables.json"} & set(tracked)
    commit(project, "mine")
    assert call(project, "git", "status", "--porcelain") == ""

    call(project, "git", "clone", "--quiet", ".", "clone")
    for folder in (project, project / "clone"):  # stages that read labels find their folders, though nobody labelled
        status = call(folder, "dvc", "status", "annotate", "judge_filter", "reannotate", "report")
        assert "data/annotations/needs_context" in status
        assert (folder / "data" / "annotations" / "is_question").is_dir()
        assert re.findall(r"deleted:\s+((?:data/annotations|questions)/.*)", status) == []
    call(project, "rm", "-r", "clone")

    (project / "metrics" / "plots").mkdir(exist_ok=True)
    scores = [{"state": "tuned", "model": "m", "parameters": 10, "score": "F1 score", "value": 5, "low": 4, "high": 6}]
    (project / "metrics" / "plots" / "size.json").write_text(json.dumps(scores))
    code = "from stages.reporting.rendering import figures; print(sorted(figures()))"
    assert call(project, sys.executable, "-c", code).strip().endswith("['metrics/plots/size.json']")
    call(project, "dvc", "plots", "show", "--out", "drawn")
    assert "Precision and F1 by model size" in (project / "drawn" / "index.html").read_text()
    output = call(project, sys.executable, "-m", "stages.reporting.page", "report.html", fails=True)
    assert "run dvc repro" in output and "Traceback" not in output
