"""Nobody's name and nobody's secret: in no output, reject, metric, cache or log of the stages from ingest on."""

import json
import re
import shutil
import time
import unicodedata
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

from stages.chat import Message
from stages.chat.folding import TABLE, Folded
from stages.chat.keys import PUBLIC_KEY, pseudonym
from stages.chat.masking import mask
from stages.chat.mentions import Names
from stages.chat.name_index import MAX_NAME_LENGTH
from stages.ingest import main
from tests.chat_exports import FORMATS, Utterance, export
from tests.clones import call, contents
from tests.conftest import ROOT, change_params, ingested, run
from tests.plants import HARMLESS, KEYS, MENTIONS, PLANTS, Plant
from tests.plants import PEOPLE as KNOWN_PEOPLE
from tests.unit.test_readers import EXPORTS
from tests.unit.test_same_bytes import CHANGES, STAGES, label, project

NOW = 1_500_000_000
SECRETS = {"GitHub": KEYS[1], "OpenAI": KEYS[8]}


@pytest.mark.parametrize("plant", PLANTS, ids=lambda plant: plant.text)
def test_what_is_planted_is_masked(plant: Plant) -> None:
    counts = Counter[str]()
    assert mask(plant.text, ["US", "CN"], counts) == plant.masked
    assert counts == {plant.kind: 1}
    assert mask(plant.masked, ["US", "CN"], Counter()) == plant.masked


@pytest.mark.parametrize("text", HARMLESS)
def test_what_is_not_private_stays(text: str) -> None:
    assert mask(text, ["US", "CN"], Counter()) == text


def test_what_is_private_in_other_ways() -> None:
    texts = {
        "https://example.com/?to=ann@example.com": "https://example.com/?to=[email]",
        "+49 171 1234567 or (415) 555-2671": "[phone] or [phone]",
        "0171 1234567": "0171 1234567",  # a German number, where DE is not among the regions
        "postgres://u:hunter2@203.0.113.77/x": "postgres://[secret]@[ip]/x",
        "password: ann@example.com": "password: [secret]",
    }
    assert {text: mask(text, ["US", "CN"], Counter()) for text in texts} == texts


SUPPORT_CHAT = (  # the nick, the text, and the text as it must be where it changes
    ("kat", "anybody here with 2.6.8.1-3-386 on a thinkpad?", None),
    ("dev_null", "kat: yes, since 2004-11-15, why?", "~kat~: yes, since 2004-11-15, why?"),
    (
        "kat",
        "dev_null: 00:1f.5 is gone, cat /proc/asound/cards",
        "~dev_null~: 00:1f.5 is gone, cat /proc/asound/cards",
    ),
    ("will", "kat, will it load with modprobe snd-intel8x0?", "~kat~, will it load with modprobe snd-intel8x0?"),
    ("kat", "will: that will not help, irq 11 at 0xd0000c00", "~will~: that will not help, irq 11 at 0xd0000c00"),
    ("dev_null", "mail it to sound@lists.example.org or to 203.0.113.9:8080", "mail it to [email] or to [ip]:8080"),
    ("kat", "it is /home/kat_b/dmesg.txt, 1234567 bytes", "it is /home/[path]/dmesg.txt, 1234567 bytes"),
    ("tim", "http://www.example.org/sound.html#8.1 and /usr/share/doc/alsa-base/README.Debian have it", None),
    ("will", "i will try 1.0.6-2, thanks", None),
)


def test_a_support_chat_keeps_its_words() -> None:
    """Versions, numbers, paths and a nick that is a word stay beside what is masked."""
    names, counts = Names(lambda sender: f"~{sender}~"), Counter[str]()
    for nick, text, _ in SUPPORT_CHAT:
        names.learn(nick, (), text)
    for _, text, masked in SUPPORT_CHAT:
        pseudonymised, mentions = names.hide(text)
        counts["mention"] += mentions
        assert mask(pseudonymised, ["US", "GB", "CN"], counts) == (masked or text)
    assert counts == {"mention": 4, "email": 1, "ip": 1, "path": 1}


