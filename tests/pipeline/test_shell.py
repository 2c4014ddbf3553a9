"""What params.yaml holds is data: no shell reads it as a command."""

import re
from pathlib import Path

import pytest

from tests.clones import call, copy, cut, own_chat, read
from tests.conftest import change_params
from tests.unit.test_commands import HOSTILE


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return cut(tmp_path_factory.mktemp("small"), {})


@pytest.mark.parametrize(
    "path", ["data/my room.jsonl", f"data/{HOSTILE}.jsonl", "-x.jsonl", "~房间.jsonl", "./data/../data/up.jsonl"]
)
def test_an_export_may_have_any_name(small: Path, path: str) -> None:
    change_params(small, {"ingest.path": path})
    own_chat(small / path)
    call(small, "dvc", "repro", "ingest")
    assert read(small / "metrics" / "ingest.json")["n"] == 240
    assert not list(small.rglob("X"))
    (small / path).unlink()
    assert "No such file" in call(small, "dvc", "repro", "ingest", fails=True)


def test_an_export_elsewhere_and_one_that_dvc_holds(small: Path, tmp_path: Path) -> None:
    own_chat(tmp_path / "my room.jsonl")
    change_params(small, {"ingest.path": str(tmp_path / "my room.jsonl")})
    call(small, "dvc", "repro", "ingest")
    (small / "metrics" / "ingest.json").unlink()
    own_chat(small / "data" / "my room.jsonl")
    call(small, "dvc", "add", "data/my room.jsonl")
    change_params(small, {"ingest.path": "data/my room.jsonl"})
    call(small, "dvc", "repro", "ingest")
    assert read(small / "metrics" / "ingest.json")["n"] == 240
    (small / "a folder").mkdir()
    change_params(small, {"ingest.path": "a folder"})
    assert "a folder: no file is in it" in call(small, "dvc", "repro", "ingest", fails=True)


def test_a_models_name_is_refused_before_it_is_used(tmp_path: Path) -> None:
    """And one without quotes is no command where it is used by force."""
    folder = copy(tmp_path)
    unquoted = HOSTILE.replace("'", "")
    for name in (HOSTILE, unquoted):
        change_params(folder, {"ladder": [name], "finetune": [name]})
        output = call(folder, "dvc", "repro", fails=True)
        assert "ladder.0: String should match pattern" in output
        assert re.findall("Running stage '(.+)'", output) == ["fetch_chat"]
    for stage in ("baseline", "train", "rank"):
        output = call(folder, "dvc", "repro", "--force", "--single-item", f"{stage}@{unquoted}", fails=True)
        assert f"Running stage '{stage}@{unquoted}'" in output
    assert not list(folder.rglob("X"))
