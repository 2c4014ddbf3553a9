"""Exports of Telegram Desktop of all versions, and what converters write: what is a person's, of which room."""

import json
from collections.abc import Iterable
from datetime import UTC
from pathlib import Path
from typing import Any

import click
import pytest

from stages.chat import ReadSettings
from stages.chat.detection import detect_format, module_of
from stages.chat.exports import open_export
from stages.chat.formats.telegram_chats import Chat
from tests.chat_exports import COLUMNS, INGEST, formats_of, read_export
from tests.conftest import ingested
from tests.unit.test_readers import EXPORTS, contents_of, read

CASES = EXPORTS / "cases"
Json = dict[str, Any]


def message(number: int, text: Any = "hi", **more: Any) -> Json:
    raw = {"id": number, "type": "message", "date": "2023-11-14T22:13:20", "date_unixtime": f"{1700000000 + number}"}
    return raw | {"from": "Ann", "from_id": "user7", "text": text} | more


def service(number: int, action: str, **more: Any) -> Json:
    raw = {"id": number, "type": "service", "date": "2023-11-14T22:13:20", "date_unixtime": "1700000000"}
    return raw | {"actor": "Ann", "actor_id": "user7", "action": action, "text": "", "text_entities": []} | more


def chat(messages: Iterable[Json], kind: str = "private_supergroup", **more: Any) -> Json:
    return {"name": "Lab", "type": kind, "id": 5, "messages": list(messages)} | more


def exported(folder: Path, document: Json, name: str = "result.json") -> Path:
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(json.dumps(document, indent=1))
    return folder / name


def texts(folder: Path, *messages: Json, kind: str = "private_supergroup") -> tuple[list[str], dict[str, int]]:
    read_messages, rejects = read("telegram", exported(folder, chat(messages, kind)))
    return [message.text for message in read_messages], dict(rejects)


def test_topics_are_rooms_of_their_own() -> None:
    messages, rejects = read("telegram", CASES / "40-telegram-topics.json")
    assert [(message.key, message.group, message.sender, message.text) for message in messages] == [
        ("10", "123456/2", "user7", "Does the ferry run on Sunday?"),
        ("11", "123456/3", "user8", "Who brings bread?"),
        ("12", "123456/2", "user9", "Yes, at nine"),
        ("13", "123456/3", "user7", "I do"),
        ("14", "123456/2", "user8", "And back?"),
    ]
    assert [message.reply_to for message in messages] == [None, None, "10", "11", None]
    assert rejects == {"system": 2}
    rows, _, _ = ingested(messages)
    assert {row["text"] for row in rows if row["reply_to"]} == {"Yes, at nine", "I do"}


def test_a_forward_has_no_words_of_the_one_who_forwards() -> None:
    messages, rejects = read("telegram", CASES / "41-telegram-forward.json")
    assert contents_of(messages) == [("user7", "does it run?", 1700000001), ("user7", "looks so", 1700000003)]
    assert rejects == {"forward": 1}


def test_a_converter_with_numbers_for_times() -> None:
    path = CASES / "43-telegram-whatsapp-exporter.json"
    assert formats_of(path) == ["telegram"]
    messages, rejects = read("telegram", path)
    assert contents_of(messages) == [("user7", "does it run?", 1700000000), ("user8", "yes", 1700000010)]
    assert [message.reply_to for message in messages] == [None, "1"]
    assert not rejects


def test_a_forum(tmp_path: Path) -> None:
    messages = [
        message(2, "before the topics"),
        service(3, "topic_created", title="Boats"),
        message(4, "boats", reply_to_message_id=3),
        message(5, "general"),
        message(6, "general answer", reply_to_message_id=5),
        message(7, "", reply_to_message_id=4, photo="photos/p.jpg"),
        message(8, "of the picture", reply_to_message_id=7),
        message(9, "forwarded", reply_to_message_id=3, forwarded_from="X"),
        message(10, "of the forward", reply_to_message_id=9),
        service(11, "topic_edit", new_title="Ships"),
        service(12, "pin_message", message_id=8),
        message(13, "of the pin", reply_to_message_id=12),
        message(14, "of what is gone", reply_to_message_id=1),
        message(15, "of another chat", reply_to_message_id=3, reply_to_peer_id="channel9"),
        {"id": 16, "type": "unsupported"},
        service(17, "topic_created", title="Food"),
        message(18, "food", reply_to_message_id=17),
    ]
    read_messages, rejects = read("telegram", exported(tmp_path, chat(messages)))
    assert [(message.group, message.text, message.reply_to) for message in read_messages] == [
        ("5", "before the topics", None),
        ("5/3", "boats", None),
        ("5", "general", None),
        ("5", "general answer", "5"),
        ("5/3", "of the picture", "7"),
        ("5/3", "of the forward", "9"),
        ("5/3", "of the pin", "12"),
        ("5", "of what is gone", "1"),
        ("5", "of another chat", None),
        ("5/17", "food", None),
    ]
    assert rejects == {"system": 4, "media_without_text": 2, "forward": 1}


