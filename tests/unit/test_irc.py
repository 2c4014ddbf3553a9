"""IRC logs as clients, bouncers and bots write them: forms of lines, days and clocks, rooms, what fits."""

from collections import Counter
from datetime import datetime
from pathlib import Path
from typing import NamedTuple
from zoneinfo import ZoneInfo

import click
import pytest

from stages.chat import Message, Reject
from stages.chat.exports import open_export
from stages.chat.formats import irc
from stages.chat.formats.irc_dates import LogDate, date_in
from stages.chat.formats.irc_rooms import rooms
from tests.chat_exports import formats_of, read_export
from tests.conftest import ROOT

CASES = ROOT / "tests" / "fixtures" / "exports" / "cases"


class Log(NamedTuple):
    """A log and what is right: messages as `time sender text`, and how many rejects there are of each reason."""

    text: str
    messages: list[str]
    rejects: dict[str, int]


def read(path: Path, zone: str = "UTC") -> tuple[list[Message], dict[str, int]]:
    entries = list(read_export("irc", path, zone))
    messages = [entry for entry in entries if isinstance(entry, Message)]
    return messages, dict(Counter(entry.reason for entry in entries if isinstance(entry, Reject)))


def written(messages: list[Message], zone: str = "UTC") -> list[str]:
    times = (datetime.fromtimestamp(message.timestamp, ZoneInfo(zone)) for message in messages)
    return [f"{time:%Y-%m-%d %H:%M:%S} {m.sender} {m.text}" for time, m in zip(times, messages, strict=True)]


def test_irssi_without_a_blank_after_the_time() -> None:
    messages, rejects = read(CASES / "50-irc-irssi-no-blank" / "lab.log")
    assert written(messages) == ["2019-09-30 16:59:05 ines tomas: does it run?", "2019-09-30 17:01:04 tomas yes"]
    assert rejects == {"system": 1}


def test_irssi_with_notices() -> None:
    messages, rejects = read(CASES / "57-irc-irssi-dash" / "lab.log")
    assert written(messages) == [
        "2016-11-15 13:18:00 ines does it run?",
        "2016-11-15 13:19:00 tomas nods",
        "2016-11-16 00:11:00 tomas next",
    ]
    assert rejects == {"system": 3}


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (
            "52-irc-thelounge",
            [
                "2014-01-01 00:00:00 ines does it run?",
                "2014-01-01 00:00:09 tomas nods",
                "2014-01-01 00:01:00 tomas yes",
            ],
        ),
        (
            "73-irc-thelounge-colon",
            [
                "2024-01-13 10:00:00 ines tomas: does it run?",
                "2024-01-13 10:00:09 tomas ines: yes, note: on Linux",
            ],
        ),
    ],
)
def test_the_lounge(name: str, expected: list[str]) -> None:
    messages, rejects = read(CASES / name / "lab.log")
    assert (written(messages), rejects) == (expected, {})


def test_a_bridge_is_read_as_it_stands() -> None:
    messages, _ = read(CASES / "54-irc-bridge" / "2016-11-15.txt")
    assert [(message.sender, message.text) for message in messages][:2] == [
        ("bridgebot", "<ines> does it run?"),
        ("bridgebot", "<tomas> ines: it does"),
    ]


def test_a_line_that_is_not_utf8_is_a_reject() -> None:
    messages, rejects = read(CASES / "58-irc-latin1" / "2016-11-15.txt")
    assert written(messages) == ["2016-11-15 12:18:00 ines does it run?", "2016-11-15 13:19:00 kai yes"]
    assert rejects == {"invalid_utf8": 1}


def test_a_folder_of_days_is_one_room() -> None:
    messages, rejects = read(CASES / "55-irc-folder")
    assert written(messages) == ["2016-11-15 13:18:00 ines does it run?", "2016-11-16 13:20:00 tomas yes"]
    assert {message.group for message in messages} == {"55-irc-folder"}
    assert not rejects