HOSTILE = (
    "a|@|a@|a'|x@a.|a@a.|://a:|://a:b@|1|1-|+1 |123 4567 |password|password:|pwd|pwd='|pw:a,|token_|token is |密码是"
    "|basic "
    "|sk-|sk-a1-|eyJ|eyJa.|eyJaaaaaaaaa.|//|//:_authToken=|-----BEGIN RSA PRIVATE KEY-----|-----BEGIN |PRIVATE KEY"
    "|-----END |aws key |bearer |bearer 1|glagent-|Aa1/|AC|xoxb-1-|DE893704|DE89 |4111|4111 |1.|1.1.1.1|::|a:|/home/"
    "|/a/home/"
    "|&key=1|C:\\Users\\a |?token=|/hooks/1|-u a:|--password |<|ann, |ann |[12:30] |12:30 |hi |_|*|a_|小|e\u0301"
    "|\u0301|\u200b|：|\u1100\u1161|[|\t|\n|ann\n|'|\"|="
)


@pytest.mark.slow
@pytest.mark.parametrize("piece", HOSTILE.split("|"))
def test_hostile_texts_take_time_that_grows_with_their_length_alone(piece: str) -> None:
    names = Names(str)
    for length in range(1, 60):
        for part in ("ann", "a ", "_", "小"):
            names.learn(part * length, ())

    def seconds(length: int) -> float:
        text = piece * (length // len(piece))
        start = time.process_time()
        names.hide(text)
        mask(text, ["US", "CN"], Counter())
        return time.process_time() - start

    short = seconds(5000)
    assert seconds(20000) < 8 * short + 0.2  # quadratic: 16 times


def hide(text: str, *senders: str, names: tuple[tuple[str, str], ...] = ()) -> str:
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
    assert hide(text, *people) == (text if expected is None else expected)


@pytest.mark.parametrize(("text", "expected"), MENTIONS)
def test_mentions_in_any_form(text: str, expected: str | None) -> None:
    people = Names(lambda sender: f"~{sender}~")
    for sender in KNOWN_PEOPLE:
        people.learn(sender, ())
    assert people.hide(text)[0] == (text if expected is None else expected)


def test_names_that_the_export_tells_and_numbers() -> None:
    names = (("7", "Ann"), ("@zoe", "Zoe"), ("@bob", "Bob"))
    assert hide("@Ann @zoe @bob", "7", "Bob", names=names) == "@~7~ @~@ZOE~ @~BOB~"  # Bob speaks, Zoe doesn't
    assert hide("@447700900123 hi", "+44 7700 900123") == "@~+44 7700 900123~ hi"


ODD = st.text(
    st.characters(categories=["L", "N"], include_characters=" _-[]|'.~^`", max_codepoint=0xFFFF),
    min_size=2,
    max_size=20,
)
# Not made of what hashes are made of, so that it can't be there by chance.
NAMES = ODD.map(lambda name: f"Xy{name}".strip()).filter(lambda name: "[" not in name[-1])
FORM = st.sampled_from(["{}: hm", "{}, hm", "hm @{} hm", "@{}", "hm\n{}: hm", "<{}> hm", "@{}, @{}: hm", "{}"])


@pytest.mark.slow
@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    names=st.lists(NAMES, min_size=2, max_size=5, unique_by=str.casefold),
    forms=st.lists(FORM, min_size=2),
    data=st.data(),
)
def test_no_name_is_left_in_any_text_or_place(names: list[str], forms: list[str], data: st.DataObject) -> None:
    entries = []
    for number, form in enumerate(forms):
        who, to = data.draw(st.sampled_from(names)), data.draw(st.sampled_from(names))
        text = "hm" if form == "{}" else form.format(to, to)
        at = f"Chat with {to}.txt, line {number}" if number % 2 else f"mpdm-{to}/2023-11-14.json, message {number}"
        entries.append(Message(at, f"Chat with {to}", who, text, NOW + number))
    entries += [Message(f"{name}, line 1", "g", name, " ", NOW) for name in names]  # rejects, by all of them
    rows, rejects, counts = ingested(entries, b"a key")
    text_of_outputs = json.dumps([rows, rejects], ensure_ascii=False).casefold()
    for name in names:
        assert name.casefold() not in text_of_outputs, name
    assert counts["mention"] >= sum("{}" in form and form != "{}" for form in forms)
    assert len(rows) == len(forms)
    assert len({row["group"] for row in rows}) == len({entry.group for entry in entries[: len(forms)]})


