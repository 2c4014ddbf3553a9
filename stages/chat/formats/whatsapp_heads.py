"""Heads of WhatsApp's entries: the date and the time as the phone writes them, in whatever language.

    [15/04/2016, 15:04:00] Ann: text     iOS, and texts copied in WhatsApp Web, which may have the time first
    15/04/2016, 15:04 - Ann: text        Android
    2016-04-15, 3:04:05 PM: Ann: text    early iOS

A word for the half of the day stands before or after the time. Digits may be of any script, and marks of direction may
stand between any two parts.
"""

import re
from functools import lru_cache
from typing import NamedTuple

from stages.chat.dates import DateNumbers
from stages.chat.day_periods import meanings, normalised

DIRECTION_MARKS = (
    "\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u061c\ufeff"  # and the byte order's
)
MARK = f"[{DIRECTION_MARKS}]"
BLANK = rf"[\s{DIRECTION_MARKS}]"
WORDS = r"[^\d:\[\]()<>@#/]"  # what may stand around a time: no digits, no brackets
WORDS_AFTER = r"[^\d:\[\]()<>@#/,]"
BEGINNING = rf"{BLANK}*+(?P<bracket>\[)?{BLANK}*+"
DATE = (
    rf"(?P<first>\d{{1,4}}){MARK}*(?P<separator>[./-]){BLANK}*(?P<second>\d\d?){MARK}*"
    rf"(?P=separator){BLANK}*(?P<third>\d{{1,4}})"
)
TIME = r"(?P<hour>\d\d?)(?:[:.٫]|\sh\s)(?P<minute>\d\d)(?:(?:[:.٫]|\smin\s)(?P<seconds>\d\d)(?:\ss\b)?)?"
ENDING = rf"(?(bracket)\]|(?:{BLANK}+[-–]{BLANK}|(?P<colon>:){BLANK}))(?P<rest>.*)"
HEAD = re.compile(
    rf"{BEGINNING}{DATE}(?P<before>{WORDS}{{1,40}}){TIME}(?P<after>{WORDS_AFTER}{{0,24}}?){ENDING}", re.DOTALL
)
TIME_FIRST = re.compile(
    rf"{BEGINNING}{TIME}(?P<before>{WORDS_AFTER}{{0,24}}?)(?P<after>,?{BLANK}){DATE}\.?{ENDING}", re.DOTALL
)
SHORT_BUDDHIST_YEARS = range(52, 100)  # 2552, the year WhatsApp began, and later
MAX_WORD = 12  # characters of a word that no locale data has
SEPARATE_WORDS = re.compile(r"[\s,،、]+")
# Words that join a date and a time, or belong to the date, and words that stand after the time.
JOINING = """
à às a las alle ore at ad be ce dne dva da um hr h j jam ka kl klo klokken klockan lúc o ob om oras ora
pada pukul saat u ur v ve w we και στις в во г год году у о ساعت الساعة في بوقت בתאריך בשעה ב เวลา พ.ศ.
ค.ศ. को
"""
JOINING_WORDS = frozenset(map(normalised, JOINING.split()))
CLOCK_WORDS = frozenset(map(normalised, ("ч", "น", "hodź")))


class Head(NamedTuple):
    """What stands before the sender, and the rest of the line."""

    date_numbers: DateNumbers
    separator: str  # between the numbers of the date
    word: str  # for the half of the day, as `normalised`; empty if there is none
    hour: int
    minute: int
    second: int
    has_leading_zero: bool  # in the hour
    ends_in_colon: bool
    form: tuple[bool, bool, bool]  # whether it has brackets, the time first, and seconds
    rest: str


def head_of(line: str) -> Head | None:
    """The head with which a line begins; None where it goes on with a message."""
    match = HEAD.fullmatch(line)
    if match:
        bracket, first, separator, second, third, before, hour, minute, seconds, after, colon, rest = match.groups()
        has_time_first = False
    else:
        match = TIME_FIRST.fullmatch(line)
        if match is None:
            return None
        bracket, hour, minute, seconds, before, after, first, separator, second, third, colon, rest = match.groups()
        has_time_first = True
    word = _word(before, after)
    if word is None:
        return None
    hour_number = int(hour)
    return Head(
        _date_numbers(first, second, third),
        separator,
        word,
        hour_number,
        int(minute),
        min(int(seconds), 59) if seconds else 0,
        hour_number < 10 and len(hour) == 2,
        colon is not None,
        (bracket is not None, has_time_first, seconds is not None),
        rest,
    )


@lru_cache(2**10)
def _date_numbers(first: str, second: str, third: str) -> DateNumbers:
    return _full_year(int(first)), int(second), _full_year(int(third))


def _full_year(number: int) -> int:
    return number + 2500 if number in SHORT_BUDDHIST_YEARS else number


@lru_cache(2**12)
def _word(before: str, after: str) -> str | None:
    """The word before or after a time, empty if there is none. None where what stands there is a sentence."""
    words = [_without_joining(after, CLOCK_WORDS), _without_joining(before, JOINING_WORDS)]
    day_periods = [word for word in words if word and meanings(word)]
    if day_periods:
        return day_periods[0]
    return None if sum(map(len, words)) > MAX_WORD else words[0] or words[1]


def _without_joining(words: str, joining_words: frozenset[str]) -> str:
    whole = normalised(words)
    if not whole or whole in joining_words:
        return ""
    parts = [normalised(part) for part in SEPARATE_WORDS.split(words)]
    return "".join(part for part in parts if part not in joining_words)
