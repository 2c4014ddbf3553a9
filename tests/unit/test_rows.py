"""Tables as people have them: spreadsheets with dates, arrays, and what tools for WeChat write."""

import json
import re
from collections import Counter
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import click
import pytest

from stages.chat import Message, Reject
from stages.chat.detection import detect_format, reader
from tests.chat_exports import INGEST
from tests.conftest import ROOT, ingested

CASES = ROOT / "tests" / "fixtures" / "exports" / "cases"
SHANGHAI = "Asia/Shanghai"


def read(path: Path, zone: str = "UTC") -> tuple[list[Message], Counter[str]]:
    """Messages, and rejects by reason, by the format that is detected."""
    p = detect_format(path, INGEST.model_copy(update={"format": "auto", "timezone": zone}))
    entries = list(reader(path, p)())
    messages = [entry for entry in entries if isinstance(entry, Message)]
    return messages, Counter(entry.reason for entry in entries if isinstance(entry, Reject))


def epoch(time: str, zone: str = "UTC") -> int:
    return int(datetime.fromisoformat(time).replace(tzinfo=ZoneInfo(zone)).timestamp())


def contents(messages: list[Message]) -> list[tuple[str, str, int]]:
    return [(message.sender, message.text, message.timestamp) for message in messages]


def test_wechatmsg() -> None:
    messages, rejects = read(CASES / "60-wechatmsg-group_utf8.csv", SHANGHAI)
    mention = "@Tomas\u2005"
    assert contents(messages) == [
        ("wxid_ines", "mmpose 能部署吗？", 1700000000),
        ("wxid_ines", f"{mention} 可以", 1700000040),
    ]
    assert rejects == {"other_type": 3}
    rows, _, _ = ingested(messages)
    assert "Tomas" not in "".join(row["text"] for row in rows)  # who sent no text


def test_pywxdump() -> None:
    messages, rejects = read(CASES / "62-pywxdump.csv", SHANGHAI)
    assert contents(messages) == [
        ("wxid_ines", "能部署吗？", epoch("2023-11-15 06:13:20", SHANGHAI)),
        ("我", "可以", epoch("2023-11-15 06:13:40", SHANGHAI)),
    ]
    assert {message.group for message in messages} == {"1@chatroom"}
    assert rejects == {"other_type": 1}


def test_chatlog() -> None:
    messages, rejects = read(CASES / "63-chatlog.json")
    assert contents(messages) == [("wxid_ines", "能部署吗？", 1700000000), ("wxid_tomas", "可以", 1700000010)]
    assert messages[0].names == (("wxid_ines", "Ines"),)
    assert not rejects


def test_an_array() -> None:
    messages, rejects = read(CASES / "64-json-array.json")
    assert contents(messages) == [("ines", "does it run?", 1700000000), ("tomas", "yes", 1700000010)]
    assert not rejects


def test_a_spreadsheet_with_semicolons_and_dates() -> None:
    messages, rejects = read(CASES / "65-excel-semicolon-dates.csv", "Europe/Berlin")
    berlin = [epoch("2023-11-14 22:13", "Europe/Berlin"), epoch("2023-11-14 22:14", "Europe/Berlin")]
    assert [message.timestamp for message in messages] == berlin
    assert not rejects


def test_milliseconds_have_a_reason() -> None:
    messages, _ = read(CASES / "67-matrix-events.jsonl")
    _, rejects, _ = ingested(messages)
    assert [reject["reason"] for reject in rejects] == ["timestamp_in_milliseconds"] * 2