FORMS = (
    "{}: hm",
    "{} : hm",
    "{}：hm",
    "{}, hm",
    "{}，hm",
    "- {}: hm",
    "> {}: hm",
    "**{}**: hm",
    "[12:30] {}: hm",
    "<{}> hm",
    "hm @{} hm",
    "hm ＠{}",
    "\u200e{}: hm",
    "\u2068{}\u2069: hm",
    "hm\r\n{}: hm",
    "ann: {}: hm",
    "hm\u2028{}: hm",
)
SPELLINGS: tuple[Callable[[str], str], ...] = (
    *(partial(unicodedata.normalize, form) for form in ("NFC", "NFD", "NFKC", "NFKD")),
    str.upper,
    str.lower,
    lambda name: name.replace("'", "\u2019"),
    lambda name: name.replace(" ", "\u00a0"),
    lambda name: name.replace(" ", "  "),
    lambda name: "\u2060".join(name),
    lambda name: "".join(chr(ord(c) + 0xFEE0) if "!" <= c <= "~" else c for c in name),
)
ANY = st.text(
    st.characters(categories=["L", "M", "N", "S"], include_characters=" _-'.", exclude_characters="<>´"), min_size=1
)


@settings(max_examples=300, deadline=None)
@given(name=ANY, form=st.sampled_from(FORMS), stored=st.sampled_from(SPELLINGS), spelling=st.sampled_from(SPELLINGS))
def test_no_spelling_of_a_name_is_left(
    name: str, form: str, stored: Callable[[str], str], spelling: Callable[[str], str]
) -> None:
    name = f"Xy{name}".strip(" _-'.") + "z"  # begins and ends as a word, and is none
    assume(len(unicodedata.normalize("NFKD", name)) <= MAX_NAME_LENGTH)
    names = Names(lambda sender: f"\0{sender}\0")
    for sender in (stored(name), "ann"):
        names.learn(sender, ())
    text, count = names.hide(form.format(spelling(name)))
    assert text == form.format(f"\0{stored(name)}\0").replace("ann:", "\0ann\0:") and count


@settings(max_examples=300, deadline=None)
@given(
    st.lists(st.sampled_from([*(plant.text for plant in PLANTS), *HARMLESS, "\n", "，", "[secret]"]), max_size=4).map(
        " ".join
    )
)
def test_what_is_masked_once_is_masked(text: str) -> None:
    masked = mask(text, ["US", "CN"], Counter())
    assert mask(masked, ["US", "CN"], Counter()) == masked


@settings(max_examples=300, deadline=None)
@given(st.text(st.characters(categories=["L", "M", "P", "S", "Z", "Cf"], exclude_characters="@＠﹫/\\=-")))
def test_a_text_without_names_digits_and_keys_stays(text: str) -> None:
    names = Names(str)
    names.learn("kai_571", ())
    assert names.hide(text) == (text, 0)
    assert mask(text, ["US", "CN"], Counter()) == text or re.search("(?i)pass|pw|secret|token|key", text)


def test_every_letter_folds_as_its_capital_does() -> None:
    for code in range(0x110000):
        char = chr(code)
        folded = Folded(char)
        assert len(folded.key) == len(folded.shadow) == len(TABLE[code])
        assert Folded(char.upper()).key == Folded(char.lower()).key == folded.key, hex(code)


def test_what_sentences_say_is_no_name() -> None:
    names = Names(str.upper)
    for text in [
        "I have a cat here",
        "the cat sat",
        *["a cat"] * 4,
        "tomas: yes",
        *["ask tomas now"] * 6,
        "tomas: no",
    ]:
        names.learn("cat", (("tomas", "tomas"),), text)
    assert names.hide("cat is here")[0] == "cat is here"
    assert names.hide("cat: here")[0] == "CAT: here"
    assert names.hide("tomas is here")[0] == "TOMAS is here"


