"""Slack's exports of all plans, and those of other exporters: what is a person's, of which room, with which text."""

import json
import zipfile
from pathlib import Path
from typing import Any

import pytest

from stages.chat.detection import detect_format
from tests.chat_exports import INGEST, formats_of
from tests.unit.test_readers import EXPORTS, contents_of, read

CASES = EXPORTS / "cases"
USERS = [
    {"id": "U1", "name": "ann", "is_bot": False, "profile": {"display_name": "Ann", "real_name": "Ann Vale"}},
    {"id": "U9", "name": "builder", "is_bot": True, "profile": {"real_name": "Builder"}},
]
Json = dict[str, Any]


def message(number: int, text: str | None = None, user: str = "U1", **more: Any) -> Json:
    ts = f"17000000{number:02}.000100"
    return {"type": "message", "user": user, "ts": ts} | ({} if text is None else {"text": text}) | more


def rich_text(*elements: Json) -> list[Json]:
    return [{"type": "rich_text", "block_id": "b", "elements": list(elements)}]


def section(*elements: Json | str) -> Json:
    parts = [{"type": "text", "text": part} if isinstance(part, str) else part for part in elements]
    return {"type": "rich_text_section", "elements": parts}


def written(folder: Path, files: dict[str, Any]) -> Path:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(json.dumps(content))
    return folder


def texts(folder: Path, *messages: Json, users: list[Json] = USERS) -> tuple[list[str], dict[str, int]]:
    read_messages, rejects = read("slack", written(folder, {"users.json": users, "general/2023-11-14.json": messages}))
    return [message.text for message in read_messages], dict(rejects)


def groups(path: Path) -> list[tuple[str, str]]:
    return [(message.group, message.text) for message in read("slack", path)[0]]


def test_text_that_stands_in_blocks_only() -> None:
    messages, rejects = read("slack", CASES / "20-slack-blocks-only")
    assert contents_of(messages) == [
        ("U01INES", "Does the build run on arm?", 1700000001),
        ("U02TOM", "@U01INES yes, see here", 1700000002),
        ("U02TOM", "plain", 1700000003),
    ]
    assert not rejects
    assert ("U01INES", "U01INES") in messages[1].names  # so that the mention is masked


def test_slackbot() -> None:
    messages, rejects = read("slack", CASES / "21-slack-slackbot")
    assert contents_of(messages) == [
        ("U01INES", "Is the review on?", 1700000001),
        ("U02TOM", "answer in an orphaned thread", 1700000005),
    ]
    assert rejects == {"bot": 2, "system": 3}


def test_a_file_for_each_channel() -> None:
    messages, rejects = read("slack", CASES / "23-slack-single-file")
    assert contents_of(messages) == [("U01INES", "Does it run?", 1700000001), ("U02TOM", "yes", 1700000002)]
    assert {message.group for message in messages} == {"general"}
    assert not rejects


def test_slackdump() -> None:
    path = CASES / "24-slackdump-dump.json"
    assert formats_of(path) == ["slack"]
    messages, rejects = read("slack", path)
    assert contents_of(messages) == [("U01INES", "Does it run?", 1700000001), ("U02TOM", "yes", 1700000002)]
    assert [(message.group, message.reply_to) for message in messages] == [("C01", None), ("C01", "1700000001.000100")]
    assert not rejects


def test_names_beside_the_messages() -> None:
    messages, rejects = read("slack", CASES / "26-slack-no-users-profile-only")
    assert contents_of(messages) == [
        ("U01INES", "Does it run?", 1700000001),
        ("U02TOM", "ines: yes, since Tuesday", 1700000002),
    ]
    assert messages[0].names == (("U01INES", "Ines Vale"), ("U01INES", "ines"))
    assert {message.group for message in messages} == {"D0123"}
    assert not rejects


def test_all_names_of_a_user(tmp_path: Path) -> None:
    profile = {"real_name": "Tomáš Vale", "real_name_normalized": "Tomas Vale", "display_name": "tómi"}
    profile |= {"display_name_normalized": "tomi", "first_name": "Tomáš", "last_name": "Vale"}
    users = [{"id": "U1", "name": "tv", "profile": profile}]
    files = {"users.json": users, "general/2023-11-14.json": [message(1, "hi")]}
    messages, _ = read("slack", written(tmp_path, files))
    assert {name for _person, name in messages[0].names} == {*profile.values(), "tv"}


def test_blocks_beside_a_text_that_says_nothing(tmp_path: Path) -> None:
    notice = "This content can't be displayed."
    shown = [message(1, notice, blocks=rich_text(section("the words"))), message(2, notice)]
    assert texts(tmp_path, *shown) == (["the words", notice], {})