@pytest.mark.parametrize(
    ("times", "expected"),
    [
        (["14.11.2023 22:13", "15.11.2023 9:05"], ["2023-11-14 22:13", "2023-11-15 09:05"]),
        (["11/14/2023 10:13 PM", "11/15/2023 12:05 AM"], ["2023-11-14 22:13", "2023-11-15 00:05"]),
        (["14/11/2023 22:13:07", "1/12/2023 22:13:07"], ["2023-11-14 22:13:07", "2023-12-01 22:13:07"]),
        (["11/12/23 22:13", "11/13/23 22:13"], ["2023-11-12 22:13", "2023-11-13 22:13"]),
        (["2023/11/14 22:13", "2023/12/1 9:00"], ["2023-11-14 22:13", "2023-12-01 09:00"]),
        (["2023-11-14T22:13:00Z", "1700000000"], ["2023-11-14 22:13", "2023-11-14 22:13:20"]),
        (["2023-11-14 22:13:05 UTC", "2023-11-14 22:13:05 +0100"], ["2023-11-14 22:13:05", "2023-11-14 21:13:05"]),
        (["14-Nov-23 10:13 PM", "Nov 14, 2023 10:13 PM"], ["2023-11-14 22:13", "2023-11-14 22:13"]),
        (
            ["Tue, 14 Nov 2023 22:13:05 +0100", "Tue Nov 14 22:13:05 2023"],
            ["2023-11-14 21:13:05", "2023-11-14 22:13:05"],
        ),
        (["14.11.2023 22:13:05.123", "14.11.23"], ["2023-11-14 22:13:05", "2023-11-14"]),
        (["2023/11/14 22:13:05.123", "14/11/2023 12:13 a. m."], ["2023-11-14 22:13:05", "2023-11-14 00:13"]),
        (["2023/11/14 下午 10:13", "2023年11月14日 22:13"], ["2023-11-14 22:13", "2023-11-14 22:13"]),
        (["1700000000,123", "'1700000000"], ["2023-11-14 22:13:20", "2023-11-14 22:13:20"]),
        (["45244.9257", "45245"], ["2023-11-14 22:13:00", "2023-11-15"]),
    ],
)
@pytest.mark.parametrize("name", ["chat.csv", "chat.TSV", "chat.json", "chat.jsonl"])
def test_times_by_the_order_that_the_file_settles(
    tmp_path: Path, name: str, times: list[str], expected: list[str]
) -> None:
    path = tmp_path / name
    rows = [{"sender": "ann", "text": "hi", "timestamp": time} for time in times]
    if name == "chat.json":
        path.write_text(json.dumps(rows))
    elif name == "chat.jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    else:
        delimiter = "\t" if name.endswith("TSV") else ";"  # a comma stands in some of the times
        path.write_text("\n".join(delimiter.join(row) for row in [list(rows[0]), *[list(r.values()) for r in rows]]))
    messages, rejects = read(path)
    assert [message.timestamp for message in messages] == [epoch(time) for time in expected]
    assert not rejects


def test_an_order_that_nothing_settles_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "chat.csv").write_text("sender,text,timestamp\nann,hi,1/2/2023 22:13\n")
    with pytest.raises(click.ClickException, match=r"chat\.csv: nothing in the file tells whether its dates are day"):
        read(tmp_path / "chat.csv")


def test_days_of_excel_are_in_the_zone_and_only_where_all_times_are_days(tmp_path: Path) -> None:
    path = tmp_path / "chat.csv"
    path.write_text("sender;text;timestamp\nines;does it run?;45244,9257\ntomas;yes;45244,9264\n")
    messages, _ = read(path, "Europe/Berlin")
    assert [message.timestamp for message in messages] == [
        epoch("2023-11-14 22:13:00", "Europe/Berlin"),
        epoch("2023-11-14 22:14:01", "Europe/Berlin"),
    ]
    path.write_text("sender,text,timestamp\nines,hi,45244.9257\ntomas,yes,1700000000\nkai,no,5\n")
    messages, rejects = read(path)
    assert contents(messages) == [("tomas", "yes", 1700000000)]
    assert rejects == {"bad_field": 2}


@pytest.mark.parametrize(
    "time", ["Nov 14 10:13 PM", "14 Nov 2023 22:13 CET", "14 Okt 2023 22:13", "14.11.2023 10:13 x"]
)
def test_times_that_are_not_told(tmp_path: Path, time: str) -> None:
    (tmp_path / "chat.jsonl").write_text(json.dumps({"sender": "ann", "text": "hi", "timestamp": time}))
    assert read(tmp_path / "chat.jsonl") == ([], {"bad_field": 1})


