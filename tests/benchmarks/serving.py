"""How many questions a second the gate's server answers, and what it does over minutes of right and wrong requests.

    python -m tests.benchmarks.serving data/adapters/smollm2_135m [--seconds 180] [--clients 4]

Clients send the questions of data/items.jsonl, each its next one as soon as it has an answer. One request in ten is a
wrong one. Memory is the server's resident set; the start is the first answer.
"""

import random
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple

import click
import numpy as np
import requests

from stages.pipeline.schemas import Item
from stages.pipeline.tables import read, rows
from tests.gate_server import Server, serving

WRONG_SHARE = 0.1
TIMEOUT = 120  # seconds; the server's own limits are shorter
JSON = {"Content-Type": "application/json"}
QUESTION = {"history": [], "message": "And how do I flash it?"}
WRONG: dict[str, dict[str, Any]] = {  # arguments of requests.post
    "not JSON": {"data": b"{", "headers": JSON},
    "nested": {"data": b"[" * 100_000, "headers": JSON},
    "no message": {"json": {"history": []}},
    "blank message": {"json": QUESTION | {"message": " "}},
    "unknown field": {"json": QUESTION | {"mesage": "why?"}},
    "long text": {"json": QUESTION | {"message": "a" * 20_001}},
    "more tokens than fit": {"json": QUESTION | {"message": "a " * 10_000}},
    "a form": {"data": {"message": "why?"}},
    "large body": {"data": b"x" * (2**20 + 1), "headers": JSON},
    "large body in chunks": {"data": [b"x" * 2**16] * 17, "headers": JSON},
}


class Reply(NamedTuple):
    kind: str  # a key of WRONG, or "question"
    status: str  # of HTTP, or the kind of error of a connection
    seconds: float


def questions_of(items: Path) -> list[dict[str, Any]]:
    """Requests, one for each item."""
    return [
        {
            "history": [{"speaker": turn["sender"], "text": turn["text"]} for turn in item["cr_window"]],
            "message": item["text"],
            "speaker": item["sender"],
        }
        for item in rows(read(items, Item))
    ]


def ask(url: str, questions: list[dict[str, Any]], end: float, seed: int, replies: list[Reply]) -> None:
    """Send one request after the other until `end`, a time of time.monotonic."""
    rng = random.Random(seed)
    with requests.Session() as session:
        while time.monotonic() < end:
            kind = rng.choice(list(WRONG)) if rng.random() < WRONG_SHARE else "question"
            arguments = WRONG.get(kind) or {"json": rng.choice(questions)}
            if isinstance(arguments.get("data"), list):
                arguments = arguments | {"data": iter(arguments["data"])}  # a generator is sent in chunks
            start = time.monotonic()
            try:
                status = str(session.post(f"{url}/decide", timeout=TIMEOUT, **arguments).status_code)
            except requests.RequestException as error:
                status = type(error).__name__
            replies.append(Reply(kind, status, time.monotonic() - start))


def resident_megabytes(process: int) -> int:
    status = Path(f"/proc/{process}/status").read_text()
    [line] = [line for line in status.splitlines() if line.startswith("VmRSS")]
    return int(line.split()[1]) // 1024


def soak(server: Server, questions: list[dict[str, Any]], seconds: float, clients: int) -> None:
    requests.post(f"{server.url}/decide", json=questions[0], timeout=TIMEOUT).raise_for_status()
    memory_at_start = resident_megabytes(server.process.pid)
    replies: list[Reply] = []
    start = time.monotonic()
    threads = [
        threading.Thread(target=ask, args=(server.url, questions, start + seconds, seed, replies))
        for seed in range(clients)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    duration = time.monotonic() - start
    times = [reply.seconds for reply in replies if (reply.kind, reply.status) == ("question", "200")]
    median, high = np.percentile(times, [50, 95])
    click.echo(f"{clients} clients, {duration:.0f} s, {len(replies)} requests")
    click.echo(f"answers: {len(times) / duration:.2f} a second, p50 {median * 1000:.0f} ms, p95 {high * 1000:.0f} ms")
    click.echo(f"memory: {memory_at_start} MB at the start, {resident_megabytes(server.process.pid)} MB at the end")
    click.echo("| request | status | n |\n|---|---|---|")
    for (kind, status), count in sorted(Counter((reply.kind, reply.status) for reply in replies).items()):
        click.echo(f"| {kind} | {status} | {count} |")


@click.command(help=__doc__)
@click.argument("adapter", type=click.Path(exists=True, path_type=Path))
@click.option("--seconds", type=float, default=180, show_default=True)
@click.option("--clients", type=int, default=4, show_default=True)
def main(adapter: Path, seconds: float, clients: int) -> None:
    questions = questions_of(adapter.resolve().parents[1] / "items.jsonl")
    with serving(adapter) as server:
        soak(server, questions, seconds, clients)
        log = server.log.read_text()
    click.echo(
        f"status of the server when it was ended: {server.process.returncode}; its log has {len(log)} characters"
    )
    click.echo(log[-2000:], err=True, nl=False)


if __name__ == "__main__":
    main()
