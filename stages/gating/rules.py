"""Gates without a model, as assistants use them today: a question that passes is rewritten with its history.

They read what was said last, in English and Chinese, and whether anything was said before.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any

MOST_WORDS = 12
WORD = re.compile(r"[\u4e00-\u9fff]|[^\W\u4e00-\u9fff]+")  # a Chinese character counts as a word
POINTING_WORDS = re.compile(
    r"""\b(?:
        it|its|it's|this|that|that's|these|those|they|they're|them|their|theirs|he|he's|him|his|she|she's|her|hers|
        one|ones|there|such|same|another|other|others|else|too|either|instead|both|which
    )\b
    |^\W*(?:and|but|or|so|then|also|what\ about|how\ about|why|how\ come|how\ so|really|like\ what|where|when)\b
    |[它他她这那此该其]|同样|另外|别的|哪个|呢[？?\s]*$|^\W*(?:还有|那么|然后|所以|为什么|怎么说)""",
    re.IGNORECASE | re.VERBOSE,
)


def is_always_needed(item: Mapping[str, Any]) -> bool:
    return True


def is_never_needed(item: Mapping[str, Any]) -> bool:
    return False


def has_history(item: Mapping[str, Any]) -> bool:
    """Whether the message is not the first of its chat."""
    return len(item["cr_window"]) > 0


def is_short(item: Mapping[str, Any]) -> bool:
    """Whether the message has at most 12 words."""
    return len(WORD.findall(item["text"])) <= MOST_WORDS


def has_pointing_word(item: Mapping[str, Any]) -> bool:
    """Whether the message has a pronoun or another word that points at what was said before."""
    return POINTING_WORDS.search(item["text"]) is not None


RULES: dict[str, Callable[[Mapping[str, Any]], bool]] = {
    "always": is_always_needed,
    "never": is_never_needed,
    "not_the_first_turn": has_history,
    "at_most_12_words": is_short,
    "pointing_words": has_pointing_word,
}
