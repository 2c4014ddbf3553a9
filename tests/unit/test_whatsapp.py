"""WhatsApp's exports: heads of all languages, the order of dates, the clock, and WhatsApp's own words."""

import zipfile
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import click
import pytest

from stages.chat import Message, Reject
from stages.chat.dates import DateOrder, date_of
from stages.chat.day_periods import common_meanings, hour_of, meanings, normalised
from stages.chat.detection import detect_format
from tests.chat_exports import INGEST, formats_of, read_export
from tests.conftest import ROOT, ingested

CASES = ROOT / "tests" / "fixtures" / "exports" / "cases"
LRM = "\u200e"
Read = tuple[list[tuple[str, str, str]], dict[str, int]]  # times, senders and texts, and rejects by reason


def contents(entries: Sequence[Message | Reject]) -> Read:
    messages = [entry for entry in entries if isinstance(entry, Message)]
    said = [(f"{datetime.fromtimestamp(m.timestamp, UTC):%Y-%m-%d %H:%M:%S}", m.sender, m.text) for m in messages]
    return said, dict(Counter(entry.reason for entry in entries if isinstance(entry, Reject)))


def read(path: Path) -> Read:
    return contents(list(read_export("whatsapp", path)))


def read_text(folder: Path, text: str) -> Read:
    (folder / "chat.txt").write_text(text, encoding="utf-8")
    return read(folder / "chat.txt")


def times(folder: Path, *heads: str) -> list[str]:
    """The times of messages with these heads."""
    said, rejects = read_text(folder, "".join(f"{head}Ines: hi\n" for head in heads))
    assert not rejects and [(sender, text) for _, sender, text in said] == [("Ines", "hi")] * len(heads)
    return [time.removesuffix(":00") for time, _, _ in said]


CASES_READ: dict[str, Read] = {
    "01-whatsapp-arabic.txt": (
        [("2024-08-27 22:33:00", "مريم", "هل يعمل هذا؟"), ("2024-08-28 09:05:00", "Nadir", "نعم")],
        {},
    ),
    "03-whatsapp-old-ios.txt": (
        [("2016-06-27 08:04:08", "Ines", "Does the ferry run?"), ("2016-06-27 20:05:10", "Tomas", "yes")],
        {},
    ),
    "05-whatsapp-no-blank.txt": (
        [("2026-07-09 02:28:09", "Ines", "Hey, ready?"), ("2026-07-09 02:28:37", "Tomas", "Hi")],
        {},
    ),
    "06-whatsapp-deleted.txt": (
        [("2016-04-13 15:04:00", "Ines", "Does it run?"), ("2016-04-13 15:09:00", "Tomas", "yes")],
        {"deleted": 3, "media_or_system": 1},
    ),
    "07-whatsapp-poll.txt": (
        [("2024-08-20 22:02:04", "Ines", "Who joins on the lake?"), ("2024-08-20 22:03:04", "Tomas", "I do")],
        {},
    ),
    "09-whatsapp-late-message.txt": (
        [
            (f"2021-{time}:00", "Ines" if number % 2 == 0 else "Tomas", f"message {number}")
            for number, time in enumerate(
                [
                    *("01-02 23:50", "01-03 00:01", "01-02 23:59", "01-04 13:00", "01-05 13:01"),
                    *("02-01 13:02", "02-02 13:03", "03-01 13:04", "04-01 13:05"),
                ]
            )
        ],
        {},
    ),
    "10-whatsapp-late-morning.txt": (
        [
            ("2016-02-13 10:31:00", "Ines", "shall we go?"),
            ("2016-02-13 09:12:00", "Tomas", "stuck in a tunnel"),
            ("2016-02-13 10:33:00", "Ines", "ok"),
        ],
        {},
    ),
    "11-whatsapp-mention-number.txt": (
        [
            ("2021-07-20 11:21:00", "+1 (415) 555‑0134", "does it run?"),
            ("2021-07-20 11:22:00", "Ines", "@14155550134 it does"),
        ],
        {},
    ),
    "13-whatsapp-turkish.txt": (
        [("2023-04-15 15:04:00", "Ines", "Çalışıyor mu?"), ("2023-04-16 11:05:00", "Tomas", "evet")],
        {},
    ),
    "14-whatsapp-us-24h.txt": (
        [("2021-07-18 18:34:07", "Ines", "Is it on?"), ("2021-07-18 20:36:20", "Tomas - work", "yes")],
        {"media_or_system": 2},
    ),
    "16-whatsapp-southafrica.txt": (
        [("2023-12-20 17:46:00", "Ines", "is it on?"), ("2023-12-21 00:10:00", "Tomas", "yes")],
        {},
    ),
    "17-whatsapp-mexico.txt": (
        [("2020-09-25 10:27:18", "Ines", "¿funciona?"), ("2020-09-25 15:27:18", "Tomas", "sí")],
        {},
    ),
    "19-whatsapp-dots-month-first.txt": (
        [("2021-10-24 15:21:43", "Ines - Lee", "does it run?"), ("2021-10-25 15:22:43", "Tomas", "yes")],
        {},
    ),
    "59-whatsapp-latin1.txt": ([("2024-08-27 10:33:00", "Ines", "does it run?")], {"invalid_utf8": 1}),
    "70-whatsapp-german-english.txt": (
        [("2026-03-07 21:22:39", "Ines", "Hey, ready?"), ("2026-03-28 09:28:10", "Tomas", "yes")],
        {},
    ),
    "72-whatsapp-indonesian.txt": (
        [("2025-08-30 18:00:00", "Ines", "jalan?"), ("2025-08-30 18:01:00", "Tomas", "ya")],
        {},
    ),
    "74-whatsapp-taiwan.txt": (
        [
            ("2023-04-15 15:04:00", "Ines", "可以嗎？"),
            ("2023-04-15 20:04:00", "Tomas", "可以"),
            ("2023-04-16 09:04:00", "Ines", "好"),
        ],
        {},
    ),
}


@pytest.mark.parametrize("name", CASES_READ)
def test_cases_from_the_field(name: str) -> None:
    assert read(CASES / name) == CASES_READ[name]
    assert formats_of(CASES / name) == ["whatsapp"]


