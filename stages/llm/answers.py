"""What a model meant by the text that it answered with: one of the options, or nothing that can be read."""

import re
import unicodedata
from collections.abc import Sequence

from stages.llm.prompts import LETTERS, Prompt

UNREADABLE = "unreadable"
NOT = r"(?<!not )(?<!n't be )(?<!isn't )(?<!不是)(?<!不选)(?<!排除)(?<!非)"
# a letter is an answer where it stands alone, is marked up, or is announced; "a cat" and "plan B" are no answers
ALONE = re.compile(rf"(?:^|\n)\W*([{LETTERS}])\W*(?=$|\n)")
LEADING = re.compile(rf"(?:^|\n)[^\w\n]*([{LETTERS}])\s*[.:)\],、。\-*]")
MARKED = re.compile(rf"{NOT}(?:\*\*|[(\[{{\"'`“「])\s*([{LETTERS}])\s*(?:\*\*|[.:)\]}}\"'`”」])")
ANNOUNCED = re.compile(
    r"(?i:answer|option|choice|choose|pick|select|答案|选项|选择|选|應選|选的|回答)"
    r"(?:\s*(?i:is|would be|should be|为|是|应为|应该是|:|=|\*\*|\"|“|「|\())*\s*"
    rf"{NOT}([{LETTERS}](?![A-Za-z0-9_'])|[{LETTERS.lower()}](?=\s*(?:[^\w\s'-]|$)))",
    re.MULTILINE,
)


def normal(text: str) -> str:
    """Full-width letters and marks as ASCII, one kind of apostrophe, no space around."""
    return unicodedata.normalize("NFKC", text).replace("’", "'").replace("‘", "'").strip()


def letters(text: str) -> set[str]:
    """The letters that the text gives as its answer."""
    found = [
        match.group(1).upper() for pattern in (ALONE, LEADING, MARKED, ANNOUNCED) for match in pattern.finditer(text)
    ]
    return set(found)


def mentioned(text: str, prompt: Prompt) -> set[str]:
    """The options whose text occurs; one that is part of a longer one counts only outside of it."""
    rest, found = text.casefold(), set()
    for option, shown in sorted(prompt.options.items(), key=lambda pair: len(pair[1]), reverse=True):
        words = normal(shown).casefold()
        pattern = rf"(?<!\w){re.escape(words)}(?!\w)" if words.isascii() else re.escape(words)
        rest, hits = re.subn(pattern, "\0", rest)
        if hits:
            found.add(option)
    return found


def read(text: str, prompt: Prompt, order: Sequence[str]) -> str:
    """The option that an answer names by letter or by text, or `unreadable`: never a guess.

    A letter goes before a text, unless it is contradicted by the only option whose text occurs.
    """
    clean = normal(text)
    given = {order[LETTERS.index(letter)] for letter in letters(clean)}
    said = mentioned(clean, prompt)
    if len(given) == 1 and (given <= said or len(said) != 1):
        return given.pop()
    return said.pop() if not given and len(said) == 1 else UNREADABLE


def rating(text: str) -> float | None:
    """The first number of an answer if it lies from 0 to 10: "8/10" is 8. None if there is no such number."""
    found = re.search(r"(?<![A-Za-z0-9_.])-?\d+(?:\.\d+)?", normal(text))
    return float(found.group()) if found and 0 <= float(found.group()) <= 10 else None
