"""Words for halves and parts of the day (PM, 下午, 晚上, μ.μ.) and the hours of a 12-hour clock that they mean.

The words and their hours are those of the Unicode locale data, by language, with some that earlier versions had.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache, lru_cache
from typing import Any, NamedTuple

from stages.chat.earlier_day_periods import EARLIER_WORDS
from stages.chat.folding import Folded

NOT_LETTERS = re.compile(r"[\s.,،、_'\"״׳()]+")
HALVES = {"am": (0.0, 12.0), "pm": (12.0, 24.0)}
ENGLISH = {word: {"en": (HALVES[word],)} for word in HALVES}  # most exports need no other, which take time to load
# Those of phones. Locales have words of their own that differ from their language's.
PHONE_LOCALES = """
af am ar ar_LY ar_SA az be bg bn bn_IN bs ca cs cy da de de_AT el en en_AU en_CA en_IN es es_419 es_CO es_MX
es_US et eu fa fa_AF fi fil fr fr_CA fr_CH ga gl gu ha he hi hr hu hy id is it ja ka kk km kn ko ky lo lt lv
mk ml mn mr ms my nb ne nl nn no or pa pl ps pt pt_PT ro ru sd si sk sl so sq sr sr_Latn sv sw ta te th tk tr
uk ur uz vi yue yue_Hans zh zh_Hant zh_Hant_HK zu
"""

Span = tuple[float, float]  # hours from and before, the second less where midnight is between
Meanings = Mapping[str, tuple[Span, ...]]  # by language


class _Word(NamedTuple):
    language: str
    spans: tuple[Span, ...]
    is_narrow: bool  # as short as a calendar has room for


def normalised(word: str) -> str:
    """A word without blanks, dots and invisible characters, in small letters."""
    return NOT_LETTERS.sub("", Folded(word).key)


@lru_cache(2**12)
def meanings(word: str) -> Meanings:
    """The hours that a word as `normalised` means in each language that has it; empty for any other word."""
    return ENGLISH.get(word) or _phone_words().get(word) or _all_words().get(word) or {}


def common_meanings(words: Sequence[str]) -> dict[str, Meanings]:
    """The hours of each word in the languages that have them all, or, where none has, in those that have the word."""
    if ENGLISH.keys() >= set(words):
        return {word: ENGLISH[word] for word in words}
    meanings_by_word = [_phone_words().get(word) or meanings(word) for word in words]
    languages = set[str]().union(*meanings_by_word).intersection(*meanings_by_word)
    return {
        word: {language: hours for language, hours in by_language.items() if not languages or language in languages}
        for word, by_language in zip(words, meanings_by_word, strict=True)
    }


def hour_of(hour: int, meanings: Meanings) -> int | None:
    """The hour from 0 to 23 of an hour from 0 to 12 with a word; None where languages read the word differently.

    It is the one in the word's hours or the nearest to them: 12:30 at night is 0:30.
    """
    hours = {_nearest(hour % 12, spans) for spans in meanings.values()}
    return hours.pop() if len(hours) == 1 else None


def _nearest(hour: int, spans: tuple[Span, ...]) -> int | None:
    distances = [min(_distance(candidate + 0.5, span) for span in spans) for candidate in (hour, hour + 12)]
    if distances[0] == distances[1]:
        return None
    return hour + 12 * (distances[1] < distances[0])


def _distance(time: float, span: Span) -> float:
    """Hours from a time to the nearest end of a span, 0 inside it."""
    start, end = span
    if start <= time < end or (start > end and (time >= start or time < end)):
        return 0
    around_the_clock = [(time - hour) % 24 for hour in span]
    return min(min(hours, 24 - hours) for hours in around_the_clock)


@cache
def _phone_words() -> Mapping[str, Meanings]:
    from babel import localedata

    return _by_word(filter(localedata.exists, PHONE_LOCALES.split()))


@cache
def _all_words() -> Mapping[str, Meanings]:
    from babel import localedata

    return _by_word(sorted(localedata.locale_identifiers()))


def _by_word(locales: Iterable[str]) -> Mapping[str, Meanings]:
    words: defaultdict[str, list[_Word]] = defaultdict(list)
    for locale in locales:
        for word, spans, is_narrow in _words_of(locale):
            words[normalised(word)].append(_Word(locale.partition("_")[0], spans, is_narrow))
    for language, earlier in EARLIER_WORDS.items():
        for word, span in earlier.items():
            words[normalised(word)].append(_Word(language, (span,), False))
    return {word: _meanings(entries) for word, entries in words.items() if word}


def _meanings(words: list[_Word]) -> Meanings:
    """By language. A half of the day outranks a shorter part with the same word, and narrow words come last."""
    if not all(word.is_narrow for word in words):
        words = [word for word in words if not word.is_narrow]
    spans: defaultdict[str, set[Span]] = defaultdict(set)
    for word in words:
        spans[word.language].update(word.spans)
    return {language: tuple(sorted(spans.intersection(HALVES.values()) or spans)) for language, spans in spans.items()}


def _words_of(locale: str) -> Iterator[tuple[str, tuple[Span, ...], bool]]:
    """The words of a locale itself, without those that it has from its language."""
    hours = _hours_of(locale)
    for widths in _own_data(locale).words.values():
        for width, words in widths.items():
            for period, word in words.items():
                if period in hours:
                    yield word, hours[period], width == "narrow"


def _hours_of(locale: str) -> dict[str, tuple[Span, ...]]:
    """The hours of each part of the day in a locale or, if it has none of its own, in its language."""
    rules = _own_data(locale).rules
    if not rules and "_" in locale:
        return _hours_of(locale.rpartition("_")[0])
    return {period: tuple(map(_span, spans)) for period, spans in rules.items()} | {
        half: (span,) for half, span in HALVES.items()
    }


def _span(rule: Mapping[str, int]) -> Span:
    return rule.get("from", rule.get("at", 0)) / 3600, rule.get("before", rule.get("at", 0)) / 3600 % 24


class _LocaleData(NamedTuple):
    words: dict[str, dict[str, dict[str, str]]]  # by context, width and period
    rules: dict[str, list[dict[str, int]]]


@cache
def _own_data(locale: str) -> _LocaleData:
    from babel import localedata

    data = localedata.load(locale, merge_inherited=False)
    contexts = {context: _dictionaries(widths) for context, widths in _dictionaries(data.get("day_periods")).items()}
    return _LocaleData(contexts, (data.get("day_period_rules") or {}).get(None) or {})


def _dictionaries(data: Any) -> dict[str, Any]:
    """The items that are dictionaries. The others refer to data elsewhere."""
    return {key: value for key, value in data.items() if isinstance(value, dict)} if isinstance(data, dict) else {}
