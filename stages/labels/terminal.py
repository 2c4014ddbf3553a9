"""The terminal annotator: one inquiry at a time under its window, one key for each label.

A label is on the disk before the next inquiry shows.
"""

import time
from collections.abc import Mapping
from typing import Any, ClassVar

from rich.table import Table
from rich.text import Text
from textual.app import App, ComposeResult
from textual.binding import Binding
from textual.containers import VerticalScroll
from textual.widgets import Footer, Input, Static

from stages.labels.store import Line, Mine
from stages.llm.prompts import speakers

COLOURS = ("cyan", "yellow", "green", "magenta", "blue", "red")
RECENT = 50  # labels that the speed is taken over
PAUSE = 120.0  # seconds for one label that count as work


def printable(text: str) -> str:
    """Text without characters that would steer the terminal or turn the direction of writing."""
    return "".join(c for c in text if c.isprintable() or c == "\n")


class Annotator(App[None]):
    """Label `items`, inquiries in this order, one after the other, less those whose ids are in `done`."""

    TITLE = "labels"
    ENABLE_COMMAND_PALETTE = False
    CSS = """
    #state { height: 1; background: $panel; padding: 0 1; }
    #chat { padding: 0 1; }
    .question { border-left: thick $accent; padding-left: 1; background: $boost; }
    #line { height: 3; display: none; }
    """
    BINDINGS: ClassVar[list[Any]] = [Binding("ctrl+c", "quit", show=False), Binding("escape", "leave", show=False)]

    def __init__(self, items: list[dict[str, Any]], done: set[int], mine: Mine, keys: Mapping[str, str]):
        super().__init__()
        self.items, self.done, self.mine, self.keys = items, done, mine, keys
        self.at = -1
        self.undoable: list[tuple[int, Line | None]] = []  # place and what counted there before
        self.paces: list[float] = []
        self.asking = ""

    def compose(self) -> ComposeResult:
        yield Static(id="state")
        yield VerticalScroll(id="chat")
        yield Input(id="line")
        yield Footer(compact=True, show_command_palette=False)

    async def on_mount(self) -> None:
        for label, key in self.keys.items():
            self.bind(key, f"label('{label}')", description=label.replace("_", " "))
        for key, action in {"s": "skip", "u": "undo", "n": "note", "slash": "search", "q": "quit"}.items():
            self.bind(key, f"ask('{action}')" if action in ("note", "search") else action, description=action)
        self.query_one("#chat").focus()
        await self.forward()

    async def forward(self) -> None:
        """Show the next inquiry without an answer, after this one, then from the beginning."""
        await self.show(next((i for i in self.around() if self.items[i]["id"] not in self.done), None))

    def around(self) -> list[int]:
        """Every place, from the one after this on, then from the beginning."""
        after = min(self.at + 1, len(self.items))
        return [*range(after, len(self.items)), *range(after)]

    async def show(self, place: int | None) -> None:
        chat = self.query_one("#chat", VerticalScroll)
        await chat.remove_children()
        if place is None:
            self.at = len(self.items)
            await chat.mount(Static("Nothing is left to label here. q leaves, u takes the last label back."))
        else:
            self.at = place
            item = self.items[place]
            turns = [*item["cr_window"], item]
            for turn, name in zip(turns, speakers(turns), strict=True):
                line = Table.grid("", "", padding=(0, 2, 0, 0))
                line.add_row(
                    Text(name, style=f"bold {COLOURS[(ord(name[-1]) - ord('A')) % len(COLOURS)]}"),
                    Text(printable(turn["text"])),
                )
                await chat.mount(Static(line, classes="turn question" if turn is item else "turn"))
            chat.anchor()  # the end, where the question stands, stays in view
        self.shown = time.monotonic()
        self.refresh_state()

    def refresh_state(self) -> None:
        done = sum(item["id"] in self.done for item in self.items)
        parts = [self.mine.annotator, f"{done} of {len(self.items)}"]
        if self.paces:
            recent = self.paces[-RECENT:]
            parts.append(f"{3600 * len(recent) / sum(recent):.0f} an hour")
        if self.at < len(self.items) and (line := self.mine.lines.get(self.items[self.at]["id"])):
            parts += [f"now: {line['label']}"] if line["label"] else []
            parts += [f"note: {printable(line['note'])}"] if line["note"] else []
        self.query_one("#state", Static).update(Text(" · ".join(parts), no_wrap=True, overflow="ellipsis"))

    def current(self) -> int | None:
        """The id of the inquiry on the screen."""
        return self.items[self.at]["id"] if self.at < len(self.items) else None

    async def action_label(self, label: str) -> None:
        if (id := self.current()) is None:
            return
        before = self.mine.lines.get(id)
        seconds = time.monotonic() - self.shown
        self.mine.append(id, label, round(seconds, 1), before["note"] if before else None)
        self.undoable.append((self.at, before))
        self.paces.append(max(0.1, min(seconds, PAUSE)))
        self.done.add(id)
        await self.forward()

    async def action_undo(self) -> None:
        if not self.undoable:
            self.notify("nothing to take back")
            return
        place, before = self.undoable.pop()
        id = self.items[place]["id"]
        note = self.mine.lines[id]["note"]
        self.mine.append(id, before["label"] if before else None, note=note, like=before)
        self.done.discard(id)
        await self.show(place)

    async def action_skip(self) -> None:
        await self.forward()

    def action_ask(self, what: str) -> None:
        if what == "note" and self.current() is None:
            return
        self.asking = what
        line = self.query_one("#line", Input)
        line.value, line.placeholder, line.display = "", what, True
        line.focus()

    def action_leave(self) -> None:
        self.query_one("#line").display = False
        self.query_one("#chat").focus()

    async def on_input_submitted(self, event: Input.Submitted) -> None:
        self.action_leave()
        id, text = self.current(), event.value.strip()
        if not text:
            return
        if self.asking == "note" and id is not None:
            line = self.mine.lines.get(id)
            label, seconds = (line["label"], line["seconds"]) if line else (None, None)
            self.mine.append(id, label, seconds, text, line)
            self.refresh_state()
        elif self.asking == "search":
            hit = next((i for i in self.around() if text.casefold() in self.text(i)), None)
            if hit is None:
                self.notify(f"no inquiry has {text!r}", markup=False)
            else:
                await self.show(hit)

    def text(self, place: int) -> str:
        item = self.items[place]
        return "\n".join(turn["text"] for turn in (*item["cr_window"], item)).casefold()
