"""The grid of Table 3 as real experiments of DVC, over a pipeline that trains nothing."""

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from stages.results.compare import beside
from stages.studies.ablation import GRID, experiment, mean, settings, table
from tests.clones import call, commit, copy
from tests.conftest import ROOT

MODEL = "smollm2_135m_10"
PIPELINE = """
stages:
  train:
    foreach: ${finetune}
    do:
      cmd: echo trained >> TRAININGS && python small.py train ${item}
      params: [lr, epochs, lora_rank, loraplus_ratio, seed]
      outs: ["data/adapters/${item}"]
  tuned:
    foreach: ${finetune}
    do:
      cmd: python small.py tuned ${item}
      deps: ["data/adapters/${item}"]
      params: [evaluate.split, ladder]
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
    adapter.write_text(json.dumps(p["lora_rank"] / 200 + p["lr"] * 100 + p["seed"] / 10))
else:
    for state, f1 in (("baseline", 0.3), ("tuned", json.loads(adapter.read_text()))):
        file = Path("metrics") / state / f"{sys.argv[2]}.json"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(scores(round(f1, 6)))
"""


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = copy(tmp_path_factory.mktemp("ablation"))
    for name in ("dvc.lock", "metrics"):
        call(folder, "rm", "-r", name)
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

    said = ablation(clone, "--grid", "lr_2e_4,rank_16", "--seeds", "0,1")
    assert (clone / "trainings").read_text().count("trained") == 4  # what was there is not run again
    assert "| lr_2e_4 | 39.00 (29.00 to 49.00; seeds 34.00 to 44.00) | 39.00 (29.00" in said
    assert "| rank_16 | 15.00 (5.00 to 25.00; seeds 10.00 to 20.00) |" in said
    assert "| vanilla | 30.00 (20.00 to 40.00) |" in said
    assert "n = 5 on dev, 9 on test; seeds 0,1" in said
    assert call(clone, "git", "status", "--porcelain") == ""  # the workspace stays as it is
    written = json.loads((clone / "out" / "ablation.json").read_text())
    assert written["methods"]["rank_16"]["test"]["f1"] == pytest.approx(0.15)


def test_a_method_that_is_not_in_the_table(clone: Path) -> None:
    assert "no such method: rank_8; known: lr_2e_5" in ablation(clone, "--grid", "rank_8", fails=True)


def test_the_grid_is_the_papers() -> None:
    paper = YAML(typ="safe", pure=True).load((ROOT / "data" / "paper.yaml").read_text())["table_3"]
    assert list(paper) == ["vanilla", *GRID]
    assert paper["lr_2e_4"] == paper["rank_64"]
    assert experiment("m", "rank_64", "dev", 0) == experiment("m", "lr_2e_4", "dev", 0)
    assert len({experiment("m", method, "dev", 0) for method in GRID}) == len(GRID) - 1


def test_a_models_own_settings_do_not_hide_those_of_the_grid(set_params: Callable[..., None]) -> None:
    set_params(**{"models.qwen1_5_7b.train": {"lora_rank": 16}})
    assert "models.qwen1_5_7b.train.lora_rank=32" in settings("qwen1_5_7b", "rank_32", "dev", 0)
    assert "lora_rank=32" in settings("qwen1_5_4b", "rank_32", "dev", 0)
    assert "lr=2e-5" in settings("qwen1_5_7b", "lr_2e_5", "dev", 0)


def test_seeds_are_averaged() -> None:
    runs = [{"f1": f1, "f1_low": f1 - 0.1, "f1_high": f1 + 0.2, "n": 7} for f1 in (0.4, 0.6)]
    found = mean(runs)
    assert found == {
        "f1": 0.5, "f1_low": 0.4, "f1_high": 0.7, "n": 7, "seeds": 2, "f1_least": 0.4, "f1_most": 0.6,
    }  # fmt: skip
    one = mean(runs[:1])
    assert table({"vanilla": {"dev": one, "test": found}}).splitlines()[-1] == (
        "| vanilla | 40.00 (30.00 to 60.00) | 50.00 (40.00 to 70.00; seeds 40.00 to 60.00) |"
    )


def test_beside_the_paper() -> None:
    said = beside({"ours": {"f1": 0.5}}, {"theirs": {"f1": 51.25}}, {"f1": lambda row: f"{row['f1']:.2f}"})
    assert said.splitlines() == [
        "|  | f1 | paper: f1 |",
        "|---|---|---|",
        "| theirs |  | 51.25 |",
        "| ours | 0.50 |  |",
    ]


def test_experiments_by_hand(clone: Path, tmp_path: Path) -> None:
    """What the README says of experiments: another value, another ladder, a queue, keeping one, sharing one by git."""
    folder = tmp_path / "own"
    call(tmp_path, "git", "clone", "--quiet", str(clone), "own")
    call(tmp_path, "git", "init", "--quiet", "--bare", "remote")
    call(folder, "git", "remote", "set-url", "origin", str(tmp_path / "remote"))
    call(folder, "dvc", "remote", "add", "--default", "storage", str(tmp_path / "store"))
    one = ("-S", f"ladder=[{MODEL}]", "-S", f"finetune=[{MODEL}]")
    call(folder, "dvc", "repro")
    commit(folder, "base")
    call(folder, "git", "push", "--quiet", "origin", "main")
    call(folder, "dvc", "exp", "run", "-n", "slow", "-S", "lr=2e-5", *one)
    shown = call(folder, "dvc", "exp", "show", "--only-changed", "--no-pager")
    assert "slow" in shown
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
