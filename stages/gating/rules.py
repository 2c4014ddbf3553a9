"""Gates without a model, as assistants use them today: a question that one takes for positive is rewritten with its
history.

They read what was said last, in English and Chinese, and whether anything was said before.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any

from stages.pipeline.definition import Definition, Rule

IsPositive = Callable[[Mapping[str, Any]], bool]
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


TRIVIAL_RULES: dict[str, IsPositive] = {"always": lambda item: True, "never": lambda item: False}
RULES: dict[Rule, IsPositive] = {  # by their names in question.yaml
    "not_the_first_turn": lambda item: len(item["cr_window"]) > 0,
    "at_most_12_words": lambda item: len(WORD.findall(item["text"])) <= MOST_WORDS,
    "pointing_words": lambda item: POINTING_WORDS.search(item["text"]) is not None,  # at what was said before
}


def rules_of(question: Definition) -> dict[str, IsPositive]:
    """The rules that a question is compared with: always, never, and those that its question.yaml names."""
    return TRIVIAL_RULES | {name: RULES[name] for name in question.rules}
