"""The terminal annotator: one inquiry at a time under its window, one key for each label."""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, ClassVar, NamedTuple

import click
from rich.text import Text
from textual.app import App, ComposeResult
from textual.binding import Binding
from textual.widgets import Input, Static

from stages.labels.annotator_file import AnnotatorFile
from stages.labels.help_screen import HelpScreen
from stages.labels.item_view import ItemView
from stages.labels.next_items import BATCH, NextItems
from stages.labels.rendering import key_columns, label_words, printable
from stages.labels.session import Session
from stages.labels.store import Line
from stages.pipeline.schemas import BY_READERS


class Key(NamedTuple):
    """A key of the terminal, its action in Textual, its word below the chat, and its meaning in the help."""

    character: str
    action: str
    word: str
    meaning: str


KEY_NAMES = {"/": "slash", "?": "question_mark"}  # Textual's, of keys that are no letters
OTHER_KEYS = (  # than those of the labels
    Key("s", "skip", "skip", "leave it for later; after a search, go back to where you were"),
    Key("u", "undo", "undo", "take the last label back, then the one before; notes stay"),
    Key("n", "note", "note", "write or change a note on it"),
    Key("/", "search", "search", "find a text; / and enter alone go to the next hit"),
    Key("?", "help", "help", "the keys and the guideline"),
    Key("q", "leave", "quit", "leave; the next start goes on with what has no label yet"),
)


