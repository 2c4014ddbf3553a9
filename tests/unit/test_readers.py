"""Every reader: exports written by hand after the formats' documentation, round trips, memory, a real log."""

import json
import subprocess
import sys
import zipfile
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path

import click
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stages.chat import Message, Reject
from stages.chat.detection import detect_format
from stages.ingest import main
from tests.chat_exports import FORMATS, INGEST, Utterance, export, formats_of, read_export
from tests.conftest import ROOT, Row, ingested, run

EXPORTS = ROOT / "tests" / "fixtures" / "exports"
NOON = 1454328000  # 2016-02-01 12:00 UTC
MessagesAndRejects = tuple[list[Message], Counter[str]]


def read(reader: str, path: Path, zone: str = "UTC", **columns: str) -> MessagesAndRejects:
    """The messages, and how many rejects there are for each reason."""
    entries = list(read_export(reader, path, zone, **columns))
    messages = [entry for entry in entries if isinstance(entry, Message)]
    return messages, Counter(entry.reason for entry in entries if isinstance(entry, Reject))


def contents_of(messages: Iterable[Message]) -> list[tuple[str, str, int]]:
    return [(message.sender, message.text, message.timestamp) for message in messages]


def test_wechat() -> None:
    messages, rejects = read("wechat", EXPORTS / "wechat.txt")
    assert {message.group for message in messages} == {"20814553575@chatroom"}
    assert contents_of(messages) == [
        ("wxid_ann", "mmpose 可以部署吗？\n{\n谢谢", 1700000000),
        ("wxid_bob", "old text", 1700000010),
        ("wxid_bob", "可以，用 mmdeploy", 1700000020),
        ("wxid_ann", "a < b?", 1700000030),
        ("wxid_ann", "mmpose 可以部署吗？\n{\n谢谢", 1700000000),
        ("wxid_bob", "after a callback that was cut", 1700000070),
    ]
    assert rejects == {"media_without_text": 1, "bot": 2, "no_group": 1, "system": 1, "invalid_json": 1}
    rows, reject_rows, _ = ingested(messages)
    assert [row["reason"] for row in reject_rows] == ["duplicate_id"]  # the service sends some callbacks twice
    quote = next(row for row in rows if row["text"].startswith("可以"))
    assert quote["reply_to"] == next(row["id"] for row in rows if row["text"].startswith("mmpose"))


def slack_zip(folder: Path) -> Path:
    with zipfile.ZipFile(folder / "slack.zip", "w") as archive:
        for file in sorted((EXPORTS / "slack").rglob("*.json")):
            archive.write(file, file.relative_to(EXPORTS / "slack"))
    return folder / "slack.zip"


@pytest.mark.parametrize("zipped", [False, True])
def test_slack(tmp_path: Path, zipped: bool) -> None:
    messages, rejects = read("slack", slack_zip(tmp_path) if zipped else EXPORTS / "slack")
    assert [(message.group, message.sender, message.text) for message in messages] == [
        ("general", "U01ANN", "Is 1 < 2 && 2 > 1, @U02BOB? &lt; stays"),
        ("general", "U02BOB", "Yes @U01ANN, see the page or https://example.com in #general @here @admins"),
        ("general", "U02BOB", "and for all"),
        ("general", "U01ANN", "waves"),
        ("general", "U01ANN", "my plot"),
        ("general", "U01ANN", "next day"),
        ("random", "U01ANN", "elsewhere"),
    ]
    assert messages[0].timestamp == 1700000001
    assert rejects == {"system": 1, "media_without_text": 1, "bot": 2, "missing_field": 1}
    rows, _, _ = ingested(messages)
    first = next(row["id"] for row in rows if row["text"].startswith("Is 1 <"))  # whose thread_ts is its own: no reply
    assert [row["text"].split()[0] for row in rows if row["reply_to"] == first] == ["Yes", "and"]
    assert (
        sum(row["reply_to"] is not None for row in rows) == 2
    )  # not in the other channel, whose first has the same ts


def test_discord() -> None:
    messages, rejects = read("discord", EXPORTS / "discord.json")
    assert contents_of(messages) == [
        ("7", "Does it run?", 1700000000),
        ("8", "@Ann yes", 1700000001),
        ("8", "forwarded, which is no reply", 1700000003),
        ("7", "to one that is gone", 1700000006),
    ]
    assert {message.group for message in messages} == {"42"}
    assert [message.reply_to for message in messages] == [None, "101", None, None]
    assert rejects == {"system": 2, "media_without_text": 1, "bot": 1}


