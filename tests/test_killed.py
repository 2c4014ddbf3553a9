"""Filter and baseline, killed (SIGKILL) at random moments and run again, end with an undisturbed run's outputs."""

import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from stages.schemas import Labelled, Turn
from stages.tables import from_rows, write
from tests.clones import contents
from tests.made import items
from tests.server import Server, endpoint, serving

KILLS = 10
IN_FLIGHT = 0.5  # seconds around a kill in which an answer may be on its way from the server to the store


def start(command: list[str], cache: Path) -> subprocess.Popen[bytes]:
    environment = os.environ | {"LABELS_CACHE": str(cache), "TEST_KEY": "secret", "TQDM_DISABLE": "1"}
    return subprocess.Popen([sys.executable, "-m", *command], env=environment)


def answers(cache: Path) -> int:
    """How many answers the store holds."""
    import diskcache

    with diskcache.Cache(str(cache / "answers"), disk=diskcache.JSONDisk) as store:
        return len(store)


def undisturbed(command: list[str], cache: Path) -> tuple[float, float]:
    """Seconds until the first answer is kept, and until the end."""
    process, begun = start(command, cache), time.monotonic()
    first = 0.0
    while process.poll() is None:
        if not first and (cache / "answers").exists() and answers(cache):
            first = time.monotonic() - begun
        time.sleep(0.1)
    assert process.returncode == 0
    return first, time.monotonic() - begun


def killed(command: list[str], cache: Path, first: float, whole: float) -> list[float]:
    """Kill the command KILLS times, every other time after it has kept something new, which all of them together don't
    let it finish; return when.
    """
    rng = random.Random(0)
    moments, held = [], 0
    for number in range(KILLS):
        process = start(command, cache)
        if number % 2:
            while not (cache / "answers").exists() or answers(cache) == held:
                assert process.poll() is None, "it was done before it was killed"
                time.sleep(0.05)
            time.sleep(rng.uniform(0, (whole - first) / KILLS))
        else:
            time.sleep(rng.uniform(0, first))
        process.kill()
        moments.append(time.monotonic())
        assert process.wait() != 0, "it was done before it was killed"
        held, before = answers(cache), held
        assert held >= before
    assert held > 0
    return moments


def outputs_are_equal(command: Callable[[Path], list[str]], project: Path) -> list[float]:
    first, whole = undisturbed(command(project / "once"), project / "cache_once")
    moments = killed(command(project / "killed"), project / "cache_killed", first, whole)
    assert start(command(project / "killed"), project / "cache_killed").wait() == 0
    assert contents(project / "once") == contents(project / "killed")
    assert contents(project / "once")
    return moments


@pytest.fixture
def evaluated(project: Path) -> Callable[[str, Path], Callable[[Path], list[str]]]:
    """The evaluation's command for a model, its base folder and the folder of its outputs, over made-up items."""
    made = items(90)
    write(project / "valid.jsonl", from_rows(made, Labelled), Labelled)
    (project / "alpaca").mkdir()
    (project / "alpaca" / "test.json").write_text(json.dumps([{"id": item["id"]} for item in made]))

    def command(name: str, base: Path) -> Callable[[Path], list[str]]:
        return lambda out: [
            *["stages.evaluate", name, str(base), "valid.jsonl", "alpaca"],
            *[str(out / "predictions.jsonl"), str(out / "metrics.json")],
        ]

    return command


def test_filter(project: Path, base: Path, set_params: Callable[..., None]) -> None:
    scorers = [
        {"name": "is_question", "kind": "rules", "throttle": 1},
        {"name": "mark_is_question", "kind": "mark", "model": "smollm2_135m_10", "throttle": 0},
    ]
    set_params(**{"filter.scorers": scorers, "evaluate.batch_tokens": 256})
    turns = [
        {key: value for key, value in item.items() if key in Turn.to_schema().columns} | {"text": item["text"] + "?"}
        for item in items(400)
    ]
    write(project / "turns.jsonl", from_rows(turns, Turn), Turn)
    (project / "labels").mkdir()

    def command(out: Path) -> list[str]:
        names = ("scores.jsonl", "inquiries.jsonl", "rejects.jsonl", "metrics.json", "throttle.json")
        return ["stages.filter", "turns.jsonl", str(base), "labels", *[str(out / name) for name in names]]

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
    assert len(server.answered) == 90
    for times in server.answered.values():
        _, *later = times  # the undisturbed run has a store of its own
        for at in later[:-1]:
            assert any(abs(moment - at) < IN_FLIGHT for moment in moments)
