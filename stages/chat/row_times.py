"""Times in tables: epoch seconds, ISO 8601, days of Excel, and dates as spreadsheets and tools write them.

A number of days is Excel's where all numbers of the column are such days. The whole column settles the order of day
and month; where it doesn't, the other files of the export do.
"""

import re
from collections.abc import Callable, Iterable
from datetime import datetime, time, timedelta, tzinfo
from functools import cached_property, lru_cache
from typing import Any

from stages.chat import epoch_seconds
from stages.chat.dates import DateNumbers, DateOrder, date_of
from stages.chat.day_periods import hour_of, meanings, normalised
from stages.chat.exports import ExportFile

FIRST_SECOND = 100_000  # on the second day of 1970; what is less is no time of a chat
EXCEL_DAYS = range(25_000, 80_000)  # from 1968 to 2119
EXCEL_EPOCH = datetime(1899, 12, 30)
DECIMAL_COMMA = re.compile(r"\d+,\d+")
SIGNS_OF_DATES = str.maketrans({"年": "/", "月": "/", "日": " ", "년": "/", "월": "/", "일": " "})
WORD = r"[^\d\s.,:+-][^\d:+-]{0,20}?"
SHEET_TIME = re.compile(
    r"(?P<first>\d{1,4})(?P<separator>[./-])\s?(?P<second>\d{1,2})(?P=separator)\s?(?P<third>\d{1,4})\.?"
    rf"(?:,?[T\s]+(?:(?P<before>{WORD})\s*)?"
    r"(?P<hour>\d{1,2})[:.](?P<minute>\d\d)(?:[:.](?P<seconds>\d\d))?(?:[.,]\d+)?"
    rf"(?:\s*(?P<after>{WORD}))??(?:\s*(?P<zone>UTC|GMT|Z|[+-]\d\d:?\d\d))?)?"
)
WORDS_OF_CLOCKS = ("", "uhr", "h")  # that are no half of the day
ENGLISH_MONTH = re.compile(r"(?<![a-z])(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)", re.IGNORECASE)


class RowTimes:
    """Reads the times of a file's rows.

    `column` reads the column once more. `order_of_others` tells the order of dates that the files settle.
    """

    def __init__(
        self,
        file: ExportFile,
        zone: tzinfo,
        column: Callable[[], Iterable[Any]],
        order_of_others: Callable[[], str | None],
    ) -> None:
        self.file = file
        self.zone = zone
        self.column = column
        self.order_of_others = order_of_others

    def seconds(self, value: Any) -> int:
        """Epoch seconds. Raises TypeError, ValueError or OverflowError for what is no time."""
        number = value if type(value) in (int, float) else _number(value)
        if number is None:
            return self._seconds_of_date(value.strip().removeprefix("'"))
        if not 0 < number < FIRST_SECOND:
            return int(number)
        if not self.are_days_of_excel:
            raise ValueError(f"no time of a chat: {number}")
        time_of_day = EXCEL_EPOCH + timedelta(seconds=round(number * 86400))
        return int(time_of_day.replace(tzinfo=self.zone).timestamp())

    def _seconds_of_date(self, text: str) -> int:
        match = _sheet_time(text)
        if match is None:
            try:
                return epoch_seconds(text, self.zone)
            except ValueError:
                return _seconds_of_english(text, self.zone)
        day = date_of(_date_numbers(match), "ymd" if _is_year_first(match) else self.order)
        clock = time()
        if match["hour"]:
            hour = _hour(int(match["hour"]), match["before"] or match["after"] or "")
            clock = time(hour, int(match["minute"]), int(match["seconds"] or 0))
        zone = _zone(match["zone"]) if match["zone"] else self.zone
        return int(datetime.combine(day, clock, zone).timestamp())

    @cached_property
    def are_days_of_excel(self) -> bool:
        numbers = (value if type(value) in (int, float) else _number(value) for value in self.column() if value)
        return all(EXCEL_DAYS.start <= number < EXCEL_DAYS.stop for number in numbers if number is not None)

    @cached_property
    def dates(self) -> DateOrder:
        """What the column tells of the order of its dates."""
        dates = DateOrder()
        for value in self.column():
            match = _sheet_time(value.strip()) if isinstance(value, str) else None
            if match and not _is_year_first(match):
                dates.separator = dates.separator or match["separator"]
                dates.add(_date_numbers(match))
        return dates

    @cached_property
    def order(self) -> str:
        """The order of the file's dates. Raises click.ClickException where nothing tells it."""
        orders = self.dates.orders()
        if len(orders) > 1 and not self.file.is_alone:
            orders = [order for order in orders if order == self.order_of_others()] or orders
        if len(orders) != 1:
            raise self.file.error(self.dates.problem)
        return orders[0]


def _number(value: Any) -> float | None:
    """The number that a text is, also with a comma before the fraction; None for any other text."""
    try:
        return float(value)
    except ValueError:
        text = value.strip().removeprefix("'")  # by which spreadsheets say that a number is a text
    try:
        return float(text.replace(",", ".") if DECIMAL_COMMA.fullmatch(text) else text)
    except ValueError:
        return None


def _sheet_time(text: str) -> re.Match[str] | None:
    return SHEET_TIME.fullmatch(text if text.isascii() else text.translate(SIGNS_OF_DATES).strip())


def _is_year_first(match: re.Match[str]) -> bool:
    return len(match["first"]) == 4


def _date_numbers(match: re.Match[str]) -> DateNumbers:
    return int(match["first"]), int(match["second"]), int(match["third"])


@lru_cache(2**10)
def _hour(hour: int, word: str) -> int:
    """The hour from 0 to 23 of an hour with a word for a half or a part of the day, if it has one."""
    word = normalised(word)
    if word in WORDS_OF_CLOCKS:
        return hour
    hours_of_word = meanings(word)
    hour_of_day = hour if hour > 12 else hour_of(hour, hours_of_word)
    if not hours_of_word or hour_of_day is None:
        raise ValueError(f"no half of the day: {word}")
    return hour_of_day


@lru_cache(2**6)
def _zone(name: str) -> tzinfo | None:
    """The zone of `UTC`, `Z` or `+01:00`."""
    return datetime.fromisoformat(f"2000-01-01T00:00{'Z' if name in ('UTC', 'GMT') else name}").tzinfo


def _seconds_of_english(text: str, zone: tzinfo) -> int:
    """Of a time with the English name of a month: `Tue, 14 Nov 2023 22:13:05 +0000`, `14-Nov-23 10:13 PM`."""
    from dateutil import parser

    if not ENGLISH_MONTH.search(text):
        raise ValueError("no English month")
    # The parser takes from a default what a text leaves out: such a text differs by the default.
    defaults = datetime(2003, 1, 3), datetime(2004, 2, 4)
    first, second = (parser.parse(text, default=default, tzinfos=_offset) for default in defaults)
    if first != second:
        raise ValueError("no whole date")
    return int((first if first.tzinfo else first.replace(tzinfo=zone)).timestamp())


def _offset(name: str | None, seconds: int | None) -> int | None:
    """The offset of a zone for dateutil, which knows those of UTC. Names such as CST mean several zones."""
    if name and seconds is None:
        raise ValueError(f"no zone: {name}")
    return seconds