def test_zip_of_an_iphone(capsys: pytest.CaptureFixture[str]) -> None:
    path = CASES / "08-whatsapp-ios.zip"
    assert detect_format(path, INGEST).format == "whatsapp"
    messages = [entry for entry in read_export("whatsapp", path) if isinstance(entry, Message)]
    assert len(messages) == 40
    assert messages[0][1:5] == ("08-whatsapp-ios", "Tomas", "Does the ferry run, 0?", 1724752812)
    assert "taken for whatsapp" in capsys.readouterr().err


def test_a_mentioned_number_has_the_pseudonym_of_its_sender() -> None:
    rows, _, _ = ingested(list(read_export("whatsapp", CASES / "11-whatsapp-mention-number.txt")))
    assert rows[1]["text"] == f"@{rows[0]['sender']} it does"


@pytest.mark.parametrize(
    ("heads", "expected"),
    [
        (("[15/04/2016, 15:04:05] ",), ["2016-04-15 15:04:05"]),
        (("15/04/2016, 15:04 - ",), ["2016-04-15 15:04"]),
        (("15/04/2016, 15:04 – ",), ["2016-04-15 15:04"]),
        (("09/12/2012 17:03:48: ", "13/12/2012 17:03:48: "), ["2012-12-09 17:03:48", "2012-12-13 17:03:48"]),
        (("3/24/14, 1:59:59 PM: ",), ["2014-03-24 13:59:59"]),
        (("2016-06-27, 8:04: ",), ["2016-06-27 08:04"]),
        (("[15:04, 24/12/2021] ", "[3:04 PM, 24/12/2021] "), ["2021-12-24 15:04"] * 2),
        (("20:04, 24/12/2021 - ",), ["2021-12-24 20:04"]),
        (("[15/04/2016,15:04:05] ",), ["2016-04-15 15:04:05"]),
        (("1/23/23, 3:22_AM - ",), ["2023-01-23 03:22"]),
        ((f"{LRM}[4/13/16, 3:04:05\u202fPM] ~\u202f",), ["2016-04-13 15:04:05"]),
        (("\ufeff13/04/16, 15:04 - ",), ["2016-04-13 15:04"]),
        (("13/04/16, 15:04 - \u202a", "13/04/16, 15:04 - \u2068"), ["2016-04-13 15:04"] * 2),
        (("‏[٢٧‏/٨‏/٢٠٢٤، ١٠:٣٣:٠٤ م] ",), ["2024-08-27 22:33:04"]),
        (("۱۴۰۳/۶/۶،‏ ۱۵:۰۴ - ", "۱۴۰۳/۱۲/۳۰، ساعت ۱۵:۰۴ - "), ["2024-08-27 15:04", "2025-03-20 15:04"]),
        (("१५/४/२०२४, ३:०४ अपराह्न - ",), ["2024-04-15 15:04"]),
        (("১৫/৪/২৪, ৩:০৪ PM - ",), ["2024-04-15 15:04"]),
        (("15/4/2567 15:04 น. - ", "15/4/67 15:04 - "), ["2024-04-15 15:04"] * 2),
        (("15.4.24 г., 15:04 ч. - ",), ["2024-04-15 15:04"]),
        (("15. 4. 2024. 15:04 - ",), ["2024-04-15 15:04"]),
        (("2024. 04. 15. 15:04 - ",), ["2024-04-15 15:04"]),
        (("15.4.2024 klo 15.04 - ",), ["2024-04-15 15:04"]),
        (("15/04/2024 à 15:04 - ",), ["2024-04-15 15:04"]),
        (("2024-04-15 15 h 04 - ",), ["2024-04-15 15:04"]),
        (("[2024-04-15 15 h 04 min 05 s] ",), ["2024-04-15 15:04:05"]),
        (("15. 4. 2024 v 9:04 - ", "15. 4. 2024 v 15:04 - "), ["2024-04-15 09:04", "2024-04-15 15:04"]),
        (("[15.04.24 um 15:04:05] ",), ["2024-04-15 15:04:05"]),
        (("15-4-2024 15:04 - ",), ["2024-04-15 15:04"]),
        (("15/4/2024 xyz 15:04 - ", "15/4/2024 xyz 9:04 - "), ["2024-04-15 15:04", "2024-04-15 09:04"]),
    ],
)
def test_heads(tmp_path: Path, heads: tuple[str, ...], expected: list[str]) -> None:
    assert times(tmp_path, *heads) == expected


@pytest.mark.parametrize(
    ("form", "hours"),
    [
        (
            "2024/4/15 {}:04 - ",
            {"上午9": 9, "上午12": 0, "下午12": 12, "下午3": 15, "晚上8": 20, "中午12": 12, "凌晨12": 0},
        ),
        (
            "[2024/4/15 {}:04:00] ",
            {"凌晨4": 4, "早上6": 6, "清晨5": 5, "中午1": 13, "傍晚6": 18, "晚上11": 23, "晚上12": 0},
        ),
        ("2024/4/15 {}:04 - ", {"午前0": 0, "午前9": 9, "午後0": 12, "午後3": 15}),
        ("2024. 4. 15. {}:04 - ", {"오전 9": 9, "오전 12": 0, "오후 12": 12, "오후 3": 15}),
        ("15.04.2024 {}:04 - ", {"ÖÖ 9": 9, "ÖÖ 12": 0, "ÖS 12": 12, "ÖS 3": 15}),
        ("15/4/2024, {} - ", {"9:04 π.μ.": 9, "12:04 μ.μ.": 12, "3:04 μ.μ.": 15}),
        ("15/4/2024, {} - ", {"9:04 a.\u00a0m.": 9, "12:04 a. m.": 0, "3:04 p.\u202fm.": 15, "12:04 m.": 12}),
        ("15/4/2024, {} - ", {"9:04 de la mañana": 9, "8:04 de la noche": 20, "1:04 de la madrugada": 1}),
        ("15/4/2024 {} - ", {"9:04 vorm.": 9, "3:04 nachm.": 15}),
        ("15/4/2024 {} - ", {"9:04 morgens": 9, "12:04 mittags": 12, "9:04 abends": 21}),
        ("15/4/2024, {} - ", {"9:04 पूर्वाह्न": 9, "3:04 अपराह्न": 15}),
        ("15/4/2024, {} - ", {"सुबह 9:04": 9, "शाम 7:04": 19, "रात 11:04": 23}),
        ("15/4/2024, {} - ", {"9:04 পূর্বাহ্ন": 9, "3:04 অপরাহ্ন": 15}),
        ("15/4/2024, {} - ", {"9:04 قبل دوپہر": 9, "3:04 بعد دوپہر": 15}),
        ("2024/4/15، {} - ", {"9:04 ق.ظ.": 9, "3:04 ب.ظ.": 15, "3:04 ب.ظ": 15}),
        ("2024. 04. 15. {} - ", {"de. 9:04": 9, "du. 3:04": 15}),
        ("15.4.2024, {} - ", {"9:04 p.d.": 9, "3:04 m.d.": 15}),
        ("15/4/2024 {} - ", {"9:04 SA": 9, "3:04 CH": 15, "lúc 3:05 CH": 15}),
        ("15/4/2024, {} - ", {"9:04 PG": 9, "3:04 PTG": 15}),
        ("15.4.2024, {} - ", {"9:04 fm": 9, "3:04 em": 15}),
        ("15/4/2024 {} - ", {"9:04 vm.": 9, "3:04 nm.": 15}),
        ("15/4/2024, {} - ", {"9:04 in the morning": 9, "12:04 noon": 12, "12:04 midnight": 0, "9:04 at night": 21}),
        ("15/4/2024, {} - ", {"18:04 PM": 18, "0:04 AM": 0, "12:04 PM": 12}),
    ],
)
def test_words_for_parts_of_the_day(tmp_path: Path, form: str, hours: dict[str, int]) -> None:
    read_times = times(tmp_path, *(form.format(hour) for hour in hours))
    assert [int(time[11:13]) for time in read_times] == list(hours.values())


