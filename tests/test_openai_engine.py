"""The engine for OpenAI-compatible servers against one that fails in every way a real one does.

The server is a stand-in: it answers by a rule instead of a model, so that every answer can be checked.
"""

import asyncio
import json
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest
from aiohttp import web

from stages.llm import kept
from stages.llm.openai import OpenAI
from stages.params import Endpoint

OPTIONS = ["A", "B", "C"]


class Server:
    """Answers chats by the length of their text; each prompt's first request meets the fault that its number names."""

    FAULTS = ("none", "refused", "failed", "cut", "broken json", "html", "empty choices", "slow")

    def __init__(self) -> None:
        self.asked: Counter[str] = Counter()
        self.answered: Counter[str] = Counter()
        self.most = self.now = 0
        self.url = ""

    async def handle(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        text = body["messages"][-1]["content"]
        self.now += 1
        self.most = max(self.most, self.now)
        try:
            await asyncio.sleep(0.01)
            self.asked[text] += 1
            fault = self.FAULTS[int(text.split()[1]) % len(self.FAULTS)] if self.asked[text] == 1 else "none"
            if body["model"] == "locked":
                return web.json_response({"error": {"message": "no such key"}}, status=401)
            if fault == "refused":
                return web.json_response({"error": {"message": "slow down"}}, status=429, headers={"Retry-After": "1"})
            if fault == "failed":
                return web.Response(status=500, text="oops")
            if fault == "cut":
                assert request.transport
                request.transport.close()
                return web.Response()
            if fault == "broken json":
                return web.Response(text='{"choices": [', content_type="application/json")
            if fault == "html":
                return web.Response(text="<html>Welcome</html>", content_type="text/html")
            if fault == "empty choices":
                return web.json_response(self.envelope([]))
            if fault == "slow":
                await asyncio.sleep(3)
            self.answered[text] += 1
            return web.json_response(self.envelope([self.answer(body, text)]))
        finally:
            self.now -= 1

    @staticmethod
    def envelope(choices: list[Any]) -> dict[str, Any]:
        usage = {"prompt_tokens": 9, "completion_tokens": 1, "total_tokens": 10}
        return {"id": "1", "object": "chat.completion", "created": 1, "model": "m", "choices": choices, "usage": usage}

    @staticmethod
    def answer(body: dict[str, Any], text: str) -> dict[str, Any]:
        message: dict[str, Any] = {"role": "assistant", "content": f"said: {text}"}
        choice: dict[str, Any] = {"index": 0, "finish_reason": "stop", "message": message}
        if "response_format" in body:
            enum = body["response_format"]["json_schema"]["schema"]["properties"]["option"]["enum"]
            message["content"] = json.dumps({"option": enum[len(text) % 3]})
        if body.get("logprobs"):
            top = [
                {"token": t, "logprob": v, "bytes": None}
                for t, v in {"B": -0.5, "A": -len(text) / 100, "x": -9.0}.items()
            ]
            choice["logprobs"] = {"content": [top[0] | {"top_logprobs": top}], "refusal": None}
        return choice


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("LABELS_CACHE", str(tmp_path))
    monkeypatch.setenv("TEST_KEY", "secret")
    found, ready, loop = Server(), threading.Event(), asyncio.new_event_loop()

    async def start() -> None:
        app = web.Application()
        app.router.add_post("/v1/chat/completions", found.handle)
        runner = web.AppRunner(app)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        found.url = f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
        ready.set()

    thread = threading.Thread(target=lambda: (loop.run_until_complete(start()), loop.run_forever()), daemon=True)
    thread.start()
    assert ready.wait(10)
    yield found
    loop.call_soon_threadsafe(loop.stop)


def engine(server: Server, **more: Any) -> OpenAI:
    values: dict[str, Any] = {
        "url": server.url,
        "model": "m",
        "key": "TEST_KEY",
        "choose_by": "logprobs",
        "concurrency": 8,
        "requests_per_minute": 100_000,
        "tokens_per_minute": 10_000_000,
        "token_budget": None,
        "timeout": 2,
    }
    return OpenAI(Endpoint(**values | more))


def chats(n: int) -> list[Any]:
    return [[{"role": "user", "content": f"prompt {i} " + "x" * (i % 5)}] for i in range(n)]


def test_every_fault_is_survived_and_nothing_answered_is_asked_again(server: Server) -> None:
    prompts = chats(24)
    found = kept.choose(engine(server), [*prompts, prompts[0]], OPTIONS, "test")
    assert found == [[-len(p[0]["content"]) / 100, -0.5, -9.0] for p in [*prompts, prompts[0]]]
    slow = {text for text in server.asked if int(text.split()[1]) % 8 == 7}  # answered once, too late
    assert {text for text, n in server.answered.items() if n > 1} <= slow
    asked = server.asked.total()
    assert kept.choose(engine(server), prompts, OPTIONS, "test") == found[:-1]
    assert server.asked.total() == asked
    assert server.most <= 8


def test_structured_choice(server: Server) -> None:
    prompts = chats(5)
    found = kept.choose(engine(server, choose_by="structured"), prompts, OPTIONS, "test")
    assert [row.index(0.0) for row in found] == [len(p[0]["content"]) % 3 for p in prompts]
    assert {value for row in found for value in row} == {0.0, -100.0}


def test_generate(server: Server) -> None:
    assert kept.generate(engine(server), chats(1), 5, "test") == ["said: prompt 0 "]


def test_a_budget_stops_cleanly_and_the_next_run_goes_on(server: Server) -> None:
    prompts = chats(12)
    with pytest.raises(click.ClickException, match="budget of 30 tokens is spent; the answers so far are kept"):
        kept.choose(engine(server, token_budget=30, concurrency=1), prompts, OPTIONS, "test")
    assert server.answered.total() == 3
    kept.choose(engine(server), prompts, OPTIONS, "test")
    assert server.answered[prompts[0][0]["content"]] == 1


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
