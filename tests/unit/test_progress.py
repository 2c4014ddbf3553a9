"""Whether to label more: F1 of the readers, its forecast, and what else is said after a session."""

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from scipy.stats import linregress
from sklearn.metrics import f1_score

from stages import annotate, export
from stages.judging.hidden_states import HiddenStates, write_states
from stages.judging.power_law import extrapolate, extrapolate_each
from stages.labels.__main__ import main
from stages.labels.annotator_file import open_for
from stages.labels.progress import in_words, progress
from stages.labels.reader_curve import PARTS, cross_validated, missing_labels, reader_curve
from stages.labels.readers import Readers
from stages.labels.terminal import Annotator
from stages.pipeline.params import params
from stages.pipeline.schemas import Inquiry
from stages.pipeline.tables import from_rows, write
from stages.reporting import next_page
from tests.conftest import Row, inquiry, run
from tests.labelling import file_of

LABELS = np.random.default_rng(0).random(160) < 0.4


def log_of(count: int) -> list[Row]:
    """Inquiries of conversations with two each; every text is different."""
    return [inquiry(i, f"And number {i}?", group=f"g{i // 2}", at=300 * (i % 2)) for i in range(count)]


def states_that_show(labels: Any) -> HiddenStates:
    values = np.random.default_rng(1).normal(size=(1, 3, len(labels), 200))
    values[0, 0, :, :50] += np.where(labels, 0.25, -0.25)[:, None]
    return HiddenStates(np.arange(len(labels)), np.array([18]), values)


# The forecast


def test_a_curve_by_hand_is_extrapolated_as_by_another_fit() -> None:
    sizes, at = np.array([20, 40, 80]), np.array([100, 150])
    exact = 1 - 2 * sizes**-0.5
    exponent, *later = extrapolate(sizes, np.repeat(exact[:, None], 3, axis=1), at)
    assert exponent == pytest.approx(0.5)
    assert later == pytest.approx([0.8, 1 - 2 * 150**-0.5])
    scores = np.array([[0.3, 0.42], [0.5, 0.46], [0.71, 0.66]])
    line = linregress(np.log([20, 20, 40, 40, 80, 80]), np.log(1 - scores.ravel()))
    expected = [-line.slope, *(1 - np.exp(line.intercept + line.slope * np.log(at)))]
    assert extrapolate(sizes, scores, at) == pytest.approx(expected)
    assert extrapolate_each(sizes, np.stack([scores, scores[:, ::-1]]), at) == pytest.approx(np.array([expected] * 2))


# Cross-validation


class Recorder(Readers):
    """Readers that note what they learn and what they are asked."""

    def __init__(self, states: HiddenStates, items: Sequence[Row]):
        super().__init__(states, items)
        self.calls: list[tuple[set[int], set[int]]] = []

    def log_odds(self, labels: Mapping[int, bool], ids: Sequence[int]) -> Any:
        self.calls.append((set(labels), set(ids)))
        return super().log_odds(labels, ids)


