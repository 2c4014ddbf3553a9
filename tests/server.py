"""A server for the openai engine that fails in every way a real one does.

It answers by a rule, so that every answer can be checked, or passes requests on to a real server behind it.
"""

import asyncio
import json
import re
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import aiohttp
from aiohttp import web

PROBE = "Which of these is a fruit?"  # the engine's question before a run begins so
FAULTS = ("none", "refused", "failed", "cut", "broken json", "html", "empty choices", "slow")


class Server:
    """Each prompt's first request meets the fault that its number names, if it says "prompt" and a number."""

    def __init__(self, upstream: str = "", delay: float = 0.01, late: float = 3) -> None:
        self.upstream = upstream
        self.delay = delay
        self.late = late  # seconds that a slow answer takes
        self.probe_count = 0
        self.request_counts: Counter[str] = Counter()
        self.answer_times: defaultdict[str, list[float]] = defaultdict(list)  # when each prompt was answered
        self.request_times: defaultdict[str, list[float]] = defaultdict(list)  # when each prompt was asked
        self.reply: Callable[[dict[str, Any]], Any] | None = None  # answers a request's body in place of the rule
        self.models: Any = None  # what it says of its models; None: it has no list
        self.last_request: dict[str, Any] = {}
        self.max_concurrent = self.concurrent = 0
        self.url = ""

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.last_request = body = await request.json()
        text = body["messages"][-1]["content"] if "messages" in body else body["prompt"]
        self.concurrent += 1
        self.max_concurrent = max(self.max_concurrent, self.concurrent)
        try:
            await asyncio.sleep(self.delay)
            if text.startswith(PROBE):
                self.probe_count += 1
            else:
                self.request_counts[text] += 1
                self.request_times[text].append(time.monotonic())
            number = re.search(r"prompt (\d+)", text)
            fault = FAULTS[int(number.group(1)) % len(FAULTS)] if number and self.request_counts[text] == 1 else "none"
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
                return web.json_response(envelope([]))
            if fault == "slow":
                await asyncio.sleep(self.late)
            if self.reply:
                answer = self.reply(body)
            else:
                answer = await self.forward(request, body) if self.upstream else envelope([by_rule(body, text)])
            if isinstance(answer, web.Response):
                return answer
            if not text.startswith(PROBE):
                self.answer_times[text].append(time.monotonic())
            return web.json_response(answer)
        finally:
            self.concurrent -= 1

    async def list_models(self, request: web.Request) -> web.StreamResponse:
        if self.models is None:
            return web.Response(status=404)
        return web.json_response({"object": "list", "data": self.models})

    async def forward(self, request: web.Request, body: dict[str, Any]) -> Any:
        headers = {"Authorization": request.headers["Authorization"]}
        async with (
            aiohttp.ClientSession() as client,
            client.post(self.upstream + "/chat/completions", json=body, headers=headers) as response,
        ):
            response.raise_for_status()
            return await response.json()


def envelope(choices: list[Any]) -> dict[str, Any]:
    usage = {"prompt_tokens": 9, "completion_tokens": 1, "total_tokens": 10}
    return {"id": "1", "object": "chat.completion", "created": 1, "model": "m", "choices": choices, "usage": usage}


def by_rule(body: dict[str, Any], text: str) -> dict[str, Any]:
    """B at -0.5 and A by the length of the text; C is not among the likeliest tokens."""
    message: dict[str, Any] = {"role": "assistant", "content": f"said: {text}"}
    choice: dict[str, Any] = {"index": 0, "finish_reason": "stop", "message": message}
    if "response_format" in body:
        enum = body["response_format"]["json_schema"]["schema"]["properties"]["option"]["enum"]
        message["content"] = json.dumps({"option": enum[len(text) % 3]})
    if body.get("logprobs"):
        likely = {"B": -0.5, "A": -len(text) / 100, "x": -9.0}
        top = [{"token": token, "logprob": value, "bytes": None} for token, value in likely.items()]
        choice["logprobs"] = {"content": [top[0] | {"top_logprobs": top}], "refusal": None}
    return choice


@contextmanager
def serving(server: Server) -> Iterator[Server]:
    """The server in a thread of its own, at a free port."""
    ready, loop = threading.Event(), asyncio.new_event_loop()

    async def start() -> None:
        app = web.Application()
        app.router.add_post("/v1/chat/completions", server.handle)
        app.router.add_post("/v1/completions", server.handle)
        app.router.add_get("/v1/models", server.list_models)
        runner = web.AppRunner(app)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        server.url = f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
        ready.set()

    thread = threading.Thread(target=lambda: (loop.run_until_complete(start()), loop.run_forever()), daemon=True)
    thread.start()
    assert ready.wait(10)
    yield server
    loop.call_soon_threadsafe(loop.stop)


def endpoint(url: str, **more: Any) -> dict[str, Any]:
    """An endpoint as params.yaml has it, without limits that would slow a test."""
    return {
        "url": url,
        "model": "m",
        "context": 100_000,
        "key": "TEST_KEY",
        "choose_by": "logprobs",
        "concurrency": 8,
        "requests_per_minute": 100_000,
        "tokens_per_minute": 10_000_000,
        "token_budget": None,
        "timeout": 2,
    } | more
