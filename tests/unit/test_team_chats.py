"""Exports of chats for teams: Matrix, Mattermost, Rocket.Chat, Zulip, Google Chat."""

import json
import zipfile
from pathlib import Path
from typing import Any

import pytest

from stages.chat.detection import detect_format
from tests.chat_exports import INGEST
from tests.small_exports import AT, MS, json_lines, read, said, written


def indented(rows: list[Any]) -> str:
    """As `mongoexport --pretty` writes."""
    return "".join(json.dumps(row, indent="\t") + "\n" for row in rows)


def event(number: int, body: str | None = None, kind: str = "m.room.message", **fields: Any) -> dict[str, Any]:
    row: dict[str, Any] = {"type": kind, "sender": "@ines:example.org", "room_id": "!lab:example.org"}
    row |= {"origin_server_ts": MS + 1000 * number, "event_id": f"${number}"}
    content = {} if body is None else {"msgtype": "m.text", "body": body}
    return row | fields | {"content": content | fields.get("content", {})}


MATRIX_EVENTS = [
    event(0, kind="m.room.create", state_key=""),
    event(1, kind="m.room.member", state_key="@tomas:example.org", content={"displayname": "Tomas L."}),
    event(2, "does it run?"),
    event(
        3,
        "> <@ines:example.org> does it run?\n> really\n\nyes, Ines",
        sender="@tomas:example.org",
        content={
            "m.relates_to": {"m.in_reply_to": {"event_id": "$2"}},
            "formatted_body": '<mx-reply>…</mx-reply>yes, <a href="https://matrix.to/#/@ines:example.org">Ines</a>',
        },
    ),
    event(4, "waves", content={"msgtype": "m.emote"}),
    event(5, "build 7 is green", content={"msgtype": "m.notice"}),
    event(6, "plot.png", content={"msgtype": "m.image", "url": "mxc://a/b"}),
    event(7, "our plot", content={"msgtype": "m.image", "url": "mxc://a/b", "filename": "plot.png"}),
    event(8, kind="m.sticker", content={"body": "cat"}),
    event(9, unsigned={"redacted_because": {"type": "m.room.redaction"}}),
    event(10, kind="m.room.encrypted", content={"algorithm": "m.megolm.v1.aes-sha2", "ciphertext": "x"}),
    event(11, "** Unable to decrypt **", content={"msgtype": "m.bad.encrypted"}),
    event(12, kind="m.reaction", content={"m.relates_to": {"rel_type": "m.annotation", "event_id": "$2", "key": "x"}}),
    event(13, "in a thread", content={"m.relates_to": {"rel_type": "m.thread", "event_id": "$2"}}),
    event(
        14,
        "falls back",
        content={
            "m.relates_to": {
                "rel_type": "m.thread",
                "event_id": "$2",
                "is_falling_back": True,
                "m.in_reply_to": {"event_id": "$13"},
            }
        },
    ),
    event(
        15,
        "* mended",
        content={
            "m.new_content": {"msgtype": "m.text", "body": "mended"},
            "m.relates_to": {"rel_type": "m.replace", "event_id": "$2"},
        },
    ),
    event(
        16,
        "before",
        unsigned={
            "m.relations": {
                "m.replace": {"content": {"body": "* after", "m.new_content": {"msgtype": "m.text", "body": "after"}}}
            }
        },
    ),
    event(17, kind="m.poll.start", content={"m.poll": {"question": {"m.text": [{"body": "lunch?"}]}}}),
    event(
        17,
        kind="org.matrix.msc3381.poll.start",
        content={"org.matrix.msc3381.poll.start": {"question": {"org.matrix.msc1767.text": "where?"}}},
    ),
    event(18, sender="@tomas:example.org", content={"msgtype": "m.text"}),
]
MATRIX_TEXTS = [
    ("@ines:example.org", "does it run?", None),
    ("@tomas:example.org", "yes, Ines", "$2"),
    ("@ines:example.org", "waves", None),
    ("@ines:example.org", "our plot", None),
    ("@ines:example.org", "in a thread", "$2"),
    ("@ines:example.org", "falls back", "$2"),
    ("@ines:example.org", "after", None),
    ("@ines:example.org", "lunch?", None),
    ("@ines:example.org", "where?", None),
]
MATRIX_REJECTS = {
    "system": 2,
    "bot": 1,
    "media_without_text": 2,
    "deleted": 1,
    "encrypted": 2,
    "reaction": 1,
    "edit": 1,
    "missing_field": 1,
}


