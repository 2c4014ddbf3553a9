"""E-mail addresses, phone numbers, passwords, tokens and keys in a text, masked by the rules of libraries.

Tokens and passwords are found by detect-secrets, phone numbers by libphonenumber; neither is told to anybody. What is
masked can't be got back.
"""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any

LATIN = r"A-Za-z0-9\u00c0-\u024f"  # not \w: Chinese goes on after an address without a blank
EMAIL = re.compile(rf"(?<![{LATIN}.+%_'-])[{LATIN}][{LATIN}.+%_'-]*@(?:[{LATIN}-]+\.)+[A-Za-z\u00c0-\u024f]{{2,}}")
KEY_BLOCK = r"-----BEGIN [A-Z0-9 ]*PRIVATE KEY[A-Z ]*-----(?:.*?-----END [A-Z0-9 ]*-----|.*)"
BEARER = r"(?i:(?<!\w)bearer\s+)(?=\S*\d)[\w.~+/=-]{16,}"
# GitHub, OpenAI and Anthropic, Hugging Face, Google, npm: forms that are younger than the library's.
YOUNGER = r"github_pat_\w{22,}|(?<!\w)(?:sk-(?:[a-z]+\d*-)+[\w-]{20,}|hf_\w{30,}|AIza[\w-]{35}|npm_\w{36})"
REST = re.compile(r"[A-Za-z0-9_+/=-]*")
LONG = re.compile(r"[!-~]{16}|://")  # as every token and password in a URL is, and few words
ASSIGNED = re.compile(r"pass|pwd|secret|key|contrase", re.IGNORECASE)  # as in all of the library's words
DIGITS = re.compile(r"\d(?:\D{0,4}\d){6}")  # no phone number has fewer
AT_NUMBER = re.compile(r"(?<!\w)@(?=\d{7})", re.ASCII)  # how WhatsApp mentions a number


def mask(text: str, regions: Sequence[str], counts: Counter[str]) -> str:
    """The text with [secret], [email] and [phone] in it; adds to `counts` how many of each.

    `regions` are the countries (DE, US) whose numbers are known without a plus and the country's code.
    """
    if LONG.search(text):
        for pattern in _tokens():
            text = _replaced(text, pattern, 0, "secret", counts)
    if ASSIGNED.search(text):
        for pattern, group in _assignments().items():
            text = _replaced(text, pattern, group, "secret", counts)
    if "@" in text:
        text = _replaced(text, EMAIL, 0, "email", counts)
    if DIGITS.search(text):
        text = _phones(text, regions, counts)
    return text


def _replaced(text: str, pattern: re.Pattern[str], group: int, kind: str, counts: Counter[str]) -> str:
    parts, done = [], 0
    for found in pattern.finditer(text):
        start, end = found.span(group)
        if found[group].startswith("://"):  # a URL's user and password: its host stays
            start, end = start + 3, end - 1
        elif kind == "secret" and not group and (rest := REST.match(text, end)):  # some rules end early
            end = rest.end()
        if start >= done:
            parts += [text[done:start], f"[{kind}]"]
            done = end
            counts[kind] += 1
    return "".join([*parts, text[done:]])


def _phones(text: str, regions: Sequence[str], counts: Counter[str]) -> str:
    """With a plus anything of a possible length is a number; without, what is written as in one of the regions."""
    from phonenumbers import Leniency, PhoneNumberMatcher

    plus = AT_NUMBER.sub("+", text)
    spans = [(m.start, m.end) for m in PhoneNumberMatcher(plus, None, leniency=Leniency.POSSIBLE)]
    for region in regions:
        spans += [(m.start, m.end) for m in PhoneNumberMatcher(text, region, leniency=Leniency.STRICT_GROUPING)]
    parts, done = [], 0
    for start, end in sorted(spans):
        if start >= done:
            parts += [text[done:start], "[phone]"]
            done = end
            counts["phone"] += 1
    return "".join([*parts, text[done:]])


@cache
def _tokens() -> list[re.Pattern[str]]:
    """With words of ASCII alone: Chinese stands before and after a token without a blank."""
    from detect_secrets.core.plugins.util import get_mapping_from_secret_type_to_class
    from detect_secrets.plugins.base import RegexBasedDetector
    from detect_secrets.plugins.ip_public import IPPublicDetector

    found = [re.compile(KEY_BLOCK, re.DOTALL), re.compile(f"{YOUNGER}|{BEARER}", re.ASCII)]
    plugins: Iterable[Any] = get_mapping_from_secret_type_to_class().values()
    for plugin in plugins:
        if issubclass(plugin, RegexBasedDetector) and plugin is not IPPublicDetector:
            found += [re.compile(rule.pattern, rule.flags & ~re.UNICODE | re.ASCII) for rule in plugin.denylist]
    return found


@cache
def _assignments() -> dict[re.Pattern[str], int]:
    """`password: …` and `password = …` and their like, and the group of the value. The library's other rules are for
    code, and one takes minutes for a hostile message.
    """
    from detect_secrets.plugins.keyword import FOLLOWED_BY_COLON_REGEX, FOLLOWED_BY_EQUAL_SIGNS_REGEX

    return {FOLLOWED_BY_COLON_REGEX: 4, FOLLOWED_BY_EQUAL_SIGNS_REGEX: 5}