def test_topics_end_with_their_chat(tmp_path: Path) -> None:
    chats = [
        chat([service(2, "topic_created"), message(3, "a", reply_to_message_id=2)], id=5),
        chat([message(2, "b"), message(3, "c", reply_to_message_id=2)], "private_group", id=6),
    ]
    document = {"about": 'Here is the data you "requested".', "chats": {"about": "Chats", "list": chats}}
    messages, _ = read("telegram", exported(tmp_path, document))
    assert [(message.group, message.text) for message in messages] == [("5/2", "a"), ("6", "b"), ("6", "c")]


def test_only_messages_in_topics_are_kept_in_memory() -> None:
    group = Chat("5", "private_supergroup")
    for number in range(1, 100):
        group.topic_of(message(number, reply_to_message_id=max(1, number - 1)))
    assert not group.topics
    group.topic_of(service(100, "topic_created"))
    group.topic_of(message(101, reply_to_message_id=100))
    group.topic_of(message(102))
    assert group.topics == {100: 100, 101: 100}


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ({"forwarded_from": "City news", "forwarded_from_id": "channel55"}, "forward"),
        ({"forwarded_from": None}, "forward"),  # of an account that is gone
        ({"saved_from": "Bob"}, "forward"),
        ({"via_bot": "@like"}, "bot"),
        ({"from": "Telegram", "from_id": "user777000"}, "bot"),
        ({"edited": "2023-11-14T22:15:00", "edited_unixtime": "1700000100"}, None),
        ({"reactions": [{"type": "emoji", "count": 1, "emoji": "x"}]}, None),
        ({"photo": "photos/p.jpg", "width": 1, "height": 1}, None),
    ],
)
def test_words_of_the_sender(tmp_path: Path, more: Json, reason: str | None) -> None:
    assert texts(tmp_path, message(1, "hi", **more)) == (([], {reason: 1}) if reason else (["hi"], {}))


@pytest.mark.parametrize(
    "media",
    [
        {"photo": "(File not included. Change data exporting settings to download.)"},
        {"file": "stickers/s.webp", "media_type": "sticker", "sticker_emoji": "x"},
        {"file": "voice.ogg", "media_type": "voice_message", "mime_type": "audio/ogg", "duration_seconds": 3},
        {"poll": {"question": "so?", "closed": False, "total_voters": 1, "answers": []}},
        {"todo_list": {"title": "to do", "answers": []}},
        {"location_information": {"latitude": 1.0, "longitude": 2.0}},
        {"place_name": "Cafe", "address": "Street 1"},
        {"contact_information": {"first_name": "Ann", "last_name": "", "phone_number": "+1"}},
        {"game_title": "Chess"},
        {"invoice_information": {"title": "x"}},
        {"giveaway_information": {"quantity": 1}},
    ],
)
def test_media(tmp_path: Path, media: Json) -> None:
    assert texts(tmp_path, message(1, "", **media)) == ([], {"media_without_text": 1})


def test_telegrams_own_entries(tmp_path: Path) -> None:
    actions = ("create_group", "invite_members", "pin_message", "phone_call", "group_call", "join_group_by_link")
    calls = [service(number, action, duration_seconds=9) for number, action in enumerate(actions)]
    assert texts(tmp_path, *calls, message(50)) == (["hi"], {"system": len(actions)})


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (["see ", {"type": "text_link", "text": "the page", "href": "https://example.org"}, "!"], "see the page!"),
        ([{"type": "custom_emoji", "text": "😀", "document_id": "stickers/x.webp"}, " ok"], "😀 ok"),
        (["it is ", {"type": "spoiler", "text": "Ann"}], "it is Ann"),
        ([{"type": "blockquote", "text": "so?", "collapsed": True}, "\nyes"], "so?\nyes"),
        ([{"type": "pre", "text": "a\n  b", "language": "sh"}], "a\n  b"),
        (["ask ", {"type": "mention_name", "text": "Bob", "user_id": 8}], "ask @Bob"),
        (["ask ", {"type": "mention", "text": "@bob"}], "ask @bob"),
        (["join ", {"type": "link", "text": "https://t.me/+AbC"}], "join https://t.me/+AbC"),
        ([{"type": "bold", "text": "b"}, {"type": "of tomorrow", "text": "c"}], "bc"),
        ([], ""),
    ],
)
def test_formatted_text(tmp_path: Path, text: Any, shown: str) -> None:
    assert texts(tmp_path, message(1, text)) == ([shown], {})


