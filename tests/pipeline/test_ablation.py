"""The grid of Table 3 as real experiments of DVC, over a pipeline that trains nothing."""

import json
import sys
from pathlib import Path

import pytest

from tests.clones import call, commit, copy, take_results_away

MODEL = "smollm2_135m_10"
PIPELINE = """
stages:
  train:
    foreach: ${finetune}
    do:
      cmd: echo trained >> TRAININGS && python small.py train ${item}
      params: [lr, epochs, lora_rank, loraplus_ratio, seeds]
      outs: ["data/adapters/${item}"]
  tuned:
    foreach: ${finetune}
    do:
      cmd: python small.py tuned ${item}
      deps: ["data/adapters/${item}"]
      params: [evaluate.split, ladder]
      outs:
        - metrics/details/baseline/${item}.json: {cache: false}
        - metrics/details/tuned/${item}.json: {cache: false}
      metrics:
        - metrics/baseline/${item}.json: {cache: false}
        - metrics/tuned/${item}.json: {cache: false}
"""
SMALL = """
import json, sys
from pathlib import Path

from ruamel.yaml import YAML

p = YAML(typ="safe", pure=True).load(Path("params.yaml").read_text())
adapter = Path("data/adapters") / sys.argv[2]


def scores(f1):
    n = {"dev": 5, "test": 9}[p["evaluate"]["split"]]
    return json.dumps({"f1": f1, "f1_low": f1 - 0.1, "f1_high": f1 + 0.1, "n": n})


if sys.argv[1] == "train":
    adapter.parent.mkdir(parents=True, exist_ok=True)
    adapter.write_text(json.dumps(p["lora_rank"] / 200 + p["lr"] * 100 + p["seeds"][0] / 10))
else:
    for state, f1 in (("baseline", 0.3), ("tuned", json.loads(adapter.read_text()))):
        for folder, text in (("metrics", json.dumps({"f1": f1})), ("metrics/details", scores(round(f1, 6)))):
            file = Path(folder) / state / f"{sys.argv[2]}.json"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
"""


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = copy(tmp_path_factory.mktemp("ablation"))
    take_results_away(folder)
    (folder / "small.py").write_text(SMALL)
    (folder / "dvc.yaml").write_text(PIPELINE.replace("TRAININGS", str(folder / "trainings")))
    (folder / ".gitignore").write_text("__pycache__/\ntrainings\nout/\n")
    call(folder, "git", "checkout", "--quiet", "-b", "main")
    commit(folder, "a pipeline")
    return folder


def ablation(folder: Path, *options: str, fails: bool = False) -> str:
    files = "out/ablation.md", "out/ablation.json"
    return call(folder, sys.executable, "-m", "stages.studies.ablation", MODEL, *files, *options, fails=fails)


def test_the_loop_the_table_and_going_on(clone: Path) -> None:
    (clone / "out").mkdir()
    ablation(clone, "--grid", "lr_2e_4,rank_64")
    trained = (clone / "trainings").read_text().count("trained")
    assert trained == 1  # the two are one, and judging on another split trains nothing
    names = call(clone, "dvc", "exp", "list", "--name-only").split()
    assert sorted(names) == ["smollm2-135m-10-lr-2e-4-seed-0-dev", "smollm2-135m-10-lr-2e-4-seed-0-test"]

    output = ablation(clone, "--grid", "lr_2e_4,rank_16", "--seeds", "0,1")
    assert (clone / "trainings").read_text().count("trained") == 4  # what was there is not run again
    assert "| lr_2e_4 | 39.00 (29.00 to 49.00; seeds 34.00 to 44.00) | 39.00 (29.00" in output
    assert "| rank_16 | 15.00 (5.00 to 25.00; seeds 10.00 to 20.00) |" in output
    assert "| vanilla | 30.00 (20.00 to 40.00) |" in output
    assert "n = 5 on dev, 9 on test; seeds 0,1" in output
    assert call(clone, "git", "status", "--porcelain") == ""  # the workspace stays as it is
    results = json.loads((clone / "out" / "ablation.json").read_text())
    assert results["methods"]["rank_16"]["test"]["f1"] == pytest.approx(0.15)


def test_a_method_that_is_not_in_the_table(clone: Path) -> None:
    assert "no such method: rank_8; known: lr_2e_5" in ablation(clone, "--grid", "rank_8", fails=True)


@pytest.mark.parametrize("seeds", ["", "a", "0,-1", "1.5", str(2**32), "0,,1"])
def test_seeds_that_are_none(clone: Path, seeds: str) -> None:
    assert f"--seeds {seeds}: numbers from 0 to 4294967295" in ablation(clone, "--seeds", seeds, fails=True)


def test_experiments_by_hand(clone: Path, tmp_path: Path) -> None:
    """What the README says of experiments: another value, another ladder, a queue, keeping one, sharing one by git."""
    folder = tmp_path / "own"
    call(tmp_path, "git", "clone", "--quiet", str(clone), "own")
    call(tmp_path, "git", "init", "--quiet", "--bare", "remote")
    call(folder, "git", "remote", "set-url", "origin", str(tmp_path / "remote"))
    call(folder, "dvc", "remote", "add", "--default", "storage", str(tmp_path / "store"))
    one_model = ("-S", f"ladder=[{MODEL}]", "-S", f"finetune=[{MODEL}]")
    call(folder, "dvc", "repro")
    commit(folder, "base")
    call(folder, "git", "push", "--quiet", "origin", "main")
    call(folder, "dvc", "exp", "run", "-n", "slow", "-S", "lr=2e-5", *one_model)
    experiments = call(folder, "dvc", "exp", "show", "--only-changed", "--no-pager")
    assert "slow" in experiments
    call(folder, "git", "checkout", "--quiet", ".")
    call(folder, "dvc", "exp", "run", "-n", "wide", "-S", "lora_rank=32", "--queue")
    call(folder, "dvc", "exp", "run", "--run-all")
    assert set(call(folder, "dvc", "exp", "list", "--name-only").split()) == {"slow", "wide"}
    call(folder, "dvc", "exp", "push", "origin", "slow")

    call(tmp_path, "git", "clone", "--quiet", str(tmp_path / "remote"), "other", "--branch", "main")
    other = tmp_path / "other"
    assert "slow" in call(other, "dvc", "exp", "list", "origin")
    call(other, "dvc", "exp", "pull", "origin", "slow")
    call(other, "dvc", "exp", "apply", "slow")
    assert "lr: 2e-05" in (other / "params.yaml").read_text()
    assert (other / "data" / "adapters" / MODEL).exists()