def test_nobody_learns_from_the_conversation_that_is_asked_and_all_are_asked_once() -> None:
    items = [item | {"label": bool(LABELS[item["id"]])} for item in log_of(160)]
    readers = Recorder(states_that_show(LABELS), items)
    sizes, log_odds = cross_validated(items, LABELS, readers, 0)
    parts, draws, count = log_odds.shape
    assert (parts, count) == (len(PARTS), 160)
    assert sizes == pytest.approx([32, 64, 128], abs=1)
    for learnt, asked in readers.calls:
        assert not {id // 2 for id in learnt} & {id // 2 for id in asked}
    asked_often = np.bincount([id for _, asked in readers.calls for id in asked], minlength=160)
    assert (asked_often == parts * draws).all()
    last_draw = [learnt for learnt, _ in readers.calls[-parts:]]
    assert last_draw[0] < last_draw[1] < last_draw[2]  # a smaller part lies in a larger one


def test_f1_is_that_of_scikit_learn_on_random_items_alone() -> None:
    """Readers chose the second half, whose labels the states don't show. They are learnt from and not judged by."""
    labels = LABELS.copy()
    labels[80:] = np.random.default_rng(5).random(80) < 0.5
    items = [item | {"label": bool(labels[item["id"]])} for item in log_of(160)]
    is_random = np.arange(160) < 80
    states = states_that_show(LABELS)
    curve = reader_curve(items, is_random, states, 0)
    _, log_odds = cross_validated(items, labels, Readers(states, items), 0)
    expected = np.mean([f1_score(labels[:80], answers > 0) for answers in log_odds[-1, :, :80]])
    assert curve.f1.value == pytest.approx(expected)
    assert curve.f1.low < curve.f1.value < curve.f1.high
    assert (curve.labels, curve.n) == (160, 80)
    share = labels[:80].mean()
    assert curve.always_positive == pytest.approx(f1_score(labels[:80], np.ones(80)))
    assert curve.always_positive == pytest.approx(2 * share / (1 + share))
    assert list(curve.f1_by_size) == [32, 64, 128]


def test_more_labels_bring_more_where_the_curve_still_rises() -> None:
    """Weak signs in many directions: readers of 128 labels are better than those of 32, and 50 more help on."""
    rng = np.random.default_rng(3)
    labels = rng.random(160) < 0.5
    values = rng.normal(size=(1, 1, 160, 120)) + 0.12 * np.where(labels, 1, -1)[:, None]
    items = [item | {"label": bool(labels[item["id"]])} for item in log_of(160)]
    curve = reader_curve(items, np.ones(160, dtype=bool), HiddenStates(np.arange(160), np.array([1]), values), 0)
    scores = [estimate.value for estimate in curve.f1_by_size.values()]
    assert scores == sorted(scores)
    assert curve.gain.low < curve.gain.value < curve.gain.high
    assert 0 < curve.gain.value < curve.forecast.value - scores[0]
    assert curve.forecast.low < curve.forecast.value < curve.forecast.high <= 1


@pytest.mark.parametrize(
    ("needed", "other", "missing"), [(0, 0, (20, 20)), (19, 25, (1, 0)), (20, 20, (0, 0)), (40, 3, (0, 17))]
)
def test_what_is_missing_before_f1_says_anything(needed: int, other: int, missing: tuple[int, int]) -> None:
    truth = np.array([True] * needed + [False] * other, dtype=bool)
    assert tuple(missing_labels(truth).values()) == missing


# What is said


@pytest.fixture
def chat(project: Path, annotations: Path) -> Path:
    """A project with 160 inquiries and hidden states that show their labels."""
    (project / "data").mkdir()
    annotations.rename(project / "data" / "annotations")
    write(project / "data" / "inquiries.jsonl", from_rows(log_of(160), Inquiry), Inquiry)
    write_states(project / "data" / "states.safetensors", states_that_show(LABELS))
    return project


def label_items(chat: Path, ids: Sequence[int], annotator: str = "ann", **more: Any) -> None:
    with open_for(annotator, chat / "data" / "annotations", params().question.definition) as label_file:
        for id in ids:
            label_file.append(id, "needed" if LABELS[id] else "not_needed", **more)


def test_early_it_says_what_is_missing_and_later_f1(chat: Path) -> None:
    folder = chat / "data" / "annotations"

    def words() -> str:
        return in_words(progress(log_of(160), folder, params()))

    assert words() == (
        "labelled: 0 · F1 of the readers: too early, 20 needed and 20 not needed are missing among random inquiries"
        " · agreement: not known, nobody has labelled what another has · in test: 0 needed, 0 not needed"
    )
    label_items(chat, range(100, 160), chosen="readers")  # no random sample: none of them counts for F1
    assert "labelled: 60 · F1 of the readers: too early, 20 needed and 20 not needed are missing" in words()
    label_items(chat, range(30), chosen="random")
    needed = int(LABELS[:30].sum())
    assert 0 < needed <= 10
    assert f"too early, {20 - needed} needed are missing among random inquiries" in words()
    label_items(chat, range(30, 100))
    (chat / "data" / "states.safetensors").rename(chat / "away.safetensors")
    assert "F1 of the readers: not known before dvc repro states" in words()
    (chat / "away.safetensors").rename(chat / "data" / "states.safetensors")
    of_another_question = states_that_show(LABELS[:150])
    write_states(chat / "data" / "states.safetensors", of_another_question)
    assert "labelled: 160 · F1 of the readers: not known before dvc repro states · agreement: " in words()
    write_states(chat / "data" / "states.safetensors", states_that_show(LABELS))
    label_items(chat, range(20), "bob", chosen="like")
    assert re.search(
        r"labelled: 160 · F1 of the readers: \d\d% \(\d+ to \d+, n = 100\) · with 50 more labels: [+-]\d+\.\d points ",
        words(),
    )
    assert "agreement: Cohen's kappa 1.00 (0.65 to 1.00, n = 20)" in words()


@pytest.mark.parametrize("chosen", ["random", "readers"])
def test_test_has_what_export_puts_there(chat: Path, chosen: str) -> None:
    label_items(chat, range(120), chosen=chosen)
    said = progress(log_of(160), chat / "data" / "annotations", params()).test
    (chat / "imported.jsonl").touch()
    outputs = [
        "labelled.jsonl",
        "queue.jsonl",
        "rejects.jsonl",
        "n.json",
        "annotate.json",
        "kappa.json",
        "kappas.json",
    ]
    run(annotate.main, "data/inquiries.jsonl", "data/annotations", "imported.jsonl", *outputs)
    exported = ["items.jsonl", "alpaca", "rejects.jsonl", "n.json", "export.json"]
    result = run(export.main, "labelled.jsonl", "data/inquiries.jsonl", "base", *exported)
    if chosen == "readers":  # all of dev and test is left out, and export says that nothing is there
        assert said == {"positive": 0, "negative": 0}
        assert "dev would have 0 items" in result.output or "test would have 0 items" in result.output
    else:
        details = json.loads((chat / "export.json").read_text())["test"]
        assert said == {"positive": details["positive"], "negative": details["n"] - details["positive"]}


def test_a_session_ends_with_how_far_the_labels_are(chat: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    label_items(chat, range(120))
    monkeypatch.setattr("stages.labels.__main__.require_terminal", lambda: None)
    monkeypatch.setattr(Annotator, "run", lambda self: None)
    result = CliRunner().invoke(main, ["label", "ann"])
    assert result.exit_code == 0, result.output
    first, second = result.stdout.splitlines()
    assert first == "120 of 160 labelled by ann"
    assert second == in_words(progress(log_of(160), chat / "data" / "annotations", params()))
    result = CliRunner().invoke(main, ["label", "ann", "--next"])
    assert result.stdout.splitlines() == ["120 labelled by ann", second]
    file_of(chat / "data" / "annotations", "bob").write_text("[1]\n")
    result = CliRunner().invoke(main, ["label", "ann"])
    assert result.exit_code == 0
    assert result.stdout.splitlines() == [first]
    assert "how far the labels are can't be said: " in result.stderr and "bob.jsonl: row 1" in result.stderr


# The page


def test_the_page_has_the_line_and_the_figure(chat: Path) -> None:
    label_items(chat, range(30))
    result = run(next_page.main, "next.html")
    assert result.exit_code == 0, result.output
    text = (chat / "next.html").read_text()
    assert "too early" in result.output and "too early" in text
    assert "<svg" not in text
    label_items(chat, range(30, 160))
    result = run(next_page.main, "next.html")
    line = in_words(progress(log_of(160), chat / "data" / "annotations", params()))
    assert line in result.output
    text = (chat / "next.html").read_text()
    assert text.count("<svg") == 2
    for words in ("one answer", "forecast", "labels that the readers have learnt"):
        assert words in text
    assert "And number" not in text
    assert set(re.findall(r"https?://[\w.]+", text)) <= {"http://www.w3.org"}


def test_points_of_the_figure() -> None:
    items = [item | {"label": bool(LABELS[item["id"]])} for item in log_of(160)]
    curve = reader_curve(items, np.ones(160, dtype=bool), states_that_show(LABELS), 0)
    points = next_page.points(curve)
    assert [(point["kind"], point["labels"]) for point in points] == [
        *(("measured", size) for size in curve.f1_by_size),
        ("forecast", 210),
        ("one answer", min(curve.f1_by_size)),
        ("one answer", 210),
    ]
    assert (points[2]["low"], points[2]["f1"], points[2]["high"]) == (curve.f1.low, curve.f1.value, curve.f1.high)
    assert len({point["f1"] for point in points[-2:]}) == 1
