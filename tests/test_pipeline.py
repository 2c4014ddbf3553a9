"""The pipeline through DVC, in a temporary clone, with the real chat and the real model."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from tests.conftest import ROOT

NOTHING = "Data and pipelines are up to date."


def call(folder: Path, *command: str, fails: bool = False) -> str:
    environment = os.environ | {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "DVC_NO_ANALYTICS": "1",
        "CHAT_KEY": "a key for this test",
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_AUTHOR_NAME": "t",
        "GIT_AUTHOR_EMAIL": "t@example.org",
        "GIT_COMMITTER_NAME": "t",
        "GIT_COMMITTER_EMAIL": "t@example.org",
    }
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    assert (done.returncode != 0) is fails, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout + done.stderr


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The repository as it stands, what is not committed included, without any data."""
    folder = tmp_path_factory.mktemp("clone")
    files = call(ROOT, "git", "ls-files", "--cached", "--others", "--exclude-standard").split("\n")
    for name in filter(None, files):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name)
    call(folder, "git", "init", "--quiet")
    commit(folder, "as it stands")
    return folder


def commit(folder: Path, message: str) -> None:
    call(folder, "git", "add", "--all")
    call(folder, "git", "commit", "--quiet", "--allow-empty", "--message", message)


def lock(folder: Path) -> dict[str, Any]:
    stages = YAML(typ="safe", pure=True).load((folder / "dvc.lock").read_text())["stages"]
    return {name: {out["path"]: out["md5"] for out in stage.get("outs", [])} for name, stage in stages.items()}


def running(said: str) -> list[str]:
    """The stages that DVC says it runs, in order."""
    return [line.split("'")[1] for line in said.splitlines() if line.startswith("Running stage")]


def read(file: Path) -> Any:
    return json.loads(file.read_text())


def test_the_committed_lock_is_reproduced(clone: Path) -> None:
    """fetch, ingest and concat byte for byte; from filter on, where floating point has a say, the same ids."""
    committed = lock(clone)
    call(clone, "dvc", "repro", "export")
    again = lock(clone)
    for stage in ("fetch", "ingest", "concat"):
        assert again[stage] == committed[stage], stage
    labelled = {
        json.loads(line)["id"]
        for file in (clone / "data" / "annotations").glob("*.jsonl")
        for line in file.read_text().splitlines()
    }
    inquiries = {json.loads(line)["id"] for line in (clone / "data" / "inquiries.jsonl").read_text().splitlines()}
    assert len(labelled ^ inquiries) <= 2, "labels without an inquiry, or inquiries without a label"
    if labelled == inquiries:
        assert again["export"] == committed["export"]
    metrics = read(clone / "metrics" / "filter.json")
    assert metrics["turns"] == metrics["inquiries"] + sum(metrics["rejected"].values())
    commit(clone, "reproduced")


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


def test_a_chat_of_ones_own_from_end_to_end(clone: Path) -> None:
    own_chat(clone / "data" / "room.jsonl")
    changes = {
        "ingest.path": "data/room.jsonl",
        "ingest.format": "paper",
        "ladder": "[smollm2_135m_10, smollm2_135m]",
        "finetune": "[smollm2_135m_10]",
        "filter.window": "3",
        "epochs": "1",
        "evaluate.bootstrap": "50",
    }
    yaml = YAML()
    everything = yaml.load((clone / "params.yaml").read_text())
    for key, value in changes.items():
        *sections, last = key.split(".")
        place = everything[sections[0]] if sections else everything
        place[last] = yaml.load(value)
    with (clone / "params.yaml").open("w") as file:
        yaml.dump(everything, file)
    call(clone, "dvc", "repro")
    commit(clone, "own chat")

    metrics = clone / "metrics"
    assert read(metrics / "ingest.json")["messages"] == 240
    assert read(metrics / "annotate.json")["labelled"] == read(metrics / "annotate.json")["inquiries"] == 120
    assert read(metrics / "export.json")["rejected"]["split_gap"] > 0  # one group: blocks of time
    assert read(metrics / "law.json")["models"] == 2
    assert read(metrics / "law_tuned.json")["models"] == 1
    tables = (metrics / "tables.md").read_text()
    assert "smollm2_135m_10" in tables
    assert "tfidf_lr" in tables
    for output in (clone / "data").rglob("*.jsonl"):
        if output.name != "room.jsonl":
            assert "user1" not in output.read_text(), output
    adapter = clone / "data" / "adapters" / "smollm2_135m_10"
    assert {part.suffix for part in adapter.iterdir()} <= {".json", ".safetensors", ".md"}  # no pickle

    assert NOTHING in call(clone, "dvc", "repro")
    assert call(clone, "git", "status", "--porcelain") == ""  # nothing ran, nothing changed

    inquiry = json.loads((clone / "data" / "inquiries.jsonl").read_text().splitlines()[0])
    (clone / "new.json").write_text(json.dumps([{"id": inquiry["id"], "label": "not_question", "annotator": "ann"}]))
    call(clone, sys.executable, "-m", "stages.labels", "import", "new.json")
    assert running(call(clone, "dvc", "repro", "--dry"))[0] == "annotate"  # and nothing before it
    call(clone, "git", "clean", "--force", "--quiet")


def test_an_ablation_reruns_training_and_what_follows(clone: Path) -> None:
    said = call(clone, "dvc", "exp", "run", "--name", "slow", "-S", "lr=2e-5")
    follow = {f"{stage}@smollm2_135m_10" for stage in ("train", "rank", "tuned")} | {"law_tuned", "report"}
    assert set(running(said)) == follow
    shown = json.loads(call(clone, "dvc", "exp", "show", "--json"))
    assert "slow" in json.dumps(shown)
    assert "lr" in call(clone, "dvc", "params", "diff", "HEAD")
    assert "tuned" in call(clone, "dvc", "metrics", "diff", "HEAD")
    assert "file://" in call(clone, "dvc", "plots", "diff", "HEAD")
    page = (clone / "dvc_plots" / "index.html").read_text()
    assert "Training loss, smollm2_135m_10" in page
    assert "F1 score" in page


def test_a_misspelled_key_stops_the_run(clone: Path) -> None:
    said = call(clone, "dvc", "exp", "run", "-S", "+concat.gap_second=5", fails=True)
    assert "concat.gap_second: unknown key; did you mean gap_seconds?" in said