def test_an_unknown_word_beside_a_time_is_no_morning(tmp_path: Path) -> None:
    said, rejects = read_text(tmp_path, "15/4/2024, 3:04 qqq - Ines: hi\n15/4/2024, 3:05 PM - Ines: there\n")
    assert said == [("2024-04-15 15:05:00", "Ines", "there")]
    assert rejects == {"bad_time": 1}


def test_lines_that_people_paste_are_no_heads(tmp_path: Path) -> None:
    pasted = "12.05.2024 18:00 Uhr - Treffen: Park\n12/05/2024 10:00: meeting: room 3\n2024 is the year: yes\n1. 2. 3."
    said, rejects = read_text(
        tmp_path, f"13/04/2016, 15:04 - Ines: the plan\n{pasted}\n13/04/2016, 15:05 - Tomas: ok\n"
    )
    assert said == [("2016-04-13 15:04:00", "Ines", f"the plan\n{pasted}"), ("2016-04-13 15:05:00", "Tomas", "ok")]
    assert not rejects


@pytest.mark.parametrize(
    ("head", "pasted"),
    [
        ("27/08/2024, 22:00 - ", "2024-08-27 22:33:07 - ERROR: failed"),
        ("27/08/2024, 22:00 - ", "27/08/2024 22:33:07 - INFO: up"),
        ("27/08/2024, 22:00 - ", "[2024-08-27 22:33:07] production.ERROR: x"),
        ("27/08/2024, 22:00 - ", "[22:33, 27/08/2024] Tom Lee: does it run?"),
        ("27/08/2024, 22:00 - ", "[27/8/24 22:34] Kai: yes"),
        ("8/27/24, 10:00 PM - ", "[10:30 PM, 8/27/2024] Tom Lee: x"),
        ("27/08/2024, 22:00 - ", "2024-08-27 22:33 - ERROR: failed"),
        ("[27/08/2024, 22:00:01] ", "[2024-08-27 22:33:07] production.ERROR: x"),
        ("[27.08.24, 22:00:01] ", "[2024-08-27 22:33:07] production.ERROR: x"),
        ("[27/08/2024, 22:00:01] ", "[2024/08/27 22:33:07] production.ERROR: x"),
        ("[27/08/2024, 22:00:01] ", "27/08/2024, 22:33 - Tom Lee: does it run?"),
        ("[27/08/2024, 22:00:01] ", "[22:33, 27/08/2024] Tom Lee: does it run?"),
    ],
)
def test_a_pasted_head_of_another_form_goes_on_with_the_text(tmp_path: Path, head: str, pasted: str) -> None:
    said, rejects = read_text(tmp_path, f"{head}Ann: look\n{pasted}\n{head}Bob: ok\n")
    assert [text for _, _, text in said] == [f"look\n{pasted}", "ok"]
    assert not rejects


def test_a_phone_whose_language_changes_changes_separators_and_years(tmp_path: Path) -> None:
    heads = ("[27/08/2024, 22:00:01] ", "[27.08.24, 22:01:01] ", "[27/08/24 22:02:01] ", "[27-08-2024، 22:03:01] ")
    assert times(tmp_path, *heads) == [f"2024-08-27 22:0{minute}:01" for minute in range(4)]
    assert times(tmp_path, "24/8/27 22:00 - ", "2024/8/28 22:00 - ") == ["2024-08-27 22:00", "2024-08-28 22:00"]


def test_words_that_mean_both_halves_are_told_by_the_others() -> None:
    assert [hour_of(9, common_meanings(words)["a"]) for words in (["a"], ["a", "p"])] == [None, 9]
    assert not meanings(normalised("qqq"))


DAYS_OF_TWO_YEARS = [(24, 4, 15), (24, 4, 16), (24, 4, 18)]


@pytest.mark.parametrize(
    ("separator", "dates", "orders"),
    [
        ("/", [(13, 4, 2016)], ["dmy"]),
        ("/", [(4, 13, 2016)], ["mdy"]),
        ("-", [(2016, 4, 13)], ["ymd"]),
        ("/", [(1, 2, 2016), (2, 2, 2016)], ["dmy", "mdy"]),
        (".", [(1, 2, 2016), (2, 2, 2016)], ["dmy"]),
        (".", [(10, 24, 21)], ["mdy"]),
        ("/", [(2, 2, 2016)], ["dmy"]),  # the same either way
        ("/", [(31, 1, 16), (1, 2, 16)], ["dmy"]),
        ("/", [(1, 2, 16), (1, 3, 16), (1, 2, 16), (2, 1, 16), (3, 1, 16)], ["mdy"]),  # 1 step back against 2
        ("/", [(13, 2, 2016), (2, 13, 2016)], []),
        ("/", [(13, 2, 2016)] + [(day, month, 2016) for month in range(3, 8) for day in range(1, 28)], ["dmy"]),
        ("/", DAYS_OF_TWO_YEARS, ["ymd"]),
        ("/", [(24, 4, 15), (24, 4, 16)], ["dmy"]),
        ("/", [(45, 45, 2016)], []),
    ],
)
def test_the_order_of_dates(separator: str, dates: list[tuple[int, int, int]], orders: list[str]) -> None:
    order = DateOrder(separator)
    for numbers in dates:
        order.add(numbers)
    assert order.orders() == orders


