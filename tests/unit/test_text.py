"""Foreign text in messages: on one line, printable, short, and without secrets."""

import base64
import json
import zipfile
from pathlib import Path
from urllib.parse import quote
from zoneinfo import ZoneInfo

import click
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.labels import importing, store
from stages.pipeline.text import LENGTH, quoted
from tests.chat_exports import read_export
from tests.conftest import QUESTION

KEY = "sk-Kx7+pQ/2vR=9tZ4mN8wL1cYb"
ESCAPES = "\x1b[31m\x1b]0;title\x07\u202e\u2066\u200f\r\nError: all is well\u2028\x9b"


@given(st.text(st.characters()))
def test_what_is_quoted_is_printable_short_and_on_one_line(text: str) -> None:
    assert quoted(text).isprintable()
    assert len(quoted(text)) <= LENGTH + 1


def test_ordinary_words_stay() -> None:
    for text in ("model 'kimi' not found", "上下文太长 (8193 > 8192)", "naïve — “quoted” [x] <b> {'a': 1}", "🙂"):
        assert quoted(text) == quoted(text, KEY) == text
    assert quoted(ValueError("a\n  b")) == "a b"


@given(st.binary(max_size=5), st.binary(max_size=5), st.integers(4, 20), st.text("ab cd\n", max_size=9))
def test_a_known_secret_is_found_in_any_dress(before: bytes, after: bytes, size: int, around: str) -> None:
    parts = "\n".join(KEY[start : start + size] for start in range(0, len(KEY), size))
    wrapped = base64.b64encode(before + KEY.encode() + after).decode()
    for dressed in (KEY, parts, quote(KEY, safe=""), KEY.upper(), KEY.encode().hex(), KEY[3:], KEY[:-3]):
        text = quoted(around + dressed + around, KEY)
        assert not any(KEY[i : i + 4].lower() in text.lower() for i in range(len(KEY) - 3) if KEY[i : i + 4].isalnum())
    assert wrapped[8:-8] not in quoted(wrapped, KEY)


def test_a_key_at_the_cut_leaves_no_beginning_behind() -> None:
    for room in range(LENGTH - 30, LENGTH + 2):
        assert "sk-K" not in quoted("." * room + KEY, KEY)
    assert len(quoted("x" * 10**6, KEY)) == LENGTH + 1


def test_a_tokens_form_is_enough() -> None:
    assert "ghp_" not in quoted("token ghp_" + "a1B2" * 9)
    assert "hunter2" not in quoted("https://ann:hunter2hunter2@host/x")


def messages(folder: Path) -> list[str]:
    """What is said about files whose names and contents are somebody else's."""
    errors = []
    archive = folder / "slack.zip"
    for name, content in ((f"../{ESCAPES}/2024-01-01.json", b"[]"), (f"{ESCAPES}/2024-01-01.json", b"[1, x]")):
        with zipfile.ZipFile(archive, "w") as file:
            file.writestr(name, content)
        with pytest.raises(click.ClickException) as raised:
            list(read_export("slack", archive))
        errors.append(raised.value.message)
    unpacked = folder / "slack" / ESCAPES.replace("/", "")
    unpacked.mkdir(parents=True)
    (unpacked / "2024-01-01.json").write_bytes("[]".encode("utf-16"))
    with pytest.raises(click.ClickException) as raised:
        list(read_export("slack", folder / "slack"))
    errors.append(raised.value.message)
    lines = [json.dumps(line, ensure_ascii=False) for line in (ESCAPES, {ESCAPES: 1, "id": ESCAPES})]
    (folder / "ann.jsonl").write_text("\n".join(lines))
    with pytest.raises(click.ClickException) as raised:
        store.load_files([folder / "ann.jsonl"], QUESTION)
    errors += raised.value.message.splitlines()
    row = {"id": 1, "label": "needed", "annotator": "ann"}
    rows = [row | {field: ESCAPES} for field in ("id", "label", "annotator", "at", "seconds")]
    (folder / "labels.json").write_text(json.dumps(rows))
    options = importing.Options({}, {}, {}, None, list(QUESTION.labels))
    labels = importing.read_labels(folder / "labels.json", options, "0" * 12, ZoneInfo("UTC"))
    errors += labels.problems.messages()
    assert len(errors) == 3 + 7 + 5
    return errors


def test_no_message_about_a_file_moves_the_terminal(tmp_path: Path) -> None:
    errors = messages(tmp_path)
    assert all(map(str.isprintable, errors)), errors
    assert sum("\\x1b" in message or "[31m" in message for message in errors) == 3 + 6 + 5  # the others quote nothing
