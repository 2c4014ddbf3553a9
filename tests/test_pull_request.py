"""The comment on a pull request, from a small pipeline that DVC really runs, on a branch that changes lr and one that
changes labels. What comes out is kept in tests/comments/.
"""

import json
import sys
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from stages.results.comment import unexplained
from tests.clones import call, commit, copy
from tests.conftest import ROOT, change_params

KEPT = Path(__file__).parent / "comments"
PIPELINE = """
stages:
  annotate:
    cmd: cp data/annotations/ann.jsonl data/labelled.jsonl
    deps: [data/annotations]
    outs: [data/labelled.jsonl]
  train:
    cmd: python small.py train
    deps: [small.py, data/labelled.jsonl]
    params: [lr]
    outs: [data/adapters/small]
    metrics:
      - metrics/tuned/small.json: {cache: false}
  law_tuned:
    cmd: python small.py law
    deps: [small.py, metrics/tuned]
    metrics:
      - metrics/law.json: {cache: false}
      - metrics/law_tuned.json: {cache: false}
    plots:
      - metrics/plots/size.json: {cache: false, template: size, x: parameters, y: value}
"""
SMALL = """
import json, sys
from pathlib import Path

from ruamel.yaml import YAML


def write(file, value):
    Path(file).parent.mkdir(parents=True, exist_ok=True)
    Path(file).write_text(json.dumps(value))


labels = Path("data/labelled.jsonl").read_text().count("true")
lr = YAML(typ="safe", pure=True).load(Path("params.yaml").read_text())["lr"]
if sys.argv[1] == "train":
    write("data/adapters/small", [labels, lr])
    write("metrics/tuned/small.json", {"f1": round(labels / 10 - lr, 6), "n": 10})
else:
    f1 = json.loads(Path("metrics/tuned/small.json").read_text())["f1"]
    write("metrics/law.json", {"verdict": -1})
    write("metrics/law_tuned.json", {"verdict": 2 if f1 > 0.6 else 1})
    one = {"state": "tuned", "model": "small", "parameters": 1000000, "value": 100 * f1, "low": 50, "high": 90}
    write("metrics/plots/size.json", [one | {"score": "precision"}, one | {"score": "F1 score"}])
"""


def label(folder: Path, needed: int) -> None:
    (folder / "data" / "annotations").mkdir(parents=True, exist_ok=True)
    lines = "".join(json.dumps({"id": i, "needed": i < needed}) + "\n" for i in range(10))
    (folder / "data" / "annotations" / "ann.jsonl").write_text(lines)


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project on main whose small pipeline has run, and two branches on which it has run again."""
    folder = tmp_path_factory.mktemp("pull")
    copy(folder)
    for name in ("dvc.lock", "metrics", "data/annotations"):
        call(folder, "rm", "-r", name)
    (folder / "dvc.yaml").write_text(PIPELINE)
    (folder / "small.py").write_text(SMALL)
    (folder / ".gitignore").write_text("__pycache__/\n/size.png\n")
    label(folder, 7)
    call(folder, "git", "checkout", "--quiet", "-b", "main")
    for branch in ("main", "slow", "labels"):
        if branch != "main":
            call(folder, "git", "checkout", "--quiet", "-b", branch, "main")
        if branch == "slow":
            change_params(folder, {"lr": 2e-5})
        if branch == "labels":
            label(folder, 6)
        call(folder, "dvc", "repro")
        commit(folder, branch)
    return folder


@pytest.mark.parametrize("branch", ["slow", "labels"])
def test_the_comment_on_a_branch(clone: Path, branch: str) -> None:
    """As the workflow's command writes it."""
    call(clone, "git", "checkout", "--quiet", branch)
    call(clone, "dvc", "checkout")
    said = call(clone, sys.executable, "-m", "stages.results.comment", "main", "size.png")
    assert said == (KEPT / f"{branch}.md").read_text(encoding="utf-8")
    assert (clone / "size.png").read_bytes().startswith(b"\x89PNG")
    assert call(clone, "git", "status", "--porcelain") == ""


def test_nothing_changed(clone: Path) -> None:
    call(clone, "git", "checkout", "--quiet", "main")
    said = call(clone, sys.executable, "-m", "stages.results.comment", "main", "size.png")
    assert said.count("No change.") == 2
    assert "WARNING" not in said
    assert "**changed**" not in said


def test_a_pipeline_that_has_run_in_part(clone: Path) -> None:
    call(clone, "git", "checkout", "--quiet", "-b", "part", "main")
    call(clone, "git", "rm", "--quiet", "-r", "metrics")
    call(clone, "git", "commit", "--quiet", "-m", "part")
    said = call(clone, sys.executable, "-m", "stages.results.comment", "main", "size.png")
    assert "| vanilla | no signal | none **changed** |" in said
    assert "Nothing has been evaluated yet." in said


def test_a_base_that_is_not_there(clone: Path) -> None:
    said = call(clone, sys.executable, "-m", "stages.results.comment", "nowhere", "size.png", fails=True)
    assert "nowhere" in said
    assert "Traceback" not in said


def stage(deps: dict[str, str], outs: dict[str, str], **params: float) -> dict[str, object]:
    listed = {
        kind: [{"path": path, "md5": md5} for path, md5 in of.items()] for kind, of in (("deps", deps), ("outs", outs))
    }
    return listed | ({"params": {"params.yaml": params}} if params else {})


def test_why_data_changed() -> None:
    """A folder that a stage depends on is made by all stages that write into it."""
    before = {
        "concat": stage({"stages/concat.py": "1"}, {"data/turns.jsonl": "1"}),
        "one": stage({"data/turns.jsonl": "1"}, {"data/all/one": "1"}, lr=1),
        "two": stage({"data/raw": "1"}, {"data/all/two": "1"}),
        "join": stage({"data/all": "1"}, {"data/joined": "1"}),
    }
    code = before | {"concat": stage({"stages/concat.py": "2"}, {"data/turns.jsonl": "2"})}
    assert unexplained(before, code) == [("`stages/concat.py`", "`data/turns.jsonl`")]
    rate = before | {"one": stage({"data/turns.jsonl": "1"}, {"data/all/one": "2"}, lr=2)}
    rate["join"] = stage({"data/all": "2"}, {"data/joined": "2"})
    assert unexplained(before, rate) == []
    raw = before | {
        "two": stage({"data/raw": "2"}, {"data/all/two": "2"}),
        "join": stage({"data/all": "2"}, {"data/joined": "2"}),
    }
    assert unexplained(before, raw) == [("`data/raw`", "`data/all/two`, `data/joined`")]
    chance = before | {"two": stage({"data/raw": "1"}, {"data/all/two": "2"})}
    assert unexplained(before, chance) == [("nothing that DVC knows of", "`data/all/two`")]


def test_the_workflow_is_sound() -> None:
    """actionlint, and what it can't know: the targets that the steps call are the Makefile's."""
    call(ROOT, "actionlint", ".github/workflows/pr.yml")
    workflow = YAML(typ="safe", pure=True).load((ROOT / ".github/workflows/pr.yml").read_text())
    runs = [step["run"] for job in workflow["jobs"].values() for step in job["steps"] if "run" in step]
    targets = {
        word for run in runs for line in run.splitlines() if line.startswith("make ") for word in line.split()[1:]
    }
    rules = (ROOT / "Makefile").read_text()
    for target in targets - {"--silent", ">", "comment.md", 'BASE="$BASE"'}:
        assert f"\n{target}: " in rules, target
