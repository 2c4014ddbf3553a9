"""LINE's text export: lines of days such as `2024/05/01(Wed)`, and `15:04`, the sender and the text between tabs.

A text of several lines stands in quotation marks. The app writes media in brackets, calls with a telephone, and its
own lines without a sender. The group is the title in the first line.
"""

import re
from collections.abc import Iterator, Sequence
from datetime import date, datetime, time

from stages.chat import Columns, Message, ReadSettings, Reject
from stages.chat.exports import ExportFile
from stages.chat.files import read_each
from stages.chat.text_logs import log_entries

ENDINGS = (".txt",)
TITLE = re.compile(
    r"(?:\[LINE\] ?)?(?:(?:Chat history (?:with|in) |ประวัติการแชทกับ |แชทใน )(?P<before>.+)"
    r"|[与與](?P<zh>.+)的聊天[記记][录錄]"
    r"|(?P<after>.+?)(?:と?のトーク履歴|的聊天[記记][录錄]|님과의 대화| 채팅기록))(?:\.txt)?\s*"
)
SAVED_LINE = re.compile(r"(?:Saved on|保存日時|保存日期|儲存日期|บันทึกวันที่|บันทึกเมื่อ|저장한 날짜|저장일시)\s*[:：].*")
DAY_LINE = re.compile(
    r"(\d{4})(?:[/.]|\. )(\d{1,2})(?:[/.]|\. )(\d{1,2})\.?\s?"
    r"(?:[(（].{1,4}[)）]|[周週].|星期.|(?:Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)day|.曜日|.요일)"
)
WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
THAI_WEEKDAYS = ("จ.", "อ.", "พ.", "พฤ.", "ศ.", "ส.", "อา.")
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
WEEKDAY_LINE = re.compile(
    rf"({'|'.join((*WEEKDAYS, *map(re.escape, THAI_WEEKDAYS)))}),? (\d{{1,2}})/(\d{{1,2}})/(\d{{4}})"
)
MONTH_LINE = re.compile(rf"(?:{'|'.join(WEEKDAYS)}), ({'|'.join(MONTHS)})[a-z]* (\d{{1,2}}), (\d{{4}})")
# LINE of PCs has a blank after a name, as names have inside.
LINE_OF_PC = re.compile(
    r"\d{4}\.\d\d\.\d\d (?:[A-Z][a-z]+day|.曜日|星期.|.요일)\s+\d\d:\d\d [^\s<*\[(-][^\t\n]* [^\t\n]+"
)
ENTRY_LINE = re.compile(
    r"(?P<half>[上下]午|午[前後]|오[전후])? ?(?P<hour>\d{1,2}):(?P<minute>\d\d) ?(?P<_half>[AaPp][Mm])?"
    r"\t(?:(?P<sender>[^\t]*)\t(?P<text>.*)|(?P<note>[^\t]*))",
    re.DOTALL,
)
AFTER_NOON = ("下午", "午後", "오후", "pm")
MEDIA = re.compile(
    r"\[(?:Photo|Video|Sticker|File|Voice message|Audio|Contact|Location|Album|Notes?|Gift|null"
    r"|写真|動画|スタンプ|ファイル|ボイスメッセージ|連絡先|位置情報|アルバム|ノート"
    r"|照片|图片|圖片|影片|视频|貼圖|贴图|檔案|文件|語音訊息|语音信息|聯絡資訊|位置|相簿|記事本|记事本"
    r"|사진|동영상|스티커|파일|음성 메시지|연락처|위치|투표|投票|สติกเกอร์|รูป|รูปภาพ|วิดีโอ|ไฟล์)\].*"
    r"|(?:Photo|Video|Sticker|Audio)s|สติกเกอร์|รูป|รูปภาพ"
)
CALL = re.compile(r"☎.*")
UNSENT = re.compile(
    r"(?:.+ )?(?:unsent a message|Message unsent)\.?|.*(?:の送信を取り消しました|已收回訊息|撤回了一条消息)。?"
)


def fits(start: str, columns: Columns) -> bool:
    if LINE_OF_PC.match(start):
        return True
    lines = re.split(r"\r?\n", start)
    has_messages = any((match := ENTRY_LINE.fullmatch(line)) and match["sender"] for line in lines)
    return has_messages and any(_day(line) for line in lines)


def read(files: Sequence[ExportFile], settings: ReadSettings) -> Iterator[Message | Reject]:
    return read_each(files, settings, fits, _read_file)


def _read_file(file: ExportFile, settings: ReadSettings) -> Iterator[Message | Reject]:
    if LINE_OF_PC.match(file.start()):
        raise file.error("LINE of a PC, where nothing tells names from texts; export the chat on a phone")
    yield from log_entries(file, _Log(file, settings).begin, _complete)


def _complete(message: Message) -> Message | Reject:
    text = message.text
    if "\n" in text and text.startswith('"') and text.endswith('"'):
        return message._replace(text=text[1:-1].replace('""', '"'))
    for reason, pattern in (("media_without_text", MEDIA), ("system", CALL), ("deleted", UNSENT)):
        if pattern.fullmatch(text):
            return Reject(message.at, reason)
    return message


class _Log:
    """The room and the day that the lines so far tell."""

    def __init__(self, file: ExportFile, settings: ReadSettings) -> None:
        self.zone = settings.zone
        self.group = file.stem
        self.day: date | None = None

    def begin(self, at: str, line: str) -> list[Message | Reject] | None:
        """What a line begins, as log_entries wants it."""
        if match := ENTRY_LINE.fullmatch(line):
            return [self._entry(at, match)]
        if day := _day(line):
            self.day = day
            return []
        if self.day is None and (title := TITLE.fullmatch(line)):
            self.group = title["before"] or title["zh"] or title["after"]
            return []
        return [] if self.day is None and SAVED_LINE.fullmatch(line) else None

    def _entry(self, at: str, match: re.Match[str]) -> Message | Reject:
        if not match["sender"]:
            return Reject(at, "deleted" if UNSENT.fullmatch(match["text"] or match["note"] or "") else "system")
        half, hour = match["half"] or (match["_half"] or "").lower(), int(match["hour"])
        if half and hour <= 12:
            hour = hour % 12 + 12 * (half in AFTER_NOON)
        if self.day is None:
            return Reject(at, "bad_time")
        try:
            timestamp = int(datetime.combine(self.day, time(hour, int(match["minute"])), self.zone).timestamp())
        except (ValueError, OverflowError):
            return Reject(at, "bad_time")
        return Message(at, self.group, match["sender"], match["text"], timestamp)


def _day(line: str) -> date | None:
    """The day of a day's line; None for any other line. The weekday tells whether the month or the day comes first."""
    try:
        if match := DAY_LINE.fullmatch(line):
            return date(int(match[1]), int(match[2]), int(match[3]))
        if match := MONTH_LINE.fullmatch(line):
            return date(int(match[3]), MONTHS.index(match[1]) + 1, int(match[2]))
        if match := WEEKDAY_LINE.fullmatch(line):
            weekday, first, second, year = match[1], int(match[2]), int(match[3]), int(match[4])
            days = [(first, second), (second, first)]
            existing = [date(year, month, day) for month, day in days if month <= 12]
            days_of_week = (WEEKDAYS, THAI_WEEKDAYS)
            return next((day for day in existing if weekday in [names[day.weekday()] for names in days_of_week]), None)
    except ValueError:
        pass
    return None
