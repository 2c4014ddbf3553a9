"""Run the pipeline in a fresh clone, from raw data, and compare its outputs with the committed ones.

    python -m stages.tools.verify [STAGE ...]

With stages, only they and what leads to them run. Nothing is taken from a cache or a remote, kept answers and
checkpoints included, except your own export under DVC. Each output of dvc.lock is one of

- identical: the same bytes;
- within tolerance: what a model's rounding may change on another CPU. Tables from filter to export have the ids of the
  committed labels but for at most IDS; numbers differ by TOLERANCES, as a share or absolutely; scores of tuned models
  may lie anywhere in the committed 95% bounds, since another rounding makes another training;
- other bytes: predictions, weights and texts, which are judged by the numbers made from them, and the tuned law: three
  models close together change places with their trainings, so its verdict is shown and not judged;
- different. Then the exit code is 1.
"""

import json
import math
import os
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import click

from stages.labels.settling import annotation_queue, settle_inquiries
from stages.labels.store import load, standing_versions, votes
from stages.pipeline.command import Command
from stages.pipeline.files import read_json, read_yaml
from stages.pipeline.params import params
from stages.reporting.law_text import VERDICTS

ROOT = Path(__file__).parents[2]
BY_IDS = ("score", "filter", "annotate", "validate", "export")
ROUNDED = (
    "filter_probes",
    "states",
    "pseudo_label",
    "train",
    "law_tuned",
    "gate",
    "report",
)  # other bytes are no fault
IDS = 2  # of 4,930 turns; about one in 5,000 crosses its throttle on another CPU
TOLERANCES = {  # none for train: what it measures is the loss of its last step
    **dict.fromkeys(("score", "filter", "judge_filter", "annotate", "export"), 0.01),  # follow from such ids
    **dict.fromkeys(("baseline", "law"), 0.02),  # near ties, five of 237 answers
    **dict.fromkeys(("floor", "reannotate"), 0.02),  # near ties of a probe of hidden states
    **dict.fromkeys(("rank", "tuned"), 0.1),  # another rounding, another training
}
UNLABELLED = ("data/inquiries.jsonl", "data/rejects/filter.jsonl", "data/rejects/annotate.jsonl")  # have such ids too
IDENTICAL, WITHIN_TOLERANCE, OTHER_BYTES, DIFFERENT = "identical", "within tolerance", "other bytes", "different"
Hashes = dict[str, dict[str, str]]  # of outputs, by stage and path


class Output(NamedTuple):
    """An output of a stage and its verdict, with the reasons behind a colon."""

    stage: str
    path: str
    verdict: str


def output_hashes(folder: Path) -> Hashes:
    """The hash of each output in dvc.lock."""
    stages = read_yaml(folder / "dvc.lock")["stages"]
    return {name: {out["path"]: out["md5"] for out in stage.get("outs", [])} for name, stage in stages.items()}


def stages_run(dvc_output: str) -> list[str]:
    """The stages that DVC says it runs, in order."""
    return [line.split("'")[1] for line in dvc_output.splitlines() if line.startswith("Running stage")]


def numbers(metrics: Any, path: str = "") -> Iterator[tuple[str, float]]:
    """The numbers of a metrics file by their keys, with dots between."""
    if isinstance(metrics, dict):
        for key, value in metrics.items():
            yield from numbers(value, f"{path}.{key}" if path else key)
    elif not isinstance(metrics, str):
        yield path, metrics


def differences(stage: str, committed: Any, again: Any) -> list[str]:
    """The numbers of a stage's metrics that differ by more than its tolerance, a line each."""
    old, new = dict(numbers(committed)), dict(numbers(again))
    tolerance = TOLERANCES.get(stage, 0.0)
    lines = [f"{key}: only in one of the two" for key in sorted(old.keys() ^ new.keys())]
    for key in old.keys() & new.keys():
        near = math.isclose(old[key], new[key], rel_tol=tolerance, abs_tol=tolerance)
        low, high = old.get(f"{key}_low", math.inf), old.get(f"{key}_high", -math.inf)
        within_bounds = stage == "tuned" and low <= new[key] <= high
        if not near and not within_bounds:
            lines.append(f"{key}: {old[key]}, now {new[key]}")
    return sorted(lines)


def ids(path: Path) -> set[int]:
    """The ids of a table, or of the alpaca files of a folder."""
    if path.is_dir():
        tables = [read_json(file) for file in path.glob("*.json")]
        return {row["id"] for table in tables for row in table}
    return {json.loads(line)["id"] for line in path.read_text("utf-8").splitlines()}


