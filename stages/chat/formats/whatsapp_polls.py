"""Polls in WhatsApp's exports: a heading, the question, and the options with their votes.

    POLL:
    Who joins on the lake?
    OPTION: Friday (1 vote)
    OPTION: Saturday (3 votes)

All words are in the phone's language, so that a poll is known by its form. WhatsApp Web writes `Poll: Who joins?` and
the options below it as a list.
"""

import re

from stages.chat.formats import whatsapp_words as words
from stages.chat.formats.whatsapp_heads import DIRECTION_MARKS
from stages.chat.formats.whatsapp_notes import plain, texts

MARK = f"[{DIRECTION_MARKS}]"
WORD = r"[^\W\d_]+(?:[ -][^\W\d_]+)?"
HEADING = re.compile(rf"(?P<marks>{MARK}*)(?P<word>{WORD})\s?[:：]\s*")
OPTION = re.compile(rf"(?P<marks>{MARK}*)(?P<word>{WORD})\s?[:：]\s?.*[(（](?P<votes>[^()（）]*)[)）]{MARK}*\s*")
WEB_POLL = re.compile(r"(?P<heading>[^\n:]{2,30}): (?P<question>.+?)(?:\n {4}- [^\n]*)+\s*", re.DOTALL)
MAX_POLL = 10_000  # characters; a poll has at most 12 options
HEADINGS = frozenset(texts(words.POLL))


def poll_question(text: str) -> str | None:
    """The question of a poll, which may be empty; None for any other text."""
    if len(text) > MAX_POLL:
        return None
    web_poll = WEB_POLL.fullmatch(text) if "\n    - " in text else None
    if web_poll and plain(web_poll["heading"]) in HEADINGS:
        return web_poll["question"]
    first, *more = text.rstrip().split("\n")
    heading = HEADING.fullmatch(first)
    if heading is None or not more or not _is_whatsapps(heading):
        return None
    options = [option if option and _has_votes(option) else None for option in map(OPTION.fullmatch, more)]
    start = next((index for index, option in enumerate(options) if option), len(options))
    option_words = {option and option["word"] for option in options[start:]}
    if len(options) - start < 2 or None in option_words or len(option_words) > 1:
        return None
    return "\n".join(more[:start]).strip()


def _is_whatsapps(line: re.Match[str]) -> bool:
    """Whether the word has a mark before it or is in capitals."""
    return bool(line["marks"]) or line["word"] == line["word"].upper()


def _has_votes(option: re.Match[str]) -> bool:
    return _is_whatsapps(option) and (bool(option["marks"]) or any(char.isdigit() for char in option["votes"]))