@pytest.mark.parametrize(
    ("dates", "expected"),
    [
        ({"a.csv": "05/11/2023", "b.csv": "14/11/2023"}, "2023-11-05"),
        ({"a.csv": "05/11/2023", "b.csv": "11/14/2023"}, "2023-05-11"),
        ({"a.csv": "05.11.2023"}, "2023-11-05"),
    ],
)
def test_an_order_that_other_files_settle(tmp_path: Path, dates: dict[str, str], expected: str) -> None:
    for name, day in dates.items():
        (tmp_path / name).write_text(f"sender,text,timestamp\nann,hi,{day} 10:00\n")
    messages, _ = read(tmp_path)
    assert messages[0].timestamp == epoch(f"{expected} 10:00")


def test_an_order_on_which_other_files_differ_is_an_error(tmp_path: Path) -> None:
    for name, day in {"a.csv": "05/11/2023", "b.csv": "14/11/2023", "c.csv": "11/14/2023"}.items():
        (tmp_path / name).write_text(f"sender,text,timestamp\nann,hi,{day} 10:00\n")
    with pytest.raises(click.ClickException, match=r"a\.csv: nothing in the file tells whether its dates are day"):
        read(tmp_path)


@pytest.mark.parametrize(
    "table",
    [
        "Sender,Text,Timestamp\nann,hi,1700000000\n",
        "sender, text, timestamp\nann,hi,1700000000\n",
        "sep=;\nsender;text;timestamp\nann;hi;1700000000\n",
        "\ufeff\r\nsender,text,timestamp\r\nann,hi,1700000000\r\n",
        "sender,text,timestamp\rann,hi,1700000000\r",
        "sender|text|timestamp\nann|hi|1700000000\n",
    ],
)
def test_headers_and_lines_as_spreadsheets_write_them(tmp_path: Path, table: str) -> None:
    (tmp_path / "chat.csv").write_bytes(table.encode())
    messages, rejects = read(tmp_path / "chat.csv")
    assert contents(messages) == [("ann", "hi", 1700000000)]
    assert not rejects


def test_a_column_with_the_very_name_outranks_others(tmp_path: Path) -> None:
    (tmp_path / "chat.csv").write_text("SENDER,sender,text,timestamp\n1,ann,hi,1700000000\n")
    messages, _ = read(tmp_path / "chat.csv")
    assert contents(messages) == [("ann", "hi", 1700000000)]


QUOTATION_MARKS = {
    "no_quoting": (
        'ann\t"Hi" is what he said\nbob\t"quoted start only\nkai\tx\nlea\ty "z"\n',
        [("ann", '"Hi" is what he said'), ("bob", '"quoted start only'), ("kai", "x"), ("lea", 'y "z"')],
    ),
    "closed_in_a_later_row": (
        'ann\t"b\nbob\tx\nkai\tand y"\nlea\thi\n',
        [("ann", '"b'), ("bob", "x"), ("kai", 'and y"'), ("lea", "hi")],
    ),
    "open_to_the_end": ('ann\ta\nbob\t"b\nkai\tx\n', [("ann", "a"), ("bob", '"b'), ("kai", "x")]),
    "a_row_of_several_lines_after_it": (
        'ann\t"b\nkai\t"x\n\ny, ""z"""\nlea\thi\n',
        [("ann", '"b'), ("kai", 'x\n\ny, "z"'), ("lea", "hi")],
    ),
    "backslashes": ('ann\t"a \\"b\\" c\nd"\nbob\thi\n', [("ann", 'a "b" c\nd'), ("bob", "hi")]),
    "a_pasted_table": ('ann\t"so:\nx\ty\n1\t2\t3"\nbob\thi\n', [("ann", "so:\nx\ty\n1\t2\t3"), ("bob", "hi")]),
}


