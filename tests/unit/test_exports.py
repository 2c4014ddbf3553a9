"""Exports of any shape: a file, a folder, a zip, a zip in a folder, a pattern."""

import gzip
import zipfile
from pathlib import Path

import click
import pytest

from stages.chat import Message, Reject
from stages.chat.detection import detect_format, reader
from stages.chat.exports import open_export, split_pattern
from stages.ingest import main
from tests.chat_exports import INGEST
from tests.conftest import run

DISCORD = '{"guild": {"id": "1"}, "channel": {"id": "42"}, "messages": [%s]}'


def discord(number: int) -> str:
    author = '"author": {"id": "7", "name": "ann"}'
    time = f'"timestamp": "2025-12-21T10:00:0{number}+00:00"'
    return DISCORD % f'{{"id": "{number}", "type": "Default", {time}, "content": "text {number}", {author}}}'


def entries(path: Path, files: str | None = None) -> tuple[list[str], list[tuple[str, str]]]:
    """The messages' texts, and place and reason of the rejects, by the format that is detected."""
    p = detect_format(path, INGEST.model_copy(update={"format": "auto", "files": files}))
    found = list(reader(path, p)())
    rejects = [(entry.at, entry.reason) for entry in found if isinstance(entry, Reject)]
    return [entry.text for entry in found if isinstance(entry, Message)], rejects


def folder_of(path: Path) -> Path:
    (path / "sub").mkdir(parents=True)
    (path / "a [part 1].json").write_text(discord(1))
    (path / "sub" / "b.JSON").write_text(discord(2))
    (path / "other.json").write_text("[1, 2]")
    (path / "picture.png").write_bytes(b"\x89PNG")
    (path / ".DS_Store").write_bytes(b"\0")
    (path / "gone.json").symlink_to(path / "nowhere.json")
    return path


def zip_of(folder: Path, path: Path) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for file in sorted(folder.rglob("*")):
            if file.is_file():
                archive.write(file, file.relative_to(folder))
        archive.writestr("__MACOSX/._a.json", "x")
    return path