def synced(events: list[Any]) -> dict[str, Any]:
    """An answer to `/sync`, whose events name no room."""
    roomless = [{key: value for key, value in row.items() if key != "room_id"} for row in events]
    timeline = {"state": {"events": roomless[:1]}, "timeline": {"events": roomless[1:]}}
    return {"next_batch": "s1", "account_data": {"events": []}, "rooms": {"join": {"!lab:example.org": timeline}}}


@pytest.mark.parametrize(
    "content",
    [
        {
            "room_name": "Lab",
            "room_creator": "Ines",
            "topic": "",
            "export_date": "1/1/2024",
            "messages": MATRIX_EVENTS,
        },
        MATRIX_EVENTS,
        {"start": "a", "chunk": MATRIX_EVENTS, "end": "b"},
        json_lines(*MATRIX_EVENTS),
        synced(MATRIX_EVENTS),
        json.dumps(synced(MATRIX_EVENTS), indent=1),
        {"room_id": "!lab:example.org", "events": MATRIX_EVENTS},
        indented(MATRIX_EVENTS),
    ],
    ids=["element", "array", "answer", "lines", "sync", "indented sync", "events of a room", "indented"],
)
def test_matrix(tmp_path: Path, content: Any) -> None:
    messages, rejects = read("element", written(tmp_path, "events.json", content))
    assert [(message.sender, message.text, message.reply_to) for message in messages] == MATRIX_TEXTS
    assert rejects == MATRIX_REJECTS
    assert {message.group for message in messages} == {"!lab:example.org"}
    assert [messages[0].timestamp, messages[0].key] == [AT + 2, "$2"]
    assert set(messages[0].names) == {("@tomas:example.org", "Tomas L."), ("@ines:example.org", "ines")}
    assert ("@ines:example.org", "Ines") in messages[1].names


def test_matrix_archive_with_times_in_words(tmp_path: Path) -> None:
    row: dict[str, Any] = {"room_id": "!a:b", "event_id": "$1", "sender": "ines", "type": "m.room.message"}
    row |= {"timestamp": "2018-05-01T10:00:00", "content": {"msgtype": "m.text", "body": "hi"}}
    messages, rejects = read("element", written(tmp_path, "archive.json", [row]), "Europe/Berlin")
    assert [(one.sender, one.text, one.timestamp) for one in messages] == [("ines", "hi", 1525161600)]
    assert not rejects


def test_a_document_of_matrix_in_another_form_is_one_reject(tmp_path: Path) -> None:
    content = json.dumps({"context": MATRIX_EVENTS}, indent=1)
    assert read("element", written(tmp_path, "context.json", content)) == ([], {"missing_field": 1})


def test_names_of_matrix_in_pills_and_of_those_who_left(tmp_path: Path) -> None:
    left = event(
        1, kind="m.room.member", state_key="@eva:example.org", unsigned={"prev_content": {"displayname": "Eva"}}
    )
    html = "<a href='https://matrix.to/#/%40kai%3Aexample.org'>Kai &amp; Co</a>: hi"
    rows = [
        left,
        event(2, "[Tomas Novák](https://matrix.to/#/%40tomas%3Aexample.org) ping"),
        event(3, "Kai & Co: hi", content={"formatted_body": html}),
        event(4, "see [the room](https://matrix.to/#/%23lab%3Aexample.org)"),
    ]
    messages, _ = read("element", written(tmp_path, "events.json", rows))
    assert [message.text for message in messages] == ["@Tomas Novák ping", "Kai & Co: hi", rows[3]["content"]["body"]]
    ines = ("@ines:example.org", "ines")
    assert messages[0].names == (("@eva:example.org", "Eva"), ines, ("@tomas:example.org", "Tomas Novák"))
    assert messages[1].names == (ines, ("@kai:example.org", "Kai & Co"))


