"""The part of the terminal annotator's screen that has an item: its turns, its labels and notes."""

from collections.abc import Mapping, Sequence
from typing import Any

from rich.text import Text
from textual.containers import VerticalScroll
from textual.geometry import Region
from textual.widget import Widget
from textual.widgets import Static

from stages.labels.rendering import own_line, turn_line, votes_table
from stages.labels.store import Line
from stages.llm.prompts import lettered


class ItemView(VerticalScroll):
    """Shows one item, the question below its window. What is too long scrolls."""

    DEFAULT_CSS = """
    ItemView { padding: 0 1; scrollbar-color: $foreground; scrollbar-size-vertical: 1; }
    #question { border-left: thick $accent; padding-left: 1; background: $boost; }
    #own, #votes { padding-left: 2; }
    #votes { margin-top: 1; }
    """

    async def show_item(
        self, item: Mapping[str, Any], line: Line | None, votes: Sequence[Line], search_text: str
    ) -> None:
        """Show an item with each occurrence of `search_text` marked, the annotator's `line` and those of others."""
        turns = [
            Static(turn_line(letter, text, search_text), classes="turn")
            for letter, text in lettered([*item["cr_window"], item])
        ]
        turns[-1].id = "question"
        below = []
        if line and (line["label"] or line["note"]):
            below.append(Static(own_line(line), id="own"))
        if votes:
            below.append(Static(votes_table(votes), id="votes"))
        await self.replace([*turns, *below])

    async def show_text(self, text: str) -> None:
        """Show a text in place of an item."""
        await self.replace([Static(Text(text))])

    async def replace(self, widgets: Sequence[Widget]) -> None:
        with self.app.batch_update():
            await self.remove_children()
            await self.mount_all(widgets)
        self.call_after_refresh(self.scroll_to_question)

    def on_resize(self) -> None:
        self.call_after_refresh(self.scroll_to_question)

    def scroll_to_question(self) -> None:
        """Scroll to the end, but no further than to the start of the question; from there to a hit of the search."""
        for question in self.query("#question"):
            self.scroll_to_widget(question, top=True, animate=False, immediate=True)
        for turn in reversed(self.query(".turn")):
            row = last_marked_row(turn)
            if row is not None:
                hit = Region(0, turn.virtual_region.y + row, 1, 1)
                self.scroll_to_region(hit, animate=False, immediate=True)
                return


def last_marked_row(turn: Widget) -> int | None:
    """The last row of a turn on the screen that has a mark of a search."""
    for row in reversed(range(turn.size.height)):
        if any(segment.style and segment.style.reverse for segment in turn.render_line(row)):
            return row
    return None
