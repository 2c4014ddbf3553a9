"""The gate over HTTP: the application around a real small model, and the command as a process."""

import asyncio
import hashlib
import json
import logging
import math
import signal
import socket
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import click
import pytest
import requests
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.testclient import TestClient

from stages.gating.gate import Decision, Gate
from stages.gating.service import CHARACTERS, DRAINED, TURNS, Limits, application
from stages.gating.threshold import Threshold
from stages.llm.openai import OpenAI
from stages.llm.transformers import Transformers
from stages.pipeline.params import Endpoint, params
from stages.tools.serve import CONNECTIONS
from tests.conftest import QUESTION, ROOT
from tests.gate_server import PATIENCE, SMALL, serving, write_project
from tests.server import Server, endpoint
from tests.server import serving as running
from tests.synthetic_chat import items

NAME = "tiny"
TOKEN = "A-token:of+this/test="
SECRET = "swordfish"  # in texts that no log may have
HISTORY = [{"speaker": "ann", "text": f"My board arrived, {SECRET}."}, {"speaker": "bob", "text": "Nice!"}]
ASKED: dict[str, Any] = {"history": HISTORY, "message": f"How do I flash the {SECRET}?"}
JSON = {"Content-Type": "application/json"}


@pytest.fixture(scope="module")
def gate(base: Path) -> Gate:
    return Gate(Transformers(base / SMALL, 2048), params(ROOT / "params.yaml"), Threshold(0.0, 1.0))


@pytest.fixture(scope="module")
def client(gate: Gate) -> TestClient:
    return TestClient(application(gate, None, NAME))


def questions(n: int) -> list[dict[str, Any]]:
    """Requests about made-up items, every second with the message's speaker."""
    return [
        {
            "history": [{"speaker": turn["sender"], "text": turn["text"]} for turn in item["cr_window"]],
            "message": item["text"],
        }
        | ({"speaker": item["sender"]} if item["id"] % 2 else {})
        for item in items(n)
    ]


def decision_on(gate: Gate, question: dict[str, Any]) -> Decision:
    history = [(turn["speaker"], turn["text"]) for turn in question["history"]]
    return gate(history, question["message"], question.get("speaker"))


def test_the_answers_are_the_gates(gate: Gate) -> None:
    decisions = [decision_on(gate, question) for question in questions(12)]
    probabilities = sorted(decision.probability or 0 for decision in decisions)
    middle = Gate(gate.engine, gate.p, Threshold(_log_odds(probabilities[6]), 2.0))
    client = TestClient(application(middle, None, NAME))
    answers = [client.post("/decide", json=question).json() for question in questions(12)]
    for question, answer in zip(questions(12), answers, strict=True):
        expected = decision_on(middle, question)
        assert answer["question"] == question["message"] == expected.question
        assert answer["needed"] is expected.needed
        assert answer["probability"] == pytest.approx(expected.probability, abs=1e-6)
    assert {answer["needed"] for answer in answers} == {True, False}
    assert len({answer["probability"] for answer in answers}) > 6
    as_bob = client.post("/decide", json=ASKED | {"speaker": "bob"}).json()
    assert as_bob["probability"] != client.post("/decide", json=ASKED).json()["probability"]


def _log_odds(probability: float) -> float:
    return math.log(probability / (1 - probability))


