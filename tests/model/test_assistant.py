"""docs/assistant.md: its code and its commands, with a real gate."""

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import requests

from stages.gating.gate import Gate
from stages.gating.service import CHARACTERS, NAME_CHARACTERS, TURNS, Limits
from stages.tools.serve import CONNECTIONS
from tests.clones import environment
from tests.conftest import ROOT
from tests.documented import COMMANDS
from tests.gate_server import Server, code, divide, serving, write_project

NAME = "smollm2_135m"  # as on the page
PAGE = (ROOT / "docs" / "assistant.md").read_text(encoding="utf-8")
TALK = [
    ("ann", "My board arrived."),
    ("bob", "Nice! Which one is it?"),
    ("ann", "The one with the camera. How do I flash it?"),
    ("bob", "What is the capital of Portugal?"),
    ("eve", "Does anyone know when the library opens on Sunday?"),
    ("ann", "And on Monday?"),
    ("bob", "why not"),
]


def rewritten(history: Any, question: str) -> str:
    return f"{question} [{len(history)} turns before it]"


def test_the_bot_of_the_page(base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It rewrites what the gate says, and keeps a history for each room."""
    adapter = write_project(tmp_path, base, NAME)
    turns: list[tuple[str, str]] = []
    chats = []
    for speaker, text in TALK:
        chats.append((list(turns), text, speaker))
        turns += [(speaker, text), ("assistant", "ok")]
    needed = divide(adapter, chats[1:])
    asked: list[str] = []

    def answer(question: str) -> str:
        asked.append(question)
        return "ok"

    monkeypatch.chdir(tmp_path)
    bot: dict[str, Any] = {"rewrite": rewritten, "answer": answer}
    exec(code("In Python"), bot)
    assert len(code("In Python").splitlines()) <= 40
    for speaker, text in TALK:
        bot["on_message"]("a room", speaker, text)
    expected = [
        rewritten(history[-12:], text) if is_needed else text
        for (history, text, _), is_needed in zip(chats[1:], needed, strict=True)
    ]
    assert asked == [TALK[0][1], *expected]
    assert set(needed) == {True, False}
    assert bot["on_message"]("another room", "ann", "And on Monday?") == "ok"
    assert asked[-1] == "And on Monday?"


@pytest.fixture(scope="module")
def served(base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    adapter = write_project(tmp_path_factory.mktemp("served"), base, NAME)
    divide(adapter, [(TALK[:number], text, None) for number, (_, text) in enumerate(TALK)])
    return adapter


@pytest.fixture(scope="module")
def server(served: Path) -> Iterator[Server]:
    with serving(served) as running:
        yield running


def test_the_node_of_the_page(served: Path, server: Server) -> None:
    """HuixiangDou's session, by the names of its fields."""
    gate = Gate.load(served)
    chats = [SimpleNamespace(sender=speaker, query=text) for speaker, text in TALK]
    node: dict[str, Any] = {"rewrite": rewritten}
    exec(code("HuixiangDou").replace("http://127.0.0.1:8765", server.url), node)
    decisions = set()
    for number, (_, text) in enumerate(TALK):
        needed = gate(TALK[:number], text).needed
        session = SimpleNamespace(groupchats=chats[:number], query=SimpleNamespace(text=text))
        assert node["question_of"](session) == (rewritten(TALK[:number], text) if needed else text)
        decisions.add(needed)
    assert decisions == {True, False}
    too_long = SimpleNamespace(groupchats=chats, query=SimpleNamespace(text="a" * 30_000))
    assert node["question_of"](too_long).endswith("[7 turns before it]")


def test_the_commands_of_the_page(server: Server) -> None:
    """They print JSON with the fields that the page shows."""
    shown = [json.loads(block) for block in re.findall(r"^```json\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)]
    printed = []
    for command in (command for command in COMMANDS if command.startswith("curl")):
        line = command.replace("http://127.0.0.1:8765", server.url)
        variables = environment(LABELS_SERVE_TOKEN="t0ken")
        result = subprocess.run(["bash", "-c", line], env=variables, capture_output=True, text=True, check=True)
        printed.append(json.loads(result.stdout))
    assert [value.keys() for value in printed] == [shown[0].keys(), shown[1].keys(), shown[1].keys()]
    assert [value["question"] for value in (printed[0], shown[0])] == ["How do I flash it?"] * 2


def test_the_limits_of_the_page(server: Server) -> None:
    limits = Limits()
    for limit in (
        f"a body of {limits.body_bytes // 2**20} MiB",
        f"{TURNS:,} turns of history, {CHARACTERS:,} characters in a text, {NAME_CHARACTERS} in a name",
        f"{limits.seconds:.0f} s for the body to arrive",
        f"{limits.seconds:.0f} s for an answer, the wait included",
        f"{limits.waiting} questions that wait",
        f"{CONNECTIONS} open connections",
    ):
        assert limit in PAGE
    sent = {"history": [{"speaker": "ann", "text": "Hello"}] * 3 + [{"speaker": "bob"}], "message": "Why?"}
    response = requests.post(f"{server.url}/decide", json=sent, timeout=60)
    assert response.json()["detail"] in PAGE
