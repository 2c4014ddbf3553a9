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

NUMBER = r"(?<![A-Za-z0-9_.])-?\d+(?:\.\d+)?(?!\d|\.\d)"
SCALE = re.compile(r"(?<![\d.])0 ?(?:-|–|~|to|and|到|至) ?10(?!\d)", re.IGNORECASE)


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
    """The number from 0 to 10 that an answer gives: what it begins with, what it puts over ten ("8/10"), or the only
    one that it names, the scale's own ends ("from 0 to 10") aside. None if there is no such number, or a choice of
    several.
    """
    clean = SCALE.sub("", normal(text)).strip()
    first = re.match(rf"{NUMBER}(?![.)]\s)", clean) or re.search(rf"{NUMBER}(?= ?(?:/|out of) ?10\b)", clean)
    found = {float(first.group())} if first else {float(one) for one in re.findall(NUMBER, clean)}
    return found.pop() if len(found) == 1 and 0 <= min(found) <= 10 else None