LOGS = {
    "irssi in German": Log(
        "--- Log opened Di Nov 15 00:00:44 2016\n"
        "16:59 < ines> läuft es?\n16:59 <@tomas:#lab> ja\n17:00 -tomas:#lab- notice\n17:00 !irc.example.org notice\n"
        "17:01 -!- mode/#lab [+o ines] by ChanServ\n17:02  * tomas is now known as a joke\n"
        "--- Day changed Mi Nov 16 2016\n00:10 <+ines> neu\n"
        "--- Tag hat gewechselt Do 17. November 2016\n00:11 <+ines> wieder\n--- Ende\n",
        [
            "2016-11-15 16:59:00 ines läuft es?",
            "2016-11-15 16:59:00 tomas ja",
            "2016-11-15 17:02:00 tomas is now known as a joke",
            "2016-11-16 00:10:00 ines neu",
            "2016-11-17 00:11:00 ines wieder",
        ],
        {"system": 4},
    ),
    "irssi with dates": Log(
        "2019-09-30 16:59:05 <@ines> hi\n2019-09-30 16:59:06 -!- kai [k@x] has joined #lab\n"
        "2019-09-30 16:59:07  * tomas nods\n[2019/09/30 16:59] <ines> slashes\n30.09.2019 16:59:08 <ines> dots\n",
        [
            "2019-09-30 16:59:05 ines hi",
            "2019-09-30 16:59:07 tomas nods",
            "2019-09-30 16:59:00 ines slashes",
            "2019-09-30 16:59:08 ines dots",
        ],
        {"system": 1},
    ),
    "WeeChat": Log(
        "2026-08-17 12:34:56.123456Z\t@ines\thi\tyou\n2026-08-17 12:34:57.5Z\t *\t@ines nods\n"
        "2026-08-17 12:34:58Z\t-->\tkai (~k@x) has joined #lab\n2026-08-17 12:34:58Z\t<--\tkai (~k@x) has quit\n"
        "2026-08-17 14:34:59 +0200\tQ\tzone\n2026-08-17 12:35:00Z\t⇒\tkai (~k@x) has joined #lab\n"
        "2026-08-17 12:35:01Z\t\t<ines> no nick\n2026-08-17 12:35:01Z\t<ines>\tangles\n",
        [
            "2026-08-17 12:34:56 ines hi\tyou",
            "2026-08-17 12:34:57 ines nods",
            "2026-08-17 12:34:59 Q zone",
            "2026-08-17 12:35:01 ines angles",
        ],
        {"system": 4},
    ),
    "The Lounge": Log(
        "[2014-01-01T00:00:00.000Z] *** ines (x@y) joined\n"
        "[2014-01-01T00:00:01.000Z] <@ines> \x0304,05red\x03 \x02b\x0f\n"
        "[2014-01-01T00:00:02.000Z] * @tomas nods\n[2014-01-01T00:00:03.000Z] -tomas- notice\n"
        "[2014-01-01T00:00:04.000Z] *** tomas changed nick to tom\n",
        ["2014-01-01 00:00:01 ines red b", "2014-01-01 00:00:02 tomas nods"],
        {"system": 3},
    ),
    "HexChat": Log(
        "**** BEGIN LOGGING AT Thu Dec 31 23:18:05 2015\n\nDec 31 23:18:05 *\tNow talking on #lab\n"
        "Dec 31 23:18:06 <ines>\tdoes it run?\nDec 31 23:18:07 *\ttomas nods\n"
        "Dec 31 23:18:08 *\tines gives channel operator status to tomas\nDec 31 23:18:08 *\tkai (~k@x) has joined\n"
        "Dec 31 23:18:08 *\tkai has quit (Bye)\nDec 31 23:18:09 -ChanServ-\thello\n"
        "Dec 31 23:18:09 ---\tines sets mode +t\n"
        "Jan 01 00:18:05 <ines>\tnext\n**** ENDING LOGGING AT Fri Jan  1 00:19:05 2016\n"
        "**** BEGIN LOGGING AT Tue Nov 01 12:18:05 2016\nNov 01 12:18:05 <ines>\tlater\n"
        "Oct 30 12:18:05 <kai>\tplayed back\n",
        [
            "2015-12-31 23:18:06 ines does it run?",
            "2015-12-31 23:18:07 tomas nods",
            "2016-01-01 00:18:05 ines next",
            "2016-11-01 12:18:05 ines later",
            "2016-10-30 12:18:05 kai played back",
        ],
        {"system": 7},
    ),
    "XChat in Czech": Log(  # whose srp is August, as July is in Croatian
        "**** BEGIN LOGGING AT Út čec  5 12:18:05 2016\n\n"
        "čec 05 12:18:05 <ines>\tjedna\nsrp 05 12:18:05 <ines>\tdvě\n",
        ["2016-07-05 12:18:05 ines jedna", "2016-08-05 12:18:05 ines dvě"],
        {},
    ),
    "ZNC": Log(
        "--- 2016-01-05\n[12:18:05] <ines> hi\n[12:18:06] * ines nods\n[12:18:07] *** Joins: ines (x@y)\n"
        "[12:18:08] *** Quits: ines (x@y) (Bye)\n[12:18:09] -ines- notice\n[12:18:09] Connected to IRC (irc +6697)\n",
        ["2016-01-05 12:18:05 ines hi", "2016-01-05 12:18:06 ines nods"],
        {"system": 4},
    ),
    "mIRC": Log(
        "Session Start: Tue Jan 05 12:18:05 2016\nSession Ident: #lab\n[12:18] * Now talking in #lab\n"
        "[12:18] * Topic is 'x'\n[12:18] * Set by kai!k@x on Tue Jan 05 10:00:00\n[12:18] <@ines> hi\n"
        "[12:19] * tomas nods\n[12:19] * tomas is now known as tom\n[12:19] * Joins: kai (k@x)\n"
        "03[12:20] * kai (k@x) has joined #lab\n\x0306[12:20] * ines has joined the fun\x0f\n"
        "Session Time: Wed Jan 06 00:00:00 2016\n[00:20] <ines> next\n[23:00] <ines> late\n"
        "[00:10] <ines> over midnight\n"
        "Session Close: Thu Jan 07 00:18:05 2016\n",
        [
            "2016-01-05 12:18:00 ines hi",
            "2016-01-05 12:19:00 tomas nods",
            "2016-01-05 12:20:00 ines has joined the fun",
            "2016-01-06 00:20:00 ines next",
            "2016-01-06 23:00:00 ines late",
            "2016-01-07 00:10:00 ines over midnight",
        ],
        {"system": 8},
    ),
    "Konversation": Log(
        "[Tuesday, January 5, 2016] [12:18:05 PM] <ines>\thi\n[Dienstag, 5. Januar 2016] [13:18:05] *\tines nickt\n"
        "[martes, 5 de enero de 2016] [13:18:06] <ines>\thola\n"
        "[mardi 5 janvier 2016] [13:18:07] -->\tkai (x@y) est là\n"
        "[2016年1月5日 星期二] [13:18:08] <ines>\t你好\n[вторник, 5 января 2016 г.] [13:18:09] Topic\tkai\n",
        [
            "2016-01-05 12:18:05 ines hi",
            "2016-01-05 13:18:05 ines nickt",
            "2016-01-05 13:18:06 ines hola",
            "2016-01-05 13:18:08 ines 你好",
        ],
        {"system": 2},
    ),
    "KVIrc": Log(
        "15 ### Log session started at Tue Jan 5 12:18:05 2016 ###\n25 [12:18:05] <ines> hi\n32 [12:18:06] ines nods\n"
        "20 [12:18:07] kai [~k@x] has joined #lab\n25 2016-01-05T13:18:05<ines> with its date\n",
        ["2016-01-05 12:18:05 ines hi", "2016-01-05 12:18:06 ines nods", "2016-01-05 13:18:05 ines with its date"],
        {"system": 1},
    ),
    "Textual": Log(
        "[2016-01-05T12:18:05+0100] <@ines> hi\n[2016-01-05T12:18:06+0100] • ines: nods\n"
        "[2016-01-05T12:18:07+0100] ines (x@y) joined the channel\n",
        ["2016-01-05 11:18:05 ines hi", "2016-01-05 11:18:06 ines nods"],
        {"system": 1},
    ),
    "eggdrop": Log(
        "[00:00] --- Tue Jan  5 2016\n[12:18] <ines> hi\n[13:18] Action: ines nods\n[13:18] kai (k@x) joined #lab.\n"
        "[13:18] #lab: mode change '+o x' by y!z@w\n[00:00] --- Wed Jan  6 2016\n[12:18] <ines> next\n",
        ["2016-01-05 12:18:00 ines hi", "2016-01-05 13:18:00 ines nods", "2016-01-06 12:18:00 ines next"],
        {"system": 2},
    ),
    "supybot": Log(
        "2016-01-05T12:18:05  <ines> hi\n2016-01-05T12:18:06  * ines nods\n"
        "2016-01-05T12:18:07  *** kai <kai!x@y> has joined #lab\n[12-Feb-2016 16:59:42]  <ines> as of old\n",
        ["2016-01-05 12:18:05 ines hi", "2016-01-05 12:18:06 ines nods", "2016-02-12 16:59:42 ines as of old"],
        {"system": 1},
    ),
    "IRCCloud": Log(
        "[2016-10-03 21:38:29] → Joined channel #lab\n[2016-10-03 21:38:33] * Channel mode is +tn\n"
        "[2016-10-03 21:38:33] * ChanServ set +o ines\n[2016-10-03 21:38:45] <ines> hi\n"
        "[2016-10-03 21:38:46] — ines nods\n[2016-10-03 21:38:47] ⇐ kai quit (~k@x): Ping timeout\n",
        ["2016-10-03 21:38:45 ines hi", "2016-10-03 21:38:46 ines nods"],
        {"system": 4},
    ),
    "bip": Log(
        "13-05-2005 12:14:29 > ines: hi\n13-05-2005 12:14:30 < tomas!~t@::1: yes: so\n"
        "13-05-2005 12:14:31 < * kai!x@y nods\n"
        "13-05-2005 12:14:31 -!- kai!k@x has joined #lab\n",
        ["2005-05-13 12:14:29 ines hi", "2005-05-13 12:14:30 tomas yes: so", "2005-05-13 12:14:31 kai nods"],
        {"system": 1},
    ),
    "ii": Log(
        "1451996285 <ines> hi\n1451996286 -!- kai(k@x) has joined #lab\n",
        ["2016-01-05 12:18:05 ines hi"],
        {"system": 1},
    ),
    "mbot and a bridge": Log(
        "Tue Jan  5 12:18:05 2016 <ines> hi\n[13/01/2016 - 20:38] <Ines Moor> slashes\n",
        ["2016-01-05 12:18:05 ines hi", "2016-01-13 20:38:00 Ines Moor slashes"],
        {},
    ),
    "HexChat's own words": Log(
        "**** BEGIN LOGGING AT Tue Nov 15 13:10:00 2016\n\nNov 15 13:11:00 <ines>\thi\n"
        + "".join(
            f"Nov 15 13:11:01 *\t{event}\n"
            for event in (
                *("[kai] (~k@x.y): Kai Roe", "[kai] #lab @#dev", "[kai] irc.libera.chat :Stockholm"),
                *("[kai] idle 00:01:02, signon: Tue Nov 15 01:00:00 2016", "[kai] End of WHOIS list."),
                *("kai!*@* added to ignore list.", "kai!*@* removed from ignore list."),
                *("You've invited kai to #lab (irc.net)", "kai has invited you to #lab (irc.net)"),
                *("kai already in use. Retrying with kai_...", "Stopped previous connection attempt (5)"),
                *("Unknown command. Try /help", "No such DCC."),
            )
        )
        + "Nov 15 13:12:00 *\t[tomas] is tired\nNov 15 13:12:01 *\tkai already left\n"
        "Nov 15 13:12:02 *\tines invited tomas to dinner\n",
        [
            "2016-11-15 13:11:00 ines hi",
            "2016-11-15 13:12:00 [tomas] is tired",
            "2016-11-15 13:12:01 kai already left",
            "2016-11-15 13:12:02 ines invited tomas to dinner",
        ],
        {"system": 13},
    ),
    "ZNC's playback": Log(
        "--- Log opened Tue Nov 15 00:00:44 2016\n13:18 <ines> [12:00:00] no playback\n"
        "13:18 <***> Buffer Playback...\n13:18 <ines> [12:50:10] hi\n"
        "13:18  * kai [13:18:40] waves\n13:18 <tomas> [23:50:11] yesterday\n"
        "13:18 <kai> untimed\n13:19 <***> Playback Complete.\n13:19 <ines> [12:00:00] new\n"
        "13:20 <*status> Connected!\n13:20 <*> g\n13:21 * * ines waves\n",
        [
            "2016-11-15 13:18:00 ines [12:00:00] no playback",
            "2016-11-15 12:50:10 ines hi",
            "2016-11-15 13:18:40 kai waves",
            "2016-11-14 23:50:11 tomas yesterday",
            "2016-11-15 13:18:00 kai untimed",
            "2016-11-15 13:19:00 ines [12:00:00] new",
        ],
        {"system": 5},
    ),
    "ii's and other epoch seconds": Log(
        "1479215902 <tomas> \x01ACTION waves\x01\n1479215903 <tomas> \x01VERSION\x01\n[1479215904] <ines> hi\n",
        ["2016-11-15 13:18:22 tomas waves", "2016-11-15 13:18:24 ines hi"],
        {"system": 1},
    ),
    "Quassel and nicks with marks": Log(
        "[2016-11-15 13:18:23] -*- ines waves\n[2016-11-15 13:18:24] *ines nods\n[2016-11-15 13:18:24] *ines* psst\n"
        "[2016-11-15 13:18:24] *kai has joined #lab\n[2016-11-15 13:18:25] <\u00a0kai> f\n"
        "[2016-11-15 13:18:26] <i\u200bn\u00ades> one\n[2016-11-15 13:18:27] <\u200e@ines\ufeff> two\n"
        "[2016-11-15 13:18:28] * i\u2060nes waves 👩\u200d🚀\n[2016-11-15 13:18:29] <\u200b> nobody\n",
        [
            "2016-11-15 13:18:23 ines waves",
            "2016-11-15 13:18:24 ines nods",
            "2016-11-15 13:18:25 kai f",
            "2016-11-15 13:18:26 ines one",
            "2016-11-15 13:18:27 ines two",
            "2016-11-15 13:18:28 ines waves 👩\u200d🚀",
        ],
        {"system": 3},
    ),
    "dates without separators": Log(
        "20161115 13:18 <ines> hi\n[20161115-13:18:05] <tomas> yes\n[20161315-13:18:05] <tomas> no month\n",
        ["2016-11-15 13:18:00 ines hi", "2016-11-15 13:18:05 tomas yes"],
        {"bad_time": 1},
    ),
    "lines without a day or a time": Log(
        "00:10 <ines> whenever\n<ines> untimed\n--- Day changed Tue Nov 15 2016\n25:00 <ines> no time\n"
        "2016-02-30 10:00 <ines> no day\n00:11 <\x02ines\x02> known\n",
        ["2016-11-15 00:11:00 ines known"],
        {"bad_time": 4},
    ),
}


