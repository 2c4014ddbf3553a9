"""Exports of messengers: Facebook's and Instagram's, and Signal's; and a small export of each new kind."""

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stages.chat.detection import detect_format
from stages.chat.formats.messenger import mended
from tests.chat_exports import INGEST, formats_of
from tests.conftest import ingested
from tests.small_exports import AT, CASES, MS, json_lines, read, said, written


@pytest.mark.parametrize(
    ("name", "format", "messages"),
    [
        ("68-element-export.json", "element", [("Lab", "@ines:example.org", "does it run?", AT)]),
        ("69-kakao.txt", "kakao", [("Lab", "Ines", "되나요?", 1714575840), ("Lab", "Tomas", "네", 1714575900)]),
        ("76-messenger.json", "messenger", [("inbox/lake_1", "Ines", "läuft es?", AT)]),
        (
            "77-mattermost.jsonl",
            "mattermost",
            [("lab/town", "ines", "does it run?", AT), ("lab/town", "tomas", "yes", AT + 10)],
        ),
        (
            "78-signal-export.md",
            "signal",
            [
                ("78-signal-export", "Ines", "does it run?", 1705140000),
                ("78-signal-export", "Tomas", "yes, note: on Linux", 1705140060),
            ],
        ),
        ("79-rocketchat.json", "rocketchat", [("79-rocketchat", "ines", "does it run?", 1705140000)]),
    ],
)
def test_a_small_export_of_each(name: str, format: str, messages: list[tuple[str, str, str, int]]) -> None:
    found, rejects = read(format, CASES / name)
    assert [(one.group, one.sender, one.text, one.timestamp) for one in found] == messages
    assert not rejects


def test_a_table_with_times_in_milliseconds_has_a_clear_reason() -> None:
    messages, _ = read("jsonl", CASES / "67-matrix-events.jsonl")
    _, rejects, _ = ingested(messages)
    assert [row["reason"] for row in rejects] == ["timestamp_in_milliseconds"] * 2


def spoilt(text: str) -> str:
    """As Meta writes it: UTF-8 read as Latin-1."""
    return text.encode().decode("latin-1")


def legacy(number: int, content: str | None = None, sender: str = "Inês Lago", **fields: Any) -> dict[str, Any]:
    row = {"sender_name": spoilt(sender), "timestamp_ms": MS + 1000 * number}
    return row | ({} if content is None else {"content": spoilt(content)}) | fields


def thread(messages: list[dict[str, Any]], path: str = "inbox/lake_1") -> dict[str, Any]:
    people = [{"name": spoilt("Inês Lago")}, {"name": "Tomas"}]
    return {"participants": people, "messages": messages, "title": "Lake", "thread_path": path, "magic_words": []}


def test_messenger_newest_first_in_numbered_files(tmp_path: Path) -> None:
    inbox = tmp_path / "messages" / "inbox"
    newest = [legacy(3, "ça va 👍"), {**legacy(2, "b"), "timestamp_ms": MS + 2001}, legacy(2, "a")]
    written(inbox, "lake_1/message_1.json", thread(newest))
    written(inbox, "lake_1/message_2.json", thread([legacy(1, "läuft es?")]))
    written(inbox, "tomas_2/message_1.json", thread([legacy(0, "hi", "Tomas")], "inbox/tomas_2"))
    written(tmp_path, "messages/autofill_information.json", {"label_values": []})
    assert detect_format(tmp_path, INGEST).format == "messenger"
    messages, rejects = read("messenger", tmp_path)
    in_order = sorted(messages, key=lambda message: message.timestamp)  # stable, as the pipeline's order is
    assert [(message.group, *pair) for message, pair in zip(in_order, said(in_order), strict=True)] == [
        ("inbox/tomas_2", "Tomas", "hi"),
        ("inbox/lake_1", "Inês Lago", "läuft es?"),
        ("inbox/lake_1", "Inês Lago", "a"),
        ("inbox/lake_1", "Inês Lago", "b"),
        ("inbox/lake_1", "Inês Lago", "ça va 👍"),
    ]
    assert rejects == {"other_file": 1}


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (legacy(0, photos=[{"uri": "a.jpg"}]), "media_without_text"),
        (legacy(0, sticker={"uri": "a.png"}), "media_without_text"),
        (legacy(0, share={"link": "https://example.com"}), "media_without_text"),
        (legacy(0, share={"link": "https://example.com"}, content="Inês sent an attachment."), "media_without_text"),
        (legacy(0, "You sent an attachment."), "media_without_text"),
        (legacy(0, "Inês Lago hat einen Anhang gesendet."), "media_without_text"),
        (legacy(0, "Du hast einen Anhang gesendet."), "media_without_text"),
        (legacy(0, "Vous avez envoyé une pièce jointe."), "media_without_text"),
        (legacy(0, "Liked a message"), "reaction"),
        (legacy(0, "Reacted 😂 to your message "), "reaction"),
        (legacy(0, "Inês reacted ❤ to your message"), "reaction"),
        (legacy(0, is_unsent=True), "deleted"),
        (legacy(0, "Inês unsent a message"), "deleted"),
        (legacy(0, "You missed a call from Tomas."), "system"),
        (legacy(0, "Inês called you.", call_duration=0), "system"),
        (legacy(0, "Inês called you."), "system"),
        (legacy(0, type="Call", content="The video chat ended."), "system"),
        (legacy(0, "Video chat ended"), "system"),
        (legacy(0, "Inês added Tomas to the group.", type="Subscribe", users=[{"name": "Tomas"}]), "system"),
        (legacy(0, "Inês named the group Lake."), "system"),
        (legacy(0, "Inês set the nickname for Tomas to T."), "system"),
        ({"timestamp_ms": MS, "content": "a"}, "missing_field"),
        (legacy(0) | {"content": 5}, "bad_field"),
    ],
)
def test_what_meta_writes_in_a_thread(tmp_path: Path, message: dict[str, Any], reason: str) -> None:
    path = written(tmp_path, "message_1.json", thread([legacy(1, "so?"), message]))
    messages, rejects = read("messenger", path)
    assert said(messages) == [("Inês Lago", "so?")]
    assert rejects == {reason: 1}


