"""Whole texts that WhatsApp writes in place of a person's words, and the reasons of their rejects."""

import re

from stages.chat.formats import whatsapp_words as words
from stages.chat.formats.whatsapp_heads import DIRECTION_MARKS

MARKS = re.compile(f"[{DIRECTION_MARKS}]")
BLANKS_AND_MARKS = f"{DIRECTION_MARKS} \t\n\u00a0\u202f"
NULL = "null"  # what Android writes for a message that it can't export
MAX_NOTE = 600  # characters; WhatsApp's longest text is shorter
FILE_ENDING = (
    r"\.(?:3gp|7z|aac|aiff?|amr|apk|avi|azw3|bmp|bz2|csv|dmg|docx?|dwg|eml|epub|exe|flac|gif|gpx|gz|hei[cf]|ics|iso"
    r"|jpe?g|kml|m4a|mkv|mobi|mov|mp[34]|mpe?g|od[pst]|ogg|opus|pdf|png|pptx?|psd|rar|rtf|svg|tar|tgz|tiff?|tsv|txt"
    r"|vcf|wav|webm|webp|wma|wmv|xlsx?|xz|zip)"
)
# These also end words of a sentence ("I love node.js"), so that a name that ends so has no blank.
ENDING_OF_ONE_WORD = (
    r"\.(?:bat|bib|c|cfg|conf|cpp|css|db|go|h|html?|ini|ipynb|java|jsx?|json|jsonl|key|log|md|msg|numbers|pages|php"
    r"|pkl|ps1|py|r|rb|rs|sh|sql|tex|toml|tsx?|ttf|xml|ya?ml)"
)
FILE_NAME = rf"(?:[^\n/<>]{{1,200}}{FILE_ENDING}|[^\s/<>]{{1,200}}{ENDING_OF_ONE_WORD})"


def plain(text: str) -> str:
    """A text without invisible marks, in small letters, with one kind of blank and apostrophe and no full stop."""
    if not text.isascii():
        text = MARKS.sub("", text).replace("’", "'")
    return " ".join(text.casefold().split()).rstrip(".。।۔").rstrip()


def texts(table: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(plain(text) for text in re.split(r"[|\n]", table) if text))


def _any_of(*tables: str) -> str:
    return "|".join(re.escape(text).replace("…", ".{1,100}") for table in tables for text in texts(table))


