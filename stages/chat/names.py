"""Who is called by name in a text: mentions of the people of a log, replaced by their pseudonyms."""

import re
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache

LONGEST = 200  # characters of a name: no client shows longer ones
# Where a name may follow: after an at sign that is in no e-mail address (some clients isolate its direction), in
# the brackets of a quoted line, and where a line begins.
FORMS = re.compile(r"(?<![A-Za-z0-9.+%_-])@\u2068?|<[ @+%&~!]?|^[ \t]*", re.MULTILINE)
MORE = re.compile(r", |@\u2068?")  # between the names of several people
WORD = re.compile(r"[^\W\u2e80-\U000e0000]")  # of a script that puts blanks between words
APART = re.compile(r"(?<!, line )(?<!, message )(?<![^\W_])(?=\S)")  # where a name may begin in a place
PHONE = re.compile(r"\+[\d\s()./-]+")


class Names:
    """The names by which a log calls its people, each with the pseudonym that `pseudonym(sender)` gives.

    A name is replaced where a chat addresses somebody, so that one that is also a word does no harm elsewhere:
    `@name`, `<name>`, and `name:` or `name,` where a line begins. Upper and lower case are one, but for `name,`, which
    also begins sentences. A name that two people have stands for the first of them.
    """

    def __init__(self, pseudonym: Callable[[str], str]) -> None:
        self.pseudonym = lru_cache(2**16)(pseudonym)
        self.pairs: set[tuple[str, str]] = set()
        self.known: dict[str, str] = {}
        self.sizes: list[int] = []  # of the names, longest first

    def learn(self, sender: str, names: Iterable[tuple[str, str]]) -> None:
        """Remember a sender, and names as pairs of a person and what the export calls that person. A person that is
        known by this name alone begins with an at sign, and gives way to one that is known.
        """
        for pair in ((sender, sender), *names):
            if pair in self.pairs:
                continue
            self.pairs.add(pair)
            person, name = pair[0], pair[1].strip()
            for form in {name, re.sub(r"\D", "", name) if PHONE.fullmatch(name) else name}:
                known = self.known.get(form.casefold())
                if 0 < len(form) <= LONGEST and (known is None or (known[0] == "@" and person[0] != "@")):
                    self.known[form.casefold()] = person
                    self.sizes = sorted({len(form), *self.sizes}, reverse=True)

    def hide(self, text: str) -> tuple[str, int]:
        """The text with pseudonyms for names, and how many were replaced."""
        parts, done, count = [], 0, 0
        for form in FORMS.finditer(text):
            at, kind = form.end(), form[0]
            while at >= done and (found := self._addressed(text, kind, at)):
                parts += [text[done:at], self.pseudonym(found[1])]
                done, count = found[0], count + 1
                if not (more := MORE.match(text, done)):
                    break
                at, kind = more.end(), kind if more[0] == ", " else more[0]
        return "".join([*parts, text[done:]]), count

    def _addressed(self, text: str, form: str, at: int) -> tuple[int, str] | None:
        """Where the name that stands at a place ends, and whose it is."""
        for end, person in self._names(text, at):
            after = text[end : end + 1]
            if "@" in form[:1] and _apart(text, end):
                return end, person
            if "<" in form and after == ">":
                return end, person
            if not form.strip() and after and after in ":," and not (text[at:end].isdigit() and end - at < 5):
                exact = (person, text[at:end]) in self.pairs
                if exact or after == ":":
                    return end, person
        return None

    def _names(self, text: str, at: int) -> Iterator[tuple[int, str]]:
        for size in self.sizes:
            if at + size <= len(text) and (person := self.known.get(text[at : at + size].casefold())):
                yield at + size, person

    def place(self, at: str) -> str:
        """A place in the export, such as the path of a file there, with pseudonyms for all names that stand apart."""
        parts, done = [], 0
        for start in APART.finditer(at):
            for end, person in self._names(at, start.start()):
                if start.start() >= done and not re.match(r"[^\W_]", at[end:]) and at[start.start() : end].strip():
                    parts += [at[done : start.start()], self.pseudonym(person)]
                    done = end
        return "".join([*parts, at[done:]])


def _apart(text: str, end: int) -> bool:
    """Whether no word goes on at a place."""
    return not (WORD.match(text[end - 1]) and WORD.match(text[end : end + 1]))
