"""How fast a long log is joined and windowed, in what memory: the stages, a plain Python loop, polars.

    python -m tests.benchmarks.scale 58000 5800000

`make bench BENCH=scale ARGUMENTS="58000 5800000"` installs polars and runs this after `make repro`. A log of
n messages is the sample's, repeated with other groups and ids. Each candidate is a process of its own, from a file to
a file, one after the other: the stage as it stands, with its checks of contract and key and its sorting; the loop and
polars trust the order of the file and check nothing; copy is DuckDB reading and writing the file as it is, the least
that its JSON costs. Bytes are compared with the loop's. Windows are those of every sixth turn, from the turns
of the loop.
"""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from tests.conftest import ROOT

GAP = 18
SIZE = 12
EVERY = 6  # every so many turns has a window
FREE = 25 * 10**9  # bytes that stay free on the disk


def make(n: str, path: Path, _: Path) -> None:
    import duckdb

    columns = "id: 'BIGINT', \"group\": 'VARCHAR', position: 'BIGINT', sender: 'VARCHAR', text: 'VARCHAR'"
    con = duckdb.connect(config={"memory_limit": "2500MB", "temp_directory": str(path.parent / "spill")})
    con.sql(
        f"""CREATE TABLE said AS SELECT *, row_number() OVER (ORDER BY "group", position) - 1 AS i
        FROM read_json('{ROOT}/data/messages.jsonl', columns={{{columns}, timestamp: 'BIGINT'}})"""
    )
    (size,) = con.sql("SELECT count(*) FROM said").fetchall()[0]
    con.sql(
        f"""COPY (
            SELECT r * {size} + i AS id, printf('%06d-%s', r, "group") AS "group", position, sender, text,
              timestamp + r AS timestamp, NULL::BIGINT AS reply_to
            FROM range({-(-int(n) // size)}) AS repeated(r), said
            ORDER BY r, "group", position LIMIT {n}
        ) TO '{path}' (FORMAT json)"""
    )


def put(rows: Iterator[dict[str, Any]], path: Path) -> None:
    with path.open("w", encoding="utf-8") as file:
        for row in rows:
            file.write(json.dumps(row, ensure_ascii=False, separators=(",", ":")) + "\n")


def got(path: Path) -> Iterator[dict[str, Any]]:
    with path.open(encoding="utf-8") as file:
        yield from map(json.loads, file)


