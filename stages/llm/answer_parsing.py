"""The option or the rating that a model's text answer names.

The model's thought and the markup are removed, and the words become codes (answer_words.py). Then the sentences count
that claim something: announcements ("the answer is B", "Rating: 8"), else a sentence that is an option as a whole
("B. needed"), else a statement with an option's text ("the chat is needed"). Questions, hedges and negations claim
nothing. All claims must agree. A doubtful answer is unreadable, since a wrong label does more harm than a missing one.
"""

import math
import re
import unicodedata
from collections import Counter
from collections.abc import Sequence

from stages.llm.answer_words import JOINT, LETTER, NUMBER, SIGNS, claims, sentences
from stages.llm.no_answers import NoAnswer
from stages.llm.prompts import LETTERS, PromptTemplate

THOUGHT_TAG = re.compile(
    r"(?:<\|?|◁|\[(?=/?think\]))\s{0,9}(?P<end>/|end_(?:of_)?)?\s{0,9}(?:begin_(?:of_)?|start_)?"
    r"(?P<name>seed:think|think(?:ing)?|thought|reasoning)(?:\s[^<>]{0,200})?(?:\|?>|▷|\])",
    re.IGNORECASE,
)
QUOTATION_MARKS = "`\"'“”‘’「」『』"
# gpt-oss: with its control tokens, and where a server has removed them: "analysisThe user…assistantfinalB"
FINAL_CHANNEL = re.compile(
    r"<\|channel\|>\s{0,9}final\b[^<]{0,99}(?:<\|constrain\|>[^<]{0,99})?<\|message\|>|assistantfinal", re.IGNORECASE
)
OTHER_CHANNEL = re.compile(r"<\|channel\|>|\A\s*+(?:analysis|commentary)(?![ \t]*+[:：*])")
CHANNEL_END = re.compile(r"<\|(?:end|return|call|start|channel)\|>", re.IGNORECASE)

WRAPPERS = [  # their content is the answer
    (re.compile(r"<answer[^<>]{0,99}>", re.IGNORECASE), re.compile(r"</answer", re.IGNORECASE)),
    (re.compile(r"<\|begin_of_box\|>"), re.compile(r"<\|end_of_box\|>")),
    (re.compile(r"\\boxed\s{0,9}\{"), re.compile(r"\}")),
]
MARKUP = [
    (re.compile(r"<\|[^|<>\n]{0,40}\|>|</?s>|</?(?:start|end)_of_turn>|\\[\[\]()n](?![a-z])"), "\n"),
    (re.compile(r"\\[A-Za-z]{1,20}\{?|^[ \t]*+#{1,6} |[$*`]", re.MULTILINE), ""),
    (re.compile(r"_"), " "),
    (re.compile(r"[’‘]"), "'"),
    (re.compile(r"n't\b"), " not"),
]
LINE_AFTER_COLON = re.compile(r"(?<=:)[ \t]*+\n\s*+")
QUOTATION = re.compile(r"""(?:["“「『]|(?<!\w)')([^"“”「」『』'\n]*+)(?:["”」』]|'(?!\w))(\s{0,9}:)?""")
QUOTED_ANSWER = re.compile(rf"(?:\W|option|[{LETTERS}](?!\w)|[{SIGNS}])*+|[\d.,/ ]++分?", re.IGNORECASE)

SMALL_LETTER = re.compile(  # that is an answer: "b) needed", "Answer: b"
    rf"(?<![A-Za-z])[abc](?=[).:]\s?[{SIGNS}])|(?i:(?<=option )|(?<=answer: )|(?<=answer is ))[abc](?=\.?\s*+$)",
    re.MULTILINE,
)
OPTION_LINE = re.compile(rf"^(?:[^\w\n]|[Oo]ption )*+({LETTER})[^\w\n]*+[{SIGNS}][^\w\n]*+$", re.MULTILINE)
LABEL = re.compile(
    rf"(?:^[^\w\n]*+(?={LETTER}(?:[^\w\s]|\s[-–—]))|(?={LETTER}(?:\)|{JOINT}[{SIGNS}])))(.)", re.MULTILINE
)
LEADING_LABEL = re.compile(rf"\A(\W*+{LETTER}(?:{JOINT}[{SIGNS}](?=:)|(?=\)| [-–—])))[:)]?")
WRONG_LABEL = re.compile(rf"(?<![A-Za-z0-9])(?!A{JOINT}α|B{JOINT}β|C{JOINT}γ)[A-HJ-Z]{JOINT}[{SIGNS}]")

