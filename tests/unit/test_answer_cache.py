"""The store of answers: nothing is asked twice, nothing is mixed up, and several processes may use it at once."""

import os
import pickle
import random
import shutil
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import click
import pytest

from stages.llm import answer_cache
from stages.llm.answer_store import AnswerStore
from stages.pipeline.params import cache_directory
from tests.conftest import ROOT
from tests.rule_engine import RuleEngine


@pytest.fixture(autouse=True)
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LABELS_CACHE", str(tmp_path))
    return tmp_path


def test_each_question_is_asked_once() -> None:
    engine = RuleEngine(lambda prompt: [-1.0, -float(len(prompt))])
    assert answer_cache.choose(engine, ["a", "bb", "a"], ["A", "B"], "test") == [[-1, -1], [-1, -2], [-1, -1]]
    assert engine.prompts == ["a", "bb"]
    answer_cache.choose(engine, ["bb", "ccc"], ["A", "B"], "test")
    assert engine.prompts == ["a", "bb", "ccc"]
    answer_cache.choose(engine, ["a"], ["B", "A"], "test")  # other options, another question
    engine.rule = lambda prompt: "text"
    answer_cache.generate(engine, ["a"], 5, "test")
    answer_cache.generate(engine, ["a"], 6, "test")
    assert engine.prompts[3:] == ["a", "a", "a"]
    assert answer_cache.choose(engine, [], ["A"], "test") == []


def test_another_engine_is_asked_again() -> None:
    for answer in (-1.0, -2.0):
        engine = RuleEngine(lambda prompt, answer=answer: [answer])  # type: ignore[misc]
        engine.identity = {"answers": answer}
        assert answer_cache.choose(engine, ["a"], ["A"], "test") == [[answer]]


def test_what_was_answered_before_a_failure_is_kept() -> None:
    def until_c(prompt: str) -> list[float]:
        if prompt == "c":
            raise KeyboardInterrupt
        return [-1.0]

    engine = RuleEngine(until_c)
    with pytest.raises(KeyboardInterrupt):
        answer_cache.choose(engine, ["a", "b", "c"], ["A"], "test")
    engine.rule = lambda prompt: [-1.0]
    answer_cache.choose(engine, ["a", "b", "c"], ["A"], "test")
    assert engine.prompts == ["a", "b", "c", "c"]


def file_of(store: Path) -> Path:
    return store / "answers" / "answers.sqlite"


def replace_answers(store: Path, *values: Any) -> None:
    """Puts what lies in the store in place of all answers that are there."""
    with closing(sqlite3.connect(file_of(store))) as database, database:
        database.executemany("UPDATE answers SET answer = ?", [(answer,) for answer in values])


def test_nothing_in_the_store_is_run(store: Path) -> None:
    """A pickle, which would make a file if it were loaded, is no answer."""
    engine, ran = RuleEngine(lambda prompt: [-1.0]), store / "ran"

    class Pickled:
        def __reduce__(self) -> Any:
            return Path.touch, (ran,)

    answer_cache.choose(engine, ["a"], ["A"], "test")
    replace_answers(store, pickle.dumps(Pickled()))
    assert answer_cache.choose(engine, ["a"], ["A"], "test") == [[-1.0]]
    assert engine.prompts == ["a", "a"]
    assert not ran.exists()


BAD_LOGPROBS = [
    "[0.5]",
    "[NaN]",
    "[-Infinity]",
    "[-1, -1]",
    "[]",
    "[true]",
    '["-1"]',
    "-1",
    '""',
    "null",
    "{}",
    "[[-1]]",
]
BAD_LOGPROBS += ["[" * 100_000, "no JSON", "", "[1" + "0" * 400 + "]", "[-1" + "0" * 5000 + "]"]


@pytest.mark.parametrize("bad", [*BAD_LOGPROBS, b"\xff\xfe", 7, None], ids=lambda bad: str(bad)[:12])
def test_a_bad_answer_in_the_store_is_asked_again(store: Path, bad: Any) -> None:
    engine = RuleEngine(lambda prompt: [-1.0])
    answer_cache.choose(engine, ["a"], ["A"], "test")
    replace_answers(store, bad)
    for _ in range(2):
        assert answer_cache.choose(engine, ["a"], ["A"], "test") == [[-1.0]]
    assert engine.prompts == ["a", "a"]


@pytest.mark.parametrize("bad", ['""', "5", "null", '["a"]', '"\\ud800"'])
def test_a_bad_text_in_the_store_is_asked_again(store: Path, bad: str) -> None:
    engine = RuleEngine(lambda prompt: "B")
    answer_cache.generate(engine, ["a"], 5, "test")
    replace_answers(store, bad)
    for _ in range(2):
        assert answer_cache.generate(engine, ["a"], 5, "test") == ["B"]
    assert engine.prompts == ["a", "a"]


