"""Exports that are broken, hostile or something else: a clear error or counted rejects, in bounded time and memory."""

import json
import os
import subprocess
import sys
from collections import Counter, deque
from collections.abc import Callable, Iterable
from itertools import pairwise
from pathlib import Path

import click
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stages.chat import Message, Reject
from stages.chat.detection import detect_format
from stages.chat.keys import PUBLIC_KEY
from stages.chat.masking import mask
from stages.chat.mentions import Names
from stages.chat.screening import screened_entries
from stages.ingest import main
from tests.broken import CHAT
from tests.chat_exports import FORMATS, INGEST, read_export, write
from tests.conftest import ROOT, Row, run

pytestmark = pytest.mark.slow

FUZZ_EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "200"))  # for each format; 200 take about 20 s in all
DOCUMENTS = {"slack", "discord", "telegram", "chitchat", "element", "google_chat", "messenger", "zulip"}
HALF_A_PAIR = ("wechat", "jsonl", "paper", "chitchat")  # what the standard library parses
WITH_IDS = {"wechat", "paper"}


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> list[Row]:
    folder = tmp_path_factory.mktemp("broken")
    command = [sys.executable, "-m", "tests.broken", str(folder)]
    result = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    return [json.loads(line) for line in result.stdout.splitlines()]


def test_every_broken_export_ends_in_an_error_that_names_it_or_in_counts(outcomes: list[Row]) -> None:
    assert len(outcomes) > 200
    for row in outcomes:
        assert "escaped" not in row, row
        assert "messages" in row or row["path"] in row["error"], row
        assert "\n" not in row.get("error", ""), row


def test_in_bounded_time_and_memory(outcomes: list[Row]) -> None:
    assert max(row["seconds"] for row in outcomes) < 20  # for one of 100 MB, on a busy machine
    peaks = [0] + [row["megabytes"] for row in outcomes]  # of one process, which grows a little with each export
    assert max(after - before for before, after in pairwise(peaks)) < 150


def test_what_became_of_them(outcomes: list[Row]) -> None:
    by_name = {(row["format"], row["name"]): row for row in outcomes}

    def counts_of(format: str, name: str) -> tuple[int, dict[str, int]]:
        row = by_name[format, name]
        assert "error" not in row, row
        return row["messages"], row["rejects"]

    for format in FORMATS:
        assert counts_of(format, "marked as UTF-8") == (40, {})
        assert counts_of(format, "a clock that runs backwards") == (40, {})
        assert counts_of(format, "every message twice") == (40, {})
        for name in ("UTF-16", "UTF-16 without a mark", "UTF-32"):
            assert "not UTF-8 but UTF-16 or UTF-32" in by_name[format, name]["error"]
        for name in ("lines that end in CR", "lines that end in CR LF", "lines that end in all ways"):
            assert (format, name) not in by_name or counts_of(format, name) == (40, {})
        if format in DOCUMENTS:
            for name in ("cut in the middle", "a byte that is no UTF-8", "nested 10,000 deep", "twice", "empty"):
                assert by_name[format, name]["error"]
        else:
            assert counts_of(format, "a byte that is no UTF-8")[0] == 39
            assert sum(counts_of(format, "a byte that is no UTF-8")[1].values()) == 1
        if format == "slack":
            assert "a zip that grows more than" in by_name[format, "a text of 100 MB"]["error"]
        elif format in DOCUMENTS - {"chitchat"}:
            assert "after entry 20: not readable as JSON: more than 8" in by_name[format, "a text of 100 MB"]["error"]
        elif format != "chitchat":
            assert counts_of(format, "a text of 100 MB")[0] == 39
            assert sum(counts_of(format, "a text of 100 MB")[1].values()) == 1
        if format in WITH_IDS:
            assert counts_of(format, "twice") == (40, {"duplicate_id": 40})
        if format in HALF_A_PAIR:
            assert counts_of(format, "half a surrogate pair as an escape") == (39, {"text_not_unicode": 1})
        if format != "slack":
            assert "no file is in it" in by_name[format, "an empty folder"]["error"]


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
        ("a folder with a day's name", {}),  # its files would be read, and it has none
        ("a link to the folder above", {}),
        ("an array of anything", {"bad_field": 4, "missing_field": 1}),
    ],
)
def test_what_is_no_file(outcomes: list[Row], name: str, rejects: dict[str, int]) -> None:
    (row,) = (row for row in outcomes if row["name"] == name)
    assert (row["messages"], row["rejects"]) == (40, rejects)


def test_a_file_name_that_is_not_unicode(project: Path, set_params: Callable[..., None]) -> None:
    file = project / os.fsdecode(b"caf\xe9.json")
    file.write_text("not json\n")
    outputs = [
        project / name for name in ("messages.jsonl", "imported.jsonl", "rejects.jsonl", "n.json", "metrics.json")
    ]
    set_params(**{"ingest.format": "jsonl"})
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
        export = whole
        for place, length, token, again in changes:
            export = (
                export[:place]
                + token
                + (export[place : place + length] * 2 if again else b"")
                + export[place + length :]
            )
        return export

    return st.lists(change, min_size=1, max_size=5).map(apply) | st.binary(max_size=200)


def through(read: Iterable[Message | Reject]) -> None:
    """Both readings of ingest, without the tables between them."""
    entries, names = list(read), Names(str)
    deque(screened_entries(lambda: entries, PUBLIC_KEY, names, None, 20_000), maxlen=0)
    for entry in entries:
        names.place(entry.at)
        if isinstance(entry, Message):
            mask(names.hide(entry.text)[0], ["US", "CN"], Counter())


@pytest.mark.parametrize("reader", ["its own", "auto"])
@pytest.mark.parametrize("format", FORMATS)
def test_nothing_but_the_documented_error_escapes(tmp_path: Path, format: str, reader: str) -> None:
    whole = "".join(FORMATS[format][2](CHAT[:6])).encode()

    @settings(max_examples=FUZZ_EXAMPLES, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(mutated(whole))
    def fuzz(export: bytes) -> None:
        path = write(tmp_path, format, [export])
        try:
            name = FORMATS[format][0] if reader == "its own" else detect_format(path, INGEST).format
            through(read_export(name, path, "Europe/Berlin"))
        except click.ClickException as error:
            assert str(path) in error.message

    fuzz()


def test_zips_of_noise(tmp_path: Path) -> None:
    whole = write(tmp_path, "slack", ["".join(FORMATS["slack"][2](CHAT[:6])).encode()]).read_bytes()

    @settings(max_examples=FUZZ_EXAMPLES, deadline=None, database=None)
    @given(mutated(whole))
    def fuzz(export: bytes) -> None:
        path = tmp_path / "export.zip"
        path.write_bytes(export)
        try:
            through(read_export("slack", path))
        except click.ClickException as error:
            assert str(path) in error.message

    fuzz()