POSTS: list[dict[str, Any]] = [
    {
        "user": "ines",
        "message": "does it run?",
        "replies": [
            {"user": "tomas", "message": "yes @ines", "create_at": MS + 500},
            {"user": "helper", "message": "see the docs", "create_at": MS + 600},
            {"user": "tomas", "message": "", "create_at": MS + 700, "attachments": [{"path": "a.png"}]},
        ],
        "reactions": [{"user": "tomas", "emoji_name": "+1", "create_at": MS}],
    },
    {"user": "ines", "message": "ines joined the channel.", "type": "system_join_channel"},
    {"user": "ines", "message": "*waves*", "type": "me"},
    {"user": "ines", "message": "deployed", "props": {"from_webhook": "true", "override_username": "ci"}},
    {"user": "ines", "message": "", "type": "slack_attachment", "props": {"attachments": [{}]}},
    {
        "user": "ines",
        "message": "typed by me",
        "props": {"from_bot": "false", "disable_group_highlight": True},
    },
    {"user": "ines", "create_at": MS},
]
MATTERMOST: list[Any] = [
    {"type": "version", "version": 1, "info": {"generator": "mattermost-server"}},
    {"type": "team", "team": {"name": "lab"}},
    {"type": "channel", "channel": {"team": "lab", "name": "town"}},
    {"type": "user", "user": {"username": "ines", "nickname": "Nessa", "first_name": "Ines", "last_name": "Lago"}},
    {"type": "bot", "bot": {"username": "helper", "owner": "ines"}},
    *(
        {"type": "post", "post": {"team": "lab", "channel": "town", "create_at": MS + 1000 * number} | post}
        for number, post in enumerate(POSTS)
    ),
    {
        "type": "direct_post",
        "direct_post": {"channel_members": ["tomas", "ines"], "user": "ines", "message": "psst", "create_at": MS},
    },
    {"type": "unheard_of"},
    5,
]


def test_mattermost(tmp_path: Path) -> None:
    messages, rejects = read("mattermost", written(tmp_path, "import.jsonl", json_lines(*MATTERMOST)))
    assert [(message.group, message.sender, message.text) for message in messages] == [
        ("lab/town", "ines", "does it run?"),
        ("lab/town", "tomas", "yes @ines"),
        ("lab/town", "ines", "*waves*"),
        ("lab/town", "ines", "typed by me"),
        ("ines, tomas", "ines", "psst"),
    ]
    assert messages[1].reply_to == messages[0].key
    assert messages[0].names == (("ines", "Nessa"), ("ines", "Ines Lago"))
    assert rejects == {"bot": 3, "media_without_text": 1, "system": 1, "missing_field": 1, "bad_field": 2}


def test_bots_of_mattermost_whose_posts_are_not_all_marked(tmp_path: Path) -> None:
    def post(user: str, message: str, **fields: Any) -> dict[str, Any]:
        fields |= {"team": "lab", "channel": "town", "create_at": MS}
        return {"type": "post", "post": {"user": user, "message": message} | fields}

    replies = [{"user": user, "message": "reply", "create_at": MS} for user in ("jira", "poll", "tomas", "helper")]
    rows = [
        MATTERMOST[0],
        post("ines", "hi", replies=replies),
        post("jira", "opened", props={"from_bot": "true"}),
        post("tomas", "deployed", props={"from_webhook": "true"}),
        post(
            "tomas", "mine", replies=[{"user": "poll", "message": "x", "create_at": MS, "props": {"from_bot": True}}]
        ),
        {"type": "bot", "bot": {"username": "helper"}},
        {"type": "post", "post": 5, "bot": 7},
    ]
    messages, rejects = read("mattermost", written(tmp_path, "import.jsonl", json_lines(*rows)))
    assert said(messages) == [("ines", "hi"), ("tomas", "reply"), ("tomas", "mine")]
    assert rejects == {"bot": 6, "bad_field": 1}


