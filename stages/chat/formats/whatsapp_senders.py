"""The sender in an entry of WhatsApp's exports, told from what WhatsApp itself writes without one."""

import re
from functools import lru_cache

from stages.chat.formats.whatsapp_heads import DIRECTION_MARKS

AROUND_SENDER = f"{DIRECTION_MARKS} \t\u00a0\u202f"
PHONE_SEPARATOR = r"[\s().\u2010-\u2015-]"
PHONE_NUMBER = re.compile(rf"\+?(?:{PHONE_SEPARATOR}*\d){{5,}}{PHONE_SEPARATOR}*")
NO_SENDER = re.compile(r"- |$")  # WhatsApp Web's own lines begin with a dash
QUOTATION_MARKS = ('"', "“”„‟", "«»", "‹›", "「」", "『』")
UNCLOSED_QUOTE = re.compile(r"(?:^|\s)['‘‚](?![tns]\s)[^'’]*$", re.IGNORECASE)  # but van 't Hof, Rock 'n Roll
INCH_MARK = re.compile(r"[^\"“”„‟]*\d[\"”][^\"“”„‟]*")  # Studio 54"
MAX_SENDER = 200  # characters; no name in a phone is longer


def sender_and_text(rest: str) -> tuple[str, str] | None:
    """The sender and the text of an entry; None where WhatsApp itself speaks.

    A colon in the title of a group or in a time isn't the one after a sender.
    """
    sender, colon, text = rest.partition(":")
    sender = sender.lstrip(f"{AROUND_SENDER}~").rstrip(AROUND_SENDER)
    if not colon or len(sender) > MAX_SENDER or not _is_sender(sender):
        return None
    if sender[-1].isdigit() and text[:2].isdigit() and not PHONE_NUMBER.fullmatch(sender):
        return None
    return sender, text.removeprefix(" ")


@lru_cache(2**12)
def _is_sender(name: str) -> bool:
    if NO_SENDER.match(name) or "\n" in name:
        return False
    has_unclosed_mark = any(sum(map(name.count, marks)) % 2 for marks in QUOTATION_MARKS)
    return (not has_unclosed_mark or bool(INCH_MARK.fullmatch(name))) and not UNCLOSED_QUOTE.search(name)
