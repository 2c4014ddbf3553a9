"""The order of year, month and day that the dates of a file settle, and the dates that three numbers spell in it."""

from collections.abc import Iterable
from datetime import date, timedelta
from functools import lru_cache
from typing import NamedTuple, Self

from stages.chat.exports import ExportFile

ORDERS = ("dmy", "mdy", "ymd")
TOLERATED = 0.01  # of the dates may be none in the file's order: lines that people pasted into their messages
DATES_THAT_SHOW_A_SPAN = 3

DateNumbers = tuple[int, int, int]

TWO_DIGIT_YEARS_FROM = 1969  # as POSIX has it: 69 is 1969, 68 is 2068
BUDDHIST_YEARS = range(2400, 2700)  # 543 ahead
PERSIAN_YEARS = range(1300, 1500)
PERSIAN_MONTH_DAYS = (31,) * 6 + (30,) * 6  # the last month has 29 days but in leap years
PERSIAN_LEAP_YEARS = (1, 5, 9, 13, 17, 22, 26, 30)  # of 33
PERSIAN_NEW_YEAR = date(1921, 3, 21)  # of 1300


class DateOrder:
    """Takes the dates of a file one after the other and tells their order.

    The order is the one in which all dates exist; of several the one in which dates go back least often. Dates with
    dots have the day before the month if nothing tells. A year of two digits comes first only where this makes fewer
    steps back or, of several dates, a shorter time. Readings before `earliest` are left out where there are others.
    """

    def __init__(self, separator: str = "", earliest: date = date.min) -> None:
        self.separator = separator
        self.earliest = earliest
        self.count = 0  # of dates; one that is repeated counts once
        self._readings = {order: _Reading() for order in ORDERS}
        self._last: DateNumbers | None = None
        self._settled: str | None = None

    @classmethod
    def of_file(cls, file: ExportFile, dates: Iterable[DateNumbers], separator: str = "") -> Self:
        """The order of a file's dates. Raises click.ClickException where they don't settle it."""
        order = cls(separator)
        for numbers in dates:
            order.add(numbers)
        if order.count and order.order is None:
            raise file.error(order.problem)
        return order

    def date(self, numbers: DateNumbers) -> date:
        """The date that numbers spell in the order of the file. Raises ValueError where there is none."""
        return date_of(numbers, self.order or "")

    @property
    def problem(self) -> str:
        """Why there is no order."""
        if self.orders():
            return "nothing in the file tells whether its dates are day/month or month/day; export a longer time"
        return "no order of day and month fits all dates"

    def add(self, numbers: DateNumbers) -> bool:
        """Add a date; false where no order fits this date and all those before."""
        if numbers == self._last:
            return self.fits_all
        dates = {order: day for order in ORDERS if (day := _date_or_none(numbers, order))}
        dates = {order: day for order, day in dates.items() if day >= self.earliest} or dates
        if not dates:  # nor would it be a date in another file
            return self.fits_all
        self._last = numbers
        self.count += 1
        self._settled = None
        for order in ORDERS:
            self._readings[order] = self._readings[order].after(dates.get(order))
        return self.fits_all

    @property
    def fits_all(self) -> bool:
        """Whether an order fits all dates so far."""
        return any(not reading.misfits for reading in self._readings.values())

    def orders(self, year_is_first: bool = False) -> list[str]:
        """The orders between which the dates don't tell: one where they tell, none where they contradict each other.

        With `year_is_first` the language of the file says that a year of two digits stands first if it may.
        """
        least = min(reading.misfits for reading in self._readings.values())
        if not self.count or least > TOLERATED * self.count:
            return []
        fitting = {order: reading for order, reading in self._readings.items() if reading.misfits == least}
        fewest = min(reading.steps_back for reading in fitting.values())
        # Orders that read all dates alike are one.
        alike = {reading.key: order for order, reading in reversed(fitting.items()) if reading.steps_back == fewest}
        orders = [order for order in ORDERS if order in alike.values()]
        return ["ymd"] if year_is_first and "ymd" in orders else self._without_unlikely(orders)

    @property
    def order(self) -> str | None:
        """The order; None where the dates don't tell or contradict each other."""
        if self._settled is None:
            orders = self.orders()
            self._settled = orders[0] if len(orders) == 1 else None
        return self._settled

    def _without_unlikely(self, orders: list[str]) -> list[str]:
        if "ymd" in orders and len(orders) > 1:
            others = [order for order in orders if order != "ymd"]
            spans = {order: self._readings[order].span for order in orders}
            is_shorter = all(spans["ymd"] < spans[order] for order in others)
            orders = ["ymd"] if is_shorter and self.count >= DATES_THAT_SHOW_A_SPAN else others
        return ["dmy"] if self.separator == "." and orders == ["dmy", "mdy"] else orders


def common_order(orders_of_files: Iterable[list[str]]) -> str | None:
    """The order that files settle; None if they settle none or several."""
    settled = {orders[0] for orders in orders_of_files if len(orders) == 1}
    return settled.pop() if len(settled) == 1 else None


class _Reading(NamedTuple):
    """The dates so far, read in one order."""

    misfits: int = 0  # dates that are none in this order
    steps_back: int = 0
    first: date | None = None
    last: date | None = None
    key: int = 0  # the same where all dates are

    def after(self, day: date | None) -> "_Reading":
        if day is None:
            return self._replace(misfits=self.misfits + 1)
        return self._replace(
            steps_back=self.steps_back + (self.last is not None and day < self.last),
            first=self.first or day,
            last=day,
            key=hash((self.key, day.toordinal())),
        )

    @property
    def span(self) -> timedelta:
        return abs(self.last - self.first) if self.first and self.last else timedelta.max


@lru_cache(2**10)
def date_of(numbers: DateNumbers, order: str) -> date:
    """The date that numbers spell in an order. A year may have two digits, or be of the Buddhist or Persian calendar.

    Raises ValueError where the numbers are no date in that order.
    """
    number = dict(zip(order, numbers, strict=True))  # ValueError too where there is no order
    year, month, day = number["y"], number["m"], number["d"]
    if year < 100:
        return date(year + (2000 if year + 1900 < TWO_DIGIT_YEARS_FROM else 1900), month, day)
    if year in BUDDHIST_YEARS:
        return date(year - 543, month, day)
    if year in PERSIAN_YEARS:
        return _date_of_persian(year, month, day)
    if year < 1000:
        raise ValueError(f"no year: {year}")
    return date(year, month, day)


def _date_or_none(numbers: DateNumbers, order: str) -> date | None:
    try:
        return date_of(numbers, order)
    except ValueError:
        return None


def _date_of_persian(year: int, month: int, day: int) -> date:
    years = year - PERSIAN_YEARS.start
    if not 1 <= month <= 12 or not 1 <= day <= PERSIAN_MONTH_DAYS[month - 1]:
        raise ValueError(f"no day of the Persian calendar: {year}/{month}/{day}")
    if (month, day) == (12, 30) and not _is_persian_leap(year):
        raise ValueError(f"no leap year of the Persian calendar: {year}")
    leap_days = sum(_is_persian_leap(earlier) for earlier in range(PERSIAN_YEARS.start, year))
    return PERSIAN_NEW_YEAR + timedelta(365 * years + leap_days + sum(PERSIAN_MONTH_DAYS[: month - 1]) + day - 1)


def _is_persian_leap(year: int) -> bool:
    return year % 33 in PERSIAN_LEAP_YEARS
