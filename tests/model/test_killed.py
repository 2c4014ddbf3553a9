"""Filter and baseline, killed (SIGKILL) at random moments and run again, end with an undisturbed run's outputs."""

import os
import random
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from stages.pipeline.schemas import Item, Turn
from stages.pipeline.tables import from_rows, write
from tests.clones import contents
from tests.server import Server, endpoint, serving
from tests.synthetic_chat import items

KILLS = 10
IN_FLIGHT = 0.5  # seconds around a kill in which an answer may be on its way from the server to the store


def start(command: list[str], cache: Path) -> subprocess.Popen[bytes]:
    environment = os.environ | {"LABELS_CACHE": str(cache), "TEST_KEY": "secret", "TQDM_DISABLE": "1"}
    return subprocess.Popen([sys.executable, "-m", *command], env=environment)


def answer_count_in(cache: Path) -> int:
    """How many answers the store holds; none where a command was killed before it made one."""
    file = cache / "answers" / "answers.sqlite"
    if not file.exists():
        return 0
    with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as store:
        has_table = store.execute("SELECT count(*) FROM sqlite_master WHERE name = 'answers'").fetchone()[0]
        return store.execute("SELECT count(*) FROM answers").fetchone()[0] if has_table else 0


def durations(command: list[str], cache: Path) -> tuple[float, float]:
    """Seconds until the first answer is kept, and until the end."""
    process, start_time = start(command, cache), time.monotonic()
    first = 0.0
    while process.poll() is None:
        if not first and answer_count_in(cache):
            first = time.monotonic() - start_time
        time.sleep(0.1)
    assert process.returncode == 0
    return first, time.monotonic() - start_time


def kill_times(command: list[str], cache: Path, first: float, duration: float) -> list[float]:
    """Kill the command KILLS times, every other time after it has kept something new, which all of them together don't
    let it finish; return when.
    """
    rng = random.Random(0)
    moments, answer_count = [], 0
    for number in range(KILLS):
        process = start(command, cache)
        if number % 2:
            while answer_count_in(cache) == answer_count:
                assert process.poll() is None, "it was done before it was killed"
                time.sleep(0.05)
            time.sleep(rng.uniform(0, (duration - first) / KILLS / 2))
        else:
            time.sleep(rng.uniform(0, first / 2))
        process.kill()
        moments.append(time.monotonic())
        assert process.wait() != 0, "it was done before it was killed"
        answer_count, earlier_count = answer_count_in(cache), answer_count
        assert answer_count >= earlier_count
    assert answer_count > 0
    return moments


def outputs_are_equal(command: Callable[[Path], list[str]], project: Path) -> list[float]:
    first, whole = durations(command(project / "once"), project / "cache_once")
    moments = kill_times(command(project / "killed"), project / "cache_killed", first, whole)
    assert start(command(project / "killed"), project / "cache_killed").wait() == 0
    assert contents(project / "once") == contents(project / "killed")
    assert contents(project / "once")
    return moments


@pytest.fixture
def evaluated(project: Path) -> Callable[[str, Path], Callable[[Path], list[str]]]:
    """The evaluation's command for a model, its base folder and the folder of its outputs, over made-up items."""
    rows = items(90)
    test_rows = [item | {"split": "test"} for item in rows]
    write(project / "items.jsonl", from_rows(test_rows, Item), Item)

    def command(name: str, base: Path) -> Callable[[Path], list[str]]:
        return lambda out: [
            *["stages.evaluate", name, str(base), "items.jsonl"],
            *[str(out / "predictions.jsonl"), str(out / "n.json"), str(out / "metrics.json")],
        ]

    return command


def test_score(project: Path, base: Path, set_params: Callable[..., None]) -> None:
    scorers = [
        {"name": "is_question", "kind": "rules", "next_from": 1},
        {"name": "mark_is_question", "kind": "mark", "model": "smollm2_135m_10"},
    ]
    set_params(**{"score.scorers": scorers, "evaluate.batch_tokens": 256})
    turns = [
        {key: value for key, value in item.items() if key in Turn.to_schema().columns} | {"text": item["text"] + "?"}
        for item in items(400)
    ]
    write(project / "turns.jsonl", from_rows(turns, Turn), Turn)

    def command(out: Path) -> list[str]:
        return ["stages.score", "turns.jsonl", str(base), str(out / "scores.jsonl"), str(out / "metrics.json")]

    outputs_are_equal(command, project)


def test_baseline(
    project: Path, base: Path, set_params: Callable[..., None], evaluated: Callable[..., Callable[[Path], list[str]]]
) -> None:
    set_params(**{"evaluate.batch_tokens": 256})
    outputs_are_equal(evaluated("smollm2_135m", base / "smollm2_135m"), project)


def test_no_answer_of_a_server_is_asked_for_twice(
    project: Path, set_params: Callable[..., None], evaluated: Callable[..., Callable[[Path], list[str]]]
) -> None:
    with serving(Server(delay=0.25)) as server:
        model = {"engine": "openai", "family": "m", "endpoint": endpoint(server.url, concurrency=2)}
        set_params(**{"models.remote": model})
        (project / "remote").mkdir()
        moments = outputs_are_equal(evaluated("remote", project / "remote"), project)
    assert len(server.answer_times) == 90
    for times in server.answer_times.values():
        _, *later = times  # the undisturbed run has a store of its own
        for at in later[:-1]:
            assert any(abs(moment - at) < IN_FLIGHT for moment in moments)