@pytest.mark.parametrize("name", LOGS)
def test_logs_of_clients(tmp_path: Path, name: str) -> None:
    log = LOGS[name]
    (tmp_path / "lab.log").write_text(log.text)
    messages, rejects = read(tmp_path / "lab.log")
    assert (written(messages), rejects) == (log.messages, log.rejects)
    assert {message.group for message in messages} == {"lab"}
    assert formats_of(tmp_path / "lab.log") == ["irc"]


@pytest.mark.parametrize(
    ("words", "day"),
    [
        ("Log opened Mo Sep 30 00:00:44 2019", "2019-09-30"),
        ("Day changed Di Mär 05 2019", "2019-03-05"),
        ("Day changed mar. janv. 05 2016", "2016-01-05"),
        ("Day changed mar mar 05 2019", "2019-03-05"),  # Italian: Tuesday, March
        ("Day changed mar jui 05 2016", "2016-07-05"),  # French: June or July, by the weekday
        ("Day changed wto lis 15 2016", "2016-11-15"),  # Polish: November
        ("Day changed uto lis 15 2016", None),  # Croatian, where it were October, which had no such Tuesday
        ("Day changed Вт ноя 15 2016", "2016-11-15"),
        ("Day changed Út kvě 24 2016", "2016-05-24"),
        ("Day changed ti marras 15 2016", "2016-11-15"),
        ("Day changed 火 11月 15 2016", "2016-11-15"),
        ("Day changed T3 Thg 11 15 2016", "2016-11-15"),
        ("Dag gewijzigd, 15 nov. 2016", "2016-11-15"),
        ("Día cambiado: 15 de noviembre de 2016", "2016-11-15"),
        ("2016-11-15", "2016-11-15"),
        ("15.11.2016", "2016-11-15"),
        ("Mon Nov 15 2016", "2016-11-15"),  # which was a Tuesday
        ("15 lis 2016", None),  # Polish November or Croatian October
        ("Day changed", None),
        ("Nov 15 16 2016", None),
    ],
)
def test_days_in_any_language(words: str, day: str | None) -> None:
    found = date_in(words)
    assert (f"{found.year:04}-{found.month:02}-{found.day:02}" if found else None) == day


