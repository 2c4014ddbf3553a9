"""Exports of DiscordChatExporter: what is a person's, of which channel, with which text."""

import json
from pathlib import Path
from typing import Any

import pytest

from stages.chat.detection import detect_format
from tests.chat_exports import INGEST, formats_of
from tests.conftest import ingested
from tests.unit.test_readers import EXPORTS, contents_of, read

CASES = EXPORTS / "cases"
CHANNEL = {"id": "42", "type": "GuildTextChat", "categoryId": "2", "category": "Text", "name": "help", "topic": None}
ANN = {"id": "7", "name": "ann", "discriminator": "0000", "nickname": "Ann V", "isBot": False, "roles": []}
Json = dict[str, Any]


def message(number: int, content: str, kind: str = "Default", **more: Any) -> Json:
    raw = {"id": str(number), "type": kind, "timestamp": f"2023-11-14T22:13:{number:02}+00:00", "content": content}
    media: Json = {"attachments": [], "components": [], "embeds": [], "stickers": [], "reactions": [], "mentions": []}
    return raw | {"timestampEdited": None, "isPinned": False, "author": ANN} | media | more


def exported(folder: Path, *messages: Json, name: str = "Lab - help [42].json", channel: Json = CHANNEL) -> Path:
    guild = {"id": "1", "name": "Lab", "iconUrl": "x"}
    dates: Json = {"dateRange": {"after": None, "before": None}, "exportedAt": "2025-12-31T00:00:00+00:00"}
    document = {"guild": guild, "channel": channel, **dates, "messages": messages, "messageCount": len(messages)}
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(json.dumps(document, indent=1))
    return folder / name


def texts(folder: Path, *messages: Json) -> tuple[list[str], dict[str, int]]:
    read_messages, rejects = read("discord", exported(folder, *messages))
    return [message.text for message in read_messages], dict(rejects)


def test_a_forward_has_no_words_of_the_one_who_forwards() -> None:
    messages, rejects = read("discord", CASES / "30-discord-forward.json")
    assert contents_of(messages) == [("7", "does it run?", 1766340000)]
    assert rejects == {"forward": 1}


def test_a_channel_in_parts() -> None:
    folder = CASES / "31-discord-folder"
    assert detect_format(folder, INGEST).format == "discord"
    messages, rejects = read("discord", folder)
    assert contents_of(messages) == [("7", "does it run?", 1766340000), ("8", "yes", 1766426400)]
    assert {message.group for message in messages} == {"42"}
    assert not rejects


def test_pluralkit_can_not_be_told_from_bots() -> None:
    messages, rejects = read("discord", CASES / "32-discord-pluralkit.json")
    assert contents_of(messages) == [("8", "yes", 1766426400)]
    assert rejects == {"bot": 1}


REFERENCE = {"messageId": "99", "channelId": "5", "guildId": "1"}
FORWARDED = {"timestamp": "2025-12-20T10:00:00-08:00", "content": "Is it down?", "attachments": [], "embeds": []}


@pytest.mark.parametrize(
    ("content", "more", "reason"),
    [
        ("", {"reference": REFERENCE | {"type": "Forward"}}, "forward"),
        ("", {"forwardedMessage": FORWARDED}, "forward"),
        ("Is it down?", {"forwardedMessage": FORWARDED, "reference": REFERENCE | {"type": "Forward"}}, "forward"),
        ("", {"reference": REFERENCE}, "forward"),  # as versions before 2.46 leave it
        ("look at this", {"forwardedMessage": FORWARDED, "reference": REFERENCE | {"type": "Forward"}}, None),
        ("from elsewhere", {"reference": REFERENCE}, None),
        ("", {"reference": REFERENCE, "attachments": [{"id": "1"}]}, "media_without_text"),
        (
            "",
            {"attachments": [{"id": "1", "url": "a.png", "fileName": "a.png", "fileSizeBytes": 1}]},
            "media_without_text",
        ),
        ("", {"embeds": [{"title": "t", "description": "d"}]}, "media_without_text"),
        ("", {"stickers": [{"id": "1", "name": "s"}]}, "media_without_text"),
        ("", {"poll": {"question": {"text": "so?"}}}, "media_without_text"),
        ("see", {"embeds": [{"title": "t"}], "stickers": [{"id": "1"}]}, None),
    ],
)
def test_words_of_the_author(tmp_path: Path, content: str, more: Json, reason: str | None) -> None:
    assert texts(tmp_path, message(1, content, **more)) == (([], {reason: 1}) if reason else ([content], {}))


@pytest.mark.parametrize(
    "kind",
    [
        *("RecipientAdd", "RecipientRemove", "Call", "ChannelNameChange", "ChannelIconChange", "ChannelPinnedMessage"),
        *("GuildMemberJoin", "ThreadCreated", "8", "9", "12", "21", "24", "46"),
    ],
)
def test_discords_own_entries(tmp_path: Path, kind: str) -> None:
    assert texts(tmp_path, message(1, "Pinned a message.", kind, reference=REFERENCE)) == ([], {"system": 1})