def test_one_date_in_a_hundred_may_be_of_another_order() -> None:
    order = DateOrder("/")
    days = [(month, day, 2016) for month in range(1, 13) for day in range(1, 28)]
    assert [order.add(numbers) for numbers in [*days, (31, 12, 2016)]][-1] is False
    assert order.order == "mdy"


@pytest.mark.parametrize(
    ("numbers", "order", "day"),
    [
        ((15, 4, 16), "dmy", "2016-04-15"),
        ((15, 4, 99), "dmy", "1999-04-15"),
        ((15, 4, 2567), "dmy", "2024-04-15"),
        ((1399, 12, 30), "ymd", "2021-03-20"),
        ((1400, 1, 1), "ymd", "2021-03-21"),
        ((1403, 6, 6), "ymd", "2024-08-27"),
    ],
)
def test_calendars(numbers: tuple[int, int, int], order: str, day: str) -> None:
    assert date_of(numbers, order).isoformat() == day


@pytest.mark.parametrize("numbers", [(30, 2, 2016), (1400, 12, 30), (1400, 13, 1), (1, 1, 116), (1445, 7, 31)])
def test_no_dates(numbers: tuple[int, int, int]) -> None:
    with pytest.raises(ValueError):
        date_of(numbers, "ymd" if numbers[0] > 31 else "dmy")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("01/02/2016, 15:04 - Ann: a\n02/02/2016, 15:04 - Ann: b\n", "nothing in the file tells"),
        ("1/2/21, 9:00 - A: a\n2/1/21, 9:00 - A: b\n1/2/21, 9:00 - A: c\n", "nothing in the file tells"),
        ("13/02/2016, 15:04 - Ann: a\n02/13/2016, 15:04 - Ann: b\n", "line 2: no order of day and month fits"),
        ("13/02/2016, 12:04 - Ann: a\n13/02/2016, 1:04 - Ann: b\n", "a 12-hour clock without am and pm"),
        ("13/02/2016, 10:31 - Ann: a\n13/02/2016, 9:12 - Ann: b\n", "a 12-hour clock without am and pm"),
    ],
)
def test_times_that_cannot_be_known(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(click.ClickException, match=message):
        read_text(tmp_path, text)


@pytest.mark.parametrize(
    "times", ["10:31 9:12 13:00", "10:31 9:12 0:10", "10:31 9:50", "12:10 12:11", "10:31 09:12 10:33"]
)
def test_a_clock_of_24_hours(tmp_path: Path, times: str) -> None:
    said, rejects = read_text(tmp_path, "".join(f"13/02/2016, {time} - Ann: a\n" for time in times.split()))
    assert [time for time, _, _ in said] == [f"2016-02-13 {time.zfill(5)}:00" for time in times.split()]
    assert not rejects


def test_chats_of_one_phone_settle_their_dates_together(tmp_path: Path) -> None:
    (tmp_path / "Ann.txt").write_text("01/02/2016, 15:04 - Ann: a\n02/02/2016, 15:04 - Ann: b\n")
    (tmp_path / "Bob.txt").write_text("28/02/2016, 15:04 - Bob: c\n")
    (tmp_path / "notes.txt").write_text("no chat\n")
    said, rejects = read(tmp_path)
    assert said == [
        ("2016-02-01 15:04:00", "Ann", "a"),
        ("2016-02-02 15:04:00", "Ann", "b"),
        ("2016-02-28 15:04:00", "Bob", "c"),
    ]
    assert rejects == {"other_file": 1}
    (tmp_path / "Cat.txt").write_text("02/28/2016, 15:04 - Cat: d\n")
    with pytest.raises(click.ClickException, match=r"Ann\.txt: nothing in the file tells"):
        read(tmp_path)


def test_a_chat_takes_the_name_of_its_zip_or_folder(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "WhatsApp Chat - Lab.zip", "w") as archive:
        archive.writestr("_chat.txt", "[13.04.16, 15:04:05] Ines: hi\r\n")
        archive.writestr("00000001-PHOTO.jpg", b"\xff")
    entries = [entry for entry in read_export("whatsapp", tmp_path) if isinstance(entry, Message)]
    assert [(entry.group, entry.text) for entry in entries] == [("WhatsApp Chat - Lab", "hi")]


def test_documents_beside_a_chat_are_no_chats(tmp_path: Path) -> None:
    """Nor do their dates settle those of the chat."""
    pasted = "[27/08/2024, 9:33:01] Tom: a\n"
    with zipfile.ZipFile(tmp_path / "WhatsApp Chat - Lab.zip", "w") as archive:
        archive.writestr("_chat.txt", "[05/06/2024, 9:33:01] Ann: hi\n[06/06/2024, 9:33:01] Ann: there\n")
        archive.writestr("00000002-other chat.txt", pasted)
        archive.writestr("notes.txt", pasted)
    with pytest.raises(click.ClickException, match="nothing in the file tells"):
        read(tmp_path)
    (tmp_path / "00000003-log.txt").write_text(pasted)
    (tmp_path / "20240828-lab.txt").write_text("[28/08/2024, 9:34:01] Kai: b\n")
    said, rejects = read(tmp_path)
    assert said == [
        ("2024-08-28 09:34:01", "Kai", "b"),
        ("2024-06-05 09:33:01", "Ann", "hi"),
        ("2024-06-06 09:33:01", "Ann", "there"),
    ]
    assert rejects == {"other_file": 3}
    alone = tmp_path / "00000003-log.txt"
    assert read(alone) == ([("2024-08-27 09:33:01", "Tom", "a")], {})


OWN_WORDS = {
    "deleted": """
        This message was deleted|this message was deleted.|You deleted this message
        This message was deleted by an admin|This message was deleted by admin Ann
        Se eliminó este mensaje.|Eliminaste este mensaje.|Mensagem apagada
        Você apagou esta mensagem|Diese Nachricht wurde gelöscht.|Du hast diese Nachricht gelöscht.
        Ce message a été supprimé|Vous avez supprimé ce message|Questo messaggio è stato eliminato
        Hai eliminato questo messaggio|Dit bericht is verwijderd|U hebt dit bericht verwijderd|Данное сообщение удалено
        Вы удалили данное сообщение|Bu mesaj silindi|Bu mesajı sildiniz|Pesan ini dihapus|Anda menghapus pesan ini
        यह मैसेज डिलीट कर दिया गया है|आपने यह मैसेज डिलीट किया|تم حذف هذه الرسالة|لقد حذفت هذه الرسالة|此訊息已刪除。
        您已刪除此訊息。|这条消息已被删除。|您已删除这条消息。|このメッセージは削除されました。|このメッセージを削除しました。
        \u200eThis message was deleted.|\u200e이 메시지는 삭제되었습니다|This message was deleted by admin ~ Bob
        Diese Nachricht wurde von Admin Bob gelöscht|Este mensaje fue eliminado por el admin. Bob
        Ce message a été supprimé par l'admin Bob|Ce message a été supprimé par l’admin Bob
        Esta mensagem foi apagada pelo admin Bob|Questo messaggio è stato eliminato dall'amministratore Bob
        Dit bericht is verwijderd door beheerder Bob|Данное сообщение удалено админом Bob
        Bu mesaj Bob adlı yönetici tarafından silindi|Pesan ini dihapus oleh admin Bob
        admin Bob ने यह मैसेज डिलीट किया|管理员Bob删除了这条消息|此訊息已由管理員 Bob 刪除
        このメッセージは管理者Bobによって削除されました|이 메시지는 관리자 Bob에 의해 삭제되었습니다
    """,
    "media_without_text": """
        <Media omitted>|<Multimedia omitido>|<Arquivo de mídia oculto>|<Mídia oculta>|<Medien ausgeschlossen>
        <Médias omis>|<Media omessi>|<Media weggelaten>|<Без медиафайлов>|<Medya dahil edilmedi>
        <Media tidak disertakan>|<मीडिया के बिना>|<تم استبعاد الوسائط>|<省略多媒体文件>|<省略多媒體檔案>
        <メディアは含まれていません>|<View once voice message omitted>|<Video note omitted>|<Média vynechány>
        <Nieznane media>|<неизвестно>|image omitted|Bild weggelassen|imagen omitida|imagem ocultada|image absente
        immagine omessa|3.jpg <attached>|a.pdf \u200e<\u200eattached>
        afbeelding weggelaten|изображение отсутствует|görüntü dahil edilmedi|gambar tidak disertakan
        图片已忽略|圖片已略去|画像は含まれていません|GIF omitted|sticker omitted
        Contact card omitted|لم يتم إدراج الصورة
        IMG-1.jpg (file attached)|IMG-20160413-WA0001.jpg (unknown words)|Bob Miller.vcf (archivo adjunto)
        Q1 Budget.pdf (Datei angehängt)|Plan.docx (arquivo anexado)|a.pdf (fichier joint)|a.pdf (file allegato)
        a.pdf (bestand bijgevoegd)|a.pdf (файл добавлен)|a.pdf (dosya ekli)|a.pdf (file terlampir)|a.pdf (الملف مرفق)
        a.pdf (文件附件)|<attached: x>|<attached: 00000012-PHOTO.jpg>|<Anhang: 00000012-PHOTO.jpg>|<adjunto: a.opus>
        report.pdf • 3 pages <attached: 00000006-report.pdf>|report.pdf • \u200e3 pages \u200edocument omitted
        Contract.pdf • 2 pages document omitted|location: https://maps.google.com/?q=1.5,-2.5
        Standort: https://maps.google.com/?q=1.5,-2.5|الموقع: https://maps.google.com/?q=1.5,-2.5
        Location: 1.5, -2.5 - https://maps.google.com/?q=1.5,-2.5|live location shared|Live-Standort wird geteilt
        ubicación en tiempo real compartida|You received a view once photo. You can only open it on your phone.
        Kai Roth.vcf \u200e<attached: 00000005-Kai Roth.vcf>|\u200e<attached: 00000005-Kai Roth.vcf>
        report.pdf • \u200e3 pages \u200e<attached: 00000004-report.pdf>
        Lebenslauf Kai Roth • \u200e2 Seiten \u200e<Anhang: 00000004-Lebenslauf Kai Roth.pdf>
        CV_Kai \u200e<attached: 00000004-CV_Kai.pdf>
        report.pdf \u200e<attached: 00000004-report.pdf> \u200e<This message was edited>
        Some file.txt document omitted|Tom Lee.vcf contact card omitted|Some file.txt لم يتم إدراج المستند
        Some file.txt dokument vynechán|Some file.txt documento não revelado|Some file.txt ละเว้นเอกสาร
        Some file.xyz document omitted|Lebenslauf Ann Lee • 2 pages document omitted
        main.py \u200edocument omitted|data.json • \u200e3 KB \u200edocument omitted|archive.tar.gz document omitted
        Lebenslauf Ann Lee • \u200e2 pages \u200edocument omitted|Anns_Lebenslauf_2024 \u200edocument omitted
        Ann Lee \u200econtact card omitted|Lebenslauf Ann Lee \u200eDokument weggelassen
        DOC-20240827-WA0003. (file attached)|DOC-20240827-WA0003 (file attached)
        Pimlico Gardens (London, United Kingdom): https://foursquare.com/v/4e89af95e5fa82ad4c0aa03b
        Cafe Lab (Main St 5): https://maps.google.com/?q=52.5,13.4|Cafe: \u200ehttps://maps.google.com/?q=52.5,13.4
        Location: https://foursquare.com/v/4e89af95e5fa82ad4c0aa03b|موقع: https://maps.google.com/?q=1.5,-2.5
        Розташування: https://maps.google.com/?q=1.5,-2.5
    """,
    "system": """
        Missed voice call|Missed video call. Tap to call back|Verpasster Sprachanruf|Llamada perdida|Appel vocal manqué
        Chamada de voz perdida|Chiamata vocale persa|Пропущенный аудиозвонок|Cevapsız sesli arama|未接语音通话|不在着信
        Voice call. 10 sec|Video call, 3 min|Voice call. No answer|Waiting for this message. This may take a while.
        Warte auf diese Nachricht. Das kann einen Moment dauern.
        Aguardando mensagem. Essa ação pode levar alguns instantes.
        Messages and calls are end-to-end encrypted. Only people in this chat, not even WhatsApp, can read them.
        Nachrichten und Anrufe sind Ende-zu-Ende-verschlüsselt.
        消息和通话都进行端到端加密。对话之外的任何人，甚至包含 WhatsApp，都无法读取或收听。
        Messages and calls are end-to-end encrypted. Only people in this chat can read, listen to, or share them.
        Messages and calls are end-to-end encrypted. Only people in this chat can read or share them. Learn more.
        Nachrichten und Anrufe sind Ende-zu-Ende-verschlüsselt. Nur Personen in diesem Chat können sie lesen.
        Los mensajes y las llamadas están cifrados de extremo a extremo. Solo las personas en este chat pueden leerlos.
        As mensagens e ligações são protegidas com a criptografia de ponta a ponta. Somente as pessoas que fazem \
parte da conversa podem ler.
        Les messages et les appels sont chiffrés de bout en bout. Seules les personnes qui participent à cette \
discussion peuvent les lire.
        I messaggi e le chiamate sono crittografati end-to-end. Solo le persone in questa chat possono leggerli.
        Berichten en gesprekken zijn end-to-end versleuteld. Alleen mensen in deze chat kunnen ze lezen.
        Zprávy a hovory jsou opatřeny koncovým šifrováním. Nikdo jiný ji nemůže sledovat. Dokonce ani WhatsApp.
        ข้อความและการโทรได้รับการเข้ารหัสจากต้นทางถึงปลายทาง ไม่สามารถอ่านได้แม้แต่ WhatsApp เอง
        Tin nhắn và cuộc gọi được mã hóa đầu cuối. Những người bên ngoài, kể cả WhatsApp, sẽ không đọc được.
        Wiadomości i połączenia są w pełni zaszyfrowane. Nikt spoza czatu, nawet WhatsApp, nie może ich odczytać.
        Meddelanden och samtal är komplett krypterade. Ingen utanför denna chatt, inte ens WhatsApp, kan läsa dem.
        Viestit ja puhelut salataan täysin. Kukaan ulkopuolinen, ei edes WhatsApp, voi lukea niitä.
        Az üzenetek és hívások végpontok közötti titkosítással vannak védve. Még a WhatsApp sem tudja elolvasni azokat.
        Τα μηνύματα και οι κλήσεις κρυπτογραφούνται πλήρως. Κανένας, ούτε το WhatsApp, δεν μπορεί να τα διαβάσει.
        پیام‌ها و تماس‌ها سرتاسر رمزگذاری شده‌اند. هیچ شخصی، حتی واتس‌اپ، نمی‌تواند آن‌ها را بخواند.
        Voice call|Group call|Silenced voice call|Missed voice call at 10:33 PM|Verpasster Sprachanruf um 10:33
        Your security code with Elon changed. Tap to learn more.|You're now an admin|Bob added you|Ann left
        Ann created group "Lab"|~ Ann created this group|Ann changed this group’s icon|Ann added Bob
        \u202aAnn\u202c joined using this group's invite link|Bob changed their phone number to a new number
    """,
    "media_or_system": "null|\u200e+1 (415) 555‑0134 joined using this group's invite link|\u200eimage omitted",
    "forward": "[Forwarded] does it run?|[Weitergeleitet] läuft es?",
}


@pytest.mark.parametrize("reason", OWN_WORDS)
def test_whatsapps_own_words_are_rejects(tmp_path: Path, reason: str) -> None:
    texts = [text.strip() for line in OWN_WORDS[reason].strip().split("\n") for text in line.split("|")]
    lines = [f"13/04/2016, 15:04 - Ann: {text}\n" for text in texts]
    said, rejects = read_text(tmp_path, "".join(lines))
    assert said == []
    assert rejects == {reason: len(texts)}


PEOPLES_WORDS = [
    "I think this message was deleted by mistake?",
    "This message was deleted and then some",
    "Diese Nachricht wurde gelöscht, oder?",
    "null and void",
    "NULL",
    "<3",
    "<shrug>",
    "use <Media omitted> as an example",
    "a < b and c > d",
    "vector<int>",
    "I wrote <This message was edited> there",
    "image omitted by the tool",
    "The missed video call was annoying",
    "Video call?",
    "voice call",
    "Video call 5 pm?",
    "视频通话",
    "The missed call at 10:30 was me",
    "Missed voice call and 2 mails today",
    "Waiting for this message since Monday!",
    "see plan.pdf (file attached to the mail)",
    "(file attached)",
    "meet at https://maps.google.com/?q=1.5,-2.5",
    "Messages and calls are end-to-end encrypted, is that so?",
    "Messages and calls are end-to-end encrypted. Cool!",
    "Nachrichten und Anrufe sind Ende-zu-Ende-verschlüsselt, oder?",
    "Bob left",
    "Bob added Tom",
    "Ann left early",
    "Anna left",
    "Ann, added Bob",
    "I added you",
    "thank you",
    "This message was deleted by Bob",
    "we meet here: https://maps.google.com/?q=1.5,-2.5",
    "the cafe (as always): https://maps.google.com/?q=1.5,-2.5",
    "see this\nand that\nhttps://maps.google.com/?q=1.5,-2.5",
    "Pimlico is nice https://foursquare.com/v/4e89af95e5fa82ad4c0aa03b",
    "the document omitted a page",
    "I see. document omitted",
    "see it. (file attached)",
    "DOC (file attached)",
    "POLL: who joins?",
    "ROADMAP:\nNext release\nITEM: Feature A\nITEM: Feature B",
    "TODO:\nbuy\nMILK: two (big)",
    "Shopping: the list\n    - milk\n    - eggs",
    "report.pdf",
    "Forwarded: see below",
    "at 15:04: tea",
    "",
    "two\nlines\n\nand more",
]


@pytest.mark.parametrize("text", PEOPLES_WORDS)
def test_sentences_that_resemble_them_stay(tmp_path: Path, text: str) -> None:
    said, rejects = read_text(tmp_path, f"13/04/2016, 15:04 - Ann: {text}\n13/04/2016, 15:05 - Bob: ok\n")
    assert [text for _, _, text in said] == [text, "ok"]
    assert not rejects


@pytest.mark.parametrize(
    "note",
    """
    This message was edited|Diese Nachricht wurde bearbeitet.|Se editó este mensaje.|Mensagem editada
    Ce message a été modifié|Questo messaggio è stato modificato|Dit bericht is bewerkt|Сообщение изменено
    Bu mesaj düzenlendi|Pesan ini diedit|यह मैसेज एडिट किया गया|تم تعديل هذه الرسالة|ההודעה נערכה
    此訊息已編輯|已编辑此消息|このメッセージは編集されました|이 메시지는 수정되었습니다
    """.strip()
    .replace("\n    ", "|")
    .split("|"),
)
@pytest.mark.parametrize("mark", ["", LRM, "\u200f"])
def test_the_note_of_an_edited_text_is_taken_off(tmp_path: Path, note: str, mark: str) -> None:
    head = "13/04/2016, 15:04 - Ann:"
    said, rejects = read_text(
        tmp_path, f"{head} yes\nor no {mark}<{note}>\n{head} fine{mark}<{note}>\n{head} <{note}>\n"
    )
    assert [text for _, _, text in said] == ["yes\nor no", "fine"]
    assert rejects in ({"media_or_system": 1}, {"media_without_text": 1})


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("<Media omitted>\nsee this", "see this"),
        ("<image omitted> see this", "see this"),
        (f"{LRM}IMG-20160413-WA0001.jpg (file attached)\nsee this\nand that", "see this\nand that"),
        ("IMG-20160413-WA0001.jpg (Datei angehängt)\nsee this", "see this"),
        ("IMG-20160413-WA0001.jpg (file attached) see this", "see this"),
        ("DOC-20160413-WA0001.pdf (file attached)\nreport.pdf\nsee this", "report.pdf\nsee this"),
        ("IMG-20160413-WA0001.jpg (file attached)\nI love node.js", "I love node.js"),
        ("report.pdf (file attached)\nthe report", "the report"),
        (f"photo {LRM}<attached: 00000004-PHOTO-2024-01-01.jpg> {LRM}<This message was edited>", "photo"),
        (f"see\nreport {LRM}document omitted", "see"),
        (f"report.pdf {LRM}document omitted\nsee this", "see this"),
        (f"{LRM}@Bob can you look?", "@Bob can you look?"),
        (f"{LRM}@\u2068Bob\u2069 can you look?", "@Bob can you look?"),
        (
            f"{LRM}POLL:\nWho?\n{LRM}OPTION: a ({LRM}1 vote)\n{LRM}OPTION: b ({LRM}2 votes) {LRM}"
            "<Diese Nachricht wurde bearbeitet.>",
            "Who?",
        ),
        (f"see this {LRM}<attached: 00000012-PHOTO.jpg>", "see this"),
        ("see this <attached: 00000012-PHOTO.jpg>", "see this"),
        (f"see\nthis {LRM}image omitted", "see\nthis"),
        (f"see this\n{LRM}<View once video omitted>", "see this"),
        (f"{LRM}POLL:\nWho?\n{LRM}OPTION: a ({LRM}1 vote)\n{LRM}OPTION: b (0 votes)\n", "Who?"),
        ("POLL:\nWho\njoins?\nOPTION: Friday (or so) (1 vote)\nOPTION: b (3 votes)", "Who\njoins?"),
        ("UMFRAGE:\nWer?\nOPTION: a (1 Stimme)\nOPTION: b (0 Stimmen)", "Wer?"),
        ("SONDAGE\u00a0:\nQui ?\nOPTION\u00a0: a (1 vote)\nOPTION\u00a0: b (0 vote)", "Qui ?"),
        ("ENQUETE:\nQuem?\nOPÇÃO: a (1 voto)\nOPÇÃO: b (0 voto)", "Quem?"),
        ("投票：\n谁？\n选项：甲 (1 票)\n选项：乙 (0 票)", "谁？"),
        ("\u200fاستطلاع رأي:\nمن؟\n\u200fالخيار: ا (صوت واحد)\n\u200fالخيار: ب (لا أصوات)", "من؟"),
        ("Poll: Who joins?\n    - Friday\n    - Saturday", "Who joins?"),
        ("hi @\u2068~ Bob\u2069 and @\u2068+1 (415) 555‑0134\u2069", "hi @Bob and @+1 (415) 555‑0134"),
    ],
)
def test_what_a_person_said_beside_whatsapps_words_is_kept(tmp_path: Path, text: str, expected: str) -> None:
    said, rejects = read_text(tmp_path, f"[13/04/2016, 15:04:00] Ann: {text}\n")
    assert [text for _, _, text in said] == [expected]
    assert not rejects


