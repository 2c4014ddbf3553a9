"""Patterns of mentions.py: what may stand before a name, in it and after it.

All but NICK_CHARACTER read folded text in lower case (see folding.py). A pattern that repeats is bounded, so that the
time for a text grows with its length alone.
"""

import re
import unicodedata

COMBINING_MARKS = "".join(char for char in map(chr, range(0x300, 0x3100)) if unicodedata.category(char)[0] == "M")
UNSPACED_SCRIPTS = "\u0e00-\u0eff\u1000-\u11ff\u1780-\u17ff\u2e80-\U000e0000"  # no blanks between words
LETTER = rf"[^\W_{UNSPACED_SCRIPTS}]"  # or digit, of a script with blanks between words

# The units that a name consists of: a word, a run of blanks, or one character of an unspaced script.
TOKEN = re.compile(rf"{LETTER}+(?:[{COMBINING_MARKS}]+{LETTER}*)*| +|.[{COMBINING_MARKS}\u1160-\u11ff]*", re.DOTALL)
WORD = re.compile(rf"[^\W\d_](?:[^\W\d_]|[{COMBINING_MARKS}])*")
PHONE_NUMBER = re.compile(r"\+[\d\s()./-]+")
NICK_CHARACTER = re.compile(rf"[\d_]|[^\w\s{COMBINING_MARKS}'.,:;&+/!?()\"-]")  # in no word of a language

# Before a name. Each is searched in the few characters before it.
AT_SIGN = re.compile(r"(?:^|[^a-z0-9.+%_-])@[!&]?$")  # no e-mail address: nothing of one stands before the sign
OPENING_ANGLE = re.compile(r"<[ @+%&~!]{0,2}$")  # of a quoted line, with the marks of IRC's operators
INSIDE_WORD = re.compile(rf"{LETTER}[{COMBINING_MARKS}]*_*$")
PLACE_NUMBER = re.compile(r", (?:line|message) $")  # a number after it counts lines of an export, and is no name

# After a name. Each is matched where the name ends.
CLOSING_ANGLE = re.compile(" ?>")
WORD_END = re.compile(rf"(?!_{{0,9}}{LETTER})")
COMPOUND_END = re.compile(  # no word, path or compound goes on, nor "don't"; a genitive's 's may follow
    r"(?!_{0,9}[^\W_])(?![-./\\@+=#~]{1,9}\w)(?!'(?!s\b)\w)"
)
LINE_END = re.compile(r"[.!?)]{0,9} ?(?:\n|$)")
CLOSING_MARKS = r"[*_~`\"')\]}>】」》»]{0,9}"
ADDRESS_SIGN = re.compile(  # of `name:` and `name,`, but not of a link, a path or a smiley
    rf"{CLOSING_MARKS} ?([:,;])(?![/\\])(?:(?<! [:;])|(?= |\n|$))"
)
NAME_SEPARATOR = re.compile(  # between the names of several people who are addressed
    rf"{CLOSING_MARKS}(?: ?(?:[,:;&/+]|and |und |y |et |和|与))* ?"
)

# What a line may have before the name of the person it addresses: times, bullets, greetings, a bot's command.
DATE = r"\d{1,4}[-./]\d\d?(?:[-./]\d{0,4})?"  # it may lack the year
TIME = rf"(?:{DATE},?[ t]?)?\d\d?:\d\d(?::\d\d)?(?:[.,]\d{{1,6}})?(?: ?[ap]\.?m\.?|z)?(?:,? {DATE})?"
GREETINGS = "hi+|hey|hello|yo|dear|thanks|thank you|thx|ty|hallo|moin|liebe[rs]?|danke|hola|gracias|salut|merci|ciao"
LINE_HEAD = re.compile(
    rf"(?:[\[(<]{TIME}[\])>]|{TIME}(?= )|\d{{1,3}}[.)] |[-\]>*+#•·|\"'(\[{{_~`【「《«<@ ]|(?:{GREETINGS})[ ,!]+"
    r"|![\w-]{1,30} ?[|>@])*"
)

# How a log uses a word. Both read the text as written.
WORD_IN_SENTENCE = re.compile(r" ([^\W\d_A-Z]{3,})(?![^ ,.!?\n])")  # in small letters, between blanks
WORD_BEFORE_SIGN = re.compile(r"([^\W\d_]+)[:,]")  # where a message begins: perhaps a name
