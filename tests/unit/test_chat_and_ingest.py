"""Readers and ingest: every reason for a reject once, ids that survive, names that don't."""

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import pytest

from stages.chat import Message, Reject, spill
from stages.chat.fingerprint import secret_key
from stages.chat.ingestion import ingest
from stages.chat.keys import PUBLIC_KEY
from stages.ingest import main
from tests.chat_exports import read_export
from tests.conftest import Row, ingested, run

NOW = 1_700_000_000


def chat(**changed: Any) -> Message:
    return Message(
        **{"at": "line 1", "group": "g", "sender": "Ann", "text": "Hello there", "timestamp": NOW} | changed  # type: ignore[arg-type]
    )


@pytest.mark.parametrize(
    ("reason", "changed"),
    [
        ("timestamp_in_milliseconds", {"timestamp": NOW * 1000}),
        ("timestamp_not_positive", {"timestamp": 0}),
        ("timestamp_in_the_future", {"timestamp": int(time.time()) + 200_000}),
        ("empty_text", {"text": " \n\t"}),
        ("text_too_long", {"text": "x" * 1_000_000}),
        ("text_not_unicode", {"text": "a\ud800b"}),
        ("text_not_unicode", {"text": "a\0b"}),
    ],
)
def test_a_message_that_cannot_be_used_is_a_reject(reason: str, changed: dict[str, Any]) -> None:
    messages, rejects, _ = ingested([chat(), chat(at="line 2", **changed)])
    assert len(messages) == 1
    assert rejects == [{"at": "line 2", "reason": reason}]


def test_monologues_and_what_is_over_the_limit() -> None:
    entries = [chat(group=group, sender=who) for group, who in (("1", "a"), ("2", "a"), ("2", "b"), ("3", "a"))]
    messages, rejects, counts = ingested(entries, limit=2, min_senders=2)
    assert [row["group"] for row in messages] == ["2", "2"]
    assert [row["reason"] for row in rejects] == ["too_few_senders"]
    assert counts["over_limit"] == 1
    assert len(entries) == len(messages) + len(rejects) + 1


