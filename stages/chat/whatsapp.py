"""WhatsApp's text export: `[15/04/2016, 15:04:00] Ann: text` on iOS, `15/04/2016, 15:04 - Ann: text` on Android.

Dates and clocks are the phone's. Whether the day or the month comes first, and that a clock without am and pm has 24
hours, is decided by the whole file; where it can't be, that is an error. In every language media and WhatsApp's own
words begin with a left-to-right mark or stand in angle brackets.
"""

import re
from collections.abc import Iterator
from datetime import date, datetime, time, tzinfo
from pathlib import Path
from typing import Any, NamedTuple

import click

from stages.chat import Broken, Message, called
from stages.chat.files import LIMIT, lines
from stages.chat.irc import twelve_hours

MARKS = "\u200e\u200f\u202a\u202b\u202c\ufeff"
BEFORE_NOON = ("am", "上午", "오전", "午前")
AFTER_NOON = ("pm", "下午", "오후", "午後")
HALF = r"[AaPp]\.?\s?[Mm]\.?|[上下]午|오[전후]|午[前後]"
HEADER = re.compile(
    rf"[{MARKS}]*\[?(\d{{1,4}})([./-])\s?(\d{{1,2}})\2\s?(\d{{1,4}})\.?,?\s(?:(?!{HALF})\w+\s)?(?:({HALF})\s?)?"
    rf"(\d{{1,2}})[:.](\d\d)(?:[:.](\d\d))?(?:\s?({HALF}))?(?:\]\s|\s[-–]\s)(.*)",
    re.DOTALL,
)
OWN = re.compile("\u200e[^\n]*(?:\n|$)|<[^<>]*>$")
OWN_AT_END = re.compile(r"\s*\u200e<[^<>]*>$")
MENTION = re.compile("@\u2068([^\u2069]*)\u2069")


class Entry(NamedTuple):
    at: str
    numbers: tuple[int, int, int]  # of the date, as they stand there
    dots: bool
    half: str  # am, pm or nothing
    hour: int
    minute: int
    second: int
    rest: str


def read(path: Path, zone: tzinfo, **_: Any) -> Iterator[Message | Broken]:
    order = _order(path)
    bare = ((one.numbers, one.hour, one.minute) for one in _entries(path) if isinstance(one, Entry) and not one.half)
    if twelve_hours(path, bare):
        raise click.ClickException(f"{path}: a 12-hour clock without am and pm; export it again with a 24-hour clock")
    for one in _entries(path):
        yield one if isinstance(one, Broken) else _message(path.stem, order, zone, one)


def _entries(path: Path) -> Iterator[Entry | Broken]:
    held: Entry | None = None
    more: list[str] = []
    size = 0

    def whole() -> Iterator[Entry | Broken]:
        if held:
            yield (
                held._replace(rest="\n".join([held.rest, *more]))
                if size <= LIMIT
                else Broken(held.at, "text_too_long")
            )

    for line in lines(path):
        if isinstance(line, Broken):
            yield from whole()
            held, more = None, []
            yield line
        elif found := HEADER.fullmatch(line[1]):
            yield from whole()
            held, more, size = _entry(line[0], found), [], 0
        elif held is None:
            if line[1].strip():
                yield Broken(line[0], "not_a_message")
        elif (size := size + len(line[1]) + 1) <= LIMIT:
            more.append(line[1])
    yield from whole()


def _entry(at: str, found: re.Match[str]) -> Entry:
    first, separator, second, third, early, hour, minute, seconds, late, rest = found.groups()
    half = re.sub(r"[.\s]", "", early or late or "").lower()
    half = "am" if half in BEFORE_NOON else "pm" if half in AFTER_NOON else ""
    numbers = int(first), int(second), int(third)
    return Entry(at, numbers, separator == ".", half, int(hour), int(minute), min(int(seconds or 0), 59), rest)


def _date(numbers: tuple[int, int, int], order: str) -> date:
    """Raises ValueError where that order makes no date of the numbers."""
    by = dict(zip(order, numbers, strict=True))
    return date(by["y"] + 2000 if by["y"] < 100 else by["y"], by["m"], by["d"])


def _order(path: Path) -> str:
    """The one order of year, month and day in which all dates exist and, if that is not enough, never go back."""
    orders = {"ymd": 0, "dmy": 0, "mdy": 0}  # how often the date goes back
    before: dict[str, date] = {}
    differ = False
    for one in _entries(path):
        if isinstance(one, Broken):
            continue
        days = {}
        for order in list(orders):
            try:
                if (order == "ymd") != (one.numbers[0] > 31) or (order == "mdy" and one.dots):
                    raise ValueError
                days[order] = _date(one.numbers, order)
            except ValueError:
                del orders[order]
        if not orders:
            raise click.ClickException(f"{path}: {one.at}: no order of day and month fits this date and those before")
        for order, day in days.items():
            orders[order] += day < before.get(order, day)
        before = days
        differ = differ or len(set(days.values())) > 1
    straight = [order for order, back in orders.items() if back == 0]
    if len(orders) > 1 and differ and len(straight) != 1:
        raise click.ClickException(
            f"{path}: nothing in the file tells whether its dates are day/month or month/day; export a longer time"
        )
    return (straight or list(orders))[0]


def _message(group: str, order: str, zone: tzinfo, one: Entry) -> Message | Broken:
    hour = one.hour if not one.half or one.hour > 12 else one.hour % 12 + 12 * (one.half == "pm")
    try:
        when = datetime.combine(_date(one.numbers, order), time(hour, one.minute, one.second), zone).timestamp()
    except (ValueError, OverflowError):
        return Broken(one.at, "bad_time")
    sender, colon, text = one.rest.partition(":")
    sender = sender.strip(MARKS).removeprefix("~").strip()
    if not colon or not sender or "\n" in sender or any(quote in sender for quote in '"“”«»'):
        return Broken(one.at, "system")
    text = OWN_AT_END.sub("", text.removeprefix(" "))
    if own := OWN.match(text):
        text = text[own.end() :]
        if not text.strip():
            return Broken(one.at, "media_without_text" if own[0].startswith("<") else "media_or_system")
    names = tuple(pair for name in MENTION.findall(text) for pair in called(f"@{name}", name))
    return Message(one.at, group, sender, MENTION.sub(r"@\1", text), int(when), names=names)
