"""Servers that mean harm, or are broken: each ends in one line that says what is wrong, soon, and without the key."""

import asyncio
import base64
import gzip
import json
import re
import resource
import socket
import ssl
import threading
import time
import zlib
from collections.abc import Awaitable, Callable, Iterator
from contextlib import closing, contextmanager
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

import click
import pytest

from stages.llm import answer_cache
from stages.llm.openai import OpenAI
from stages.pipeline.params import Endpoint
from tests.server import Server, endpoint, envelope
from tests.server import serving as serving_well

pytestmark = pytest.mark.slow

KEY = "sk-Kx7+pQ/2vR=9tZ4mN8wL1cYb"
BEARER = f"Bearer {KEY}"
CHAT: Any = [{"role": "user", "content": "hello"}]
LINE = 420  # characters of a message, the longest
Write = Callable[[bytes], Awaitable[None]]


def answer(status: int, body: bytes, *headers: str) -> bytes:
    head = [f"HTTP/1.1 {status} X", "Content-Type: application/json", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join([*head, "", ""]).encode() + body


def failed(message: str, status: int = 401) -> bytes:
    return answer(status, json.dumps({"error": {"message": message}}).encode())


def completion(content: Any = "B", logprob: str = "-0.5") -> bytes:
    """A good answer but for one thing; NaN and surrogates are written as they are."""
    token = {"token": "B", "logprob": "LOGPROB", "bytes": None}
    choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": content}}
    choice["logprobs"] = {"content": [token | {"top_logprobs": [token]}], "refusal": None}
    return answer(200, json.dumps(envelope([choice])).replace('"LOGPROB"', logprob).encode())


@cache
def bomb() -> bytes:
    """Two GB of zeros in 2 MB."""
    packer = zlib.compressobj(9, zlib.DEFLATED, zlib.MAX_WBITS | 16)
    part = bytes(2**24)
    packed = b"".join(packer.compress(part) for _ in range(128)) + packer.flush()
    return answer(200, packed, "Content-Encoding: gzip")


async def drip(write: Write) -> None:
    await write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n")
    while True:
        await write(b"1\r\n \r\n")
        await asyncio.sleep(0.05)


async def drip_of_headers(write: Write) -> None:
    await write(b"HTTP/1.1 200 OK\r\n")
    while True:
        await write(b"X-A: b\r\n")
        await asyncio.sleep(0.05)


async def endless(write: Write) -> None:
    await write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n")
    while True:
        await write(b"10000\r\n" + b" " * 0x10000 + b"\r\n")


async def silence(write: Write) -> None:
    await asyncio.sleep(60)


class Hostile(NamedTuple):
    name: str
    does: bytes | Callable[[], bytes] | Callable[[Write], Awaitable[None]]
    message: str
    asks: str = "logprobs"  # or structured, or generate
    seconds: float = 8
    lists: bool = True  # its list of models is like its answers; without, it has none


DEEP = b"[" * 200_000
ENDPOINTS = [
    Hostile("echoes the key", failed(f"wrong key {KEY}"), r"AuthenticationError.*wrong key \*\*\*"),
    Hostile("echoes the header", failed(f"got Authorization: {BEARER} ok"), r"Bearer \*\*\* ok"),
    Hostile("echoes half of the key", failed(f"wrong key {KEY[:12]}… it is"), r"wrong key \*\*\*… it is"),
    Hostile("echoes it in parts", failed("\n".join([KEY[:9], KEY[9:18], KEY[18:]])), r"401 - \*\*\*$"),
    Hostile("echoes it letter by letter", failed(" ".join(KEY)), r"401 - \*\*\*$"),
    Hostile("echoes it as a URL", failed(f"?key={quote(KEY, safe='')}&x"), r"\?key=\*\*\*&x"),
    Hostile("echoes it in base64", failed(base64.b64encode(BEARER.encode()).decode()), r"401 - QmVhcmVyI\*\*\*==$"),
    Hostile("echoes it in hex", failed(KEY.encode().hex()), r"401 - \*\*\*$"),
    Hostile("echoes it in capitals", failed(KEY.upper()), r"401 - \*\*\*$"),
    Hostile("another's secret", failed("password: hunter2hunter2"), r"password: \[secret\]"),
    Hostile("escape codes", failed("\x1b]0;pwned\x07\x1b[2J\x9b31m red"), r"401 - \]0;pwned \[2J 31m red$"),
    Hostile("bidi and lines", failed("a\u202eb\u2066c\r\nError: all\u2028good"), r"401 - a b c Error: all good$"),
    Hostile("a long message", failed("long " * 200_000), r"long long .*…$"),
    Hostile("a redirect", answer(302, b"", "Location: http://127.0.0.1:1/v1"), "redirects to another address"),
    Hostile("a permanent redirect", answer(308, b"", "Location: file:///etc/passwd"), "redirects to another"),
    Hostile("a slow drip", drip, r"no whole answer within 1 s"),
    Hostile("a slow drip of headers", drip_of_headers, r"no whole answer within 1 s"),
    Hostile("silence", silence, r"no whole answer within 1 s"),
    Hostile("an endless answer", endless, r"an answer of more than 8,388,608 bytes"),
    Hostile("a gzip bomb", bomb, r"an answer of more than 8,388,608 bytes"),
    Hostile("a bomb in an error", lambda: bomb().replace(b"200", b"500", 1), r"an answer of more than 8,388,608"),
    Hostile("broken gzip", answer(200, b"no gzip", "Content-Encoding: gzip"), "broke off.*DecodingError"),
    Hostile("deep JSON", answer(200, DEEP), "nested too deep", lists=False),
    Hostile("deep JSON in an error", answer(400, DEEP), r"BadRequestError: .*400"),
    Hostile("deep JSON in the text", completion('{"option":' * 50_000), "is none of A, B", "structured", lists=False),
    Hostile(
        "a probability of two", completion(logprob="0.7"), r"ValueError: no log-probabilities: \[0\.7\]", lists=False
    ),
    Hostile("not a number", completion(logprob="NaN"), r"ValueError: no log-probabilities: \[nan\]", lists=False),
    Hostile("no text", completion(""), r"sends no text \(finish_reason stop\)", "generate", lists=False),
    Hostile("an option in colour", completion('{"option":"\x1b[31mA"}'), r"31mA.* is none of A, B", "structured"),
    Hostile("no HTTP", b"SSH-2.0-OpenSSH_9.6\r\n", "no HTTP is spoken there"),
    Hostile("nothing at all", b"", "the connection broke off"),
    Hostile("come back next year", answer(429, b"{}", "Retry-After: 31536000"), "RateLimitError"),
    Hostile("knows nothing", answer(501, b"{}"), "InternalServerError.*501"),
]


@contextmanager
def serving(hostile: Hostile, tls: ssl.SSLContext | None = None) -> Iterator[str]:
    """The endpoint's URL; it runs in a thread of its own."""
    ready, stop, port = threading.Event(), asyncio.Event(), 0
    loop: Any = None
    does: Any = hostile.does
    replies = does if isinstance(does, bytes) or asyncio.iscoroutinefunction(does) else does()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async def write(data: bytes) -> None:
            writer.write(data)
            await writer.drain()

        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            length = [line.split(":")[1] for line in head.split("\r\n") if line.lower().startswith("content-length")]
            await reader.readexactly(int(length[0]) if length else 0)
            reply = replies if hostile.lists or not head.startswith("GET") else answer(404, b"{}")
            await (write(reply) if isinstance(reply, bytes) else reply(write))
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    async def serve() -> None:
        nonlocal port, loop
        loop = asyncio.get_running_loop()
        server = await asyncio.start_server(handle, "127.0.0.1", 0, ssl=tls)
        port = server.sockets[0].getsockname()[1]
        ready.set()
        await stop.wait()
        server.close()

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    assert ready.wait(10)
    try:
        yield f"http{'s' if tls else ''}://127.0.0.1:{port}/v1"
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join()


@pytest.fixture(autouse=True)
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LABELS_CACHE", str(tmp_path))
    monkeypatch.setenv("TEST_KEY", KEY)
    monkeypatch.setattr("stages.llm.openai_client.RETRIES", 2)


def complaint(url: str, asks: str = "logprobs") -> tuple[str, float]:
    """What is said of an endpoint, and after how many seconds."""
    how = "logprobs" if asks == "generate" else asks
    engine = OpenAI(Endpoint(**endpoint(url, timeout=1, choose_by=how)))
    start = time.monotonic()
    with pytest.raises(click.ClickException) as raised:
        if asks == "generate":
            answer_cache.generate(engine, [CHAT], 5, "test")
        else:
            answer_cache.choose(engine, [CHAT], ["A", "B"], "test")
    return raised.value.message, time.monotonic() - start


@pytest.mark.parametrize("hostile", ENDPOINTS, ids=[endpoint.name for endpoint in ENDPOINTS])
def test_hostile(hostile: Hostile, tmp_path: Path) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with serving(hostile) as url:
        message, seconds = complaint(url, hostile.asks)
    print(f"| {hostile.name} | {message.replace(url, 'URL')} | {seconds:.1f} |")
    assert message.startswith(f"{url}: ")
    assert re.search(hostile.message, message), message
    assert message.isprintable()
    assert len(message) < LINE
    assert seconds < hostile.seconds
    leaks = [KEY, BEARER, base64.b64encode(BEARER.encode()).decode(), quote(KEY, safe=""), KEY.encode().hex()]
    leaks += [KEY[start : start + 6] for start in range(len(KEY) - 5)]
    assert not any(leak.lower() in message.lower() for leak in leaks)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200_000  # KB: a bomb isn't unpacked
    assert answers_in(tmp_path) == []


def answers_in(cache: Path) -> list[Any]:
    import sqlite3

    file = cache / "answers" / "answers.sqlite"
    if not file.exists():
        return []
    with closing(sqlite3.connect(file)) as database:
        return database.execute("SELECT * FROM answers").fetchall()


def test_a_redirect_never_gets_the_key() -> None:
    got: list[bytes] = []
    with closing(socket.create_server(("127.0.0.1", 0))) as thief:
        thief.settimeout(1)
        port = thief.getsockname()[1]
        with serving(Hostile("", answer(307, b"", f"Location: http://127.0.0.1:{port}/v1/x"), "")) as url:
            complaint(url)
        with pytest.raises(TimeoutError):
            got.append(thief.accept()[0].recv(9999))
    assert got == []


def test_unreachable_servers_are_told_apart(tmp_path: Path) -> None:
    from subprocess import run

    complaints = {}
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        port = listener.getsockname()[1]
    complaints["refused"] = complaint(f"http://127.0.0.1:{port}/v1")
    complaints["no host"] = complaint("http://no-such-host.invalid/v1")
    pair = tmp_path / "pair.pem"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=127.0.0.1"]
    run([*command, "-keyout", pair, "-out", tmp_path / "cert.pem"], check=True, capture_output=True)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(tmp_path / "cert.pem", pair)
    good = Hostile("", completion(), "")
    with serving(good, tls) as url:
        complaints["self-signed"] = complaint(url)
        complaints["http to https"] = complaint(url.replace("https", "http"))
    with serving_well(Server()) as server:
        complaints["https to http"] = complaint(server.url.replace("http", "https"))
    for name, (message, seconds) in complaints.items():
        print(f"| {name} | {message} | {seconds:.1f} |")
    assert "nothing listens at that port" in complaints["refused"][0]
    assert "there is no host of that name" in complaints["no host"][0]
    assert "its certificate isn't trusted: self" in complaints["self-signed"][0]
    assert "no TLS (https) is spoken there" in complaints["https to http"][0]
    assert "no HTTP is spoken there" in complaints["http to https"][0]
    assert all(seconds < 8 for _, seconds in complaints.values())


def test_a_packed_answer_within_the_limits_is_read() -> None:
    body = completion().partition(b"\r\n\r\n")[2]
    packed = answer(200, gzip.compress(body), "Content-Encoding: gzip")
    with serving(Hostile("", packed, "")) as url:
        engine = OpenAI(Endpoint(**endpoint(url, timeout=1)))
        assert answer_cache.choose(engine, [CHAT], ["A", "B"], "test") == [[None, -0.5]]


def test_half_a_character_is_replaced() -> None:
    with serving(Hostile("", completion("a\ud800"), "", lists=False)) as url:
        assert answer_cache.generate(OpenAI(Endpoint(**endpoint(url, timeout=1))), [CHAT], 5, "test") == ["a\ufffd"]


@pytest.mark.parametrize(
    "url",
    [
        "http://ann:hunter2@host/v1",
        "http://:hunter2@host/v1",
        "http://hunter2@host/v1",
        "https://host/v1?api_key=hunter2",
        "https://host/v1?",
        "https://host/v1#hunter2",
        "https://host\\@hunter2/v1",
        "https://host＠hunter2/v1",
        "https://host:hunter2/v1",
        "https:///hunter2",
        "ftp://host/hunter2",
        "https://ho\nst/hunter2",
        "https://ho st/hunter2",
        "http://[hunter2",
    ],
)
def test_a_url_with_a_secret_or_no_host_is_refused_and_not_quoted(url: str, set_params: Callable[..., None]) -> None:
    from stages.pipeline.params import params

    set_params(**{"models.remote": {"engine": "openai", "family": "m", "endpoint": endpoint(url)}})
    with pytest.raises(click.ClickException, match=r"models\.remote\.endpoint\.url: ") as raised:
        params()
    assert "hunter2" not in raised.value.message


def test_an_ordinary_url_is_taken() -> None:
    for url in ("http://127.0.0.1:8000/v1", "https://api.moonshot.cn/v1", "http://[::1]:8000/v1", "https://host"):
        assert Endpoint(**endpoint(url)).url == url