def test_a_language_that_a_day_line_shows_settles_the_words_of_others() -> None:
    assert date_in("lis 15") is None
    assert date_in("lis 15", "pl") == LogDate(None, 11, 15, "pl")
    assert date_in("lis 15", "hr") == LogDate(None, 10, 15, "hr")
    with pytest.raises(ValueError, match="day is out of range"):
        date_in("Tue Nov 31 2016")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("--- Day changed Xyz Abc 15 2016\n13:18 <ines> hi\n", "lab.log, line 1: a day in words of no language"),
        ("--- Day changed Tue Nov 31 2016\n13:18 <ines> hi\n", "lab.log, line 1: a day that isn't one"),
        ("13:18 <ines> hi\n", "no day: neither the lines nor"),
        ("Nov 15 13:18:05 <ines> no year\n", "no day: neither the lines nor"),
        ("03/04/2016 13:18 <ines> hi\n04/05/2016 13:18 <ines> hi\n", "day/month or month/day"),
    ],
)
def test_days_that_cannot_be_known(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "lab.log").write_text(text)
    with pytest.raises(click.ClickException, match=message):
        read(tmp_path / "lab.log")


@pytest.mark.parametrize(
    ("times", "hours"),
    [
        ({"2004-11-14": "01:10 11:00 12:30 01:00", "2004-11-15": "12:18"}, [1, 11, 12, 13, 24]),  # of 12 hours
        ({"2004-11-15": "12:18", "2004-11-16": "13:18"}, [12, 37]),
        ({"2004-11-15": "12:18:05"}, [12]),
        ({"2004-11-15": "12:18 AM,12:18 PM,1:18 p.m."}, [0, 12, 13]),
    ],
)
def test_a_day_of_nothing_but_twelve_has_the_clock_of_the_room(
    tmp_path: Path, times: dict[str, str], hours: list[int]
) -> None:
    for day, of_day in times.items():
        clocks = of_day.split("," if "," in of_day else " ")
        (tmp_path / f"{day}.log").write_text("".join(f"[{clock}] <ines> hi\n" for clock in clocks))
    first = datetime.fromisoformat(min(times)).replace(tzinfo=ZoneInfo("UTC")).timestamp()
    assert [int(message.timestamp - first) // 3600 for message in read(tmp_path)[0]] == hours


def test_a_room_of_nothing_but_twelve_is_noon_where_no_clock_has_12_hours(tmp_path: Path) -> None:
    (tmp_path / "2016-11-15.log").write_text("[12:18] <ines> does it run?\n[12:19] <tomas> yes\n")
    assert [line[:16] for line in written(read(tmp_path / "2016-11-15.log")[0])] == [
        "2016-11-15 12:18",
        "2016-11-15 12:19",
    ]


def test_a_room_of_nothing_but_twelve_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "#lab_20041115.log").write_text("[12:18] <ines> hi\n")
    (tmp_path / "#den_20041115.log").write_text("[13:18] <ines> hi\n")
    with pytest.raises(click.ClickException, match=r"#lab_20041115\.log: all times are 12:xx"):
        read(tmp_path)


