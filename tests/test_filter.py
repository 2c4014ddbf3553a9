"""The question filter: rules, windows, reasons and the measured quality."""

import math
from collections.abc import Callable, Sequence
from pathlib import Path

import pyarrow
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ibis import _

from stages.concat import joined, numbered
from stages.filter import PART, SCORES, Given, judged, main, quality, rated, sweep, windows
from stages.llm.prompts import load_filter
from stages.llm.scorers import _without_final_marks, choose, mark, rate, rules
from stages.params import Scorer
from stages.schemas import Turn
from stages.tables import from_rows, in_memory, rows, write
from tests.conftest import messages, run, table
from tests.says import Says

SCORERS = [
    Scorer(name="is_question", kind="rules", throttle=5),
    Scorer(name="mark_is_question", kind="mark", model="m", throttle=2),
]


@pytest.mark.parametrize(
    ("text", "asks"),
    [
        ("How do I deploy mmpose", True),
        ("nice! what about you", True),
        ("im good\nhow are you", True),
        ("Did you see it", True),
        ("dont you like it", True),
        ("wbu", True),
        ("it works, right?", True),
        ("mmpose 可以部署到手机吗", True),
        ("怎么部署到 TX2 上", True),
        ("请问谁试过", True),
        ("I know what you mean", False),
        ("I wonder", False),
        ("Doing well.", False),
        ("That is how it works.", False),
        ("可以部署到手机。", False),
        ("", False),
    ],
)
def test_rules(text: str, asks: bool) -> None:
    assert (rules(text) >= 5) is asks


def test_final_marks_are_taken_off_each_line() -> None:
    assert _without_final_marks("Are you?! \nlol.\n??") == ["Are you", "Are you?! \nlol"]
    assert _without_final_marks("??") == ["??"]


@given(st.lists(st.sampled_from("gh"), min_size=1, max_size=30), st.integers(1, 12), st.sets(st.integers(0, 29)))
@settings(max_examples=20, deadline=None)
def test_windows_against_a_plain_loop(groups: list[str], size: int, asking: set[int]) -> None:
    said = [
        row
        for group in set(groups)
        for row in messages(
            *[("ab"[i % 2], 100 * i, f"{group}{i}") for i in range(groups.count(group))],
            group=group,
            first_id=1000 * ord(group),
        )
    ]
    log = joined(numbered(table(said), 18))
    turns = rows(log)
    kept = {turn["id"] for turn in turns if turn["position"] in asking}
    found = rows(windows(log.mutate(kept=_.id.isin(kept)), size))
    assert {row["id"] for row in found} == kept
    for row in found:
        before = [t for t in turns if t["group"] == row["group"] and t["position"] < row["position"]]
        before.sort(key=lambda t: t["position"])
        assert [t["text"] for t in row["cr_window"]] == [t["text"] for t in before[-size:]]
        assert all(set(t) == {"sender", "text", "timestamp"} for t in row["cr_window"])


def test_the_window_holds_twelve() -> None:
    said = messages(*[("ab"[i % 2], 100 * i, str(i)) for i in range(20)])
    log = joined(numbered(table(said), 18))
    last = max(rows(windows(log.mutate(kept=True), 12)), key=lambda row: row["position"])
    assert [turn["text"] for turn in last["cr_window"]] == [str(i) for i in range(7, 19)]  # upstream has 11


@pytest.mark.parametrize(
    ("scores", "text", "reason"),
    [
        ([4.9], "long enough", "not_is_question"),
        ([5, 1.9], "long enough", "not_mark_is_question"),
        ([5, 2], "short?", "too_short"),
        ([5, 2], "seven c", None),
        ([5, 2], "六个字不够😀", "too_short"),  # six characters, whatever their bytes
        ([None], "long enough", "unreadable_is_question"),
        ([0], "long enough", "not_is_question"),
        ([5, None], "long enough", "unreadable_mark_is_question"),
    ],
)
def test_every_reason_once(scores: list[float | None], text: str, reason: str | None) -> None:
    log = joined(numbered(table(messages(("a", 0, text), first_id=0)), 18))
    given = {}
    for n, scorer in enumerate(SCORERS):
        own = pyarrow.Table.from_pylist([{"id": 0, "score": score} for score in scores[n : n + 1]], schema=SCORES)
        given[scorer.name] = in_memory(own)
    (row,) = rows(judged(log, given, SCORERS, 7))
    assert row["reason"] == reason


def test_rated_a_million_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """In pieces the same as at once, in the order of the log."""
    log = joined(
        numbered(table(messages(*[("ab"[i % 2], 100 * i, "?" * (i % 3)) for i in range(5000)], first_id=0)), 18)
    )
    sizes = []

    def rate(texts: Sequence[str]) -> list[float | None]:
        sizes.append(len(texts))
        return [len(text) or None for text in texts]

    whole = rated(log, rate)
    monkeypatch.setattr("stages.filter.RATED", 2048)
    assert rated(log, rate) == whole
    assert sizes == [5000, 2048, 2048, 904]
    assert whole["id"].to_pylist() == list(range(5000))
    assert whole["score"].to_pylist()[:4] == [None, 1, 2, None]


