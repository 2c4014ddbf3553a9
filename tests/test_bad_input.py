"""Exports that are broken, hostile or something else: a clear error or counted rejects, in bounded time and memory."""

import json
import os
import subprocess
import sys
from collections import Counter, deque
from collections.abc import Iterable
from importlib import import_module
from pathlib import Path
from zoneinfo import ZoneInfo

import click
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stages.chat import Broken, Message
from stages.chat.auto import recognised
from stages.chat.keys import PUBLIC_KEY
from stages.chat.names import Names
from stages.chat.private import mask
from stages.ingest import main, seen
from tests.broken import CHAT
from tests.conftest import ROOT, Row, run
from tests.written import COLUMNS, FORMATS, write

FUZZ_EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "200"))  # for each format; 200 take about 20 s in all
DOCUMENTS = {"slack", "discord", "telegram", "chitchat"}
HALF_A_PAIR = ("wechat", "jsonl", "paper", "chitchat")  # what the standard library parses
WITH_IDS = {"wechat", "paper"}


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> list[Row]:
    folder = tmp_path_factory.mktemp("broken")
    command = [sys.executable, "-m", "tests.broken", str(folder)]
    done = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_every_broken_export_ends_in_an_error_that_names_it_or_in_counts(outcomes: list[Row]) -> None:
    assert len(outcomes) > 200
    for row in outcomes:
        assert "escaped" not in row, row
        assert "messages" in row or row["path"] in row["error"], row
        assert "\n" not in row.get("error", ""), row


def test_in_bounded_time_and_memory(outcomes: list[Row]) -> None:
    assert max(row["seconds"] for row in outcomes) < 20  # for one of 100 MB, on a busy machine
    assert outcomes[-1]["megabytes"] < 300


def test_what_became_of_them(outcomes: list[Row]) -> None:
    by_name = {(row["format"], row["name"]): row for row in outcomes}

    def found(format: str, name: str) -> tuple[int, dict[str, int]]:
        row = by_name[format, name]
        assert "error" not in row, row
        return row["messages"], row["rejects"]

    for format in FORMATS:
        assert found(format, "marked as UTF-8") == (40, {})
        assert found(format, "a clock that runs backwards") == (40, {})
        assert found(format, "every message twice") == (40, {})
        for name in ("UTF-16", "UTF-16 without a mark", "UTF-32"):
            assert ("UTF-16" if format != "slack" else "not readable as JSON") in by_name[format, name]["error"]
        for name in ("lines that end in CR", "lines that end in CR LF", "lines that end in all ways"):
            assert (format, name) not in by_name or found(format, name) == (40, {})
        if format in DOCUMENTS:
            for name in ("cut in the middle", "a byte that is no UTF-8", "nested 10,000 deep", "twice", "empty"):
                assert by_name[format, name]["error"]
        else:
            assert found(format, "a byte that is no UTF-8")[0] == 39
            assert sum(found(format, "a byte that is no UTF-8")[1].values()) == 1
        if format == "slack":
            assert "a zip that grows more than" in by_name[format, "a text of 100 MB"]["error"]
        elif format in DOCUMENTS - {"chitchat"}:
            assert "after entry 20: not readable as JSON: more than 8" in by_name[format, "a text of 100 MB"]["error"]
        elif format != "chitchat":
            assert found(format, "a text of 100 MB")[0] == 39
            assert sum(found(format, "a text of 100 MB")[1].values()) == 1
        if format in WITH_IDS:
            assert found(format, "twice") == (40, {"duplicate_id": 40})
        if format in HALF_A_PAIR:
            assert found(format, "half a surrogate pair as an escape") == (39, {"text_not_unicode": 1})
        if format != "slack":
            assert "directory" in by_name[format, "an empty folder"]["error"]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("entry ../../general/2017-07-14.json", "leads out of the archive"),
        ("entry \\\\host\\general/2017-07-14.json", "leads out of the archive"),
        ("a bomb of blanks", "a zip that grows more than"),
        ("a bomb of messages", "a zip that grows more than"),
        ("a bomb that lies about its size", "2017-07-14.json"),
        ("an encrypted entry", "password required"),
        ("an unknown compression", "not a readable zip"),
    ],
)
def test_hostile_zips(outcomes: list[Row], name: str, message: str) -> None:
    (row,) = (row for row in outcomes if row["name"] == name)
    assert message in row["error"]


