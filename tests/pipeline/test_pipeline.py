"""The pipeline through DVC, in a temporary clone, with the real chat and the real model."""

import json
import sys
from pathlib import Path

import pytest

from tests.clones import NOTHING, call, commit, copy, output_hashes, own_chat, read, stages_run, take_labels_away
from tests.conftest import ONLY_THE_SAMPLE, change_params


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = copy(tmp_path_factory.mktemp("clone"))
    commit(folder, "as it stands")
    return folder


@ONLY_THE_SAMPLE
def test_the_committed_lock_is_reproduced(clone: Path) -> None:
    """Up to concat byte for byte; from score on, where floating point has a say, the same ids."""
    committed = output_hashes(clone)
    counts = json.loads((clone / "metrics" / "details" / "annotate.json").read_text())
    call(clone, "dvc", "repro", "export")
    again = output_hashes(clone)
    for stage in ("fetch_chat", "fetch_models", "ingest", "concat"):
        assert again[stage] == committed[stage], stage
    labelled = {
        json.loads(line)["id"]
        for file in (clone / "data" / "annotations" / "needs_context").glob("*.jsonl")
        for line in file.read_text().splitlines()
    }
    inquiries = {json.loads(line)["id"] for line in (clone / "data" / "inquiries.jsonl").read_text().splitlines()}
    committed_odd = counts["labels_without_inquiry"] + counts["unlabelled"]
    assert abs(len(labelled ^ inquiries) - committed_odd) <= 2, (
        "labels without an inquiry, or inquiries without a label"
    )
    if labelled == inquiries:
        assert again["export"] == committed["export"]
    metrics = read(clone / "metrics" / "details" / "filter.json")
    assert metrics["turns"] == metrics["inquiries"] + sum(metrics["rejected"].values())
    commit(clone, "reproduced")


def test_a_chat_of_ones_own_from_end_to_end(clone: Path) -> None:
    take_labels_away(clone)
    own_chat(clone / "data" / "room.jsonl")
    changes = {
        "ingest.path": "data/room.jsonl",
        "ingest.format": "paper",
        "ladder": ["smollm2_135m_10", "smollm2_135m"],
        "finetune": ["smollm2_135m_10"],
        "filter.window": 3,
        "epochs": 1,
        "evaluate.bootstrap": 50,
    }
    change_params(clone, changes)
    call(clone, "dvc", "repro")
    commit(clone, "own chat")

    metrics = clone / "metrics" / "details"
    assert read(metrics / "ingest.json")["messages"] == 240
    assert read(metrics / "annotate.json")["labelled"] == read(metrics / "annotate.json")["inquiries"] == 120
    assert read(metrics / "export.json")["rejected"]["split_gap"] > 0  # one group: blocks of time
    assert read(metrics / "export.json")["by_time"] == 1
    assert read(metrics / "law.json")["models"] == 2
    assert read(metrics / "law_tuned.json")["models"] == 1
    tables = (clone / "metrics" / "tables.md").read_text()
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
    write_the_same = {"filter_probes", "sample", "judge_filter"}  # of labels that are none of is_question
    stale = [stage for stage in stages_run(call(clone, "dvc", "repro", "--dry")) if stage not in write_the_same]
    assert stale[0] == "annotate"  # and nothing before it
    call(clone, "git", "clean", "--force", "--quiet")


def test_an_ablation_reruns_training_and_what_follows(clone: Path) -> None:
    output = call(clone, "dvc", "exp", "run", "--name", "slow", "-S", "lr=2e-5")
    stages = {f"{stage}@smollm2_135m_10" for stage in ("train", "rank", "tuned")} | {"law_tuned", "gate", "report"}
    assert set(stages_run(output)) == stages
    experiments = json.loads(call(clone, "dvc", "exp", "show", "--json"))
    assert "slow" in json.dumps(experiments)
    assert "lr" in call(clone, "dvc", "params", "diff", "HEAD")
    assert "tuned" in call(clone, "dvc", "metrics", "diff", "HEAD")
    assert "file://" in call(clone, "dvc", "plots", "diff", "HEAD")
    page = (clone / "dvc_plots" / "index.html").read_text()
    assert "Training loss, smollm2_135m_10" in page
    assert "F1 score" in page


def test_a_misspelled_key_stops_the_run(clone: Path) -> None:
    output = call(clone, "dvc", "exp", "run", "-S", "+concat.gap_second=5", fails=True)
    assert "concat.gap_second: unknown key; did you mean gap_seconds?" in output