def test_a_file_without_a_text() -> None:
    messages, rejects = read("slack", CASES / "27-slack-file-without-text")
    assert contents_of(messages) == [("U02TOM", "nice", 1700000002)]
    assert rejects == {"media_without_text": 1}


@pytest.mark.parametrize("case", ["20-slack-blocks-only", "21-slack-slackbot", "23-slack-single-file"])
def test_auto_takes_a_folder_for_slack(case: str) -> None:
    assert detect_format(CASES / case, INGEST).format == "slack"


BLOCKS: list[tuple[list[Json], str]] = [
    (rich_text(section("a < b && c > d")), "a < b && c > d"),
    (
        rich_text(section("see ", {"type": "link", "url": "https://example.org/?a=1&b=2"})),
        "see https://example.org/?a=1&b=2",
    ),
    (rich_text(section({"type": "link", "url": "mailto:x@y.org", "text": "x|y <z>"}, "!")), "x|y <z>!"),
    (rich_text(section({"type": "emoji", "name": "wave", "unicode": "1f44b"}, " all")), ":wave: all"),
    (rich_text(section({"type": "channel", "channel_id": "C7"}, {"type": "text", "text": " it"})), "#C7 it"),
    (rich_text(section({"type": "broadcast", "range": "here"}, " now")), "@here now"),
    (rich_text(section({"type": "usergroup", "usergroup_id": "S1"}, " ?")), "@S1 ?"),
    (rich_text(section({"type": "color", "value": "#ff0000"})), "#ff0000"),
    (
        rich_text(section({"type": "date", "timestamp": 1700000000, "format": "{date}", "fallback": "Tuesday"})),
        "Tuesday",
    ),
    (rich_text(section({"type": "date", "timestamp": 1700000000, "format": "{date}"})), "2023-11-14"),
    (
        rich_text(
            section("two things:\n"),
            {"type": "rich_text_list", "style": "bullet", "indent": 0, "elements": [section("one"), section("two")]},
            {"type": "rich_text_list", "style": "bullet", "indent": 1, "elements": [section("two and a half")]},
            section("done"),
        ),
        "two things:\n• one\n• two\n    • two and a half\ndone",
    ),
    (
        rich_text(
            {"type": "rich_text_list", "style": "ordered", "offset": 2, "elements": [section("c"), section("d")]}
        ),
        "3. c\n4. d",
    ),
    (
        rich_text({"type": "rich_text_quote", "elements": [{"type": "text", "text": "so\nthey said"}]}),
        "> so\n> they said",
    ),
    (rich_text({"type": "rich_text_quote", "elements": [section("nested")]}, section("yes")), "> nested\nyes"),
    (
        rich_text(
            section("run"), {"type": "rich_text_preformatted", "elements": [{"type": "text", "text": "a\n  b"}]}
        ),
        "run\na\n  b",
    ),
    (rich_text(section("x"), section()), "x"),
    ([{"type": "section", "text": {"type": "mrkdwn", "text": "for <@U1> &amp; all"}}], "for @U1 & all"),
    (
        [
            {"type": "header", "text": {"type": "plain_text", "text": "Title"}},
            {"type": "divider"},
            {"type": "section", "fields": [{"type": "mrkdwn", "text": "f1"}, {"type": "plain_text", "text": "f2"}]},
            {"type": "context", "elements": [{"type": "mrkdwn", "text": "Posted using /giphy"}]},
        ],
        "Title\nf1\nf2",
    ),
    ([{"type": "markdown", "text": "1 < 2"}], "1 < 2"),
]


@pytest.mark.parametrize(("blocks", "text"), BLOCKS)
@pytest.mark.parametrize("field", [{}, {"text": ""}])
def test_blocks_show_what_people_see(tmp_path: Path, blocks: list[Json], text: str, field: Json) -> None:
    assert texts(tmp_path, message(1, blocks=blocks) | field) == ([text], {})


@pytest.mark.parametrize(
    ("markup", "text"),
    [
        ("<!here> and <!channel|@channel> and <!everyone|everyone>", "@here and @channel and @everyone"),
        ("<!subteam^S1> <!subteam^S2|@admins>", "@S1 @admins"),
        ("<#C1|> <#C2|lab>", "#C1 #lab"),
        ("<!date^1700000000^{date_short}> <!date^1700000000^{date}|today>", "2023-11-14 today"),
        ("<mailto:x@y.org|x@y.org> <https://example.org|a &gt; b>", "x@y.org a > b"),
        ("*bold* stays, as do &amp;lt; and :smile:", "*bold* stays, as do &lt; and :smile:"),
    ],
)
def test_markup(tmp_path: Path, markup: str, text: str) -> None:
    assert texts(tmp_path, message(1, markup)) == ([text], {})


