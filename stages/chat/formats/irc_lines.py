"""The lines of IRC logs as clients, bouncers and bots write them: a time, then what was said or what happened.

All write `<nick> text`, most `* nick text` for an action (/me). The forms of times differ.
"""

import re
from enum import Enum, auto
from typing import NamedTuple

from stages.chat.formats.irc_events import EVENT, EVENT_WITHOUT_TIME, is_event
from stages.chat.senders import without_invisible

STYLES = re.compile(  # the codes of colours, of bold and the like
    r"\x03(?:\d{1,2}(?:,\d{1,2})?)?|\x04(?:[0-9A-Fa-f]{6}(?:,[0-9A-Fa-f]{6})?)?|[\x02\x0f\x11\x16\x1d-\x1f]"
)
CLOCK = (
    r"(?P<hour>\d{1,2}):(?P<minute>\d\d)(?::(?P<second>\d\d)(?:[.,]\d+)?)?"
    r"(?:[ \u202f]?(?P<half>[AaPp])\.?[Mm]\.?(?!\w))?"
)
ZONE = r"(?: ?(?P<zone>Z|UTC|GMT|[+-]\d\d:?\d\d(?!\d))| [A-Z]{2,5}(?=\]))?"
# A number before the bracket is KVIrc's of the kind of line, or mIRC's of a colour whose code got lost.
STAMP = re.compile(rf"(?:(?:(?P<kind>\d{{1,3}}) ?)?\[|\()?{CLOCK}[\])]?")
DATED_STAMP = re.compile(
    r"(?:(?P<kind>\d{1,3}) )?[\[(]?(?P<date>\d{4}([-/.]?)\d\d\3\d\d|\d\d?([-/.])\d\d?\4(?:\d\d){1,2})"
    rf"(?:[T ,_@-]|\] ?\[)+{CLOCK}{ZONE}[\])]?"
)
WORDED_STAMP = re.compile(  # Jan 05 12:18:05, [Tuesday, January 5, 2016] [12:18:05 PM], Tue Jan 5 12:18:05 2016
    r"[\[(]?(?P<date>(?=[^\[\]()<>*:\t]*?[^\W\d_])\w[^\[\]()<>*:\t=|]{3,48}?)(?:\] ?\[|[ /,])+"
    rf"{CLOCK}(?: (?P<year>\d{{4}}))?{ZONE}[\])]?"
)
EPOCH_STAMP = re.compile(r"\[?(?P<epoch>\d{9,10})(?:\.\d+)?(?:\]|(?= ))")
MARKS = "@+%&~!"  # of operators
# The nick may have blanks in it where a bridge wrote the log, and irssi may add the channel: `<nick:#room>`. Bouncers
# call themselves `*status` and the like, which no nick can be.
SPEECH = re.compile(
    r"(?: *|\t)<[\s@+%&~!]*(?P<nick>[^>\s*-][^>\s]*?|[^>\s:*!-][^>\s:!]*(?: [^>\s:!]+){1,3})(?::[#&][^>\s]*)? *>"
    r"[ \t]?(?P<text>.*)",
    re.DOTALL,
)
ACTION = re.compile(r"(?P<blanks> *)\*[ \t]+[@+%&~!]*(?P<nick>[^\s:*][^\s:]*) (?P<text>.*)", re.DOTALL)
# IRCCloud's, Textual's, eggdrop's and Quassel's, and `*nick text`.
OTHER_ACTION = re.compile(
    r"[ \t]*(?:(?:—|•|Action:|-\*-) |\*(?![\s*]))[@+%&~!]*(?P<nick>[^\s:*]+):? (?P<text>.*)", re.DOTALL
)
# What clients send each other, as the server sends it and ii writes it; an action is a person's.
CTCP = re.compile(r"\x01ACTION (?P<action>[^\x01]*)\x01?|\x01[A-Z]{3,20}(?: [^\x01]*)?\x01")
BIP_SPEECH = re.compile(  # `< nick!user@host: text`, `> nick: text`, `< * nick!user@host text`
    r" [<>] (?:(?P<nick>[^\s!:*]+)(?:!\S*)?(?: \(\S+\))?:|\* (?P<actor>[^\s!]+)(?:!\S*)?) (?P<text>.*)", re.DOTALL
)
KVIRC_ACTION = "32"
NO_NICK = re.compile(r"[-*].*|[^\w\[\]\\`^{|}]*")  # WeeChat's `-->` and the like, also those that users chose
DAY_LINE = re.compile(  # irssi's, XChat's, KVIrc's, mIRC's, Konversation's
    r"(?:\d{1,3} )?(?:--- |\*{4} |### |Session (?:Start|Time)[^:]*: |IRC log started |\*\*\* on )"
    r"(?P<day>(?=.*(?<!\d)\d{4}(?!\d)).*(?<!\d)\d{1,2}(?!\d).*)"
)
END_OF_LOG = re.compile(
    r"--- Log closed |\*{4} ENDING LOGGING |(?:\d{1,3} )?### Log session terminated |Session Close|IRC log ended "
)
TIMED_DAY_LINE = re.compile(  # eggdrop's `--- Tue Jan  5 2016`
    r" (?:---(?= [^\W\d]\S* [^\W\d]\S* +\d{1,2},? \d{4}\s*$)|(?:-!-|\*{1,3}|-{2,3}) Day changed(?: to)?:?) (?P<day>.*)"
)


