"""Numbers within tolerance of the committed ones, and tables compared by ids."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from stages.pipeline.schemas import NO_GUIDELINE
from stages.tools.verify import compare_outputs, differences, verdict_by_content
from tests.conftest import QUESTION


@pytest.mark.parametrize(
    ("stage", "path", "verdict"),
    [
        ("concat", "data/turns.jsonl", "different"),
        ("window", "data/window.json", "different"),
        ("states", "data/states.safetensors", "other bytes"),
        ("pseudo_label", "data/pseudo_labels.json", "other bytes"),
        ("train", "data/adapters/smollm2_135m", "other bytes"),
        ("gate", "data/gate.json", "other bytes"),
    ],
)
def test_outputs_that_another_cpu_may_round(stage: str, path: str, verdict: str, tmp_path: Path) -> None:
    assert verdict_by_content(tmp_path, stage, path) == verdict


@pytest.mark.parametrize(
    ("stage", "committed", "again", "far"),
    [
        ("baseline", {"f1": 0.5, "n": 279}, {"f1": 0.519, "n": 279}, []),
        ("baseline", {"f1": 0.5, "n": 279}, {"f1": 0.521, "n": 279}, ["f1: 0.5, now 0.521"]),
        ("floor", {"f1": 0.615385}, {"f1": 0.625385}, []),
        ("floor", {"f1": 0.615385}, {"f1": 0.645385}, ["f1: 0.615385, now 0.645385"]),
        ("tuned", {"f1": 0.8, "f1_low": 0.6, "f1_high": 0.9}, {"f1": 0.61, "f1_low": 0.52, "f1_high": 0.81}, []),
        (
            "tuned",
            {"f1": 0.8, "f1_low": 0.74, "f1_high": 0.86},
            {"f1": 0.33, "f1_low": 0.7, "f1_high": 0.8},
            ["f1: 0.8, now 0.33"],
        ),
        ("filter", {"rejected": {"too_short": 27}}, {"rejected": {}}, ["rejected.too_short: only in one of the two"]),
        ("filter", {"turns": 4930, "recall": 0.95}, {"turns": 4930, "recall": 0.9}, ["recall: 0.95, now 0.9"]),
        ("law", {"strictly_rising": 0}, {"strictly_rising": 1}, ["strictly_rising: 0, now 1"]),
        ("reannotate", {"model_disagrees": 153}, {"model_disagrees": 155}, []),
        ("annotate", {"statistic": "Cohen's kappa", "n": 1}, {"statistic": "Krippendorff's alpha", "n": 1}, []),
        ("unheard_of", {"share": 0.1}, {"share": 0.1000001}, ["share: 0.1, now 0.1000001"]),
    ],
)
def test_numbers_within_their_stages_tolerance(stage: str, committed: Any, again: Any, far: list[str]) -> None:
    assert differences(stage, committed, again) == far


@pytest.mark.parametrize(
    ("inquiry_ids", "unlabelled", "verdict"),
    [
        (range(1, 9), 0, "within tolerance"),  # other bytes, the same ids
        (range(2, 10), 0, "within tolerance"),  # one lost, one new
        (range(2, 11), 0, "different: 3 ids"),
        (range(2, 15), 6, "within tolerance"),  # whose ids are not to be had from the labels
        (range(2, 18), 6, "different: 10 ids"),
    ],
)
def test_tables_of_other_bytes_are_compared_by_ids(
    project: Path, set_params: Callable[..., None], inquiry_ids: range, unlabelled: int, verdict: str
) -> None:
    set_params(**{"annotate.policy": "majority"})
    (project / "data" / "annotations" / QUESTION.name).mkdir(parents=True)
    (project / "metrics" / "details").mkdir(parents=True)
    (project / "metrics" / "details" / "annotate.json").write_text(json.dumps({"unlabelled": unlabelled}))
    label = {"annotator": "ann", "at": 1, "seconds": None, "guideline": NO_GUIDELINE}
    tables: dict[str, list[dict[str, Any]]] = {
        "turns": [{"id": id} for id in range(1, 20)],
        f"annotations/{QUESTION.name}/ann": [
            {"id": id, "label": "not_question" if id > 6 else "needed"} | label for id in range(1, 9)
        ],
        "imported": [],
        "inquiries": [{"id": id} for id in inquiry_ids],
        "labelled": [{"id": id} for id in range(1, 7)],
    }
    for name, rows in tables.items():
        (project / "data" / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    paths = {"filter": "data/inquiries.jsonl", "annotate": "data/labelled.jsonl"}
    stages = {name: {"outs": [{"path": path, "md5": "now"}]} for name, path in paths.items()}
    (project / "dvc.lock").write_text(json.dumps({"stages": stages}))
    committed = {name: {path: "then"} for name, path in paths.items()}
    assert list(compare_outputs(project, committed, list(paths))) == [
        ("filter", "data/inquiries.jsonl", verdict),
        ("annotate", "data/labelled.jsonl", "within tolerance"),
    ]
