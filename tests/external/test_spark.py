"""The same expressions on Spark and on DuckDB: every byte of concat's and filter's tables is the same.

Run by `make test-spark`, which makes an environment with PySpark beside the pipeline's own.
"""

import json
import os
import random
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from stages.pipeline.schemas import Message
from stages.pipeline.tables import from_rows, write
from tests.conftest import ROOT, RULES_ALONE, Row, change_params, copy_settings, messages
from tests.synthetic_chat import CHINESE, ENGLISH

SPARK = ROOT / ".venv-spark" / "bin" / "python"
LOCAL = "--master local[2] --conf spark.ui.enabled=false --conf spark.sql.shuffle.partitions=3"

pytestmark = pytest.mark.skipif(not SPARK.exists() or not shutil.which("java"), reason="make test-spark")


def log() -> list[Row]:
    """Twelve groups in which people often go on within the gap, with what JSON writers treat differently."""
    rng = random.Random(0)
    odd = ['a "quote" \\ and / slash', "tab\tand\rreturn", "\x01\x1f\x7f", "é 🙂 \u2028 \u2029 \ufeff?", " "]
    odd += ["</b>&'", "a\nb?"]
    rows: list[Row] = []
    for number in range(12):
        at, utterances = 0, []
        for _ in range(rng.choice([1, 5, 40])):
            at += rng.choice([0, 1, 17, 18, 60])
            utterances.append((rng.choice("abb"), at, rng.choice(ENGLISH + CHINESE + odd)))
        rows += messages(*utterances, group=f"gruppe ü{number}", first_id=1000 * number)
    return rows


def run(python: str | Path, folder: Path, stage: str, *arguments: str | Path) -> None:
    result = subprocess.run(
        [python, "-m", f"stages.{stage}", *arguments],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(ROOT), "PYSPARK_SUBMIT_ARGS": f"{LOCAL} pyspark-shell"},
        capture_output=True,
        text=True,
    )
    assert not result.returncode, result.stderr


def content(path: Path) -> bytes:
    return b"".join(shard.read_bytes() for shard in (sorted(path.glob("part-*")) if path.is_dir() else [path]))


OUTPUTS = "scores.jsonl score.json inquiries.jsonl rejects.jsonl filter.json"


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folders = {}
    for backend, python in (("duckdb", Path(sys.executable)), ("spark", SPARK)):
        folder = folders[backend] = tmp_path_factory.mktemp(backend)
        copy_settings(folder)
        change_params(folder, {"backend": backend} | RULES_ALONE)
        write(folder / "messages.jsonl", from_rows(log(), Message), Message)
        run(python, folder, "concat", "messages.jsonl", "turns.jsonl", "n.json", "concat.json")
        run(python, folder, "score", "turns.jsonl", "base", "scores.jsonl", "score.json")
        run(
            python,
            folder,
            "filter",
            "turns.jsonl",
            "scores.jsonl",
            "inquiries.jsonl",
            "rejects.jsonl",
            "n.json",
            "filter.json",
        )
    return folders


@pytest.mark.parametrize(
    "name",
    ["turns.jsonl", "concat.json", *OUTPUTS.split()],
)
def test_every_byte_is_the_same(both: dict[str, Path], name: str) -> None:
    data = content(both["spark"] / name)
    assert data == content(both["duckdb"] / name)
    assert len(data) > 100 or name in ("concat.json", "score.json")


def test_spark_wrote_shards_and_the_log_has_turns_of_several_messages(both: dict[str, Path]) -> None:
    assert (both["spark"] / "turns.jsonl" / "_SUCCESS").exists()
    metrics = json.loads((both["spark"] / "concat.json").read_text())
    assert metrics["messages"] > 1.2 * metrics["turns"]


def test_parquet_holds_the_same_rows(both: dict[str, Path]) -> None:
    """Written by Spark in shards, read by DuckDB."""
    run(SPARK, both["spark"], "concat", "messages.jsonl", "turns.parquet", "n.json", "again.json")
    scores = both["spark"] / "scores.jsonl"
    outputs = ("inquiries.jsonl", "rejects.jsonl", "n.json", "filter.json")
    run(sys.executable, both["duckdb"], "filter", both["spark"] / "turns.parquet", scores, *outputs)
    assert content(both["duckdb"] / "inquiries.jsonl") == content(both["spark"] / "inquiries.jsonl")


def test_a_broken_line_is_an_error(both: dict[str, Path]) -> None:
    broken = both["spark"] / "broken.jsonl"
    broken.write_bytes((both["spark"] / "messages.jsonl").read_bytes() + b'{"id": "x"\n')
    with pytest.raises(AssertionError, match=r"broken\.jsonl"):
        run(SPARK, both["spark"], "concat", broken, "never.jsonl", "n.json", "never.json")
