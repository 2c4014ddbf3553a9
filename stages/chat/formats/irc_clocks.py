"""The clock of an IRC log: without am and pm it may have 12 hours, as Ubuntu's had before October 2007."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date
from enum import Enum, auto
from typing import NamedTuple

from stages.chat import Reject
from stages.chat.exports import ExportFile
from stages.chat.files import lines
from stages.chat.formats.irc_lines import Kind, Line, read_line

HOURS_24_SINCE = date(2007, 11, 1)  # those of Ubuntu; no other client is known to have 12 hours without am and pm


class Clock(Enum):
    """What a clock without am and pm shows."""

    HOURS_24 = auto()
    HOURS_12 = auto()
    EITHER = auto()  # nothing that the other could not show
    ONLY_12 = auto()  # 12:xx alone: noon or, with 12 hours, midnight


class ClockTime(NamedTuple):
    """What the clock shows at a line. `day` counts the day lines above it."""

    day: int
    hour: int
    minute: int
    has_seconds: bool


def clock_of(times: Iterable[ClockTime]) -> Clock:
    """The clock by its times in the order of the log.

    One of 12 hours falls back within a day by more than an hour, which summer time does not, and shows neither 0 nor
    13. 12:xx alone is noon where the clock shows seconds or day lines are above: those clients' clocks have 24 hours.
    """
    has_other_hours = has_fallen_back = is_of_24_hours = False
    last = ClockTime(0, 0, 0, False)
    for time in times:
        if not 1 <= time.hour <= 12:
            return Clock.HOURS_24
        fall = (last.hour - time.hour) * 60 + last.minute - time.minute
        has_fallen_back = has_fallen_back or (time.day == last.day and fall > 60)
        has_other_hours = has_other_hours or time.hour != 12
        is_of_24_hours = is_of_24_hours or time.has_seconds or time.day > 0
        last = time
    if has_fallen_back:
        return Clock.HOURS_12
    is_known = has_other_hours or is_of_24_hours or last.hour == 0
    return Clock.EITHER if is_known else Clock.ONLY_12


class Clocks:
    """The clock of each file. A file of nothing but 12:xx has that of the nearest one of its room that shows it.

    `rooms` and `days` are those of the files' paths, by the file's name.
    """

    def __init__(self, files: Sequence[ExportFile], rooms: Mapping[str, str], days: Mapping[str, date | None]) -> None:
        self.files = files
        self.rooms = rooms
        self.days = days
        self._shown: dict[str, Clock] = {}

    def of(self, file: ExportFile) -> Clock:
        """Raises click.ClickException where nothing tells what 12:xx means."""
        clock = self._shown_by(file)
        if clock is not Clock.ONLY_12:
            return clock
        place = self.files.index(file)
        for other in sorted(range(len(self.files)), key=lambda other: abs(other - place)):
            if self.rooms[self.files[other].name] == self.rooms[file.name]:
                clock = self._shown_by(self.files[other])
                if clock in (Clock.HOURS_12, Clock.HOURS_24):
                    return clock
        day = self.days[file.name]
        if day and day >= HOURS_24_SINCE:
            return Clock.HOURS_24
        raise file.error("all times are 12:xx, at noon or, on a 12-hour clock, at midnight")

    def _shown_by(self, file: ExportFile) -> Clock:
        if file.name not in self._shown:
            self._shown[file.name] = clock_of(_bare_times(file))
        return self._shown[file.name]


def lines_of(file: ExportFile) -> Iterator[Line]:
    """Its lines without those that can't be read."""
    return (read_line(entry[1]) for entry in lines(file) if not isinstance(entry, Reject))


def _bare_times(file: ExportFile) -> Iterator[ClockTime]:
    """The times without a date and without am or pm at which somebody said something."""
    day = 0
    for line in lines_of(file):
        day += line.kind is Kind.DAY
        stamp = line.stamp
        if line.kind is Kind.SPEECH and stamp and not stamp.date and stamp.epoch is None and not stamp.has_half:
            yield ClockTime(day, stamp.hour, stamp.minute, stamp.second is not None)
