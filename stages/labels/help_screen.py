"""The terminal annotator's help: its keys and the guideline."""

from collections.abc import Sequence
from typing import Any, ClassVar

from rich.table import Table
from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Markdown, Static


class HelpScreen(ModalScreen[None]):
    """Shows each key of `meanings` with its meaning, and `guideline`, which is Markdown."""

    CSS = """
    #help { padding: 0 1; background: $background; scrollbar-color: $foreground; scrollbar-size-vertical: 1; }
    MarkdownH1, MarkdownH2, MarkdownH3, MarkdownTableContent > .header { color: $text; }
    #close { height: 1; padding: 0 1; background: $panel; dock: bottom; }
    """
    BINDINGS: ClassVar[list[Any]] = [Binding("question_mark,escape,q", "dismiss")]

    def __init__(self, meanings: Sequence[tuple[str, str]], guideline: str):
        super().__init__()
        self.meanings, self.guideline = meanings, guideline

    def compose(self) -> ComposeResult:
        table = Table.grid(padding=(0, 2, 0, 0))
        for key, meaning in self.meanings:
            table.add_row(Text(key, style="bold"), Text(meaning))
        with VerticalScroll(id="help"):
            yield Static(table)
            yield Markdown(self.guideline, open_links=False)
        yield Static(Text("? or escape closes the help · ↑ ↓ page up page down scroll"), id="close")
