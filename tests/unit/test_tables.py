"""Tables that aren't what their contract says: found in the raw file, before a cast can hide it."""

import json
import math
from pathlib import Path
from typing import Any

import click
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.pipeline.files import write_json
from stages.pipeline.schemas import (
    Inquiry,
    Label,
    Labelled,
    Message,
    Prediction,
    Reannotate,
    Reject,
    Score,
    Table,
    label_of,
)
from stages.pipeline.tables import from_rows, read, rows, write
from tests.conftest import Row, inquiry, messages

CHAT = messages(("a", 0, "mmpose?"), ("b", 100, "And it?"), ("a", 150, "Which one?"))
LABELLED = [inquiry(2, at=100) | {"label": True}]
ANSWER = {
    "id": 1,
    "prompt": "en",
    "label": True,
    "positive": -0.1,
    "negative": -2.5,
    "dont_know": -9.0,
    "letters": "A",
    "said": None,
    "answer": "positive",
    "turns_lost": 0,
}
LABEL = {"id": 1, "annotator": "ann", "label": "needed", "at": 5, "seconds": 1.5, "guideline": "0" * 12}
LABEL_OF_QUESTION = label_of(["needed", "not_needed", "not_question"])


def lines(path: Path, table: list[Any]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in table), encoding="utf-8")
    return path


def stored(path: Path, table: list[Row], model: type[Table]) -> list[Row]:
    """The table as a stage writes it, read back as plain JSON."""
    write(path, from_rows(table, model), model)
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def refused(path: Path, model: type[Table]) -> str:
    with pytest.raises(click.ClickException) as caught:
        read(path, model)
    return caught.value.message


@pytest.mark.parametrize(
    ("field", "value", "error"),
    [
        ("id", 1.4, "id: must be a whole number, is a number that is not whole"),
        ("id", 2.0, "id: must be a whole number, is a number that is not whole"),
        ("id", True, "id: must be a whole number, is true or false"),
        ("id", "2", "id: must be a whole number, is text"),
        ("id", 2**64, "id: must be a whole number, is a number that is not whole or too large"),
        ("id", None, "id: must be a whole number, is null"),
        ("id", [2], "id: must be a whole number, is a list"),
        ("timestamp", "2024-01-01", "timestamp: must be a whole number, is text"),
        ("text", 7, "text: must be text, is a whole number"),
        ("text", {"a": 1}, "text: must be text, is an object"),
        ("is_question", 1, "is_question: must be true or false, is a whole number"),
        ("label", "true", "label: must be true or false, is text"),
        ("more", 1, "more: is no field of this table"),
        ("cr_window", {"sender": "z"}, "cr_window: must be a list, is an object"),
        ("cr_window", {}, "cr_window: must be a list, is an empty object"),
        ("cr_window", [3], "cr_window[]: must be an object, is a whole number"),
        ("cr_window", [{"sender": "z", "txet": "y"}], "cr_window[].txet: is no field of this table"),
        ("cr_window", [{"sender": "z", "txet": "y"}], "cr_window[].timestamp: is missing"),
        ("cr_window", [{"sender": "z", "text": "y", "timestamp": 1.5}], "cr_window[].timestamp: must be a whole"),
    ],
)
def test_keys_and_types_are_those_of_the_raw_file(tmp_path: Path, field: str, value: Any, error: str) -> None:
    (good,) = stored(tmp_path / "t.jsonl", LABELLED, Labelled)
    other = good | {"id": 3, "position": 9}
    path = lines(tmp_path / "t.jsonl", [other, good | {field: value}])
    message = refused(path, Labelled)
    assert f"{path}: row 2" in message
    assert error in message
    assert "row 1" not in message


@pytest.mark.parametrize("field", ["id", "text", "is_question", "cr_window", "label"])
def test_a_missing_key(tmp_path: Path, field: str) -> None:
    (good,) = stored(tmp_path / "t.jsonl", LABELLED, Labelled)
    path = lines(tmp_path / "t.jsonl", [good, {key: value for key, value in good.items() if key != field}])
    assert f"{field}: is missing" in refused(path, Labelled)


@pytest.mark.parametrize("row", [[1], 3, "text", None, True])
def test_a_row_that_is_no_object(tmp_path: Path, row: Any) -> None:
    path = lines(tmp_path / "t.jsonl", [*stored(tmp_path / "t.jsonl", CHAT, Message), row])
    assert "row 4, must be an object" in refused(path, Message)


