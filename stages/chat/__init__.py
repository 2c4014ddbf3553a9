"""Chat exports: one reader for each format, bytes in, messages out.

A reader is a module with `read(path)`, which yields a Message for each message of the export, in its order, and a
Broken for each place that it can't read.
"""

from typing import NamedTuple


class Message(NamedTuple):
    """A message as the export has it. `at` is its place there, `timestamp` in epoch seconds."""

    at: str
    group: str
    sender: str
    text: str
    timestamp: int
    cr_need_gt: bool | None = None


class Broken(NamedTuple):
    """A place in the export that is not a message, and the name of the reason."""

    at: str
    reason: str