@pytest.mark.parametrize("name", QUOTATION_MARKS)
@pytest.mark.parametrize("delimiter", ["\t", ";", "|"])
def test_no_row_vanishes_in_a_field(tmp_path: Path, name: str, delimiter: str) -> None:
    table, rows = QUOTATION_MARKS[name]
    text = "timestamp\tsender\ttext\n" + re.sub(r"^(?=\w{3}\t)", "1700000000\t", table, flags=re.MULTILINE)
    (tmp_path / "chat.csv").write_text(text.replace("\t", delimiter))
    messages, rejects = read(tmp_path / "chat.csv")
    assert [(message.sender, message.text) for message in messages] == [
        (sender, text.replace("\t", delimiter)) for sender, text in rows
    ]
    assert not rejects


def test_a_broken_line_in_a_field_is_an_empty_one(tmp_path: Path) -> None:
    (tmp_path / "chat.csv").write_bytes(b'sender,text,timestamp\nann,"a\n\xff\nb",1700000000\nbob,hi,1700000001\n')
    messages, rejects = read(tmp_path / "chat.csv")
    assert contents(messages) == [("ann", "a\n\nb", 1700000000), ("bob", "hi", 1700000001)]
    assert messages[1].at == "chat.csv, line 5"
    assert rejects == {"invalid_utf8": 1}


@pytest.mark.parametrize(
    ("name", "text", "expected_rejects"),
    [
        ("chat.json", '{"messages": [ROW], "title": "x"}', {}),
        ("chat.json", '{"users": [{"id": 1}], "result": {"data \\"1\\"": [ROW]}}', {}),
        ("chat.json", "[null, ROW]", {"bad_field": 1}),
        ("chat.json", '[{"type": "meta"}, ROW]', {"missing_field": 1}),
        ("chat.jsonl", "ROW\n\n   \n", {}),
        ("chat.jsonl", "ROW,\n", {}),
        ("chat.jsonl", '{"type": "meta"}\nROW\n{"a\n', {"missing_field": 1, "invalid_json": 1}),
    ],
)
def test_rows_of_json(tmp_path: Path, name: str, text: str, expected_rejects: dict[str, int]) -> None:
    row = '{"sender": "ann", "text": "hi", "timestamp": 1700000000}'
    (tmp_path / name).write_text(text.replace("ROW", row))
    messages, rejects = read(tmp_path / name)
    assert contents(messages) == [("ann", "hi", 1700000000)]
    assert rejects == expected_rejects


LAYOUTS = {
    "all_chats_of_wechatmsg": (
        "localId,TalkerId,Type,SubType,IsSender,CreateTime,Status,StrContent,StrTime,Remark,NickName,Sender\n"
        "1,1,1,0,0,1700000000,,hi,,,Ines,wxid_ines\n2,2,1,0,0,1700000000,,other room,,,Kai,wxid_kai\n"
        "3,2,1,0,0,1700000000,,我通过了你的朋友验证请求，现在我们可以开始聊天了,,,Kai,wxid_kai\n",
        [("1", "wxid_ines", "hi"), ("2", "wxid_kai", "other room")],
        {"system": 1},
    ),
    "pywxdump": (
        "id,MsgSvrID,type_name,is_sender,talker,room_name,msg,src,extra,CreateTime\n"
        '1,8,引用回复,0,wxid_ines,1@chatroom,"hi\n[引用]Kai:x",,{},2023-11-14 22:13:20\n',
        [("1@chatroom", "wxid_ines", "hi")],
        {},
    ),
    "chatlog": (
        "Time,SenderName,Sender,TalkerName,Talker,Content\n2023-11-14 22:13:20,Ines,wxid_ines,lab,1@chatroom,hi\n",
        [("1@chatroom", "wxid_ines", "hi")],
        {},
    ),
    "memotrace": (
        "\ufeff消息ID,类型,发送人,时间,内容,备注,昵称,更多信息\n"
        "123,文本,Ines,2023-11-14 22:13:20,hi,Ines,ines,{}\n124,图片,我,2023-11-14 22:13:20,x.jpg,,,{}\n",
        [("chat", "Ines", "hi")],
        {"other_type": 1},
    ),
    "discord": (
        'AuthorID,Author,Date,Content,Attachments,Reactions\n"1","ines","2023-11-14T22:13:20.0000000+00:00","hi","",""\n',
        [("chat", "1", "hi")],
        {},
    ),
}


