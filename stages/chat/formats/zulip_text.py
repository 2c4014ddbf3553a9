"""Zulip's Markdown and HTML as the text that people see, and what it says of other messages and people."""

import html
import re
from typing import NamedTuple

from stages.chat import NamePairs, name_pairs

MENTION = re.compile(r"@_?\*\*([^*|\n]+)(?:\|(\d+))?\*\*")
GROUP_MENTION = re.compile(r"@_?\*([^*\n]+)\*")
STREAM_LINK = re.compile(r"#\*\*([^*\n]+?)(?:@\d+)?\*\*")
EVERYBODY = ("all", "everyone", "channel", "stream", "topic")
# `@_**Ann|9** [said](https://.../near/123):` before a fence with the message that is answered. Lengths are bounded, so
# that a hostile text takes no time.
QUOTE = re.compile(
    r"\s*@_\*\*[^*\n]+\*\* \[[^\]\n]*\]\([^)\s]{0,500}/near/(\d+)\)[^\n]*:\n(`{3,}) ?quote\n.*?\n?\2(?:\n+|\Z)",
    re.DOTALL,
)
HTML_QUOTE = re.compile(  # up to the message that is answered
    r'\s*<p><span class="user-mention silent"[^<>]{0,300}>[^<]*</span>\s*'
    r'<a href="[^"]{0,500}/near/(\d+)"[^<>]{0,300}>[^<]*</a>:?</p>\s*(?=<blockquote>)',
    re.DOTALL,
)
BLOCKQUOTE = re.compile(r"<(/?)blockquote>\s*")
HTML_MENTION = re.compile(
    r'<span class="user-mention[^"<>]{0,100}"[^<>]{0,300}data-user-id="(\d+)"[^<>]{0,300}>@?([^<]{0,300})</span>'
)
LINE_END = re.compile(r"<br ?/?>\n?|</(?:p|li|pre|blockquote|h\d|tr)>\n?")
IMAGE = re.compile(r'<img[^<>]{0,500}class="emoji"[^<>]{0,500}alt="([^"<>]{0,100})"[^<>]{0,500}>')
TAG = re.compile(r"<[^<>]*>")
UPLOADS = re.compile(  # nothing but files
    r"(?:!?\[[^\]\n]*\]\([^)\s]{0,500}/user_uploads/[^)\s]{0,500}\)\s*)+"
    r'|\s*<p><a href="[^"]{0,500}/user_uploads/[^"]{0,500}"[^<>]{0,300}>[^<]*</a></p>\s*'
    r'(?:<div class="message_inline_image">.*</div>)?\s*',
    re.DOTALL,
)


class PlainText(NamedTuple):
    """A text, the id of the message that it quotes and answers, and the names of the people whom it mentions."""

    text: str
    quoted_id: str | None
    names: NamePairs


def plain(content: str, is_html: bool) -> PlainText:
    text, quoted_id = content, None
    while quote := (HTML_QUOTE if is_html else QUOTE).match(text):
        end = _end_of_blockquote(text, quote.end()) if is_html else quote.end()
        text, quoted_id = text[end:], quoted_id or quote[1]
    names: list[tuple[str, str]] = []
    if is_html:
        for person, name in HTML_MENTION.findall(text):
            names += name_pairs(person, html.unescape(name))
        text = HTML_MENTION.sub(r"@\2", text)
        text = html.unescape(TAG.sub("", LINE_END.sub("\n", IMAGE.sub(r"\1", text)))).strip("\n")
    else:
        for name, person in MENTION.findall(text):
            names += name_pairs(person or f"@{name}", name) if name not in EVERYBODY else ()
        text = STREAM_LINK.sub(r"#\1", GROUP_MENTION.sub(r"@\1", MENTION.sub(r"@\1", text)))
    if text.startswith("/poll "):  # a question before lines of options
        text = text.removeprefix("/poll ").split("\n")[0]
    return PlainText(text.removeprefix("/me "), quoted_id, tuple(names))


def _end_of_blockquote(text: str, start: int) -> int:
    """Where a quote ends that begins at a place, with the quotes in it."""
    depth = 0
    for tag in BLOCKQUOTE.finditer(text, start):
        depth += -1 if tag[1] else 1
        if depth == 0:
            return tag.end()
    return len(text)
