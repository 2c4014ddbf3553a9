"""The question filter: rules, windows, reasons and the measured quality."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stages.concat import concat
from stages.filter import quality, why_not, windows
from stages.llm.scorers import _without_final_marks, rules
from stages.params import Scorer
from stages.tables import rows
from tests.conftest import messages, table

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


@given(st.lists(st.sampled_from("gh"), min_size=1, max_size=30), st.integers(1, 12))
@settings(max_examples=20, deadline=None)
def test_windows_against_a_plain_loop(groups: list[str], size: int) -> None:
    said = [
        row
        for group in set(groups)
        for row in messages(
            *[("ab"[i % 2], 100 * i, f"{group}{i}") for i in range(groups.count(group))],
            group=group,
            first_id=1000 * ord(group),
        )
    ]
    turns = rows(concat(table(said), 18))
    for row in rows(windows(concat(table(said), 18), size)):
        before = [t for t in turns if t["group"] == row["group"] and t["position"] < row["position"]]
        before.sort(key=lambda t: t["position"])
        assert [t["text"] for t in row["cr_window"]] == [t["text"] for t in before[-size:]]
        assert all(set(t) == {"sender", "text", "timestamp"} for t in row["cr_window"])


def test_the_window_holds_twelve() -> None:
    said = messages(*[("ab"[i % 2], 100 * i, str(i)) for i in range(20)])
    last = max(rows(windows(concat(table(said), 18), 12)), key=lambda row: row["position"])
    assert [turn["text"] for turn in last["cr_window"]] == [str(i) for i in range(7, 19)]  # upstream has 11


@pytest.mark.parametrize(
    ("scores", "text", "reason"),
    [
        ({"is_question": 4.9}, "long enough", "not_is_question"),
        ({"is_question": 5, "mark_is_question": 1.9}, "long enough", "not_mark_is_question"),
        ({"is_question": 5, "mark_is_question": 2}, "short?", "too_short"),
        ({"is_question": 5, "mark_is_question": 2}, "seven c", None),
    ],
)
def test_every_reason_once(scores: dict[str, float], text: str, reason: str | None) -> None:
    assert why_not({"text": text}, scores, SCORERS, 7) == reason


def test_quality_by_hand() -> None:
    scores = {id: {"is_question": 10.0, "mark_is_question": mark} for id, mark in enumerate([9.0, 9, 9, 1, 1])}
    scores |= {id: {"is_question": 0.0} for id in (5, 6)}
    labels = dict(enumerate([True, True, False, True, False, True, False]))
    found = quality(SCORERS, scores, labels, kept={0, 1, 2})
    assert (found["labelled_kept"], found["labelled_rejected"]) == (3, 4)
    assert (found["is_question_precision"], found["is_question_recall"]) == (0.6, 0.75)
    assert (found["mark_is_question_precision"], found["mark_is_question_recall"]) == (0.6667, 0.6667)
    assert (found["precision"], found["recall"], found["recall_n"]) == (0.6667, 0.5, 4)
    assert found["recall_low"] < 0.5 < found["recall_high"]


def test_quality_without_labels() -> None:
    assert quality(SCORERS, {}, {}, set()) == {"labelled_kept": 0, "labelled_rejected": 0}