def test_a_whole_name_goes_before_a_part_of_one() -> None:
    names = (("7", "Lena Müller"), ("8", "Lena"), ("9", "Lena Vogt"))
    assert hide("Lena, yes", "7", names=names) == "~8~, yes"
    assert hide("Lena Vogt and lena müller", "7", names=names) == "~9~ and ~7~"
    assert hide("Lena, yes", "7", names=(names[0], names[2])) == "~7~, yes"


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
    rows, _, _ = ingested([Message("1", "g", "Ann", "@Bob hi", NOW), Message("2", "g", "Bob", "Ann: hi", NOW)])
    ann, bob = (row["sender"] for row in rows)
    assert [row["text"] for row in rows] == [f"@{bob} hi", f"{ann}: hi"]
    assert ann == pseudonym(PUBLIC_KEY, "Ann")


PEOPLE = ("Xanthippe", "wolf_gang", "Über Ümit", "阿龙同学")
PRIVATE = ("hunter2hunter2", "somebody@example.org", "+49 171 1234567", SECRETS["GitHub"], SECRETS["OpenAI"])


def leaky(format: str, step: int) -> list[Utterance]:
    people = [name.replace(" ", "_") if step == 60 or format == "weechat" else name for name in PEOPLE]
    texts = [f"{name}: does it run?" for name in people] + [f"ask @{name}, ok?" for name in people]
    texts += [
        f"see https://me:{PRIVATE[0]}@example.com or {PRIVATE[1]}",
        f"call {PRIVATE[2]}",
        *PRIVATE[3:],
        " ",
    ]
    return [Utterance(people[i % 4], text, 1499990400 + 3600 * i) for i, text in enumerate(texts)]


def outputs(folder: Path) -> list[Path]:
    return [
        folder / "out" / name
        for name in ("messages.jsonl", "imported.jsonl", "rejects.jsonl", "n.json", "metrics.json")
    ]


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
    files = {"output": result.output.encode()} | contents(project)
    for private in {message.sender for message in chat} | set(PRIVATE):
        for name, content in files.items():
            assert private.casefold() not in content.decode().casefold(), (private, name)
    masked = json.loads(outputs(project)[-1].read_text())["masked"]
    none = dict.fromkeys(("iban", "card", "ip", "path"), 0)
    assert masked == {"mention": 8, "email": 1, "phone": 1, "secret": 3} | none


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
    chat = project / f"Chat with {FIXTURES[fixture][0]}.2016-11-15{Path(fixture).suffix}"
    (shutil.copytree if fixture == "slack" else shutil.copy)(EXPORTS / fixture, chat)
    result = run(main, chat, *outputs(project))
    assert result.exit_code == 0, result.output
    texts = [chat.read_text() for chat in outputs(project)]
    output = result.output.replace(str(chat), "").replace(chat.name, "")  # which the user gave
    for name in FIXTURES[fixture]:
        for content in (*texts, output):
            assert not re.search(rf"(?<![^\W_]){re.escape(name)}(?![^\W_])", content), (name, content)