def test_text_in_entities_only(tmp_path: Path) -> None:
    raw = message(1) | {"text_entities": [{"type": "plain", "text": "a "}, {"type": "bold", "text": "b"}]}
    del raw["text"]
    assert texts(tmp_path, raw) == (["a b"], {})


def test_senders(tmp_path: Path) -> None:
    without_ids = {key: value for key, value in message(4, "no id").items() if key != "from_id"}
    nobody = {key: value for key, value in without_ids.items() if key != "from"}
    messages, rejects = read(
        "telegram",
        exported(
            tmp_path,
            chat(
                [
                    message(1, "gone", **{"from": None, "from_id": "user9"}),
                    message(2, "for the group", **{"from": "Lab", "from_id": "channel5"}),
                    message(3, "old", **{"from_id": 4295000007}),
                    without_ids,
                    nobody,
                    message(6, "null", **{"from": None, "from_id": None}),
                ]
            ),
        ),
    )
    assert [message.sender for message in messages] == ["user9", "channel5", "4295000007", "Ann"]
    assert rejects == {"missing_field": 2}


@pytest.mark.parametrize("kind", ["public_channel", "private_channel"])
def test_posts_of_a_channel(tmp_path: Path, kind: str) -> None:
    posts = [
        message(1, "news", **{"from": "Lab", "from_id": "channel5", "author": "Ann"}),
        message(3, "more news", **{"from": "Lab", "from_id": "channel5"}),
        {"id": 2, "type": "message", "date": "2019-11-14T22:13:20", "text": "old news"},
    ]
    messages, rejects = read("telegram", exported(tmp_path, chat(posts, kind)))
    assert [(message.sender, message.text) for message in messages] == [
        ("Ann", "news"),
        ("channel5", "more news"),
        ("channel5", "old news"),
    ]
    assert messages[0].names == (("channel5", "Lab"),)
    assert not rejects


def test_names_in_service_entries(tmp_path: Path) -> None:
    rows = [
        service(1, "invite_members", members=["Kai Berg", None], actor="Tomas", actor_id="user8"),
        service(2, "join_group_by_link", inviter="Eva"),
        service(3, "channel_create", actor="Lab", actor_id="channel5"),
        service(4, "invite_members", members=7, actor=None),
        message(5, "welcome Kai Berg"),
        message(6, "hi"),
    ]
    messages, rejects = read("telegram", exported(tmp_path, chat(rows)))
    assert messages[0].names == (
        ("user8", "Tomas"),
        ("@Kai Berg", "Kai Berg"),
        ("user7", "Ann"),
        ("@Eva", "Eva"),
        ("user7", "Ann"),
    )
    assert messages[1].names == (("user7", "Ann"),)
    assert rejects == {"system": 4}


def test_buttons_are_a_bots(tmp_path: Path) -> None:
    buttons = [[{"type": "url", "text": "open"}]]
    assert texts(tmp_path, message(1), message(2, "vote", inline_bot_buttons=buttons)) == (["hi"], {"bot": 1})


def test_a_chat_with_a_bot(tmp_path: Path) -> None:
    asked = [message(1, "/start"), message(2, "welcome", **{"from": "Lab", "from_id": "user5"})]
    old = [message(3, "welcome", **{"from": "Lab", "from_id": 2**32 + 5})]
    assert texts(tmp_path, *asked, *old, kind="bot_chat") == (["/start"], {"bot": 2})
    assert texts(tmp_path, *asked, kind="personal_chat") == (["/start", "welcome"], {})


