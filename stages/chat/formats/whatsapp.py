"""WhatsApp's text export, as iOS, Android and WhatsApp Web write it (see whatsapp_heads.py).

Dates and clocks are the phone's. The whole file decides whether the day or the month comes first, and that a clock
without words for the half of the day has 24 hours. Where a file of several doesn't decide, the others do; where none
does, this is an error. What WhatsApp writes in place of a person's words is a reject (see whatsapp_texts.py).
"""

import re
from collections.abc import Callable, Collection, Iterator, Sequence
from datetime import date, datetime, time, tzinfo
from functools import cache, partial
from pathlib import Path
from typing import NamedTuple

from stages.chat import Columns, Message, ReadSettings, Reject, name_pairs
from stages.chat.dates import DateOrder, common_order, date_of
from stages.chat.day_periods import meanings
from stages.chat.exports import ExportFile
from stages.chat.files import MAX_ENTRY_BYTES, lines, read_each
from stages.chat.formats.signal import is_markdown
from stages.chat.formats.whatsapp_clock import Clock
from stages.chat.formats.whatsapp_heads import Head, head_of
from stages.chat.formats.whatsapp_notes import is_event_of
from stages.chat.formats.whatsapp_senders import sender_and_text
from stages.chat.formats.whatsapp_texts import persons_text

ENDINGS = (".txt",)
CHAT = "_chat.txt"  # what an iPhone calls the chat, beside the files that people sent
SENT_FILE = re.compile(r"0\d{7}-")  # as an iPhone numbers these; a date begins with another digit
IRC_REST = re.compile(r"\s*(?:<[^>\s]+> |\* |-!- |\*\*\* )")
MENTION = re.compile("@\u2068~?\\s*([^\u2069]*)\u2069")
BOTS = ("Meta AI",)
FIRST_YEAR = date(2009, 1, 1)  # of WhatsApp
MAX_DAY = 31  # of a month; a higher number is a year
YEAR_FIRST_LANGUAGES = {"eu", "hu", "ja", "ko", "mn"}  # all phones in them write the year first
MIN_OTHERS = 50  # lines
OTHERS_SHARE = 0.2


class Entry(NamedTuple):
    """What begins with a head, up to the next one. `text` goes on after the head."""

    at: str
    head: Head
    text: str


class Survey:
    """What all heads of a file tell."""

    def __init__(self) -> None:
        self.dates = DateOrder(earliest=FIRST_YEAR)
        self.clock = Clock()
        self.contradiction: str | None = None  # the place of the first date that fits no order
        self.count = 0  # of heads
        self.others = 0  # what looks like a head of another form

    @property
    def is_of_several(self) -> bool:
        """Whether two exports stand in the file: people don't paste that many lines."""
        return self.others >= MIN_OTHERS and self.others > OTHERS_SHARE * self.count

    def add(self, at: str, head: Head) -> None:
        self.count += 1
        self.dates.separator = self.dates.separator or head.separator
        if not self.dates.add(head.date_numbers) and self.contradiction is None:
            self.contradiction = at
        self.clock.add(head)

    def orders(self) -> list[str]:
        """The orders of year, month and day between which the file doesn't tell."""
        if not self.dates.count:
            return ["ymd"]
        languages = self.clock.languages
        return self.dates.orders(year_is_first=bool(languages) and languages <= YEAR_FIRST_LANGUAGES)


def fits(start: str, columns: Columns) -> bool:
    if is_markdown(start):  # Signal's, with heads like those of an iPhone
        return False
    heads = [head for line in re.split(r"\r?\n", start) if (head := head_of(line))]
    return any(sender_and_text(head.rest) for head in heads) and not any(IRC_REST.match(head.rest) for head in heads)


def read(files: Sequence[ExportFile], settings: ReadSettings) -> Iterator[Message | Reject]:
    folders = {file.path.parent for file in files if file.path.name == CHAT}
    chats = [file for file in files if not _is_sent(file, folders)]

    @cache
    def order_of_others() -> str | None:
        """The order that the files settle; None if they settle none or several."""
        surveys = [_survey(file) for file in chats if fits(file.start(), settings.columns)]
        return common_order(survey.orders() for survey in surveys)

    yield from (Reject(file.name, "other_file") for file in files if _is_sent(file, folders))
    yield from read_each(chats, settings, fits, partial(_read_file, order_of_others=order_of_others))


def _is_sent(file: ExportFile, folders_of_chats: Collection[Path]) -> bool:
    """Whether a file is a document that somebody sent, and no chat even if it looks like one."""
    stands_beside_chat = file.path.parent in folders_of_chats and file.path.name != CHAT
    return not file.is_alone and (stands_beside_chat or bool(SENT_FILE.match(file.path.name)))