def test_mattermost_among_the_attachments_of_its_zip(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "export.zip", "w") as archive:
        for number in range(60):
            archive.writestr(f"data/{number}/a.mp4", bytes(1000))
            archive.writestr(f"data/{number}/log.txt", "plain\n")
        archive.writestr("import.jsonl", json_lines(*MATTERMOST))
    assert detect_format(tmp_path / "export.zip", INGEST).format == "mattermost"
    assert len(read("mattermost", tmp_path / "export.zip")[0]) == 5


def rocket(number: int, msg: str, user: str = "ines", **fields: Any) -> dict[str, Any]:
    row = {
        "_id": f"m{number}",
        "rid": "GENERAL",
        "msg": msg,
        "u": {"_id": "u1", "username": user, "name": user.title()},
    }
    return row | {"ts": {"$date": f"2024-01-13T10:00:{number:02}.000Z"}} | fields


ROCKET_MESSAGES = [
    rocket(0, "does it run, @tomas?", mentions=[{"_id": "u2", "username": "tomas", "name": "Tomas Lind"}]),
    rocket(1, "yes", "tomas", tmid="m0"),
    rocket(2, "[ ](https://chat.example.org/channel/general?msg=m0) on Linux", "tomas", attachments=[{"text": "old"}]),
    rocket(3, "ines", t="uj"),
    rocket(4, "", t="rm"),
    rocket(5, "AQID", t="e2e"),
    rocket(6, "old text", _hidden=True, parent="m0"),
    rocket(7, "deployed", bot={"i": "js.SDK"}),
    rocket(8, "welcome", "rocket.cat"),
    rocket(9, "", file={"_id": "f"}, attachments=[{"title": "a.png", "type": "file"}]),
    rocket(10, "", file={"_id": "f"}, attachments=[{"title": "a.png", "description": "our plot"}]),
    rocket(11, "edited", editedAt={"$date": "2024-01-13T11:00:00Z"}),
    rocket(12, "canonical", ts={"$date": {"$numberLong": "1705140012000"}}),
    rocket(13, "old", ts={"$date": "2024-01-13T10:00:13.000+0000"}),
    rocket(14, "app", ts="2024-01-13T10:00:14.000Z"),
    {"_id": "m15", "rid": "GENERAL"},
]


@pytest.mark.parametrize(
    "content",
    [
        json_lines(*ROCKET_MESSAGES),
        ROCKET_MESSAGES,
        {"messages": ROCKET_MESSAGES, "success": True},
        {"roomId": "GENERAL", "roomName": "general", "userExport": {"username": "ines"}, "messages": ROCKET_MESSAGES},
        indented(ROCKET_MESSAGES),
        "".join(json.dumps(row, separators=(" , ", " : ")) + "\n" for row in ROCKET_MESSAGES),
    ],
    ids=["lines", "array", "answer", "app", "indented", "old mongoexport"],
)
def test_rocketchat(tmp_path: Path, content: Any) -> None:
    messages, rejects = read("rocketchat", written(tmp_path, "messages.json", content))
    assert [
        (message.sender, message.text, message.reply_to, message.timestamp - 1705140000) for message in messages
    ] == [
        ("ines", "does it run, @tomas?", None, 0),
        ("tomas", "yes", "m0", 1),
        ("tomas", "on Linux", "m0", 2),
        ("ines", "our plot", None, 10),
        ("ines", "edited", None, 11),
        ("ines", "canonical", None, 12),
        ("ines", "old", None, 13),
        ("ines", "app", None, 14),
    ]
    assert messages[0].names == (("ines", "Ines"), ("tomas", "Tomas Lind"))
    assert {message.group for message in messages} == {"GENERAL"}
    assert rejects == {
        "system": 1,
        "deleted": 1,
        "encrypted": 1,
        "edit": 1,
        "bot": 2,
        "media_without_text": 1,
        "missing_field": 1,
    }


