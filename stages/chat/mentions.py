"""Mentions of a log's people in its texts, replaced by pseudonyms.

A mention is replaced where one of these rules holds:

1. It is marked: `@name` or `<name>`.
2. A line begins with it and a sign: `name:`, or `name,` in the exact spelling, since `name,` also begins sentences.
3. A line begins with it, or ends with it after a comma, and the name is no word of the language.
4. Anywhere: a nick (with digits, symbols or inner capitals), or a name of two words.

Rules 2 and 4 need a whole name or a nick; rules 1 and 3 also replace a part of a name, such as the first word.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterable
from functools import lru_cache
from itertools import accumulate
from typing import NamedTuple

from stages.chat.common_words import COMMON_WORDS
from stages.chat.folding import Folded
from stages.chat.mention_patterns import (
    ADDRESS_SIGN,
    AT_SIGN,
    CLOSING_ANGLE,
    COMPOUND_END,
    INSIDE_WORD,
    LINE_END,
    LINE_HEAD,
    NAME_SEPARATOR,
    OPENING_ANGLE,
    PLACE_NUMBER,
    TOKEN,
    WORD_BEFORE_SIGN,
    WORD_END,
    WORD_IN_SENTENCE,
)
from stages.chat.name_index import Name, NameIndex

MAX_COUNTED_WORDS = 200_000
FREQUENT = 5  # a word that stands in more sentences of the log is a word of the language
CONTEXT = 4  # characters before a name that the rules read


class Candidate(NamedTuple):
    """A place in a text that spells a name. `context` is what stands before it, without an earlier mention."""

    name: Name
    text: Folded
    start: int
    end: int
    context: str
    begins_line: bool

    @property
    def is_spelled_exactly(self) -> bool:
        return self.text.shadow[self.start : self.end] == self.name.spelling


class Names:
    """The names of a log's people. `pseudonym(sender)` gives what replaces them.

    First `learn` reads every message of the log, then `hide` and `place` replace.
    """

    def __init__(self, pseudonym: Callable[[str], str]) -> None:
        self.pseudonym = lru_cache(2**16)(pseudonym)
        self.index = NameIndex()
        self.known_pairs: set[tuple[str, str]] = set()  # of a person and a name that the index has
        self.word_counts: Counter[str] = Counter()  # uses in sentences, less uses before a sign

    def learn(self, sender: str, names: Iterable[tuple[str, str]], text: str = "") -> None:
        """Add a sender, other names as pairs of a person and a name, and the use of a text's words."""
        for person, name in ((sender, sender), *names):
            if (person, name) not in self.known_pairs:
                self.known_pairs.add((person, name))
                self.index.add(person, name)
        self.word_counts.update(WORD_IN_SENTENCE.findall(text))
        addressed = WORD_BEFORE_SIGN.match(text)
        if addressed:
            self.word_counts[addressed[1].casefold()] -= 1
        if len(self.word_counts) > MAX_COUNTED_WORDS:  # rare words go, and frequent words lose little
            self.word_counts = Counter({word: count - 1 for word, count in self.word_counts.items() if count > 1})

    def is_word(self, words: list[str]) -> bool:
        """Whether a name's words are all words of the language, or it has too few letters to tell."""
        letters = "".join(words)
        is_short = len(letters) < 3 and letters.isascii()
        return is_short or all(word in COMMON_WORDS or self.word_counts[word] > FREQUENT for word in words)

    def hide(self, text: str) -> tuple[str, int]:
        """The text with pseudonyms for mentions, and their number."""
        folded = Folded(text)
        key = folded.key
        tokens = TOKEN.findall(key)
        if not self.index.has_any(tokens):
            return text, 0
        starts = _token_starts(tokens)
        replacements: list[tuple[int, int, str]] = []
        index = mention_end = 0
        head_end = _match_end(LINE_HEAD, key, 0)
        while index < len(tokens):
            start = starts[index]
            if tokens[index] == "\n":
                head_end = _match_end(LINE_HEAD, key, start + 1)
            begins_line = start <= head_end
            next_index = index + 1
            for after_name, name in self.index.names_at(tokens, index):
                end = starts[after_name]
                context = key[max(start - CONTEXT, mention_end) : start]
                if self._is_mention(Candidate(name, folded, start, end, context, begins_line)):
                    replacements.append((start, end, self.pseudonym(name.person)))
                    next_index, mention_end = after_name, end
                    if begins_line:  # so does the next name: `ann, bob: hello`
                        head_end = _match_end(NAME_SEPARATOR, key, end)
                    break
            index = next_index
        return folded.replace(replacements), len(replacements)

    def place(self, at: str) -> str:
        """A place in the export, such as the path of a file, with pseudonyms for all names that are whole tokens."""
        folded = Folded(at)
        tokens = TOKEN.findall(folded.key)
        starts = _token_starts(tokens)
        replacements: list[tuple[int, int, str]] = []
        name_end = 0
        for index, start in enumerate(starts[:-1]):
            candidates = self.index.names_at(tokens, index)
            counts_lines = PLACE_NUMBER.search(folded.key[max(0, start - 10) : start])
            if not candidates or counts_lines or start < name_end:
                continue
            next_index, name = candidates[0]
            name_end = starts[next_index]
            replacements.append((start, name_end, self.pseudonym(name.person)))
        return folded.replace(replacements)

    def _is_mention(self, candidate: Candidate) -> bool:
        return (
            _is_marked(candidate)
            or _begins_line_with_sign(candidate)
            or self._begins_or_ends_line(candidate)
            or self._stands_for_itself(candidate)
        )

    def _begins_or_ends_line(self, candidate: Candidate) -> bool:
        """`name how are you`, and `how are you, name?`"""
        key, end = candidate.text.key, candidate.end
        ends_line = candidate.context.endswith(", ") and LINE_END.match(key, end)
        begins_line = candidate.begins_line and COMPOUND_END.match(key, end)
        return bool(ends_line or begins_line) and not self.is_word(candidate.name.words)

    def _stands_for_itself(self, candidate: Candidate) -> bool:
        """A nick, or a name of two words that is capitalized as it is spelled or is no phrase of the language."""
        if INSIDE_WORD.search(candidate.context) or not WORD_END.match(candidate.text.key, candidate.end):
            return False
        name = candidate.name
        if name.is_nick:
            return True
        words = name.words
        if not name.is_whole or " " not in name.spelling or len(words) < 2:
            return False
        is_capitalized = name.spelling != name.spelling.lower()
        return (is_capitalized and candidate.is_spelled_exactly) or not self.is_word(words)


def _is_marked(candidate: Candidate) -> bool:
    """`@name`, and `<name>` before a quoted message."""
    is_quoted = OPENING_ANGLE.search(candidate.context) and CLOSING_ANGLE.match(candidate.text.key, candidate.end)
    return bool(AT_SIGN.search(candidate.context) or is_quoted)


def _begins_line_with_sign(candidate: Candidate) -> bool:
    """`name: hello`, and `name, hello` in the exact spelling. A short number is an item's or a time's."""
    spelled = candidate.text.key[candidate.start : candidate.end]
    is_short_number = len(spelled) < 5 and spelled.isdigit()
    if not candidate.begins_line or not candidate.name.is_whole or is_short_number:
        return False
    sign = ADDRESS_SIGN.match(candidate.text.key, candidate.end)
    return sign is not None and (sign[1] == ":" or candidate.is_spelled_exactly)


def _token_starts(tokens: list[str]) -> list[int]:
    """Where each token begins, and where the last one ends."""
    return list(accumulate(map(len, tokens), initial=0))


def _match_end(pattern: re.Pattern[str], text: str, start: int) -> int:
    """Where the match that begins at `start` ends; `start` if there is none."""
    match = pattern.match(text, start)
    return match.end() if match else start