def _read_file(
    file: ExportFile, settings: ReadSettings, order_of_others: Callable[[], str | None]
) -> Iterator[Message | Reject]:
    survey = _survey(file)
    if survey.is_of_several:
        raise file.error(
            f"{survey.count} messages begin in one form and {survey.others} lines in another: are these two exports in"
            " one file? Make it two files in a folder"
        )
    if survey.clock.lacks_halves:
        raise file.error("a 12-hour clock without am and pm; export it again with a 24-hour clock")
    order = _order(file, survey, order_of_others)
    group = group_of(file)
    for entry in _entries(file):
        yield entry if isinstance(entry, Reject) else _message(group, order, survey.clock, settings.zone, entry)


def group_of(file: ExportFile) -> str:
    """The chat's name: the file's, or where an iPhone calls the file _chat.txt that of the zip or folder around it."""
    return file.folder if file.stem == "_chat" and not file.is_alone else file.stem


def _survey(file: ExportFile) -> Survey:
    survey = Survey()
    for line in _lines(file):
        if isinstance(line, Reject):
            continue
        at, _text, head, is_head = line
        if head and is_head:
            survey.add(at, head)
        survey.others += head is not None and not is_head
    return survey


def _order(file: ExportFile, survey: Survey, order_of_others: Callable[[], str | None]) -> str:
    """Raises click.ClickException where no order fits the dates, or several fit."""
    orders = survey.orders()
    if not orders:
        raise file.error(f"{survey.contradiction}: no order of day and month fits this date and those before")
    if len(orders) > 1 and not file.is_alone and order_of_others() in orders:
        orders = [order for order in orders if order == order_of_others()]
    if len(orders) > 1:
        raise file.error(survey.dates.problem)
    return orders[0]


def _lines(file: ExportFile) -> Iterator[tuple[str, str, Head | None, bool] | Reject]:
    """The place and the text of each line, with what looks like its head, and whether it is one.

    In a message somebody may have pasted a line that looks like a head. It isn't one where it differs from the first
    (see _has_form_of). An export has one form, but not always one language.
    """
    first: Head | None = None
    for line in lines(file):
        if isinstance(line, Reject):
            yield line
            continue
        at, text = line
        head = head_of(text)
        first = first or head
        yield at, text, head, bool(head and first and _has_form_of(head, first))


def _has_form_of(head: Head, first: Head) -> bool:
    if head.form != first.form or head.ends_in_colon > first.ends_in_colon:
        return False
    if head.word and not first.word and not meanings(head.word):
        return False
    begins_with_year = head.date_numbers[0] > MAX_DAY >= first.date_numbers[0]  # as in the log of a program
    return not begins_with_year or (first.date_numbers[2] <= MAX_DAY and head.separator == first.separator)


def _entries(file: ExportFile) -> Iterator[Entry | Reject]:
    entry: Entry | None = None
    more_lines: list[str] = []
    size = 0  # of `more_lines`
    for line in _lines(file):
        if isinstance(line, Reject):
            yield from _whole_entry(entry, more_lines, size)
            entry, more_lines = None, []
            yield line
            continue
        at, text, head, is_head = line
        if head and is_head:
            yield from _whole_entry(entry, more_lines, size)
            entry, more_lines, size = Entry(at, head, head.rest), [], 0
        elif entry is None:
            if text.strip():
                yield Reject(at, "not_a_message")
        else:
            size += len(text) + 1
            if size <= MAX_ENTRY_BYTES:
                more_lines.append(text)
    yield from _whole_entry(entry, more_lines, size)


def _whole_entry(entry: Entry | None, more_lines: list[str], size: int) -> Iterator[Entry | Reject]:
    """The entry with the lines after its head; nothing where there is no entry."""
    if entry and size <= MAX_ENTRY_BYTES:
        yield entry._replace(text="\n".join([entry.text, *more_lines])) if more_lines else entry
    elif entry:
        yield Reject(entry.at, "text_too_long")


def _message(group: str, order: str, clock: Clock, zone: tzinfo, entry: Entry) -> Message | Reject:
    at, head, rest = entry
    hour = clock.hour(head)
    try:
        if hour is None:
            return Reject(at, "bad_time")
        day = date_of(head.date_numbers, order)
        timestamp = int(datetime.combine(day, time(hour, head.minute, head.second), zone).timestamp())
    except (ValueError, OverflowError):
        return Reject(at, "bad_time")
    spoken = sender_and_text(rest)
    if spoken is None:
        return Reject(at, "system")
    sender, text = spoken
    if sender in BOTS:
        return Reject(at, "bot")
    if is_event_of(sender, text):
        return Reject(at, "system")
    text, reason = persons_text(text)
    if reason:
        return Reject(at, reason)
    names = tuple(pair for name in MENTION.findall(text) for pair in name_pairs(f"@{name}", name))
    return Message(at, group, sender, MENTION.sub(r"@\1", text), timestamp, names=names)
