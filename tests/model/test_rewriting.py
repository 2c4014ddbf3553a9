"""A small model that learns to rewrite, and the benchmark of rewrites, both with the first ten layers."""

import json
from pathlib import Path
from typing import Any

import pytest

from stages.fetch_models import main as fetch_models
from stages.gating.resolution import load_resolver, resolve, training_row
from stages.pipeline.params import params
from stages.tools.merge import main as merge
from stages.train import main as train
from tests.benchmarks.rewriting import main as benchmark
from tests.conftest import RULES_ALONE, change_params, run
from tests.unit.test_rewriting_benchmark import dialogue

NAME = "smollm2_135m_10"


@pytest.fixture
def folder(project: Path, base: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with data/base."""
    monkeypatch.setenv("LABELS_CACHE", str(project / "cache"))
    (project / "data").mkdir()
    (project / "data" / "base").symlink_to(base)
    return project


def chat(id: int, thing: str) -> dict[str, Any]:
    return {"id": id, "sender": "bob", "text": "Is it out?", "cr_window": [{"sender": "ann", "text": f"{thing}!"}]}


def test_a_model_learns_to_resolve(folder: Path) -> None:
    """By the commands of docs/rewriting.md, until it rewrites what it has learnt."""
    change_params(
        folder, RULES_ALONE | {"epochs": 15, "batch_size": 4, "lr": 1e-3, "ladder": [NAME], "finetune": [NAME]}
    )
    things = [
        "tmux",
        "Fedora",
        "Debian",
        "Python",
        "Blender",
        "Firefox",
        "Git",
        "Vim",
        "Linux",
        "Inkscape",
        "nginx",
        "KDE",
    ]
    items = [chat(id, thing) for id, thing in enumerate(things)]
    rows = [training_row(item, f"Is {thing} out?", 12) for item, thing in zip(items, things, strict=True)]
    (folder / "data" / "rewrites.json").write_text(json.dumps(rows))
    adapter, curve = folder / "data/resolver/adapter", folder / "data/resolver/curve"
    result = run(train, NAME, folder / "data/base" / NAME, folder / "data/rewrites.json", adapter, curve)
    assert result.exit_code == 0, result.output
    assert run(merge, folder / "data/base" / NAME, adapter, folder / "models/resolver").exit_code == 0

    change_params(
        folder,
        {
            "models.resolver": {"path": "models/resolver", "family": "smollm2"},
            "gate.resolve": "resolver",
            "law.probe_model": "resolver",
            "ladder": ["resolver"],
            "finetune": ["resolver"],
        },
    )
    result = run(fetch_models, folder / "fetched", folder / "models.json", folder / "scorers.json")
    assert result.exit_code == 0, result.output
    resolver = load_resolver(params(), folder / "fetched")
    assert resolver is not None
    for item, thing in zip(items[:3], things, strict=False):
        assert resolve(item, resolver, 12) == (f"Is {thing} out?", None)


def test_the_benchmark_of_rewrites(folder: Path) -> None:
    """It ends with a table, and what it has learnt and asked isn't done again."""
    pytest.importorskip("sacrebleu")
    file = folder / "dialogues.json"
    dialogues = [
        dialogue((f"Thai {n}?", f"Thai {n}?", "Yes."), (f"phone {n}?", f"phone of {n}?", f"It is {n}."))
        for n in range(90)
    ]
    file.write_text(json.dumps(dialogues))
    arguments = [str(file), "--models", NAME, "--steps", "2", "--turns", "6"]
    result = run(benchmark, *arguments)
    assert result.exit_code == 0, result.output
    lines = [line for line in result.output.splitlines() if line.startswith("| ")]
    assert [line.split(" | ")[:2] for line in lines[1:]] == [
        ["| none", "none"],
        *(
            [f"| {NAME}, {state}", way]
            for state in ("vanilla", "tuned")
            for way in ("all", "needed by the gate", "needed by the labels")
        ),
    ]
    assert "n = 6." in result.output and "Of 90 turns with a history" in result.output
    [adapter] = (folder / "cache" / "rewriting").glob("*/adapter/adapter_model.safetensors")
    before = adapter.stat().st_mtime_ns
    again = run(benchmark, *arguments)
    assert adapter.stat().st_mtime_ns == before
    assert [line for line in again.output.splitlines() if line.startswith("| ")] == lines
    train_rows = json.loads((folder / "cache" / "rewriting" / "train.json").read_text())
    learnt = {row["output"] for row in train_rows}
    assert 40 <= len(learnt) <= 70 and all(output.startswith("phone of ") for output in learnt)
