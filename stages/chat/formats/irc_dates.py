"""Dates as logs have them: in numbers, or in words of any language.

The month stands beside the day: `Nov 15`, `15. November`, `15 de noviembre`. Its word is one of CLDR or short for one,
as those of an operating system are. Where languages read a date in several ways, the weekday tells which one is right.
"""

import re
from collections.abc import Callable, Sequence
from datetime import date
from functools import cache, lru_cache
from typing import Any, NamedTuple

from babel import localedata

# Those of clients. All others are looked up only where none of these reads a date: to load them takes seconds.
COMMON_LANGUAGES = (
    *("en", "de", "fr", "es", "it", "pt", "nl", "ru", "pl", "sv", "fi", "da", "no", "nn", "cs", "sk", "hu", "ro"),
    *("bg", "hr", "sl", "sr", "sr_Latn", "uk", "be", "el", "tr", "lt", "lv", "et", "ca", "gl", "eu", "id", "ms", "th"),
    *("hi", "he", "ar", "ar_DZ", "ar_MA", "fa", "zh", "de_AT", "ga", "cy", "br", "is", "eo", "af"),
)
YEAR_FIRST = re.compile(r"(?<!\d)(\d{4})(?:([-/.])(\d{1,2})\2|[年년] ?(\d{1,2})[月월] ?)(\d{1,2})(?!\d)")
YEAR_LAST = re.compile(r"(?<!\d)(\d{1,2})([-.])(\d{1,2})\2(\d{4})(?!\d)")  # with slashes the month might be first
WITHOUT_SEPARATORS = re.compile(r"(?<!\d)(\d{4})(\d\d)(\d\d)(?!\d)")
CLOCK = re.compile(r"\d{1,2}:\d\d(?::\d\d)?")
NUMBERED_MONTH = re.compile(r"(?<!\d)(\d{1,2})[月월]|\bth(?:áng|g)? ?(\d{1,2})(?!\d)", re.IGNORECASE)
TOKEN = re.compile(r"(?<!\w)\d{1,4}(?!\d)|[^\s\d,;:/()\[\]\-–#*|]+")
MIN_LETTERS = 3  # of a month's short name
MIN_LETTERS_OF_WEEKDAY = 2
CONNECTIVE_LETTERS = 2  # at most, of what stands between day and month, as `de` does

Numbers = set[int]  # of months or weekdays that a word may stand for


class LogDate(NamedTuple):
    """A date, perhaps without a year. `language` is that of its words where a weekday shows it."""

    year: int | None
    month: int
    day: int
    language: str | None = None


class Words(NamedTuple):
    """The words beside the number of a day that may name its month, and all before the day, as a weekday is."""

    months: list[str]  # most likely first
    before_day: list[str]
    year: int | None
    day: int


class Names(NamedTuple):
    """What a language calls the months, which count from 1, and the weekdays, which count from 0 for Monday."""

    months: dict[str, int]
    weekdays: dict[str, int]


@lru_cache(maxsize=4096)
def date_in(text: str, language: str | None = None) -> LogDate | None:
    """The date in a text, by words of `language` if they are; None where there is none or it could be several.

    Raises ValueError for a date that does not exist.
    """
    log_date = _date_in_numbers(text) or _date_in_words(CLOCK.sub(" ", text), language)
    if log_date:
        date(log_date.year or 2000, log_date.month, log_date.day)  # 2000 is a leap year
    return log_date


def _date_in_numbers(text: str) -> LogDate | None:
    if numbers := YEAR_FIRST.search(text):
        return LogDate(int(numbers[1]), int(numbers[3] or numbers[4]), int(numbers[5]))
    if numbers := YEAR_LAST.search(text):
        return LogDate(int(numbers[4]), int(numbers[3]), int(numbers[1]))
    if numbers := WITHOUT_SEPARATORS.search(text):
        return LogDate(int(numbers[1]), int(numbers[2]), int(numbers[3]))
    return None


def _date_in_words(text: str, language: str | None) -> LogDate | None:
    numbered_month = NUMBERED_MONTH.search(text)
    if numbered_month:
        text = text.replace(numbered_month[0], " ")
    words = _words(TOKEN.findall(text))
    if words and numbered_month:
        return LogDate(words.year, int(numbered_month[1] or numbered_month[2]), words.day)
    if not words or not words.months:
        return None
    for match in (_whole_or_start, _whole_or_short) if language else ():
        months = _months_of(words, language or "", match)
        if len(months) == 1:
            return LogDate(words.year, months.pop(), words.day, language)
    return (
        _by_weekday(words, COMMON_LANGUAGES, _whole)
        or _by_weekday(words, COMMON_LANGUAGES, _whole_or_start)
        or _agreed(words, _whole)
        or _by_weekday(words, _other_languages(), _whole_or_start)
        or _by_weekday(words, COMMON_LANGUAGES, _whole_or_short)
        or _agreed(words, _whole_or_start)
    )


