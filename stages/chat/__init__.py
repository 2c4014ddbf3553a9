"""Chat exports to messages.

A format is a module of stages/chat/formats with three names. `ENDINGS` are those of its files in a folder or a zip.
`fits(start, columns)` says whether a file may be of the format, by its first 64 KB as text. `read(files, settings)`
yields the entries of all files in their order: a Message, or Reject for an entry that is no message. It holds one
entry at a time. An export that can't be read at all raises a click.ClickException that names the file and, where there
is one, the line or entry.
"""

from collections.abc import Callable, Mapping
from datetime import datetime, tzinfo
from typing import Any, NamedTuple

MILLISECONDS = 10**11  # timestamps from here on are in milliseconds; in seconds this is the year 5138

Columns = Mapping[str, str | None]  # names of a table's columns by what they hold; None: there is none
NamePairs = tuple[tuple[str, str], ...]  # each a sender and a name of the sender


class ReadSettings(NamedTuple):
    """What the readers are told: the zone of times that name none, and of tables the columns and, if not all rows are
    texts of people, the values of the column `type` that are.
    """

    zone: tzinfo
    columns: Columns
    text_types: frozenset[str] = frozenset()


class Message(NamedTuple):
    """A message as it stands in the export.

    `at` is its place in the export, and `timestamp` is in epoch seconds. `key` is the export's own id of the message,
    unique in its group, and `reply_to` the key of the message that it answers. `names` are further names of people;
    for a person whose sender is unknown, the sender is the name after an at sign.
    """

    at: str
    group: str
    sender: str
    text: str
    timestamp: int
    cr_need_gt: bool | None = None
    key: str | None = None
    reply_to: str | None = None
    names: NamePairs = ()


class Reject(NamedTuple):
    """An entry of the export that is no message: its place and the reason."""

    at: str
    reason: str


def parse_entry(at: str, parse: Callable[..., Message | Reject], *raw: Any) -> Message | Reject:
    """`parse(at, *raw)`, or Reject where fields are missing or have the wrong type."""
    try:
        entry = parse(at, *raw)
    except KeyError:
        return Reject(at, "missing_field")
    except (AttributeError, TypeError, ValueError, OverflowError):
        return Reject(at, "bad_field")
    if isinstance(entry, Reject) or _has_valid_types(entry):
        return entry
    return Reject(at, "bad_field")


def _has_valid_types(message: Message) -> bool:
    has_names = all(isinstance(name, str) and name for name in (message.group, message.sender))
    has_keys = all(isinstance(key, str | None) for key in (message.key, message.reply_to))
    return has_names and has_keys and isinstance(message.text, str) and type(message.timestamp) is int


def name_pairs(person: Any, *names: Any) -> NamePairs:
    """A pair of the person and each name that is text."""
    return tuple((person, name) for name in names if isinstance(person, str) and isinstance(name, str) and name)


def epoch_seconds(time: str, zone: tzinfo) -> int:
    """Epoch seconds of an ISO 8601 time, in `zone` if it names none. Raises ValueError or OverflowError."""
    parsed = datetime.fromisoformat(time)
    if not parsed.tzinfo:
        parsed = parsed.replace(tzinfo=zone)
    return int(parsed.timestamp())
