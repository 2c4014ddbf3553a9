"""A gate over HTTP, as a FastAPI application: stages/tools/serve.py runs it, docs/assistant.md describes it.

Nothing that a request holds is logged: a failure is a line with the kind of error and its place in the code.
"""

import asyncio
import hmac
import logging
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from threading import BoundedSemaphore
from typing import Annotated, Any, NamedTuple

import click
from fastapi import Depends, FastAPI, HTTPException, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.security import HTTPBearer
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from stages.gating.gate import Decision, Gate
from stages.llm import prompts
from stages.llm.weights import fingerprint
from stages.pipeline.text import printable

TURNS = 1000  # of a history; the prompt shows the last ones alone
CHARACTERS = 20_000  # of a text, as ingest.max_chars
NAME_CHARACTERS = 200
DRAINED = 8  # times the largest body: so much of a larger one is read before the answer, which a client then gets
RETRY_AFTER = {"Retry-After": "1"}  # seconds
OPEN_PATHS = ("/health", "/docs", "/openapi.json")  # need no token
ERRORS_SHOWN = 5
KEY_CHARACTERS = 60  # of a field's name that a request made up

logger = logging.getLogger(__name__)
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


class Limits(NamedTuple):
    """Bounds of one request and of all that wait. `seconds` is for the body to arrive, and again for the answer, the
    wait included; `waiting` counts questions beside the one that is being answered.
    """

    body_bytes: int = 2**20
    seconds: float = 30
    waiting: int = 16


def _not_blank(text: str) -> str:
    if not text.strip():
        raise ValueError("must not be blank")
    return text


Name = Annotated[str, Field(max_length=NAME_CHARACTERS)]
Text = Annotated[str, Field(max_length=CHARACTERS)]


class Schema(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Turn(Schema):
    """What one person said in a row."""

    speaker: Name
    text: Text


class Inquiry(Schema):
    """A message, and the turns before it."""

    history: Annotated[list[Turn], Field(max_length=TURNS, description="Turns before the message, oldest first")]
    message: Annotated[Text, AfterValidator(_not_blank)]
    speaker: Annotated[Name | None, Field(description="Its author; by default nobody of the history")] = None


class Answer(Schema):
    needed: Annotated[bool, Field(description="Whether the answer to the model's question is the positive one")]
    probability: Annotated[float | None, Field(description="Of `needed`; null where the model gave no answer")]
    question: Annotated[str, Field(description="The question to go on with")]


class Health(Schema):
    status: str


class Version(Schema):
    """What decides an answer."""

    model: str
    asks: Annotated[str, Field(description="The question that the model is asked of a message")]
    adapter: Annotated[str | None, Field(description="sha256 of the adapter's files; null for a model without one")]
    prompt: Annotated[str, Field(description="sha256 of the prompt's template")]
    resolve: Annotated[str | None, Field(description="The model that rewrites questions; null for none")]
    log_odds: Annotated[float, Field(description="The threshold: the least log-odds of a message that needs it")]
    temperature: Annotated[float, Field(description="Divides log-odds for a probability")]


class Guard:
    """ASGI middleware: refuses a request without the token, and reads a body within the limits before the routes do.

    An error that no route expects becomes an answer with status 500 and a line in the log.
    """

    def __init__(self, app: Any, token: str | None, limits: Limits) -> None:
        self.app, self.limits = app, limits
        self.authorization = None if token is None else f"bearer {token}".encode()

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        try:
            response = await self._response(scope, receive, send)
        except Exception as error:
            logger.error("failed: %s", _place(error))
            response = _refusal(500, "the server failed; its log says where")
        if response:
            await response(scope, receive, send)

    async def _response(self, scope: Message, receive: Receive, send: Send) -> JSONResponse | None:
        """A refusal; None where the routes have answered or the client has gone."""
        if not self._is_allowed(scope):
            return _refusal(401, "a token is needed: Authorization: Bearer TOKEN", {"WWW-Authenticate": "Bearer"})
        try:
            async with asyncio.timeout(self.limits.seconds):
                body = await _read(receive, self.limits.body_bytes)
        except TimeoutError:
            return _refusal(408, f"the body did not arrive within {self.limits.seconds:g} seconds")
        except ConnectionError:
            return None
        if body is None:
            return _refusal(413, f"the body is larger than {self.limits.body_bytes} bytes")
        whole_body: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

        async def receive_read() -> Message:
            return whole_body.pop() if whole_body else await receive()

        await self.app(scope, receive_read, send)
        return None

    def _is_allowed(self, scope: Message) -> bool:
        if self.authorization is None or scope["path"] in OPEN_PATHS:
            return True
        header = next((value for name, value in scope["headers"] if name == b"authorization"), b"")
        scheme, _, credentials = header.partition(b" ")
        return hmac.compare_digest(scheme.lower() + b" " + credentials.strip(b" "), self.authorization)


async def _read(receive: Receive, largest: int) -> bytes | None:
    """A request's body; None for one of more than `largest` bytes, of which no more are kept. Raises ConnectionError
    where the client goes before its end.
    """
    parts: list[bytes] = []
    size = 0
    while size <= DRAINED * largest:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ConnectionError
        part = message.get("body", b"")
        size += len(part)
        if size <= largest:
            parts.append(part)
        else:
            parts.clear()
        if not message.get("more_body", False):
            break
    return b"".join(parts) if size <= largest else None


def _refusal(status: int, detail: str, headers: dict[str, str] | None = None) -> JSONResponse:
    return JSONResponse({"detail": detail}, status, headers)


def _place(error: Exception) -> str:
    """An error's kind and where it was raised, without its words, which may quote a text."""
    frame = traceback.extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__} at {frame.filename}:{frame.lineno}"


