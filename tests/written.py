"""Chats written in each export format, as its documentation has it and without the readers' help: piece by piece, so
that a large one needs no memory.
"""

import csv
import io
import itertools
import json
import re
import zipfile
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple


class Said(NamedTuple):
    sender: str
    text: str
    timestamp: int


Pieces = Iterator[str]


def when(one: Said, form: str) -> str:
    return datetime.fromtimestamp(one.timestamp, UTC).strftime(form)


def array(start: str, rows: Iterable[Any], end: str, indent: int | None = None) -> Pieces:
    yield start
    for number, row in enumerate(rows):
        yield (",\n" if number else "\n") + json.dumps(row, ensure_ascii=False, indent=indent)
    yield end


def wechat(said: Iterable[Said]) -> Pieces:
    for number, one in enumerate(said):
        data = {"fromUser": one.sender, "fromGroup": "1@chatroom", "newMsgId": number, "timestamp": one.timestamp}
        row = {"messageType": "80001", "data": data | {"content": one.text, "self": False}}
        yield json.dumps(row, ensure_ascii=False, indent=2) + "\n"


def slack(said: Iterable[Said]) -> Pieces:
    def row(number: int, one: Said) -> dict[str, Any]:
        text = one.text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
        return {"type": "message", "user": one.sender, "text": text, "ts": f"{one.timestamp}.{number:06}"}

    return array("[", (row(number, one) for number, one in enumerate(said)), "\n]")


def discord(said: Iterable[Said]) -> Pieces:
    def row(number: int, one: Said) -> dict[str, Any]:
        author = {"id": one.sender, "name": "somebody", "isBot": False}
        time = when(one, "%Y-%m-%dT%H:%M:%S+00:00")
        more: dict[str, Any] = {"attachments": [], "embeds": [], "reactions": []}
        return {"id": str(number), "type": "Default", "timestamp": time, "content": one.text, "author": author} | more

    start = '{"guild": {"id": "1", "name": "Lab"}, "channel": {"id": "42", "name": "help"}, "messages": ['
    return array(start, (row(number, one) for number, one in enumerate(said)), '\n], "messageCount": 0}')


def telegram(said: Iterable[Said]) -> Pieces:
    def row(number: int, one: Said) -> dict[str, Any]:
        time = {"date": when(one, "%Y-%m-%dT%H:%M:%S"), "date_unixtime": str(one.timestamp)}
        return {"id": number, "type": "message"} | time | {"from": "Somebody", "from_id": one.sender, "text": one.text}

    rows = (row(number, one) for number, one in enumerate(said))
    for piece in array('{\n "name": "Lab",\n "type": "private_group",\n "id": 5,\n "messages": [', rows, "\n ]\n}", 1):
        halves = re.split(r"(\\\\)", piece)  # an escaped backslash is no start of an escape
        yield "".join(re.sub(r"\\b", r"\\x08", re.sub(r"\\f", r"\\x0C", _shorter(half))) for half in halves)


def _shorter(text: str) -> str:
    return re.sub(r"\\u00([01])([0-9a-f])", lambda m: f"\\x{m[1]}{m[2].upper()}", text)


def irssi(said: Iterable[Said]) -> Pieces:
    day = ""
    for one in said:
        if day != (day := when(one, "%a %b %d %Y")):
            yield f"--- Day changed {day}\n"
        yield f"{when(one, '%H:%M')} <@{one.sender}> {one.text}\n"


def ubuntu(said: Iterable[Said]) -> Pieces:
    for one in said:
        yield f"[{when(one, '%H:%M')}] <{one.sender}> {one.text}\n"


def ubuntu_12_hours(said: Iterable[Said]) -> Pieces:
    for one in said:
        yield f"[{when(one, '%I:%M')}] <{one.sender}> {one.text}\n"


def weechat(said: Iterable[Said]) -> Pieces:
    for one in said:
        yield f"{when(one, '%Y-%m-%d %H:%M:%S')}\t{one.sender}\t{one.text}\n"


def whatsapp(said: Iterable[Said]) -> Pieces:
    for one in said:
        yield f"[{when(one, '%d/%m/%Y, %H:%M:%S')}] {one.sender}: {one.text}\n"


def whatsapp_us(said: Iterable[Said]) -> Pieces:
    for one in said:
        yield when(one, "%m/%d/%y, %I:%M:%S\u202f%p") + f" - {one.sender}: {one.text}\n"


def whatsapp_de(said: Iterable[Said]) -> Pieces:
    for one in said:
        yield f"{when(one, '%d.%m.%y, %H:%M:%S')} - {one.sender}: {one.text}\n"


def table(said: Iterable[Said]) -> Pieces:
    line = io.StringIO()
    writer = csv.writer(line)
    for row in itertools.chain([Said._fields], said):
        writer.writerow(row)
        yield line.getvalue()
        line.seek(line.truncate(0))


def jsonl(said: Iterable[Said]) -> Pieces:
    for one in said:
        yield json.dumps(one._asdict(), ensure_ascii=False) + "\n"


def paper(said: Iterable[Said]) -> Pieces:
    for number, one in enumerate(said):
        yield json.dumps({"id": number} | one._asdict() | {"cr_window": []}, ensure_ascii=False) + "\n"


def chitchat(said: Iterable[Said]) -> Pieces:
    rows = (one._asdict() | {"timestamp": when(one, "%Y-%m-%dT%H:%M:%SZ")} for one in said)
    return array('{"a07edb12-6b91-4138-b11e-02421888d699": {"messages": [[', rows, "]]}}")


Writer = Callable[[Iterable[Said]], Pieces]
# By the name of the writer: the reader, the name of the file, the writer, and the steps of its clock in seconds.
FORMATS: dict[str, tuple[str, str, Writer, int]] = {
    "wechat": ("wechat", "log.txt", wechat, 1),
    "slack": ("slack", "export.zip", slack, 1),
    "discord": ("discord", "help.json", discord, 1),
    "telegram": ("telegram", "result.json", telegram, 1),
    "irssi": ("irc", "lab.log", irssi, 60),
    "ubuntu": ("irc", "2017-07-14.txt", ubuntu, 60),
    "ubuntu_12_hours": ("irc", "2017-07-14.txt", ubuntu_12_hours, 60),
    "weechat": ("irc", "lab.weechatlog", weechat, 1),
    "whatsapp": ("whatsapp", "chat.txt", whatsapp, 1),
    "whatsapp_us": ("whatsapp", "chat.txt", whatsapp_us, 1),
    "whatsapp_de": ("whatsapp", "chat.txt", whatsapp_de, 1),
    "csv": ("csv", "table.csv", table, 1),
    "jsonl": ("jsonl", "table.jsonl", jsonl, 1),
    "paper": ("paper", "room.jsonl", paper, 1),
    "chitchat": ("chitchat", "chitchat.json", chitchat, 1),
}
COLUMNS = {"sender": "sender", "text": "text", "timestamp": "timestamp", "group": None, "id": None, "reply_to": None}


def write(folder: Path, format: str, pieces: Iterable[bytes]) -> Path:
    """The pieces as a file of that format, in a zip where that is the format."""
    path = folder / FORMATS[format][1]
    if path.suffix == ".zip":
        with (
            zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive,
            archive.open("general/2017-07-14.json", "w", force_zip64=True) as file,
        ):
            file.writelines(pieces)
    else:
        with path.open("wb") as plain:
            plain.writelines(pieces)
    return path


def export(folder: Path, format: str, said: Iterable[Said]) -> Path:
    return write(folder, format, (piece.encode() for piece in FORMATS[format][2](said)))
