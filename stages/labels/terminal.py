"""The terminal annotator: one inquiry at a time under its window, one key for each label.

A label is on the disk before the next inquiry is shown.
"""

import time
from collections.abc import Mapping
from typing import Any, ClassVar

import click
from rich.table import Table
from rich.text import Text
from textual.app import App, ComposeResult
from textual.binding import Binding
from textual.containers import VerticalScroll
from textual.widgets import Footer, Input, Static

from stages.labels.annotator_file import AnnotatorFile
from stages.labels.store import Line
from stages.llm.prompts import lettered

COLOURS = ("cyan", "yellow", "green", "magenta", "blue", "red")  # of speakers
RECENT = 50  # labels that the speed is taken over
LONGEST = 120.0  # seconds of one label that count for the speed; the rest is a pause


def printable(text: str) -> str:
    """Text without characters that would steer the terminal or turn the direction of writing."""
    return "".join(c for c in text if c.isprintable() or c == "\n")


class Annotator(App[click.ClickException]):
    """Shows `items`, inquiries, in their order, without those in `labelled_ids`, and appends each label to a file.

    `keys` has the key of each label. The app's result is an exception where a label can't be put on the disk.
    """

    TITLE = "labels"
    ENABLE_COMMAND_PALETTE = False
    CSS = """
    #state { height: 1; background: $panel; padding: 0 1; }
    #chat { padding: 0 1; }
    .question { border-left: thick $accent; padding-left: 1; background: $boost; }
    #line { height: 3; display: none; }
    """
    BINDINGS: ClassVar[list[Any]] = [Binding("ctrl+c", "quit", show=False), Binding("escape", "leave", show=False)]

    def __init__(
        self,
        items: list[dict[str, Any]],
        labelled_ids: set[int],
        label_file: AnnotatorFile,
        keys: Mapping[str, str],
    ):
        super().__init__()
        self.items, self.labelled_ids, self.label_file, self.keys = items, labelled_ids, label_file, keys
        self.index = -1  # of the item on the screen
        self.undo_history: list[tuple[int, Line | None]] = []  # index of an item and the line that counted before
        self.durations: list[float] = []  # seconds for each label
        self.input_purpose = ""  # note or search

    def compose(self) -> ComposeResult:
        yield Static(id="state")
        yield VerticalScroll(id="chat")
        yield Input(id="line")
        yield Footer(compact=True, show_command_palette=False)

    async def on_mount(self) -> None:
        for label, key in self.keys.items():
            self.bind(key, f"label('{label}')", description=label.replace("_", " "))
        for key, action, description in (
            ("s", "skip", "skip"),
            ("u", "undo", "undo"),
            ("n", "open_input('note')", "note"),
            ("slash", "open_input('search')", "search"),
            ("q", "quit", "quit"),
        ):
            self.bind(key, action, description=description)
        self.query_one("#chat").focus()
        await self.show_next()

    async def show_next(self) -> None:
        """Show the next item without a label, after this one, then from the beginning."""
        unlabelled = (i for i in self.indices_after() if self.items[i]["id"] not in self.labelled_ids)
        await self.show(next(unlabelled, None))

    def indices_after(self) -> list[int]:
        """All indices, from the one after this item to the end, then from the beginning."""
        start = min(self.index + 1, len(self.items))
        return [*range(start, len(self.items)), *range(start)]

    async def show(self, index: int | None) -> None:
        """Show an item under its window, or without an index that all is labelled."""
        chat = self.query_one("#chat", VerticalScroll)
        await chat.remove_children()
        if index is None:
            self.index = len(self.items)
            await chat.mount(Static("Nothing is left to label here. q leaves, u takes the last label back."))
        else:
            self.index = index
            item = self.items[index]
            *window, question = lettered([*item["cr_window"], item])
            for turn in window:
                await chat.mount(Static(turn_line(*turn), classes="turn"))
            await chat.mount(Static(turn_line(*question), classes="turn question"))
            chat.anchor()  # the end, where the question stands, stays in view
        self.shown_at = time.monotonic()
        self.refresh_state()

    def refresh_state(self) -> None:
        """Update the line above the chat: annotator, progress, speed, and the item's label and note."""
        labelled = sum(item["id"] in self.labelled_ids for item in self.items)
        parts = [self.label_file.annotator, f"{labelled} of {len(self.items)}"]
        if self.durations:
            recent = self.durations[-RECENT:]
            parts.append(f"{3600 * len(recent) / sum(recent):.0f} an hour")
        id = self.current_id()
        line = self.label_file.lines.get(id) if id is not None else None
        if line and line["label"]:
            parts.append(f"now: {line['label']}")
        if line and line["note"]:
            parts.append(f"note: {printable(line['note'])}")
        self.query_one("#state", Static).update(Text(" · ".join(parts), no_wrap=True, overflow="ellipsis"))

    def current_id(self) -> int | None:
        """The id of the item on the screen."""
        return self.items[self.index]["id"] if self.index < len(self.items) else None

    def append_line(self, id: int, label: str | None, **fields: Any) -> bool:
        """Put a label on disk; False, and the app ends, where that fails."""
        try:
            self.label_file.append(id, label, **fields)
        except click.ClickException as error:
            self.exit(error)
            return False
        return True

    async def action_label(self, label: str) -> None:
        id = self.current_id()
        if id is None:
            return
        before = self.label_file.lines.get(id)
        seconds = time.monotonic() - self.shown_at
        if not self.append_line(id, label, seconds=round(seconds, 1), note=before["note"] if before else None):
            return
        self.undo_history.append((self.index, before))
        self.durations.append(max(0.1, min(seconds, LONGEST)))
        self.labelled_ids.add(id)
        await self.show_next()

    async def action_undo(self) -> None:
        if not self.undo_history:
            self.notify("nothing to take back")
            return
        index, before = self.undo_history.pop()
        id = self.items[index]["id"]
        note = self.label_file.lines[id]["note"]
        if not self.append_line(id, before["label"] if before else None, note=note, restored_from=before):
            return
        self.labelled_ids.discard(id)
        await self.show(index)

    async def action_skip(self) -> None:
        await self.show_next()

    def action_open_input(self, purpose: str) -> None:
        """Open the line for a note or for a search."""
        if purpose == "note" and self.current_id() is None:
            return
        self.input_purpose = purpose
        line = self.query_one("#line", Input)
        line.value, line.placeholder, line.display = "", purpose, True
        line.focus()

    def action_leave(self) -> None:
        """Close the line."""
        self.query_one("#line").display = False
        self.query_one("#chat").focus()

    async def on_input_submitted(self, event: Input.Submitted) -> None:
        self.action_leave()
        text = event.value.strip()
        if text and self.input_purpose == "note":
            self.add_note(text)
        elif text and self.input_purpose == "search":
            await self.search(text)

    def add_note(self, note: str) -> None:
        """Put a note on the item on the screen; its label stays, with the time when it was made."""
        id = self.current_id()
        if id is None:
            return
        line = self.label_file.lines.get(id)
        label, seconds = (line["label"], line["seconds"]) if line else (None, None)
        if self.append_line(id, label, seconds=seconds, note=note, restored_from=line):
            self.refresh_state()

    async def search(self, text: str) -> None:
        """Show the next item that has the text, in any case, in itself or its window."""
        for index in self.indices_after():
            item = self.items[index]
            chat = "\n".join(text for _, text in lettered([*item["cr_window"], item]))
            if text.casefold() in chat.casefold():
                await self.show(index)
                return
        self.notify(f"no inquiry has {text!r}", markup=False)


def turn_line(letter: str, text: str) -> Table:
    """A turn for the screen: its speaker's letter in colour, and its text."""
    line = Table.grid("", "", padding=(0, 2, 0, 0))
    colour = COLOURS[(ord(letter[-1]) - ord("A")) % len(COLOURS)]
    line.add_row(Text(letter, style=f"bold {colour}"), Text(printable(text)))
    return line
