"""Whether a model's rewrite of a message may take the message's place.

Texts are compared as the prompt shows them: on one line, with its names for people. A Chinese character or a kana is a
word. The limits were set on people's own rewrites of GECOR's turns. `python -m tests.benchmarks.rewriting` counts what
they refuse of these.
"""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from enum import StrEnum

from stages.llm.scorers import rules


class Fallback(StrEnum):
    """Why a message stays as it is."""

    NO_HISTORY = "no_history"  # nothing was said before it
    DOES_NOT_FIT = "does_not_fit"  # into the model's context, even with a single turn before it
    NO_ANSWER = "no_answer"  # the server refused, or the answer ended in the middle of a thought
    EMPTY = "empty"
    TOO_LONG = "too_long"
    OTHER_LANGUAGE = "other_language"
    NO_QUESTION = "no_question"  # the message asks something, the rewrite doesn't
    WORDS_LOST = "words_lost"  # most of what the message says is gone
    INVENTED = "invented"  # most of what the rewrite adds is not in the chat: an answer, say
    UNKNOWN_PERSON = "unknown_person"  # the rewrite names somebody by a number that the prompt doesn't have


MOST_NEW_BYTES = 160  # UTF-8. Of the 1,097 rewrites of GECOR, the longest adds 80 letters
JOINING_BYTES = 40  # for words that the chat doesn't have, such as "I would like"
LEAST_KEPT = 0.5  # share of the message's content words
LEAST_FROM_CHAT = 0.5  # share of the content words that a rewrite adds
STEM = 4  # letters by which words are compared, as in `serve` and `serving`

HAN = "\u3400-\u4dbf\u4e00-\u9fff"
KANA = "\u3040-\u30ff"
WORD = re.compile(rf"[{HAN}{KANA}]|[^\W_{HAN}{KANA}]+")
CHINESE_CHOICE = re.compile(rf"([{HAN}])[不没]\1")
CHINESE, JAPANESE = "CJK", "KANA"  # the names of scripts are the first words of their letters' Unicode names
ENGLISH_FUNCTION_WORDS = """
a about again all also am an and another any anybody anyone anything are aren as at be been being both but by can
could couldn did didn do does doesn doing don either else for from had has hasn have haven he her here hers him his
how i if in instead into is isn it its itself just ll m may maybe me might mine my neither no nope not now of off
oh ok okay on one ones or other others our ours please re really s same shall she should shouldn since so some
somebody someone something still such sure t than thank thanks that the their theirs them then there these they
this those though to too up us ve very was wasn we well were weren what when where which while who whom whose why
will with won would wouldn yea yeah yep yes yet you your yours
"""
CHINESE_FUNCTION_CHARACTERS = (
    "它他她牠这那此其该谁哪什么怎样咋啥何几吗嘛呢吧啊呀哦哈的地得了着过是在有和与跟或就都也还又再很更最太没不无要会能可以"
    "应该请问您你我咱们个些点里上下中为因所而且但如果若则对把被从到给让用请谢好一样同另外别"
)
FUNCTION_WORDS = {*ENGLISH_FUNCTION_WORDS.split(), *CHINESE_FUNCTION_CHARACTERS}

QUOTES = [*map(tuple, ('""', "“”", "''", "‘’", "「」", "『』", "«»", "``")), ("**", "**"), ("__", "__")]
BULLET = re.compile(r"(?:[>#*•-]+|\d\.)\s+")
LABEL = re.compile(
    r"""
    [*_]{0,2}
    (?:
        (?:(?:sure|okay|ok|certainly|of\ course|yes)[,.!]*\s+)?
        (?:
            here(?:['’]s|\ is|\ are)\ [^:：]{0,80}
            |(?:(?:the|my|your|a)\s+)?(?:(?:rewritten|rephrased|resolved|reworded|revised|stand[ -]?alone
                |self[ -]contained|complete|full|final|new|last|clear(?:er)?)[\s-]+){0,3}
            (?:question|message|text|version|rewrite|rewriting|query|answer|output|response)(?:\s+(?:is|reads))?
        )
        |user|assistant|ai|bot|q|a
        |(?:好的?[，,。!！]?)?(?:以下|这|下面)是?[^:：]{0,20}
        |[^:：\s]{0,6}(?:改写|重写|补全|还原|完整)[^:：\s]{0,10}
        |(?:最后一条)?(?:问题|消息|句子|回答|答案|输出|助手)|问|答
    )
    [*_]{0,2}\s*[:：]\s*[*_]{0,2}\s*
    """,
    re.IGNORECASE | re.VERBOSE,
)