@pytest.mark.parametrize(
    "text",
    [
        "Lebenslauf Kai Roth.pdf (file attached)\nLebenslauf Kai Roth",
        "Lebenslauf Kai Roth.pdf (file attached)\nLebenslauf Kai Roth.pdf",
        "main.py (file attached)\nmain.py",
        "my notes.md (file attached)\nmy notes.md",
        "<Media omitted>\nLebenslauf Kai Roth.pdf",
        "<Media omitted>\nmain.py",
        "Pimlico Gardens\nLondon, United Kingdom\nhttps://foursquare.com/v/4e89af95e5fa82ad4c0aa03b",
    ],
)
def test_a_caption_that_names_the_file_or_place_is_none(tmp_path: Path, text: str) -> None:
    assert read_text(tmp_path, f"13/04/2016, 15:04 - Ann: {text}\n") == ([], {"media_without_text": 1})


@pytest.mark.parametrize(
    ("sender", "text"),
    [
        ("+1 (777) 777\u20117777", "\u202a+1 (777) 777\u20117777\u202c joined using this group's invite link"),
        ("~ AK", "~ AK created this group"),
        ("Lab", "Ann added you"),
        ("P1", "P2 changed their phone number to a new number. Tap to message or add the new number."),
    ],
)
def test_events_as_the_text_of_a_sender(tmp_path: Path, sender: str, text: str) -> None:
    assert read_text(tmp_path, f"[13/04/2016, 15:04:00] {sender}: {text}\n") == ([], {"system": 1})


