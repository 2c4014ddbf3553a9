"""Nobody's name and nobody's secret: in no output, reject, metric, cache or log of the stages from ingest on."""

import json
import re
import shutil
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

from stages.chat import Message
from stages.chat.keys import PUBLIC_KEY, keyed_hash
from stages.chat.names import Names
from stages.chat.private import mask
from stages.ingest import main
from tests.clones import call, contents
from tests.conftest import ROOT, SHARED, change_params, ingested, run
from tests.test_readers import EXPORTS
from tests.test_same_bytes import CHANGES, STAGES, label, project
from tests.written import FORMATS, Said, export

NOW = 1_500_000_000
ALNUM = "AbCdEfGhIjKlMnOpQrStUvWxYz0123456789" * 4
SECRETS = {  # put together here, so that nobody takes this file for a leak
    "AWS": "AKIA" + "IOSFODNN7EXAMPLE",
    "GitHub": "ghp_" + ALNUM[:36],
    "GitHub, fine-grained": "github_pat_" + ALNUM[:22] + "_" + ALNUM[:59],
    "GitLab": "glpat-" + ALNUM[:20],
    "Slack": "xoxb-" + "123456789012-123456789012-" + ALNUM[:24],
    "OpenAI": "sk-proj-" + ALNUM[:100],
    "Anthropic": "sk-ant-api03-" + ALNUM[:93],
    "Hugging Face": "hf_" + ALNUM[:34],
    "Google": "AIza" + ALNUM[:35],
    "npm": "npm_" + ALNUM[:36],
    "Stripe": "sk_" + "live_" + ALNUM[:24],
    "Telegram": "110201543:" + ALNUM[:35],
    "JWT": "eyJhbGciOiJIUzI1NiJ9." + "eyJzdWIiOiIxMjM0In0." + ALNUM[:43],
    "bearer": "Bearer " + ALNUM[:40],
    "key": "-----BEGIN RSA PRIVATE " + f"KEY-----\n{ALNUM}\n-----END RSA PRIVATE " + "KEY-----",
}


@pytest.mark.parametrize("secret", SECRETS.values(), ids=SECRETS)
def test_tokens_and_keys_are_masked(secret: str) -> None:
    counts: Counter[str] = Counter()
    assert mask(f"take {secret} and go", [], counts) == "take [secret] and go"
    assert counts == {"secret": 1}
    assert mask(f"用{secret}吧", [], counts) == "用[secret]吧"


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("git clone https://ann:hunter2@example.com/x.git", "git clone https://[secret]@example.com/x.git"),
        ("postgres://u:p%40ss@db:5432/x", "postgres://[secret]@db:5432/x"),
        ("https://example.com/a:b@c and https://example.com:80/@x", None),
        ("password: hunter2", "password: [secret]"),
        ("export API_KEY='abc def'", "export API_KEY='[secret]'"),
        ("Is the password safe?", "Is the password safe?"),
        ("电话@4917012345678", "电话[phone]"),
        ("mail ann.b+x@mail.example.co.uk, or <bob@example.com>.", "mail [email], or <[email]>."),
        ("写信给ann@example.com吧", "写信给[email]吧"),
        ("https://example.com/?to=ann@example.com", "https://example.com/?to=[email]"),
        ("jörg@exämple.de @ home, user@localhost", "[email] @ home, user@localhost"),
        ("+49 171 1234567 or (415) 555-2671", "[phone] or [phone]"),
        ("ask @447700900123, 我的电话13812345678。", "ask [phone], 我的电话[phone]。"),
        ("0171 1234567", "0171 1234567"),  # a German number, where DE is not among the regions
        ("on 2004-11-15 12:30:00 at 192.168.100.200 it took 42949672960 of 1234567", None),
        ("216.239.59.99 4.3.7284.3916 [ 4357.748382] 1700000000 20814553575", None),
    ],
)
def test_what_is_masked_and_what_is_not(text: str, masked: str | None) -> None:
    assert mask(text, ["US", "CN"], Counter()) == (text if masked is None else masked)


def test_a_real_log_keeps_its_words() -> None:
    """11,644 messages of IRC: all that is masked is private but for two sentences with "password:" and three
    addresses of machines and lists; two of five messages call somebody by nick.
    """
    file = SHARED / "irc" / "messages.jsonl"
    if not file.exists():
        pytest.skip(f"{file} is not there")
    rows = [json.loads(line) for line in file.read_text().splitlines()]
    names, counts = Names(str), Counter[str]()
    for row in rows:
        names.learn(row["sender"], ())
    for row in rows:
        mask(row["text"], ["US", "GB", "CN"], counts)
        counts["mention"] += names.hide(row["text"])[1]
    assert counts == {"email": 6, "secret": 2, "mention": 5108}