@pytest.mark.parametrize(
    ("name", "rejects"),
    [
        ("an entry that is a link", {"not_a_file": 1}),
        ("two entries of one name", {"duplicate_id": 40}),
        ("a link to nowhere", {"not_a_file": 1}),
        ("a link to itself", {"not_a_file": 1}),
        ("endless", {"not_a_file": 1}),
        ("a pipe with a day's name", {"not_a_file": 1}),
        ("a folder with a day's name", {"not_a_file": 1}),
        ("a link to the folder above", {}),
        ("an array of anything", {"bad_field": 4, "missing_field": 1}),
    ],
)
def test_what_is_no_file(outcomes: list[Row], name: str, rejects: dict[str, int]) -> None:
    (row,) = (row for row in outcomes if row["name"] == name)
    assert (row["messages"], row["rejects"]) == (40, rejects)


def test_a_file_name_that_is_not_unicode(project: Path) -> None:
    file = project / os.fsdecode(b"caf\xe9.json")
    file.write_text("not json\n")
    outputs = [project / name for name in ("messages.jsonl", "imported.jsonl", "rejects.jsonl", "metrics.json")]
    set_format = (project / "params.yaml").read_text().replace("format: chitchat", "format: jsonl")
    (project / "params.yaml").write_text(set_format)
    result = run(main, file, *outputs)
    assert result.exit_code == 1
    assert "not one usable message (invalid_json 1)" in result.output


def mutated(whole: bytes) -> st.SearchStrategy[bytes]:
    """The export with up to five places cut out, repeated or replaced by what means something to a parser."""
    tokens = [b'"', b"\\", b"{", b"}", b"[", b"]", b":", b",", b"\n", b"\r", b"\0", b"<", b">", b" - ", b"\t"]
    tokens += [
        b"null",
        b"true",
        b"-1",
        b"1e999",
        b"99999999999999999999",
        b"\xff",
        b"\\ud800",
        b"\\x1",
        b"\xe2\x80\x8e",
    ]
    tokens += [b'"":', b"[[", b"25:61", b"00/00/00", b"0000-00-00", b"", b"9" * 5000]
    places = st.integers(0, len(whole))
    change = st.tuples(places, st.integers(0, 40), st.sampled_from(tokens) | st.binary(max_size=8), st.booleans())

    def apply(changes: list[tuple[int, int, bytes, bool]]) -> bytes:
        made = whole
        for place, length, token, again in changes:
            made = made[:place] + token + (made[place : place + length] * 2 if again else b"") + made[place + length :]
        return made

    return st.lists(change, min_size=1, max_size=5).map(apply) | st.binary(max_size=200)


def through(read: Iterable[Message | Broken]) -> None:
    """Both readings of ingest, without the tables between them."""
    entries, names = list(read), Names(str)
    deque(seen(lambda: entries, PUBLIC_KEY, names, None, 20_000), maxlen=0)
    for one in entries:
        names.place(one.at)
        if isinstance(one, Message):
            mask(names.hide(one.text)[0], ["US", "CN"], Counter())


@pytest.mark.parametrize("reader", ["its own", "auto"])
@pytest.mark.parametrize("format", FORMATS)
def test_nothing_but_the_documented_error_escapes(tmp_path: Path, format: str, reader: str) -> None:
    whole = "".join(FORMATS[format][2](CHAT[:6])).encode()

    @settings(max_examples=FUZZ_EXAMPLES, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(mutated(whole))
    def fuzz(made: bytes) -> None:
        path = write(tmp_path, format, [made])
        try:
            name = FORMATS[format][0] if reader == "its own" else recognised(path, COLUMNS)
            module = import_module(f"stages.chat.{name}")
            through(module.read(path, zone=ZoneInfo("Europe/Berlin"), columns=COLUMNS))
        except click.ClickException as error:
            assert str(path) in error.message

    fuzz()


def test_zips_of_noise(tmp_path: Path) -> None:
    whole = write(tmp_path, "slack", ["".join(FORMATS["slack"][2](CHAT[:6])).encode()]).read_bytes()
    module = import_module("stages.chat.slack")

    @settings(max_examples=FUZZ_EXAMPLES, deadline=None, database=None)
    @given(mutated(whole))
    def fuzz(made: bytes) -> None:
        path = tmp_path / "export.zip"
        path.write_bytes(made)
        try:
            through(module.read(path))
        except click.ClickException as error:
            assert str(path) in error.message

    fuzz()
