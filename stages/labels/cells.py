"""Cells of tables that spreadsheets open: a text that would be a formula there begins with an apostrophe."""

import re

FORMULA = re.compile(r"'*[=+\-@＝＋－＠\t\r\n]")


def guarded(text: str) -> str:
    """The text for a cell: an apostrophe stands before one that a spreadsheet would run as a formula."""
    return f"'{text}" if FORMULA.match(text) else text


def unguarded(cell: str) -> str:
    """The text of a cell that `guarded` made."""
    return cell[1:] if cell.startswith("'") and FORMULA.match(cell[1:]) else cell
