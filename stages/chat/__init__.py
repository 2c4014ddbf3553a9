"""Chat exports: one reader for each format, bytes in, messages out.

A reader is a module with `read(path, zone, columns)`, which yields a Message for each message of the export, in its
order, and a Broken for each place that is none, and holds no more than an entry at a time. `zone` is the time zone of
times that name none, `columns` the columns of tables; a reader that needs neither takes `**_`. What makes the whole
export unreadable is a click.ClickException that names the file and, where there is one, the line or entry.
"""

from collections.abc import Callable
from datetime import datetime, tzinfo
from typing import Any, NamedTuple

MILLISECONDS = 10**11  # in seconds this is the year 5138


class Message(NamedTuple):
    """A message as the export has it. `at` is its place there, `timestamp` in epoch seconds.

    `key` is the export's own name for the message, one of a kind in its group, and `reply_to` the key of the message
    that it answers. `names` has what else the export calls people, as pairs of a sender and a name; of somebody who is
    known by that name alone the sender is the name after an at sign.
    """

    at: str
    group: str
    sender: str
    text: str
    timestamp: int
    cr_need_gt: bool | None = None
    key: str | None = None
    reply_to: str | None = None
    names: tuple[tuple[str, str], ...] = ()


class Broken(NamedTuple):
    """A place in the export that is not a message, and the name of the reason."""

    at: str
    reason: str


def entry(at: str, make: Callable[..., Message | Broken], *raw: Any) -> Message | Broken:
    """`make(at, *raw)`, or what is wrong with the entry: nothing says that its fields are there and of their types."""
    try:
        made = make(at, *raw)
    except KeyError:
        return Broken(at, "missing_field")
    except (AttributeError, TypeError, ValueError, OverflowError):
        return Broken(at, "bad_field")
    if isinstance(made, Broken):
        return made
    named = all(isinstance(field, str) and field for field in (made.group, made.sender))
    keyed = all(isinstance(field, str | None) for field in (made.key, made.reply_to))
    if not named or not keyed or not isinstance(made.text, str) or type(made.timestamp) is not int:
        return Broken(at, "bad_field")
    return made


def called(person: Any, *names: Any) -> tuple[tuple[str, str], ...]:
    """Those of the names that are any, each with the person who has it."""
    return tuple((person, name) for name in names if isinstance(person, str) and isinstance(name, str) and name)


def moment(time: str, zone: tzinfo) -> int:
    """Epoch seconds of an ISO 8601 time, in `zone` where it names none. Raises ValueError or OverflowError."""
    when = datetime.fromisoformat(time)
    return int((when if when.tzinfo else when.replace(tzinfo=zone)).timestamp())
