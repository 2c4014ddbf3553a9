"""What the path of an IRC log says: the day, and in a folder of logs the room, which is what else names the file."""

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import date

from stages.chat.exports import ExportFile

FOLDERS_WITH_DAY = 3  # at most: 2004/11/15
MONTH_NUMBER = "(?:0[1-9]|1[0-2])"  # nothing else: in 2016/2016-11-15 the month is not 20
DAY_NUMBER = r"(?:0[1-9]|[12]\d|3[01])"
DAY_BY_WORD = r"(?:[12]\d|3[01]|0?[1-9])"  # beside the word of a month
MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
MONTH_WORD = (
    r"(?:(?<![^\W\d_])(?i:Jan(?:uary)?|Feb(?:ruary)?|Mar(?:ch)?|Apr(?:il)?|May|June?|July?|Aug(?:ust)?"
    r"|Sep(?:t(?:ember)?)?|Oct(?:ober)?|Nov(?:ember)?|Dec(?:ember)?))"
)
TIME = r"(?:[-_. T]?\d\d[-_.:]?\d\d(?:[-_.:]?\d\d)?(?!\d))?"  # of a meeting
# Each pattern has the groups year, month and day or, where the files settle which is which, year, first and second.
# `cut` is what the name of the room lacks. 2004/11/15, 20041115, 2004-Nov-15; 15.11.2004 or 11-15-2004; 15Nov2004;
# November 15, 2004.
DAYS_IN_PATH = tuple(
    re.compile(rf"(?<!\d)(?P<cut>{day}(?!\d){TIME})")
    for day in (
        rf"(?P<year>\d{{4}})[-_./ ]?(?P<month>{MONTH_NUMBER}|{MONTH_WORD})[-_./ ]?(?P<day>{DAY_NUMBER})",
        rf"(?P<first>{DAY_NUMBER})(?P<separator>[-_. ])(?P<second>{DAY_NUMBER})(?P=separator)(?P<year>\d{{4}})",
        rf"(?P<day>{DAY_BY_WORD})[-_. ]?(?P<month>{MONTH_WORD})[-_. ]?(?P<year>\d{{4}})",
        rf"(?P<month>{MONTH_WORD})[-_. ]?(?P<day>{DAY_BY_WORD})(?:,? |[-_.])?(?P<year>\d{{4}})",
    )
)
# Where folders above the name have the year, or the year and the month: 2004/lab.11-15.log, 2004/11/lab-15.log
DAYS_UNDER_FOLDERS = tuple(
    re.compile(pattern)
    for pattern in (
        rf"(?<!\d)(?P<year>\d{{4}})/.*(?<!\d)(?P<cut>(?P<month>{MONTH_NUMBER})[-_.](?P<day>{DAY_NUMBER}))(?!\d)[^/]*$",
        rf"(?<!\d)(?P<year>\d{{4}})[-_/]?(?P<month>{MONTH_NUMBER})/[^/]*(?<!\d)(?P<cut>(?P<day>{DAY_NUMBER}))\.[^./\d]+$",
    )
)
MONTH = re.compile(rf"(?:^|[-_. ])(?:19|20)\d\d[-_.]?{MONTH_NUMBER}$")  # of a log for each month
FOLDER_OF_DAYS = re.compile(r"\d{4}(?:[-_.]?\d\d)?|\d\d(?:[-_.]\d\d)?")
SECOND_ENDING = re.compile(r"\.(?:log|txt|raw)$", re.IGNORECASE)
NAME_OF_II = "out"  # of each log, in the folder of the channel
SEPARATORS = "-_. "
ROOM_OF_ZNC = re.compile(r"(?<=[_.-])#.+|(?<=^default_).+")  # user_network_#room


def days_in_paths(files: Sequence[ExportFile]) -> Mapping[str, date | None]:
    """The day that the name of each file or the folders around it name last, by the file's name.

    In `11-05-2004` the day is first unless that is impossible in another file.
    """
    day_matches = {file.name: _find_day(_end_of_path(file)) for file in files}
    is_month_first = any(match and not _day(match, False) and _day(match, True) for match in day_matches.values())
    return {name: _day(match, is_month_first) if match else None for name, match in day_matches.items()}


def rooms(files: Sequence[ExportFile]) -> dict[str, str]:
    """The room of each file by the file's name.

    Files whose names differ only in the day are of one room. A file alone keeps its name. Rooms of the same name in
    several folders or networks are told apart by what their paths have before it.
    """
    paths = {file.name: _path_without_day(file) for file in files if not file.is_alone}
    paths_of_rooms = defaultdict(set)
    for path, room in paths.values():
        paths_of_rooms[room].add(path)
    names = {name: room if len(paths_of_rooms[room]) == 1 else path for name, (path, room) in paths.items()}
    return names | {file.name: file.stem for file in files if file.is_alone}


def _end_of_path(file: ExportFile) -> str:
    return "/".join(file.path.absolute().parts[-FOLDERS_WITH_DAY - 1 :])


def _find_day(path: str) -> re.Match[str] | None:
    last: re.Match[str] | None = None
    for match in sorted((match for day in DAYS_IN_PATH for match in day.finditer(path)), key=re.Match.start):
        if last is None or match.start() >= last.end():  # not in the time of the last
            last = match
    return last or next(filter(None, (day.search(path) for day in DAYS_UNDER_FOLDERS)), None)


def _day(match: re.Match[str], is_month_first: bool) -> date | None:
    """None for numbers that are no date."""
    numbers = match.groupdict()
    if "first" in numbers:
        month, day = (numbers["first"], numbers["second"])[:: 1 if is_month_first else -1]
    else:
        month, day = numbers["month"], numbers["day"]
    number = int(month) if month.isdecimal() else MONTHS.index(month[:3].lower()) + 1
    try:
        return date(int(numbers["year"]), number, int(day))
    except ValueError:
        return None


def _path_without_day(file: ExportFile) -> tuple[str, str]:
    """The path in the export, of what no day takes, and the room's name, which is the last of it."""
    parts = list(file.path.absolute().parts)
    end = _end_of_path(file)
    day_match = _find_day(end)
    if day_match:
        start, stop = day_match.span("cut")
        slashes = "/" * end.count("/", start, stop)
        parts[-end.count("/") - 1 :] = (end[:start] + slashes + end[stop:]).split("/")
    name = SECOND_ENDING.sub("", parts[-1].removesuffix(file.path.suffix).strip(SEPARATORS))
    name = MONTH.sub("", name.strip(SEPARATORS))
    is_part_of_day = day_match and name.isdecimal()
    if is_part_of_day or FOLDER_OF_DAYS.fullmatch(name) or name == NAME_OF_II:  # or the log of a month
        name = ""
    folders = [part.removesuffix(".zip") for part in parts[:-1]]
    in_export = len(folders) - file.name.count("/")
    below = [part for part in folders[in_export:] if part.strip(SEPARATORS) and not FOLDER_OF_DAYS.fullmatch(part)]
    above = [part for part in folders[:in_export] if part.strip(SEPARATORS) and not FOLDER_OF_DAYS.fullmatch(part)]
    path = [*below, name] if name else below or above[-1:]
    room = path[-1] if path else file.stem
    if day_match and (part := ROOM_OF_ZNC.search(room)):
        room = part[0]
    return "/".join(path) or file.stem, room