@pytest.mark.parametrize(
    ("names", "groups"),
    [
        (["#lab_20160105.log", "#lab_20160106.log"], ["#lab"] * 2),
        (["znc/libera/#lab/2016-01-05.log", "znc/libera/#lab/2016-01-06.log"], ["#lab"] * 2),
        (["me_libera_#lab_20160105.log", "me_libera_#lab_20160106.log", "me_libera_#den_20160105.log"],
         ["#den", "#lab", "#lab"]),
        (["libera/#lab/2016-01-05.log", "oftc/#lab/2016-01-05.log"], ["libera/#lab", "oftc/#lab"]),
        (["2016/01/05.log", "2016/01/06.log"], ["logs"] * 2),
        (["2016-01/05.txt", "2016-01/06.txt"], ["logs"] * 2),
        (["2016/01/05/#lab.txt", "2016/01/06/#lab.txt"], ["#lab"] * 2),
        (["#lab/2016/2016-01-05.log", "#lab/2016/2016-01-06.log"], ["#lab"] * 2),
        (["2016/libera/#lab.01-05.log", "2016/libera/#lab.01-06.log"], ["#lab"] * 2),
        (["#lab.05.01.2016.log", "#lab.06.01.2016.log"], ["#lab"] * 2),
        (["2016_01_05-lab.log", "2016_01_06-lab.log"], ["lab"] * 2),
        (["lab.05Jan2016.log", "lab.06-Jan-2016.log"], ["lab"] * 2),
        (["den.2016-01-05-17.00.log.txt", "den.2016-01-06-17.30.log.txt"], ["den"] * 2),
        (["2016-01-05_03.raw.txt", "2016-01-06_21.raw.txt"], ["logs"] * 2),
        (["lab.2016-Jan-05.log", "lab.2016-January-06.log"], ["lab"] * 2),
        (["Jan-05-2016.log", "January 6, 2016.log"], ["logs"] * 2),
        (["2016 01 05 lab.txt", "2016 01 06 lab.txt"], ["lab"] * 2),
        (["2016/Jan/05.log", "2016/Jan/06.log"], ["logs"] * 2),
        (["2016/01/lab-05.log", "2016/01/lab-06.log", "2016-01/den-06.log"], ["lab", "lab", "den"]),
        (["default_ines_20160105.log", "default_#lab_20160106.log"], ["#lab", "ines"]),
        (["#lab.05.01.2016-12.30.log", "#lab.06.01.2016-12.30.log"], ["#lab"] * 2),
        (["#conf-2015_20160105.log", "#conf-2016_20160106.log"], ["#conf-2015", "#conf-2016"]),
    ],
)  # fmt: skip
def test_rooms_of_a_folder(tmp_path: Path, names: list[str], groups: list[str]) -> None:
    for name in names:
        path = tmp_path / "logs" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("[13:18] <ines> hi\n")
    messages, rejects = read(tmp_path / "logs")
    assert not rejects
    assert [message.group for message in messages] == groups
    assert all(line[:10] in ("2016-01-05", "2016-01-06") for line in written(messages))