def _field_errors(error: RequestValidationError) -> str:
    """The fields that are wrong, as in `history.3.text: String should have at most 20000 characters`."""
    lines = []
    for one in error.errors()[:ERRORS_SHOWN]:
        path = [] if one["type"] == "json_invalid" else [printable(part)[:KEY_CHARACTERS] for part in one["loc"][1:]]
        message = {
            "json_invalid": f"is not JSON: {one.get('ctx', {}).get('error')}",
            "model_attributes_type": "must be a JSON object",
            "extra_forbidden": "unknown field",
        }.get(one["type"], one["msg"].removeprefix("Value error, "))
        lines.append(f"{'.'.join(path) or 'body'}: {message}")
    return "; ".join(lines)


def _is_json(request: Request) -> None:
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise HTTPException(415, "Content-Type: must be application/json")


def application(gate: Gate, token: str | None, model: str, limits: Limits = Limits()) -> FastAPI:  # noqa: B008
    """The routes of a gate. `token` is what requests must bear, None for none; `model` the name that /version says."""
    thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="gate")  # a gate answers one question at a time
    places = BoundedSemaphore(1 + limits.waiting)
    version = _version_of(gate, model)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        thread.shutdown(wait=False, cancel_futures=True)

    app = FastAPI(title=version.asks, lifespan=lifespan, redoc_url=None)
    app.add_middleware(Guard, token=token, limits=limits)
    needs_token = [] if token is None else [Depends(HTTPBearer(auto_error=False))]  # says so in /docs; Guard refuses

    @app.exception_handler(RequestValidationError)
    async def wrong_fields(_: Request, error: RequestValidationError) -> JSONResponse:
        return _refusal(422, _field_errors(error))

    @app.post("/decide", dependencies=[Depends(_is_json), *needs_token])
    async def decide(inquiry: Inquiry) -> Answer:
        """The answer to the model's question, and the question to go on with."""
        if not places.acquire(blocking=False):
            raise HTTPException(503, "too many questions are waiting", RETRY_AFTER)
        future = thread.submit(_decide, gate, inquiry)
        future.add_done_callback(lambda _: places.release())  # of one that takes too long, not before it ends
        try:
            decision = await asyncio.wait_for(asyncio.wrap_future(future), limits.seconds)
        except TimeoutError as error:
            raise HTTPException(503, f"no answer within {limits.seconds:g} seconds", RETRY_AFTER) from error
        return Answer(needed=decision.needed, probability=decision.probability, question=decision.question)

    @app.get("/health")
    async def health() -> Health:
        """Whether the server runs."""
        return Health(status="ok")

    @app.get("/version", dependencies=needs_token)
    async def version_route() -> Version:
        """Model, adapter, prompt and threshold."""
        return version

    return app


def _decide(gate: Gate, inquiry: Inquiry) -> Decision:
    """Raises HTTPException with status 422 for a message that doesn't fit into the model's context."""
    history = [(turn.speaker, turn.text) for turn in inquiry.history]
    try:
        return gate(history, inquiry.message, inquiry.speaker)
    except click.ClickException as error:
        if _fits(gate, inquiry.message):
            raise
        detail = f"message: too long for the model, which reads {gate.engine.context} tokens"
        raise HTTPException(422, detail) from error


def _fits(gate: Gate, message: str) -> bool:
    """Whether a message alone fits into the model's context."""
    item = {"sender": "", "text": message, "cr_window": []}
    text = prompts.render(item, gate.template, prompts.OPTIONS, window=0)
    return gate.engine.fits([{"role": "user", "content": text}], answer_tokens=1)


def _version_of(gate: Gate, model: str) -> Version:
    question = gate.p.question.definition
    return Version(
        model=model,
        asks=question.asks,
        adapter=gate.engine.identity.get("adapter"),
        prompt=fingerprint(question.folder / "prompts" / f"{gate.p.question.prompt}.yaml"),
        resolve=gate.p.gate.resolve,
        log_odds=gate.threshold.log_odds,
        temperature=gate.threshold.temperature,
    )
