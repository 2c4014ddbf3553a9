"""The option or the rating that a model's text answer names."""

import re
import unicodedata
from collections.abc import Sequence

from stages.llm.prompts import LETTERS, PromptTemplate

UNREADABLE = "unreadable"  # a class of its own: a text that names no option, or several, never becomes a label

# A letter is an answer where it stands alone, leads a line, is marked up or is announced. "A cat" and "plan B" are no
# answers.
NOT_NEGATED = r"(?<!not )(?<!n't be )(?<!isn't )(?<!不是)(?<!不选)(?<!排除)(?<!非)"
LETTER_ALONE = re.compile(rf"(?:^|\n)\W*([{LETTERS}])\W*(?=$|\n)")
LETTER_LEADING = re.compile(rf"(?:^|\n)[^\w\n]*([{LETTERS}])\s*[.:)\],、。\-*]")
LETTER_MARKED_UP = re.compile(rf"{NOT_NEGATED}(?:\*\*|[(\[{{\"'`“「])\s*([{LETTERS}])\s*(?:\*\*|[.:)\]}}\"'`”」])")
LETTER_ANNOUNCED = re.compile(
    r"(?i:answer|option|choice|choose|pick|select|答案|选项|选择|选|應选|选的|回答)"
    r"(?:\s*(?i:is|would be|should be|为|是|应为|应该是|:|=|\*\*|\"|“|「|\())*\s*"
    rf"{NOT_NEGATED}([{LETTERS}](?![A-Za-z0-9_'])|[{LETTERS.lower()}](?=\s*(?:[^\w\s'-]|$)))",
    re.MULTILINE,
)
LETTER_PATTERNS = (LETTER_ALONE, LETTER_LEADING, LETTER_MARKED_UP, LETTER_ANNOUNCED)

NUMBER = r"(?<![A-Za-z0-9_.])-?\d+(?:\.\d+)?(?!\d|\.\d)"
LEADING_NUMBER = re.compile(rf"{NUMBER}(?![.)]\s)")  # "1. " begins a list
NUMBER_OVER_TEN = re.compile(rf"{NUMBER}(?= ?(?:/|out of) ?10\b)")
SCALE = re.compile(r"(?<![\d.])0 ?(?:-|–|~|to|and|到|至) ?10(?!\d)", re.IGNORECASE)


def parse_choice(text: str, prompt: PromptTemplate, order: Sequence[str]) -> str:
    """The option that an answer names by letter or by text, or UNREADABLE; `order` is that of the letters.

    A letter takes precedence over a text, unless a single option's text occurs and it is another option's.
    """
    answer = normalize(text)
    options_by_letter = {order[LETTERS.index(letter)] for letter in answer_letters(answer)}
    options_by_text = mentioned_options(answer, prompt)
    if not options_by_letter:
        return options_by_text.pop() if len(options_by_text) == 1 else UNREADABLE
    is_contradiction = len(options_by_text) == 1 and options_by_text != options_by_letter
    return options_by_letter.pop() if len(options_by_letter) == 1 and not is_contradiction else UNREADABLE


def after_thought(text: str) -> str | None:
    """The text after a model's thought, None where the thought was cut off."""
    rest = text.rpartition("</think>")[2]
    return None if "<think>" in rest else rest.strip() if rest != text else text


def parse_rating(text: str) -> float | None:
    """The number from 0 to 10 that an answer gives: one that it begins with, one over ten ("8/10"), or the only one.

    The ends of the scale ("from 0 to 10") don't count. None for no such number, and for several.
    """
    answer = SCALE.sub("", normalize(text)).strip()
    rating = LEADING_NUMBER.match(answer) or NUMBER_OVER_TEN.search(answer)
    numbers = {float(rating.group())} if rating else {float(number) for number in re.findall(NUMBER, answer)}
    if len(numbers) != 1:
        return None
    (number,) = numbers
    return number if 0 <= number <= 10 else None


def normalize(text: str) -> str:
    """The text with full-width letters and punctuation as ASCII, one kind of apostrophe, and no space around."""
    return unicodedata.normalize("NFKC", text).replace("’", "'").replace("‘", "'").strip()


def answer_letters(text: str) -> set[str]:
    """The letters that a text gives as its answer."""
    letters: set[str] = set()
    for pattern in LETTER_PATTERNS:
        letters.update(match.group(1).upper() for match in pattern.finditer(text))
    return letters


def mentioned_options(text: str, prompt: PromptTemplate) -> set[str]:
    """The options whose text occurs in a text. Inside a longer option's text a shorter one doesn't count."""
    rest = text.casefold()
    mentioned = set()
    longest_first = sorted(prompt.options.items(), key=lambda option_and_text: len(option_and_text[1]), reverse=True)
    for option, option_text in longest_first:
        words = normalize(option_text).casefold()
        pattern = rf"(?<!\w){re.escape(words)}(?!\w)" if words.isascii() else re.escape(words)
        rest, hits = re.subn(pattern, "\0", rest)
        if hits:
            mentioned.add(option)
    return mentioned
