"""Run the pipeline in a fresh clone, from raw data, and say how what comes out differs from what is committed.

    python -m tests.verify [STAGE ...]

With stages, only they and what leads to them run. Nothing is taken from a cache or a remote, kept answers and
checkpoints included, but for your own export under DVC. Each output of dvc.lock is one of

- identical: the same bytes;
- within tolerance: what a model's rounding may change on another CPU. Tables from filter to export have the ids of the
  committed labels but for at most IDS; numbers differ by TOLERANCES, as a share or absolutely; scores of tuned models
  may lie anywhere in the committed 95% bounds, since another rounding makes another training;
- other bytes: predictions, weights and texts, which the numbers made from them stand for, and the tuned law: three
  models close together change places with their trainings, so its verdict is said and not judged;
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
from typing import Any

import click

from stages.annotate import look_again, settle
from stages.labels.store import guideline, load, votes
from stages.law import VERDICTS
from stages.params import params
from tests.clones import lock, running
from tests.conftest import ROOT

BY_IDS = ("filter", "annotate", "validate", "export")
JUDGED_BY_NUMBERS = ("baseline", "law", "reannotate", "train", "rank", "tuned", "law_tuned", "report")
IDS = 2  # of 4,930 turns; about one in 5,000 crosses its throttle on another CPU
TOLERANCES = {  # none for train: what it measures is the loss of its last step
    **dict.fromkeys(("filter", "annotate", "export"), 0.01),  # follow from such ids
    "floor": 1e-5,  # sums in float64, no model
    **dict.fromkeys(("baseline", "law"), 0.02),  # near ties, five of 237 answers
    "reannotate": 0.02,  # likewise, of what is read off hidden states
    **dict.fromkeys(("rank", "tuned"), 0.1),  # another rounding, another training
}
UNLABELLED = ("data/inquiries.jsonl", "data/rejects/filter.jsonl", "data/rejects/annotate.jsonl")  # hold such ids too


def numbers(metrics: Any, path: str = "") -> Iterator[tuple[str, float]]:
    """The leaves of a metrics file by their keys, with dots between."""
    if isinstance(metrics, dict):
        for key, value in metrics.items():
            yield from numbers(value, f"{path}.{key}" if path else key)
    else:
        yield path, metrics


def apart(stage: str, committed: Any, again: Any) -> list[str]:
    """The numbers of a stage's metrics that are further apart than its tolerance allows, a line each."""
    old, new = dict(numbers(committed)), dict(numbers(again))
    tolerance = TOLERANCES.get(stage, 0.0)
    found = [f"{key}: only in one of the two" for key in sorted(old.keys() ^ new.keys())]
    for key in old.keys() & new.keys():
        near = math.isclose(old[key], new[key], rel_tol=tolerance, abs_tol=tolerance)
        bounds = old.get(f"{key}_low", math.inf), old.get(f"{key}_high", -math.inf)
        if not near and not (stage == "tuned" and bounds[0] <= new[key] <= bounds[1]):
            found.append(f"{key}: {old[key]}, now {new[key]}")
    return sorted(found)


def ids(path: Path) -> set[int]:
    """The ids of a table, or of the alpaca files of a folder."""
    if path.is_dir():
        return {row["id"] for file in path.glob("*.json") for row in json.loads(file.read_text("utf-8"))}
    return {json.loads(line)["id"] for line in path.read_text("utf-8").splitlines()}


def expected_ids(clone: Path) -> dict[str, set[int]]:
    """The ids of each table from filter to export that turns and committed labels lead to."""
    turns, p = ids(clone / "data" / "turns.jsonl"), params(clone / "params.yaml").annotate
    labels = [*sorted((clone / "data" / "annotations").glob("*.jsonl")), clone / "data" / "imported.jsonl"]
    lines = load(labels)
    given = votes(lines)
    asked = set(given) & turns
    settled = {id: settle(given[id], p) for id in asked}
    labelled = {id for id, (label, _) in settled.items() if label in ("needed", "not_needed")}
    reasons = {id: why for id, (_, why) in settled.items() if why}
    again = look_again(lines, asked, reasons, guideline(clone / "data" / "annotations"))
    return {
        "data/scores.jsonl": turns,
        "data/inquiries.jsonl": asked,
        "data/rejects/filter.jsonl": turns - asked,
        "data/labelled.jsonl": labelled,
        "data/queue.jsonl": {row["id"] for row in again},
        "data/rejects/annotate.jsonl": asked - labelled,
        "data/valid.jsonl": labelled,
        "data/alpaca": labelled,
    }