def test_a_poll_without_a_question_is_a_reject(tmp_path: Path) -> None:
    text = f"[13/04/2016, 15:04:00] Ann: {LRM}POLL:\n{LRM}OPTION: a (1 vote)\n{LRM}OPTION: b (0 votes)\n"
    assert read_text(tmp_path, text) == ([], {"poll": 1})


EVENTS = [
    "Messages and calls are end-to-end encrypted. Tap to learn more.",
    "You created group “Lab: East”",
    'Ann created group "Lab: East"',
    'Ann changed the subject from "Lab: East" to "Lab: West"',
    "Ann changed the subject from “Lab” to “Lab: West”",
    "Ann changed the group name to ‘Lab: West’",
    "Ann hat den Betreff zu „Lab: West“ geändert",
    "Ann a changé le sujet en « Lab : West »",
    "Ann将群组名称更改为“Lab: 西”",
    "Annが件名を「Lab: 西」に変更しました",
    "Ann added Bob",
    "Ann left",
    "Ann joined using this group's invite link",
    "Your security code with Ann changed. Tap to learn more.",
    "Ann scheduled a call for tomorrow at 15:04",
    "Missed voice call",
    "12:00",
    "12:00: workshop",
    "9:30 Kai: talk",
    'Ann changed the subject to "Lab: two"',
    'Ann changed the subject from "Lab 5" to "Lab: two"',
    "Ann changed the subject from 'T: one' to 'Lab'",
    "- Ann added Bob",
    "- Ann changed the subject to Lab: West",
]