LONG = "a " * (CHARACTERS // 2)  # more tokens than the model's context, and not too many characters
WRONG: dict[str, tuple[bytes | str | dict[str, Any] | list[Any], int, str]] = {
    "no body": (b"", 422, "body: Field required"),
    "not JSON": ("{", 422, "body: is not JSON: "),
    "a list": ([ASKED], 422, "body: must be a JSON object"),
    "nested without end": (b"[" * 200_000, 400, "There was an error parsing the body"),
    "not UTF-8": (b'{"history": [], "message": "\xff"}', 400, "There was an error parsing the body"),
    "half a character": ('{"history": [], "message": "\\ud800"}', 422, "message: Input should be a valid string, "),
    "a number of 5,000 digits": (
        '{"history": [], "message": %s}' % ("9" * 5000),
        400,
        "There was an error parsing the body",
    ),
    "no history": ({"message": "Why?"}, 422, "history: Field required"),
    "no message": ({"history": []}, 422, "message: Field required"),
    "a blank message": (ASKED | {"message": " \n\t"}, 422, "message: must not be blank"),
    "a number for a message": (ASKED | {"message": 7}, 422, "message: Input should be a valid string"),
    "a history of texts": (ASKED | {"history": ["hello"]}, 422, "history.0: must be a JSON object"),
    "a text for a history": (ASKED | {"history": "hello"}, 422, "history: Input should be a valid list"),
    "a turn without a text": (
        ASKED | {"history": [HISTORY[0], {"speaker": "ann"}]},
        422,
        "history.1.text: Field required",
    ),
    "a misspelt field": (ASKED | {"mesage": "Why?"}, 422, "mesage: unknown field"),
    "a long unknown field": (ASKED | {"x" * 100: 1}, 422, f"{'x' * 60}: unknown field"),
    "a long history": (
        ASKED | {"history": HISTORY[:1] * (TURNS + 1)},
        422,
        "history: List should have at most 1000 items",
    ),
    "a long message": (
        ASKED | {"message": "a" * (CHARACTERS + 1)},
        422,
        "message: String should have at most 20000 characters",
    ),
    "a long text": (
        ASKED | {"history": [{"speaker": "ann", "text": "a" * (CHARACTERS + 1)}]},
        422,
        "history.0.text: String should have at most 20000 characters",
    ),
    "a long name": (ASKED | {"speaker": "a" * 201}, 422, "speaker: String should have at most 200 characters"),
    "more tokens than the model reads": (
        ASKED | {"message": LONG},
        422,
        "message: too long for the model, which reads",
    ),
    "a large body": (b"x" * (2**20 + 1), 413, "the body is larger than 1048576 bytes"),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_inputs_are_named(client: TestClient, name: str, caplog: pytest.LogCaptureFixture) -> None:
    body, status, detail = WRONG[name]
    sent = {"json": body} if isinstance(body, dict | list) else {"content": body}
    with caplog.at_level(logging.DEBUG):
        response = client.post("/decide", headers=JSON, **sent)
    assert response.status_code == status, response.text
    assert response.json().keys() == {"detail"}
    assert response.json()["detail"].startswith(detail)
    assert SECRET not in response.text
    assert SECRET not in caplog.text


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", ""])
def test_a_body_that_does_not_say_that_it_is_json_is_refused(client: TestClient, kind: str) -> None:
    """A page in a browser may send such a body to this machine without asking first."""
    response = client.post("/decide", content=json.dumps(ASKED), headers={"Content-Type": kind})
    assert (response.status_code, response.json()) == (415, {"detail": "Content-Type: must be application/json"})
    assert client.post("/decide", json=ASKED, headers={"Content-Type": "Application/JSON; charset=utf-8"}).is_success


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
TURNS_OF_ANY_KIND = st.lists(st.fixed_dictionaries({"speaker": VALUES, "text": VALUES}), max_size=2)
BODIES = st.fixed_dictionaries(
    {"history": TURNS_OF_ANY_KIND | VALUES, "message": VALUES}, optional={"speaker": VALUES}
)


@given(body=BODIES | VALUES)
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_json_has_an_answer_or_a_refusal(client: TestClient, body: Any) -> None:
    response = client.post("/decide", content=json.dumps(body), headers=JSON)
    assert response.status_code in (200, 422), response.text
    assert response.is_success == ("needed" in response.json())


def asked(app: Any, receive: Callable[[], Awaitable[Any]]) -> tuple[int, Any]:
    """The status and the JSON of the answer to a request whose body `receive` brings."""
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    headers = [(b"content-type", b"application/json")]
    scope = {"type": "http", "method": "POST", "path": "/decide", "headers": headers, "query_string": b""}
    asyncio.run(app(scope, receive, send))
    return sent[0]["status"], json.loads(sent[1]["body"])


def test_a_large_body_is_counted_while_it_arrives(gate: Gate) -> None:
    app = application(gate, None, NAME, Limits(body_bytes=1000))
    received = 0

    async def without_end() -> Any:
        nonlocal received
        received += 500
        return {"type": "http.request", "body": b" " * 500, "more_body": True}

    assert asked(app, without_end) == (413, {"detail": "the body is larger than 1000 bytes"})
    assert received <= DRAINED * 1000 + 500
    body = json.dumps(ASKED).encode()
    for size, status in ((len(body), 200), (1000, 200), (1001, 413)):
        rest = body + b" " * (size - len(body))
        parts = [{"type": "http.request", "body": rest[i : i + 99], "more_body": True} for i in range(0, size, 99)]
        parts[-1]["more_body"] = False
        arriving = iter(parts)

        async def next_part(arriving: Iterator[Any] = arriving) -> Any:
            return next(arriving)

        assert asked(app, next_part)[0] == status


def test_a_body_that_does_not_arrive_is_not_waited_for(gate: Gate) -> None:
    async def never() -> Any:
        await asyncio.sleep(60)

    app = application(gate, None, NAME, Limits(seconds=0.1))
    assert asked(app, never) == (408, {"detail": "the body did not arrive within 0.1 seconds"})


@pytest.mark.parametrize(
    ("authorization", "status"),
    [
        (None, 401),
        ("", 401),
        (TOKEN, 401),
        (f"Basic {TOKEN}", 401),
        ("Bearer", 401),
        ("Bearer wrong", 401),
        (f"Bearer {TOKEN[:-1]}", 401),
        (f"Bearer {TOKEN}x", 401),
        (f"Bearer {TOKEN.lower()}", 401),
        ("Bearer \xff", 401),
        (f"Bearer {TOKEN}", 200),
        (f"bearer {TOKEN}", 200),
    ],
)
def test_the_token(gate: Gate, authorization: str | None, status: int, caplog: pytest.LogCaptureFixture) -> None:
    client = TestClient(application(gate, TOKEN, NAME))
    headers = {} if authorization is None else {"Authorization": authorization.encode("latin-1")}
    with caplog.at_level(logging.DEBUG):
        responses = [
            client.post("/decide", json=ASKED, headers=headers),  # type: ignore[arg-type]
            client.get("/version", headers=headers),  # type: ignore[arg-type]
        ]
    assert [response.status_code for response in responses] == [status, status]
    assert [response.headers.get("WWW-Authenticate") for response in responses] == [
        None if status == 200 else "Bearer"
    ] * 2
    assert TOKEN not in caplog.text + "".join(response.text for response in responses)


def test_what_needs_no_token(gate: Gate) -> None:
    client = TestClient(application(gate, TOKEN, NAME))
    assert client.get("/health").json() == {"status": "ok"}
    assert client.get("/docs").is_success
    routes = client.get("/openapi.json").json()["paths"]
    assert {path for path, methods in routes.items() for route in methods.values() if "security" in route} == {
        "/decide",
        "/version",
    }
    assert [client.get(path).status_code for path in ("/health/", "/docs/x", "//health")] == [401] * 3


def test_the_page_says_the_question_and_the_limits(client: TestClient) -> None:
    page = client.get("/openapi.json").json()
    assert page["info"]["title"] == QUESTION.asks
    schemas = page["components"]["schemas"]
    assert schemas["Inquiry"]["properties"]["message"]["maxLength"] == CHARACTERS
    assert schemas["Inquiry"]["properties"]["history"]["maxItems"] == TURNS
    assert schemas["Inquiry"]["required"] == ["history", "message"]


class Stuck(Gate):
    """A gate that begins to answer when it is let go."""

    def __init__(self, gate: Gate) -> None:
        super().__init__(gate.engine, gate.p, gate.threshold)
        self.go, self.asked = threading.Event(), list[str]()

    def __call__(self, history: Any, message: str, speaker: str | None = None) -> Decision:
        self.asked.append(message)
        assert self.go.wait(60)
        return super().__call__(history, message, speaker)


def wait_until(condition: Callable[[], bool]) -> None:
    for _ in range(600):
        if condition():
            return
        time.sleep(0.05)
    raise AssertionError("waited 30 s")


def test_more_questions_than_may_wait_are_sent_away(gate: Gate) -> None:
    stuck = Stuck(gate)
    with TestClient(application(stuck, None, NAME, Limits(waiting=2))) as client, ThreadPoolExecutor(9) as pool:
        futures = [pool.submit(client.post, "/decide", json=question) for question in questions(9)]
        wait_until(lambda: sum(future.done() for future in futures) == 6)
        refused = [future.result() for future in futures if future.done()]
        assert client.get("/health").is_success
        stuck.go.set()
        answered = [future.result() for future in futures if future.result() not in refused]
        again = client.post("/decide", json=ASKED)
    for response in refused:
        assert (response.status_code, response.headers["Retry-After"]) == (503, "1")
        assert response.json() == {"detail": "too many questions are waiting"}
    assert [response.status_code for response in [*answered, again]] == [200] * 4
    assert len(stuck.asked) == 4


def test_an_answer_that_takes_too_long_is_not_waited_for(gate: Gate) -> None:
    """Nor does the gate go on with a question that waited too long for its turn."""
    stuck = Stuck(gate)
    with TestClient(application(stuck, None, NAME, Limits(seconds=0.3, waiting=1))) as client:
        for _ in range(3):
            with ThreadPoolExecutor(2) as pool:
                responses = list(pool.map(lambda question: client.post("/decide", json=question), questions(2)))
            for response in responses:
                assert (response.status_code, response.headers["Retry-After"]) == (503, "1")
            assert {"no answer within 0.3 seconds"} <= {response.json()["detail"] for response in responses}
        assert len(stuck.asked) == 1
        stuck.go.set()
        wait_until(lambda: client.post("/decide", json=ASKED).is_success)


class Failing(Gate):
    def __call__(self, history: Any, message: str, speaker: str | None = None) -> Decision:
        if "fail" in message:
            raise RuntimeError(f"can't read {message!r}")
        return super().__call__(history, message, speaker)


def test_a_failure_is_a_line_without_the_text(gate: Gate, caplog: pytest.LogCaptureFixture) -> None:
    client = TestClient(application(Failing(gate.engine, gate.p, gate.threshold), None, NAME))
    response = client.post("/decide", json=ASKED | {"message": f"fail, {SECRET}"})
    assert (response.status_code, response.json()) == (500, {"detail": "the server failed; its log says where"})
    [record] = [record for record in caplog.records if record.name == "stages.gating.service"]
    assert record.getMessage().startswith(f"failed: RuntimeError at {__file__}:")
    assert SECRET not in caplog.text
    assert client.post("/decide", json=ASKED).is_success


def test_a_models_server_that_refuses_is_no_fault_of_the_message(
    gate: Gate, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("TEST_KEY", "k")
    with running(Server()) as server:
        engine = OpenAI(Endpoint(**endpoint(server.url, model="locked")))
        client = TestClient(application(Gate(engine, gate.p, gate.threshold), None, NAME))
        response = client.post("/decide", json=ASKED)
    assert (response.status_code, response.json()) == (500, {"detail": "the server failed; its log says where"})
    assert f"failed: {click.ClickException.__name__} at" in caplog.text
    assert SECRET not in caplog.text


@pytest.fixture(scope="module")
def adapter(base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_project(tmp_path_factory.mktemp("project"), base, SMALL)


def test_the_command(adapter: Path, gate: Gate) -> None:
    loaded = Gate.load(adapter)
    expected = [decision_on(loaded, question) for question in questions(8)]
    vanilla = [decision_on(gate, question) for question in questions(8)]
    assert any(abs((a.probability or 0) - (b.probability or 0)) > 1e-3 for a, b in zip(expected, vanilla, strict=True))
    with serving(adapter, {"LABELS_SERVE_TOKEN": TOKEN}) as server, requests.Session() as session:
        session.headers["Authorization"] = f"Bearer {TOKEN}"
        assert session.get(f"{server.url}/health", timeout=60).json() == {"status": "ok"}
        with ThreadPoolExecutor(4) as pool:
            answers = pool.map(lambda one: session.post(f"{server.url}/decide", json=one, timeout=60), questions(8))
        for answer, decision in zip(answers, expected, strict=True):
            assert answer.json()["needed"] is decision.needed
            assert answer.json()["probability"] == pytest.approx(decision.probability, abs=1e-4)
            assert answer.json()["question"] == decision.question

        lines = [f"{file.name} {_sha256(file)}" for file in sorted(adapter.iterdir())]
        assert session.get(f"{server.url}/version", timeout=60).json() == {
            "model": SMALL,
            "asks": QUESTION.asks,
            "adapter": hashlib.sha256("\n".join(lines).encode()).hexdigest(),
            "prompt": _sha256(QUESTION.folder / "prompts" / "en.yaml"),
            "resolve": None,
            "log_odds": 0.0,
            "temperature": 1.0,
        }

        refused = [
            requests.post(f"{server.url}/decide", json=ASKED, timeout=60),
            session.post(f"{server.url}/decide", data=iter([b"x" * 2**16] * 40), timeout=60),  # chunked
            session.post(f"{server.url}/decide", data=b"x" * (2**20 + 1), timeout=60),
            session.post(f"{server.url}/decide", json=ASKED | {SECRET: SECRET}, timeout=60),
        ]
        assert [response.status_code for response in refused] == [401, 413, 413, 422]

        address = server.url.removeprefix("http://").split(":")
        with ExitStack() as stack:
            for _ in range(CONNECTIONS):
                stack.enter_context(socket.create_connection((address[0], int(address[1]))))
            assert requests.get(f"{server.url}/health", timeout=60).status_code == 503
        wait_until(lambda: session.get(f"{server.url}/health", timeout=60).ok)

        server.process.send_signal(signal.SIGINT)  # while the session holds a connection
        assert server.process.wait(PATIENCE) == 0
        log = server.log.read_text()
    assert "Traceback" not in log
    assert SECRET not in log and TOKEN not in log


def _sha256(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()
