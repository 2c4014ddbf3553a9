"""How far a question's window must reach for the model to see whom the question answers.

A question is addressed where its text names somebody, or where the export says which message it answers.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from stages.pipeline.pseudonym import PSEUDONYM

WINDOWS = (1, 2, 4, 8, 12)  # turns
ENOUGH = 0.9  # share of the addressed questions that window `auto` reaches
MIN_ADDRESSED = 20  # fewer tell nothing; then one turn is shown
Items = Sequence[Mapping[str, Any]]
Distances = Mapping[int, int]  # turns between a reply and what it answers, by the id of the reply; 1 is the last turn


def windows_up_to(turns: int) -> tuple[int, ...]:
    """The windows that can be shown where items have so many turns."""
    return tuple(window for window in WINDOWS if window <= turns)


def turns_back(item: Mapping[str, Any], replies: Distances) -> float | None:
    """The smallest window that reaches what an item answers: 1 is the last turn. Infinity where nobody whom it names
    is in its window, None for an item that is not addressed.
    """
    if item["id"] in replies:
        return replies[item["id"]]
    named = set(PSEUDONYM.findall(item["text"])) - {item["sender"]}
    if not named:
        return None
    latest_first = enumerate(reversed(item["cr_window"]), start=1)
    return next((back for back, turn in latest_first if turn["sender"] in named), math.inf)


def reach(items: Items, replies: Distances, windows: Sequence[int] = WINDOWS) -> dict[str, Any]:
    """How many items are addressed, by a reply and by a name, and the share of them that each window reaches."""
    distances = [turns_back(item, replies) for item in items]
    addressed = [distance for distance in distances if distance is not None]
    reply_count = sum(item["id"] in replies for item in items)
    counts: dict[str, Any] = {
        "addressed": len(addressed),
        "replies": reply_count,
        "mentions": len(addressed) - reply_count,
    }
    for window in windows if addressed else ():
        reached = sum(distance <= window for distance in addressed)
        counts[f"reach_{window}"] = round(reached / len(addressed), 4)
    return counts


def smallest_window(reached: Mapping[str, Any], windows: Sequence[int] = WINDOWS) -> int:
    """The smallest window that reaches ENOUGH of the addressed items, the largest where none does; one turn where too
    few items are addressed to tell.
    """
    if reached["addressed"] < MIN_ADDRESSED:
        return windows[0]
    return next((window for window in windows if reached[f"reach_{window}"] >= ENOUGH), windows[-1])