@pytest.mark.parametrize(
    "text",
    [
        "You called me yesterday?",
        "I sent an attachment.",
        "Did you like it? Inês sent an attachment to me, it was huge",
        "you can now run it",
        "Tomas left the group.",
        "läuft",
        "",
        "Ã©",
    ],
)
def test_a_persons_words_stay_in_a_thread(tmp_path: Path, text: str) -> None:
    messages, rejects = read("messenger", written(tmp_path, "message_1.json", thread([legacy(0, text)])))
    assert (said(messages), rejects) == ([("Inês Lago", text)], {})


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_texts_that_meta_spoilt_are_mended(text: str) -> None:
    assert mended(spoilt(text)) == text


def test_text_that_is_right_is_not_mended() -> None:
    for text in ("é", "señor año", "可以", "naïve ❤"):
        assert mended(text) == text


def test_messengers_encrypted_chats(tmp_path: Path) -> None:
    def row(number: int, text: str, kind: str = "text", **fields: Any) -> dict[str, Any]:
        row = {"senderName": "Inês", "text": text, "timestamp": MS + 1000 * number, "type": kind}
        return row | {"isUnsent": False, "media": [], "reactions": []} | fields

    rows = [
        row(0, "läuft es?"),
        row(1, "", "media", media=[{"uri": "./media/a.jpg"}]),
        row(2, "see this", "media", media=[{"uri": "./media/a.jpg"}]),
        row(3, "https://example.com", "link"),
        row(4, "User unsent a message", "placeholder", isUnsent=True),
        row(5, "Inês sent an attachment.", "placeholder"),
        row(6, "Ã© is what I see"),
    ]
    chat = {"participants": ["Inês", "Tomas"], "threadName": "Tomas_7", "messages": rows}
    messages, rejects = read("messenger", written(tmp_path, "messages/Tomas_7.json", chat))
    assert [message.text for message in messages] == [
        "läuft es?",
        "see this",
        "https://example.com",
        "Ã© is what I see",
    ]
    assert {message.group for message in messages} == {"Tomas_7"}
    assert rejects == {"media_without_text": 1, "deleted": 1, "system": 1}


def frame(number: int, author: str = "1", **item: Any) -> dict[str, Any]:
    return {
        "chatItem": {"chatId": "4", "authorId": author, "dateSent": str(MS + 1000 * number), "incoming": {}} | item
    }


def test_signals_own_export(tmp_path: Path) -> None:
    def text(body: str, **fields: Any) -> dict[str, Any]:
        return {"standardMessage": {"text": {"body": body}} | fields}

    mention = {"text": {"body": "ask \ufffc", "bodyRanges": [{"start": 4, "length": 1, "mentionAci": "QUNJ"}]}}
    quote = {"authorId": "1", "targetSentTimestamp": str(MS), "text": {"body": "does it run?"}}
    frames = [
        {"version": "1", "backupTimeMs": str(MS), "mediaRootBackupKey": "x"},
        {"account": {"givenName": "Ines", "familyName": "Lago", "username": "ines.01"}},
        {"recipient": {"id": "1", "self": {}}},
        {"recipient": {"id": "2", "contact": {"aci": "QUNJ", "profileGivenName": "Tomas", "systemGivenName": "Tom"}}},
        {"recipient": {"id": "3", "group": {"snapshot": {"title": {"title": "Lab"}}}}},
        {"recipient": {"id": "9", "releaseNotes": {}}},
        {"chat": {"id": "4", "recipientId": "3"}},
        frame(0, **text("does it run?")),
        frame(1, "2", **text("yes", quote=quote)),
        frame(2, standardMessage=mention),
        frame(3, "2", standardMessage={"attachments": [{"pointer": {}}]}),
        frame(4, "2", stickerMessage={"sticker": {}}),
        frame(5, updateMessage={"simpleUpdate": {"type": "JOINED_SIGNAL"}}),
        frame(6, "2", remoteDeletedMessage={}),
        frame(7, "9", **text("news")),
        frame(8, poll={"question": "lunch?"}),
        frame(9, "2", directStoryReplyMessage={"textReply": {"text": {"body": "nice"}}}),
        frame(10, "2", **text("new", reactions=[{"emoji": "👍"}]), revisions=[frame(9)["chatItem"]]),
        frame(11),
        {"recipient": 5},
    ]
    messages, rejects = read("signal", written(tmp_path, "main.jsonl", json_lines(*frames)))
    assert [(message.sender, message.text, message.timestamp - AT) for message in messages] == [
        ("1", "does it run?", 0),
        ("2", "yes", 1),
        ("1", "ask @Tomas", 2),
        ("1", "lunch?", 8),
        ("2", "nice", 9),
        ("2", "new", 10),
    ]
    assert {message.group for message in messages} == {"4"}
    assert messages[1].reply_to == messages[0].key
    assert {("1", "Ines Lago"), ("1", "ines.01"), ("2", "Tomas"), ("2", "Tom")} == set(messages[0].names)
    assert rejects == {
        "media_without_text": 2,
        "system": 1,
        "deleted": 1,
        "bot": 1,
        "missing_field": 1,
        "bad_field": 1,
    }


