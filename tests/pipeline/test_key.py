"""The key of a chat in clones, worktrees and experiments of DVC."""

import json
from pathlib import Path

import pytest

from stages.chat.fingerprint import SAMPLE_FINGERPRINT
from tests.clones import call, commit, cut
from tests.unit.test_key import ANNOTATIONS, label

KEYLESS = ("env", "--unset=CHAT_KEY")
LABELS = "data/annotations/needs_context"


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clone with ingest and concat, a stand-in for annotate, a key of its own, and labels; committed."""
    stage = {"cmd": f"wc -l {LABELS}/ann.jsonl > labels.txt", "deps": [LABELS, "data/turns.jsonl"]}
    folder = cut(tmp_path_factory.mktemp("first") / "first", {"annotate": stage | {"outs": ["labels.txt"]}})
    call(folder, *KEYLESS, "dvc", "repro", "ingest")
    ids = [json.loads(line)["id"] for line in (folder / "data" / "messages.jsonl").read_text().splitlines()]
    label(folder, ids[:60])
    call(folder, *KEYLESS, "dvc", "repro")
    call(folder, "git", "add", "--force", "data/room.jsonl")  # which git ignores, and clones need
    commit(folder, "labelled")
    return folder


def longer(folder: Path) -> None:
    file = folder / "data" / "room.jsonl"
    file.write_text(file.read_text().replace("user0", "user5"))


def test_nothing_is_stale_because_of_the_fingerprint(first: Path) -> None:
    assert (first / ANNOTATIONS / "KEY_FINGERPRINT").read_text().strip() != SAMPLE_FINGERPRINT
    assert call(first, "git", "status", "--porcelain") == ""
    assert "up to date" in call(first, *KEYLESS, "dvc", "repro")
    assert call(first, "git", "ls-files", ".chat_key") == ""


def test_a_clone_without_the_key_is_refused_and_one_with_it_is_not(first: Path, tmp_path: Path) -> None:
    second = tmp_path / "second"
    call(tmp_path, "git", "clone", "--quiet", str(first), str(second))
    longer(second)
    output = call(second, *KEYLESS, "dvc", "repro", "ingest", fails=True)
    assert "data/annotations: the key of these labels' ids, of the fingerprint" in output
    assert not (second / ".chat_key").exists()
    assert not (second / "data" / "messages.jsonl").exists()
    output = call(second, "dvc", "repro", "ingest", fails=True)  # with CHAT_KEY, another one
    assert "CHAT_KEY has" in output
    (second / ".chat_key").write_bytes((first / ".chat_key").read_bytes())
    call(second, *KEYLESS, "dvc", "repro", "ingest")
    labelled, ids = (
        {json.loads(line)["id"] for line in (second / "data" / name).read_text().splitlines()}
        for name in ("annotations/needs_context/ann.jsonl", "messages.jsonl")
    )
    assert len(labelled & ids) > 40  # user0's messages are somebody else's now
    assert call(second, "git", "status", "--porcelain", "data/annotations") == ""


def test_a_linked_worktree_names_the_main_ones_key(first: Path, tmp_path: Path) -> None:
    linked = tmp_path / "linked"
    call(first, "git", "worktree", "add", "--quiet", str(linked), "-b", "linked")
    longer(linked)
    output = call(linked, *KEYLESS, "dvc", "repro", "ingest", fails=True)
    assert f"cp {first / '.chat_key'} {linked}" in output
    assert not (linked / ".chat_key").exists()
    call(linked, "cp", str(first / ".chat_key"), str(linked))
    call(linked, *KEYLESS, "dvc", "repro", "ingest")


def test_a_temporary_experiment_finds_the_key_and_keeps_the_fingerprint(first: Path) -> None:
    before = (first / ANNOTATIONS / "KEY_FINGERPRINT").read_bytes()
    call(first, *KEYLESS, "dvc", "exp", "run", "--temp", "-S", "ingest.max_chars=30", "ingest")
    assert (first / ANNOTATIONS / "KEY_FINGERPRINT").read_bytes() == before
    assert call(first, "git", "status", "--porcelain") == ""
