"""How a person's pseudonym looks in a text."""

import re

PSEUDONYM_LENGTH = 16
# A letter tells it from a number. Addresses in memory, as in a kernel's messages, begin with 0000 or ffff.
PSEUDONYM = re.compile(r"(?<![0-9a-z])(?!0000|ffff)(?=[0-9]{0,15}[a-f])[0-9a-f]{16}(?![0-9a-z])")