def test_in_parts_the_same_bytes(
    project: Path, set_params: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    set_params(**{"filter.scorers": [{"name": "is_question", "kind": "rules", "throttle": 5}]})
    (project / "labels").mkdir()
    said = [
        row
        for n in range(50)
        for row in messages(*[("ab"[i % 2], 100 * i, f"{n}, {i}, who?") for i in range(20)], group=f"g{n}")
    ]
    turns = [row | {"id": id, "messages": 1} for id, row in enumerate(said)]
    write(project / "turns.jsonl", from_rows(turns, Turn), Turn)
    written = []
    for part in (PART, 1000):
        monkeypatch.setattr("stages.filter.PART", part)
        done = run(main, "turns.jsonl", "base", "labels", *["scores", "inquiries", "rejects", "metrics", "plot"])
        assert done.exit_code == 0, done.output
        written.append((project / "inquiries").read_bytes())
    assert written[0] == written[1]
    assert written[0].count(b"\n") == 50 * 20


def turn(*scores: float | None, kept: bool = False) -> Given:
    return {scorer.name: score for scorer, score in zip(SCORERS, scores, strict=False)} | {
        "reason": None if kept else "no"
    }


def test_quality_by_hand() -> None:
    drawn = {id: turn(10.0, mark, kept=id < 3) for id, mark in enumerate([9.0, 9, 9, 1, 1])}
    drawn |= {id: turn(0.0, None) for id in (5, 6)}
    labels = dict(enumerate([True, True, False, True, False, True, False]))
    found = quality(SCORERS, drawn, labels)
    assert (found["labelled_kept"], found["labelled_rejected"]) == (3, 4)
    assert (found["is_question_precision"], found["is_question_recall"]) == (0.6, 0.75)
    assert (found["mark_is_question_precision"], found["mark_is_question_recall"]) == (0.6667, 0.6667)
    assert (found["precision"], found["recall"], found["recall_n"]) == (0.6667, 0.5, 4)
    assert found["recall_low"] < 0.5 < found["recall_high"]


def test_the_sweep_by_hand() -> None:
    given = {1: 10.0, 2: 6.0, 3: 0.0, 4: None}
    scores = pyarrow.Table.from_pylist([{"id": id, "score": score} for id, score in given.items()], schema=SCORES)
    drawn = {id: turn(score) for id, score in given.items() if id != 4}
    points = sweep({"is_question": scores}, drawn, {1: True, 2: False, 3: True})
    at = {(point["throttle"], point["measure"]): point["share"] for point in points}
    assert (at[0, "kept"], at[0, "precision"], at[0, "recall"]) == (1, 0.6667, 1)
    assert (at[6, "kept"], at[6, "precision"], at[6, "recall"]) == (0.6667, 0.5, 0.5)
    assert (at[7, "kept"], at[7, "precision"], at[7, "recall"]) == (0.3333, 1, 0.5)


def test_mark_takes_the_line_that_asks_most(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LABELS_CACHE", str(tmp_path))
    asks = Says(lambda text: [math.log(0.6), math.log(0.2), math.log(0.2)] if text.endswith("you") else [-9, -1, -9])
    assert mark(["how are you?\nlol!", "lol"], asks, "test") == [6.0, 0.0034]
    assert asks.asked == ["how are you", "how are you?\nlol", "lol"]


def test_choose_and_rate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LABELS_CACHE", str(tmp_path))
    prompt = load_filter("en")
    half = Says(lambda chat: [-1.0, -1.0 - math.log(3)])
    assert choose(["what $is this?"], half, prompt, "test") == [7.5]
    assert half.asked[0][0]["content"].endswith("Message:\nwhat $is this?")
    said = {"a": "8/10", "b": "I'd say 7.5.", "c": "none", "d": "11", "e": "-3", "f": "１０分", "g": ""}
    rated = rate(list(said), Says(lambda chat: said[chat[0]["content"][-1]]), prompt, "test")
    assert rated == [8, 7.5, None, None, None, 10, None]


def test_a_text_that_does_not_fit_is_not_asked_and_has_no_score(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LABELS_CACHE", str(tmp_path))
    prompt = load_filter("en")
    long = "why " * 3000
    sure = Says(lambda _: [0.0, -99.0, -99.0])
    assert mark([f"how\n{long}", long, "who?"], sure, "test") == [10.0, None, 10.0]
    assert sure.asked == ["how", "who"]
    for found in (
        choose([long, "who?"], Says(lambda _: [0.0, -99.0]), prompt, "test"),
        rate([long, "who?"], Says(lambda _: "10"), prompt, "test"),
    ):
        assert found == [None, 10.0]


def test_quality_without_labels() -> None:
    assert quality(SCORERS, {}, {}) == {"labelled_kept": 0, "labelled_rejected": 0}
