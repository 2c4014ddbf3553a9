"""Texts of WhatsApp's entries without what WhatsApp itself wrote into them.

In every language, media and messages of WhatsApp begin with a left-to-right mark on iOS, and omitted media stand in
angle brackets on Android. Where there is no mark, only whole texts and lines in its own words (whatsapp_words.py) are
taken for WhatsApp's: a person's sentence that has such words in it stays.
"""

import re
from typing import NamedTuple

from stages.chat.formats import whatsapp_words as words
from stages.chat.formats.whatsapp_heads import DIRECTION_MARKS
from stages.chat.formats.whatsapp_notes import (
    BLANKS_AND_MARKS,
    DOCUMENTS_OMITTED,
    FILE_NAME,
    KINDS_OMITTED,
    MARKS,
    MEDIA_OMITTED,
    plain,
    reason_of_note,
    texts,
)
from stages.chat.formats.whatsapp_polls import poll_question

MARK = f"[{DIRECTION_MARKS}]"
LRM = "\u200e"  # the left-to-right mark
MAY_HOLD_NOTES = re.compile(rf"[<({LRM}\n]")
MENTION_AT_START = f"{LRM}@"
EDITED = frozenset(texts(words.EDITED))
EDITED_STEM = re.compile("|".join(texts(words.EDITED_STEMS)))
FILE_ATTACHED = frozenset(texts(words.FILE_ATTACHED))
ATTACHED_WORDS = frozenset(texts(words.ATTACHED))
MEDIA_STEM = re.compile("med[ij]|míd[ij]")  # of the word for media in most languages in Latin letters

WHATSAPP_NAME = r"(?:AUD|DOC|IMG|PTT|STK|VID)-\d{8}-WA\d+(?:\.\w{0,5})?"
WHATSAPP_FILE = re.compile(WHATSAPP_NAME)
OMITTED_LINE = re.compile(rf"{MARK}*<\s?(?P<note>[^<>\n]+?)\s?>{MARK}*(?: (?P<caption>[^\n]+))?")
FILE_LINE = re.compile(
    rf"{MARK}*(?P<file>{FILE_NAME}|[^\n/<>]{{1,200}}\.\w{{1,5}}|{WHATSAPP_NAME}) \((?P<note>[^()\n]+)\)"
    r"(?: (?P<caption>[^\n]+))?"
)
EARLY_FILE_LINE = re.compile(
    rf"[^\n/<>]{{1,200}}\.\w{{1,5}} {MARK}*<{MARK}*(?P<word>[^<>:\n]{{1,30}})>{MARK}*"
)  # of iOS
MAX_NOTE_AT_END = 300  # characters, of a file's name
ATTACHED = re.compile(r"(?P<word>[^:]{1,30}):\s?(?P<file>.+)")
NUMBERED_FILE = re.compile(r"\d{8}-")  # as iOS names the files of an export
TITLE = re.compile(rf"{FILE_NAME}(?: • [^\n]{{0,30}})?|[^\n]{{1,200}} • {LRM}[^\n]{{0,30}}", re.IGNORECASE)


def persons_text(text: str) -> tuple[str, str]:
    """The words of a person in a text, or the reason why there are none."""
    reason = reason_of_note(text)
    if reason == "deleted" or (reason and not text.startswith(LRM)):
        return "", reason
    if not MAY_HOLD_NOTES.search(text):
        return text, ""
    if text.startswith(MENTION_AT_START):
        text = text.removeprefix(LRM)
    text_alone = _without_edited_note(text)
    question = poll_question(text_alone)
    if question is not None:
        return question, "" if question else "poll"
    words_left, reason = _without_media(text_alone)
    return (words_left, "") if words_left.strip() or words_left == text else ("", reason)


class NoteAtEnd(NamedTuple):
    """A note in angle brackets at the end of a text: the text before it, the marks between them, and what it says."""

    text_before: str
    marks: str
    note: str