def test_rocketchats_users_and_rooms_beside_the_messages(tmp_path: Path) -> None:
    users = [
        {"_id": "u1", "username": "kai", "name": "Kai Berg", "type": "user", "roles": ["user"], "emails": []},
        {"_id": "u2", "username": "jenkins", "name": "CI", "type": "bot", "services": {}},
        {"_id": "u3", "username": "hubot", "name": "Hubot", "roles": ["user", "bot"]},
        7,
    ]
    rows = [rocket(0, "ask Kai Berg"), rocket(1, "green", "jenkins"), rocket(2, "pong", "hubot")]
    rows.append(rocket(3, "hi", "guest-1", alias="Ann Lee"))
    written(tmp_path, "dump/rocketchat_message.json", json_lines(*rows))
    written(tmp_path, "dump/users.json", json_lines(*users))
    room = {"_id": "GENERAL", "name": "general", "usersCount": 3, "u": {"username": "ines"}, "lastMessage": rows[0]}
    written(tmp_path, "dump/rocketchat_room.json", json_lines(room, room))
    assert detect_format(tmp_path, INGEST).format == "rocketchat"
    messages, rejects = read("rocketchat", tmp_path)
    assert said(messages) == [("ines", "ask Kai Berg"), ("guest-1", "hi")]
    assert ("kai", "Kai Berg") in messages[0].names
    assert ("guest-1", "Ann Lee") in messages[1].names
    assert rejects == {"bot": 2}


def test_rocketchats_export_of_a_room(tmp_path: Path) -> None:
    rows = [
        {"msg": "does it run?", "username": "ines", "ts": "2024-01-13T10:00:00.000Z"},
        {"msg": "User joined the channel.", "username": "tomas", "ts": "2024-01-13T10:00:01.000Z", "type": "uj"},
        {"msg": "", "username": "tomas", "ts": "2024-01-13T10:00:02.000Z", "attachments": [{"title": "a"}]},
    ]
    messages, rejects = read("rocketchat", written(tmp_path, "general.json", json_lines(*rows)))
    assert [(one.group, one.sender, one.text) for one in messages] == [("general", "ines", "does it run?")]
    assert rejects == {"system": 1, "media_without_text": 1}


ZULIP_REALM = {
    "zerver_realm": [{"id": 2, "name": "Lab"}],
    "zerver_userprofile": [
        {"id": 8, "full_name": "Ines Lago", "email": "ines@example.org", "is_bot": False},
        {"id": 9, "full_name": "Tomas", "email": "tomas@example.org", "is_bot": False},
        {"id": 10, "full_name": "Build", "email": "build-bot@example.org", "is_bot": True},
    ],
    "zerver_userprofile_crossrealm": [{"id": 1, "email": "notification-bot@zulip.com"}],
    "zerver_stream": [{"id": 5, "name": "help"}],
    "zerver_recipient": [
        {"id": 21, "type": 2, "type_id": 5},
        {"id": 22, "type": 1, "type_id": 9},
        {"id": 23, "type": 3, "type_id": 1},
    ],
}


def zulip_row(number: int, content: str, sender: int = 8, recipient: int = 21, subject: str = "run") -> dict[str, Any]:
    row = {"id": number, "sender": sender, "recipient": recipient, "subject": subject, "content": content}
    return row | {"date_sent": 1705140000.25 + number, "rendered_content": "<p>x</p>"}