def test_telegram_of_one_chat() -> None:
    messages, rejects = read("telegram", EXPORTS / "telegram_chat.json", "Europe/Berlin")
    assert contents_of(messages) == [
        ("user7", 'Does \x0bit\\x41 run "here"?', 1700000000),
        ("user8", "Yes, @ann, see the page", 1700000010),
        ("user9", "a caption, from an account that is gone", 1700000030),
    ]
    assert [message.reply_to for message in messages] == [
        None,
        "2",
        None,
    ]  # the last answers a message in another chat
    assert rejects == {"system": 1, "media_without_text": 2}


def test_telegram_of_the_account() -> None:
    messages, _ = read("telegram", EXPORTS / "telegram_account.json", "Europe/Berlin")
    assert [(message.group, message.sender, message.text) for message in messages] == [
        ("8", "4295000008", "old export, local time"),
        ("55", "4295000007", "winter"),
        ("66", "4295000007", "left"),
    ]
    assert [message.timestamp for message in messages[:2]] == [1593597600, 1577876400]  # 10:00 and 11:00 in UTC


@pytest.mark.parametrize("size", range(1, 40))
def test_telegrams_escapes_are_mended_wherever_a_chunk_ends(size: int) -> None:
    from stages.chat.formats.telegram import ValidJsonFile

    escaped = rb'{"a": "\x0B\\x41\\\x1F\\\\x\"\\\\\\", "b": "\u0041\x00"}'

    class Chunks:
        at = 0

        def read(self, _: int) -> bytes:
            self.at += size
            return escaped[self.at - size : self.at]

    file = ValidJsonFile(Chunks())  # type: ignore[arg-type]
    mended = b"".join(file.read(size) for _ in range(2 * len(escaped)))
    assert json.loads(mended) == {"a": '\x0b\\x41\\\x1f\\\\x"\\\\\\', "b": "A\0"}


def test_irc_of_ubuntu_with_the_day_in_the_files_name() -> None:
    messages, rejects = read("irc", EXPORTS / "2016-11-15-ubuntu.txt")
    midnight = 1479254400  # that ends 2016-11-15
    assert contents_of(messages) == [
        ("ann", "last of the day", midnight - 120),
        ("[b]ob|", "ann: yes <really>", midnight - 60),
        ("ann", "nods", midnight - 60),
        ("ann", "first of the next", midnight + 60),
        ("ann", "a clock that goes back a little", midnight),
    ]
    assert rejects == {"system": 2}


def test_irssi() -> None:
    messages, rejects = read("irc", EXPORTS / "irssi.log", "America/New_York")
    midnight = 1479186000  # of 2016-11-15 in New York
    assert contents_of(messages) == [
        ("ann", "hello", midnight - 120),
        ("bob", "hi *all*", midnight - 60),
        ("bob", "waves", midnight - 60),
        ("carol", "morning", midnight + 60),
        ("ann", "two days later", midnight + 2 * 86_400 + 34_200),
    ]
    assert rejects == {"system": 3}


def test_weechat() -> None:
    messages, rejects = read("irc", EXPORTS / "irc.lab.weechatlog")
    assert contents_of(messages) == [
        ("ann", "hello\twith a tab", 1479167900),
        ("bob", "hi", 1479168060),
        ("bob", "waves", 1479168065),
    ]
    assert rejects == {"system": 4}