HOSTILE = (
    "a",
    "@",
    "a@",
    "a'",
    "x@a.",
    "://a:",
    "1",
    "1-",
    "+1 ",
    "123 4567 ",
    "password",
    "password:",
    "pwd='",
    "sk-a-",
    "eyJa.",
    "-----BEGIN RSA PRIVATE KEY-----",
    "aws key ",
    "bearer ",
    "<",
    "\n",
    "ann, ",
)


def test_hostile_texts_take_no_time() -> None:
    names = Names(str)
    for length in range(1, 100):
        names.learn("ann" * length, ())
    for piece in HOSTILE:
        text = piece * (4000 // len(piece))
        begun = time.process_time()
        names.hide(mask(text, ["US", "CN"], Counter()))
        assert time.process_time() - begun < 1, piece


def hidden(text: str, *senders: str, names: tuple[tuple[str, str], ...] = ()) -> str:
    """The text with the senders in capitals for their pseudonyms."""
    people = Names(lambda sender: f"~{sender.upper()}~")
    for sender in senders:
        people.learn(sender, names)
    return people.hide(text)[0]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("ann: yes", "~ANN~: yes"),
        ("Ann: yes", "~ANN~: yes"),
        ("ann, [b]ob|: yes", "~ANN~, ~[B]OB|~: yes"),
        ("yes\n  ann: and", "yes\n  ~ANN~: and"),
        ("<ann> hello\n<@[b]ob|> hi", "<~ANN~> hello\n<@~[B]OB|~> hi"),
        ("I think @ann, @ANN and @[b]ob| know", "I think @~ANN~, @~ANN~ and @~[B]OB|~ know"),
        ("@ann li knows, @ann knows", "@~ANN LI~ knows, @~ANN~ knows"),
        ("@小明你好 @小明\u2005你好", "@~小明~你好 @~小明~\u2005你好"),
        ("@ann@小明 @\u2068ann\u2069@\u2068[b]ob|\u2069", "@~ANN~@~小明~ @\u2068~ANN~\u2069@\u2068~[B]OB|~\u2069"),
        ("@\u2068ann\u2069 hi", "@\u2068~ANN~\u2069 hi"),
        ("@anna, annals, mail bob@ann.example", None),
        ("the point: a test is so, so good, a: b", None),
        ("A, b or c?\nThe: the answer", "A, b or c?\n~THE~: the answer"),
        ("so, what?", "~SO~, what?"),
        ("So, what? is @so right", "So, what? is @~SO~ right"),
        ("7, 8 and 9", None),
    ],
)
def test_names_are_replaced_where_somebody_is_addressed(text: str, expected: str | None) -> None:
    people = ("ann", "ann li", "[b]ob|", "小明", "a", "the", "so", "7")
    assert hidden(text, *people) == (text if expected is None else expected)


def test_names_that_the_export_tells_and_numbers() -> None:
    names = (("7", "Ann"), ("@zoe", "Zoe"), ("@bob", "Bob"))
    assert hidden("@Ann @zoe @bob", "7", "Bob", names=names) == "@~7~ @~@ZOE~ @~BOB~"  # Bob speaks, Zoe doesn't
    assert hidden("@447700900123 hi", "+44 7700 900123") == "@~+44 7700 900123~ hi"


ODD = st.text(
    st.characters(categories=["L", "N"], include_characters=" _-[]|'.~^`", max_codepoint=0xFFFF),
    min_size=2,
    max_size=20,
)
# Not made of what hashes are made of, so that it can't be there by chance.
NAMES = ODD.map(lambda name: f"Xy{name}".strip()).filter(lambda name: "[" not in name[-1])
FORM = st.sampled_from(["{}: hm", "{}, hm", "hm @{} hm", "@{}", "hm\n{}: hm", "<{}> hm", "@{}, @{}: hm", "{}"])


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    names=st.lists(NAMES, min_size=2, max_size=5, unique_by=str.casefold),
    forms=st.lists(FORM, min_size=2),
    data=st.data(),
)
def test_no_name_is_left_in_any_text_or_place(names: list[str], forms: list[str], data: st.DataObject) -> None:
    said = []
    for number, form in enumerate(forms):
        who, to = data.draw(st.sampled_from(names)), data.draw(st.sampled_from(names))
        text = "hm" if form == "{}" else form.format(to, to)
        at = f"Chat with {to}.txt, line {number}" if number % 2 else f"mpdm-{to}/2023-11-14.json, message {number}"
        said.append(Message(at, f"Chat with {to}", who, text, NOW + number))
    said += [Message(f"{name}, line 1", "g", name, " ", NOW) for name in names]  # rejects, by all of them
    kept, rejects, counts = ingested(said, b"a key")
    written = json.dumps([kept, rejects], ensure_ascii=False).casefold()
    for name in names:
        assert name.casefold() not in written, name
    assert counts["mention"] >= sum("{}" in form and form != "{}" for form in forms)
    assert len(kept) == len(forms)
    assert len({row["group"] for row in kept}) == len({one.group for one in said[: len(forms)]})


