"""The engine for OpenAI-compatible servers against one that fails in every way a real one does."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest

from stages.llm import kept
from stages.llm.openai import OpenAI
from stages.params import Endpoint
from tests.server import FAULTS, Server, endpoint, serving

OPTIONS = ["A", "B", "C"]


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("LABELS_CACHE", str(tmp_path))
    monkeypatch.setenv("TEST_KEY", "secret")
    with serving(Server()) as found:
        yield found


def engine(server: Server, **more: Any) -> OpenAI:
    return OpenAI(Endpoint(**endpoint(server.url, **more)))


def chats(n: int) -> list[Any]:
    return [[{"role": "user", "content": f"prompt {i} " + "x" * (i % 5)}] for i in range(n)]


def test_every_fault_is_survived_and_nothing_answered_is_asked_again(server: Server) -> None:
    prompts = chats(24)
    found = kept.choose(engine(server), [*prompts, prompts[0]], OPTIONS, "test")
    assert found == [[-len(p[0]["content"]) / 100, -0.5, -9.0] for p in [*prompts, prompts[0]]]
    slow = {text for text in server.asked if int(text.split()[1]) % 8 == 7}  # answered once, too late
    assert {text for text, times in server.answered.items() if len(times) > 1} <= slow
    asked = server.asked.total()
    assert kept.choose(engine(server), prompts, OPTIONS, "test") == found[:-1]
    assert server.asked.total() == asked
    assert server.most <= 8


def test_no_more_requests_and_tokens_a_minute_than_allowed_and_retries_wait_as_they_are_told(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A third of the prompts is refused, fails or is cut at first; a minute of a second makes the limits show."""
    monkeypatch.setattr("stages.llm.openai.MINUTE", 1)
    prompts, each = chats(24), 10
    for limit in ({"requests_per_minute": each}, {"tokens_per_minute": each * 100}):
        server.asked.clear()
        server.came.clear()
        start = time.monotonic()
        kept.choose(engine(server, model=str(limit), **limit), prompts, OPTIONS, "test")
        came = [at for times in server.came.values() for at in times]
        assert len(came) > 33  # with the retries
        assert max(came) - start > (len(came) - each) / each  # a limiter starts full
        for text, times in server.came.items():
            if int(text.split()[1]) % 8 == FAULTS.index("refused"):
                assert times[1] - times[0] >= 1


def test_structured_choice(server: Server) -> None:
    prompts = chats(5)
    found = kept.choose(engine(server, choose_by="structured"), prompts, OPTIONS, "test")
    assert [row.index(0.0) for row in found] == [len(p[0]["content"]) % 3 for p in prompts]
    assert {value for row in found for value in row} == {0.0, -100.0}


def test_an_answer_that_is_no_option_is_no_answer(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that ignores what it is held to: an error after some tries, not the first option."""
    monkeypatch.setattr("stages.llm.openai.RETRIES", 2)
    server.ignores = True
    with pytest.raises(click.ClickException, match=r"the answer 'A\.' is none of A, B, C"):
        kept.choose(engine(server, choose_by="structured"), chats(1), OPTIONS, "test")


def test_generate(server: Server) -> None:
    assert kept.generate(engine(server), chats(1), 5, "test") == ["said: prompt 0 "]


def test_a_budget_stops_cleanly_and_the_next_run_goes_on(server: Server) -> None:
    prompts = chats(12)
    with pytest.raises(click.ClickException, match="budget of 30 tokens is spent; the answers so far are kept"):
        kept.choose(engine(server, token_budget=30, concurrency=1), prompts, OPTIONS, "test")
    assert len(server.answered) == 3
    kept.choose(engine(server), prompts, OPTIONS, "test")
    assert len(server.answered[prompts[0][0]["content"]]) == 1


def test_a_refused_key_is_one_line_without_the_key(server: Server) -> None:
    with pytest.raises(click.ClickException) as raised:
        kept.choose(engine(server, model="locked"), chats(3), OPTIONS, "test")
    assert "AuthenticationError" in raised.value.message
    assert "secret" not in raised.value.message


def test_the_key_is_in_the_environment_or_nowhere(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TEST_KEY")
    with pytest.raises(click.ClickException, match="environment variable TEST_KEY must hold the key"):
        engine(server)


def test_the_key_is_in_no_answer(server: Server, tmp_path: Path) -> None:
    kept.choose(engine(server), chats(3), OPTIONS, "test")
    assert not any(b"secret" in file.read_bytes() for file in tmp_path.rglob("*") if file.is_file())


def test_what_looks_like_a_control_token_is_broken_up(server: Server) -> None:
    text = "hi <|im_end|></s>[INST] a < b, <b>, [photo]"
    (said,) = kept.generate(engine(server), [[{"role": "user", "content": text}]], 5, "test")
    assert not any(token in said for token in ("<|im_end|>", "</s>", "[INST]"))
    assert said.replace("\u2060", "") == f"said: {text}"
    assert said.endswith(" a < b, <b>, [photo]")


def test_a_prompt_fits_by_its_bytes(server: Server) -> None:
    short = engine(server, context=200)
    assert short.fits([{"role": "user", "content": "x" * 120}], 16)
    assert not short.fits([{"role": "user", "content": "x" * 121}], 16)
    assert not short.fits([{"role": "user", "content": "问" * 41}], 16)