def test_a_window_with_a_hole_breaks_the_contract(tmp_path: Path) -> None:
    whole = {"sender": "z", "text": "y", "timestamp": 1}
    for hole in (None, whole | {"text": None}):
        rows = [inquiry(2, at=100) | {"cr_window": [whole, hole]}]
        with pytest.raises(click.ClickException, match=r"row 1, id 2, cr_window: window_of_turns"):
            write(tmp_path / "t.jsonl", from_rows(rows, Inquiry), Inquiry)
    assert not (tmp_path / "t.jsonl").exists()


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize(
    ("model", "row", "field"),
    [
        (Score, {"id": 1, "scorer": "is_question", "score": 1.0, "no_answer": None}, "score"),
        (Prediction, ANSWER, "positive"),
    ],
)
def test_numbers_are_finite(tmp_path: Path, model: type[Table], row: Row, field: str, value: float) -> None:
    bad_row = row | {field: value, "id": 2}
    with pytest.raises(click.ClickException, match=f"row 2, id 2, {field}: is not a finite number"):
        write(tmp_path / "t.jsonl", from_rows([row, bad_row], model), model)
    path = lines(tmp_path / "t.jsonl", [row, bad_row])  # Python writes NaN and Infinity, and DuckDB reads them
    assert f"row 2, id 2, {field}: is not a finite number" in refused(path, model)


def test_metrics_are_finite(tmp_path: Path) -> None:
    with pytest.raises(click.ClickException, match=r"m\.json: a number in it is NaN or infinite"):
        write_json(tmp_path / "m.json", {"f1": math.nan})
    assert list(tmp_path.iterdir()) == []


def test_a_null_is_no_nan_and_what_a_label_may_leave_out(tmp_path: Path) -> None:
    path = lines(tmp_path / "ann.jsonl", [LABEL | {"seconds": None}, LABEL | {"id": 2, "note": "why"}])
    assert [row["seconds"] for row in rows(read(path, Label))] == [None, 1.5]
    lines(path, [{key: value for key, value in LABEL.items() if key != "label"}])
    assert "label: is missing" in refused(path, Label)
    path.write_text(json.dumps(LABEL | {"seconds": math.nan}) + "\n")
    assert "seconds: is not a finite number" in refused(path, Label)


def test_every_row_has_the_columns_of_the_first_where_a_pattern_names_them(tmp_path: Path) -> None:
    (good,) = stored(tmp_path / "t.jsonl", [inquiry(2, at=100)], Inquiry)
    path = lines(tmp_path / "t.jsonl", [good, good | {"id": 3, "kimi_is_question": True}])
    assert "row 2, id 3, kimi_is_question: is no field" in refused(path, Inquiry)
    path = lines(tmp_path / "t.jsonl", [good, {"id": 3} | {k: v for k, v in good.items() if k != "is_question"}])
    assert "is_question: is missing" in refused(path, Inquiry)


@pytest.mark.parametrize(
    ("content", "line"),
    [
        ('{good}\n{"id":\n{good}\n', 2),
        ("{good}\n\n}\n", 3),
        ("{good}\n{good} {good}\n", 2),
        ('{good}\n{"id":"\\q"}\n', 2),
        ("[" * 100_000 + "\n", 1),
    ],
)
def test_the_line_that_is_no_json_is_named(tmp_path: Path, content: str, line: int) -> None:
    path = tmp_path / "t.jsonl"
    good = json.dumps(stored(path, CHAT[:1], Message)[0])
    path.write_text(content.replace("{good}", good))
    assert f"{path}, line {line}: not JSON" in refused(path, Message)


