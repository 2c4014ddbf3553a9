"""A project whose run has ended: the real stages from export to report over made-up chat and made-up models, which
are right the more often the bigger they are and the more they are tuned.
"""

import json
import math
import random
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

from stages import evaluate, export, floor, gate, law, pseudo_label, report
from stages.pipeline.files import write_json
from stages.pipeline.params import params
from stages.pipeline.schemas import Inquiry, Labelled, Reject, Score
from stages.pipeline.tables import from_rows, write
from tests.conftest import ROOT, Row, change_params, run, write_random_states
from tests.rule_engine import RuleEngine
from tests.synthetic_chat import items

SKILL = {"smollm2_135m_10": 0.2, "smollm2_135m_20": 0.6, "smollm2_135m": 1.0}
TUNING = 0.4


def rule(truth: dict[int, bool], skill: float, seed: str) -> Callable[[Any], list[float]]:
    """Log-probabilities of the letters: the right one's is higher by `skill`, with noise of each item's own."""

    def answer(chat: Any) -> list[float]:
        id = int(re.findall(r"\((\d+)\)", chat[0]["content"])[-1])
        rng = random.Random(f"{seed}-{id}")
        lean = skill * (1 if truth[id] else -1) + rng.gauss(0, 1)
        weights = [math.exp(-lean), math.exp(lean), math.exp(rng.gauss(-1, 0.6))]  # negative, positive, don't know
        return [math.log(weight / sum(weights)) for weight in weights]

    return answer


def engine_of(truth: dict[int, bool], name: str, adapter: Path | None) -> RuleEngine:
    """A model as it answers without an adapter, or with that of a seed."""
    skill = SKILL[name] + TUNING * (adapter is not None)
    of_seed = adapter.name if adapter and adapter.name.startswith("seed_") else ""
    return RuleEngine(rule(truth, skill, name + ("tuned" if adapter else "baseline") + of_seed), context=10**6)


def finish(folder: Path, rows: list[Row] | None = None) -> None:
    """Fill `folder`, the working directory, which has the repository's settings, with data and metrics."""
    fixed = {"evaluation": "fixed", "training": "fixed"}
    change_params(folder, {"evaluate.bootstrap": 50, "question.option_order": fixed})
    for name in ("metrics", ".dvc/plots"):
        shutil.copytree(ROOT / name, folder / name, dirs_exist_ok=True)
    shutil.copy(ROOT / "dvc.lock", folder)
    rows = rows or [row | {"group": f"g{row['id'] // 3}"} for row in items(240)]
    truth = {row["id"]: row["label"] for row in rows}
    data, metrics = folder / "data", folder / "metrics"
    write(data / "valid.jsonl", from_rows(rows, Labelled), Labelled)
    write(data / "inquiries.jsonl", from_rows(rows, Inquiry), Inquiry)
    write_json(data / "models.json", {name: {"parameters": 1, "template": "model"} for name in SKILL})
    rng = random.Random(0)
    scored = [
        {"id": id, "scorer": scorer.name, "score": 10 * rng.random() ** 4}
        for scorer in params().score.scorers
        for id in range(3000)
    ]
    write(data / "scores.jsonl", from_rows(scored, Score), Score)
    run_stage(
        export.main,
        data / "valid.jsonl",
        data / "inquiries.jsonl",
        data / "base",
        data / "items.jsonl",
        data / "alpaca",
        data / "rejects/export.jsonl",
        metrics / "export.json",
        metrics / "details/export.json",
    )
    write_random_states(data / "items.jsonl", data / "states.safetensors")
    items_and_states = data / "items.jsonl", data / "states.safetensors"
    run_stage(floor.main, *items_and_states, metrics / "floor", metrics / "details/floor")
    write(data / "rejects/annotate.jsonl", from_rows([], Reject), Reject)
    inputs = ("items.jsonl", "inquiries.jsonl", "rejects/annotate.jsonl", "states.safetensors", "base")
    pseudo_labels = data / "pseudo_labels.json", metrics / "details/pseudo_label.json"
    run_stage(pseudo_label.main, *(data / name for name in inputs), *pseudo_labels)
    for state in ("baseline", "tuned"):
        for name in SKILL:
            (data / "base" / name).mkdir(parents=True, exist_ok=True)
            with mock.patch.object(evaluate, "engine", lambda name, base, p, adapter: engine_of(truth, name, adapter)):
                scores = metrics / state / f"{name}.json", metrics / "details" / state / f"{name}.json"
                files = data / f"predictions/{state}/{name}.jsonl", *scores
                of_gate = data / f"predictions/gate/{name}.jsonl"
                adapter = ("--adapter", data / "base" / name, "--gate", of_gate) if state == "tuned" else ()
                run_stage(evaluate.main, name, data / "base" / name, data / "items.jsonl", *files, *adapter)
        verdict = "law" if state == "baseline" else "law_tuned"
        files = metrics / f"{verdict}.json", metrics / f"details/{verdict}.json", metrics / f"{verdict}.md"
        run_stage(law.main, data / "predictions" / state, *files, *(["--tuned"] if state == "tuned" else []))
    report_run(folder)
    read = [data / name for name in ("items.jsonl", "states.safetensors", "predictions/gate")]
    written = [metrics / name for name in ("gate.json", "details/gate.json", "gate.md", "plots/gate.json")]
    run_stage(gate.main, *read, data / "gate.json", *written)


def report_run(folder: Path) -> None:
    """The stage `report`."""
    metrics = folder / "metrics"
    run_stage(
        report.main,
        metrics,
        folder / "data",
        folder / "dvc.lock",
        metrics / "tables",
        metrics / "plots",
        metrics / "cards",
    )


def run_stage(main: Any, *arguments: str | Path) -> None:
    result = run(main, *arguments)
    assert result.exit_code == 0, f"{main.name}: {result.output} {result.exception!r}"


def load(file: Path) -> Any:
    return json.loads(file.read_text(encoding="utf-8"))