@pytest.mark.parametrize("name", LAYOUTS)
def test_layouts(tmp_path: Path, name: str) -> None:
    table, expected, expected_rejects = LAYOUTS[name]
    (tmp_path / "chat.csv").write_text(table, encoding="utf-8")
    messages, rejects = read(tmp_path / "chat.csv")
    assert [(message.group, message.sender, message.text) for message in messages] == expected
    assert {message.timestamp for message in messages} == {1700000000}
    assert rejects == expected_rejects


def test_a_reply_in_chatlog_is_told_by_two_columns(tmp_path: Path) -> None:
    rows = [
        {"seq": number, "time": "2023-11-14T22:13:20Z", "talker": "1@chatroom", "sender": "wxid_ines", "content": "hi"}
        | {"type": type, "subType": sub_type}
        for number, (type, sub_type) in enumerate([(1, 0), (49, 57), (49, 5), (3, 0)])
    ]
    (tmp_path / "chat.json").write_text(json.dumps(rows))
    messages, rejects = read(tmp_path / "chat.json")
    assert [message.key for message in messages] == ["0", "1"]
    assert rejects == {"other_type": 2}


def test_a_row_that_is_no_csv_is_a_reject(tmp_path: Path) -> None:
    rows = ["sender,text,timestamp", 'ann,"a, b" c,1700000000', "bob,hi,1700000001", "bob,1700000001", "ann,so,soon"]
    (tmp_path / "chat.csv").write_text("\n".join(rows))
    messages, rejects = read(tmp_path / "chat.csv")
    assert contents(messages) == [("bob", "hi", 1700000001)]
    assert rejects == {"invalid_csv": 1, "wrong_number_of_fields": 1, "bad_field": 1}


def test_types_that_are_no_peoples_texts(tmp_path: Path) -> None:
    (tmp_path / "chat.jsonl").write_text(
        "".join(
            json.dumps({"sender": "1", "text": "hi", "timestamp": 1700000000, "kind": kind, "who": "Ann Lee"}) + "\n"
            for kind in ("text", "image", 1)
        )
    )
    columns = INGEST.columns.model_copy(update={"name": "who", "type": "kind"})
    p = INGEST.model_copy(update={"format": "jsonl", "columns": columns, "text_types": ["text", "1"]})
    entries = list(reader(tmp_path / "chat.jsonl", p)())
    assert [entry.reason if isinstance(entry, Reject) else entry.names for entry in entries] == [
        *((("1", "Ann Lee"),), "other_type", (("1", "Ann Lee"),))
    ]


@pytest.mark.parametrize(
    ("name", "table"),
    [
        ("lab.jsonl", '{"id": 1, "group": "lab", "sender": "ann", "text": "hi", "timestamp": 1700000000}\n'),
        ("lab.json", '[{"id": 1, "group": "lab", "sender": "ann", "text": "hi", "timestamp": 1700000000}]'),
        ("lab.csv", "id;group;sender;text;timestamp\n1;lab;ann;hi;1700000000\n"),
    ],
)
def test_columns_that_are_not_read_are_named(
    name: str, table: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / name).write_text(table)
    read(tmp_path / name)
    assert "columns not read: group, id; to read them, set ingest.columns" in capsys.readouterr().err
    columns = INGEST.columns.model_copy(update={"group": "group", "id": "id"})
    detect_format(tmp_path / name, INGEST.model_copy(update={"format": "auto", "columns": columns}))
    assert "not read" not in capsys.readouterr().err