def test_a_place_keeps_its_number_and_loses_names() -> None:
    names = Names(lambda sender: f"~{sender}~")
    for sender in ("ann", "12345", "7", "line"):
        names.learn(sender, ())
    assert (
        names.place("mpdm-ann--bob/2023-11-14.json, message 12345") == "mpdm-~ann~--bob/2023-11-14.json, message 12345"
    )
    assert names.place("annals of ann.txt, line 7") == "annals of ~ann~.txt, ~line~ 7"
    assert names.place("result.json, chat 12345, message 7") == "result.json, chat ~12345~, message 7"


def test_a_mention_has_the_pseudonym_of_the_sender() -> None:
    kept, _, _ = ingested([Message("1", "g", "Ann", "@Bob hi", NOW), Message("2", "g", "Bob", "Ann: hi", NOW)])
    ann, bob = (row["sender"] for row in kept)
    assert [row["text"] for row in kept] == [f"@{bob} hi", f"{ann}: hi"]
    assert ann == keyed_hash(PUBLIC_KEY, "sender", "Ann")


PEOPLE = ("Xanthippe", "wolf_gang", "Über Ümit", "阿龙同学")
PLANTED = ("hunter2hunter2", "somebody@example.org", "+49 171 1234567", SECRETS["GitHub"], SECRETS["OpenAI"])


def leaky(format: str, step: int) -> list[Said]:
    people = [name.replace(" ", "_") if step == 60 or format == "weechat" else name for name in PEOPLE]
    texts = [f"{name}: does it run?" for name in people] + [f"ask @{name}, ok?" for name in people]
    texts += [f"see https://me:{PLANTED[0]}@example.com or {PLANTED[1]}", f"call {PLANTED[2]}", *PLANTED[3:], " "]
    return [Said(people[i % 4], text, 1499990400 + 3600 * i) for i, text in enumerate(texts)]


def outputs(folder: Path) -> list[Path]:
    return [folder / "out" / name for name in ("messages.jsonl", "imported.jsonl", "rejects.jsonl", "metrics.json")]


@pytest.mark.parametrize("format", FORMATS)
def test_nothing_private_is_written_whatever_the_format(
    project: Path, set_params: Callable[..., None], monkeypatch: pytest.MonkeyPatch, format: str
) -> None:
    reader, _, _, step = FORMATS[format]
    monkeypatch.setenv("CHAT_KEY", "a secret")
    set_params(**{"ingest.format": reader, "ingest.min_senders": 1})
    chat = leaky(format, step)
    path = export(project, format, chat)
    result = run(main, path, *outputs(project))
    assert result.exit_code == 0, result.output
    path.unlink()
    written = {"output": result.output.encode()} | contents(project)
    for private in {one.sender for one in chat} | set(PLANTED):
        for name, content in written.items():
            assert private.casefold() not in content.decode().casefold(), (private, name)
    masked = json.loads(outputs(project)[3].read_text())["masked"]
    assert masked == {"mention": 8, "email": 1, "phone": 1, "secret": 3}


FIXTURES: dict[str, tuple[str, ...]] = {
    "wechat.txt": ("wxid_ann", "wxid_bob"),
    "slack": ("U01ANN", "U02BOB", "ann", "Ann"),
    "discord.json": ("ann", "Ann", "bob"),
    "telegram_chat.json": ("Ann", "ann", "Bob", "user7", "user8"),
    "telegram_account.json": ("4295000007", "4295000008"),
    "irssi.log": ("ann", "bob", "carol"),
    "2016-11-15-ubuntu.txt": ("ann", "[b]ob|"),
    "irc.lab.weechatlog": ("ann", "bob"),
    "table.csv": ("Ann", "Bob"),
    "table.jsonl": ("bob",),
    "whatsapp/android_gb.txt": ("Ann", "Bob", "7700"),
    "whatsapp/ios_us.txt": ("Ann", "Bob"),
    "whatsapp/android_de.txt": ("Ann", "Bob"),
    "whatsapp/android_zh.txt": ("Ann", "Bob"),
}


