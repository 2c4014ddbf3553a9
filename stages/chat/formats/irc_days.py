"""The time of each line of an IRC log, by its own date, the day line above it, or the day that the file's path names.

A log whose path names the day begins at midnight, which settles the half of the day that a 12-hour clock means. Where
a clock falls back by half a round or more, the next day or half has begun.
"""

import re
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta, timezone, tzinfo
from functools import cached_property, lru_cache

from stages.chat.dates import DateNumbers, DateOrder
from stages.chat.exports import ExportFile
from stages.chat.formats.irc_clocks import Clock, lines_of
from stages.chat.formats.irc_dates import LogDate, date_in
from stages.chat.formats.irc_lines import Kind, Stamp

# The file settles what the numbers are. With other separators, a year of four digits is at the end or the start.
UNORDERED_DATE = re.compile(r"(\d\d?)/(\d\d?)/(\d\d(?:\d\d)?)|(\d\d?)[-.](\d\d?)[-.](\d\d)")
PLAYED_BACK = timedelta(days=60)  # at most, that lines without a year are older than those before them


class NoDayError(Exception):
    """No day is known for a line."""


class Days:
    """The days of a log, as its lines are read. `day_in_path` is the day that the file's path names."""

    def __init__(
        self, file: ExportFile, day_in_path: date | None, zone: tzinfo, find_clock: Callable[[ExportFile], Clock]
    ) -> None:
        self.file = file
        self.day_in_path = day_in_path
        self.zone = zone
        self._find_clock = find_clock  # which takes a pass of the file, and logs whose lines have dates need none
        self._hours = 0
        self.language: str | None = None  # of the days' words
        self._midnight: datetime | None = None  # of the day of lines without a date
        self._hours_since = 0  # the rounds of the clock since then
        self._last_minutes = 0
        self._last_date: date | None = None  # of a day line or a line with a date
        self._last_words: tuple[str, date] | None = None
        self._order: DateOrder | None = None

    @cached_property
    def has_day_line(self) -> bool:
        """Whether the log has a day line, here or further on."""
        return any(line.kind is Kind.DAY for line in lines_of(self.file))

    def begin(self, at: str, words: str) -> None:
        """Take the day of a day line. Raises click.ClickException where it names none."""
        try:
            log_date = date_in(words, self.language)
            if log_date is None or log_date.year is None:
                raise self.file.error(f"{at}: a day in words of no language that is known")
            day = date(log_date.year, log_date.month, log_date.day)
        except ValueError as error:
            raise self.file.error(f"{at}: a day that isn't one") from error
        self.language = log_date.language or self.language
        self._last_date = day
        self._midnight = datetime.combine(day, time.min, self.zone)
        self._hours_since = self._last_minutes = 0

    def seconds_of(self, stamp: Stamp) -> int:
        """Epoch seconds of a line.

        Raises NoDayError where its day isn't known, ValueError or OverflowError for a time that doesn't exist.
        """
        if stamp.epoch is not None:
            return stamp.epoch
        if stamp.hour > 23 or stamp.minute > 59:
            raise ValueError("no time of a day")
        if stamp.date:
            midnight = datetime.combine(self._date_of(stamp.date), time.min, _zone(stamp.zone) or self.zone)
            clock = timedelta(hours=stamp.hour, minutes=stamp.minute, seconds=stamp.second or 0)
            return int((midnight + clock).timestamp())
        if self._midnight is None:
            self._midnight = self._midnight_in_path()
        if not self._hours:
            self._hours = 12 if self._find_clock(self.file) is Clock.HOURS_12 else 24
        hours = 24 if stamp.has_half else self._hours
        if hours == 12 and self._last_date:  # the log may begin in either half of a day that it names
            raise self.file.error("a 12-hour clock without am and pm")
        minutes = stamp.hour % hours * 60 + stamp.minute
        if self._last_minutes - minutes >= hours * 30:
            self._hours_since += hours
        self._last_minutes = minutes
        since = timedelta(hours=self._hours_since, minutes=minutes, seconds=stamp.second or 0)
        return int((self._midnight + since).timestamp())

    def _midnight_in_path(self) -> datetime:
        if self.day_in_path is None:
            raise NoDayError
        return datetime.combine(self.day_in_path, time.min, self.zone)

    def _date_of(self, words: str) -> date:
        if self._last_words is None or self._last_words[0] != words:
            self._last_date = self._read_date(words)
            self._last_words = words, self._last_date
        return self._last_words[1]

    def _read_date(self, words: str) -> date:
        numbers = _unordered(words)
        if numbers:
            if self._order is None:
                self._order = self._order_in_file("." if "." in words else "")
            return self._order.date(numbers)
        log_date = date_in(words, self.language)
        if log_date is None:
            raise ValueError("words of no language that is known")
        return date(log_date.year, log_date.month, log_date.day) if log_date.year else self._in_year(log_date)

    def _order_in_file(self, separator: str) -> DateOrder:
        stamps = (line.stamp for line in lines_of(self.file) if line.stamp)
        return DateOrder.of_file(self.file, filter(None, (_unordered(stamp.date) for stamp in stamps)), separator)

    def _in_year(self, log_date: LogDate) -> date:
        """A date without a year: the next one after the last date, or one shortly before it."""
        last = self._last_date or self.day_in_path
        if last is None:
            raise NoDayError
        for year in range(last.year - 1, last.year + 9):  # a 29 February is in every eighth year at the latest
            try:
                day = date(year, log_date.month, log_date.day)
            except ValueError:
                continue
            if day >= last - PLAYED_BACK:
                return day
        raise ValueError("a day of no year")


def _unordered(words: str) -> DateNumbers | None:
    match = UNORDERED_DATE.fullmatch(words)
    if not match:
        return None
    first, second, third = (int(number) for number in match.groups() if number)
    return first, second, third


@lru_cache(maxsize=64)
def _zone(name: str) -> tzinfo | None:
    """The zone that a time names; None where it names none."""
    if not name:
        return None
    if name in ("Z", "UTC", "GMT"):
        return UTC
    offset = timedelta(hours=int(name[1:3]), minutes=int(name[-2:]))
    return timezone(-offset if name[0] == "-" else offset)
