"""The concat rule, by hand and by property (paper, section 2)."""

from pathlib import Path

import ibis
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stages.chat.turns import PART_CHARACTERS, PART_TURNS, joined, numbered
from stages.concat import main
from stages.pipeline.schemas import Message, Turn
from stages.pipeline.tables import from_rows, rows, write
from tests.conftest import Row, messages, run, table

GAP = 18
RUNS = [("a", 0, "x"), ("a", 17, "y"), ("b", 18, "z"), ("b", 19, "w"), ("a", 60, "v"), ("a", 90, "u")]


def turns(log: list[Row]) -> ibis.Table:
    return joined(numbered(table(log), GAP)).order_by("group", "position")


def concat(log: list[Row]) -> list[Row]:
    return rows(turns(log))


@pytest.mark.parametrize(
    ("utterances", "texts"),
    [
        ([("a", 0, "x"), ("a", 17, "y")], ["x\ny"]),
        ([("a", 0, "x"), ("a", 18, "y")], ["x", "y"]),  # less than 18 s, not 18
        ([("a", 0, "x"), ("a", 17, "y"), ("a", 34, "z")], ["x\ny\nz"]),  # from the last merged message, not the first
        ([("a", 0, "x"), ("b", 1, "y"), ("a", 2, "z")], ["x", "y", "z"]),  # somebody else in between
        ([("a", 5, "x"), ("a", 5, "y"), ("a", 5, "z")], ["x\ny\nz"]),  # upstream loses messages of the same second
        ([("a", 0, "x"), ("a", 1, "y"), ("b", 2, "z")], ["x\ny", "z"]),  # upstream loses the message that ends a run
        ([("a", 0, "one\ntwo")], ["one\ntwo"]),
    ],
)
def test_concat_by_hand(utterances: list[tuple[str, int, str]], texts: list[str]) -> None:
    assert [turn["text"] for turn in concat(messages(*utterances))] == texts


def test_a_turn_is_its_first_message() -> None:
    turn, *_ = concat(messages(("a", 3, "x"), ("a", 4, "y"), first_id=7))
    assert (turn["id"], turn["position"], turn["timestamp"], turn["messages"]) == (7, 0, 1_700_000_003, 2)


def test_groups_are_apart() -> None:
    log = messages(("a", 0, "x")) + messages(("a", 1, "y"), group="h", first_id=9)
    assert [turn["text"] for turn in concat(log)] == ["x", "y"]


@st.composite
def logs(draw: st.DrawFn) -> list[Row]:
    utterances, at = [], 0
    for _ in range(draw(st.integers(1, 30))):
        at += draw(st.integers(0, 40))
        utterances.append((draw(st.sampled_from("abc")), at, draw(st.text("xy中 \n", min_size=1, max_size=5))))
    return messages(*utterances)


@given(logs())
@settings(max_examples=40, deadline=None)
def test_properties(log: list[Row]) -> None:
    result = concat(log)
    assert "\n".join(turn["text"] for turn in result) == "\n".join(row["text"] for row in log)  # conserved, in order
    assert sum(turn["messages"] for turn in result) == len(log)
    Turn.validate(turns(log).to_pandas()[list(Turn.to_schema().columns)])


@given(logs())
@settings(max_examples=20, deadline=None)
def test_turns_further_apart_than_the_gap_stay_as_they_are(log: list[Row]) -> None:
    spread = [row | {"timestamp": row["timestamp"] + GAP * row["position"]} for row in log]
    result = concat(spread)
    assert [turn["text"] for turn in result] == [row["text"] for row in log]
    assert concat([{k: v for k, v in turn.items() if k != "messages"} for turn in result]) == result  # idempotent


def test_in_parts_the_same_bytes(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = [row for n in range(50) for row in messages(*RUNS[: 1 + n % 6], group=f"g{n}", first_id=10 * n)]
    write(project / "messages.jsonl", from_rows(log, Message), Message)
    outputs = []
    for part, part_turns in ((PART_CHARACTERS, PART_TURNS), (1000, 2)):
        monkeypatch.setattr("stages.chat.turns.PART_CHARACTERS", part)
        monkeypatch.setattr("stages.chat.turns.PART_TURNS", part_turns)
        assert run(main, "messages.jsonl", "turns.jsonl", "n.json", "concat.json").exit_code == 0
        outputs.append((project / "turns.jsonl").read_bytes())
    assert outputs[0] == outputs[1]
    by_group = [1, 1, 2, 2, 3, 4]  # turns of the first one to six of RUNS
    assert outputs[0].count(b"\n") == sum(by_group[n % 6] for n in range(50))
