"""Logs for people to read, in which a line begins an entry or goes on with the one before."""

from collections.abc import Callable, Iterator

from stages.chat import Message, Reject
from stages.chat.exports import ExportFile
from stages.chat.files import MAX_ENTRY_BYTES, lines

# What a line at a place begins: an entry, nothing (a line of a day, a title), or None where it goes on.
BeginEntry = Callable[[str, str], list[Message | Reject] | None]


def log_entries(
    file: ExportFile, begin: BeginEntry, complete: Callable[[Message], Message | Reject]
) -> Iterator[Message | Reject]:
    """The entries of a log, each message with the lines that go on with it, as `complete` makes of it.

    Blank lines at the end of a message are layout. A reject takes the lines that follow it with it.
    """
    entry: Message | Reject | None = None
    more_lines: list[str] = []
    size = 0  # of `more_lines`

    def whole_entry() -> Iterator[Message | Reject]:
        if not isinstance(entry, Message):
            yield from [entry] if entry else []
        elif size > MAX_ENTRY_BYTES:
            yield Reject(entry.at, "text_too_long")
        else:
            yield complete(entry._replace(text="\n".join([entry.text, *more_lines]).rstrip("\n")))

    for line in lines(file):
        begun: list[Message | Reject] | None = [line] if isinstance(line, Reject) else begin(*line)
        if begun is not None:
            yield from whole_entry()
            entry, more_lines, size = (begun[0] if begun else None), [], 0
        elif entry is not None:
            size += len(line[1]) + 1
            if size <= MAX_ENTRY_BYTES:
                more_lines.append(line[1])
        elif line[1].strip():
            yield Reject(line[0], "not_a_message")
    yield from whole_entry()