def test_small_groups_are_left_out_by_the_messages_that_can_be_used() -> None:
    """An empty text and a repeated id don't fill a group; a monologue stays a monologue, however small it is."""
    entries = [
        *(chat(at=f"large {n}", group="large", sender="ab"[n % 2], key=str(n)) for n in range(3)),
        *(chat(at=f"small {n}", group="small", sender="ab"[n]) for n in range(2)),
        chat(at="small empty", group="small", text=" "),
        *(chat(at=f"twice {n}", group="twice", sender="ab"[n // 2], key=str(n // 2)) for n in range(3)),
        chat(at="alone", group="alone"),
    ]
    messages, rejects, _ = ingested(entries, min_senders=2, min_messages=3)
    assert [row["group"] for row in messages] == ["large"] * 3
    assert [(row["at"], row["reason"]) for row in rejects] == [
        ("alone", "too_few_senders"),
        ("small 0", "too_few_messages"),
        ("small 1", "too_few_messages"),
        ("small empty", "empty_text"),
        ("twice 0", "too_few_messages"),
        ("twice 1", "duplicate_id"),
        ("twice 2", "too_few_messages"),
    ]
    assert len(ingested(entries, min_senders=2, min_messages=2)[0]) == 3 + 2 + 2


def test_messages_out_of_order_are_sorted_and_ties_keep_the_exports_order() -> None:
    messages, _, _ = ingested([chat(text="c", timestamp=NOW + 2), chat(text="a"), chat(text="b")])
    assert [(row["text"], row["position"]) for row in messages] == [("a", 0), ("b", 1), ("c", 2)]


def test_ids_survive_another_order_and_a_longer_export_and_tell_repeats_apart() -> None:
    entries = [chat(text=text) for text in ("a", "b", "b", "c")]
    ids = sorted(row["id"] for row in ingested(entries)[0])
    assert len(set(ids)) == 4
    assert all(0 <= id < 2**53 for id in ids)
    assert sorted(row["id"] for row in ingested(entries[::-1])[0]) == ids
    assert set(ids) < {row["id"] for row in ingested([chat(text="new"), *entries])[0]}
    assert {row["id"] for row in ingested(entries, b"another key")[0]}.isdisjoint(ids)


@pytest.mark.parametrize("count", [3, 4, 5])
def test_chunks_change_nothing(monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    entries: list[Message | Reject] = [
        chat(text=text, sender=text, timestamp=NOW + 9 - n) for n, text in enumerate("abcab")
    ]
    entries = [*entries[: count - 1], Reject("line 9", "bad_field")]
    result = ingested(entries)
    monkeypatch.setattr(spill, "CHUNK", 2)
    monkeypatch.setattr(spill, "BUFFERED_ROWS", 2)
    assert ingested(entries) == result
    assert (len(result[0]), len(result[1])) == (count - 1, 1)


@pytest.mark.parametrize("lengths", [(2, 1), (1, 2)])
def test_an_export_that_changes_while_it_is_read(lengths: tuple[int, int]) -> None:
    readings = iter([chat(text=str(n)) for n in range(length)] for length in lengths)
    with pytest.raises(click.ClickException, match="changed while it was read"):
        ingest(lambda: next(readings), PUBLIC_KEY, None, 1, 1, 100)


def test_the_samples_ids_never_change() -> None:
    """Labels are joined by id: a change here would orphan all that were ever made."""
    (row,), _, _ = ingested([chat(group="room", text="Can mmpose be deployed?", timestamp=1_600_000_000)])
    assert (row["id"], row["sender"]) == (5146197920152878, "090aaec89d11b59a")


def test_chitchat(tmp_path: Path) -> None:
    good = {"text": "hi", "timestamp": "2018-05-02T19:38:15Z", "sender": "s"}
    runs = [[good, {"text": "no time", "sender": "s"}], [good | {"timestamp": "yesterday"}]]
    file = tmp_path / "chitchat.json"
    file.write_text(json.dumps({"c": {"messages": runs}}))
    entries = list(read_export("chitchat", file))
    assert entries[0] == Message("conversation c, message 1", "c", "s", "hi", 1525289895)
    assert [entry.reason for entry in entries[1:] if isinstance(entry, Reject)] == ["missing_field", "bad_field"]


PAPER = {"id": 7, "sender": "Ann", "text": "And it?", "timestamp": NOW, "cr_need_gt": True}


def lines(file: Path, *rows: Row | bytes) -> Path:
    file.write_bytes(b"\n".join(row if isinstance(row, bytes) else json.dumps(row).encode() for row in rows) + b"\n")
    return file


def test_paper_reads_windows_once_and_labels(tmp_path: Path) -> None:
    before = {"sender": "Bob", "text": "mmpose is nice", "timestamp": NOW - 60}
    file = lines(
        tmp_path / "room.jsonl",
        before | {"id": 6},
        PAPER | {"cr_window": [before, before | {"text": "only in a window"}]},
        PAPER | {"id": 8, "text": "Why?", "cr_window": [before | {"text": "only in a window"}], "cr_need_gt": False},
    )
    messages = [message for message in read_export("paper", file) if isinstance(message, Message)]
    assert [(message.text, message.cr_need_gt) for message in messages] == [
        ("mmpose is nice", None),
        ("only in a window", None),
        ("And it?", True),
        ("Why?", False),
    ]
    assert {message.group for message in messages} == {"room"}


@pytest.mark.parametrize(
    ("reason", "line"),
    [
        ("invalid_utf8", b'{"text": "\xff"}'),
        ("invalid_json", b'{"text": '),
        ("invalid_json", b"[" * 100_000),
        ("missing_field", {"id": 1, "text": "a"}),
        ("bad_field", PAPER | {"timestamp": "2024-01-01"}),
        ("bad_field", PAPER | {"timestamp": 1.5}),
        ("bad_field", PAPER | {"text": None}),
        ("bad_field", PAPER | {"cr_need_gt": "no"}),
        ("bad_field", PAPER | {"id": [1]}),
        ("bad_field", b'"text"'),
        ("duplicate_id", PAPER),
    ],
)
def test_paper_names_the_line_and_goes_on(tmp_path: Path, reason: str, line: Row | bytes) -> None:
    entries = list(read_export("paper", lines(tmp_path / "room.jsonl", PAPER, line, PAPER | {"id": 9})))
    assert [entry.reason for entry in entries if isinstance(entry, Reject)] == [reason]
    assert [entry.at for entry in entries if isinstance(entry, Reject)] == ["room.jsonl, line 2"]
    assert sum(isinstance(entry, Message) for entry in entries) == 2


def outputs(folder: Path) -> list[Path]:
    return [folder / name for name in ("messages.jsonl", "imported.jsonl", "rejects.jsonl", "n.json", "metrics.json")]


def test_the_stage_on_a_chat_of_ones_own(
    project: Path, set_params: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CHAT_KEY", "a secret")
    set_params(**{"ingest.format": "paper", "ingest.min_senders": 1})
    file = lines(project / "room.jsonl", PAPER, PAPER | {"id": 8, "sender": "Bob"}, b"not json")
    result = run(main, file, *outputs(project))
    assert result.exit_code == 0, result.output
    messages, imported, rejects, _, metrics = (path.read_text() for path in outputs(project))
    label = json.loads(imported.splitlines()[0])
    assert (label["label"], label["annotator"]) == ("needed", "export")
    assert label["id"] in {json.loads(line)["id"] for line in messages.splitlines()}
    assert json.loads(rejects) == {"id": None, "at": "room.jsonl, line 3", "reason": "invalid_json"}
    assert json.loads(metrics) | {"senders": 2} == json.loads(metrics)
    for text in (messages, imported, rejects, metrics, result.output):
        assert "Ann" not in text
        assert "a secret" not in text


def test_the_key_is_made_once_and_kept(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CHAT_KEY", raising=False)
    inside = project / ".dvc" / "tmp" / "exps" / "tmp1"
    inside.mkdir(parents=True)
    monkeypatch.chdir(inside)  # where `dvc exp run --temp` works, and what it throws away
    key = secret_key("paper")
    assert (project / ".chat_key").stat().st_mode & 0o077 == 0
    assert secret_key("paper") == key
    monkeypatch.chdir(project)
    assert secret_key("paper") == key
    assert secret_key("chitchat") == PUBLIC_KEY


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "is missing: set ingest.path"),
        (b"", "line 1, column 1: not JSON"),
        (b"\xff{}", "byte 0 is not UTF-8"),
        (b"\xff\xfe{\0", "not UTF-8 but UTF-16"),
        (b'{\n"c": }', "line 2, column 6"),
        (b"[]", "not a chitchat dataset"),
        (b"{}", "not one usable message (the file is empty)"),
        (b'{"c": {"messages": [[{"text": "x"}]]}}', "not one usable message (missing_field 1)"),
    ],
)
def test_an_export_that_is_none(
    project: Path, set_params: Callable[..., None], content: bytes | None, message: str
) -> None:
    set_params(**{"ingest.format": "chitchat"})
    file = project / "chat.json"
    if content is not None:
        file.write_bytes(content)
    result = run(main, file, *outputs(project))
    assert result.exit_code == 1
    assert message in result.output
    assert str(file) in result.output