def _words(tokens: list[str]) -> Words | None:
    """None where not exactly one number may be the day."""
    years = [int(token) for token in tokens if token.isdecimal() and len(token) == 4]
    places = [place for place, token in enumerate(tokens) if token.isdecimal() and len(token) <= 2]
    if len(places) != 1 or len(years) > 1:
        return None
    place = places[0]
    words = [token.casefold().strip(".") for token in tokens]
    after = [word for word in words[place + 1 : place + 3] if len(word) > CONNECTIVE_LETTERS and not word.isdecimal()]
    before = [word for word in words[place - 1 : place] if word and not word.isdecimal()]
    # A word after the day is the month rather than one before it, which may be the weekday.
    return Words(after[:1] + before, words[:place], years[0] if years else None, int(tokens[place]))


def _by_weekday(
    words: Words, languages: Sequence[str], match: Callable[[dict[str, int], str], Numbers]
) -> LogDate | None:
    """The date of the first language that has its weekday right."""
    for language in languages:
        for word in words.months:
            months = match(_names(language).months, word)
            weekdays = _weekdays_of(words, language, word) if months else set()
            for month in months:
                if weekdays and (words.year is None or _weekday(words.year, month, words.day) in weekdays):
                    return LogDate(words.year, month, words.day, language)
    return None


def _agreed(words: Words, match: Callable[[dict[str, int], str], Numbers]) -> LogDate | None:
    """The date if all languages agree on it, although its weekday is missing, unknown or wrong."""
    months = {month for language in COMMON_LANGUAGES for month in _months_of(words, language, match)}
    return LogDate(words.year, months.pop(), words.day) if len(months) == 1 else None


def _months_of(words: Words, language: str, match: Callable[[dict[str, int], str], Numbers]) -> Numbers:
    names = _names(language).months
    return next((months for word in words.months if (months := match(names, word))), set())


def _weekdays_of(words: Words, language: str, month: str) -> Numbers:
    others = words.before_day.copy()
    if month in others:
        others.remove(month)  # once: in Italian the first `mar` of `mar mar 5` is a Tuesday
    names = _names(language).weekdays
    return {number for word in others for number in _whole_or_start(names, word, _min_letters_of_weekday(word))}


def _min_letters_of_weekday(word: str) -> int:
    return MIN_LETTERS_OF_WEEKDAY if word.isascii() else 1  # Arabic has one


def _weekday(year: int, month: int, day: int) -> int | None:
    try:
        return date(year, month, day).weekday()
    except ValueError:
        return None


def _whole(names: dict[str, int], word: str) -> Numbers:
    return {names[word]} if word in names else set()


def _whole_or_start(names: dict[str, int], word: str, min_letters: int = MIN_LETTERS) -> Numbers:
    if len(word) < min_letters:
        return _whole(names, word)
    return _whole(names, word) or {number for name, number in names.items() if name.startswith(word)}


def _whole_or_short(names: dict[str, int], word: str) -> Numbers:
    """Also by letters left out in the middle: `čec` for `červenec`."""
    if len(word) < MIN_LETTERS:
        return _whole(names, word)
    ends = word[0], word[-1]
    return {number for name, number in names.items() if (name[0], name[-1]) == ends and _has_letters(name, word)}


def _has_letters(name: str, word: str) -> bool:
    letters = iter(name)
    return all(letter in letters for letter in word)


@cache
def _names(language: str) -> Names:
    data = localedata.load(language, merge_inherited=False)  # as all here load it: Babel keeps what was loaded first
    return Names(_numbers(data.get("months")), _numbers(data.get("days")))


def _numbers(data: Any) -> dict[str, int]:
    """The numbers of months or weekdays by their names in all contexts. What is no dictionary refers to other data."""
    numbers: dict[str, int] = {}
    for widths in (data or {}).values():
        for width, names in widths.items() if isinstance(widths, dict) else ():
            if width != "narrow" and isinstance(names, dict):
                for number, name in names.items():
                    numbers.setdefault(name.casefold().strip("."), number)
    return numbers


@cache
def _other_languages() -> tuple[str, ...]:
    return tuple(name for name in localedata.locale_identifiers() if "_" not in name and name not in COMMON_LANGUAGES)