def cleaned(answer: str, message: str, names: Iterable[str]) -> str:
    """The first line of an answer that holds more than a label, without labels ("Rewritten question:"), quotation
    marks, and the name of a speaker before it. What the message itself has of these stays.
    """
    speaker = re.compile(rf"(?:{'|'.join(map(re.escape, names))})\s*[:：]\s*" if names else "(?!)", re.IGNORECASE)
    for line in answer.splitlines():
        text = " ".join(line.split())
        before = None
        while text != before and text != message:
            before = text
            for prefix in (BULLET, LABEL, speaker):
                match = prefix.match(text)
                if match and not message.startswith(match[0]):
                    text = text[match.end() :]
            text = _unquoted(text, message)
        if text:
            return text
    return ""


def _unquoted(text: str, message: str) -> str:
    for opening, closing in QUOTES:
        is_quoted = text.startswith(opening) and text.endswith(closing) and len(text) >= len(opening + closing)
        inside = text[len(opening) : len(text) - len(closing)]
        if is_quoted and opening not in inside and closing not in inside and not message.startswith(opening):
            return inside.strip()
    return text


def most_bytes(message: str, window: Sequence[str]) -> int:
    """The UTF-8 bytes that a rewrite may have, given the turns before the message.

    What a rewrite adds are names of things that the window has, and a few words that join them. It adds no more than
    the window has to give, and no more than twice what people added at most, or than the message has itself: a long
    message has more places to fill.
    """
    message_bytes, window_bytes = len(message.encode()), sum(len(turn.encode()) for turn in window)
    return message_bytes + min(window_bytes + JOINING_BYTES, max(MOST_NEW_BYTES, message_bytes))


def problem(rewrite: str, message: str, window: Sequence[str]) -> Fallback | None:
    """Why a cleaned rewrite can't take the message's place; None where it can."""
    if not WORD.search(rewrite):
        return Fallback.EMPTY
    if len(rewrite.encode()) > most_bytes(message, window):
        return Fallback.TOO_LONG
    if is_other_language(rewrite, message, window):
        return Fallback.OTHER_LANGUAGE
    if asks(message) and not asks(rewrite):
        return Fallback.NO_QUESTION
    if share_kept(rewrite, message) < LEAST_KEPT:
        return Fallback.WORDS_LOST
    if is_invented(rewrite, message, window):
        return Fallback.INVENTED
    return None


def asks(text: str) -> bool:
    """Whether a text asks something, by its mark, its words or a Chinese choice such as 支不支持."""
    return rules(text) > 0 or CHINESE_CHOICE.search(text) is not None


def is_other_language(rewrite: str, message: str, window: Sequence[str]) -> bool:
    """Whether the rewrite lacks the message's main script, or its new words are mostly of scripts that the message
    lacks. New are those that neither message nor window has: names of things may be of any script. For a message
    without letters, the window's scripts count.
    """
    scripts_of_message = script_counts(message)
    if scripts_of_message and not main_scripts(scripts_of_message) & script_counts(rewrite).keys():
        return True
    scripts = scripts_of_message or script_counts("\n".join(window))
    chat_words = {word.casefold() for text in (message, *window) for word in words(text)}
    new = script_counts("\n".join(word for word in words(rewrite) if word.casefold() not in chat_words))
    return bool(scripts and new) and not main_scripts(new) & scripts.keys()


def is_chinese(text: str) -> bool:
    """Whether no other script has more words than there are Chinese characters, and no kana makes them Japanese."""
    scripts = script_counts(text)
    return CHINESE in main_scripts(scripts) and JAPANESE not in scripts


def script_counts(text: str) -> Counter[str]:
    """How many words of each script a text has. Numbers are of no script."""
    letters = (next(filter(str.isalpha, word), None) for word in words(text))
    return Counter(_script(letter) for letter in letters if letter)


def main_scripts(counts: Counter[str]) -> set[str]:
    """The scripts that most words have: several in a tie, none without words."""
    return {script for script, count in counts.items() if count == max(counts.values())}


def _script(letter: str) -> str:
    name = unicodedata.name(letter, "UNKNOWN").split()[0]
    return JAPANESE if name in ("HIRAGANA", "KATAKANA") else name


def share_kept(rewrite: str, message: str) -> float:
    """The share of the message's content words that the rewrite has too; 1 where the message has none."""
    content = content_stems(message)
    return len(content & content_stems(rewrite)) / len(content) if content else 1.0


def is_invented(rewrite: str, message: str, window: Sequence[str]) -> bool:
    """Whether most of the content words that the rewrite adds aren't in the window."""
    added = content_stems(rewrite) - content_stems(message)
    from_window = added & content_stems("\n".join(window))
    return len(from_window) < LEAST_FROM_CHAT * len(added)


def content_stems(text: str) -> set[str]:
    """The beginnings of the words that say what a message is about: no pronouns, particles or courtesies."""
    lower = {word.casefold() for word in words(text)}
    return {word[:STEM] for word in lower - FUNCTION_WORDS}


def words(text: str) -> list[str]:
    return WORD.findall(unicodedata.normalize("NFKC", text))