@pytest.mark.parametrize(
    ("times", "hours"),
    [
        ("12:18 01:00 11:59 12:00 01:00", (0.3, 1, 11 + 59 / 60, 12, 13)),  # a day on a 12-hour clock
        ("11:00 12:30 01:10", (11, 12.5, 13 + 1 / 6)),
        ("00:18 01:00 12:30", (0.3, 1, 12.5)),
        ("01:00 11:00 12:30", (1, 11, 12.5)),  # the same on both clocks
        ("12:30 13:00 23:00 00:10", (12.5, 13, 23, 24 + 1 / 6)),
        ("10:59 10:00 11:00", (10 + 59 / 60, 10, 11)),  # summer time ends
    ],
)
def test_a_clock_without_am_and_pm_is_decided_by_the_whole_log(
    tmp_path: Path, times: str, hours: tuple[float, ...]
) -> None:
    file = tmp_path / "2004-11-15.txt"
    file.write_text("".join(f"[{time}] <ann> hi\n" for time in times.split()))
    midnight = 1100476800
    assert [message.timestamp - midnight for message in read("irc", file)[0]] == [round(hour * 3600) for hour in hours]


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("2004-11-15.txt", "[12:18] <ann> hi\n", "all times are 12:xx"),
        ("room.txt", "[13:18] <ann> hi\n", "no day"),
        ("2004-13-15.txt", "[13:18] <ann> hi\n", "no day"),
        ("lab.log", "--- Day changed Tue Nov 31 2016\n13:18 <ann> hi\n", "lab.log, line 1: a day that isn't one"),
        ("lab.log", "--- Day changed Tue Nov 15 2016\n12:18 <ann> hi\n02:00 <bob> hi\n", "a 12-hour clock"),
    ],
)
def test_irc_whose_times_cannot_be_known(tmp_path: Path, name: str, text: str, message: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(click.ClickException, match=message):
        read("irc", tmp_path / name)


PASTED_LOG = """\
=== kat [~kat@203.0.113.9]  has joined #ubuntu
[12:59] <kat> here is my mount table
[12:59] <kat>  /dev/hda1 on / type ext3 (rw)
[01:00] <kat>    /dev/hda2 on /home
=== tim is now known as tim_away
[01:00]  * tim_away reads
[11:59] <|tim|> \x02bold\x02 and <kat> in angles: [12:00] <x> y
[12:00] <kat> noon
[01:10] <kat> and later
-ChanServ- not a message
"""


def test_a_pasted_table_keeps_its_blanks(tmp_path: Path) -> None:
    """On a 12-hour clock, between lines of the server."""
    file = tmp_path / "2004-11-15_03.raw.txt"
    file.write_text(PASTED_LOG)
    messages, rejects = read("irc", file)
    midnight = 1100476800
    assert contents_of(messages) == [
        ("kat", "here is my mount table", midnight + 59 * 60),
        ("kat", " /dev/hda1 on / type ext3 (rw)", midnight + 59 * 60),
        ("kat", "   /dev/hda2 on /home", midnight + 3600),
        ("tim_away", "reads", midnight + 3600),
        ("|tim|", "bold and <kat> in angles: [12:00] <x> y", midnight + 12 * 3600 - 60),
        ("kat", "noon", midnight + 12 * 3600),
        ("kat", "and later", midnight + 13 * 3600 + 600),
    ]
    assert rejects == {"system": 3}


WHATSAPP: dict[str, tuple[list[tuple[str, str, int]], dict[str, int]]] = {
    "android_gb": (
        [
            ("Ann", "Does it run?\nAnd how?\n\nReally: how?", 1460559900),
            ("+44 7700 900123", "yes", 1460560020),
            ("Bob", "see this", 1460560080),
        ],
        {"system": 1, "media_without_text": 2},
    ),
    "android_us": (
        [("Ann", "midnight", 1459469040), ("Bob", "noon", 1459598640), ("Ann", "afternoon", 1460559840)],
        {},
    ),
    "ios_us": (
        [("Ann", "hi @Bob", 1460559846), ("Bob", "fixed", 1460559848), ("Bob", "caption", 1460559849)],
        {"media_or_system": 2},
    ),
    "ios_de": ([("Ann", "eins", NOON + 3 * 3600 + 245), ("Bob", "zwei", NOON + 27 * 3600 + 246)], {}),
    "android_de": (
        [("Ann", "eins", NOON + 3 * 3600 + 240), ("Bob", "zwei", NOON + 27 * 3600 + 300)],
        {"media_without_text": 1},
    ),
    "android_es": ([("Ann", "uno", NOON + 3 * 3600 + 240), ("Bob", "dos", 1456628700)], {}),
    "android_fr": ([("Ann", "un", NOON + 3 * 3600 + 240)], {"media_without_text": 1}),
    "android_br": (  # only the order of the messages tells day and month
        [("Ann", "um", NOON + 11_040), ("Ann", "dois", NOON + 97_440), ("Bob", "três", NOON + 29 * 86_400 + 11_100)],
        {},
    ),
    "android_se": ([("Ann", "ett", NOON + 11_040), ("Bob", "två", NOON + 11_100)], {}),
    "android_nl": ([("Ann", "een", NOON - 86_400 + 11_040), ("Bob", "twee", NOON + 11_100)], {}),
    "android_zh": ([("Ann", "一", NOON + 11_040), ("Bob", "二", NOON + 300)], {"media_without_text": 1}),
    "android_fi": ([("Ann", "yksi", NOON + 11_040)], {"media_without_text": 1}),
}


@pytest.mark.parametrize("name", WHATSAPP)
def test_whatsapp(name: str) -> None:
    messages, rejects = read("whatsapp", EXPORTS / "whatsapp" / f"{name}.txt")
    assert (contents_of(messages), dict(rejects)) == WHATSAPP[name]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("01/02/2016, 15:04 - Ann: a\n02/02/2016, 15:04 - Ann: b\n", "nothing in the file tells"),
        ("13/02/2016, 15:04 - Ann: a\n02/13/2016, 15:04 - Ann: b\n", "chat.txt, line 2: no order of day and month"),
        ("13/02/2016, 12:04 - Ann: a\n13/02/2016, 1:04 - Ann: b\n", "a 12-hour clock without am and pm"),
    ],
)
def test_whatsapp_whose_times_cannot_be_known(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "chat.txt").write_text(text)
    with pytest.raises(click.ClickException, match=message):
        read("whatsapp", tmp_path / "chat.txt")


