"""Folding: one spelling for texts that look alike. The rules of masking read it and replace in the original text."""

import re
import unicodedata
from collections.abc import Iterable
from functools import cached_property

LOOKALIKES = {
    **dict.fromkeys("\u2018\u2019\u201a\u201b\u2032\u02b9\u02bb\u02bc\u00b4\u055a", "'"),
    **dict.fromkeys("\u201c\u201d\u201e\u201f", '"'),
    **dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2015\u2212\ufe58\ufe63\uff0d", "-"),
    **dict.fromkeys("\u2236\ua789\ufe13\ufe30", ":"),
    **dict.fromkeys("\u3001\u060c\ufe10\ufe11\ufe51\uff64", ","),
    **dict.fromkeys("\n\r\v\f\x1c\x1d\x1e\x85\u2028\u2029", "\n"),
    # Letters whose two cases would otherwise have different keys.
    **dict.fromkeys("ßẞ", "ss"),
    "\u0345": "ι",
    "ı": "i",
}
INVISIBLE = re.compile(  # fillers, joiners and variation selectors, which are no control or format characters
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180d\u180f\u3164\uffa0\ufe00-\ufe0f\U000e0100-\U000e01ef]"
)


def fold_character(char: str) -> str:
    """What a character becomes: nothing, one character, or several."""
    if char in LOOKALIKES:
        return LOOKALIKES[char]
    if char.isspace():
        return " "
    is_control_or_format = unicodedata.category(char) in ("Cc", "Cf")
    if is_control_or_format or INVISIBLE.match(char):
        return ""
    decomposed = INVISIBLE.sub("", unicodedata.normalize("NFKD", char))
    return "".join(LOOKALIKES.get(part, part) for part in decomposed)


class _FoldingTable(dict[int, str]):
    """A table for str.translate, filled as characters come."""

    def __missing__(self, code: int) -> str:
        self[code] = fold_character(chr(code))
        return self[code]


TABLE = _FoldingTable()


class Folded:
    """A text in compatibility decomposition (NFKD), with one kind of blank, line break, quotation mark, dash, colon
    and comma, and without invisible characters.

    `text` is the original, `shadow` the folded text, and `key` the shadow without upper and lower case.
    `shadow` and `key` have the same length.
    """

    def __init__(self, text: str) -> None:
        self.text = text
        if text.isascii() and text.isprintable():
            self.shadow = text
        else:
            self.shadow = unicodedata.normalize("NFD", text.translate(TABLE))  # only sorts combining marks

    @cached_property
    def key(self) -> str:
        return self.shadow.casefold()

    @cached_property
    def _text_indices(self) -> list[int]:
        """For each character of the shadow the index of the character of the text that it is from."""
        lengths = (len(TABLE[ord(char)]) for char in self.text)
        return [index for index, length in enumerate(lengths) for _ in range(length)]

    def replace(self, replacements: Iterable[tuple[int, int, str]]) -> str:
        """The original text with replacements for spans of the shadow. Each is the start, the end and the new text;
        they are in order and don't overlap.
        """
        parts: list[str] = []
        text_end = 0  # of what is in `parts`
        for start, end, new_text in replacements:
            if self.shadow is not self.text:
                start, end = self._text_indices[start], self._text_indices[end - 1] + 1
            parts += [self.text[text_end:start], new_text]
            text_end = end
        return "".join([*parts, self.text[text_end:]])
