"""Passwords, tokens and keys in a text: the rules of detect-secrets, and rules for what these don't know.

The patterns are in secret_patterns.py. Each function here yields the spans of one kind of secret.
"""

import base64
import binascii
import re
from collections.abc import Iterable, Iterator
from functools import cache
from typing import Any

from stages.chat.secret_patterns import (
    ASSIGNMENT,
    BASIC_LOGIN,
    BEARER_TOKEN,
    CLAUSE_END,
    DIGIT,
    ENCLOSED_SECRET_PATTERNS,
    KEY_REST,
    KIND_CHANGE,
    LETTER,
    LONG_NUMBER,
    LONG_RUN,
    MIN_KIND_CHANGES,
    NO_SECRET,
    NO_WORD,
    PIN,
    PREFIXED_KEY,
    PRIVATE_KEY,
    RANDOM_RUN,
    SECRET_NAME_PARTS,
    URL_PARAMETER,
    WEB_TOKEN,
)

Spans = Iterator[tuple[int, int]]
MIN_KEY_LENGTH = 6  # characters of what `key:` and the like name
STRONG_LENGTH = 20  # characters from which a value is no word


def secrets(text: str) -> Spans:
    """Start and end of each secret of a folded text, in no order. Spans may overlap."""
    if LONG_RUN.search(text):
        yield from _tokens(text)
        yield from _random_runs(text)
    yield from _enclosed_secrets(text)
    lower = text.casefold()
    if any(part in lower for part in SECRET_NAME_PARTS):
        yield from _basic_logins(text)
        yield from _assigned_secrets(text)


def _tokens(text: str) -> Spans:
    """Private keys, web tokens, and keys of services."""
    for pattern in _token_patterns():
        for match in pattern.finditer(text):
            rest = KEY_REST.match(text, match.end())
            yield match.start(), rest.end() if rest else match.end()


@cache
def _token_patterns() -> list[re.Pattern[str]]:
    """Ours, and those of detect-secrets that take time in proportion to the text.

    Words are words of ASCII in all: Chinese stands before and after a token without a blank.
    """
    from detect_secrets.core.plugins.util import get_mapping_from_secret_type_to_class
    from detect_secrets.plugins.base import RegexBasedDetector
    from detect_secrets.plugins.basic_auth import BasicAuthDetector
    from detect_secrets.plugins.ip_public import IPPublicDetector
    from detect_secrets.plugins.jwt import JwtTokenDetector
    from detect_secrets.plugins.npm import NpmDetector
    from detect_secrets.plugins.openai import OpenAIDetector
    from detect_secrets.plugins.private_key import PrivateKeyDetector

    replaced = (  # by rules here, which know more forms or take less time
        BasicAuthDetector,
        IPPublicDetector,
        JwtTokenDetector,
        NpmDetector,
        OpenAIDetector,
        PrivateKeyDetector,
    )
    patterns = [PRIVATE_KEY, PREFIXED_KEY, WEB_TOKEN, BEARER_TOKEN]
    detectors: Iterable[Any] = get_mapping_from_secret_type_to_class().values()
    for detector in detectors:
        if issubclass(detector, RegexBasedDetector) and not issubclass(detector, replaced):
            patterns += [re.compile(rule.pattern, rule.flags & ~re.UNICODE | re.ASCII) for rule in detector.denylist]
    return patterns


def _random_runs(text: str) -> Spans:
    """Runs in which small letters, capitals and digits alternate as in no word."""
    for match in RANDOM_RUN.finditer(text):
        run = match[0]
        has_all_kinds = all(re.search(kind, run) for kind in ("[a-z]", "[A-Z]", "[0-9]"))
        if has_all_kinds and len(KIND_CHANGE.findall(run)) >= MIN_KIND_CHANGES * len(run):
            yield match.span()


def _enclosed_secrets(text: str) -> Spans:
    """Secrets in URLs and in commands."""
    for sign, pattern in ENCLOSED_SECRET_PATTERNS.items():
        if sign in text:
            for match in pattern.finditer(text):
                yield match.span(match.lastindex or 0)


def _basic_logins(text: str) -> Spans:
    """`Basic …` of HTTP: user and password with a colon between, in base64."""
    for match in BASIC_LOGIN.finditer(text):
        encoded = match[1]
        try:
            decoded = base64.b64decode(encoded + "=" * (-len(encoded) % 4), validate=True)
        except binascii.Error:
            continue
        if b":" in decoded:
            yield match.span()


def _assigned_secrets(text: str) -> Spans:
    """The values of `password: …` and its like."""
    for match in ASSIGNMENT.finditer(text):
        group = "quoted" if match["quote"] else "bare"
        value = match[group].rstrip(".,;:?)]}")
        is_parameter = URL_PARAMETER.search(text, max(0, match.start() - 31), match.start())
        ends_clause = CLAUSE_END.match(text, match.end()) is not None
        if not is_parameter and _is_secret(match, value, ends_clause):
            yield match.start(group), match.start(group) + len(value)


def _is_secret(assignment: re.Match[str], value: str, ends_clause: bool) -> bool:
    """Whether the value is a secret, or a word with which the sentence goes on.

    The less the name of the secret and the sign tell, the more the value must look like one.
    """
    if not value or NO_SECRET.fullmatch(value):
        return False
    if assignment["code"]:
        return PIN.fullmatch(value) is not None
    is_quoted = bool(assignment["quote"])
    is_long_number = LONG_NUMBER.fullmatch(value) is not None
    has_letters_and_digits = bool(DIGIT.search(value) and LETTER.search(value))
    if not assignment["sign"] and not is_quoted:  # "the password is …"
        return has_letters_and_digits or bool(assignment["password"] and is_long_number)
    is_strong = has_letters_and_digits or NO_WORD.search(value) is not None or len(value) >= STRONG_LENGTH
    if assignment["key"]:
        return len(value) >= MIN_KEY_LENGTH and (is_strong or value.isdigit() or is_quoted)
    return is_strong or is_long_number or is_quoted or ends_clause
