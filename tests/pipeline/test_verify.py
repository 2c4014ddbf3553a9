"""What `make verify` calls identical, within tolerance and different."""

import sys
from pathlib import Path

import pytest

from tests.clones import call, commit, cut


@pytest.fixture(scope="module")
def committed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clone with ingest and concat, run and committed, its chat under DVC."""
    folder = cut(tmp_path_factory.mktemp("verified"), {})
    call(folder, "dvc", "add", "--quiet", "data/room.jsonl")
    call(folder, "dvc", "repro")
    commit(folder, "reproduced")
    return folder


def verdicts(output: str) -> dict[str, str]:
    lines = [line.split(maxsplit=2) for line in output.splitlines()]
    return {line[1]: line[2] for line in lines if len(line) == 3 and line[1].startswith(("data/", "metrics/"))}


def test_what_is_committed_comes_out_again(committed: Path) -> None:
    verdict_by_path = verdicts(call(committed, sys.executable, "-m", "stages.tools.verify"))
    assert {"data/messages.jsonl", "data/turns.jsonl", "metrics/concat.json"} <= verdict_by_path.keys()
    assert set(verdict_by_path.values()) == {"identical"}


def test_other_code_that_nobody_ran_shows(committed: Path) -> None:
    concat = committed / "stages" / "concat.py"
    source = concat.read_text()
    assert "p.concat.gap_seconds" in source
    concat.write_text(source.replace("p.concat.gap_seconds", "61"))
    commit(committed, "another gap, but not in the lock")
    verdict_by_path = verdicts(call(committed, sys.executable, "-m", "stages.tools.verify", fails=True))
    assert verdict_by_path["data/messages.jsonl"] == "identical"
    assert verdict_by_path["data/turns.jsonl"] == verdict_by_path["metrics/concat.json"] == "different"
    ingest_verdicts = verdicts(call(committed, sys.executable, "-m", "stages.tools.verify", "ingest"))
    assert set(ingest_verdicts.values()) == {"identical"}
    assert "data/turns.jsonl" not in ingest_verdicts