@pytest.mark.parametrize(
    ("names", "days"),
    [
        (["05-11-2016.log", "06-11-2016.log"], ["2016-11-05", "2016-11-06"]),  # day first
        (["11-05-2016.log", "11-15-2016.log"], ["2016-11-05", "2016-11-15"]),  # of which one must be month first
        (["05.11.2016.log", "15.11.2016.log"], ["2016-11-05", "2016-11-15"]),
    ],
)
def test_the_days_of_a_folder_have_one_order(tmp_path: Path, names: list[str], days: list[str]) -> None:
    for name in names:
        (tmp_path / name).write_text("[13:18] <ines> hi\n")
    assert [line[:10] for line in written(read(tmp_path)[0])] == days


def test_days_in_either_order_are_an_error(tmp_path: Path) -> None:
    for name in ("15-11-2016.log", "11-16-2016.log"):
        (tmp_path / name).write_text("[13:18] <ines> hi\n")
    with pytest.raises(click.ClickException, match="no day"):
        read(tmp_path)


def test_a_room_of_weechat_in_a_file_for_each_month(tmp_path: Path) -> None:
    for month in ("11", "12"):
        path = tmp_path / "2016" / "irc.libera.#lab" / f"{month}.weechatlog"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"2016-{month}-15 13:18:22\tines\thi\n")
    assert {message.group for message in read(tmp_path)[0]} == {"irc.libera.#lab"}