# Patterns over the codes of a sentence. answer_words.py says what each code stands for
OPTION = "[ABCabcx]"
END = r"(?!,?[hi])(?=[,():rknp-]|[od]n|d[wlIu]|$)"
SECOND_OPTION = rf"(?:[,():odh-]*p?({OPTION}))?+"  # the same again, or another
ANNOUNCER = rf"(?:(?<![wztx])V|G[lu]{{0,2}}N(?=\(?{OPTION})|[Np][^ABCabcxnhi,]{{0,8}}?[:=~m-]|ml?(?:=|(?=p)))"
CHOICE_ANNOUNCEMENT = re.compile(rf"(f[l+]?)?{ANNOUNCER}[lspu=~:()VN+r-]{{0,12}}?({OPTION})p?{SECOND_OPTION}({END})?")
CONFIRMATION = re.compile(  # "B is right"
    r"(?<![^lspr,:(=.-])([ABC])\)?p?(?:l?[=~]?l*\++[mplNu]*|[=~][lu+]*[VNp][plu]*|m[lpuN]*|=[ls]*uV)" + rf"({END})?"
)
REJECTION = re.compile(r"n[lpoNuV=+]{0,8}([ABC])(?:[,od]p?([ABC]))?|([ABC])p?[=~l)]{0,4}n")
OPTION_SENTENCE = re.compile(
    rf"[,():=~+fINlspodY-]*({OPTION})p?(?:[,:][abc][zs]|{SECOND_OPTION}[,)p-]*l?(?:$|[:(]?r|k?n[lp=]*[ABC]))"
)
AFTERTHOUGHT = re.compile(r"(?:,w|(?<![ABCod]),)[lp]*([ABC])$")  # "actually, B"
STATEMENT = re.compile(r"(?:(?:^|(?<=[,():lsNm-]))|[sN][^nhixABCabc,]{0,9}=l*)([abc])(?=[,():rkz-]|$)")
RATING_END = r"(?!,?[hio])(?=[,():r-]|=\+|$)"
RATING_ANNOUNCEMENT = re.compile(
    r"(?:(f[lR]*)|R(?:[^f@%&#nhi,]{0,8}?[:=~])?|N[:=~]|G|IY|s=|^=)[lsrkuRI:=~,()-]{0,12}?([@%&#])" + RATING_END
)
RATING_LEADING = re.compile(rf"[,(]*l?([@%&#]){RATING_END}")
RATING_SENTENCE = re.compile(r"[,(=]*l?([@%&#])\)?$")
RATING_WITH_UNIT = re.compile(r"(@)|(?:^|(?<=,))[l=]*(&)(?=,|$)")

RATING = re.compile(rf"({NUMBER})(?: ?(?:points?|分)| ?\(?(?:/|out of|of) ?10)?", re.IGNORECASE)
ENGLISH_NUMERALS = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"]
NUMERALS = dict(zip([*ENGLISH_NUMERALS, *"零一二三四五六七八九十", "两"], [*range(11), *range(11), 2], strict=True))
NUMERAL = re.compile(  # "one" and most Chinese ones are other words too
    rf"(?<![A-Za-z])(?:{'|'.join(set(ENGLISH_NUMERALS) - {'one'})})(?![A-Za-z])"
    r"|(?<![零一二两三四五六七八九十百半几])[零一二两三四五六七八九十](?=分)",
    re.IGNORECASE,
)


def parse_choice(text: str, prompt: PromptTemplate, order: Sequence[str]) -> str:
    """The option that an answer names by letter or by text, or UNREADABLE; `order` is that of the letters."""
    answer = signed(plain(text), prompt, order)
    if WRONG_LABEL.search(answer):
        return NoAnswer.UNREADABLE
    if len(set(OPTION_LINE.findall(answer))) == len(LETTERS):  # the options, said again
        answer = OPTION_LINE.sub("", answer)
    if len(set(LABEL.findall(answer))) == 1:
        answer = LEADING_LABEL.sub(r"\1.", answer)
    choice = chosen_letters([codes for codes, _ in sentences(unquoted(answer))])
    return order[LETTERS.index(min(choice))] if len(choice) == 1 and choice <= set(LETTERS) else NoAnswer.UNREADABLE


def parse_rating(text: str) -> float | None:
    """The number from 0 to 10 that an answer gives, or None.

    The number is announced ("Rating: 8"), leads the text or is a sentence; else it is the only one over ten ("8/10"),
    or the only clause with a unit ("8分").
    """
    answer = plain(text)
    numeral = NUMERALS.get(answer.strip(" \n.!。分").casefold())
    answer = NUMERAL.sub(lambda match: str(NUMERALS[match[0].casefold()]), answer)
    ratings = {float(numeral)} if numeral is not None else rating_values(list(sentences(unquoted(answer))))
    rating = min(ratings) if len(ratings) == 1 else math.nan
    return rating if 0 <= rating <= 10 else None


def after_thought(text: str) -> str | None:
    """The text after a model's thoughts, "" where it ends with one; None where a thought is cut off.

    Text before a closing tag without an opening one is a thought: the chat template opened it. A tag in quotation
    marks is a part of the text.
    """
    final_channels = list(FINAL_CHANNEL.finditer(text))
    if final_channels:
        text = CHANNEL_END.split(text[final_channels[-1].end() :], maxsplit=1)[0].strip()
    elif OTHER_CHANNEL.search(text):
        return None
    open_tags: Counter[str] = Counter()
    end = 0
    for tag in THOUGHT_TAG.finditer(text):
        name = tag["name"].casefold()
        if is_quoted(tag):
            continue
        if not tag["end"]:
            open_tags[name] += 1
        elif open_tags[name] or not open_tags.total():
            open_tags[name] = max(open_tags[name] - 1, 0)
            end = tag.end()
    if open_tags.total():
        return None
    return text[end:].strip() if end else text