def test_bots_and_webhooks(tmp_path: Path) -> None:
    bot = ANN | {"id": "9", "isBot": True}
    command = {"id": "3", "name": "ask", "user": ANN}
    assert texts(
        tmp_path,
        message(1, "hook", author=bot),
        message(2, "answer", "20", author=bot, interaction=command),
        message(3, "", author=bot, embeds=[{"title": "t"}]),
        message(4, "hi", author={"id": "7", "name": "ann"}),
    ) == (["hi"], {"bot": 3})


def test_replies_across_parts(tmp_path: Path) -> None:
    part = "Lab - help [42] [part {}].json"
    exported(tmp_path, message(1, "so?"), name=part.format(1))
    exported(tmp_path, message(2, "yes", "Reply", reference=REFERENCE | {"messageId": "1"}), name=part.format(2))
    exported(tmp_path, message(3, "ok", "19", reference=REFERENCE | {"messageId": "2"}), name=part.format(3))
    exported(tmp_path, message(2, "yes", "Reply", reference=REFERENCE | {"messageId": "1"}), name="once more.json")
    rows, rejects, _ = ingested(read("discord", tmp_path)[0])
    assert [row["text"] for row in rows] == ["so?", "yes", "ok"]
    assert [row["reply_to"] for row in rows] == [None, rows[0]["id"], rows[1]["id"]]
    assert [row["reason"] for row in rejects] == ["duplicate_id"]


def test_threads_are_rooms_of_their_own(tmp_path: Path) -> None:
    thread = {"id": "77", "type": "GuildPublicThread", "categoryId": "42", "category": "help", "name": "arm"}
    exported(tmp_path, message(1, "a"))
    exported(tmp_path, message(2, "", "21", reference=REFERENCE), message(3, "b"), name="arm.json", channel=thread)
    messages, rejects = read("discord", tmp_path)
    assert [(message.group, message.text) for message in messages] == [("42", "a"), ("77", "b")]
    assert rejects == {"system": 1}


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ("@Ann V yes :wave: #general", "@Ann V yes :wave: #general"),  # as the exporter formats it
        ("<@7> and <@!7>: yes", "@Ann V and @Ann V: yes"),
        ("<@99> is gone", "@99 is gone"),
        ("<@&5> in <#6>", "@5 in #6"),
        ("<:lab:123> <a:run:124> <b>", ":lab: :run: <b>"),
        ("at <t:1700000000> or <t:1700000000:R>", "at 2023-11-14 22:13 or 2023-11-14 22:13"),
        ("use </ask now:5>", "use /ask now"),
        ("1 < 2 <t:99999999999999>", "1 < 2 <t:99999999999999>"),
    ],
)
def test_mentions_and_emoji(tmp_path: Path, content: str, text: str) -> None:
    assert texts(tmp_path, message(1, content, mentions=[ANN])) == ([text], {})


def test_names_of_the_people_mentioned(tmp_path: Path) -> None:
    bob = {"id": "8", "name": "bob", "nickname": "Bobby", "isBot": False}
    messages, _ = read("discord", exported(tmp_path, message(1, "<@8> <@99>", mentions=[bob])))
    assert messages[0].names == (("7", "ann"), ("7", "Ann V"), ("8", "bob"), ("8", "Bobby"), ("8", "8"), ("99", "99"))


@pytest.mark.parametrize(
    ("time", "timestamp"),
    [
        ("2025-12-21T10:00:00.123-08:00", 1766340000),
        ("2023-11-14T22:13:20.1+00:00", 1700000000),
        ("2023-11-15T03:58:20.1234567+05:45", 1700000000),
        ("2023-11-14T22:13:20Z", 1700000000),
        ("2023-11-14T23:13:20", 1700000000),  # in the zone of the settings
    ],
)
def test_times(tmp_path: Path, time: str, timestamp: int) -> None:
    path = exported(tmp_path, message(1, "hi", timestamp=time))
    assert [message.timestamp for message in read("discord", path, "Europe/Berlin")[0]] == [timestamp]


def test_a_bad_entry_stops_nothing(tmp_path: Path) -> None:
    rows = [
        message(1, "a"),
        7,
        message(2, "b", timestamp="soon"),
        {"id": "3"},
        message(4, "c", author=None),
        message(5, "d"),
    ]
    assert texts(tmp_path, *rows) == (["a", "d"], {"bad_field": 3, "missing_field": 1})  # type: ignore[arg-type]


def test_other_files_beside_the_channels(tmp_path: Path) -> None:
    exported(tmp_path, message(1, "hi"))
    (tmp_path / "Lab - help [42].json_Files").mkdir()
    (tmp_path / "Lab - help [42].json_Files" / "sticker.json").write_text('{"v": "5.5", "layers": []}')
    messages, rejects = read("discord", tmp_path)
    assert [message.text for message in messages] == ["hi"]
    assert not rejects


def test_fits(tmp_path: Path) -> None:
    assert formats_of(exported(tmp_path, message(1, "hi"))) == ["discord"]
    (tmp_path / "other.json").write_text('{"guild": {"id": "1", "name": "Lab"}, "members": []}')
    assert "discord" not in formats_of(tmp_path / "other.json")
