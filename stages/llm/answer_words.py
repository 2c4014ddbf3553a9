"""The words of models' answers, in English and Chinese, each as a code of one character for its role in the answer.

"The user chose option B." is `luVpB`. The patterns of answer_parsing.py are over such codes.
"""

import re
from collections.abc import Iterator

from stages.llm.prompts import LETTERS

SIGNS = "αβγ"  # stand for the texts of the options A, B and C
LETTER = rf"(?<![A-Za-z0-9])(?-i:[{LETTERS}])(?![A-Za-z0-9'+#]|\.[A-Za-z0-9])"
JOINT = r"[ .:,;()\[\]\"'-]{0,4}"  # of a letter and its option's text
NUMBER = r"(?<![A-Za-z0-9./+-])(?<!\d,)-?\d{1,9}(?:[.,]\d{1,2})?(?![A-Za-z0-9%+]|[.,]\d)"
CLAUSE_CODES = 200  # that are searched for a hedge before a claim


def words(english: str, chinese: str = "") -> str:
    return rf"(?<![A-Za-z])(?:{english})(?![A-Za-z])" + (f"|{chinese}" if chinese else "")


# The first pattern that fits gives the code. What has an empty code, and what fits none, is dropped.
# Repetitions here and in answer_parsing.py are bounded, possessive or end at a character that they can't pass, so that
# hostile text takes linear time.
LEXICON = [
    # Numbers: a scale is none; over ten; of a list; a range or a fraction; with a unit or a decimal place; others
    (",", r"(?<![\d.])[01] ?(?:-|–|~|to|and|到|至) ?10(?![\d.])|满分(?:是|为|:)? ?10 ?分?|\(总分:? ?10 ?分?\)"),
    ("@", rf"{NUMBER} ?\(?(?:/|out of|of) ?10(?!\d|\.\d|[%/])"),
    ("", r"^[ \t]*+\d+[.)](?=[ \t]++\S)"),
    ("%", r"\d[\d.]{0,9}(?: ?(?:[-–—~、,;/]|to|or|and|到|至|或) ?|:)\d[\d.%]{0,9}(?: ?分)?"),
    ("&", rf"{NUMBER} ?(?:points?(?![A-Za-z])|分(?![之钟]))|{NUMBER}(?<=[.,]\d)"),
    ("#", NUMBER),
    (":", r"[-=]>"),
    ("n", r"[<>≥≤] ?(?=\d)"),
    # Options: a letter with or without its text, a text. x is a letter that is none: a speaker's, or D
    (
        "w",
        r"(?<![A-Za-z])(?:as in(?![A-Za-z])|(?:mrs?|ms|dr|prof)\.)|"
        + words("an?(?= (?:letter|option|choice|answer))"),
    ),
    ("l", words("(?-i:A)(?= (?:user|person)(?![A-Za-z]))")),
    ("x", r"(?<![A-Za-z0-9])(?-i:[A-C]'s|[D-H](?![A-Za-z0-9'+#]|\.[A-Za-z0-9]))"),
    ("A", rf"{LETTER}(?<=A)(?:{JOINT}α(?![^\x00-\x7f]))?"),
    ("B", rf"{LETTER}(?<=B)(?:{JOINT}β(?![^\x00-\x7f]))?"),
    ("C", rf"{LETTER}(?<=C)(?:{JOINT}γ(?![^\x00-\x7f]))?"),
    ("a", "α"),
    ("b", "β"),
    ("c", "γ"),
    # What makes a claim void: negation, hedge, condition
    (",", words("(?:no|yes)(?=,)")),
    ("n", words("(?:anything|nothing|all) but")),
    ("h", words("not (?:so |entirely |really )?(?:sure|clear|certain)")),
    (
        "h",
        words(
            "whether|may|might|could|maybe|perhaps|possibly|either|between|unclear|unsure|uncertain|some|others|people"
        ),
    ),
    ("h", words("which(?= option)|(?:c|w|sh)ould have", "是否|可能|也许|或许|还是|不确定|不清楚|难|哪")),
    ("h", words("max(?:imum)?|min(?:imum)?|highest|lowest|at (?:least|most)", "最[高低多少]|至[多少]|扣分")),
    ("i", words("if|unless|suppose|assuming", "如果|假如|要是|除非|若|的话")),
    # Ends: of a sentence, a question, a line
    (".", r"[!;。→]|\.(?![A-Za-z0-9])|(?<![A-Za-z] )(?<![A-Za-z])so(?![A-Za-z])"),
    (".", words(r"but|so(?= (?:I|the|it|they|my|we)\b)", "而是|所以|因此|因而|但是?|综上|总之|故")),
    (".", words("therefore|thus|hence|consequently|accordingly")),
    ("?", r"[?吗]"),
    ("\n", r"\n"),
    ("f", words("final|overall|total", "最终|最后(?!一)|总(?!结)")),
    ("+", words("right|correct|best|better|fits?|appropriate|suitable", "对(?![应方话于])|正确|合适|最佳")),
    ("n", words("not|never|neither|nor|no(?:ne|thing|body)?|cannot|without|unlikely|hardly|rarely|almost|nearly")),
    ("n", words("doubt|refuse|deny|reject(?:s|ed)?|rul(?:es?|ed|ing) out|exclud(?:es?|ed)|eliminat(?:es?|ed)")),
    ("n", words("wrong|incorrect|false", "不|没有?|几乎|并非|未|无|排除|错误?")),
    # What announces: the word "option", verbs and nouns of a choice, a match, a rating, "give" and "say"
    ("p", words("option|choice|letter", "选项|项|字母")),
    (
        "V",
        words("cho(?:ose[sn]?|se|sen|osing)|select(?:s|ed|ing)?|pick(?:s|ed|ing)?|prefer(?:s|red)?", "选[择定取]?了?"),
    ),
    ("V", words("(?:go|goes|went|answer(?:s|ed)?) with|opt(?:s|ed)? for|settled? on|decided? on")),
    ("N", words("answer|ans|selection|decision|verdict|conclusion|result", "答案|回答(?!者)|结论|总结|结果|意思")),
    ("m", words("corresponds? to|match(?:es|ed)?|aligns? with", "对应|属于")),
    ("R", words("rating|score|grade|mark", "评分|得分|打分|分数|分(?=[:是为])")),
    ("G", words("rated?|g[ia]ves?|provide[sd]?|gets?|deserves?|assign", "给|打|得|评(?=为)")),
    ("Y", words("say")),
    # What connects: a colon, "would be", "is"
    (":", r"[:=]"),
    ("~", words("(?:would|should|must|will|to) be")),
    ("=", words("is|was|are|were|be|been", "是|为(?!什么)|即|才") + r"|(?<=it)'s|(?<=that)'s|(?<=this)'s"),
    ("", r"'(?:s|d|ll|m|re|ve)(?![A-Za-z])"),
    # Who and what: a subject that is rated or needs the chat, the model, the user
    ("s", words("it|this|that|messages?|question|text|sentence|context|chat|history|conversation")),
    ("s", "[这它]|消息|问题|句子?|话"),
    ("I", words("I|we", "我们?")),
    ("u", words("users?|respondent|person|they|he|she", "用户|回答者|他们?|她|你|您")),
    # What goes on after a claim: reasons, prepositions, "and", "or", others that link
    ("r", words("because|since|as|due|given|which", "因为|由于|这(?=是)")),
    (
        "k",
        words(
            "over|rather|instead|in|here|by|for|with|from|when|after|based|of|to(?= (?:understand|resolve))", "而|作为"
        ),
    ),
    ("d", words("and", "和|与|跟|及|且")),
    ("o", r"[&/、]|" + words("or", "或者?")),
    ("l", words("the|(?-i:a)|an|one|my|your|their|his|what|about|around|very|most|still|then|ok|okay|well|indeed")),
    ("l", words("think|believe|guess|seems?|would|should|must|will|can|do|did|ha[sd]|have")),
    (
        "l",
        words("(?:definite|clear|obvious|probab|like|real|tru|simp|approximate)ly", "应该?当?|认为|觉得|可以|会|就"),
    ),
    ("l", "了|的|并|最|出|述|明确|显然|大?约|大概|[该此那条个位]"),
    ("-", r"(?<=\s)[-–—](?=\s)|—"),
    ("(", r"[(\[【]"),
    (")", r"[)\]】]"),
    (",", ","),
    ("w", "[A-Za-z0-9]+|需|更多信息"),
    ("z", r"[^\W\d_]"),
]
CODES = [code for code, _ in LEXICON]
LEXER = re.compile("|".join(f"({pattern})" for _, pattern in LEXICON), re.IGNORECASE | re.MULTILINE)


def sentences(text: str) -> Iterator[tuple[str, list[str]]]:
    """The codes of each sentence that is no question, and its words, one a code."""
    codes: list[str] = []
    words: list[str] = []
    for match in LEXER.finditer(text):
        code = CODES[(match.lastindex or 0) - 1]
        if code not in (".", "?", "\n"):
            if code:
                codes.append(code)
                words.append(match[0])
            continue
        if codes and code != "?":
            yield "".join(codes), words
        codes, words = [], []
    if codes:
        yield "".join(codes), words


def claims(pattern: re.Pattern[str], codes: str, void: str = "nh") -> Iterator[re.Match[str]]:
    """The pattern's matches in a sentence, without those that a condition stands by, and without those that follow one
    of the codes `void` in their clause.
    """
    condition = codes.find("i")
    for match in pattern.finditer(codes):
        clause = codes[max(0, match.start() - CLAUSE_CODES) : match.start()].rpartition(",")[2]
        is_conditional = 0 <= condition < match.start() or codes.startswith("i", match.end())
        if not is_conditional and not any(code in clause for code in void):
            yield match