@pytest.mark.parametrize("event", EVENTS)
@pytest.mark.parametrize("head", ["13/04/2016, 15:04 - ", "[13/04/2016, 15:04:05] "])
def test_events_of_a_group_have_no_sender(tmp_path: Path, event: str, head: str) -> None:
    assert read_text(tmp_path, f"{head}{event}\n") == ([], {"system": 1})


@pytest.mark.parametrize(
    "sender",
    [
        "Ann - work",
        'Ann "Bee" Cee',
        "Ann “Bee” Cee",
        "O'Neil",
        "Ann [lab]",
        "+49 170 1234567",
        "Ann/Bob",
        "Dr. Ann, Lab",
        "12345",
        "Jan van 't Hof",
        "Sophie in 't Veld",
        "'t Winkeltje",
        "Rock 'n Roll Ltd",
        "Rock ‘n Roll",
        'Studio 54"',
        '6" Sub',
        "6” Sub",
    ],
)
def test_senders(tmp_path: Path, sender: str) -> None:
    said, _ = read_text(
        tmp_path, f"13/04/2016, 15:04 - {sender}: so: yes\n13/04/2016, 15:05 - \u202a{sender}\u202c: 12\n"
    )
    assert [(sender, text) for _, sender, text in said] == [(sender, "so: yes"), (sender, "12")]