def _note_at_end(text: str) -> NoteAtEnd | None:
    before, _, note = text.rstrip(BLANKS_AND_MARKS).rpartition("<")
    if not note.endswith(">") or len(note) > MAX_NOTE_AT_END or "\n" in note:
        return None
    text_before = before.rstrip(BLANKS_AND_MARKS)
    return NoteAtEnd(text_before, before[len(text_before) :], note[:-1])


def _without_edited_note(text: str) -> str:
    at_end = _note_at_end(text)
    if at_end is None:
        return text
    note = plain(at_end.note)
    is_edited = note in EDITED or EDITED_STEM.search(note) or LRM in at_end.marks
    is_media = note in ATTACHED_WORDS or ATTACHED.fullmatch(at_end.note)
    return at_end.text_before if is_edited and not is_media else text


class Media(NamedTuple):
    """What a person said beside a note for media, and the file's name, which may be empty."""

    caption: str
    file: str = ""


def _without_media(text: str) -> tuple[str, str]:
    """The text without WhatsApp's lines and notes for media, and the reason of the reject if nothing is left."""
    line, _, rest = text.partition("\n")
    media = _media_at_start(line) or _media_at_end(line)
    reason = "media_without_text"
    if line.startswith(LRM):
        media = Media("", media.file if media else "")
        reason = "media_without_text" if media.file else "media_or_system"
    if media is None:
        media, rest = _media_at_end(text), ""
    if media is None:
        return text, reason
    parts = [part for part in (media.caption, rest) if part and not _is_title(part, media.file)]
    return "\n".join(parts), reason


def _is_title(caption: str, file: str) -> bool:
    """Whether a caption is but the name of a file, perhaps with its size: `report.pdf • 3 pages`."""
    if TITLE.fullmatch(caption.strip(BLANKS_AND_MARKS)) or TITLE.fullmatch(MARKS.sub("", caption).strip()):
        return True
    name = plain(NUMBERED_FILE.sub("", file))
    return bool(name) and plain(caption.partition(" • ")[0]) in (name, name.rpartition(".")[0])


def _media_at_start(line: str) -> Media | None:
    """The note for media with which a line begins."""
    omitted = OMITTED_LINE.fullmatch(line)
    if omitted:
        note, caption = plain(omitted["note"]), omitted["caption"] or ""
        is_known = note in MEDIA_OMITTED or (not caption and (not note.isascii() or MEDIA_STEM.search(note)))
        return Media(caption) if is_known else None
    attached = FILE_LINE.fullmatch(line)
    if attached and (plain(attached["note"]) in FILE_ATTACHED or WHATSAPP_FILE.fullmatch(attached["file"])):
        return Media(attached["caption"] or "", attached["file"])
    early = EARLY_FILE_LINE.fullmatch(line)
    is_early = early and plain(early["word"]) in ATTACHED_WORDS
    return Media("") if is_early or plain(line) in KINDS_OMITTED else None


def _media_at_end(text: str) -> Media | None:
    """The note for media with which a text ends. A document's title stands before it."""
    at_end = _note_at_end(text)
    attached = ATTACHED.fullmatch(at_end.note) if at_end else None
    if at_end and attached and _is_attached(at_end, attached["word"], attached["file"]):
        return Media(at_end.text_before, attached["file"])
    before, mark, last_words = text.rpartition(LRM)
    kind = plain(last_words)
    if not mark or kind not in KINDS_OMITTED:
        return None
    return Media((before.rpartition("\n")[0] if kind in DOCUMENTS_OMITTED else before).rstrip(BLANKS_AND_MARKS))


def _is_attached(at_end: NoteAtEnd, word: str, file: str) -> bool:
    is_whole_text = not at_end.text_before and (plain(word) in ATTACHED_WORDS or "." in file)
    return is_whole_text or LRM in at_end.marks or bool(NUMBERED_FILE.match(file))