@pytest.mark.parametrize("bad", [[0.1], [float("nan")], [float("-inf")], [-1.0, -1.0], []])
def test_bad_log_probabilities_are_an_error_and_not_kept(store: Path, bad: list[float]) -> None:
    engine = RuleEngine(lambda prompt: bad if prompt == "b" else [-1.0])
    with pytest.raises(click.ClickException, match=r"the model gives \[.*\] as log-probabilities of A;"):
        answer_cache.choose(engine, ["a", "b"], ["A"], "test")
    engine.rule = lambda prompt: [-2.0]
    assert answer_cache.choose(engine, ["a", "b"], ["A"], "test") == [[-1.0], [-2.0]]
    assert answer_cache.choose(RuleEngine(lambda prompt: [5e-7]), ["a"], ["A"], "test") == [[5e-7]]  # by rounding


def test_nothing_said_is_an_answer_that_is_not_kept() -> None:
    engine = RuleEngine(lambda prompt: "")
    for _ in range(2):
        assert answer_cache.generate(engine, ["a"], 5, "test") == [""]
    assert engine.prompts == ["a", "a"]


def test_fresh_answers_take_the_place_of_old_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    engine = RuleEngine(lambda prompt: [-1.0])
    answer_cache.choose(engine, ["a"], ["A"], "test")
    engine.rule = lambda prompt: [-2.0]
    assert answer_cache.choose(engine, ["a"], ["A"], "test") == [[-1.0]]
    monkeypatch.setenv("LABELS_FRESH", "1")
    assert answer_cache.choose(engine, ["a"], ["A"], "test") == [[-2.0]]
    monkeypatch.delenv("LABELS_FRESH")
    assert answer_cache.choose(engine, ["a"], ["A"], "test") == [[-2.0]]


def test_an_answer_comes_back_with_the_same_bytes() -> None:
    values = [-1 / 3, -1e-17, -1234.5678901234567, -5e-324, -0.0]
    engine = RuleEngine(lambda prompt: values)
    for _ in range(2):
        (logprobs,) = answer_cache.choose(engine, ["a"], list("ABCDE"), "test")
        assert [value.hex() for value in logprobs if isinstance(value, float)] == [value.hex() for value in values]
    assert engine.prompts == ["a"]


