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
from zoneinfo import ZoneInfo

from stages.chat import Message, ReadSettings, Reject, detection
from stages.chat.exports import open_export
from stages.pipeline.params import params
from tests.conftest import ROOT


class Utterance(NamedTuple):
    sender: str
    text: str
    timestamp: int


Pieces = Iterator[str]


def when(message: Utterance, form: str) -> str:
    return datetime.fromtimestamp(message.timestamp, UTC).strftime(form)


def array(start: str, rows: Iterable[Any], end: str, indent: int | None = None) -> Pieces:
    yield start
    for number, row in enumerate(rows):
        yield (",\n" if number else "\n") + json.dumps(row, ensure_ascii=False, indent=indent)
    yield end


def wechat(chat: Iterable[Utterance]) -> Pieces:
    for number, message in enumerate(chat):
        data = {
            "fromUser": message.sender,
            "fromGroup": "1@chatroom",
            "newMsgId": number,
            "timestamp": message.timestamp,
        }
        row = {"messageType": "80001", "data": data | {"content": message.text, "self": False}}
        yield json.dumps(row, ensure_ascii=False, indent=2) + "\n"


def slack(chat: Iterable[Utterance]) -> Pieces:
    def row(number: int, message: Utterance) -> dict[str, Any]:
        text = message.text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
        return {"type": "message", "user": message.sender, "text": text, "ts": f"{message.timestamp}.{number:06}"}

    return array("[", (row(number, message) for number, message in enumerate(chat)), "\n]")


def discord(chat: Iterable[Utterance]) -> Pieces:
    def row(number: int, message: Utterance) -> dict[str, Any]:
        author = {"id": message.sender, "name": "somebody", "isBot": False}
        time = when(message, "%Y-%m-%dT%H:%M:%S+00:00")
        more: dict[str, Any] = {"attachments": [], "embeds": [], "reactions": []}
        return {
            "id": f"{message.timestamp}{number}",  # of its own in each file of a channel
            "type": "Default",
            "timestamp": time,
            "content": message.text,
            "author": author,
        } | more

    start = '{"guild": {"id": "1", "name": "Lab"}, "channel": {"id": "42", "name": "help"}, "messages": ['
    return array(start, (row(number, message) for number, message in enumerate(chat)), '\n], "messageCount": 0}')


def telegram(chat: Iterable[Utterance]) -> Pieces:
    def row(number: int, message: Utterance) -> dict[str, Any]:
        time = {"date": when(message, "%Y-%m-%dT%H:%M:%S"), "date_unixtime": str(message.timestamp)}
        return (
            {"id": number, "type": "message"}
            | time
            | {"from": "Somebody", "from_id": message.sender, "text": message.text}
        )

    rows = (row(number, message) for number, message in enumerate(chat))
    for piece in array('{\n "name": "Lab",\n "type": "private_group",\n "id": 5,\n "messages": [', rows, "\n ]\n}", 1):
        halves = re.split(r"(\\\\)", piece)  # an escaped backslash is no start of an escape
        yield "".join(re.sub(r"\\b", r"\\x08", re.sub(r"\\f", r"\\x0C", _shorter(half))) for half in halves)


def _shorter(text: str) -> str:
    return re.sub(r"\\u00([01])([0-9a-f])", lambda m: f"\\x{m[1]}{m[2].upper()}", text)


def irssi(chat: Iterable[Utterance]) -> Pieces:
    day = ""
    for message in chat:
        if day != (day := when(message, "%a %b %d %Y")):
            yield f"--- Day changed {day}\n"
        yield f"{when(message, '%H:%M')} <@{message.sender}> {message.text}\n"


def ubuntu(chat: Iterable[Utterance]) -> Pieces:
    for message in chat:
        yield f"[{when(message, '%H:%M')}] <{message.sender}> {message.text}\n"


def ubuntu_12_hours(chat: Iterable[Utterance]) -> Pieces:
    for message in chat:
        yield f"[{when(message, '%I:%M')}] <{message.sender}> {message.text}\n"


def weechat(chat: Iterable[Utterance]) -> Pieces:
    for message in chat:
        yield f"{when(message, '%Y-%m-%d %H:%M:%S')}\t{message.sender}\t{message.text}\n"


def whatsapp(chat: Iterable[Utterance]) -> Pieces:
    for message in chat:
        yield f"[{when(message, '%d/%m/%Y, %H:%M:%S')}] {message.sender}: {message.text}\n"


def whatsapp_us(chat: Iterable[Utterance]) -> Pieces:
    for message in chat:
        yield when(message, "%m/%d/%y, %I:%M:%S\u202f%p") + f" - {message.sender}: {message.text}\n"