def test_the_assistant_is_a_bot(tmp_path: Path) -> None:
    assert read_text(tmp_path, "13/04/2016, 15:04 - Meta AI: Sure!\n") == ([], {"bot": 1})


WEB = """\
Messages and calls are end-to-end encrypted. No one outside of this chat, not even WhatsApp, can read them.
[9/25/26, 2:22:07 PM] - Ann added Bob
[9/25/26, 2:22:08 PM] You: does it run?
[9/25/26, 2:22:09 PM] Bob: <image omitted> see this
[9/25/26, 2:22:10 PM] Bob: <GIF omitted>
[9/25/26, 2:22:11 PM] Bob: [Forwarded] news
[9/25/26, 2:22:12 PM] Bob: Location: 1.5, 2.5 - https://maps.google.com/?q=1.5,2.5
"""


def test_export_of_whatsapp_web(tmp_path: Path) -> None:
    assert read_text(tmp_path, WEB) == (
        [("2026-09-25 14:22:08", "You", "does it run?"), ("2026-09-25 14:22:09", "Bob", "see this")],
        {"not_a_message": 1, "system": 1, "media_without_text": 2, "forward": 1},
    )


@pytest.mark.parametrize(
    "text",
    [
        "[2014-01-01 00:00:00] <@ines> does it run?\n[2014-01-01T00:01:00.000Z] <tomas> yes: it does\n",
        "[2024-01-13 10:00:00] <@ines> tomas: does it run?\n[2024-01-13 10:00:09] <tomas> ines: yes, note: on Linux\n",
        "[2014-01-01 00:00:00] * tomas nods: yes\n",
        "2024년 5월 1일 오후 3:04, Ines : 되나요?\n",
        "2024. 5. 1. 오후 3:04, Ines : 되나요?\n2024. 5. 1. 오후 3:04: Ines님이 들어왔습니다.\n",
        "[2024-01-13 10:00] Ines: does it run?\n[2024-01-13 10:01] Tomas: yes\n",
        "[04/15/2024 3:04 PM] ines\ntext: hi\n",
        "2024-01-13 10:00:00 Ines(1234)\nhi: there\n",
    ],
)
def test_logs_of_other_programs_do_not_fit(tmp_path: Path, text: str) -> None:
    (tmp_path / "lab.log").write_text(text)
    assert "whatsapp" not in formats_of(tmp_path / "lab.log")


def test_two_exports_in_one_file_are_an_error(tmp_path: Path) -> None:
    """Otherwise the second one would be the text of one message."""
    android = "".join(f"27/08/2024, 22:{minute:02} - Ann: hi\n" for minute in range(60))
    iphone = "".join(f"[28/08/2024, 22:{minute:02}:01] Bob: hi\n" for minute in range(60))
    (tmp_path / "chat.txt").write_text(android + iphone, encoding="utf-8")
    with pytest.raises(click.ClickException, match="60 messages begin in one form and 60 lines in another"):
        list(read_export("whatsapp", tmp_path / "chat.txt"))