def test_weechat_with_clocks_alone(tmp_path: Path) -> None:
    path = tmp_path / "2016" / "irc.libera.#lab.11-15.weechatlog"
    path.parent.mkdir()
    path.write_text("13:18:22\tines\thi\n13:18:23\t*\ttomas waves\n13:18:24\t-->\tkai (~k@x) has joined\n")
    messages, rejects = read(path)
    assert written(messages) == ["2016-11-15 13:18:22 ines hi", "2016-11-15 13:18:23 tomas waves"]
    assert rejects == {"system": 1}
    assert formats_of(path) == ["irc"]


def test_a_file_alone_keeps_its_name(tmp_path: Path) -> None:
    (tmp_path / "2016-11-15-ubuntu.txt").write_text("[13:18] <ines> hi\n")
    assert [message.group for message in read(tmp_path / "2016-11-15-ubuntu.txt")[0]] == ["2016-11-15-ubuntu"]


def test_the_zone_of_a_line_goes_before_that_of_the_log(tmp_path: Path) -> None:
    (tmp_path / "lab.log").write_text(
        "[2016-01-05T12:18:05Z] <ines> a\n[2016-01-05 12:18:05 CET] <ines> b\n2016-01-05 12:18:05-0500 <ines> c\n"
    )
    zone = "Asia/Tokyo"
    assert [line[:19] for line in written(read(tmp_path / "lab.log", zone)[0], zone)] == [
        "2016-01-05 21:18:05",
        "2016-01-05 12:18:05",
        "2016-01-06 02:18:05",
    ]