def whatsapp_de(chat: Iterable[Utterance]) -> Pieces:
    for message in chat:
        yield f"{when(message, '%d.%m.%y, %H:%M:%S')} - {message.sender}: {message.text}\n"


def table(chat: Iterable[Utterance]) -> Pieces:
    line = io.StringIO()
    writer = csv.writer(line)
    for row in itertools.chain([Utterance._fields], chat):
        writer.writerow(row)
        yield line.getvalue()
        line.seek(line.truncate(0))


def jsonl(chat: Iterable[Utterance]) -> Pieces:
    for message in chat:
        yield json.dumps(message._asdict(), ensure_ascii=False) + "\n"


def paper(chat: Iterable[Utterance]) -> Pieces:
    for number, message in enumerate(chat):
        yield json.dumps({"id": number} | message._asdict() | {"cr_window": []}, ensure_ascii=False) + "\n"


def chitchat(chat: Iterable[Utterance]) -> Pieces:
    rows = (message._asdict() | {"timestamp": when(message, "%Y-%m-%dT%H:%M:%SZ")} for message in chat)
    return array('{"a07edb12-6b91-4138-b11e-02421888d699": {"messages": [[', rows, "]]}}")


def element(chat: Iterable[Utterance]) -> Pieces:
    def row(number: int, message: Utterance) -> dict[str, Any]:
        content = {"msgtype": "m.text", "body": message.text}
        event = {"type": "m.room.message", "sender": message.sender, "content": content, "room_id": "!a:example.org"}
        return event | {"origin_server_ts": 1000 * message.timestamp + number % 1000, "event_id": f"${number}"}

    rows = (row(number, message) for number, message in enumerate(chat))
    return array('{\n "room_name": "Lab",\n "topic": "",\n "messages": [', rows, "\n ]\n}", 1)


def mattermost(chat: Iterable[Utterance]) -> Pieces:
    yield '{"type":"version","version":1}\n{"type":"team","team":{"name":"lab"}}\n'
    for message in chat:
        post: dict[str, Any] = {"team": "lab", "channel": "town", "user": message.sender, "message": message.text}
        post |= {"type": "", "props": {}, "create_at": 1000 * message.timestamp, "replies": [], "attachments": []}
        yield json.dumps({"type": "post", "post": post}, ensure_ascii=False) + "\n"


def messenger(chat: Iterable[Utterance]) -> Pieces:
    def row(message: Utterance) -> dict[str, Any]:
        more: dict[str, Any] = {"isUnsent": False, "media": [], "reactions": [], "type": "text"}
        return more | {
            "senderName": message.sender,
            "text": message.text,
            "timestamp": 1000 * message.timestamp,
        }

    start = '{"participants": ["ann", "bob"], "threadName": "Lab_1", "messages": ['
    return array(start, (row(message) for message in chat), "\n]}")


def rocketchat(chat: Iterable[Utterance]) -> Pieces:
    for number, message in enumerate(chat):
        row: dict[str, Any] = {"_id": str(number), "rid": "GENERAL", "msg": message.text, "mentions": [], "urls": []}
        row |= {"u": {"username": message.sender}, "ts": {"$date": when(message, "%Y-%m-%dT%H:%M:%S.000Z")}}
        yield json.dumps(row, ensure_ascii=False) + "\n"


def zulip(chat: Iterable[Utterance]) -> Pieces:
    def row(number: int, message: Utterance) -> dict[str, Any]:
        place = {"id": number, "sender": message.sender, "recipient": 4, "subject": "help"}
        return place | {"content": message.text, "date_sent": float(message.timestamp)}

    rows = (row(number, message) for number, message in enumerate(chat))
    return array('{"zerver_message": [', rows, '\n], "zerver_usermessage": []}')


def google_chat(chat: Iterable[Utterance]) -> Pieces:
    def row(number: int, message: Utterance) -> dict[str, Any]:
        creator = {"name": "Somebody", "email": message.sender, "user_type": "Human"}
        time = when(message, "%A, %B %d, %Y at %I:%M:%S\u202f%p UTC")
        return {"creator": creator, "created_date": time, "text": message.text, "message_id": f"a/{number}/{number}"}

    return array('{"messages": [', (row(number, message) for number, message in enumerate(chat)), "\n]}")


