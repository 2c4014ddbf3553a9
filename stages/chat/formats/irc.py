"""IRC logs of the usual clients, bouncers and bots.

In a folder of logs, files of one room are those whose names differ only in the day. Joins and the like are rejects.
"""

import re
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta, tzinfo

from stages.chat import Columns, Message, ReadSettings, Reject
from stages.chat.exports import ExportFile
from stages.chat.files import lines, read_each
from stages.chat.formats.irc_clocks import Clocks
from stages.chat.formats.irc_days import Days, NoDayError
from stages.chat.formats.irc_lines import Kind, Line, read_line
from stages.chat.formats.irc_rooms import days_in_paths, rooms

ENDINGS = (".log", ".txt", ".weechatlog", ".xchatlog")
# ZNC's, before and after what was said while nobody was connected. There, texts begin with the time of that.
PLAYBACK_NOTE = re.compile(r"\*{3}>?\s+(?:(?P<begins>Buffer Playback\.\.\.)|Playback Complete\.)")
PLAYED_BACK = re.compile(r"\[(?P<hour>[01]\d|2[0-3]):(?P<minute>[0-5]\d)(?::(?P<second>[0-5]\d))?\] ")


def fits(start: str, columns: Columns) -> bool:
    """Whether half of the lines or more are an IRC log's: people paste some into other chats too."""
    written = [line for line in re.split(r"\r\n|[\r\n]", start) if line.strip()]
    count = sum(_is_of_log(read_line(line)) for line in written)
    return count > 0 and count * 2 >= len(written)


def _is_of_log(line: Line) -> bool:
    return line.kind in (Kind.DAY, Kind.EVENT) or (line.kind is Kind.SPEECH and line.stamp is not None)


def read(files: Sequence[ExportFile], settings: ReadSettings) -> Iterator[Message | Reject]:
    rooms_of_files = rooms(files)
    days_of_files = days_in_paths(files)
    clocks = Clocks(files, rooms_of_files, days_of_files)

    def read_file(file: ExportFile, settings: ReadSettings) -> Iterator[Message | Reject]:
        days = Days(file, days_of_files[file.name], settings.zone, clocks.of)
        return _read_file(file, rooms_of_files[file.name], days)

    return read_each(files, settings, fits, read_file)


def _read_file(file: ExportFile, room: str, days: Days) -> Iterator[Message | Reject]:
    is_played_back = False
    for entry in lines(file):
        if isinstance(entry, Reject):
            yield entry
            continue
        at, text = entry
        line = read_line(text)
        if line.kind is Kind.SPEECH:
            message = _message(at, room, line, days)
            if is_played_back and isinstance(message, Message):
                message = _original_message(message, days.zone)
            yield message
        elif line.kind is Kind.DAY:
            days.begin(at, line.text)
        elif text.strip():
            if note := PLAYBACK_NOTE.search(text):
                is_played_back = note["begins"] is not None
            yield Reject(at, "system")


def _message(at: str, room: str, line: Line, days: Days) -> Message | Reject:
    """Raises click.ClickException where nothing in the log tells its day."""
    if line.stamp is None:
        return Reject(at, "bad_time")
    try:
        return Message(at, room, line.nick, line.text, days.seconds_of(line.stamp))
    except (ValueError, OverflowError):
        return Reject(at, "bad_time")
    except NoDayError:
        if days.has_day_line:  # further on
            return Reject(at, "bad_time")
        raise days.file.error("no day: neither the lines nor the file's name have one (2004-11-15)") from None


def _original_message(message: Message, zone: tzinfo) -> Message:
    """A message that was played back, at the last time before that its text names, without this time in the text."""
    stamp = PLAYED_BACK.match(message.text)
    if not stamp:
        return message
    line_time = datetime.fromtimestamp(message.timestamp, zone)
    hour, minute, second = (int(number or 0) for number in stamp.groups())
    first_time = line_time.replace(hour=hour, minute=minute, second=second)
    if first_time.replace(second=line_time.second) > line_time:  # the time of the line may have no seconds
        first_time -= timedelta(days=1)
    return message._replace(text=message.text[stamp.end() :], timestamp=int(first_time.timestamp()))