def test_whatsapp_dates_that_are_the_same_either_way(tmp_path: Path) -> None:
    (tmp_path / "chat.txt").write_text("02/02/2016, 15:04 - Ann: a\n02/02/2016, 15:05 - Bob: b\n")
    assert [message.timestamp for message in read("whatsapp", tmp_path / "chat.txt")[0]] == [
        NOON + 97_440,
        NOON + 97_500,
    ]


def test_csv_with_columns_of_ones_own() -> None:
    columns = {"sender": "Who", "text": "What", "timestamp": "When", "id": "Nr", "reply_to": "Answers"}
    messages, rejects = read("csv", EXPORTS / "table.csv", "Europe/Berlin", **columns)
    assert contents_of(messages)[:2] == [
        ("Ann", "Does it; run?\nOr not?", 1700000000),
        ("Bob", 'He said "yes"', 1700000010),
    ]
    assert [(message.key, message.reply_to, message.group) for message in messages[:2]] == [
        ("1", None, "table"),
        ("2", "1", "table"),
    ]
    assert rejects == {"bad_field": 1, "wrong_number_of_fields": 1}
    _, reject_rows, _ = ingested(messages)
    assert reject_rows == [{"at": "table.csv, line 5", "reason": "duplicate_id"}]


def test_jsonl() -> None:
    messages, rejects = read("jsonl", EXPORTS / "table.jsonl")
    assert contents_of(messages) == [("7", "Does it run?", 1700000000), ("bob", "yes", 1700000010)]
    assert rejects == {"bad_field": 2}


def test_jsonl_in_which_not_every_row_has_an_id_and_answers_one(tmp_path: Path) -> None:
    at = 1700000000
    rows = [{"who": "ann", "says": "so?", "when": at, "nr": 1}, {"who": "bob", "says": "no", "when": at, "re": 1}]
    (tmp_path / "log.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    columns = {"sender": "who", "text": "says", "timestamp": "when", "id": "nr", "reply_to": "re"}
    assert formats_of(tmp_path / "log.jsonl", **columns) == ["jsonl"]
    messages, rejects = read("jsonl", tmp_path / "log.jsonl", **columns)
    assert [(message.key, message.reply_to) for message in messages] == [("1", None), (None, "1")]
    assert not rejects


@pytest.mark.parametrize(
    ("name", "format"),
    [
        ("wechat.txt", "wechat"),
        ("slack", "slack"),
        ("discord.json", "discord"),
        ("telegram_chat.json", "telegram"),
        ("telegram_account.json", "telegram"),
        ("2016-11-15-ubuntu.txt", "irc"),
        ("irssi.log", "irc"),
        ("irc.lab.weechatlog", "irc"),
        ("table.jsonl", "jsonl"),
        *((f"whatsapp/{name}.txt", "whatsapp") for name in WHATSAPP),
    ],
)
def test_auto_says_what_it_takes_a_file_for(name: str, format: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert detect_format(EXPORTS / name, INGEST).format == format
    assert f"{name}: taken for {format}" in capsys.readouterr().err


@pytest.mark.parametrize("format", FORMATS)
def test_auto_takes_each_format_for_itself(tmp_path: Path, format: str) -> None:
    path = export(tmp_path, format, [Utterance("ann", "hi", 1500000000 + 60 * minute) for minute in range(100)])
    assert formats_of(path) == [FORMATS[format][0]]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("Dear diary,\n", r"looks like none of the formats \(chitchat, csv, discord"),
        ("", "looks like none of the formats"),
        ('{"messageType": "80001", "sender": 1, "text": "", "timestamp": 1}\n', "could be jsonl or wechat; say which"),
    ],
)
def test_auto_says_when_it_cannot_tell(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "file").write_text(text)
    with pytest.raises(click.ClickException, match=message):
        detect_format(tmp_path / "file", INGEST)


