"""Which files of a Slack export hold messages, by their names and how they begin, and of which room."""

import json
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import PurePosixPath

from stages.chat.exports import ExportFile

USERS_FILE = re.compile(r"(?:org_)?users(?:-[TE]\w+)?\.json")  # slackdump adds the id of the workspace
METADATA_FILE = re.compile(
    r"(?:(?:org_)?users|channels|groups|dms|mpims|integration_logs|canvases|lists|content_flags|file_conversations"
    r"|huddle_transcripts|bookmarks|emojis?|usergroups|workflows)(?:-[TE]\w+)?\.json"
)
CANVAS_FILE = "canvas_in_the_conversation.json"  # in the folder of a channel
DAY = re.compile(r"\d{4}-\d\d-\d\d")
STRING = r'"(?:[^"\\]|\\.)*"'
MESSAGE = re.compile(r'"ts":\s*"\d{10}\.\d{6}"')
MESSAGE_TYPE = re.compile(r'"type":\s*"message"')
ARRAY = re.compile(r"\[\s*\{")
EMPTY = re.compile(r"\[\s*\]\s*")
DUMP = re.compile(
    rf'\{{\s*(?:"(?:channel_id|thread_ts|name|ok|oldest|latest)":\s*(?:{STRING}|null|true),\s*)*"messages":\s*\[',
    re.DOTALL,
)
THREAD = re.compile(r"-\d{10}\.\d{6}$")  # in the name of a dump
CHANNEL_ID = re.compile(rf'"channel_id":\s*({STRING})')


def is_message_array(start: str) -> bool:
    return all(pattern.search(start) for pattern in (MESSAGE, MESSAGE_TYPE)) and ARRAY.match(start) is not None


def begins_with_message(start: str) -> bool:
    """Whether the first element of an array is a message, not something that has messages."""
    array = ARRAY.match(start)
    try:
        first = json.JSONDecoder().raw_decode(start, array.end() - 1)[0] if array else {}
    except (ValueError, RecursionError):
        return False
    return MESSAGE.search(f'"ts": "{first.get("ts")}"') is not None


def is_dump(start: str) -> bool:
    """Whether a file is one that slackdump writes, an object for a channel or a thread, or an answer of the API."""
    return DUMP.match(start) is not None and MESSAGE.search(start) is not None


def is_day(file: ExportFile) -> bool:
    return DAY.fullmatch(file.stem) is not None


def is_metadata(file: ExportFile) -> bool:
    return file.path.name == CANVAS_FILE or METADATA_FILE.fullmatch(file.path.name) is not None


def is_of_users(file: ExportFile) -> bool:
    return USERS_FILE.fullmatch(file.path.name) is not None


def dumped_channel(file: ExportFile, start: str) -> str:
    """The id of a dump's channel. Old versions write it behind the messages, but name the file after it. In answers of
    the API it isn't, and the file's name has to do.
    """
    dump = DUMP.match(start)
    channel = CHANNEL_ID.search(dump[0]) if dump else None
    return channel[1].strip('"') if channel else THREAD.sub("", file.stem)


class Rooms:
    """The rooms of an export's arrays of messages: a room is a folder of days, or a file."""

    def __init__(self, files: Sequence[ExportFile]) -> None:
        rooms = [file for file in files if not is_day(file) and not is_metadata(file)]  # if they are files
        self.roots = {".", *(_folder(file) for file in files if METADATA_FILE.fullmatch(file.path.name))}
        self.files_by_folder = Counter(map(_folder, rooms))
        self.files_by_stem = Counter(file.stem for file in rooms)

    def room_of(self, file: ExportFile) -> str:
        """The channel's name; in an organization's export, whose teams may have channels of one name, the path."""
        folder, parts = _folder(file), PurePosixPath(file.name).parent.parts
        if is_day(file):
            parts = parts or (file.folder,)
        elif folder in self.roots or self.files_by_folder[folder] > 1:
            parts = (*parts, file.stem)
            if folder not in self.roots and self.files_by_stem[file.stem] > 1:  # `messages` in many folders
                return "/".join(parts)
        return "/".join(parts[parts.index("teams") :]) if "teams" in parts[:-2] else parts[-1]


def _folder(file: ExportFile) -> str:
    return PurePosixPath(file.name).parent.as_posix()
