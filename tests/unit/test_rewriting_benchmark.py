"""The benchmark of rewrites: its items, its scores beside sacrebleu's own, and its ways to choose turns."""

from typing import Any

import numpy as np
import pytest

from stages.gating.resolution import Resolution
from stages.gating.rewrite_checks import Fallback
from stages.pipeline.params import params
from tests.benchmarks import rewriting
from tests.conftest import ROOT

REFERENCES = ["the phone of Kymmoy?", "I want cheap Thai food", "no", "where is the Golden Wok please", "bye now then"]
TEXTS = ["and the phone?", "I want thai food!", "No.", "where is the Golden Wok please", "bye bye then"]


def dialogue(*turns: tuple[str, str, str]) -> dict[str, Any]:
    return {
        "dial": [
            {"usr": {"transcript": said, "transcript_complete": rewrite}, "sys": {"sent": reply}}
            for said, rewrite, reply in turns
        ]
    }


def test_items_have_their_own_rewrites_and_replies() -> None:
    items = rewriting.items_with_rewrites(
        [
            dialogue(("a", "a", "b")),
            dialogue(("Thai  food?", "Thai food?", "Yes"), ("the phone?", "its  phone?", "01")),
        ]
    )
    assert [(item["text"], item["rewrite"], item["reply"], item["label"]) for item in items] == [
        ("a", "a", "b", False),
        ("Thai  food?", "Thai food?", "Yes", False),
        ("the phone?", "its phone?", "01", True),
    ]
    assert [turn["text"] for turn in items[2]["cr_window"]] == ["Thai  food?", "Yes"]


def test_scores_of_samples_are_sacrebleus_of_the_repeated_texts() -> None:
    metrics = pytest.importorskip("sacrebleu.metrics")
    counts = np.array([[1, 1, 1, 1, 1], [0, 3, 1, 1, 0], [2, 0, 0, 2, 1]])
    for metric in (metrics.BLEU(), metrics.CHRF()):
        statistics = rewriting.corpus_statistics(metric, TEXTS, REFERENCES)
        scores = rewriting.corpus_scores(metric, statistics, counts)
        for score, count in zip(scores, counts, strict=True):
            texts, references = (np.repeat(lines, count).tolist() for lines in (TEXTS, REFERENCES))
            assert 100 * score == pytest.approx(metric.corpus_score(texts, [references]).score, abs=1e-9)


def test_a_line_for_each_way() -> None:
    pytest.importorskip("sacrebleu")
    items = [{"text": text, "rewrite": reference} for text, reference in zip(TEXTS, REFERENCES, strict=True)]
    resolutions = [Resolution(text, None) for text in REFERENCES[:2]]
    resolutions += [Resolution(text, Fallback.EMPTY) for text in TEXTS[2:]]
    ways = {"none": np.zeros(5, bool), "all": np.ones(5, bool), "first": np.array([True] + [False] * 4)}
    p = params(ROOT / "params.yaml")
    p = p.model_copy(update={"evaluate": p.evaluate.model_copy(update={"bootstrap": 100})})
    lines = rewriting.lines_of("m", items, resolutions, ways, p)
    assert [line[:3] for line in lines] == [["m", "none", "0.00"], ["m", "all", "100.00"], ["m", "first", "20.00"]]
    exact = [line[3] for line in lines]  # "No." and the fourth are exact as they are
    assert [score.split()[0] for score in exact] == ["40.00", "80.00", "60.00"]
    for line in lines:
        for cell in line[3:]:
            value, low, high = (
                float(part) for part in cell.replace("(", "").replace(")", "").replace("to ", "").split()
            )
            assert low <= value <= high and low < high