def test_zulips_export_of_an_organization(tmp_path: Path) -> None:
    rows = [
        zulip_row(1, "does it run, @**Tomas**? See #**help>run**"),
        zulip_row(
            2,
            "@_**Ines Lago|8** [said](https://lab.example.org/#narrow/stream/5/near/1):\n```quote\ndoes\n```\nyes",
            9,
        ),
        zulip_row(3, "/me waves", 9, subject="✔ run"),
        zulip_row(4, "build green", 10),
        zulip_row(5, "moved the topic", 1),
        zulip_row(6, "psst @**all**", 8, 22, ""),
        zulip_row(7, "/poll lunch?\nyes\nno", 8, 23, ""),
        zulip_row(8, "[a.png](/user_uploads/2/a.png)"),
    ]
    written(tmp_path, "realm.json", ZULIP_REALM)
    for name in ("attachment", "migration_status", "user", "analytics", "uploads/records", "avatars/records"):
        written(tmp_path, f"{name}.json", {"zerver_attachment": []})
    written(tmp_path, "messages-000001.json", {"zerver_message": rows[:4], "zerver_usermessage": []})
    written(tmp_path, "messages-000002.json", {"zerver_message": rows[4:], "zerver_usermessage": []})
    assert detect_format(tmp_path, INGEST).format == "zulip"
    messages, rejects = read("zulip", tmp_path)
    assert [(message.group, message.sender, message.text) for message in messages] == [
        ("help>run", "8", "does it run, @Tomas? See #help>run"),
        ("help>run", "9", "yes"),
        ("help>run", "9", "waves"),
        ("direct 8, 9", "8", "psst @all"),
        ("direct 23", "8", "lunch?"),
    ]
    assert (messages[1].reply_to, messages[0].key, messages[0].timestamp) == ("1", "1", 1705140001)
    assert {("8", "Ines Lago"), ("9", "Tomas"), ("@Tomas", "Tomas")} < set(messages[0].names)
    assert rejects == {"bot": 2, "media_without_text": 1}


def test_a_quote_in_a_quote_of_zulip(tmp_path: Path) -> None:
    head = (
        '<p><span class="user-mention silent" data-user-id="8">Ines</span> '
        '<a href="/#narrow/channel/5-help/topic/run/near/{}">said</a>:</p>\n<blockquote>\n'
    )
    inner = "<blockquote>\n<p>inner</p>\n</blockquote>\n"
    contents = [
        head.format(1) + "<p>outer</p>\n" + inner + "<p>theirs</p>\n</blockquote>\n<p>mine</p>",
        head.format(1) + inner + inner + "</blockquote>\n" + head.format(2) + "<p>b</p>\n</blockquote>\n<p>mine</p>",
        head.format(1) + "<p>never ends</p>" + inner,
    ]
    rows = [
        {"id": number, "sender_full_name": "Tomas", "sender_id": 9, "content": content, "content_type": "text/html"}
        | {"display_recipient": "help", "subject": "run", "timestamp": AT}
        for number, content in enumerate(contents, start=3)
    ]
    messages, _ = read("zulip", written(tmp_path, "narrow.json", rows))
    assert [(message.text, message.reply_to) for message in messages] == [("mine", "1"), ("mine", "1"), ("", "1")]


def test_zulip_archive(tmp_path: Path) -> None:
    row = {"id": 1, "sender_full_name": "Ines Weber", "content": "<p>a &lt; b</p>", "timestamp": AT}
    written(tmp_path, "5-help/123-run.json", [row])
    messages, rejects = read("zulip", tmp_path)
    assert [(one.group, one.sender, one.text) for one in messages] == [("5-help>123-run", "Ines Weber", "a < b")]
    assert not rejects