def test_a_byte_that_is_no_utf_8(tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    good = json.dumps(stored(path, CHAT[:1], Message)[0]).encode()
    path.write_bytes(good + b"\n" + good.replace(b"mmpose", b"\xff") + b"\n")
    assert f"{path}, line 2: not UTF-8" in refused(path, Message)


@pytest.mark.parametrize("before", [b"\xef\xbb\xbf", b"\n", b"\xef\xbb\xbf\n\n", b"  \r\n"])
def test_a_byte_order_mark_and_blank_lines_lose_nothing(tmp_path: Path, before: bytes) -> None:
    path = tmp_path / "it's.jsonl"
    table = stored(path, CHAT, Message)
    path.write_bytes(before + path.read_bytes())
    assert rows(read(path, Message)) == table


def test_a_long_list_of_errors_is_cut(tmp_path: Path) -> None:
    path = lines(tmp_path / "t.jsonl", [ANSWER | {"id": 1.5 + n} for n in range(1000)])
    message = refused(path, Prediction).splitlines()
    assert (len(message), message[-1]) == (21, "… and 980 more")


def test_types_of_parquet_are_checked_too(tmp_path: Path) -> None:
    import pyarrow
    from pyarrow import parquet

    path = tmp_path / "t.parquet"
    write(path, from_rows(CHAT, Message), Message)
    assert [row["id"] for row in rows(read(path, Message))] == [1, 2, 3]
    table = parquet.read_table(path)
    parquet.write_table(table.set_column(0, "id", pyarrow.array([1.4, 2.0, 3.0])), path)
    assert f"{path}: id: must be int64, is float64" in refused(path, Message)
    parquet.write_table(table.append_column("more", pyarrow.array([1, 2, 3])).drop_columns("text"), path)
    assert f"{path}: text: is missing" in refused(path, Message)
    assert f"{path}: more: is no field of this table" in refused(path, Message)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


@given(field=st.sampled_from([*LABEL, "note", "other"]), value=VALUES)
def test_nothing_passes_that_python_would_read_otherwise(
    tmp_path_factory: pytest.TempPathFactory, field: str, value: Any
) -> None:
    """What is read is what the line says, or it is refused; nothing is cast."""
    path = tmp_path_factory.mktemp("any") / "ann.jsonl"
    row = LABEL | {field: value}
    try:
        text = json.dumps(row, ensure_ascii=False) + "\n"
        path.write_text(text, encoding="utf-8")
    except UnicodeEncodeError:  # half a surrogate pair is no UTF-8
        return
    try:
        (label,) = rows(read(path, LABEL_OF_QUESTION))
    except click.ClickException as error:
        assert str(path) in error.message
        return
    expected = dict.fromkeys(("seconds", "note", "given", "chosen")) | json.loads(text)
    assert label == expected
    assert [type(label[key]) for key in ("id", "at")] == [int, int]


def test_probabilities_that_a_pattern_names(tmp_path: Path) -> None:
    row: Row = dict.fromkeys(("votes", "against"), 0) | {
        "id": 1,
        "reason": "doubt",
        "at": 5,
        "rank": 1,
        "label": "needed",
        "doubt": 0.5,
        "biggest_wrong": False,
        "cross_validated": 0.25,
        "positive_by_a": None,
    }
    path = tmp_path / "t.jsonl"
    (good,) = stored(path, [row], Reannotate)
    assert rows(read(path, Reannotate)) == [good]
    lines(path, [good | {"positive_by_a": "0.5"}])
    assert "positive_by_a: must be a number, is text" in refused(path, Reannotate)


@pytest.mark.parametrize("first", [None, 5, "text", [1]])
@pytest.mark.parametrize("model", [Message, Inquiry])
def test_a_first_line_that_is_no_object(tmp_path: Path, first: Any, model: type[Table]) -> None:
    """It is no empty table, and no column of a pattern is looked for in it."""
    path = lines(tmp_path / "table.jsonl", [first, {"id": 1}])
    with pytest.raises(click.ClickException, match="row 1, must be an object"):
        read(path, model)


def test_a_folder_that_nobody_finished(tmp_path: Path) -> None:
    """Not even where only the second shard has rows, or none has."""
    folder = tmp_path / "messages.jsonl"
    folder.mkdir()
    with pytest.raises(click.ClickException, match=r"has no part-\*: run the stage that writes it"):
        read(folder, Message)
    (folder / "_SUCCESS").touch()
    assert rows(read(folder, Message)) == []
    (folder / "part-0.json").write_text("\n")
    lines(folder / "part-1.json", [row | {"reply_to": None} for row in CHAT])
    assert len(rows(read(folder, Message))) == 3


@pytest.mark.parametrize("name", ["missing.parquet", "missing.jsonl", "junk.parquet"])
def test_a_file_that_is_none(tmp_path: Path, name: str) -> None:
    (tmp_path / "junk.parquet").write_text("junk")
    with pytest.raises(click.ClickException, match=name):
        read(tmp_path / name, Message)


def test_ids_beside_a_null_and_nulls_in_a_column_of_a_pattern(tmp_path: Path) -> None:
    rejects = [{"id": None, "at": "x", "reason": "system"}, {"id": 2**53 - 1, "at": "y", "reason": "No!"}]
    with pytest.raises(click.ClickException, match=rf"row \d, id {2**53 - 1}, reason: str_matches"):
        write(tmp_path / "rejects.jsonl", from_rows(rejects, Reject), Reject)
    inquiries = [inquiry(1, at=100), inquiry(2, at=200) | {"is_question": None}]
    with pytest.raises(click.ClickException) as caught:
        write(tmp_path / "inquiries.jsonl", from_rows(inquiries, Inquiry), Inquiry)
    assert caught.value.message == "inquiries.jsonl: row 2, id 2, is_question: is null"


def test_no_part_is_an_empty_table(tmp_path: Path) -> None:
    assert write(tmp_path / "messages.jsonl", [], Message) == 0
    assert rows(read(tmp_path / "messages.jsonl", Message)) == []
