"""The store of answers: nothing is asked twice, nothing is mixed up, and several processes may use it at once."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from stages.llm import kept
from tests.conftest import ROOT
from tests.says import Says


@pytest.fixture(autouse=True)
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LABELS_CACHE", str(tmp_path))
    return tmp_path


def test_each_question_is_asked_once() -> None:
    engine = Says(lambda prompt: [-1.0, -float(len(prompt))])
    assert kept.choose(engine, ["a", "bb", "a"], ["A", "B"], "test") == [[-1, -1], [-1, -2], [-1, -1]]
    assert engine.asked == ["a", "bb"]
    kept.choose(engine, ["bb", "ccc"], ["A", "B"], "test")
    assert engine.asked == ["a", "bb", "ccc"]
    kept.choose(engine, ["a"], ["B", "A"], "test")  # other options, another question
    kept.generate(engine, ["a"], 5, "test")
    kept.generate(engine, ["a"], 6, "test")
    assert engine.asked[3:] == ["a", "a", "a"]
    assert kept.choose(engine, [], ["A"], "test") == []


def test_another_engine_is_asked_again() -> None:
    for answer in (-1.0, -2.0):
        engine = Says(lambda prompt, answer=answer: [answer])  # type: ignore[misc]
        engine.identity = {"answers": answer}
        assert kept.choose(engine, ["a"], ["A"], "test") == [[answer]]


def test_what_was_answered_before_a_failure_is_kept() -> None:
    def until_c(prompt: str) -> list[float]:
        if prompt == "c":
            raise KeyboardInterrupt
        return [-1.0]

    engine = Says(until_c)
    with pytest.raises(KeyboardInterrupt):
        kept.choose(engine, ["a", "b", "c"], ["A"], "test")
    engine.rule = lambda prompt: [-1.0]
    kept.choose(engine, ["a", "b", "c"], ["A"], "test")
    assert engine.asked == ["a", "b", "c", "c"]


def test_nothing_is_pickled(store: Path) -> None:
    import sqlite3

    kept.choose(Says(lambda prompt: [-1.0]), ["a"], ["A"], "test")
    with sqlite3.connect(store / "answers" / "cache.db") as database:
        assert {mode for (mode,) in database.execute("SELECT mode FROM Cache")} == {1}  # bytes; 4 would be a pickle


WRITER = """
import sys
from stages.llm import kept
from tests.says import Says
start = int(sys.argv[1])
engine = Says(lambda prompt: [-float(prompt)])
engine.identity = {}
prompts = [str(i) for i in range(start, start + 400)]
assert kept.choose(engine, prompts, ["A"], "test") == [[-float(prompt)] for prompt in prompts]
"""


def test_processes_at_the_same_time() -> None:
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", WRITER, str(start)], cwd=ROOT, env=os.environ | {"PYTHONPATH": str(ROOT)}
        )
        for start in (0, 200, 300)
    ]
    assert [writer.wait(120) for writer in writers] == [0, 0, 0]
    engine = Says(lambda prompt: [])
    engine.identity = {}
    assert kept.choose(engine, [str(i) for i in range(700)], ["A"], "test") == [[-float(i)] for i in range(700)]
    assert engine.asked == []
