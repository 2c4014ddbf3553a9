"""Clones of the repository in temporary folders, what runs in them, and a small chat for them."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from stages.tools.verify import output_hashes as output_hashes
from stages.tools.verify import stages_run as stages_run
from tests.conftest import ROOT, change_params

NOTHING = "Data and pipelines are up to date."


def environment(**variables: str) -> dict[str, str]:
    """That of somebody without settings of their own, not called by make, which tells its children's children so."""
    settings = {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "DVC_NO_ANALYTICS": "1",
        "CHAT_KEY": "a key for this test",
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_AUTHOR_NAME": "t",
        "GIT_AUTHOR_EMAIL": "t@example.org",
        "GIT_COMMITTER_NAME": "t",
        "GIT_COMMITTER_EMAIL": "t@example.org",
    }
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
    return inherited | settings | variables


def call(folder: Path, *command: str, fails: bool = False, variables: Mapping[str, str] = {}) -> str:
    """Run a command, with `variables` in its environment; return what it said."""
    result = subprocess.run(command, cwd=folder, env=environment(**variables), capture_output=True, text=True)
    assert (result.returncode != 0) is fails, f"{command}\n{result.stdout}\n{result.stderr}"
    return result.stdout + result.stderr


def copy(folder: Path) -> Path:
    """The repository as it stands, what is not committed included, without any data."""
    files = call(ROOT, "git", "ls-files", "--cached", "--others", "--exclude-standard").split("\n")
    for name in filter(None, files):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name)
    call(folder, "git", "init", "--quiet")
    return folder


def cut(folder: Path, more: dict[str, Any]) -> Path:
    """The repository as it stands with ingest and concat for its pipeline, and `more` stages, over a small chat of
    its own; nothing has run yet.
    """
    copy(folder)
    yaml = YAML()
    pipeline = yaml.load((folder / "dvc.yaml").read_text())
    pipeline["stages"] = {name: pipeline["stages"][name] for name in ("ingest", "concat")} | more
    with (folder / "dvc.yaml").open("w") as file:
        yaml.dump(pipeline, file)
    take_results_away(folder)
    take_labels_away(folder)
    change_params(folder, {"ingest.path": "data/room.jsonl", "ingest.format": "paper"})
    own_chat(folder / "data" / "room.jsonl")
    return folder


def take_results_away(folder: Path) -> None:
    """Those of a run, where there are any."""
    (folder / "dvc.lock").unlink(missing_ok=True)
    shutil.rmtree(folder / "metrics", ignore_errors=True)


def take_labels_away(folder: Path) -> None:
    """The sample's, which belong to no other chat. Their folders stay, in git too, as `make own` leaves them."""
    for file in (folder / "data" / "annotations").rglob("*.jsonl"):
        file.unlink()
        (file.parent / ".gitignore").touch()


def commit(folder: Path, message: str) -> None:
    call(folder, "git", "add", "--all")
    call(folder, "git", "commit", "--quiet", "--allow-empty", "--message", message)


def read(file: Path) -> Any:
    return json.loads(file.read_text())


def contents(folder: Path) -> dict[str, bytes]:
    """Every file of a folder, by its path there."""
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


TOPICS = ["mmpose", "mmdeploy", "ncnn", "openvino", "tensorrt", "onnx", "triton", "torch", "yolo", "resnet"]


def own_chat(file: Path) -> None:
    """A group of five, 120 questions, every other one leaning on the turn before it, in the paper's fields."""
    rows: list[dict[str, Any]] = []
    for i in range(120):
        topic = TOPICS[i % 10]
        needed = i % 2 == 0
        question = "And how do I deploy it?" if needed else f"How do I deploy {topic} number {i}?"
        for who, text in ((f"user{i % 5}", f"I tried {topic} today, number {i}."), (f"user{(i + 1) % 5}", question)):
            rows.append({"id": len(rows), "sender": who, "text": text, "timestamp": 1_600_000_000 + 60 * len(rows)})
        rows[-1]["cr_need_gt"] = needed
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
