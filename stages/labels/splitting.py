"""Which labelled items are learnt from, and which are kept for dev and test (paper, section 3)."""

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from stages.pipeline.params import Export
from stages.pipeline.schemas import CHOSEN_BY_READERS, SPLITS

MIN_GROUPS = 50  # conversations, for a split of whole conversations
Items = list[dict[str, Any]]


def split(items: Items, dev: float, test: float, seed: int) -> tuple[dict[str, Items], Items]:
    """Items by split, train, dev and test, of about the shares that `dev` and `test` say, and the items left out.

    A hash of its name puts a whole conversation into one split: an item stays there, whatever is labelled otherwise or
    added, so that versions of the data are judged on the same items. Where conversations are too few or too large for
    that (a user has one group chat), the log is cut into three blocks of time.
    """
    if not many_and_small(items, dev, test):
        return _split_by_time(items, dev, test)
    splits: dict[str, Items] = {name: [] for name in SPLITS}
    for item in items:
        splits[_split_of_group(item["group"], dev, test, seed)].append(item)
    return splits, []


def many_and_small(items: Items, dev: float, test: float) -> bool:
    """Whether conversations are so many and so small that a random split of them comes near the shares."""
    sizes = Counter(item["group"] for item in items)
    return len(sizes) >= MIN_GROUPS and max(sizes.values()) / len(items) <= min(dev, test) / 2


def _split_of_group(group: str, dev: float, test: float, seed: int) -> str:
    fraction = int.from_bytes(hashlib.sha256(f"{seed} {group}".encode()).digest()[:8]) / 2**64
    if fraction < test:
        return "test"
    return "dev" if fraction < test + dev else "train"


def _split_by_time(items: Items, dev: float, test: float) -> tuple[dict[str, Items], Items]:
    """The oldest items to train, the newest to test. Items whose window reaches into an earlier block are left out."""
    ordered = sorted(items, key=lambda item: (item["timestamp"], item["group"], item["position"]))
    dev_start, test_start = round((1 - dev - test) * len(ordered)), round((1 - test) * len(ordered))
    blocks = {"train": ordered[:dev_start], "dev": ordered[dev_start:test_start], "test": ordered[test_start:]}
    splits: dict[str, Items] = {}
    left_out: Items = []
    last_of_group: dict[str, int] = {}  # timestamp of a group's last item in the earlier blocks
    for name, block in blocks.items():
        splits[name] = []
        for item in block:
            reaches_back = _window_start(item) <= last_of_group.get(item["group"], -1)
            (left_out if reaches_back else splits[name]).append(item)
        for item in block:
            last_of_group[item["group"]] = item["timestamp"]
    return splits, left_out


def _window_start(item: dict[str, Any]) -> int:
    return min(turn["timestamp"] for turn in (*item["cr_window"], item))


def sides(items: Items, p: Export) -> dict[int, str | None]:
    """The split of each item by id; None between two blocks of time, where the item's window reaches back."""
    splits, left_out = split(items, p.dev, p.test, p.seed)
    sides_by_id: dict[int, str | None] = {item["id"]: name for name, part in splits.items() for item in part}
    return sides_by_id | dict.fromkeys((item["id"] for item in left_out), None)


def may_be_learnt(inquiries: Items, dev_and_test: Items) -> Items:
    """The inquiries that tell a training nothing about the items of dev and test: those of other conversations, and
    those older than all that these items show.
    """
    groups = {item["group"] for item in dev_and_test}
    start = min(map(_window_start, dev_and_test))
    return [item for item in inquiries if item["group"] not in groups or item["timestamp"] < start]


def has_chosen(labelled: Iterable[Mapping[str, Any]]) -> bool:
    """Whether readers chose any of the labelled items.

    The split is then one of all inquiries, labelled or not, which was settled before the readers chose. Otherwise it
    is one of the labelled items.
    """
    return any(item.get(CHOSEN_BY_READERS) for item in labelled)


def assign(labelled: Items, sides_by_id: Mapping[int, str | None]) -> tuple[dict[int, str], list[dict[str, Any]]]:
    """The split of each labelled item by id, and the others with their reasons.

    Items that readers chose are no random sample. They were on the side of train; one that is on another side now,
    after a change of the seed, the shares or the filter, is in no split.
    """
    split_by_id: dict[int, str] = {}
    rejects: list[dict[str, Any]] = []
    for item in labelled:
        side = sides_by_id[item["id"]]
        if side is None:
            rejects.append({"id": item["id"], "reason": "split_gap"})
        elif side != "train" and item.get(CHOSEN_BY_READERS):
            rejects.append({"id": item["id"], "reason": CHOSEN_BY_READERS})
        else:
            split_by_id[item["id"]] = side
    return split_by_id, rejects