def test_the_text_wins_over_blocks(tmp_path: Path) -> None:
    edited = message(1, "as it is shown now", blocks=rich_text(section("other")), edited={"user": "U1", "ts": "1"})
    assert texts(tmp_path, edited) == (["as it is shown now"], {})


def test_what_people_share_is_not_theirs(tmp_path: Path) -> None:
    shared = {"is_share": True, "is_msg_unfurl": True, "author_id": "U2", "text": "Is it down?", "fallback": "x"}
    card = {"service_name": "News", "title": "A title", "text": "an article"}
    assert texts(
        tmp_path,
        message(1, "", attachments=[shared]),
        message(2, "worth reading", attachments=[shared]),
        message(3, attachments=[card]),
        message(4, "<https://example.org>", attachments=[card]),
    ) == (["worth reading", "https://example.org"], {"forward": 1, "media_without_text": 1})


def test_what_is_no_text(tmp_path: Path) -> None:
    image = {"type": "image", "image_url": "https://example.org/x.gif", "alt_text": "x", "title": {"text": "x"}}
    assert texts(
        tmp_path,
        message(
            1, "", blocks=[image, {"type": "context", "elements": [{"type": "mrkdwn", "text": "Posted using /x"}]}]
        ),
        message(2, files=[{"id": "F1"}]),
        message(3, ""),  # the framework's reject
        message(4),
        message(5, blocks=[{"type": "rich_text", "elements": [7]}]),
        {"type": "message", "user": "U1", "text": "no time"},
    ) == ([""], {"media_without_text": 2, "missing_field": 2, "bad_field": 1})


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        ({"user": "U1", "bot_id": "B1", "app_id": "A1", "client_msg_id": "c"}, None),  # a person's token
        ({"user": "U1", "bot_id": "B1", "app_id": "A1", "bot_profile": {"name": "x"}}, None),  # users.json knows them
        ({"user": "U1", "app_id": "A1"}, None),
        ({"user": "U5", "bot_id": "B1", "client_msg_id": "c"}, None),
        ({"user": "U5", "bot_id": None}, None),
        ({"user": "U5", "bot_id": "B1"}, "bot"),
        ({"user": None, "bot_id": "B1", "username": "hook"}, "bot"),
        ({"user": "U9"}, "bot"),
        ({"user": "U9", "bot_id": "B1", "client_msg_id": "c"}, "bot"),
        ({"user": "USLACKBOT", "subtype": None}, "bot"),
        ({"subtype": "bot_message", "username": "x", "user": None}, "bot"),
        ({"subtype": "slackbot_response", "user": "USLACKBOT"}, "bot"),
    ],
)
def test_people_and_bots(tmp_path: Path, raw: Json, reason: str | None) -> None:
    expected = ([], {reason: 1}) if reason else (["hi"], {})
    assert texts(tmp_path, message(1, "hi") | raw) == expected


@pytest.mark.parametrize(
    "subtype",
    [
        *("tombstone", "huddle_thread", "sh_room_created", "channel_join", "group_leave", "channel_topic", "bot_add"),
        *("pinned_item", "reminder_add", "message_changed", "message_deleted", "file_mention", "ekm_access_denied"),
    ],
)
def test_slacks_own_entries(tmp_path: Path, subtype: str) -> None:
    assert texts(tmp_path, message(1, "<@U1> has joined", subtype=subtype)) == ([], {"system": 1})


def test_a_call_is_no_message(tmp_path: Path) -> None:
    assert texts(tmp_path, message(1, "hi") | {"type": "call"}) == ([], {"system": 1})


def test_files_as_slack_wrote_them_until_2018(tmp_path: Path) -> None:
    uploaded = "<@U1|ann> uploaded a file: <https://example.org/files/U1/F1/p.png|p.png>"
    comment = {"id": "Fc1", "user": "U1", "comment": "nice &amp; small", "is_intro": False}
    said = {"type": "message", "subtype": "file_comment", "ts": "1700000004.000100", "file": {"id": "F1"}}
    folder = written(
        tmp_path,
        {
            "general/2017-01-01.json": [
                message(1, uploaded, subtype="file_share", upload=True, file={"id": "F1"}),
                message(2, f"{uploaded} and commented: my plot", subtype="file_share", upload=True, file={"id": "F1"}),
                message(3, "a text of today", subtype="file_share", files=[{"id": "F2"}]),
                said
                | {"text": "<@U1|ann> commented on <@U2|bob>'s file <https://x.org|p.png>: nice", "comment": comment},
            ]
        },
    )
    messages, rejects = read("slack", folder)
    assert [(message.sender, message.text) for message in messages] == [
        ("U1", "my plot"),
        ("U1", "a text of today"),
        ("U1", "nice & small"),
    ]
    assert rejects == {"media_without_text": 1}