def expected_ids(clone: Path) -> dict[str, set[int]]:
    """The ids of each table from filter to export that turns and committed labels lead to."""
    annotations = clone / "data" / "annotations"
    turns = ids(clone / "data" / "turns.jsonl")
    p = params(clone / "params.yaml")
    question = p.question.definition
    lines = load(annotations, question)
    settlement = settle_inquiries(sorted(turns), votes(lines), p.annotate, question)
    inquiries, labelled = set(settlement.votes_by_id), set(settlement.labels_by_id)
    queue = annotation_queue(lines, settlement, standing_versions(question.guideline))
    return {
        "data/scores.jsonl": turns,
        "data/inquiries.jsonl": inquiries,
        "data/rejects/filter.jsonl": turns - inquiries,
        "data/labelled.jsonl": labelled,
        "data/queue.jsonl": {row["id"] for row in queue},
        "data/rejects/annotate.jsonl": inquiries - labelled,
        "data/valid.jsonl": labelled,
        "data/items.jsonl": labelled,
        "data/alpaca": labelled,
    }


def committed_and_new(clone: Path, path: str) -> tuple[Any, Any]:
    """A metrics file as it is committed, and as the run wrote it."""
    committed = subprocess.run(["git", "show", f"HEAD:{path}"], cwd=clone, check=True, capture_output=True).stdout
    return json.loads(committed), read_json(clone / path)


def compare_outputs(clone: Path, committed: Hashes, stages: list[str]) -> Iterator[Output]:
    """Each output of the stages, as the clone's run wrote it, with its verdict."""
    expected: dict[str, set[int]] = {}
    unlabelled = 0
    if "filter" in stages:
        expected = expected_ids(clone)
        unlabelled = read_json(clone / "metrics" / "details" / "annotate.json")["unlabelled"]
    hashes = output_hashes(clone)
    for name in stages:
        stage = name.split("@")[0]
        for path, md5 in hashes[name].items():
            if committed.get(name, {}).get(path) == md5:
                yield Output(name, path, IDENTICAL)
            elif stage in BY_IDS and path in expected:
                tolerated = IDS + (unlabelled if path in UNLABELLED else 0)
                yield Output(name, path, verdict_by_ids(ids(clone / path), expected[path], tolerated))
            else:
                yield Output(name, path, verdict_by_content(clone, stage, path))


def verdict_by_ids(ids: set[int], expected: set[int], tolerated: int) -> str:
    """The verdict of a table of other bytes, of which `tolerated` ids may differ from the expected ones."""
    changed = ids ^ expected
    return WITHIN_TOLERANCE if len(changed) <= tolerated else f"{DIFFERENT}: {len(changed)} ids"


def verdict_by_content(clone: Path, stage: str, path: str) -> str:
    """The verdict of an output of other bytes by its numbers, where it has any that are judged."""
    if path.startswith("metrics/plots/"):
        return OTHER_BYTES
    if path in ("metrics/law_tuned.json", "metrics/details/law_tuned.json"):
        before, now = (VERDICTS[law["verdict"]] for law in committed_and_new(clone, path))
        return f"{OTHER_BYTES}: the verdict was {before}, is {now}"
    if stage in TOLERANCES and path.startswith("metrics/details/"):  # the files beside it repeat some of its numbers
        lines = differences(stage, *committed_and_new(clone, path))
        return f"{DIFFERENT}: {'; '.join(lines)}" if lines else WITHIN_TOLERANCE
    return OTHER_BYTES if stage in ROUNDED or stage in TOLERANCES else DIFFERENT


def copy_own_chat(clone: Path) -> None:
    """Give the clone what no stage can make: an export under DVC, from this repository's cache, and the key of its
    ids.
    """
    if (ROOT / ".chat_key").exists():
        shutil.copy(ROOT / ".chat_key", clone)
    exports = [str(file.relative_to(clone)) for file in (clone / "data").rglob("*.dvc")]
    if exports:
        cache = subprocess.run(["dvc", "cache", "dir"], cwd=ROOT, check=True, capture_output=True, text=True).stdout
        subprocess.run(["dvc", "cache", "dir", "--quiet", "--local", cache.strip()], cwd=clone, check=True)
        subprocess.run(["dvc", "checkout", "--quiet", *exports], cwd=clone, check=True)


@click.command(cls=Command, help=__doc__)
@click.argument("stages", nargs=-1)
def main(stages: tuple[str, ...]) -> None:
    with tempfile.TemporaryDirectory(prefix="verify-") as folder:
        clone = Path(folder, "clone")
        subprocess.run(["git", "clone", "--quiet", ROOT, clone], check=True)
        copy_own_chat(clone)
        committed = output_hashes(clone)
        repro = ["dvc", "repro", "--force", *stages]
        plan = subprocess.run([*repro, "--dry"], cwd=clone, check=True, capture_output=True, text=True).stdout
        run = subprocess.run(repro, cwd=clone, env=os.environ | {"LABELS_CACHE": str(Path(folder, "kept"))})
        if run.returncode:
            raise click.ClickException("the pipeline failed in the clone")
        outputs = list(compare_outputs(clone, committed, stages_run(plan)))
    for output in outputs:
        click.echo(f"{output.stage:24} {output.path:48} {output.verdict}")
    counts = Counter(output.verdict.partition(":")[0] for output in outputs)
    click.echo(", ".join(f"{count} {verdict}" for verdict, count in counts.items()))
    sys.exit(1 if counts[DIFFERENT] else 0)


if __name__ == "__main__":
    main()