def signal(chat: Iterable[Utterance]) -> Pieces:
    yield '{"version":"1","backupTimeMs":"1700000000000"}\n{"recipient":{"id":"1","self":{}}}\n'
    for number, message in enumerate(chat):
        item: dict[str, Any] = {"chatId": "3", "authorId": message.sender, "incoming": {}}
        item |= {"dateSent": str(1000 * message.timestamp + number % 1000)}
        item |= {"standardMessage": {"text": {"body": message.text}}}
        yield json.dumps({"chatItem": item}, ensure_ascii=False) + "\n"


def signal_export(chat: Iterable[Utterance]) -> Pieces:
    for message in chat:
        row: dict[str, Any] = {"date": when(message, "%Y-%m-%dT%H:%M:%S"), "sender": message.sender}
        row |= {"body": message.text + "  ", "quote": "", "sticker": None, "reactions": [], "attachments": []}
        yield json.dumps(row, ensure_ascii=False) + "\n"


def signal_markdown(chat: Iterable[Utterance]) -> Pieces:
    for message in chat:
        yield f"[{when(message, '%Y-%m-%d %H:%M:%S')}] {message.sender}: {message.text}  \n\n"


def korean(message: Utterance) -> str:
    return when(message, "%p %I:%M").replace("AM", "오전").replace("PM", "오후").replace(" 0", " ")


def kakao(chat: Iterable[Utterance]) -> Pieces:
    yield "Lab 님과 카카오톡 대화\n저장한 날짜 : 2024년 5월 1일 오후 3:04\n\n"
    for message in chat:
        yield f"{when(message, '%Y년 %m월 %d일')} {korean(message)}, {message.sender} : {message.text}\n"


def kakao_pc(chat: Iterable[Utterance]) -> Pieces:
    day = ""
    for message in chat:
        if day != (day := when(message, "%Y년 %m월 %d일")):
            yield f"--------------- {day} 수요일 ---------------\n"
        yield f"[{message.sender}] [{korean(message)}] {message.text}\n"


def kakao_csv(chat: Iterable[Utterance]) -> Pieces:
    yield "Date,User,Message\n"
    for message in chat:
        fields = (when(message, "%Y-%m-%d %H:%M:%S"), message.sender, message.text)
        quoted = [field.replace('"', '""') for field in fields[1:]]
        yield f'{fields[0]},"{quoted[0]}","{quoted[1]}"\n'


def line(chat: Iterable[Utterance]) -> Pieces:
    yield "[LINE] Chat history with Lab\nSaved on: 2024/05/01 15:04\n"
    day = ""
    for message in chat:
        if day != (day := when(message, "%Y/%m/%d(%a)")):
            yield f"\n{day}\n"
        yield f"{when(message, '%H:%M')}\t{message.sender}\t{message.text}\n"


Writer = Callable[[Iterable[Utterance]], Pieces]
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
    "element": ("element", "matrix-Lab-export.json", element, 1),
    "google_chat": ("google_chat", "messages.json", google_chat, 1),
    "kakao": ("kakao", "KakaoTalkChats.txt", kakao, 60),
    "kakao_csv": ("kakao", "KakaoTalk_Chat_Lab.csv", kakao_csv, 1),
    "kakao_pc": ("kakao", "KakaoTalk_group.txt", kakao_pc, 60),
    "line": ("line", "[LINE]Lab.txt", line, 60),
    "mattermost": ("mattermost", "import.jsonl", mattermost, 1),
    "messenger": ("messenger", "Lab_1.json", messenger, 1),
    "rocketchat": ("rocketchat", "rocketchat_message.json", rocketchat, 1),
    "signal": ("signal", "main.jsonl", signal, 1),
    "signal_export": ("signal", "data.json", signal_export, 1),
    "signal_markdown": ("signal", "chat.md", signal_markdown, 1),
    "zulip": ("zulip", "messages-000001.json", zulip, 1),
}


def read_export(format: str, path: Path, zone: str = "UTC", **columns: str) -> Iterator[Message | Reject]:
    """The entries of an export by the reader of a format."""
    settings = ReadSettings(ZoneInfo(zone), COLUMNS | columns)
    return detection.read_export(path, None, detection.module_of(format), settings)


def formats_of(path: Path, **columns: str) -> list[str]:
    """The formats that the first file of an export fits."""
    with open_export(path) as opened:
        return detection.matching_formats(opened.files[0], COLUMNS | columns)


INGEST = params(ROOT / "params.yaml").ingest
COLUMNS: dict[str, str | None] = INGEST.columns.model_dump()


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


def export(folder: Path, format: str, chat: Iterable[Utterance]) -> Path:
    return write(folder, format, (piece.encode() for piece in FORMATS[format][2](chat)))