DOCUMENTS_OMITTED = frozenset(texts(words.DOCUMENT_OMITTED))
KINDS_OMITTED = frozenset(texts(words.KIND_OMITTED)) | DOCUMENTS_OMITTED
MEDIA_OMITTED = KINDS_OMITTED | frozenset(texts(words.MEDIA_OMITTED))
REASONS = (
    dict.fromkeys([*KINDS_OMITTED, *texts(words.LIVE_LOCATION + words.VIEW_ONCE)], "media_without_text")
    | dict.fromkeys(texts(words.MISSED_CALLS), "system")
    | dict.fromkeys(texts(words.DELETED), "deleted")
)
CALLS = frozenset(texts(words.CALLS))
READERS = rf"whatsapp|واتساب|واتس‌?اپ|{_any_of(words.ENCRYPTION_READERS)}"
PATTERNS = {
    "deleted": re.compile(_any_of(words.DELETED_BY_ADMIN)),
    "system": re.compile(
        rf"(?:{_any_of(words.UNSHOWN_BEGINNINGS)})(?:[.。।،,].*)?"
        rf"|(?:{_any_of(words.ENCRYPTION_BEGINNINGS)})(?:.*(?:{READERS}).*)?"
        rf"|(?:{_any_of(words.MISSED_CALLS, words.CALLS)})[.,،、]? (?:\d[^?]{{0,40}}|{_any_of(words.AFTER_CALL)})"
        rf"|(?:{_any_of(words.MISSED_CALLS)}) (?:[^\W\d]{{1,5}} ){{1,2}}\d\d?[:.]\d\d.{{0,12}}"
        rf"|(?!(?:{_any_of(words.PRONOUNS)})\b)(?:{_any_of(words.EVENTS)})"
    ),
    "media_without_text": re.compile(rf"(?:{_any_of(words.VIEW_ONCE_BEGINNINGS)})\b.*"),
}
BEGINNINGS = frozenset(
    text[:3]
    for table in (
        words.DELETED_BY_ADMIN,
        words.UNSHOWN_BEGINNINGS,
        words.ENCRYPTION_BEGINNINGS,
        words.EVENTS,
        words.MISSED_CALLS,
        words.CALLS,
        words.VIEW_ONCE_BEGINNINGS,
    )
    for text in texts(table)
    if not text.startswith("…")
)
EVENT_OF_SENDER = re.compile(_any_of(words.EVENTS_OF_SENDER))
FOURSQUARE = r"https?://foursquare\.com/v/\S+"
PLACE_LINK = rf"(?:https?://maps\.google\.com/\?q=\S+|{FOURSQUARE})"
LOCATION = re.compile(rf"(?:.{{1,80}}: )?(?:{_any_of(words.LOCATION)}) ?: (?:-?[\d.]+, -?[\d.]+ - )?{PLACE_LINK}")
# A place's name, its address, and a link. The address in brackets has a number or a comma.
PLACE = re.compile(
    rf"[^\n]{{1,200}} \((?=[^)\n]*[\d,])[^\n]{{1,200}}\): \u200e?{PLACE_LINK}|[^\n]{{1,200}}: \u200e{PLACE_LINK}"
    rf"|[^\n]{{1,200}}\n[^\n]{{1,200}}\n{FOURSQUARE}"
)
FORWARDED = re.compile(rf"\[(?:{_any_of(words.FORWARDED)})\] .*")
DOCUMENT = re.compile(
    rf"(?:[^/<>]{{1,200}}\.\w{{1,7}}|[^/<>]{{1,200}} • .{{1,30}}) (?:{_any_of(words.DOCUMENT_OMITTED)})"
    rf"|{FILE_NAME}(?: • .{{1,30}})? (?:{_any_of(words.KIND_OMITTED)})"
)

# Most texts are told from WhatsApp's by how they begin and end.
STARTS = frozenset(text[:3] for text in [*REASONS, *CALLS]) | BEGINNINGS
BEFORE_SENDER = "~ \u00a0\u202a\u202f\u2068"  # in a text
ODD_STARTS = frozenset(f"{DIRECTION_MARKS}[ \u00a0")
EVENT_ENDS = (text for text in texts(words.EVENTS) if text.startswith("…"))
ENDS = frozenset(text[-3:] for text in KINDS_OMITTED).union(*({text[-3:], text[-2:] + "."} for text in EVENT_ENDS))


def reason_of_note(text: str) -> str | None:
    """The reason of the reject where a whole text is WhatsApp's; None where it is a person's."""
    if text == NULL:
        return "media_or_system"
    is_like_note = text[:3].casefold() in STARTS or text[:1] in ODD_STARTS or text[-3:] in ENDS
    if not is_like_note and "://" not in text:
        return None
    if text.startswith("[") and FORWARDED.fullmatch(plain(text)):
        return "forward"
    if len(text) > MAX_NOTE:
        return None
    note = plain(text)
    if note in REASONS:
        return REASONS[note]
    if note in CALLS:
        return "system" if MARKS.sub("", text)[:1].isupper() else None
    may_end_note = text[-3:] in ENDS
    if may_end_note or note[:3] in BEGINNINGS:
        for reason, pattern in PATTERNS.items():
            if pattern.fullmatch(note):
                return reason
    has_place = "//maps.google" in text or "//foursquare" in text
    is_place = has_place and (LOCATION.fullmatch(note) or PLACE.fullmatch(text.strip()))
    return "media_without_text" if is_place or (may_end_note and DOCUMENT.fullmatch(note)) else None


def is_event_of(sender: str, text: str) -> bool:
    """Whether a text is what WhatsApp writes about its sender, whose name it begins with: `Ann created this group`."""
    text = text.lstrip(BEFORE_SENDER)
    if not text.startswith(sender) or len(text) > MAX_NOTE:
        return False
    rest = MARKS.sub("", text[len(sender) :])
    return rest[:1].isspace() and bool(EVENT_OF_SENDER.fullmatch(plain(rest)))