def test_zulips_api(tmp_path: Path) -> None:
    quoted = (
        '<p><span class="user-mention silent" data-user-id="8">Ines Lago</span> '
        '<a href="/#narrow/stream/5-help/topic/run/near/1">said</a>:</p>\n'
        "<blockquote>\n<p>does it</p>\n</blockquote>\n"
    )
    rows = [
        (
            "Ines Lago",
            8,
            '<p>a &lt; b?<br>\nsee <code>x</code> <span class="user-mention" data-user-id="9">@Tomas</span></p>',
        ),
        ("Tomas", 9, f"{quoted}<p>yes</p>"),
        ("Welcome Bot", 1, "<p>hello</p>"),
    ]
    messages = [
        {"id": number, "sender_full_name": name, "sender_id": person, "content": content, "content_type": "text/html"}
        | {"display_recipient": "help", "subject": "run", "timestamp": AT + number, "type": "stream"}
        | {"sender_email": "welcome-bot@zulip.com" if "Bot" in name else f"user{person}@example.org"}
        for number, (name, person, content) in enumerate(rows, start=1)
    ]
    messages.append(
        {"id": 9, "sender_full_name": "Tomas", "sender_id": 9, "content": "psst @**Ann**", "timestamp": AT}
        | {"display_recipient": [{"id": 9}, {"id": 8}], "subject": ""}
    )
    found, rejects = read("zulip", written(tmp_path, "narrow.json", {"anchor": 0, "messages": messages}))
    assert [(message.group, message.sender, message.text) for message in found] == [
        ("help>run", "8", "a < b?\nsee x @Tomas"),
        ("help>run", "9", "yes"),
        ("direct 8, 9", "9", "psst @Ann"),
    ]
    assert found[0].names == (("8", "Ines Lago"), ("9", "Tomas"))
    assert found[2].names == (("9", "Tomas"), ("@Ann", "Ann"))
    assert found[1].reply_to == "1"
    assert rejects == {"bot": 1}


def test_google_chat(tmp_path: Path) -> None:
    def row(number: int, email: str, **fields: Any) -> dict[str, Any]:
        creator = {"name": email.split("@")[0].title(), "email": email, "user_type": "Human"}
        time = f"Wednesday, May 1, 2024 at 3:04:{number:02}\u202fPM UTC"
        return {"creator": creator, "created_date": time, "topic_id": "t", "message_id": f"s/t/m{number}"} | fields

    rows = [
        row(0, "ines@example.org", text="does it run?", message_id="s/t/t"),
        row(1, "tomas@example.org", text="yes"),
        row(2, "tomas@example.org", attached_files=[{"export_name": "a.png"}]),
        row(3, "tomas@example.org", message_state="DELETED", deletion_metadata={}),
        row(4, "tomas@example.org", text="deployed") | {"creator": {"name": "CI", "user_type": "Bot"}},
        row(5, "tomas@example.org", text="hallo", created_date="Mittwoch, 1. Mai 2024 um 15:04:05 UTC"),
        row(6, "tomas@example.org"),
    ]
    written(tmp_path, "Google Chat/Groups/Space AAA/messages.json", {"messages": rows})
    written(tmp_path, "Google Chat/Groups/Space AAA/group_info.json", {"name": "Lab", "members": []})
    assert detect_format(tmp_path, INGEST).format == "google_chat"
    messages, rejects = read("google_chat", tmp_path)
    assert [(one.group, one.sender, one.text, one.reply_to, one.timestamp) for one in messages] == [
        ("Space AAA", "ines@example.org", "does it run?", None, 1714575840),
        ("Space AAA", "tomas@example.org", "yes", "s/t/t", 1714575841),
    ]
    assert messages[0].names == (("ines@example.org", "Ines"),)
    assert rejects == {
        "media_without_text": 1,
        "deleted": 1,
        "bot": 1,
        "bad_time": 1,
        "system": 1,
        "other_file": 1,
    }