def joined(rows: Iterator[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    turn: dict[str, Any] = {}
    last = 0
    for row in rows:
        if turn and (turn["group"], turn["sender"]) == (row["group"], row["sender"]) and row["timestamp"] - last < GAP:
            turn["text"] += "\n" + row["text"]
            turn["messages"] += 1
        else:
            if turn:
                yield turn
            del row["reply_to"]
            turn = row | {"messages": 1}
        last = row["timestamp"]
    yield turn


def windowed(turns: Iterator[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    group, before = None, deque[dict[str, Any]](maxlen=SIZE)
    for turn in turns:
        if turn["group"] != group:
            group = turn["group"]
            before.clear()
        if turn["id"] % EVERY == 0:
            yield turn | {"is_question": True, "cr_window": list(before)}
        before.append({name: turn[name] for name in ("sender", "text", "timestamp")})


def loop(what: str, source: Path, target: Path) -> None:
    put((joined if what == "concat" else windowed)(got(source)), target)


def stages(what: str, source: Path, target: Path) -> None:
    if what == "concat":
        from stages.concat import main

        main.main([str(source), str(target), f"{target}.n.json", f"{target}.json"], standalone_mode=False)
        return
    from ibis import _

    from stages.chat.inquiries import inquiries_of
    from stages.pipeline.params import Scorer, params
    from stages.pipeline.schemas import Inquiry, Turn
    from stages.pipeline.tables import compute_on, read, write

    compute_on("duckdb")
    p = params(ROOT / "params.yaml")
    score = p.score.model_copy(update={"scorers": [Scorer(name="is_question", kind="rules")]})
    p = p.model_copy(update={"score": score, "filter": p.filter.model_copy(update={"window": SIZE})})
    inquiry_turns = read(source, Turn).filter(_.id % EVERY == 0)
    with tempfile.TemporaryDirectory() as folder:
        write(target, inquiries_of(read(source, Turn), inquiry_turns, p, Path(folder)), Inquiry)


def with_polars(what: str, source: Path, target: Path) -> None:
    import polars as pl

    names: dict[str, Any] = {"id": pl.Int64, "group": pl.String, "position": pl.Int64, "sender": pl.String}
    names |= {"text": pl.String, "timestamp": pl.Int64}
    table = pl.scan_ndjson(source, schema=names | ({} if what == "concat" else {"messages": pl.Int64}))
    if what == "concat":
        rule = pl.any_horizontal(
            pl.col("group") != pl.col("group").shift(),
            pl.col("sender") != pl.col("sender").shift(),
            pl.col("timestamp") - pl.col("timestamp").shift() >= GAP,
        )
        first = [pl.col(name).first() for name in names if name != "text"]
        result = (
            table.with_columns(turn=rule.fill_null(True).cum_sum())
            .group_by("turn", maintain_order=True)
            .agg(*first, pl.col("text").str.join("\n"), messages=pl.len())
            .select(*names, "messages")
        )
    else:
        turn = pl.struct("sender", "text", "timestamp")
        before = [turn.shift(n).over("group").alias(f"before_{n}") for n in range(SIZE, 0, -1)]
        window = pl.concat_list([f"before_{n}" for n in range(SIZE, 0, -1)]).list.drop_nulls()
        result = (
            table.with_columns(before)
            .filter(pl.col("id") % EVERY == 0)
            .with_columns(is_question=True, cr_window=window)
            .select(*names, "messages", "is_question", "cr_window")
        )
    result.sink_ndjson(target)


def copy(what: str, source: Path, target: Path) -> None:
    import duckdb

    duckdb.sql(f"COPY (SELECT * FROM read_json('{source}')) TO '{target}' (FORMAT json)")


CANDIDATES = {"copy": copy, "make": make, "stages": stages, "loop": loop, "polars": with_polars}
WORKER = [sys.executable, "-m", "tests.benchmarks.scale", "--one"]


def measure(name: str, what: str, source: Path, target: Path) -> dict[str, Any]:
    """Seconds on the clock and of all cores, peak gigabytes, gigabytes and hash of what was written."""
    command = [*WORKER, name, what, str(source), str(target)]
    start = time.perf_counter()
    process = subprocess.Popen(command, cwd=ROOT)
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - start
    process.returncode = os.waitstatus_to_exitcode(status)
    measured: dict[str, Any] = {"s": seconds, "cpu": usage.ru_utime + usage.ru_stime, "peak": usage.ru_maxrss / 1e6}
    if process.returncode:
        return measured | {"md5": None, "wrote": 0}
    with target.open("rb") as file:
        digest = hashlib.file_digest(file, "md5").hexdigest()
    return measured | {"md5": digest, "wrote": target.stat().st_size / 1e9}


@click.command(help=__doc__)
@click.argument("arguments", nargs=-1, required=True)
@click.option("--one", is_flag=True, hidden=True)
def main(arguments: tuple[str, ...], one: bool) -> None:
    if one:
        name, what, source, target = arguments
        CANDIDATES[name](what, Path(source), Path(target))
        return
    click.echo("| messages | step | candidate | s | times the loop | CPU s | peak GB | wrote GB | bytes |")
    click.echo("|---|---|---|---|---|---|---|---|---|")
    for n in map(int, arguments):
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            if shutil.disk_usage(folder).free < FREE + 1500 * n:
                raise click.ClickException(f"{n} messages need {1.5e-6 * n:.0f} GB, and {FREE / 1e9:.0f} GB more")
            log = folder / "messages.jsonl"  # made in another process, whose memory would count as a candidate's
            subprocess.run([*WORKER, "make", str(n), log, log], cwd=ROOT, check=True)
            base: dict[str, Any] = {}
            for what, source in (("concat", "messages"), ("windows", "loop-concat")):
                for candidate in ("loop", "stages", "polars", "copy"):
                    measured = measure(
                        candidate, what, folder / f"{source}.jsonl", folder / f"{candidate}-{what}.jsonl"
                    )
                    base = measured if candidate == "loop" else base
                    same = "the same" if measured["md5"] == base["md5"] else "others" if measured["md5"] else "failed"
                    click.echo(
                        f"| {n} | {what} | {candidate} | {measured['s']:.1f} | {base['s'] / measured['s']:.2f} |"
                        f" {measured['cpu']:.1f} | {measured['peak']:.2f} | {measured['wrote']:.2f} | {same} |"
                    )


if __name__ == "__main__":
    main()
