"""How far back questions reach: by hand."""

import math
from pathlib import Path
from typing import Any

import ibis
import pytest

from stages.chat.turns import turns_of
from stages.judging.reach import reach, smallest_window, turns_back, windows_up_to
from stages.window import reply_distances
from tests.conftest import messages, sender, table

ANN, BOB, EVE = (sender(name) for name in ("ann", "bob", "eve"))


def item(id: int, text: str, *senders: str) -> dict[str, Any]:
    """A question of Eve's after one turn of each of the senders, 10 s apart."""
    window = [{"sender": name, "text": "so", "timestamp": 10 * n} for n, name in enumerate(senders)]
    return {"id": id, "sender": EVE, "text": text, "cr_window": window}


@pytest.mark.parametrize(
    ("question", "replies", "distance"),
    [
        (item(1, "why?", ANN, BOB), {}, None),
        (item(1, f"{EVE}: why?", ANN, BOB), {}, None),  # nobody answers themselves
        (item(1, f"{BOB}: why?", ANN, BOB), {}, 1),
        (item(1, f"{ANN}: why?", ANN, BOB), {}, 2),
        (item(1, f"{ANN}, {BOB}: why?", ANN, BOB), {}, 1),
        (item(1, f"{ANN}: why?", BOB, BOB), {}, math.inf),
        (item(1, f"{ANN}: why?"), {}, math.inf),
        (item(1, "why? ip 00007f5f6fe58656 sp ffffffff81234567", ANN, BOB), {}, None),  # addresses in memory
        (item(1, "why?", ANN, BOB, ANN), {1: 3}, 3),
        (item(1, f"{BOB}: why?", ANN, BOB, ANN), {1: 1}, 1),  # the reply counts before the name
    ],
)
def test_turns_back(question: dict[str, Any], replies: dict[int, int], distance: float | None) -> None:
    assert turns_back(question, replies) == distance


def test_reach_and_the_smallest_window() -> None:
    near = [item(id, f"{BOB}: why?", ANN, BOB) for id in range(17)]
    far = [item(id, f"{ANN}: why?", ANN, *[BOB] * 5) for id in range(17, 20)]
    silent = [item(id, "why?", ANN, BOB) for id in range(20, 30)]
    reached = reach([*near, *far, *silent], {})
    assert reached == {
        **{"addressed": 20, "replies": 0, "mentions": 20},
        **{"reach_1": 0.85, "reach_2": 0.85, "reach_4": 0.85, "reach_8": 1.0, "reach_12": 1.0},
    }
    assert smallest_window(reached) == 8
    assert smallest_window(reach([*near, *far[:1], *silent], {})) == 1  # 18 addressed questions tell nothing
    assert smallest_window(reach([*near, *near[:5]], {})) == 1
    lost = [item(id, f"{ANN}: why?", BOB) for id in range(40)]
    assert smallest_window(reach(lost, {})) == 12
    assert reach(silent, {}) == {"addressed": 0, "replies": 0, "mentions": 0}
    assert smallest_window(reach(lost, {}, windows_up_to(4)), windows_up_to(4)) == 4


@pytest.mark.parametrize(
    ("replying", "answered", "distance"),
    [
        ("does it run?", "look", 4),
        ("of squid?", "look", 4),  # the second message of the question's turn
        ("does it run?", "here", 1),  # the second message of the turn of Bob's
        ("does it run?", "so", 3),
        ("does it run?", "hm", None),  # Eve's own
        ("later", "look", None),  # no item
    ],
)
def test_what_a_reply_answers_is_counted_in_turns(
    replying: str, answered: str, distance: int | None, tmp_path: Path
) -> None:
    """Within one minute, as many exports have their times."""
    said = [(name, 0, text) for name, text in [("eve", "hm"), ("ann", "look"), ("bob", "so"), ("ann", "x")]]
    said += [("bob", 0, "there"), ("bob", 0, "here"), ("eve", 0, "does it run?"), ("eve", 0, "of squid?")]
    rows = messages(*said, ("ann", 60, "later"))
    ids = {row["text"]: row["id"] for row in rows}
    rows = [row | {"reply_to": ids[answered] if row["text"] == replying else None} for row in rows]
    log = table(rows)
    turns = ibis.union(*turns_of(log, 18, tmp_path))
    expected = {} if distance is None else {ids["does it run?"]: distance}
    assert reply_distances(log, turns, [{"id": ids["does it run?"]}]) == expected