def exported(sender: str, body: str, **fields: Any) -> dict[str, Any]:
    row = {"date": "2024-01-13T10:00:00.500000", "sender": sender, "body": body, "quote": "", "sticker": None}
    return row | {"reactions": [], "attachments": []} | fields


SIGNAL_EXPORT = [
    exported("Ines", "does it run?  "),
    exported("Me", "yes\nreally  ", quote="\n\n> does it run?\n\n", reactions=[["Ines", "👍"]]),
    exported("Ines", "  ", attachments=[{"name": "a.png", "path": "media/a.png"}]),
    exported("Ines", "  ", sticker={"id": "1", "emoji": "😀"}),
    exported("Ines", "", deleted=True),
    exported("No-Sender", "  "),
    exported("Me", "Outgoing voice call (accepted, 3m 2s)  "),
    exported("Ines", "Missed video call  "),
    exported("Ines", "see  ", attachments=[{"name": "a.png", "path": "media/a.png"}]),
]
SIGNAL_MARKDOWN = "".join(  # each message ends in two blanks and a blank line
    f"[2024-01-13 10:00:00] {said}\n\n"
    for said in (
        "Ines: does it run?  ",
        "Me: \n\n> does it run?\n\nyes\nreally  \n(- Ines: 👍 -)",
        "Ines:   ![a.png](./media/a.png)  ",
        "Ines:   \n(( 😀 ))",
        "Ines: (This message was deleted)",
        "No-Sender:   ",
        "Me: Outgoing voice call (accepted, 3m 2s)  ",
        "Ines: Missed video call  ",
        "Ines: see  ![a.png](./media/a.png)  ",
    )
)
SIGNAL_REJECTS = {"media_without_text": 2, "deleted": 1, "system": 3}


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("data.json", json_lines(*SIGNAL_EXPORT)),
        ("chat.md", SIGNAL_MARKDOWN),
        ("chat.md", SIGNAL_MARKDOWN.replace(":00]", "]")),
        ("index.md", SIGNAL_MARKDOWN.replace("13 ", "13, ")),
    ],
)
def test_signal_export(tmp_path: Path, name: str, content: str) -> None:
    messages, rejects = read("signal", written(tmp_path / "Lab", name, content), "Europe/Berlin")
    assert said(messages) == [("Ines", "does it run?"), ("Me", "yes\nreally"), ("Ines", "see")]
    assert {(message.group, message.timestamp) for message in messages} == {("Lab", 1705136400)}
    assert rejects == SIGNAL_REJECTS


def test_signal_export_has_each_chat_twice(tmp_path: Path) -> None:
    written(tmp_path, "Lab/data.json", json_lines(*SIGNAL_EXPORT))
    written(tmp_path, "Lab/chat.md", SIGNAL_MARKDOWN)
    written(tmp_path, "Tomas/chat.md", SIGNAL_MARKDOWN)
    assert detect_format(tmp_path, INGEST).format == "signal"
    messages, rejects = read("signal", tmp_path)
    assert Counter(message.group for message in messages) == {"Lab": 3, "Tomas": 3}
    assert rejects == {"duplicate_file": 1, **{reason: 2 * count for reason, count in SIGNAL_REJECTS.items()}}


@pytest.mark.parametrize(
    "text",
    [
        "[2016-02-01 15:04:00] Ann: ett\n[2016-02-01 15:05:00] Bob: två\n",  # an iPhone in Sweden
        "[2026/7/9 02:28:09] Ines: Hey, ready?\n[2026/7/9 02:28:37] Tomas:Hi\n",
    ],
)
def test_whatsapps_headers_are_not_taken_for_signals(tmp_path: Path, text: str) -> None:
    assert formats_of(written(tmp_path, "chat.txt", text)) == ["whatsapp"]
