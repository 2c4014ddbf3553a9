"""An annotator's way through the items: the item on the screen, the labels made, and the way back.

A label is on the disk before another item is current. Every method that writes raises click.ClickException where a
label or a note can't be put on the disk; nothing has changed then.
"""

import time
from collections.abc import Mapping
from typing import Any, NamedTuple

from stages.labels.annotator_file import AnnotatorFile
from stages.labels.rendering import occurrences, printable
from stages.labels.store import Line
from stages.llm.prompts import lettered

RECENT = 50  # labels that the speed is taken over
LONGEST = 120.0  # seconds of one label that count for the speed; the rest is a pause


class Step(NamedTuple):
    """A label that can be taken back, and the state before it."""

    item_index: int
    due_index: int
    line: Line | None  # that counted for the item
    was_labelled: bool


class Session:
    """Goes through `items` in their order, without those in `labelled_ids`, and appends each label to a file.

    An item may say how it was `chosen`.
    """

    def __init__(self, items: list[dict[str, Any]], labelled_ids: set[int], label_file: AnnotatorFile):
        self.items, self.labelled_ids, self.label_file = items, labelled_ids, label_file
        self.index = -1  # of the current item; len(items) where all are labelled
        self.due_index = -1  # of the item that the order has come to; a search makes others current
        self.steps: list[Step] = []
        self.durations: list[float] = []  # seconds for each label
        self.search_text = ""  # of the last search
        self.hit_index = -1  # of the item that the last search has shown
        self.go_on()

    @property
    def item(self) -> dict[str, Any] | None:
        """The current item."""
        return self.items[self.index] if self.index < len(self.items) else None

    @property
    def line(self) -> Line | None:
        """The annotator's line that counts for the current item."""
        return self.label_file.lines.get(self.item["id"]) if self.item else None

    @property
    def is_due(self) -> bool:
        """Whether the current item is the one that the order has come to."""
        return self.index == self.due_index

    @property
    def labelled_count(self) -> int:
        return sum(item["id"] in self.labelled_ids for item in self.items)

    @property
    def speed(self) -> float | None:
        """Labels an hour, of late."""
        recent = self.durations[-RECENT:]
        return 3600 * len(recent) / sum(recent) if recent else None

    def go_on(self) -> None:
        """Go to the next item without a label, from the beginning where the end is reached.

        From another item than the due one, go back to the due one if it has no label.
        """
        start = min(self.due_index + self.is_due, len(self.items))
        order = [*range(start, len(self.items)), *range(start)]
        unlabelled = (index for index in order if self.items[index]["id"] not in self.labelled_ids)
        self.due_index = next(unlabelled, len(self.items))
        self.go_to(self.due_index)

    @property
    def unlabelled_ahead(self) -> int:
        """How many items without a label the order has still to come to, after the due one."""
        return sum(item["id"] not in self.labelled_ids for item in self.items[self.due_index + 1 :])

    def extend(self, items: list[dict[str, Any]]) -> None:
        """Add items at the end. Where all were labelled, the first of them is current now."""
        if self.item is None:
            self.shown_at = time.monotonic()
        self.items.extend(items)

    def go_to(self, index: int) -> None:
        if index != self.index:
            self.shown_at = time.monotonic()
        self.index = index

    def label(self, label: str) -> None:
        """Give the current item a label and go on."""
        if self.item is None:
            return
        id, before = self.item["id"], self.line
        seconds = time.monotonic() - self.shown_at
        note = before["note"] if before else None
        self.label_file.append(id, label, seconds=round(seconds, 1), note=note, chosen=self.item.get("chosen"))
        self.steps.append(Step(self.index, self.due_index, before, id in self.labelled_ids))
        self.durations.append(max(0.1, min(seconds, LONGEST)))
        self.labelled_ids.add(id)
        self.go_on()

    def undo(self) -> bool:
        """Go back to the item of the last label, with the label that counted before; False where there is none."""
        if not self.steps:
            return False
        step = self.steps[-1]
        id = self.items[step.item_index]["id"]
        label, seconds = (step.line["label"], step.line["seconds"]) if step.line else (None, None)
        note = self.label_file.lines[id]["note"]
        self.label_file.append(id, label, seconds=seconds, note=note, restored_from=step.line)
        self.steps.pop()
        if not step.was_labelled:
            self.labelled_ids.discard(id)
        self.due_index = step.due_index
        self.go_to(step.item_index)
        return True

    def add_note(self, note: str | None) -> None:
        """Put a note on the current item, or remove it; the label stays, with the time when it was made."""
        line = self.line
        if self.item is None or note == (line["note"] if line else None):
            return
        label, seconds = (line["label"], line["seconds"]) if line else (None, None)
        self.label_file.append(self.item["id"], label, seconds=seconds, note=note, restored_from=line)

    def search(self, text: str) -> tuple[int, int]:
        """Go to the next item that has the text, in any case, in itself or its window.

        Without a text, go from the last hit to the next one of the same text. Returns the hit's number, from 1, and
        how many there are; (0, 0) where there is none.
        """
        start = self.index + 1 if text else self.hit_index + 1
        text = text or self.search_text
        hits = [index for index, item in enumerate(self.items) if text and item_has(item, text)]
        if not hits:
            return 0, 0
        self.search_text = text
        self.hit_index = next((hit for hit in hits if hit >= start), hits[0])
        self.go_to(self.hit_index)
        return hits.index(self.hit_index) + 1, len(hits)


def item_has(item: Mapping[str, Any], text: str) -> bool:
    """Whether the text is in one of the item's turns as they are shown, in any case."""
    return any(occurrences(printable(turn), text) for _, turn in lettered([*item["cr_window"], item]))
