"""The key of a chat: made once, never empty, and never another one than that of the labels."""

import json
import multiprocessing
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click import ClickException

from stages.annotate import main as annotate
from stages.chat import fingerprint
from stages.chat.fingerprint import SAMPLE_FINGERPRINT, check_key, secret_key, stored_fingerprint
from stages.chat.keys import PUBLIC_KEY
from stages.ingest import main as ingest
from stages.labels.__main__ import main as labels
from stages.pipeline.schemas import Inquiry
from stages.pipeline.tables import write
from stages.tools.predict import main as predict
from tests.clones import own_chat
from tests.conftest import ONLY_THE_SAMPLE, ROOT, inquiries, inquiry, run
from tests.labelling import file_of

ANNOTATIONS = Path("data", "annotations")
OUTPUTS = ("data/messages.jsonl", "data/imported.jsonl", "rejects.jsonl", "n.json", "metrics.json")


@pytest.fixture
def room(project: Path, set_params: Callable[..., None], monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with a chat of its own and no key."""
    monkeypatch.delenv("CHAT_KEY", raising=False)
    for name in ("needs_context", "is_question"):
        (project / ANNOTATIONS / name).mkdir(parents=True)
    own_chat(project / "room.jsonl")
    set_params(**{"ingest.path": "room.jsonl", "ingest.format": "paper"})
    return project


def label(folder: Path, ids: list[int], name: str = "ann") -> Path:
    line = {"annotator": name, "label": "needed", "at": 1_600_000_000, "seconds": None, "guideline": "0" * 12}
    file = file_of(folder / ANNOTATIONS, name)
    file.write_text("".join(json.dumps({"id": id} | line) + "\n" for id in ids))
    return file


def refused(*parts: str, action: Callable[[], Any] = lambda: secret_key("paper")) -> None:
    with pytest.raises(ClickException) as error:
        action()
    assert "\n" not in error.value.message
    for part in parts:
        assert part in error.value.message


# The key


def started_together(folder: Path, barrier: Any, keys: Any) -> None:
    os.chdir(folder)
    barrier.wait()
    keys.put(secret_key("paper"))


def test_processes_that_start_together_agree(room: Path) -> None:
    """In 60 rooms one after the other; 6 of 60 pairs did not when the key was written in its place."""
    fork = multiprocessing.get_context("fork")
    for number in range(60):
        folder = room / str(number)
        folder.mkdir()
        barrier, queue = fork.Barrier(2), fork.SimpleQueue()
        pair = [fork.Process(target=started_together, args=(folder, barrier, queue)) for _ in range(2)]
        for member in pair:
            member.start()
        keys = {queue.get() for _ in pair}
        for member in pair:
            member.join()
        assert keys == {(folder / ".chat_key").read_bytes().strip()}
        assert sorted(file.name for file in folder.iterdir()) == [".chat_key", "data"]
        assert len(keys.pop()) == 64


@pytest.mark.parametrize("empty", [b"", b"\n", b" \r\n\t"])
def test_an_empty_key_is_no_key(room: Path, monkeypatch: pytest.MonkeyPatch, empty: bytes) -> None:
    (room / ".chat_key").write_bytes(empty)
    refused(str(room / ".chat_key"), "is empty")
    (room / ".chat_key").write_text("one")
    monkeypatch.setenv("CHAT_KEY", empty.decode())
    refused("CHAT_KEY is empty")
    refused("CHAT_KEY is empty", action=lambda: check_key(ANNOTATIONS, "paper"))


def test_the_variable_is_stripped_as_the_file_is(room: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (room / ".chat_key").write_bytes("ein Schlüssel\r\n".encode())
    assert secret_key("paper") == "ein Schlüssel".encode()
    (room / ".chat_key").unlink()
    monkeypatch.setenv("CHAT_KEY", " ein Schlüssel\n")
    assert secret_key("paper") == "ein Schlüssel".encode()


FULL = """
import resource, sys
from click import ClickException
from stages.chat.fingerprint import secret_key
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]),) * 2)
try:
    secret_key("paper")
except ClickException as error:
    sys.exit(error.message)
