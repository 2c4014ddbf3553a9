"""Masking of personal data in a text: [secret], [email], [iban], [card], [ip], [path] and [phone].

python-stdnum checks the numbers of accounts and cards, ipaddress the IP addresses, libphonenumber the phone
numbers. Nothing is sent anywhere. A mask can't be undone. All rules read the text folded (see folding.py).
"""

import ipaddress
import re
from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial

from stages.chat.credentials import Spans, secrets
from stages.chat.folding import Folded
from stages.chat.personal_patterns import (
    CARD,
    EMAIL,
    HOME_FOLDER,
    IBAN,
    IPV4,
    IPV6,
    MAY_HOLD_PERSONAL_DATA,
    NUMBER_MENTION,
    SEVEN_DIGITS,
    UNSPECIFIC_IPV4,
    VERSION,
)
from stages.pipeline.pseudonym import PSEUDONYM, PSEUDONYM_LENGTH

MIN_CARD_DIGITS = 13


def mask(text: str, regions: Sequence[str], counts: Counter[str]) -> str:
    """The text with a mask for each span of personal data. Adds the number of masks of each kind to `counts`.

    `regions` are the countries (DE, US) whose phone numbers are recognised without a plus and the country's code.
    The rules are applied in the order of RULES. Each reads the text without what the rules before it have masked.
    """
    folded = Folded(text)
    if not MAY_HOLD_PERSONAL_DATA.search(folded.shadow):
        return text
    rest = folded.shadow
    masks: list[tuple[int, int, str]] = []
    rules = RULES | {"phone": partial(_phone_numbers, regions=regions)}
    for kind, find_spans in rules.items():
        for start, end in _merged(find_spans(rest)):
            rest = rest[:start] + "[" * (end - start - 1) + "]" + rest[end:]  # as long, and as a mask begins and ends
            masks.append((start, end, f"[{kind}]"))
            counts[kind] += 1
    return folded.replace(sorted(masks))


def _emails(text: str) -> Spans:
    if "@" in text:
        for match in EMAIL.finditer(text):
            yield match.span()


def _ibans(text: str) -> Spans:
    from stdnum import iban

    return _valid_numbers(text, IBAN, lambda number: iban.is_valid(number, check_country=False))


def _cards(text: str) -> Spans:
    from stdnum import luhn

    return _valid_numbers(text, CARD, lambda number: len(number) >= MIN_CARD_DIGITS and luhn.is_valid(number))


def _valid_numbers(text: str, pattern: re.Pattern[str], is_valid: Callable[[str], bool]) -> Spans:
    """The valid numbers that the pattern finds.

    The pattern may run on into what follows a number. A match is shortened at its blanks and dashes until it is valid,
    and the search goes on behind it. Where no beginning is valid, the search goes on at the first blank or dash.
    """
    match = pattern.search(text)
    while match:
        gaps = [match.start() + gap.start() for gap in re.finditer("[ -]", match[0])]
        ends = [match.end(), *reversed(gaps)]
        valid_end = next((end for end in ends if is_valid(re.sub("[ -]", "", text[match.start() : end]))), None)
        if valid_end:
            yield match.start(), valid_end
        match = pattern.search(text, valid_end or ends[-1])


def _ip_addresses(text: str) -> Spans:
    """IP addresses without loopback, netmask and unspecified addresses, and without what has the form of a version."""
    if "." not in text and ":" not in text:
        return
    for match in (*IPV4.finditer(text), *IPV6.finditer(text)):
        try:
            ipaddress.ip_address(match[0])
        except ValueError:
            continue
        if not UNSPECIFIC_IPV4.match(match[0]) and not VERSION.match(match[0]):
            yield match.span()


def _home_folders(text: str) -> Spans:
    """The names of people in paths of their home folders."""
    if "/" in text or "\\" in text:
        for match in HOME_FOLDER.finditer(text):
            yield match.span(match.lastgroup or 0)  # the group of the name, one of two


def _phone_numbers(text: str, regions: Sequence[str]) -> Spans:
    """Numbers with a plus if their length is possible; others if they are grouped as in one of the regions."""
    without_pseudonyms = PSEUDONYM.sub("x" * PSEUDONYM_LENGTH, text)  # as long, so that spans stay valid
    if not SEVEN_DIGITS.search(without_pseudonyms):
        return
    from phonenumbers import Leniency, PhoneNumberMatcher

    mentions_as_plus = NUMBER_MENTION.sub("+", without_pseudonyms)
    if "+" in mentions_as_plus:
        for number in PhoneNumberMatcher(mentions_as_plus, None, leniency=Leniency.POSSIBLE):
            yield number.start, number.end
    for region in regions:
        for number in PhoneNumberMatcher(without_pseudonyms, region, leniency=Leniency.STRICT_GROUPING):
            yield number.start, number.end


def _merged(spans: Spans) -> Spans:
    """Spans in order; those that overlap become one."""
    merged: tuple[int, int] | None = None
    for start, end in sorted(spans):
        if merged and start < merged[1]:
            merged = merged[0], max(merged[1], end)
            continue
        if merged:
            yield merged
        merged = start, end
    if merged:
        yield merged


RULES: dict[str, Callable[[str], Spans]] = {  # in their order; that of phone numbers, which needs regions, is the last
    "secret": secrets,
    "email": _emails,
    "iban": _ibans,
    "card": _cards,
    "ip": _ip_addresses,
    "path": _home_folders,
}