def both(clone: Path, path: str) -> tuple[Any, Any]:
    """A metrics file as it is committed, and as it is now."""
    committed = subprocess.run(["git", "show", f"HEAD:{path}"], cwd=clone, check=True, capture_output=True).stdout
    return json.loads(committed), json.loads((clone / path).read_text("utf-8"))


def compare(clone: Path, committed: dict[str, dict[str, str]], stages: list[str]) -> Iterator[tuple[str, str, str]]:
    """For each output of the stages, its stage, path and verdict, with the reasons if it is different."""
    again = lock(clone)
    wanted = expected_ids(clone) if "filter" in stages else {}
    counts = json.loads((clone / "metrics" / "annotate.json").read_text("utf-8")) if wanted else {}
    for name in stages:
        stage = name.split("@")[0]
        for path, md5 in again[name].items():
            if committed.get(name, {}).get(path) == md5:
                yield name, path, "identical"
            elif stage in BY_IDS and path in wanted:
                moved = ids(clone / path) ^ wanted[path]
                near = len(moved) <= IDS + (counts["unlabelled"] if path in UNLABELLED else 0)
                yield name, path, "within tolerance" if near else f"different: {len(moved)} ids"
            elif path.startswith("metrics/plots/"):
                yield name, path, "other bytes"
            elif path == "metrics/law_tuned.json":
                before, now = (VERDICTS[one["verdict"]] for one in both(clone, path))
                yield name, path, f"other bytes: the verdict was {before}, is {now}"
            elif stage in TOLERANCES and path.startswith("metrics/") and path.endswith(".json"):
                far = apart(stage, *both(clone, path))
                yield name, path, "different: " + "; ".join(far) if far else "within tolerance"
            else:
                yield name, path, "other bytes" if stage in JUDGED_BY_NUMBERS else "different"


def take_own_chat(clone: Path) -> None:
    """What no stage can make anew: an export under DVC, out of this repository's cache, and the key of its ids."""
    if (ROOT / ".chat_key").exists():
        shutil.copy(ROOT / ".chat_key", clone)
    if exports := [str(file.relative_to(clone)) for file in (clone / "data").rglob("*.dvc")]:
        told = subprocess.run(["dvc", "cache", "dir"], cwd=ROOT, check=True, capture_output=True, text=True)
        subprocess.run(["dvc", "cache", "dir", "--quiet", "--local", told.stdout.strip()], cwd=clone, check=True)
        subprocess.run(["dvc", "checkout", "--quiet", *exports], cwd=clone, check=True)


@click.command(help=__doc__)
@click.argument("stages", nargs=-1)
def main(stages: tuple[str, ...]) -> None:
    with tempfile.TemporaryDirectory(prefix="verify-") as folder:
        clone = Path(folder, "clone")
        subprocess.run(["git", "clone", "--quiet", ROOT, clone], check=True)
        take_own_chat(clone)
        committed = lock(clone)
        repro = ["dvc", "repro", "--force", *stages]
        dry = subprocess.run([*repro, "--dry"], cwd=clone, check=True, capture_output=True, text=True).stdout
        done = subprocess.run(repro, cwd=clone, env=os.environ | {"LABELS_CACHE": str(Path(folder, "kept"))})
        if done.returncode:
            raise click.ClickException("the pipeline failed in the clone")
        found = list(compare(clone, committed, running(dry)))
    for name, path, verdict in found:
        click.echo(f"{name:24} {path:48} {verdict}")
    counts = Counter(verdict.partition(":")[0] for _, _, verdict in found)
    click.echo(", ".join(f"{count} {verdict}" for verdict, count in counts.items()))
    sys.exit(1 if counts["different"] else 0)


if __name__ == "__main__":
    main()
