"""Readers and ingest: every reason for a reject once, ids that survive, names that don't."""

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import pytest

from stages.chat import Broken, Message, chitchat, paper, spool
from stages.chat.keys import PUBLIC_KEY, secret_key
from stages.ingest import ingest, main
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
    kept, rejects, _ = ingested([chat(), chat(at="line 2", **changed)])
    assert len(kept) == 1
    assert rejects == [{"at": "line 2", "reason": reason}]


def test_monologues_and_what_is_over_the_limit() -> None:
    said = [chat(group=group, sender=who) for group, who in (("1", "a"), ("2", "a"), ("2", "b"), ("3", "a"))]
    kept, rejects, counts = ingested(said, limit=2, min_senders=2)
    assert [row["group"] for row in kept] == ["2", "2"]
    assert [row["reason"] for row in rejects] == ["too_few_senders"]
    assert counts["over_limit"] == 1
    assert len(said) == len(kept) + len(rejects) + 1


def test_messages_out_of_order_are_sorted_and_ties_keep_the_exports_order() -> None:
    kept, _, _ = ingested([chat(text="c", timestamp=NOW + 2), chat(text="a"), chat(text="b")])
    assert [(row["text"], row["position"]) for row in kept] == [("a", 0), ("b", 1), ("c", 2)]


def test_ids_survive_another_order_and_a_longer_export_and_tell_repeats_apart() -> None:
    said = [chat(text=text) for text in ("a", "b", "b", "c")]
    ids = sorted(row["id"] for row in ingested(said)[0])
    assert len(set(ids)) == 4
    assert all(0 <= id < 2**53 for id in ids)
    assert sorted(row["id"] for row in ingested(said[::-1])[0]) == ids
    assert set(ids) < {row["id"] for row in ingested([chat(text="new"), *said])[0]}
    assert {row["id"] for row in ingested(said, b"another key")[0]}.isdisjoint(ids)


@pytest.mark.parametrize("count", [3, 4, 5])
def test_chunks_change_nothing(monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    said: list[Message | Broken] = [
        chat(text=text, sender=text, timestamp=NOW + 9 - n) for n, text in enumerate("abcab")
    ]
    said = [*said[: count - 1], Broken("line 9", "bad_field")]
    whole = ingested(said)
    monkeypatch.setattr(spool, "CHUNK", 2)
    monkeypatch.setattr(spool, "SPOOLED", 2)
    assert ingested(said) == whole
    assert (len(whole[0]), len(whole[1])) == (count - 1, 1)


@pytest.mark.parametrize("lengths", [(2, 1), (1, 2)])
def test_an_export_that_changes_while_it_is_read(lengths: tuple[int, int]) -> None:
    readings = iter([chat(text=str(n)) for n in range(length)] for length in lengths)
    with pytest.raises(click.ClickException, match="changed while it was read"):
        ingest(lambda: next(readings), PUBLIC_KEY, None, 1, 100)


def test_the_samples_ids_never_change() -> None:
    """Labels are joined by id: a change here would orphan all that were ever made."""
    (row,), _, _ = ingested([chat(group="room", text="Can mmpose be deployed?", timestamp=1_600_000_000)])
    assert (row["id"], row["sender"]) == (5146197920152878, "090aaec89d11b59a")


def test_chitchat(tmp_path: Path) -> None:
    good = {"text": "hi", "timestamp": "2018-05-02T19:38:15Z", "sender": "s"}
    runs = [[good, {"text": "no time", "sender": "s"}], [good | {"timestamp": "yesterday"}]]
    file = tmp_path / "chitchat.json"
    file.write_text(json.dumps({"c": {"messages": runs}}))
    found = list(chitchat.read(file))
    assert found[0] == Message("conversation c, message 1", "c", "s", "hi", 1525289895)
    assert [one.reason for one in found[1:] if isinstance(one, Broken)] == ["missing_field", "bad_field"]


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
    found = [one for one in paper.read(file) if isinstance(one, Message)]
    assert [(one.text, one.cr_need_gt) for one in found] == [
        ("mmpose is nice", None),
        ("only in a window", None),
        ("And it?", True),
        ("Why?", False),
    ]
    assert {one.group for one in found} == {"room"}


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
    found = list(paper.read(lines(tmp_path / "room.jsonl", PAPER, line, PAPER | {"id": 9})))
    assert [one.reason for one in found if isinstance(one, Broken)] == [reason]
    assert [one.at for one in found if isinstance(one, Broken)] == ["room.jsonl, line 2"]
    assert sum(isinstance(one, Message) for one in found) == 2


def outputs(folder: Path) -> list[Path]:
    return [folder / name for name in ("messages.jsonl", "imported.jsonl", "rejects.jsonl", "metrics.json")]


def test_the_stage_on_a_chat_of_ones_own(
    project: Path, set_params: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CHAT_KEY", "a secret")
    set_params(**{"ingest.format": "paper", "ingest.min_senders": 1})
    file = lines(project / "room.jsonl", PAPER, PAPER | {"id": 8, "sender": "Bob"}, b"not json")
    result = run(main, file, *outputs(project))
    assert result.exit_code == 0, result.output
    messages, imported, rejects, metrics = (path.read_text() for path in outputs(project))
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
    made = secret_key("paper")
    assert (project / ".chat_key").stat().st_mode & 0o077 == 0
    assert secret_key("paper") == made
    monkeypatch.chdir(project)
    assert secret_key("paper") == made
    assert secret_key("chitchat") == PUBLIC_KEY


@pytest.mark.parametrize(
    ("content", "said"),
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
def test_an_export_that_is_none(project: Path, content: bytes | None, said: str) -> None:
    file = project / "chat.json"
    if content is not None:
        file.write_bytes(content)
    result = run(main, file, *outputs(project))
    assert result.exit_code == 1
    assert said in result.output
    assert str(file) in result.output
