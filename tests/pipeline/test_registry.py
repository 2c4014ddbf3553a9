"""The registry of artifacts that other projects take from."""

from pathlib import Path

import pytest

from stages.pipeline.files import read_yaml
from stages.pipeline.params import params
from tests.clones import call, commit, contents, cut
from tests.conftest import ROOT


@pytest.fixture(scope="module")
def registered(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The repository's artifacts in a project with a remote, pushed, each registered under a version."""
    train = {"cmd": "python write.py ${item} data/adapters/${item}", "outs": ["data/adapters/${item}"]}
    export = {
        "cmd": "python write.py labels data/alpaca data/valid.jsonl",
        "outs": ["data/alpaca", "data/valid.jsonl"],
    }
    stages = {"export": export, "train": {"foreach": "${finetune}", "do": train}}
    folder = cut(tmp_path_factory.mktemp("registered") / "project", stages)
    (folder / "write.py").write_text(
        """
import pathlib, sys
for path in map(pathlib.Path, sys.argv[2:]):
    if not path.suffix:
        path.mkdir(parents=True)
        path = path / "file.json"
    path.write_text(sys.argv[1])
"""
    )
    call(folder, "dvc", "repro", "export", "train")
    call(folder, "dvc", "remote", "add", "--default", "storage", str(folder.parent / "storage"))
    commit(folder, "artifacts")
    call(folder, "dvc", "push")
    return folder


def test_other_projects_take_artifacts_by_name(registered: Path, tmp_path: Path) -> None:
    declared = read_yaml(ROOT / "dvc.yaml")["artifacts"]
    assert {"labelled", "alpaca", *params().finetune} == declared.keys()
    call(tmp_path, "git", "init", "--quiet")
    call(tmp_path, "dvc", "init", "--quiet")
    assert all(artifact["desc"] and artifact["type"] in ("dataset", "model") for artifact in declared.values())
    for name in ("labelled", "alpaca", "smollm2_135m_10"):
        call(registered, "gto", "register", name, "--version", "v1.0.0")
        call(tmp_path, "dvc", "artifacts", "get", str(registered), name, "--out", name)
        there = registered / declared[name]["path"]
        if there.is_dir():
            assert contents(tmp_path / name) == contents(there) != {}, name
        else:
            assert (tmp_path / name).read_bytes() == there.read_bytes(), name


def test_a_version_keeps_what_it_was(registered: Path, tmp_path: Path) -> None:
    commit(registered, "a commit holds one version of each")
    call(registered, "gto", "register", "smollm2_135m_20", "--version", "v2.0.0")
    call(registered, "gto", "assign", "smollm2_135m_20", "--version", "v2.0.0", "--stage", "prod")
    script = registered / "write.py"
    script.write_text(script.read_text().replace("sys.argv[1])", "sys.argv[1] + ' again')"))
    call(registered, "dvc", "repro", "--force", "train@smollm2_135m_20")
    commit(registered, "trained again")
    call(registered, "dvc", "push")
    call(registered, "gto", "register", "smollm2_135m_20", "--version", "v2.1.0")
    for folder, options in (("new", ()), ("old", ("--rev", "v2.0.0")), ("prod", ("--stage", "prod"))):
        call(tmp_path, "dvc", "artifacts", "get", str(registered), "smollm2_135m_20", "--out", folder, *options)
    contents_by_folder = {folder: (tmp_path / folder / "file.json").read_text() for folder in ("new", "old", "prod")}
    assert contents_by_folder == {"new": "smollm2_135m_20 again", "old": "smollm2_135m_20", "prod": "smollm2_135m_20"}