class Annotator(App[click.ClickException]):
    """Shows the items of a `Session` and gives it the annotator's labels, notes and searches.

    `is_queue` says that the items are those of a queue. `votes_by_id` has other
    annotators' lines by item, for the adjudicator alone. With `next_items` more items come while the annotator labels;
    `items` are then those that came first. The app's result is an exception where a label can't be put on the disk.
    """

    TITLE = "labels"
    ENABLE_COMMAND_PALETTE = False
    CSS = """
    #state { background: $panel; padding: 0 1; }
    Input { display: none; border-title-color: $text; }
    #keys { background: $panel; padding: 0 1; link-style: none; }
    """
    BINDINGS: ClassVar[list[Any]] = [
        Binding("ctrl+c", "quit", show=False, priority=True),
        Binding("escape", "close_line", show=False),
    ]

    def __init__(
        self,
        items: list[dict[str, Any]],
        labelled_ids: set[int],
        label_file: AnnotatorFile,
        is_queue: bool = False,
        votes_by_id: Mapping[int, Sequence[Line]] | None = None,
        next_items: NextItems | None = None,
    ):
        super().__init__()
        self.animation_level = "none"  # smooth scrolling is slow over ssh
        self.session = Session(items, labelled_ids, label_file)
        self.is_queue, self.votes_by_id = is_queue, votes_by_id or {}
        self.next_items, self.last_batch, self.is_choosing = next_items, list(items), False
        self.failure = ""  # of the readers, the last one
        label_keys = (
            Key(value.key, f"label('{label}')", label_words(label), f"{label_words(label)}; the next one follows")
            for label, value in label_file.question.labels.items()
        )
        self.keys = (*label_keys, *OTHER_KEYS)
        guideline = label_file.question.guideline.read_text(encoding="utf-8", errors="replace")
        self.guideline = printable(guideline)

    def compose(self) -> ComposeResult:
        yield Static(id="state")
        yield ItemView()
        for id, title in (("note", "note: enter keeps it, escape doesn't"), ("search", "search: enter or escape")):
            line = Input(id=id)
            line.border_title = title
            yield line
        yield Static(key_columns([(key.character, key.action, key.word) for key in self.keys]), id="keys")

    async def on_mount(self) -> None:
        for key in self.keys:
            # Without priority letters that are typed ahead of the line for a note would be labels.
            self._bindings.bind(KEY_NAMES.get(key.character, key.character), key.action, priority=True)
        self.screen.set_focus(self.query_one(ItemView))
        await self.show()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool:
        """Keys are no actions while a line is open, where they are text, and over the help, which has its own."""
        is_key = action in {key.action.partition("(")[0] for key in self.keys}
        return not is_key or (len(self.screen_stack) == 1 and not any(line.display for line in self.query(Input)))

    def current_id(self) -> int | None:
        """The id of the item on the screen."""
        return self.session.item["id"] if self.session.item else None

    async def show(self, message: str = "") -> None:
        """Show the current item, or what stands after the last one, and a message."""
        session, view = self.session, self.query_one(ItemView)
        if self.next_items and self.last_batch and session.unlabelled_ahead < BATCH and not self.is_choosing:
            self.is_choosing = True
            self.run_worker(self.take_next_batch(self.next_items))
        if session.item:
            search_text = session.search_text if session.index == session.hit_index else ""
            await view.show_item(session.item, session.line, self.votes_by_id.get(session.item["id"], ()), search_text)
        else:
            await view.show_text(self.end_text())
        self.show_state(message)

    async def take_next_batch(self, next_items: NextItems) -> None:
        """Add the next items, which are chosen in a thread, in random order where that fails."""
        pending_ids, message = {item["id"] for item in self.session.items}, ""
        try:
            batch = await asyncio.to_thread(next_items.batch, pending_ids)
        except Exception as error:  # whatever it is, the annotator goes on
            batch = next_items.random_batch(pending_ids)
            message = self.failure = f"the readers fail: {first_line(error)}"
        all_were_labelled = self.session.item is None
        self.last_batch, self.is_choosing = batch, False
        self.session.extend(batch)
        if all_were_labelled:
            await self.show(message)
        else:
            self.show_state(message)

    def end_text(self) -> str:
        """What stands in place of an item where all are labelled."""
        if self.is_choosing:
            return "The next questions come in a moment."
        text = "Nothing is left to label here."
        if self.is_queue:
            text = (
                f"The queue is done: {len(self.session.items)} are labelled. The other inquiries come with\n"
                f"python -m stages.labels label {self.session.label_file.annotator}"
            )
        return f"{text}\n\nq leaves, u takes the last label back, / finds one of them again."

    def show_state(self, message: str = "") -> None:
        """Update the line above the chat: annotator, progress, speed and a message."""
        parts = [self.session.label_file.annotator, self.progress()]
        if self.next_items:
            is_by_readers = any(item["chosen"] == BY_READERS for item in self.last_batch)
            parts.append("next by the readers" if is_by_readers else "next at random")
        if self.session.speed:
            parts.append(f"{self.session.speed:.0f} an hour")
        text = Text(" · ".join(parts))
        if message:
            text.append("  ").append(f" {message} ", "reverse")
        self.query_one("#state", Static).update(text)

    def progress(self) -> str:
        """How many of the items have a label; of items that come without end, how many labels the annotator has."""
        if self.next_items:
            return str(sum(line["label"] is not None for line in self.session.label_file.lines.values()))
        progress = f"{self.session.labelled_count} of {len(self.session.items)}"
        return f"{progress} of the queue" if self.is_queue else progress

    @contextmanager
    def exit_on_failure(self) -> Iterator[None]:
        """End the app with the exception where a label or a note can't be put on the disk."""
        try:
            yield
        except click.ClickException as error:
            self.exit(error)

    async def action_label(self, label: str) -> None:
        message = "" if self.session.is_due else f"the other one is now: {label_words(label)}"
        with self.exit_on_failure():
            self.session.label(label)
            await self.show(message)

    async def action_undo(self) -> None:
        with self.exit_on_failure():
            if self.session.undo():
                await self.show("taken back")
            else:
                self.show_state("nothing to take back; / finds an earlier one")

    async def action_skip(self) -> None:
        index = self.session.index
        self.session.go_on()
        await self.show("no other one is left" if self.session.item and self.session.index == index else "")

    def action_leave(self) -> None:
        self.exit()

    def action_help(self) -> None:
        self.push_screen(HelpScreen([(key.character, key.meaning) for key in self.keys], self.guideline))

    def action_note(self) -> None:
        if self.session.item:
            line = self.session.line
            self.open_line("note", value=line["note"] or "" if line else "")

    def action_search(self) -> None:
        last = self.session.search_text
        self.open_line("search", placeholder=f"enter: next hit of {last}" if last else "")

    def open_line(self, id: str, value: str = "", placeholder: str = "") -> None:
        line = self.query_one(f"#{id}", Input)
        line.value, line.placeholder, line.display = value, placeholder, True
        self.query_one("#keys").display = False  # its letters are text now
        self.screen.set_focus(line)

    def action_close_line(self) -> None:
        for line in self.query(Input):
            line.display = False
        self.query_one("#keys").display = True
        self.screen.set_focus(self.query_one(ItemView))

    async def on_input_submitted(self, event: Input.Submitted) -> None:
        self.action_close_line()
        text = event.value.strip()
        if event.input.id == "note":
            with self.exit_on_failure():
                self.session.add_note(text or None)
                await self.show()
        else:
            await self.search(printable(text))

    async def search(self, text: str) -> None:
        """Show the next item that has the text, or without one the next hit of the last search."""
        number, count = self.session.search(text)
        if count:
            await self.show(f"hit {number} of {count}")
        else:
            self.show_state(f"nothing here has {text!r}" if text else "")


def first_line(error: Exception) -> str:
    """The first line of what an error says, or its kind."""
    text = error.message if isinstance(error, click.ClickException) else str(error)
    return printable(text.partition("\n")[0]) or type(error).__name__
