"""Tables in Markdown, and the shares and counts in texts."""

from collections.abc import Sequence


def percent(value: float | None) -> str:
    """As in the paper: percent with two digits. Nothing for nothing."""
    return "" if value is None else f"{100 * value:.2f}"


def in_percent(value: float, low: float, high: float, more: str = "") -> str:
    """A share with its bounds, as in 80.40 (74.23 to 85.59)."""
    return f"{100 * value:.2f} ({100 * low:.2f} to {100 * high:.2f}{more})"


def plural(n: int, noun: str) -> str:
    """As in 1 model, 2 models, 1,034 items."""
    return f"{n:,} {noun}{'' if n == 1 else 's'}"


def markdown_table(head: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    return "\n".join([_line(head), "|---" * len(head) + "|", *map(_line, lines)])


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