def test_who_never_writes_in_slack_is_called_by_a_pseudonym(
    project: Path, set_params: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CHAT_KEY", "a secret")
    set_params(**{"ingest.format": "slack", "ingest.min_senders": 1})
    users = [{"id": "U1", "name": "ann"}, {"id": "U3", "name": "eve", "profile": {"display_name": "Evelyn"}}]
    slack_texts = ["eve: are you there?", "thanks @Evelyn", "<@U3>", ""]
    day = [
        {"type": "message", "user": "U1", "text": text, "ts": f"170000000{i}.0"} for i, text in enumerate(slack_texts)
    ]
    (project / "slack" / "mpdm-ann--eve-1").mkdir(parents=True)
    (project / "slack" / "users.json").write_text(json.dumps(users))
    (project / "slack" / "mpdm-ann--eve-1" / "2023-11-14.json").write_text(json.dumps(day))
    result = run(main, project / "slack", *outputs(project))
    assert result.exit_code == 0, result.output
    files = [path.read_text() for path in outputs(project)]
    assert not [name for name in ("eve", "evelyn", "u3", "ann") for text in files if name in text.casefold()]
    texts = [json.loads(line)["text"] for line in files[0].splitlines()]
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
        private_text = (f"https://me:{PRIVATE[0]}@example.com", *PRIVATE[1:])[number % 5]
        row["text"] += f"\n@{(*PEOPLE, 'Old Man')[number % 5]}: {private_text}" if number % 3 else ""
    rows[7]["text"] = " "  # a reject
    (folder / "data" / "room.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    scorer = {"name": "mark_is_question", "kind": "mark", "model": "smollm2_135m_10"}
    throttles = {"is_question": 5, "mark_is_question": 0}
    change_params(folder, {"score.scorers": [*CHANGES["score.scorers"], scorer], "filter.throttles": throttles})
    (folder / "data" / "base").symlink_to(base)
    stages = YAML(typ="safe", pure=True).load((ROOT / "dvc.yaml").read_text())["stages"]
    (tmp_path / "tmp").mkdir()
    variables = {"PYTHONPATH": str(ROOT), "LABELS_CACHE": str(tmp_path / "cache"), "TMPDIR": str(tmp_path / "tmp")}
    output = ""
    for name in STAGES[: STAGES.index("floor")]:
        if name == "annotate":
            label(folder)
        output += call(folder, *stages[name]["cmd"].split(), variables=variables)
    (folder / "data" / "room.jsonl").unlink()
    (folder / "data" / "base").unlink()
    assert list((tmp_path / "cache" / "answers").iterdir())
    files = {"said": output.encode()} | contents(tmp_path)
    assert {"project/data/alpaca/train.json", "project/data/rejects/ingest.jsonl"} < set(files)
    leftovers = [path for path in (tmp_path / "tmp").rglob("*") if path.is_file()]
    assert not [
        path for path in leftovers if "torchinductor" not in str(path)
    ]  # of torch's own, which holds code alone
    for private in (*people.values(), *PRIVATE):
        for name, content in files.items():
            assert private.encode() not in content, (private, name)
            assert json.dumps(private)[1:-1].encode() not in content, (private, name)
    masked: dict[str, Any] = json.loads(files["project/metrics/details/ingest.json"])["masked"]
    assert min(masked[kind] for kind in ("mention", "email", "phone", "secret")) > 10


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("+49 151 12345678 192.168.10.20", "[phone] [ip]"),
        ("tel +49 30 1234567 10.20.30.40", "tel [phone] [ip]"),
        ("+1 415 555 0134 4111 1111 1111 1111", "[phone] [card]"),
        ("BE68 5390 0754 7034 AT61 1904 3002 3457 3201", "[iban] [iban]"),
        ("378282246310005 4111 1111 1111 1111", "[card] [card]"),
        ("4222222222222 4111111111111111", "[card] [card]"),
        ("room 4500 1234, no 4500 1234 4111 1111 1111 1111", "room 4500 1234, no 4500 1234 [card]"),
        ("scp 10.20.30.40:/home/ines/x", "scp [ip]:/home/[path]/x"),
    ],
)
def test_what_stands_beside_a_mask_is_masked_too(text: str, masked: str) -> None:
    """A rule reads on where another rule, or its own first number, has masked the beginning or the end."""
    assert mask(text, ["US", "DE"], Counter()) == masked


@pytest.mark.parametrize(
    "head", ["[27/08, 22:33]", "[8/27, 10:34 PM]", "[10:34 PM, 8/27]", "[27/8/2024, 22:33:07]", "27.08. 22:33"]
)
def test_a_quoted_head_may_lack_the_year(head: str) -> None:
    rows, _, _ = ingested([Message("1", "g", "Kai", f"look\n{head} Kai: does it run?", NOW)])
    kai = rows[0]["sender"]
    assert rows[0]["text"] == f"look\n{head} {kai}: does it run?"