def test_threads(tmp_path: Path) -> None:
    first = message(1, "so?", thread_ts="1700000001.000100", reply_count=2)
    folder = written(
        tmp_path,
        {
            "general/2023-11-14.json": [
                first,
                message(2, "yes", thread_ts="1700000001.000100", parent_user_id="U1"),
                message(3, "for all", thread_ts="1700000001.000100", subtype="thread_broadcast", root=first),
                message(4, "as before", thread_ts="1700000001.000100", subtype="reply_broadcast"),
            ]
        },
    )
    assert [message.reply_to for message in read("slack", folder)[0]] == [None, *["1700000001.000100"] * 3]


LAYOUTS: list[tuple[list[str], list[str]]] = [  # files with a message each, and their groups
    (["users.json", "general/2023-11-14.json", "random/2023-11-14.json"], ["general", "random"]),
    (["Lab Nov 1/users.json", "Lab Nov 1/general/2023-11-14.json"], ["general"]),
    (["users.json", "general.json", "random.json"], ["general", "random"]),
    (["Lab/channels.json", "Lab/general.json"], ["general"]),
    (["Lab/general.json", "Lab/random.json"], ["general", "random"]),
    (["general/messages.json", "random/messages.json"], ["general", "random"]),
    (["a/messages.json", "a/pins.json", "b/messages.json"], ["a/messages", "b", "pins"]),  # never mixed
    (["jan/users.json", "jan/general.json", "feb/users.json", "feb/general.json"], ["general", "general"]),
    (["jan/general/general.json", "feb/general/general.json"], ["general", "general"]),
    (["D0123/2023-11-14.json", "mpdm-ann--bob-1/2023-11-14.json"], ["D0123", "mpdm-ann--bob-1"]),
    (["teams/2023-11-14.json", "users.json"], ["teams"]),  # a channel of this name
    (["users.json", "lists.json"], ["lists"]),  # a channel too: it holds messages
    (
        [
            *("org_users.json", "channels.json", "teams/a/users.json", "all/2023-11-14.json"),
            *("teams/a/general/2023-11-14.json", "teams/b/general/2023-11-14.json", "teams/a/random.json"),
        ],
        ["all", "teams/a/general", "teams/a/random", "teams/b/general"],
    ),
    (["Grid/org_users.json", "Grid/teams/a/general/2023-11-14.json"], ["teams/a/general"]),
]


@pytest.mark.parametrize(("names", "expected"), LAYOUTS)
@pytest.mark.parametrize("zipped", [False, True])
def test_rooms(tmp_path: Path, names: list[str], expected: list[str], zipped: bool) -> None:
    metadata = ("users.json", "org_users.json", "channels.json")
    folder = written(
        tmp_path / "export",
        {name: USERS if Path(name).name in metadata else [message(1, f"in {name}")] for name in names},
    )
    path = folder
    if zipped:
        path = tmp_path / "export.zip"
        with zipfile.ZipFile(path, "w") as archive:
            for name in names:
                archive.write(folder / name, name)
    messages, rejects = read("slack", path)
    assert sorted(message.group for message in messages) == expected
    assert not rejects


def test_a_file_or_a_day_alone(tmp_path: Path) -> None:
    written(tmp_path, {"lab.json": [message(1, "a")], "general/2023-11-14.json": [message(1, "b")]})
    assert groups(tmp_path / "lab.json") == [("lab", "a")]
    assert groups(tmp_path / "general" / "2023-11-14.json") == groups(tmp_path / "general") == [("general", "b")]


def test_people_of_an_organization(tmp_path: Path) -> None:
    bot = {"id": "W2", "name": "helper", "is_bot": True}
    folder = written(
        tmp_path,
        {
            "org_users.json": [{"id": "W1", "name": "ann", "profile": {"real_name": "Ann Vale"}}],
            "teams/a/users.json": [bot, {"id": "W1", "name": "ann"}],
            "teams/a/general/2023-11-14.json": [message(1, "hi", "W1"), message(2, "beep", "W2")],
        },
    )
    messages, rejects = read("slack", folder)
    assert [message.names for message in messages] == [(("W1", "ann"), ("W1", "Ann Vale"), ("W2", "helper"))]
    assert rejects == {"bot": 1}