def test_the_store_is_for_its_owner_alone(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LABELS_CACHE", str(store / "cache"))
    (store / "cache").mkdir(0o755)
    (store / "cache" / "answers").mkdir(0o755)  # as an earlier version made it
    answer_cache.choose(RuleEngine(lambda prompt: [-1.0]), ["a"], ["A"], "test")
    file = file_of(store / "cache")
    assert [oct(path.stat().st_mode & 0o777) for path in (file, file.parent)] == ["0o600", "0o700"]
    monkeypatch.setenv("LABELS_CACHE", str(store / "new"))
    answer_cache.choose(RuleEngine(lambda prompt: [-1.0]), ["a"], ["A"], "test")
    assert [oct(path.stat().st_mode & 0o777) for path in (store / "new", store / "new" / "answers")] == ["0o700"] * 2


ASK = """
import sys
import click
from stages.llm import answer_cache
from tests.rule_engine import RuleEngine
engine = RuleEngine(lambda prompt: print("asked") or [-1.0])
try:
    answer_cache.choose(engine, [str(i) for i in range(int(sys.argv[1]))], ["A"], "test")
except click.ClickException as error:
    print(error.message)
"""


def output_lines(*before: str, n: int = 1, **environment: str | None) -> list[str]:
    """The lines that a process says which asks an engine, as another user where a command before it makes it one."""
    merged = os.environ | {"PYTHONPATH": str(ROOT)} | environment
    result = subprocess.run(
        [*before, sys.executable, "-c", ASK, str(n)],
        cwd=ROOT,
        env={name: value for name, value in merged.items() if value is not None},
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stderr
    return result.stdout.splitlines()


NOBODY = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
as_root = pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("setpriv"), reason="needs root and setpriv")


@pytest.fixture
def broken(store: Path) -> Path:
    with closing(AnswerStore(cache_directory("answers"))) as answers:
        answers.put({f"{i:064x}": [-1.0] for i in range(500)})
    return file_of(store)


@pytest.mark.parametrize("kind", ["no database", "cut", "overwritten", "a folder", "other tables"])
def test_a_damaged_store_is_said_in_one_line(broken: Path, kind: str) -> None:
    data = broken.read_bytes()
    broken.unlink()
    if kind == "a folder":
        broken.mkdir()
    elif kind == "other tables":
        with closing(sqlite3.connect(broken)) as database:
            database.execute("CREATE TABLE answers (id INTEGER)")
    else:
        contents = {"no database": b"text " * 1000, "cut": data[: len(data) // 2 + 7]}
        broken.write_bytes(contents.get(kind, data[:4096] + b"\xaa" * (len(data) - 4096)))
    (line,) = output_lines()
    assert line.startswith(f"{broken}: the store of answers can't be used (")
    assert "LABELS_CACHE" in line


@as_root
@pytest.mark.parametrize("kind", ["file", "folder", "cache"])
def test_a_store_that_cannot_be_written_is_said_before_anything_is_asked(broken: Path, kind: str) -> None:
    """By somebody who isn't root, whom no permission stops."""
    for path in (*reversed(broken.parents), broken):
        if path.is_relative_to("/tmp") and path != Path("/tmp"):
            path.chmod(0o777)
    locked = {"file": broken, "folder": broken.parent, "cache": broken.parent.parent}[kind]
    if kind == "cache":
        shutil.rmtree(broken.parent)
    locked.chmod(0o444 if kind == "file" else 0o555)
    (line,) = output_lines(*NOBODY)
    assert line.startswith(str(broken.parent))
    assert "LABELS_CACHE" in line


@as_root
@pytest.mark.skipif(not shutil.which("unshare"), reason="needs unshare")
def test_a_full_disk_is_one_line(store: Path) -> None:
    inside = ["unshare", "-m", "sh", "-c", 'mount -t tmpfs -o size=200k tmpfs "$LABELS_CACHE" && exec "$@"', "sh"]
    *answers, line = output_lines(*inside, n=5000)
    assert len(answers) > 100
    assert line == (
        f"{file_of(store)}: the store of answers can't be used (database or disk is full): make room, or name another"
        " folder in LABELS_CACHE"
    )


def test_a_cache_that_is_a_file(store: Path) -> None:
    (store / "file").write_text("mine")
    (line,) = output_lines(LABELS_CACHE=str(store / "file"))
    assert line.startswith(f"{store / 'file' / 'answers'}: ")
    assert "LABELS_CACHE names another folder" in line
    assert (store / "file").read_text() == "mine"


@as_root
def test_no_home() -> None:
    nobody = ["setpriv", "--reuid=54321", "--regid=54321", "--clear-groups"]
    (line,) = output_lines(*nobody, LABELS_CACHE=None, HOME=None, XDG_CACHE_HOME=None)
    assert "LABELS_CACHE names another folder" in line
    (line,) = output_lines(*nobody, LABELS_CACHE=None, HOME="/nonexistent", XDG_CACHE_HOME=None)
    assert "LABELS_CACHE names another folder" in line


def test_killed_at_any_moment_the_store_is_whole(store: Path) -> None:
    """Each kill leaves all that was written before it, and the next process goes on."""
    code = """
from stages.llm import answer_cache
from tests.rule_engine import RuleEngine
engine = RuleEngine(lambda prompt: (len(engine.prompts) > 1 or print("on", flush=True)) and [-float(prompt)] or [-0.5])
engine.identity = {}
answer_cache.choose(engine, [str(i) for i in range(100_000)], ["A"], "test")
"""
    rng, answer_count = random.Random(0), 0
    for _ in range(4):
        with subprocess.Popen(
            [sys.executable, "-c", code], cwd=ROOT, env=os.environ | {"PYTHONPATH": str(ROOT)}, stdout=subprocess.PIPE
        ) as process:
            assert process.stdout and process.stdout.readline()
            time.sleep(0.05 + rng.uniform(0, 0.2))
            process.kill()
        earlier_count = answer_count
        with closing(sqlite3.connect(file_of(store))) as database:
            assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
            ((answer_count,),) = database.execute("SELECT count(*) FROM answers")
        assert answer_count > earlier_count


WRITER = """
import sys
from stages.llm import answer_cache
from tests.rule_engine import RuleEngine
start = int(sys.argv[1])
engine = RuleEngine(lambda prompt: [-float(prompt)])
engine.identity = {}
prompts = [str(i) for i in range(start, start + 400)]
assert answer_cache.choose(engine, prompts, ["A"], "test") == [[-float(prompt)] for prompt in prompts]
"""


def test_processes_at_the_same_time() -> None:
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", WRITER, str(start)], cwd=ROOT, env=os.environ | {"PYTHONPATH": str(ROOT)}
        )
        for start in (0, 200, 300)
    ]
    assert [writer.wait(120) for writer in writers] == [0, 0, 0]
    engine = RuleEngine(lambda prompt: [])
    engine.identity = {}
    prompts = [str(i) for i in range(700)]
    assert answer_cache.choose(engine, prompts, ["A"], "test") == [[-float(prompt)] for prompt in prompts]
    assert engine.prompts == []


def test_lone_surrogates_are_replaced_and_the_next_turn_can_be_asked() -> None:
    engine = RuleEngine(lambda prompt: "so \ud83d, \U0001f600")
    for _ in range(2):
        (text,) = answer_cache.generate(engine, ["a"], 5, "test")
        assert text == "so \ufffd, \U0001f600"
        assert answer_cache.generate(engine, [f"a{text}"], 5, "test") == [text]
    assert engine.prompts == ["a", f"a{text}"]
