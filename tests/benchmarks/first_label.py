"""How long a log takes from its export to the first label and to all inquiries, by step.

    python -m tests.benchmarks.first_label 58000

`make bench BENCH=first_label ARGUMENTS=58000` runs this after `make repro`. The log has about so many messages: the
sample's conversations after the first `ingest.limit`, of two people each, as an export of its own. Each stage is a
process, as `dvc repro` runs it, and no answer of a model is stored before. The first label can be made once the first
part of the turns is scored and `label` has cut its inquiries. Scoring by the rules alone, which is no part of the way,
shows what the model costs.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import click

from tests.conftest import ROOT, RULES_ALONE, change_params, copy_settings

EXPORT = "data/export.json"
PARTIAL_SCORES = "data/partial_scores.jsonl"
STAGES = {
    "ingest": "data/messages.jsonl data/imported.jsonl data/rejects/ingest.jsonl n.json ingest.json",
    "concat": "data/messages.jsonl data/turns.jsonl n.json concat.json",
    "score": "data/turns.jsonl data/base data/scores.jsonl score.json",
    "filter": "data/turns.jsonl data/scores.jsonl data/inquiries.jsonl data/rejects/filter.jsonl n.json filter.json",
}
Seconds = dict[str, float]


def conversations(message_count: int) -> dict[str, Any]:
    """Conversations of the sample that `make repro` doesn't take, until they have so many messages."""
    from stages.pipeline.params import params

    sample = json.loads((ROOT / "data/raw/chitchat.json").read_text(encoding="utf-8"))
    limit = params(ROOT / "params.yaml").ingest.limit or 0
    chosen, total = {}, 0
    for id, conversation in list(sample.items())[limit:]:
        messages = [message for run in conversation["messages"] for message in run]
        if len({message["sender"] for message in messages}) > 1 and total < message_count:
            chosen[id] = conversation
            total += len(messages)
    return chosen


def make_project(folder: Path, message_count: int) -> None:
    """A project with the log as its export and the sample's models."""
    copy_settings(folder)
    change_params(folder, {"ingest.path": EXPORT, "ingest.limit": None})
    (folder / "data").mkdir()
    (folder / EXPORT).write_text(json.dumps(conversations(message_count)), encoding="utf-8")
    (folder / "data/base").symlink_to(ROOT / "data/base")


def run(folder: Path, *arguments: str) -> Seconds:
    """Run a module in the project; the seconds of its process on the clock and of all cores."""
    environment = os.environ | {"PYTHONPATH": str(ROOT), "LABELS_CACHE": str(folder / "cache")}
    start = time.perf_counter()
    process = subprocess.Popen([sys.executable, "-m", *arguments], cwd=folder, env=environment)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise click.ClickException(f"{' '.join(arguments)} failed")
    return {"s": time.perf_counter() - start, "cpu": usage.ru_utime + usage.ru_stime}


def run_stage(name: str, folder: Path) -> Seconds:
    return run(folder, f"stages.{name}", *STAGES[name].split())


def score_by_rules(folder: Path) -> Seconds:
    shutil.copy(folder / "params.yaml", folder / "all.yaml")
    change_params(folder, RULES_ALONE)
    seconds = run_stage("score", folder)
    (folder / "all.yaml").replace(folder / "params.yaml")
    (folder / PARTIAL_SCORES).unlink()
    return seconds


def score(folder: Path) -> tuple[Seconds, Seconds]:
    """The seconds of the whole stage, and those until the first part is scored."""
    start = time.perf_counter()
    first_part: Seconds = {}

    def watch() -> None:
        file = folder / PARTIAL_SCORES
        while not file.exists() or file.read_bytes().count(b"\n") < 2:
            time.sleep(0.1)
        first_part["s"] = time.perf_counter() - start

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    whole = run_stage("score", folder)
    watcher.join()
    return whole, first_part


def work(folder: Path) -> dict[str, int]:
    """How much is scored: turns, those that the model is asked about, the prompts, their tokens and those computed."""
    from stages.llm.scorers import _without_final_marks
    from stages.llm.tokenization import encode, rows_of_beginnings
    from stages.llm.weights import load_tokenizer

    scores = [json.loads(line) for line in (folder / "data/scores.jsonl").read_text(encoding="utf-8").splitlines()]
    turns = [json.loads(line) for line in (folder / "data/turns.jsonl").read_text(encoding="utf-8").splitlines()]
    asked = {score["id"] for score in scores if score["scorer"] == "mark_is_question"}
    tokenizer = load_tokenizer(folder / "data/base/smollm2_135m")
    prompts = {prompt for turn in turns if turn["id"] in asked for prompt in _without_final_marks(turn["text"])}
    encoded = [encode(tokenizer, prompt) for prompt in sorted(prompts)]
    return {
        "messages": sum(turn["messages"] for turn in turns),
        "turns": len(turns),
        "turns asked": len(asked),
        "prompts": len(prompts),
        "tokens of the prompts": sum(map(len, encoded)),
        "tokens without repeated beginnings": sum(len(encoded[row[0]]) for row in rows_of_beginnings(encoded)),
    }


def print_early_inquiries() -> None:
    """What `label` does before it shows the first one."""
    from stages.labels.early import early_inquiries
    from stages.pipeline.params import params

    early = early_inquiries(Path("data/inquiries.jsonl"), params())
    click.echo(f"inquiries: {early.table.count().execute() if early else None}", err=True)


@click.command(help=__doc__)
@click.argument("message_count", type=int)
@click.option("--early", is_flag=True, hidden=True)
def main(message_count: int, early: bool) -> None:
    if early:
        print_early_inquiries()
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_project(folder, message_count)
        steps = {"ingest": run_stage("ingest", folder), "concat": run_stage("concat", folder)}
        steps["score by rules alone"] = score_by_rules(folder)
        steps["score"], steps["score, first part"] = score(folder)
        steps["label, until the first question"] = run(folder, "tests.benchmarks.first_label", "0", "--early")
        steps["filter"] = run_stage("filter", folder)
        counts = work(folder)
    to_all = sum(steps[step]["s"] for step in ("ingest", "concat", "score", "filter"))
    to_first = ("ingest", "concat", "score, first part", "label, until the first question")
    click.echo("\n| step | s | of the way to all inquiries | CPU s |\n|---|---|---|---|")
    for step, seconds in steps.items():
        cpu = f"{seconds['cpu']:.1f}" if "cpu" in seconds else ""
        click.echo(f"| {step} | {seconds['s']:.1f} | {seconds['s'] / to_all:.0%} | {cpu} |")
    click.echo(
        f"\nfirst label after {sum(steps[step]['s'] for step in to_first):.0f} s, all inquiries after {to_all:.0f} s"
    )
    click.echo(", ".join(f"{name} {count:,}" for name, count in counts.items()))
    model_seconds = steps["score"]["s"] - steps["score by rules alone"]["s"]
    click.echo(
        f"the model: {counts['turns asked'] / model_seconds:.1f} turns and"
        f" {counts['tokens without repeated beginnings'] / model_seconds:.0f} of these tokens a second"
    )


if __name__ == "__main__":
    main()