def test_metadata_is_known_by_name(tmp_path: Path) -> None:
    names = ("channels", "groups", "dms", "mpims", "integration_logs", "canvases", "lists", "content_flags")
    message_in_metadata = {"id": "C1", "name": "general", "latest": message(1, "hi")}
    files: dict[str, Any] = {f"{name}.json": [{"id": "X1", "user_id": "U1"}] for name in names}
    files["general/canvas_in_the_conversation.json"] = [{"id": "F1", "shares": {"public": {"C1": [{"ts": "17.1"}]}}}]
    files |= {"channels.json": [message_in_metadata], "users-T01AB.json": USERS, "dms.json": []}
    files |= {"general/2023-11-14.json": [message(1, "hi")], "random/2023-11-14.json": [], "empty.json": []}
    messages, rejects = read("slack", written(tmp_path, files))
    assert [message.text for message in messages] == ["hi"]
    assert ("U1", "Ann") in messages[0].names
    assert not rejects


def test_other_files_are_rejects(tmp_path: Path) -> None:
    files = {
        "general/2023-11-14.json": [message(1, "hi"), 7, [message(2, "hi")]],
        "__uploads/F1/data.json": {"a": 1},
        "table.json": [{"sender": "ann", "text": "hi", "timestamp": 1}],
    }
    messages, rejects = read("slack", written(tmp_path, files))
    assert [message.text for message in messages] == ["hi"]
    assert rejects == {"other_file": 1, "bad_field": 2}  # what people sent isn't counted


def test_slackdumps_of_all_versions(tmp_path: Path) -> None:
    thread = message(1, "so?", thread_ts="1700000001.000100")
    replies = [message(2, "yes", "U2", thread_ts="1700000001.000100"), message(3, "beep", "U9"), 7]
    thread |= {"slackdump_thread_replies": replies}
    dumps = {
        "C01.json": {"channel_id": "C01", "name": "general", "messages": [thread, message(4, "last")]},
        "D02-1700000001.000100.json": {"messages": [message(1, "old")], "channel_id": "D02", "thread_ts": "17.1"},
        "G03.json": {"name": 'a "name"', "messages": [message(1, "old too")], "channel_id": "G03"},
        "C04.json": {
            "channel_id": "C04",
            "thread_ts": "1700000001.000100",
            "name": "",
            "messages": [message(1, "one")],
        },
        "help-desk.json": {"ok": True, "latest": "17", "messages": [message(1, "asked the API")], "has_more": False},
        "users-T1.json": USERS,
    }
    folder = written(tmp_path, dumps)
    assert all(formats_of(folder / name) == ["slack"] for name in dumps if name != "users-T1.json")
    messages, rejects = read("slack", folder)
    assert [(message.group, message.text, message.reply_to) for message in messages] == [
        ("C01", "so?", None),
        ("C01", "yes", "1700000001.000100"),
        ("C01", "last", None),
        ("C04", "one", None),
        ("D02", "old", None),
        ("G03", "old too", None),
        ("help-desk", "asked the API", None),
    ]
    assert rejects == {"bot": 1, "bad_field": 1}


@pytest.mark.parametrize(
    "text",
    [
        '[{"sender": "ann", "text": "type: message, ts: 1", "timestamp": 1700000000}]',
        '[{"ts": "1700000000.000100", "text": "a table"}]',
        '[{"type": "message", "ts": 1700000000, "text": "a table"}]',
        '[{"type": "message", "text": "\\"ts\\": \\"1700000000.000100\\""}]',
        '{"messages": [{"type": "m.room.message", "ts": 1700000000}]}',
        '{"name": "Lab", "type": "private_group", "id": 5, "messages": [{"type": "message", "text": "hi"}]}',
        '{"channel_id": "C01", "messages": []}',
        "[]",
        "[7]",
        "{}",
        "",
    ],
)
def test_what_is_not_slacks(tmp_path: Path, text: str) -> None:
    (tmp_path / "file.json").write_text(text)
    assert "slack" not in formats_of(tmp_path / "file.json")


@pytest.mark.parametrize("first", [{"blocks": rich_text(section("x " * 15_000))}, {"files": [{"id": "F" * 30_000}]}])
def test_a_long_first_message(tmp_path: Path, first: Json) -> None:
    first |= message(1, "hi")
    assert formats_of(written(tmp_path, {"general.json": [first]}) / "general.json") == ["slack"]