def is_quoted(match: re.Match[str]) -> bool:
    around = match.string[max(0, match.start() - 1) : match.start()], match.string[match.end() : match.end() + 1]
    return all(character and character in QUOTATION_MARKS for character in around)


def plain(text: str) -> str:
    """The answer after the thought, without wrapper and markup, in ASCII where there is such a form. Empty where the
    thought is cut off.
    """
    answer = after_thought(text) or ""
    for opening, closing in WRAPPERS:
        contents = [closing.split(content, maxsplit=1)[0] for content in opening.split(answer)[1:]]
        answer = "\n".join(contents) if contents else answer
    answer = unicodedata.normalize("NFKC", answer)
    for pattern, replacement in MARKUP:
        answer = pattern.sub(replacement, answer)
    return answer.strip()


def signed(answer: str, prompt: PromptTemplate, order: Sequence[str]) -> str:
    """The answer with each option's text replaced by its sign, and with a capital for a small letter that answers."""
    answer = answer.translate(dict.fromkeys(map(ord, SIGNS)))
    patterns = {sign: text_pattern(option, prompt) for sign, option in zip(SIGNS, order, strict=True)}
    for sign, pattern in sorted(patterns.items(), key=lambda sign_and_pattern: -len(sign_and_pattern[1])):
        answer = re.sub(pattern, sign, answer, flags=re.IGNORECASE | re.MULTILINE)
    return SMALL_LETTER.sub(lambda match: match[0].upper(), answer)


def text_pattern(option: str, prompt: PromptTemplate) -> str:
    words = re.escape(plain(prompt.options[option]))
    if words.isascii():
        words = rf"\b{words}\b"
    if option != "dont_know":
        return words
    end = r"[ \t]*+(?:$|[,.;:!?。)\]”」』/]|[\"'](?!\w))"  # not "I don't know what it is"
    return rf"(?:\b(?:I|we) |我)?{words}(?:(?<=[{LETTERS}][.):] {words})|(?={end}))"


def unquoted(answer: str) -> str:
    """The answer with "quotation" for what it quotes, unless that is an option, a number or a key of a JSON object."""

    def replacement(quotation: re.Match[str]) -> str:
        is_kept = quotation[2] or QUOTED_ANSWER.fullmatch(quotation[1])
        return f" {quotation[1]} {quotation[2] or ''}" if is_kept else " quotation "

    return LINE_AFTER_COLON.sub(" ", QUOTATION.sub(replacement, answer))


def chosen_letters(sentences: Sequence[str]) -> set[str]:
    """The letters of the options that the sentences choose; X for a letter that stands for no option."""
    final_choices, announcements, doubts, option_sentences, statements, rejections = (set[str]() for _ in range(6))
    for codes in sentences:
        for match in claims(CHOICE_ANNOUNCEMENT, codes, void="ABCxnh"):
            level = doubts if match[4] is None else final_choices if match[1] else announcements
            level.update(letters(match[2], match[3]))
        for match in claims(CONFIRMATION, codes, void="ABCxnh"):
            (doubts if match[2] is None else announcements).update(letters(match[1]))
        for match in AFTERTHOUGHT.finditer(codes):
            doubts.update(letters(match[1]))
        for match in REJECTION.finditer(codes):
            rejections.update(letters(*match.groups()))
        option_sentence = OPTION_SENTENCE.match(codes)
        option_sentences.update(letters(*option_sentence.groups()) if option_sentence else ())
        for match in claims(STATEMENT, codes, void="ABCxnh"):
            statements.update(letters(match[1]))
    choice = (final_choices or announcements or option_sentences) - rejections
    if not any(letter in codes for codes in sentences for letter in LETTERS):
        choice = choice or statements
    is_contradicted = not (option_sentences | doubts) - rejections <= choice
    return set() if is_contradicted or (len(statements) == 1 and statements != choice) else choice


def letters(*codes: str | None) -> set[str]:
    return {code.upper() for code in codes if code}


def rating_values(sentences: Sequence[tuple[str, list[str]]]) -> set[float]:
    """The numbers that the sentences give as ratings; NaN for a range and for a fraction other than one over ten."""
    final_ratings, announcements, number_sentences, with_unit = (set[str]() for _ in range(4))
    for index, (codes, words) in enumerate(sentences):
        for match in claims(RATING_ANNOUNCEMENT, codes):
            (final_ratings if match[1] else announcements).add(words[match.start(2)])
        for match in claims(RATING_WITH_UNIT, codes):
            with_unit.add(words[match.start(match.lastindex or 0)])
        number_sentence = (RATING_SENTENCE if index and not number_sentences else RATING_LEADING).match(codes)
        if number_sentence:
            number_sentences.add(words[number_sentence.start(1)])
    ratings = final_ratings or number_sentences | (announcements or with_unit)
    matches = [RATING.fullmatch(rating) for rating in ratings]
    return {float(match[1].replace(",", ".")) if match else math.nan for match in matches}
