"""Exports as people have them, each through the whole stage: the format that `auto` finds, messages, rejects."""

import json
import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from stages.ingest import main
from tests.conftest import ROOT, Row, run

CASES = ROOT / "tests" / "fixtures" / "exports" / "cases"
Expected = tuple[str, int, dict[str, int]]  # the format, the number of messages, the rejects by reason

OUTCOMES: dict[str, Expected] = {
    "01-whatsapp-arabic.txt": ("whatsapp", 2, {}),
    "03-whatsapp-old-ios.txt": ("whatsapp", 2, {}),
    "05-whatsapp-no-blank.txt": ("whatsapp", 2, {}),
    "06-whatsapp-deleted.txt": ("whatsapp", 2, {"deleted": 3, "media_or_system": 1}),
    "07-whatsapp-poll.txt": ("whatsapp", 2, {}),
    "08-whatsapp-ios.zip": ("whatsapp", 40, {}),
    "09-whatsapp-late-message.txt": ("whatsapp", 9, {}),
    "10-whatsapp-late-morning.txt": ("whatsapp", 3, {}),
    "11-whatsapp-mention-number.txt": ("whatsapp", 2, {}),
    "13-whatsapp-turkish.txt": ("whatsapp", 2, {}),
    "14-whatsapp-us-24h.txt": ("whatsapp", 2, {"media_or_system": 2}),
    "16-whatsapp-southafrica.txt": ("whatsapp", 2, {}),
    "17-whatsapp-mexico.txt": ("whatsapp", 2, {}),
    "19-whatsapp-dots-month-first.txt": ("whatsapp", 2, {}),
    "20-slack-blocks-only": ("slack", 3, {}),
    "21-slack-slackbot": ("slack", 2, {"bot": 2, "system": 3}),
    "23-slack-single-file": ("slack", 2, {}),
    "24-slackdump-dump.json": ("slack", 2, {}),
    "26-slack-no-users-profile-only": ("slack", 2, {}),
    "27-slack-file-without-text": ("slack", 1, {"media_without_text": 1}),
    "30-discord-forward.json": ("discord", 1, {"forward": 1}),
    "31-discord-folder": ("discord", 2, {}),
    "32-discord-pluralkit.json": ("discord", 1, {"bot": 1}),
    "40-telegram-topics.json": ("telegram", 5, {"system": 2}),
    "41-telegram-forward.json": ("telegram", 2, {"forward": 1}),
    "43-telegram-whatsapp-exporter.json": ("telegram", 2, {}),
    "50-irc-irssi-no-blank": ("irc", 2, {"system": 1}),
    "52-irc-thelounge": ("irc", 3, {}),
    "54-irc-bridge": ("irc", 3, {}),
    "55-irc-folder": ("irc", 2, {}),
    "57-irc-irssi-dash": ("irc", 3, {"system": 3}),
    "58-irc-latin1": ("irc", 2, {"invalid_utf8": 1}),
    "59-whatsapp-latin1.txt": ("whatsapp", 1, {"invalid_utf8": 1}),
    "60-wechatmsg-group_utf8.csv": ("the csv of wechatmsg", 2, {"other_type": 3}),
    "62-pywxdump.csv": ("the csv of pywxdump", 2, {"other_type": 1}),
    "63-chatlog.json": ("the json of chatlog", 2, {}),
    "64-json-array.json": ("json", 2, {}),
    "65-excel-semicolon-dates.csv": ("csv", 2, {}),
    "68-element-export.json": ("element", 1, {}),
    "69-kakao.txt": ("kakao", 2, {}),
    "70-whatsapp-german-english.txt": ("whatsapp", 2, {}),
    "72-whatsapp-indonesian.txt": ("whatsapp", 2, {}),
    "73-irc-thelounge-colon": ("irc", 2, {}),
    "74-whatsapp-taiwan.txt": ("whatsapp", 3, {}),
    "76-messenger.json": ("messenger", 1, {}),
    "77-mattermost.jsonl": ("mattermost", 2, {}),
    "78-signal-export.md": ("signal", 2, {}),
    "79-rocketchat.json": ("rocketchat", 1, {}),
}
PATHS = ("messages.jsonl", "imported.jsonl", "rejects.jsonl", "metrics.json", "details.json")


def rows(file: str) -> list[Row]:
    return [json.loads(line) for line in Path(file).read_text(encoding="utf-8").splitlines()]


@pytest.fixture
def ingest_case(set_params: Callable[..., None]) -> Callable[..., str]:
    """Run the stage on a case with parameters of ingest; what it says."""

    def ingest(name: str, **values: object) -> str:
        path = str(CASES / name)
        defaults = {"ingest.path": path, "ingest.format": "auto", "ingest.min_senders": 1}
        set_params(**defaults | {f"ingest.{key}": value for key, value in values.items()})
        result = run(main, *PATHS)
        assert not result.exception, result.output
        return result.output

    return ingest


@pytest.mark.parametrize(("name", "expected"), OUTCOMES.items(), ids=list(OUTCOMES))
def test_a_case_is_taken_for_its_format(name: str, expected: Expected, ingest_case: Callable[..., str]) -> None:
    said = ingest_case(name)
    taken_for = re.search(r": taken for ([a-z ]+)", said)
    assert taken_for
    reasons = Counter(row["reason"] for row in rows("rejects.jsonl"))
    assert (taken_for[1], len(rows("messages.jsonl")), reasons) == expected
    assert json.loads(Path("details.json").read_text())["messages_in"] == expected[1] + reasons.total()


def test_all_cases_are_here() -> None:
    assert {path.name for path in CASES.iterdir()} == {*OUTCOMES, "67-matrix-events.jsonl"}  # no usable message


def test_a_bridge(ingest_case: Callable[..., str]) -> None:
    assert "add it to ingest.bridges" in ingest_case("54-irc-bridge")
    ingest_case("54-irc-bridge", bridges=["bridgebot"])
    ines, tomas, kai = rows("messages.jsonl")
    assert len({ines["sender"], tomas["sender"], kai["sender"]}) == 3
    assert [row["text"] for row in (ines, tomas, kai)] == ["does it run?", f"{ines['sender']}: it does", "thanks"]


def test_senders_to_leave_out(ingest_case: Callable[..., str]) -> None:
    ingest_case("54-irc-bridge", leave_out=["bridgebot"])
    assert [row["text"] for row in rows("messages.jsonl")] == ["thanks"]
    assert [row["reason"] for row in rows("rejects.jsonl")] == ["left_out"] * 2


def test_a_spreadsheet_of_semicolons(ingest_case: Callable[..., str]) -> None:
    ingest_case("65-excel-semicolon-dates.csv")
    first, second = rows("messages.jsonl")
    assert (first["text"], second["text"]) == ("does it run?", "yes")
    assert first["sender"] != second["sender"]