@pytest.mark.parametrize(
    ("times", "timestamp"),
    [
        ({"date_unixtime": "1700000000"}, 1700000000),
        ({"date_unixtime": 1700000000}, 1700000000),
        ({}, 1699996400),  # local time: an hour earlier in Berlin
        ({"date": "2023-11-14T22:13:20+00:00"}, 1700000000),
    ],
)
def test_times(tmp_path: Path, times: Json, timestamp: int) -> None:
    raw = {key: value for key, value in message(1).items() if key != "date_unixtime"} | times
    messages, _ = read("telegram", exported(tmp_path, chat([raw])), "Europe/Berlin")
    assert [message.timestamp for message in messages] == [timestamp]


def test_a_bad_entry_stops_nothing(tmp_path: Path) -> None:
    rows: list[Any] = [7, message(1, None), message(2, date_unixtime="soon"), {"id": 3}, {"type": "message"}]
    rows += [message(4) | {"id": [4]}, message(5, reply_to_message_id=[4]), message(6)]
    expected = {"bad_field": 5, "missing_field": 2}
    assert texts(tmp_path, service(0, "topic_created"), *rows) == (["hi"], expected | {"system": 1})


@pytest.mark.parametrize(
    "document",
    [
        chat([], "saved_messages") | {"messages": []},
        {"type": "saved_messages", "id": 7, "messages": [message(1)]},
        {"name": None, "type": "personal_chat", "id": 7, "messages": [service(1, "phone_call")]},
        {"id": 7, "type": "public_channel", "name": "Lab", "messages": [{"id": 1, "type": "unsupported"}]},
        {"about": "x", "personal_information": {"user_id": 7}},
        {"about": "x", "left_chats": {"about": "x", "list": []}},
    ],
)
def test_fits(tmp_path: Path, document: Json) -> None:
    assert formats_of(exported(tmp_path, document)) == ["telegram"]


@pytest.mark.parametrize(
    "document",
    [
        {"about": "a page"},
        {
            "name": "general",
            "messages": [{"type": "message", "ts": "1700000000.000100", "channel": {"type": "channel"}}],
        },
        {"name": "Lab", "type": "private_group", "id": 5, "messages": [{"type": "m.room.message", "body": "hi"}]},
        {"name": "Lab", "type": "room", "messages": [{"type": "message"}]},
        {"title": "Lab", "type": "private_group", "messages": [{"type": "message"}]},
        [message(1)],
    ],
)
def test_what_is_not_telegrams(tmp_path: Path, document: Any) -> None:
    assert "telegram" not in formats_of(exported(tmp_path, document))


PAGE = """<!DOCTYPE html>
<html>

 <head>
  <meta charset="utf-8"/>
  <title>Exported Data</title>
  <link href="css/style.css" rel="stylesheet"/>
 </head>

 <body onload="CheckLocation();">
  <div class="page_wrap"></div>
 </body>
</html>
"""


@pytest.mark.parametrize("name", ["messages.html", "."])
def test_html_is_refused_with_what_to_do(tmp_path: Path, name: str) -> None:
    (tmp_path / "messages.html").write_text(PAGE)
    (tmp_path / "messages2.html").write_text(PAGE)
    assert detect_format(tmp_path / name, INGEST).format == "telegram"
    with pytest.raises(click.ClickException, match=r"messages\.html: .*export the chat again.*Machine-readable JSON"):
        list(read_export("telegram", tmp_path / name))


def test_html_of_others(tmp_path: Path) -> None:
    (tmp_path / "page.html").write_text("<!DOCTYPE html><html><title>Exported Data</title><p>hi</html>")
    assert formats_of(tmp_path / "page.html") == []


def test_a_folder_with_all_that_telegram_writes(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "p.jpg").write_bytes(b"\xff\xd8")
    (tmp_path / "messages.html").write_text(PAGE)
    exported(tmp_path, {"of": "somebody"}, "files/data.json")
    exported(tmp_path, chat([message(1)]))
    assert detect_format(tmp_path, INGEST).format == "telegram"
    messages, rejects = read("telegram", tmp_path)
    assert [message.text for message in messages] == ["hi"]
    assert rejects == {"other_file": 1}


def test_a_file_that_is_said_to_be_telegrams(tmp_path: Path) -> None:
    """One file is read whatever it begins with."""
    path = exported(tmp_path, {"messages": [message(1)], "name": "Lab"}, "lab.json")
    with open_export(path) as export:
        entries = list(module_of("telegram").read(export.files, ReadSettings(UTC, COLUMNS)))
    assert [entry.group for entry in entries] == ["lab"]
