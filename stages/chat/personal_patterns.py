"""Patterns of masking.py: what e-mail addresses, account numbers, IP addresses and home folders look like.

All read folded text (see folding.py). The time of each pattern grows with the length of the text alone.
"""

import re

LATIN = r"A-Za-z0-9\u00c0-\u024f\u0300-\u036f"  # not \w: Chinese goes on after an address without a blank

EMAIL = re.compile(rf"(?<![{LATIN}.+%_'-])[{LATIN}][{LATIN}.+%_'-]*@(?:[{LATIN}-]+\.)+[{LATIN}]{{2,}}(?<!\d)")
IBAN = re.compile(
    r"(?<![a-z0-9])[a-z]{2}\d\d(?:[ -]?[a-z0-9]{4}){2,7}(?:[ -]?[a-z0-9]{1,3})?(?![a-z0-9])", re.IGNORECASE | re.ASCII
)
CARD = re.compile(r"(?<![\w.@#/-])(?:3\d|[456]\d|2[2-7])\d\d(?:[ -]?\d){8,15}(?![\w>-])", re.ASCII)

IPV4 = re.compile(
    r"(?<![\w.+~])(?<![a-z][-/])(?:\d{1,3}\.){3}\d{1,3}(?!\w|\.\w|[+~]|-\w*[a-z])", re.IGNORECASE | re.ASCII
)
IPV6 = re.compile(r"(?<![\w:.])(?=(?:[0-9a-f]*:){2})(?=[a-f:]*\d)[0-9a-f:]{6,39}(?![\w:.])", re.IGNORECASE | re.ASCII)
VERSION = re.compile(r"\d(?:\.[012]?\d){3}$")  # such as 2.6.8.1; hardly any address has small numbers alone
UNSPECIFIC_IPV4 = re.compile(r"0\.0\.0\.0$|127\.|255\.")  # any machine, this machine, a network mask

# A home folder: /home/NAME, /Users/NAME, C:\Users\NAME. These names are no person's.
NOBODYS_FOLDER = r"(?!(?:user(?:name)?|you|your[\w-]*|name|public|default|shared|guest|ubuntu|all users)(?![\w-]))"
UNIX_HOME = rf"(?:(?<![\w./:-])|(?<=file://)|(?<=[\w\]]:))(?:/\w{{1,20}}){{0,3}}?/(?:home|users)/{NOBODYS_FOLDER}"
UNIX_NAME = rf"(?:[{LATIN}_+-]|\.(?=\w)){{1,60}}|[^\s/\[<>$]{{1,60}}(?=/)"
WINDOWS_HOME = rf"[:\\]\\{{1,2}}(?:users|documents and settings)\\{{1,2}}{NOBODYS_FOLDER}"
WINDOWS_NAME = r"[^\s\\/:;,\"'`<>|*?()\[%]{1,60}"
HOME_FOLDER = re.compile(  # the group that matches is the person's name
    rf"{UNIX_HOME}(?P<unix>{UNIX_NAME})"
    rf"|{WINDOWS_HOME}(?P<windows>(?:{WINDOWS_NAME} ?){{1,3}}(?=\\)|{WINDOWS_NAME})",
    re.IGNORECASE,
)

SEVEN_DIGITS = re.compile(r"\d(?:\D{0,4}\d){6}")  # no phone number has fewer
NUMBER_MENTION = re.compile(r"(?<!\w)@(?=\d{7})", re.ASCII)  # @4915112345678: WhatsApp's mention of a phone number

# Every match of any rule has one of these, so that most texts are read once.
MAY_HOLD_PERSONAL_DATA = re.compile(r"[\d@:=/\\\"-]|basic |[是为]", re.IGNORECASE)