@pytest.mark.parametrize("fixture", FIXTURES)
def test_nobodys_name_of_the_fixtures_is_written(
    project: Path, set_params: Callable[..., None], monkeypatch: pytest.MonkeyPatch, fixture: str
) -> None:
    monkeypatch.setenv("CHAT_KEY", "a secret")
    set_params(**{"ingest.format": "auto", "ingest.min_senders": 1, "ingest.limit": None})
    if fixture == "table.csv":
        set_params(
            **{
                f"ingest.columns.{ours}": theirs
                for ours, theirs in {
                    "sender": "Who",
                    "text": "What",
                    "timestamp": "When",
                    "id": "Nr",
                    "reply_to": "Answers",
                }.items()
            }
        )
    named = project / f"Chat with {FIXTURES[fixture][0]}.2016-11-15{Path(fixture).suffix}"
    (shutil.copytree if fixture == "slack" else shutil.copy)(EXPORTS / fixture, named)
    result = run(main, named, *outputs(project))
    assert result.exit_code == 0, result.output
    written = [path.read_text() for path in outputs(project)]
    said = result.output.replace(str(named), "").replace(named.name, "")  # which the user gave
    for name in FIXTURES[fixture]:
        for content in (*written, said):
            assert not re.search(rf"(?<![^\W_]){re.escape(name)}(?![^\W_])", content), (name, content)


def test_who_never_writes_in_slack_is_called_by_a_pseudonym(
    project: Path, set_params: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CHAT_KEY", "a secret")
    set_params(**{"ingest.format": "slack", "ingest.min_senders": 1})
    users = [{"id": "U1", "name": "ann"}, {"id": "U3", "name": "eve", "profile": {"display_name": "Evelyn"}}]
    said = ["eve: are you there?", "thanks @Evelyn", "<@U3>", ""]
    day = [{"type": "message", "user": "U1", "text": text, "ts": f"170000000{i}.0"} for i, text in enumerate(said)]
    (project / "slack" / "mpdm-ann--eve-1").mkdir(parents=True)
    (project / "slack" / "users.json").write_text(json.dumps(users))
    (project / "slack" / "mpdm-ann--eve-1" / "2023-11-14.json").write_text(json.dumps(day))
    done = run(main, project / "slack", *outputs(project))
    assert done.exit_code == 0, done.output
    written = [path.read_text() for path in outputs(project)]
    assert not [name for name in ("eve", "evelyn", "u3", "ann") for text in written if name in text.casefold()]
    texts = [json.loads(line)["text"] for line in written[0].splitlines()]
    assert len({text.split("@")[-1].split(":")[0] for text in texts}) == 1  # one pseudonym for all of eve's names


def test_no_stage_says_who_it_was(tmp_path: Path, base: Path) -> None:
    """From ingest to export as a user would run them, a model among the scorers; every byte that is written there, in
    the store of answers and said.
    """
    folder = project(tmp_path / "project")  # a group of user0 to user4, whose questions lean on what was said
    rows = [json.loads(line) for line in (folder / "data" / "room.jsonl").read_text("utf-8").splitlines()]
    people = dict(zip((f"user{i}" for i in range(5)), (*PEOPLE, "Old Man"), strict=True))
    for number, row in enumerate(rows):
        row["sender"] = people.get(row["sender"], row["sender"])
        planted = (f"https://me:{PLANTED[0]}@example.com", *PLANTED[1:])[number % 5]
        row["text"] += f"\n@{(*PEOPLE, 'Old Man')[number % 5]}: {planted}" if number % 3 else ""
    rows[7]["text"] = " "  # a reject
    (folder / "data" / "room.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    asks = {"name": "mark_is_question", "kind": "mark", "model": "smollm2_135m_10", "throttle": 0}
    change_params(folder, {"filter.scorers": [*CHANGES["filter.scorers"], asks]})
    (folder / "data" / "base").symlink_to(base)
    stages = YAML(typ="safe", pure=True).load((ROOT / "dvc.yaml").read_text())["stages"]
    (tmp_path / "tmp").mkdir()
    variables = {"PYTHONPATH": str(ROOT), "LABELS_CACHE": str(tmp_path / "cache"), "TMPDIR": str(tmp_path / "tmp")}
    said = ""
    for name in STAGES[:6]:
        if name == "annotate":
            label(folder)
        command = stages[name]["cmd"].replace("${ingest.path}", CHANGES["ingest.path"]).split()
        said += call(folder, *command, variables=variables)
    (folder / "data" / "room.jsonl").unlink()
    (folder / "data" / "base").unlink()
    assert list((tmp_path / "cache" / "answers").iterdir())
    written = {"said": said.encode()} | contents(tmp_path)
    assert {"project/data/alpaca/train.json", "project/data/rejects/ingest.jsonl"} < set(written)
    assert not list((tmp_path / "tmp").iterdir())
    for private in (*people.values(), *PLANTED):
        for name, content in written.items():
            assert private.encode() not in content, (private, name)
            assert json.dumps(private)[1:-1].encode() not in content, (private, name)
    masked: dict[str, Any] = json.loads(written["project/metrics/ingest.json"])["masked"]
    assert min(masked.values()) > 10