def test_replies_reach_messages_jsonl_by_our_own_ids(project: Path, set_params: Callable[..., None]) -> None:
    set_params(**{"ingest.format": "auto", "ingest.min_senders": 1, "ingest.limit": None})
    outputs = [
        project / name for name in ("messages.jsonl", "imported.jsonl", "rejects.jsonl", "n.json", "metrics.json")
    ]
    result = run(main, EXPORTS / "discord.json", *outputs)
    assert result.exit_code == 0, result.output
    rows: list[Row] = [json.loads(line) for line in outputs[0].read_text().splitlines()]
    assert [row["reply_to"] for row in rows] == [None, rows[0]["id"], None, None]
    assert json.loads(outputs[-1].read_text())["rejected"] == {"bot": 1, "media_without_text": 1, "system": 2}


# What a format can't carry is left out: half surrogates everywhere, and in text logs what would be another line or
# WhatsApp's own words.
ANY = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
CODES = "\x02\x03\x04\x0f\x11\x16\x1d\x1e\x1f"  # of colours and styles, which IRC's reader takes off
LINE = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\n" + CODES), max_size=40)
TEXTS = {
    "irssi": LINE,
    "ubuntu": LINE,
    "ubuntu_12_hours": LINE,
    "weechat": LINE,
    **dict.fromkeys(("kakao", "kakao_pc", "line", "signal_markdown"), LINE),
    "csv": st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r"), max_size=40),
    "kakao_csv": st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r"), max_size=40),
    "wechat": ANY.filter(lambda text: not text.startswith("<")),
} | dict.fromkeys(
    ("whatsapp", "whatsapp_us", "whatsapp_de"),
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\u200e\u2068"), max_size=40).filter(
        lambda text: not text.startswith("<") and text != "null"
    ),
)


@pytest.mark.parametrize("format", FORMATS)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_what_was_written_is_read(tmp_path: Path, format: str, data: st.DataObject) -> None:
    reader, _, _, step = FORMATS[format]
    of_one_day = format.startswith("ubuntu")
    gaps = st.integers(0, 6 * 3600 if of_one_day else 40 * 86_400)
    start = 1499990400  # 2017-07-14 00:00: a date that shows day and month, hours that show the clock
    chat = [Utterance("ann", "hi", start + hour * 3600) for hour in (0, 1, 6, 12, 13)]
    senders = st.sampled_from(["ann", "bob"])
    for sender, text, gap in data.draw(st.lists(st.tuples(senders, TEXTS.get(format, ANY), gaps))):
        at = chat[-1].timestamp + gap // step * step
        if at < start + 86_400 or not of_one_day:
            chat.append(Utterance(sender, text, at))
    messages, rejects = read(reader, export(tmp_path, format, chat))
    assert contents_of(messages) == chat
    assert not rejects


MEASURE = """
import sys, tracemalloc
from collections import deque
from pathlib import Path
from tests.chat_exports import read_export
tracemalloc.start(1)
count = 0
for _ in read_export(sys.argv[1], Path(sys.argv[2])):
    count += 1
print(count, tracemalloc.get_traced_memory()[1])
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    "format",
    [
        "wechat",
        "slack",
        "discord",
        "telegram",
        "irssi",
        "whatsapp",
        "csv",
        "jsonl",
        "paper",
        "element",
        "google_chat",
        "kakao",
        "line",
        "mattermost",
        "messenger",
        "rocketchat",
        "signal",
        "signal_markdown",
        "zulip",
    ],
)
def test_memory_does_not_grow_with_the_export(tmp_path: Path, format: str) -> None:
    """60 MB with a peak of less than 8; chitchat, a dataset of a known size, is read whole."""
    text = "Does mmpose run on a phone, and how would one deploy it? " * 35
    count = 60_000_000 // len(text)
    chat = (Utterance("ann" if n % 2 else "bob", f"{n} {text}", 1499990400 + 3600 * n) for n in range(count))
    path = export(tmp_path, format, chat)
    command = [sys.executable, "-c", MEASURE, FORMATS[format][0], str(path)]
    result = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    read, peak = (int(number) for number in result.stdout.split())
    assert read == count
    assert peak < 8_000_000
