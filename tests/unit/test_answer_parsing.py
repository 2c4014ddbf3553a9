"""What models really write, read as they mean it, in English and Chinese; what can't be read is never a label."""

import pytest

from stages.llm import answer_parsing, prompts

EN, ZH = prompts.load("en"), prompts.load("zh")
N, Y, D, X = "not_needed", "needed", "dont_know", "unreadable"  # A, B and C in the fixed order

ENGLISH = [
    ("A", N),
    ("B", Y),
    ("C", D),
    ("B.", Y),
    (" b", X),  # a lower case letter alone may be anything
    ("B:needed", Y),
    ("A:not needed", N),
    ("A: not needed.", N),
    ("C. don't know", D),
    ("C. don’t know", D),
    ("Ｂ：needed", Y),
    ("（B）", Y),
    ("(B)", Y),
    ("[B] needed", Y),
    ("**B**", Y),
    ("**B. needed**", Y),
    ("The answer is B.", Y),
    ("Answer: A", N),
    ("Answer: (A) not needed", N),
    ("The correct answer is **A**.", N),
    ("My choice: C", D),
    ('I would choose B, since "it" stands for the film.', Y),
    ("Option B is right.", Y),
    ("\n\nB\n", Y),
    ("B\n\nThe pronoun can't be resolved.", Y),
    ("The message is complete.\n\nA", N),
    ("needed", Y),
    ("Needed.", Y),
    ("not needed", N),
    ("Not needed!", N),
    ("The history is not needed.", N),
    ('The chat before it is needed, since "it" is open.', Y),
    ("I don't know.", D),
    ('B. needed, because without it "not needed" would be wrong.', Y),
    ("A:needed", X),  # letter and text contradict each other
    ("B:not needed", X),
    ("A or B", X),
    ("A. not needed\nB. needed\nC. don't know", X),  # the options, said again
    ("It is either needed or not needed.", X),
    ("A good question about films.", X),
    ("The answer is a bit unclear.", X),
    ("I would choose a different option.", X),
    ("The correct option is a stand-alone message.", X),
    ("the answer is b.", Y),
    ("A cat sat on the mat.", X),
    ("I can't help with that.", X),
    ("I'm sorry, but as an AI I have no opinion.", X),
    ("", X),
    ("   \n", X),
    ("D", X),
    ("42", X),
    ("Plan B failed", X),
    ("Because.", X),
    ("unneeded", X),
    ('It\'s not "B".', X),
    ("The answer is not B.", X),
    ("Vitamin C", X),
]
CHINESE = [
    ("B", Y),
    ("Ｂ", Y),
    ("B：需要", Y),
    ("A：不需要", N),
    ("A、不需要", N),
    ("C。不知道", D),
    ("答案是B", Y),
    ("答案：B", Y),
    ("答案为（A）", N),
    ("我选择B，因为“它”指的是电影。", Y),
    ("应该选B", Y),
    ("正确答案是：C", D),
    ("需要", Y),
    ("不需要。", N),
    ("不知道", D),
    ("「A」", N),
    ("选项 B", Y),
    ("这句话不需要上下文。", N),
    ("A：需要", X),
    ("需要还是不需要，很难说。", X),
    ("A和B都可以", X),
    ("抱歉，我无法回答这个问题。", X),
    ("好的", X),
    ("答案不是B", X),
]


@pytest.mark.parametrize(("text", "meant"), ENGLISH)
def test_english(text: str, meant: str) -> None:
    assert answer_parsing.parse_choice(text, EN, prompts.OPTIONS) == meant


@pytest.mark.parametrize(("text", "meant"), CHINESE)
def test_chinese(text: str, meant: str) -> None:
    assert answer_parsing.parse_choice(text, ZH, prompts.OPTIONS) == meant


def test_the_letter_is_read_in_the_order_that_was_asked() -> None:
    order = ("dont_know", "not_needed", "needed")
    assert answer_parsing.parse_choice("B", EN, order) == "not_needed"
    assert answer_parsing.parse_choice("C: needed", EN, order) == "needed"
    assert answer_parsing.parse_choice("B: needed", EN, order) == "unreadable"


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("8", 8),
        ("8/10", 8),
        ("8. It asks for 2 things.", None),  # the number, or the first of a list
        ("8.", 8),
        ("7.5. A question.", 7.5),
        ("9\n\nThe message has 3 words.", 9),
        ("On a scale from 0 to 10, this is a 9.", 9),
        ("Rating (0-10): 8", 8),
        ("在0到10之间，我给 7 分", 7),
        ("I'd give it 6 out of 10, for 2 reasons", 6),
        ("1. It asks. 2. It wants to know. So 9", None),
        ("Somewhere between 4 and 6", None),
        ("10", 10),
        ("100", None),
        ("-1", None),
        ("v2.0", None),
        ("０", 0),
        ("no number", None),
    ],
)
def test_ratings(text: str, number: float | None) -> None:
    assert answer_parsing.parse_rating(text) == number