"""


@pytest.mark.parametrize(
    ("limit", "key", "message", "key_files"),
    [
        (0, False, ".chat_key can't be made: File too large", []),
        (30, False, ".chat_key can't be made: File too large", []),
        (5, True, "data/annotations: KEY_FINGERPRINT can't be written: File too large", [".chat_key"]),
    ],
)
def test_a_full_disk_leaves_nothing_half_written(
    room: Path, limit: int, key: bool, message: str, key_files: list[str]
) -> None:
    """As a limit on the size of files has it, in bytes."""
    if key:
        (room / ".chat_key").write_text("a key")
    result = subprocess.run(
        [sys.executable, "-c", FULL, str(limit)],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert result.returncode == 1
    assert message in result.stderr
    assert len(result.stderr.splitlines()) == 1
    assert [file.name for file in room.rglob("*") if "key" in file.name.casefold()] == key_files
    assert secret_key("paper")  # the next start
    assert stored_fingerprint(ANNOTATIONS) == fingerprint.fingerprint(secret_key("paper"))


# Its fingerprint


def test_a_fingerprint_tells_nothing_of_the_key(room: Path) -> None:
    key = secret_key("paper")
    noted = (room / ANNOTATIONS / "KEY_FINGERPRINT").read_text()
    assert len(noted) == 17
    assert noted.strip() not in key.decode()
    assert noted.strip() == stored_fingerprint(ANNOTATIONS) != SAMPLE_FINGERPRINT


@ONLY_THE_SAMPLE
def test_the_samples_fingerprint_is_that_of_the_public_key() -> None:
    assert stored_fingerprint(ROOT / ANNOTATIONS) == SAMPLE_FINGERPRINT == fingerprint.fingerprint(PUBLIC_KEY)


def test_another_key_is_refused_by_whoever_makes_or_joins_ids(room: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert run(ingest, "room.jsonl", *OUTPUTS).exit_code == 0
    file = label(room, [1])
    write("data/inquiries.jsonl", inquiries([inquiry(1)]), Inquiry)
    (room / "labels.csv").write_text("id,label,annotator\n1,needed,bob\n")
    (room / "data" / "predictions").mkdir()
    (room / "data" / "base").mkdir()
    before = {path: path.read_bytes() for path in room.rglob("*.jsonl")}
    monkeypatch.setenv("CHAT_KEY", "another")
    commands: list[tuple[Any, tuple[Any, ...]]] = [
        (ingest, ("room.jsonl", *OUTPUTS)),
        (annotate, ("data/inquiries.jsonl", ANNOTATIONS, "data/imported.jsonl", "l", "q", "r", "m", "d", "a", "b")),
        (labels, ("import", "labels.csv")),
        (labels, ("label", "bob")),
        (labels, ("label", "bob", "--question", "is_question")),
        (labels, ("agreement",)),
        (predict, ("room.jsonl", "answers.jsonl", "smollm2_135m")),
    ]
    from stages.judge_filter import main as judge_filter
    from stages.reannotate import main as reannotate

    commands.append((judge_filter, ("data/turns.jsonl", "s", "f", ANNOTATIONS, "m", "d", "p")))
    tables = ("data/inquiries.jsonl", "data/predictions", ANNOTATIONS, "data/imported.jsonl", "params.yaml")
    commands.append((reannotate, (*tables, "q", "m")))
    for command, arguments in commands:
        result = run(command, *arguments)
        assert result.exit_code == 1, (arguments, result.output)
        detected = (": taken for ", ": columns not read: ")  # said by predict, which detects formats
        lines = [line for line in result.output.splitlines() if not any(words in line for words in detected)]
        assert len(lines) == 1, result.output
        assert "data/annotations: the key of these labels' ids has the fingerprint" in result.output
        assert f"git rm {file.relative_to(room)} data/annotations/KEY_FINGERPRINT" in result.output
    assert {path: path.read_bytes() for path in room.rglob("*.jsonl")} == before


def test_who_only_joins_needs_no_key_and_makes_none(room: Path) -> None:
    assert run(ingest, "room.jsonl", *OUTPUTS).exit_code == 0
    (room / ".chat_key").unlink()
    label(room, [1])
    write("data/inquiries.jsonl", inquiries([inquiry(1)]), Inquiry)
    places = ("data/inquiries.jsonl", ANNOTATIONS, "data/imported.jsonl", "l", "q", "r", "m", "d", "a", "b")
    assert run(annotate, *places).exit_code == 0
    assert run(labels, "agreement").exit_code == 0
    assert not (room / ".chat_key").exists()


def test_no_new_key_where_one_was(room: Path) -> None:
    first = secret_key("paper")
    (room / ".chat_key").unlink()
    refused("isn't here, and a new one would orphan them", "CHAT_KEY", "git rm data/annotations/KEY_FINGERPRINT")
    (room / ANNOTATIONS / "KEY_FINGERPRINT").unlink()
    file = label(room, [1])
    refused("isn't here", f"git rm {file.relative_to(room)}")
    (room / "data" / "base").mkdir()
    result = run(predict, "room.jsonl", "answers.jsonl", "smollm2_135m")
    assert result.exit_code == 1
    assert "a new one would orphan them" in result.output
    file.rename(file.parent.with_name("is_question") / file.name)
    refused("isn't here", "git rm data/annotations/is_question/ann.jsonl")
    assert not (room / ".chat_key").exists()
    (room / ".chat_key").write_bytes(first)
    assert secret_key("paper") == first  # a checkout from before fingerprints
    assert stored_fingerprint(ANNOTATIONS) == fingerprint.fingerprint(first)


def test_the_samples_labels_belong_to_another_chat(room: Path) -> None:
    label(room, [1], "claude_pass_1")
    assert secret_key("chitchat") == PUBLIC_KEY
    refused("belong to another chat, the sample", "git rm data/annotations/needs_context/claude_pass_1.jsonl")
    assert not (room / ".chat_key").exists()
    file_of(room / ANNOTATIONS, "claude_pass_1").unlink()
    assert stored_fingerprint(ANNOTATIONS) == SAMPLE_FINGERPRINT
    key = secret_key("paper")
    assert stored_fingerprint(ANNOTATIONS) == fingerprint.fingerprint(key)
    label(room, [1])
    refused("the sample's public key", "set ingest.path", action=lambda: secret_key("chitchat"))


def test_a_recognised_sample_is_joined(room: Path) -> None:
    (room / ".chat_key").write_text("a key of another chat")
    assert secret_key("chitchat") == PUBLIC_KEY  # ingest has recognised it
    label(room, [1])
    check_key(ANNOTATIONS, "auto")
    refused("the sample", action=lambda: check_key(ANNOTATIONS, "paper"))


@pytest.mark.parametrize("text", ["", "<<<<<<< HEAD\n0123456789abcdef\n=======\n", "0123456789ABCDEF\n"])
def test_a_damaged_fingerprint_is_named(room: Path, text: str) -> None:
    (room / ANNOTATIONS / "KEY_FINGERPRINT").write_text(text)
    refused("data/annotations/KEY_FINGERPRINT is no fingerprint")


def test_labels_get_the_fingerprint_that_the_cache_did_not_bring(room: Path) -> None:
    (room / ".chat_key").write_text("the key")
    label(room, [1])
    assert run(labels, "agreement").exit_code == 0
    assert stored_fingerprint(ANNOTATIONS) == fingerprint.fingerprint(b"the key")
