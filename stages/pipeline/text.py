"""Foreign text in a message: what a server answers, what a file, a file's name or an entry of an archive is called."""

import base64
import re
from collections import Counter
from urllib.parse import quote

LENGTH = 200  # characters that are shown
READ = 4000  # characters that are looked at
PART = 4  # letters and digits in a row that give a part of a secret away
HIDDEN = "***"


def quoted(text: object, *secrets: str, length: int = LENGTH) -> str:
    """The text on one line as a terminal and a log may show it: printable characters alone, without what looks like a
    secret and without the `secrets` that are known, cut to `length`.

    Known secrets are found in parts, whatever stands between their letters, and as URLs, base64 and hex write them.
    """
    from stages.chat.masking import mask

    shown = str(text)[:READ]
    for secret in filter(None, secrets):
        shown = _without(shown, secret)
    shown = mask(printable(shown), (), Counter())
    return shown if len(shown) <= length else f"{shown[:length]}…"


def printable(text: object) -> str:
    """The text on one line, less escape codes, marks that turn its direction, and whatever else shows nothing."""
    return " ".join("".join(letter if letter.isprintable() else " " for letter in str(text)).split())


def _without(text: str, secret: str) -> str:
    text = text.replace(secret, HIDDEN)
    places = [place for place, letter in enumerate(text) if letter.isalnum()]
    letters = "".join(text[place].lower()[0] for place in places)
    hidden: set[int] = set()
    for form in _forms(secret):
        parts = {form[start : start + PART] for start in range(max(1, len(form) - PART + 1))}
        size = min(PART, len(form))
        for start in range(len(letters) - size + 1):
            if size and letters[start : start + size] in parts:
                hidden.update(range(places[start], places[start + size - 1] + 1))
    return re.sub("\0+", HIDDEN, "".join("\0" if i in hidden else letter for i, letter in enumerate(text)))


def _forms(secret: str) -> list[str]:
    """The letters and digits, in lower case, of what a secret looks like; base64 at each place in its groups of three
    bytes, since `Bearer ` or a name may stand before it.
    """
    raw = secret.encode()
    forms = [secret, quote(secret, safe=""), raw.hex()]
    forms += [base64.b64encode(b"\0" * before + raw).decode() for before in range(3)]
    return ["".join(filter(str.isalnum, form)).lower() for form in forms]
