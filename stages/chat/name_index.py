"""The names of a log's people, looked up by the tokens of a text."""

import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from stages.chat.folding import Folded
from stages.chat.mention_patterns import NICK_CHARACTER, PHONE_NUMBER, TOKEN, WORD

MAX_NAME_LENGTH = 200  # characters; no client shows longer names
MAX_CANDIDATES = 4  # names that begin at one token, longest first


@dataclass(slots=True)
class Name:
    """What a person is called. `is_whole` is false for a part of a longer name. A person who is known by this name
    alone begins with an at sign.
    """

    person: str
    spelling: str
    is_whole: bool

    @property
    def rank(self) -> tuple[bool, bool]:
        """Of two names with one spelling the higher rank wins: a whole name, then a person known by more than it."""
        return self.is_whole, self.person[0] != "@"

    @property
    def words(self) -> list[str]:
        return WORD.findall(self.spelling.casefold())

    @property
    def is_nick(self) -> bool:
        """Whether no word of a language is spelled like this: it has inner capitals, digits or symbols."""
        name = self.spelling
        has_inner_capitals = name != name.lower() and name[1:] != name[1:].lower() and name != name.upper()
        is_one_word = " " not in name and len(name) > 2 and bool(WORD.search(name))
        return is_one_word and (has_inner_capitals or bool(NICK_CHARACTER.search(name)))


class NameIndex:
    """A tree of tokens. The path to a node spells a name; the node has the Name under the key ""."""

    def __init__(self) -> None:
        self.root: dict[str, Any] = {}

    def add(self, person: str, name: str) -> None:
        """Add a name with its shorter forms. A name that two people have stays the first one's unless the second has
        a higher rank.
        """
        for form in _forms(person, re.sub(" +", " ", Folded(name).shadow).strip()):
            if not 0 < len(form.spelling) <= MAX_NAME_LENGTH or not (form.is_whole or WORD.search(form.spelling)):
                continue
            node = self.root
            for token in TOKEN.findall(form.spelling.casefold()):
                node = node.setdefault(sys.intern(token), {})
            if "" not in node or form.rank > node[""].rank:
                node[""] = form

    def has_any(self, tokens: list[str]) -> bool:
        """Whether a name begins with any of the tokens."""
        return not self.root.keys().isdisjoint(tokens)

    def names_at(self, tokens: list[str], index: int) -> list[tuple[int, Name]]:
        """The names that begin at a token, longest first, each with the index of the token after it."""
        if tokens[index] not in self.root:  # most tokens begin no name
            return []
        names: list[tuple[int, Name]] = []
        node = self.root
        for next_index, token in enumerate(tokens[index : index + MAX_NAME_LENGTH], start=index + 1):
            child = node.get(" " if token[0] == " " else token)  # any run of blanks is one blank
            if child is None:
                break
            node = child
            if "" in node:
                names.append((next_index, node[""]))
        return names[::-1][:MAX_CANDIDATES]


def _forms(person: str, spelling: str) -> Iterator[Name]:
    """A name and its shorter forms: a phone number's digits, a name without symbols around it, its first word."""
    yield Name(person, spelling, is_whole=True)
    if PHONE_NUMBER.fullmatch(spelling):
        yield Name(person, re.sub(r"\D", "", spelling), is_whole=True)
        return
    bare = re.sub(r"^[\W_]+|[\W_]+$", "", spelling)
    if WORD.search(bare):
        first_word = re.sub(r"[\W_]+$", "", bare.split()[0])
        yield Name(person, bare, is_whole=" " in bare)
        yield Name(person, first_word, is_whole=False)
