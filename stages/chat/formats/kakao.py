"""KakaoTalk's text export of Android, iOS and PC, in Korean, English and Japanese, and the CSV of macOS.

Phones write `2024년 5월 1일 오후 3:04, Ann : text`, on iOS also `오후 3:04, Ann : text` below a line of the day.
PCs write `[Ann] [오후 3:04] text` below `--------------- 2024년 5월 1일 수요일 ---------------`. The group is the
title above.
"""

import re
from collections.abc import Iterator, Sequence
from datetime import date, datetime, time

from stages.chat import Columns, Message, ReadSettings, Reject
from stages.chat.exports import ExportFile
from stages.chat.files import read_each
from stages.chat.formats import csv, kakao_words
from stages.chat.text_logs import log_entries

ENDINGS = (".txt", ".csv")
CSV_HEADER = re.compile(r"\"?Date\"?,\"?User\"?,\"?Message\"?[ \t]*(?:[\r\n]|$)")
CSV_COLUMNS = {"timestamp": "Date", "sender": "User", "text": "Message"}
MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
# The second form of a day or a half of it has a group of another name, since a name may stand only once in a pattern.
DATE = (
    r"(?:(?P<year>\d{4})[년年.] ?(?P<month>\d{1,2})[월月.] ?(?P<day>\d{1,2})[일日.]"
    r"|(?:(?P<_month>[A-Z][a-z]{2,8})\.? (?P<_day>\d{1,2})|(?P<__day>\d{1,2}) (?P<__month>[A-Z][a-z]{2,8})),?"
    r" (?P<_year>\d{4}))"
)
TIME = r"(?:(?P<half>오전|오후|午前|午後) ?)?(?P<hour>\d{1,2}):(?P<minute>\d\d)(?:\s?(?P<_half>[AaPp])\.?[Mm]\.?)?"
# A comma stands before a person's words, a colon before the app's, and nothing after the time where a day begins.
PHONE_LINE = re.compile(rf"{DATE}(?:,| at)? {TIME}(?:(?P<sign>[,:])\s(?P<rest>.*))?", re.DOTALL)
SHORT_LINE = re.compile(rf"{TIME}(?P<sign>[,:])\s(?P<rest>.*)", re.DOTALL)
PC_LINE = re.compile(rf"\[(?P<sender>[^\n]+?)\] \[{TIME}\] ?(?P<text>.*)", re.DOTALL)
DAY_LINE = re.compile(
    rf"(?P<dashes>-*) ?(?:[A-Z][a-z]+day, {DATE.replace('?P<', '?P<en_')}|{DATE} ?.(?:요일|曜日)) ?-*"
)
TITLE = re.compile(r"(?:KakaoTalk Chats with )?(.+?)(?: ?님과(?:의)?)?(?: 카카오톡 대화| with KakaoTalk Chats)?\s*")
LONGEST_TITLE = 200
SAVED_LINE = re.compile(r"(?:저장한 날짜|Date Saved|Saved (?:Date|on)|保存した日付) ?:.*")


def fits(start: str, columns: Columns) -> bool:
    if CSV_HEADER.match(start):
        # Else it is a table with columns that the user named.
        return "message" not in {name.lower() for name in columns.values() if name}
    lines = re.split(r"\r?\n", start)
    if any(_speaks(PHONE_LINE.fullmatch(line)) for line in lines):
        return True
    # Other logs have lines like those of a PC, but not with the days above them.
    return any(map(DAY_LINE.fullmatch, lines)) and any(
        PC_LINE.fullmatch(line) or _speaks(SHORT_LINE.fullmatch(line)) for line in lines
    )


def _speaks(match: re.Match[str] | None) -> bool:
    """Whether a phone's line has a person's words."""
    return match is not None and match["sign"] == "," and " : " in match["rest"]


def read(files: Sequence[ExportFile], settings: ReadSettings) -> Iterator[Message | Reject]:
    return read_each(files, settings, fits, _read_file)


def _read_file(file: ExportFile, settings: ReadSettings) -> Iterator[Message | Reject]:
    if not CSV_HEADER.match(file.start()):
        yield from log_entries(file, _Log(file, settings).begin, _complete)
        return
    columns: Columns = dict.fromkeys(settings.columns) | CSV_COLUMNS
    for entry in csv.read([file], settings._replace(columns=columns, text_types=frozenset())):
        if isinstance(entry, Message) and kakao_words.SYSTEM_LINE.fullmatch(entry.text):
            entry = Reject(entry.at, "system")
        yield _complete(entry) if isinstance(entry, Message) else entry


def _complete(message: Message) -> Message | Reject:
    reason = kakao_words.reason(message.sender, message.text)
    return Reject(message.at, reason) if reason else message


class _Log:
    """What the lines so far tell of those that follow: the room, the day, and whether a PC wrote them."""

    def __init__(self, file: ExportFile, settings: ReadSettings) -> None:
        self.zone = settings.zone
        self.group = file.stem
        self.day: date | None = None
        self.is_of_pc = False
        self.is_at_start = True

    def begin(self, at: str, line: str) -> list[Message | Reject] | None:
        """What a line begins, as log_entries wants it."""
        is_at_start, self.is_at_start = self.is_at_start, False
        if match := PHONE_LINE.fullmatch(line):
            return self._phone_entry(at, match, _day(match))
        if match := PC_LINE.fullmatch(line):
            self.is_of_pc = True
            return [self._message(at, match, self.day, match["sender"], match["text"])]
        if self.day and (match := SHORT_LINE.fullmatch(line)):
            return self._phone_entry(at, match, self.day)
        if match := DAY_LINE.fullmatch(line):
            self.day, self.is_of_pc = _day(match), self.is_of_pc or bool(match["dashes"])
            return []
        if is_at_start and (title := TITLE.fullmatch(line[:LONGEST_TITLE])):
            self.group = title[1] if "카카오톡" in line or "KakaoTalk" in line else self.group
            return []
        if self.is_of_pc and kakao_words.SYSTEM_LINE.fullmatch(line):
            return [Reject(at, "system")]
        return [] if SAVED_LINE.fullmatch(line) else None

    def _phone_entry(self, at: str, match: re.Match[str], day: date | None) -> list[Message | Reject]:
        if match["sign"] is None:
            return []
        sender, colon, text = match["rest"].partition(" : ")
        if match["sign"] == ":" or not colon:
            return [Reject(at, "system")]
        return [self._message(at, match, day, sender, text)]

    def _message(self, at: str, match: re.Match[str], day: date | None, sender: str, text: str) -> Message | Reject:
        half, hour = (match["half"] or match["_half"] or "").lower(), int(match["hour"])
        if half and hour <= 12:
            hour = hour % 12 + 12 * (half in ("오후", "午後", "p"))
        if day is None:
            return Reject(at, "bad_time")
        if not sender.strip():
            return Reject(at, "missing_field")
        try:
            timestamp = int(datetime.combine(day, time(hour, int(match["minute"])), self.zone).timestamp())
        except (ValueError, OverflowError):
            return Reject(at, "bad_time")
        return Message(at, self.group, sender.strip(), text, timestamp)


def _day(match: re.Match[str]) -> date | None:
    """The day that a line names; None for one that doesn't exist."""
    fields = {name.removeprefix("en").lstrip("_"): text for name, text in match.groupdict().items() if text}
    try:
        month = MONTHS.index(fields["month"][:3].lower()) + 1 if fields["month"].isalpha() else int(fields["month"])
        return date(int(fields["year"]), month, int(fields["day"]))
    except ValueError:
        return None