@pytest.mark.parametrize(
    "start",
    [
        "=== ines [~ines@host]  has joined #ubuntu\n=== tomas is now known as tom\n",
        "--- Log opened Mon Sep 30 00:00:44 2019\n00:00 -!- ines [i@x] has joined #lab\n",
        "--- Day changed Di Nov 15 2016\n",
        "2016-11-14 23:58:11\t-->\tann (~ann@host) has joined #lab\n",
        "[2014-01-01T00:00:00.000Z] *** ines (x@y) joined\n",
        "**** BEGIN LOGGING AT Thu Dec 31 23:18:05 2015\n\nDec 31 23:18:05 *\tNow talking on #lab\n",
        "[12:18:07] *** Joins: ines (x@y)\n",
        "Session Start: Tue Jan 05 12:18:05 2016\nSession Ident: #lab\n[12:18] * Now talking in #lab\n",
        "[Tuesday, January 5, 2016] [12:18:05 PM] -->\tines (x@y) has joined this channel\n",
        "[00:00] --- Tue Jan  5 2016\n[13:18] kai (k@x) joined #lab.\n",
    ],
)
def test_logs_that_begin_with_events_alone_fit(start: str) -> None:
    assert irc.fits(start, {})


@pytest.mark.parametrize(
    "start",
    [
        "[27.08.24, 10:00:12] Tomas: hi\n[27.08.24, 10:00:13] Ines: <attached: x>\n",
        "[2024-01-13, 10:00:12] Tomas: hi\n2024-01-13 10:00 - Tomas: hi\n",
        "[2024-01-13 10:00] Ines: does it run?\n[2024-01-13 10:01] Tomas: yes, note: on Linux\n",
        "2024/01/13(Sat)\n10:00\tInes\tdoes it run?\n10:01\tTomas\tyes\n",
        "time,sender,text\n2016-01-05 12:18:05,ines,hi\n",
        '{"timestamp": "2016-01-05 12:18:05", "text": "<ines> hi"}\n',
        "# Notes\n\n* ines nods\n\n--- \n=== Heading\n",
        "Jan 05 12:18:05 host sshd[1]: session opened for user ines (uid=0)\n",
        "",
    ],
)
def test_what_is_no_irc_log_does_not_fit(start: str) -> None:
    assert not irc.fits(start, {})


def test_a_log_pasted_into_another_chat_makes_it_no_irc_log(tmp_path: Path) -> None:
    chat = "".join(f"[27/08/2024, 10:00:{second}] Tomas: hi\n" for second in range(10, 20))
    (tmp_path / "chat.txt").write_text(f"{chat}[28/08/2024, 10:00:12] Ines: see\n12:18 <kai> hi\n12:19 <lea> yes\n")
    assert formats_of(tmp_path / "chat.txt") == ["whatsapp"]


@pytest.mark.parametrize(
    ("names", "room"),
    [
        (["lab.log.15Nov2016", "lab.log.16Nov2016"], "lab"),  # eggdrop
        (["lab.log", "lab.log.1"], "lab"),
        (["#lab/out"], "#lab"),  # ii
        (["2016/11/#lab.log"], "#lab"),
    ],
)
def test_rooms_of_logs_without_an_ending(names: list[str], room: str, tmp_path: Path) -> None:
    for name in names:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("")
    with open_export(tmp_path) as export:
        assert rooms(export.files) == dict.fromkeys(names, room)
