"""What the terminal annotator shows of an item, as Rich renderables: turns, the marks of a search, votes, keys."""

import unicodedata
from collections.abc import Sequence

from rich.columns import Columns
from rich.style import Style
from rich.table import Table
from rich.text import Text

from stages.labels.store import Line

# Letters of speakers, A first. Neighbours differ in luminance, which a colour-blind person and a grey screen keep, and
# in underlining. Each letter has a background of its own, so that it is readable on any theme.
SPEAKERS = (
    "bold #000000 on #f0e442",  # yellow
    "#ffffff on #0060a0",  # blue
    "underline #000000 on #e69f00",  # orange
    "#ffffff on #005a44",  # green
    "underline #000000 on #56b4e9",  # sky blue
    "#ffffff on #7a2858",  # purple
)
ASKER = "A"  # who asks the question; that person's text is bold
MARK = "reverse underline"  # of a text that was searched for


def printable(text: str) -> str:
    """Text without characters that would steer the terminal or turn the direction of writing.

    Any blank but a line break becomes a space, and a letter with accents one character.
    """
    letters = (" " if c.isspace() and c != "\n" else c for c in unicodedata.normalize("NFC", text))
    return "".join(c for c in letters if c.isprintable() or c == "\n")


def occurrences(text: str, query: str) -> list[tuple[int, int]]:
    """Start and end of each occurrence of `query` in `text`, in any case, with a line break read as a space.

    A letter that folds to several, as ß to ss, counts as a whole.
    """
    text = text.replace("\n", " ")
    folded_text, folded_query = text.casefold(), query.casefold()
    start = folded_text.find(folded_query) if query else -1
    if start < 0:
        return []
    places = [place for place, letter in enumerate(text) for _ in letter.casefold()]
    spans = []
    while start >= 0:
        end = start + len(folded_query)
        spans.append((places[start], places[end - 1] + 1))
        start = folded_text.find(folded_query, end)
    return spans


def turn_line(letter: str, text: str, query: str = "") -> Table:
    """A turn: its speaker's letter and its text, in which each occurrence of `query` is marked."""
    body = Text(printable(text), style="bold" if letter == ASKER else "")
    for start, end in occurrences(body.plain, query):
        body.stylize(MARK, start, end)
    line = Table.grid(padding=(0, 1, 0, 0))
    line.add_column(no_wrap=True)
    line.add_column(overflow="fold")
    line.add_row(Text(f" {letter} ", style=SPEAKERS[(ord(letter[-1]) - ord("A")) % len(SPEAKERS)]), body)
    return line


def label_words(label: str | None) -> str:
    """A label as it is shown."""
    return label.replace("_", " ") if label else "no label"


def own_line(line: Line) -> Text:
    """The label and the note that the annotator has given the item."""
    label = f"now: {label_words(line['label'])}" if line["label"] else ""
    note = f"note: {printable(line['note'])}" if line["note"] else ""
    return Text(" · ".join(filter(None, (label, note))))


def votes_table(lines: Sequence[Line]) -> Table:
    """Other annotators' labels and notes of an item, a row for each annotator, equal labels together."""
    table = Table("annotator", "label", "note", box=None, padding=(0, 2, 0, 0), header_style="underline")
    table.columns[0].overflow = table.columns[2].overflow = "fold"
    table.columns[1].no_wrap = True
    for line in sorted(lines, key=lambda line: (line["label"] or "", line["annotator"])):
        note = Text(printable(line["note"] or ""))
        table.add_row(Text(line["annotator"]), Text(label_words(line["label"]), style="bold"), note)
    return table


def key_columns(actions: Sequence[tuple[str, str, str]]) -> Columns:
    """The keys with their words, in as many rows as the width needs; `actions` are (key, action, words)."""
    entries = []
    for key, action, words in actions:
        on_click = Style(meta={"@click": f"app.{action}"})
        entries.append(Text.assemble((key, Style(bold=True, underline=True) + on_click), (f" {words}", on_click)))
    return Columns(entries, padding=(0, 2))