class Kind(Enum):
    """What a line holds."""

    SPEECH = auto()
    DAY = auto()  # from here on
    EVENT = auto()
    OTHER = auto()


class Stamp(NamedTuple):
    """The time before a line. `date` is empty where it has none; with `has_half`, `hour` is that of 24."""

    date: str
    hour: int
    minute: int
    second: int | None
    has_half: bool = False
    zone: str = ""
    epoch: int | None = None


class Line(NamedTuple):
    """A line. `text` is what was said, or what names the day; `stamp` is None where no time is before it."""

    kind: Kind
    stamp: Stamp | None = None
    nick: str = ""
    text: str = ""


def read_line(line: str) -> Line:
    if not line.isprintable():  # which is faster to tell
        line = STYLES.sub("", line)
    for pattern in (STAMP, DATED_STAMP, EPOCH_STAMP, WORDED_STAMP):
        stamped = pattern.match(line)
        if stamped:
            log_line = _line_after_stamp(stamped, line[stamped.end() :])
            is_no_line = pattern is WORDED_STAMP and log_line.kind is Kind.OTHER
            return _line_without_stamp(line) if is_no_line else log_line
    return _line_without_stamp(line)


def _line_without_stamp(line: str) -> Line:
    if END_OF_LOG.match(line):
        return Line(Kind.EVENT)
    if day_line := DAY_LINE.match(line):
        return Line(Kind.DAY, text=day_line["day"])
    if SPEECH.match(line):
        return Line(Kind.SPEECH)
    return Line(Kind.EVENT if EVENT_WITHOUT_TIME.match(line) else Kind.OTHER)


def _line_after_stamp(stamped: re.Match[str], rest: str) -> Line:
    speech = SPEECH.match(rest)
    if speech:
        return _speech(_stamp(stamped), *speech.group("nick", "text"))
    stamp = _stamp(stamped)
    # Of the formats with tabs after a clock alone, only WeeChat's has seconds.
    if rest.startswith("\t") and (stamp.date or stamp.second is not None) and rest.count("\t") > 1:
        return _weechat_line(stamp, rest)
    action = ACTION.match(rest)
    if action and (len(action["blanks"]) > 1 or not is_event(rest[rest.index("*") + 1 :].lstrip())):
        return _speech(stamp, *action.group("nick", "text"))
    return _rare_line(stamped, stamp, rest)


def _speech(stamp: Stamp, nick: str, text: str) -> Line:
    if not nick.isascii():
        nick = without_invisible(nick).lstrip(MARKS)
    ctcp = CTCP.fullmatch(text) if text.startswith("\x01") else None
    if ctcp:
        if ctcp["action"] is None:
            return Line(Kind.EVENT, stamp)
        text = ctcp["action"]
    return Line(Kind.SPEECH, stamp, nick, text) if nick else Line(Kind.EVENT, stamp)


def _rare_line(stamped: re.Match[str], stamp: Stamp, rest: str) -> Line:
    if day_line := TIMED_DAY_LINE.match(rest):
        return Line(Kind.DAY, text=day_line["day"])
    action = OTHER_ACTION.match(rest)
    if action and not is_event(rest.lstrip(" \t*")):
        return _speech(stamp, *action.group("nick", "text"))
    if stamp.date and (speech := BIP_SPEECH.match(rest)):
        return _speech(stamp, speech["nick"] or speech["actor"], speech["text"])
    if stamped.groupdict().get("kind") == KVIRC_ACTION:
        nick, _, text = rest.strip(" *").partition(" ")
        return _speech(stamp, nick.strip(MARKS), text)
    return Line(Kind.EVENT if EVENT.match(rest) else Kind.OTHER, stamp)


def _weechat_line(stamp: Stamp, rest: str) -> Line:
    prefix, _, text = rest[1:].partition("\t")
    nick = prefix.strip().removeprefix("<").removesuffix(">").strip()
    if nick == "*":
        nick, _, text = text.partition(" ")
    nick = nick.lstrip(MARKS)
    return Line(Kind.EVENT, stamp) if NO_NICK.fullmatch(nick) else _speech(stamp, nick, text)


def _stamp(stamped: re.Match[str]) -> Stamp:
    if stamped.re is EPOCH_STAMP:
        return Stamp("", 0, 0, 0, epoch=int(stamped["epoch"]))
    hour, minute, second, half = stamped.group("hour", "minute", "second", "half")
    number = int(hour)
    if half and number <= 12:
        number = number % 12 + 12 * (half in "Pp")
    day = zone = ""
    if stamped.re is not STAMP:
        day, zone = stamped["date"], stamped["zone"] or ""
        if stamped.re is WORDED_STAMP and stamped["year"]:
            day = f"{day} {stamped['year']}"
    return Stamp(day, number, int(minute), min(int(second), 59) if second else None, half is not None, zone)
