"""IRC logs: Ubuntu's (`[12:18] <nick> text`), irssi's (`12:18 <@nick> text`) and WeeChat's (full dates and tabs).

The day stands in the line, in a `Day changed` line, or in the file's name or folders (2004-11-15, 2004/11/15). A log
of a named day begins at midnight: that settles which half of the day a 12-hour clock means. Where the clock falls back
by half a round or more, the next day or half has begun. Joins and the like (`===`, `-!-`, `-->`) are rejects.
"""

import re
from collections.abc import Iterator
from datetime import date, datetime, timedelta, tzinfo
from pathlib import Path
from typing import Any, NamedTuple

import click

from stages.chat import Broken, Message
from stages.chat.files import lines

TIME = r"(?P<hour>\d\d):(?P<minute>\d\d)(?::(?P<second>\d\d))?"
SAID = r"(?:<[ @+%&~!]?(?P<nick>[^>\s]+)> ?| \* (?P<doer>\S+) )"
LINE = re.compile(rf"(?:\[{TIME}\]|{TIME.replace('P<', 'P<_')}) {SAID}(?P<text>.*)", re.DOTALL)
WEECHAT = re.compile(rf"(?P<day>\d{{4}}-\d\d-\d\d) {TIME}\t(?P<nick>[^\t]*)\t(?P<text>.*)", re.DOTALL)
DAY = re.compile(r"--- (?:Log opened|Day changed) \w+ (\w+ +\d+) (?:[\d:]+ )?(\d{4})\s*")
NAMED = re.compile(r"(?<!\d)(\d{4})[-_./]?(\d\d)[-_./]?(\d\d)(?!\d)")
NO_NICK = ("-->", "<--", "--", "=!=", "")


class Said(NamedTuple):
    at: str
    day: date | None  # where the line or one above it says so
    hour: int
    minute: int
    second: int
    nick: str
    text: str


def read(path: Path, zone: tzinfo, **_: Any) -> Iterator[Message | Broken]:
    hours = 12 if twelve_hours(path, ((s.day, s.hour, s.minute) for s in _said(path) if isinstance(s, Said))) else 24
    marked = day = None
    last, days = 0, 0.0
    for said in _said(path):
        if isinstance(said, Broken):
            yield said
            continue
        minutes = said.hour % hours * 60 + said.minute
        if day is None or said.day != marked:
            marked = said.day
            day, last, days = marked or _named(path), minutes, 0.0
            if marked and hours == 12:  # a day that is marked need not be logged from midnight on
                raise click.ClickException(f"{path}: a 12-hour clock without am and pm")
        if last - minutes >= hours * 30:
            days += hours / 24
        last = minutes
        try:
            when = datetime.combine(day, datetime.min.time(), zone)
            when += timedelta(days=days, minutes=minutes, seconds=said.second)
            yield Message(said.at, path.stem, said.nick, said.text, int(when.timestamp()))
        except (ValueError, OverflowError):
            yield Broken(said.at, "bad_time")


def twelve_hours(path: Path, times: Iterator[tuple[Any, int, int]]) -> bool:
    """Whether a clock without am and pm has 12 hours: within a day it falls back by more than an hour (which summer
    time doesn't), and shows neither 0 nor 13. A log of nothing but 12:xx could be either.
    """
    hours, back, before = set(), False, None
    for day, hour, minute in times:
        hours.add(hour)
        back = back or (before is not None and before[0] == day and before[1] - (hour * 60 + minute) > 60)
        before = day, hour * 60 + minute
    if hours == {12}:
        raise click.ClickException(f"{path}: all times are 12:xx, at noon or, on a 12-hour clock, at midnight")
    return back and hours <= set(range(1, 13))


def _said(path: Path) -> Iterator[Said | Broken]:
    day = None
    for line in lines(path):
        if isinstance(line, Broken):
            yield line
            continue
        at, text = line
        if marks := DAY.fullmatch(text):
            try:
                day = datetime.strptime(f"{marks[1]} {marks[2]}", "%b %d %Y").date()
            except ValueError as error:
                raise click.ClickException(f"{path}: {at}: a day that isn't one") from error
        elif found := LINE.fullmatch(text) or WEECHAT.fullmatch(text):
            yield _one(at, day, {name.lstrip("_"): value for name, value in found.groupdict().items() if value})
        elif text.strip():
            yield Broken(at, "system")


def _one(at: str, day: date | None, found: dict[str, str]) -> Said | Broken:
    nick, text = found.get("doer") or found.get("nick", "").strip(), found.get("text", "")
    if "day" in found:
        if nick in NO_NICK:
            return Broken(at, "system")
        if nick == "*":
            nick, _, text = text.partition(" ")
        nick = nick.lstrip("@+%&~!")
        try:
            day = date.fromisoformat(found["day"])
        except ValueError:
            return Broken(at, "bad_time")
    hour, minute, second = (int(found.get(unit, 0)) for unit in ("hour", "minute", "second"))
    if not nick or hour > 23 or minute > 59:
        return Broken(at, "bad_time" if nick else "system")
    return Said(at, day, hour, minute, min(second, 59), nick, text)


def _named(path: Path) -> date:
    if found := NAMED.findall("/".join(path.absolute().parts[-4:])):
        try:
            return date(*(int(part) for part in found[-1]))
        except ValueError:
            pass
    raise click.ClickException(f"{path}: no day: neither the lines nor the file's name have one (2004-11-15)")