def test_a_folder_and_a_zip(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = folder_of(tmp_path / "export")
    assert entries(folder) == (["text 1", "text 2"], [("gone.json", "not_a_file"), ("other.json", "other_file")])
    assert "export: taken for discord, as 2 of 3 files in it begin so" in capsys.readouterr().err
    archive = zip_of(folder, tmp_path / "export.zip")
    assert entries(archive) == (["text 1", "text 2"], [("other.json", "other_file")])
    (tmp_path / "zips").mkdir()
    archive.rename(tmp_path / "zips" / "export.zip")
    assert entries(tmp_path / "zips") == (["text 1", "text 2"], [("export.zip/other.json", "other_file")])


def test_a_pattern_chooses_among_files(tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "export")
    assert entries(folder, "*part*")[0] == ["text 1"]
    assert entries(folder, "sub/*")[0] == ["text 2"]
    with pytest.raises(click.ClickException, match=r"export: no file \*\.log is in it"):
        entries(folder, "*.log")
    assert split_pattern(folder / "*part*") == (folder, "*part*")
    assert split_pattern(folder / "sub" / "*.j?on") == (folder / "sub", "*.j?on")
    assert split_pattern(folder / "a [part 1].json") == (folder / "a [part 1].json", None)


def test_a_pattern_on_the_command_line(project: Path) -> None:
    folder = folder_of(project / "export")
    (project / "params.yaml").write_text(
        (project / "params.yaml")
        .read_text()
        .replace("format: chitchat", "format: auto")
        .replace("min_senders: 2", "min_senders: 1")
    )
    outputs = ["messages.jsonl", "imported.jsonl", "rejects.jsonl", "n.json", "metrics.json"]
    result = run(main, folder / "*part*", *outputs)
    assert result.exit_code == 0, result.output
    assert (project / "messages.jsonl").read_text().count("\n") == 1


def test_a_folder_of_several_formats_is_not_guessed(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(discord(1))
    (tmp_path / "b.log").write_text("--- Log opened Tue Nov 15 00:00:44 2016\n13:18 <+ines> does it run?\n")
    with pytest.raises(click.ClickException, match=r"could be discord or irc; say which in ingest\.format, or choose"):
        entries(tmp_path)
    assert entries(tmp_path, "*.log")[0] == ["does it run?"]


WHATSAPP = "[14.11.23, 22:13:20] Ines: hi\n[14.11.23, 22:14:20] Tomas: yes\n"
SLACK = '[{"type": "message", "user": "U1", "text": "hi", "ts": "1700000001.000100"}]'
TELEGRAM = (
    '{"name": "Lab", "type": "private_group", "id": 5, "messages": [{"id": 1, "type": "message",'
    ' "date": "2023-11-14T22:13:20", "from": "Ann", "from_id": "user7", "text": "hi"}]}'
)
MATTERMOST = (
    '{"type": "version", "version": 1}\n{"type": "post", "post": {"team": "a", "channel": "b", "user": "ann",'
    ' "message": "hi", "create_at": 1700000000123}}\n'
)


@pytest.mark.parametrize(
    ("name", "export", "attachment"),
    [
        ("general/2023-11-14.json", SLACK, "__uploads/F{}/a.{}"),
        ("general/2023-11-14.json", SLACK, "general/attachments/F{}-a.{}"),
        ("Lab - help [42].json", DISCORD, "Lab - archive [41].json_Files/a-{}.{}"),
        ("result.json", TELEGRAM, "files/a{}.{}"),
        ("chats/chat_1/result.json", TELEGRAM, "chats/chat_1/video_files/a{}.{}"),
        ("import.jsonl", MATTERMOST, "data/20240101/teams/{}/a.{}"),
        ("import.jsonl", MATTERMOST, "deeper/in/folders/{}/a.{}"),
    ],
)
def test_attachments_do_not_decide(tmp_path: Path, name: str, export: str, attachment: str) -> None:
    export = export.replace("%s", discord(1).split("[", 1)[1].rsplit("]", 1)[0])
    files = {name: export} | {attachment.format(number, "txt"): "just a note\n" for number in range(60)}
    if "deeper" not in attachment:
        files |= {attachment.format(60, "txt"): WHATSAPP, attachment.format(61, "csv"): "id,sender,text,timestamp\n"}
        files |= {attachment.format(62, "json"): '{"a": 1}', attachment.format(63, "json"): "\0n\0o\0t\0t\0e\0x\0t\0"}
    for path, text in files.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
    texts, rejects = entries(tmp_path)
    assert texts == (["text 1"] if export.startswith('{"guild') else ["hi"])
    assert rejects == []


@pytest.mark.parametrize(
    ("folders", "other_files"),
    [
        (("data",), 1),
        (("media", "media/files"), 1),
        ((".", "data"), 1),
        (("files", "stickers", "x"), 0),  # in `files`, beside a channel in `x`
    ],
)
def test_an_export_in_a_folder_named_like_attachments(
    tmp_path: Path, folders: tuple[str, ...], other_files: int
) -> None:
    for number, folder in enumerate(folders):
        (tmp_path / folder).mkdir(exist_ok=True)
        (tmp_path / folder / f"{number}.json").write_text(discord(number))
    (tmp_path / folders[0] / "z.json").write_text("[1]")
    texts, rejects = entries(tmp_path)
    assert sorted(texts) == [f"text {number}" for number in range(len(folders))]
    assert [reason for _at, reason in rejects] == ["other_file"] * other_files


def test_slacks_channel_named_like_attachments(tmp_path: Path) -> None:
    for channel in ("data", "general"):
        (tmp_path / channel).mkdir()
        (tmp_path / channel / "2023-11-14.json").write_text(SLACK.replace("hi", channel))
    assert entries(tmp_path) == (["data", "general"], [])


IRC = "--- Log opened Tue Nov 15 00:00:44 2016\n13:18 <+ines> does it run?\n"


@pytest.mark.parametrize("name", ["lab.log.15Nov2016", "#lab.20161115", "#lab/out", "lab.log.1", "lab.log.2016-11-15"])
@pytest.mark.parametrize("others", [{}, {"z.log": IRC}], ids=["alone", "beside another"])
def test_logs_without_an_ending(tmp_path: Path, name: str, others: dict[str, str]) -> None:
    (tmp_path / "#lab").mkdir()
    for path, text in (
        {name: IRC, "README": "hi\n", "core": "\0n\0o\0t\0t\0e\0x\0t\0", "a.odt": "x"} | others
    ).items():
        (tmp_path / path).write_text(text)
    assert entries(tmp_path) == (["does it run?"] * (1 + len(others)), [])


def test_the_number_of_files_that_were_ignored(tmp_path: Path) -> None:
    for name in ("a.png", "b.png", "c.json.gz", "d.json", "e"):
        (tmp_path / name).write_text("[]")
    with pytest.raises(click.ClickException, match=r"looks like none of .*; files ignored .*: 3 \(\.png, \.gz\)$"):
        entries(tmp_path)


@pytest.mark.parametrize(
    ("name", "content", "hint"),
    [
        ("a.html", "<!DOCTYPE html>\n<html><style>.chatlog {}</style></html>", "DiscordChatExporter; .* as JSON"),
        ("a.txt", f"{'=' * 62}\nGuild: Lab\nChannel: Text / help\n", "DiscordChatExporter; .* as JSON"),
        ("messages.json", '[{"ID":1,"Timestamp":"2023-11-14 22:13:20","Contents":"hi"}]', "Discord's data package"),
        ("messages.csv", "ID,Timestamp,Contents,Attachments\n1,2023,hi,\n", "Discord's data package"),
        ("dht.txt", '{"meta":{"users":{}},"data":{}}', "Discord History Tracker"),
        ("posts.json", '{"order": ["a"], "posts": {"a": {"id": "a"}}}', "Mattermost's API"),
    ],
)
@pytest.mark.parametrize("is_alone", [True, False])
def test_hints(tmp_path: Path, name: str, content: str, hint: str, is_alone: bool) -> None:
    (tmp_path / name).write_text(content)
    if not is_alone:
        (tmp_path / "README.txt").write_text("my chats\n")
        hint = f"{name}: .*{hint}"
    with pytest.raises(click.ClickException, match=hint):
        entries(tmp_path / name if is_alone else tmp_path)


def test_packed_files(tmp_path: Path) -> None:
    (tmp_path / "export.tar.gz").write_bytes(gzip.compress(b"x"))
    with pytest.raises(click.ClickException, match=r"export\.tar\.gz: packed with gzip; unpack it"):
        entries(tmp_path / "export.tar.gz")


def test_teams_is_not_wechat(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text('{"value": [{"id": "1", "messageType": "message", "body": {"content": "hi"}}]}')
    with pytest.raises(click.ClickException, match="looks like none"):
        entries(tmp_path / "a.json")


@pytest.mark.parametrize("content", [{}, {"a.png": b"x"}])
def test_nothing_to_read(tmp_path: Path, content: dict[str, bytes]) -> None:
    for name, data in content.items():
        (tmp_path / name).write_bytes(data)
    with pytest.raises(click.ClickException, match=r"no file is in it|looks like none of the formats"):
        entries(tmp_path)


def test_a_zip_that_leads_out_or_is_a_bomb(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "out.zip", "w") as archive:
        archive.writestr("../x.json", discord(1))
    with pytest.raises(click.ClickException, match="leads out of the archive"), open_export(tmp_path / "out.zip"):
        pass
    with zipfile.ZipFile(tmp_path / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("x.json", b" " * 20_000_000)
    with pytest.raises(click.ClickException, match="grows more than 200 times"), open_export(tmp_path / "bomb.zip"):
        pass
