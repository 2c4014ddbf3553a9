"""Recipes: their settings as experiments of DVC, over a pipeline of ingest and concat."""

import sys
from pathlib import Path

from ruamel.yaml import YAML

from tests.clones import call, commit, cut


def experiment(folder: Path, *arguments: str, fails: bool = False) -> str:
    return call(folder, sys.executable, "-m", "stages.tools.experiment", *arguments, fails=fails)


def file_of_experiment(folder: Path, name: str, file: str) -> str:
    """A file as an experiment has it."""
    commit = call(folder, "git", "for-each-ref", "--format=%(objectname)", f"refs/exps/**/{name}").strip()
    return call(folder, "git", "show", f"{commit}:{file}")


def test_a_recipe_is_an_experiment_beside_the_workspace(tmp_path: Path) -> None:
    """Typed again it replaces the experiment; one that fails leaves the one before and the workspace as they were."""
    folder = cut(tmp_path, {})
    call(folder, "dvc", "add", "data/room.jsonl")
    call(folder, "dvc", "repro")
    (folder / "recipes" / "r.yaml").write_text("seed: 7\nconcat: {gap_seconds: 100}\ningest: {min_senders: 1}\n")
    commit(folder, "a pipeline and a recipe")
    counts = folder / "metrics" / "details" / "concat.json"
    before = (folder / "params.yaml").read_bytes(), counts.read_bytes()

    output = experiment(folder, "recipes/r.yaml", "long")
    assert "dvc exp apply long" in output
    assert call(folder, "dvc", "exp", "list", "--name-only").split() == ["long"]
    assert '"turns": 1' in file_of_experiment(folder, "long", "metrics/details/concat.json") != before[1].decode()
    assert ((folder / "params.yaml").read_bytes(), counts.read_bytes()) == before
    assert call(folder, "git", "status", "--porcelain") == ""

    settings = YAML(typ="safe", pure=True).load(file_of_experiment(folder, "long", "params.yaml"))
    assert (settings["seed"], settings["concat"]["gap_seconds"], settings["ingest"]["min_senders"]) == (7, 100, 1)

    experiment(folder, "recipes/r.yaml", "long", "-S", "concat.gap_seconds=50", "-S", "batch_size=7")
    assert call(folder, "dvc", "exp", "list", "--name-only").split() == ["long"]
    replaced = file_of_experiment(folder, "long", "params.yaml")
    settings = YAML(typ="safe", pure=True).load(replaced)
    assert (settings["seed"], settings["concat"]["gap_seconds"], settings["batch_size"]) == (7, 50, 7)

    for setting in ("concat.gap_seconds=-1", "concat.gap=1"):
        output = experiment(folder, "recipes/r.yaml", "long", "-S", setting, fails=True)
        assert "the experiment long failed" in output and "Traceback" not in output
    assert file_of_experiment(folder, "long", "params.yaml") == replaced
    assert (folder / "params.yaml").read_bytes() == before[0]
    assert call(folder, "git", "status", "--porcelain") == ""

    call(folder, "dvc", "exp", "apply", "long")
    assert "gap_seconds: 50" in (folder / "params.yaml").read_text()
