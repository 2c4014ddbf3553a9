"""Git holds no text of the chat, though one types `git add --all`; what people wrote, it holds."""

from pathlib import Path

import pytest

from tests.clones import NOTHING, call, commit, copy, cut, own_chat
from tests.conftest import change_params

IGNORED = """
data/room.jsonl data/room.zip data/slack/general/2024-01-01.json data/my room.jsonl data/WhatsApp Chat.txt
data/messages.jsonl.part data/turns.jsonl.part data/annotations/.imported.jsonl.part metrics/filter.json.part
data/annotations/ann.torn data/annotations/is_question/ann.torn data/annotations/needs_context/ann.jsonl.part
data/annotations/export.json data/annotations/export.jsonl data/annotations/needs_context/export.json
data/answers.jsonl data/answers.rejects/ingest.jsonl answers.rejects/filter.jsonl data/rejects/mine.jsonl
data/label_studio/tasks.json data/merged/m/model.safetensors data/base/m/model.safetensors data/adapters/mine/README.md
data/alpaca/train.json data/raw/other.json data/predictions/baseline/mine.jsonl data/notes.md data/a/b/c.csv
.chat_key .chat_key.part
"""
TRACKED = """
data/annotations/needs_context/ann.jsonl data/annotations/is_question/ann.jsonl data/annotations/mine/.gitignore
questions/mine/question.yaml questions/mine/GUIDELINE.md questions/mine/prompts/en.yaml data/room.jsonl.dvc
data/exports/2024/room.zip.dvc data/exports/.gitignore metrics/mine.json data/card.md data/annotations/KEY_FINGERPRINT
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = copy(tmp_path)
    commit(folder, "as it stands")
    return folder


def test_add_all_takes_what_people_wrote(project: Path) -> None:
    texts = [
        line.replace("%", " ") for line in IGNORED.replace("y room", "y%room").replace("p Chat", "p%Chat").split()
    ]
    for name in (*texts, *TRACKED.split()):
        (project / name).parent.mkdir(parents=True, exist_ok=True)
        (project / name).write_text("new")
    call(project, "git", "add", "--all")
    staged = call(project, "git", "-c", "core.quotePath=false", "diff", "--cached", "--name-only").splitlines()
    assert sorted(staged) == sorted(TRACKED.split())


def test_dvc_holds_an_export_that_git_does_not(tmp_path: Path) -> None:
    """And an experiment in a folder of its own, which sees nothing that git ignores, has it from the cache."""
    folder = cut(tmp_path, {})
    commit(folder, "as it stands")
    assert "data/room.jsonl" not in call(folder, "git", "ls-files")
    for name in ("exports/old.jsonl", "slack/general.json"):
        (folder / "data" / name).parent.mkdir()
        own_chat(folder / "data" / name)
    call(folder, "dvc", "add", "data/room.jsonl", "data/exports/old.jsonl", "data/slack")
    call(folder, "dvc", "repro")
    commit(folder, "an export")
    tracked = call(folder, "git", "ls-files", "data").splitlines()
    assert {"data/room.jsonl.dvc", "data/exports/old.jsonl.dvc", "data/slack.dvc"} < set(tracked)
    assert not {"data/room.jsonl", "data/exports/old.jsonl", "data/slack/general.json"} & set(tracked)

    change_params(folder, {"ingest.max_chars": 100})
    assert "'ingest'" in call(folder, "dvc", "exp", "run", "--temp", "--name", "other")
    assert call(folder, "dvc", "exp", "list", "--name-only").split() == ["other"]

    call(folder, "git", "clone", "--quiet", ".", "clone")
    call(folder / "clone", "dvc", "cache", "dir", str(folder / ".dvc" / "cache"))
    call(folder / "clone", "dvc", "checkout")
    assert NOTHING in call(folder / "clone", "dvc", "repro")
