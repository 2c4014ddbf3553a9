"""Filters that learn from labels: probes and what judges them, and tuned models as scorers."""

import json
from collections.abc import Callable
from pathlib import Path

import click
import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from stages.judge_filter import held_out_turns, with_held_out_ratings
from stages.judging.classifiers import STATES_C
from stages.judging.filter_probes import learn
from stages.judging.probe import folds
from stages.labels.filter_labels import random_questions
from stages.labels.splitting import sides
from stages.llm.filter_probe import read_probe, write_probes
from stages.llm.no_answers import NoAnswer
from stages.llm.scorers import tuned
from stages.pipeline.params import Scorer, params
from stages.pipeline.schemas import Score, Turn
from stages.pipeline.tables import from_rows, rows
from tests.conftest import ROOT, Row, messages
from tests.rule_engine import RuleEngine

N, HIDDEN = 120, 6
LAYERS = [4, 7]


def sample() -> tuple[list[Row], np.ndarray, np.ndarray]:
    """Turns of thirty groups, states [layers, views, items, hidden], whose second layer tells the labels apart, and
    the labels.
    """
    rng = np.random.default_rng(0)
    items = [{"id": i, "group": f"g{i // 4}", "text": "-"} for i in range(N)]
    labels = rng.random(N) < 0.4
    states = rng.normal(size=(2, 2, N, HIDDEN))
    states[1, :, :, 0] += 2 * labels
    return items, states, labels


def test_a_probe_is_the_regression_of_the_layer_that_ranks_unseen_turns_best() -> None:
    items, states, labels = sample()
    probe = learn(items, states, labels, LAYERS, seed=0)
    assert int(probe.layer) == LAYERS[1]
    new = np.random.default_rng(1).normal(size=(2, 50, HIDDEN))
    log_odds = [
        make_pipeline(StandardScaler(), LogisticRegression(C=STATES_C, class_weight="balanced", max_iter=1000))
        .fit(view, labels)
        .decision_function(of_view)
        for view, of_view in zip(states[1], new, strict=True)
    ]
    assert probe.rate(new) == pytest.approx(10 / (1 + np.exp(-np.mean(log_odds, axis=0))))


def test_the_ratings_of_learnt_turns_come_from_probes_that_have_not_seen_their_conversation() -> None:
    items, states, labels = sample()
    probe = learn(items, states, labels, LAYERS, seed=0)
    assert probe.ids.tolist() == list(range(N))
    _, test = folds(items, labels, 0)[0]
    others = np.setdiff1d(np.arange(N), test)
    log_odds = [
        make_pipeline(StandardScaler(), LogisticRegression(C=STATES_C, class_weight="balanced", max_iter=1000))
        .fit(view[others], labels[others])
        .decision_function(view[test])
        for view in states[1]
    ]
    assert probe.held_out[test] == pytest.approx(10 / (1 + np.exp(-np.mean(log_odds, axis=0))))
    assert {items[i]["group"] for i in test}.isdisjoint({items[i]["group"] for i in others})


def test_a_file_of_probes_gives_back_what_was_learnt(tmp_path: Path) -> None:
    items, states, labels = sample()
    probe = learn(items, states, labels, LAYERS, seed=0)
    file = tmp_path / "probes.safetensors"
    write_probes(file, {"probe_is_question": probe})
    again = read_probe(file, "probe_is_question")
    for values, expected in zip(again, probe, strict=True):
        assert np.array_equal(values, expected)
    with pytest.raises(click.ClickException, match="has no 'other_is_question"):
        read_probe(file, "other_is_question")
    with pytest.raises(click.ClickException, match="run dvc repro filter_probes"):
        read_probe(tmp_path / "none.safetensors", "probe_is_question")
    write_probes(file, {})
    with pytest.raises(click.ClickException, match="has no 'probe_is_question"):
        read_probe(file, "probe_is_question")


PROBE: Row = {"name": "probe_is_question", "kind": "probe", "model": "smollm2_135m"}
TUNED: Row = {
    "name": "tuned_is_question",
    "kind": "tuned",
    "model": "smollm2_135m",
    "prompt": "en",
    "adapter": "models/a",
}


def test_a_probe_is_judged_by_ratings_of_turns_that_it_has_not_seen(tmp_path: Path) -> None:
    items, states, labels = sample()
    probe = learn(items, states, labels, LAYERS, seed=0)
    file = tmp_path / "probes.safetensors"
    write_probes(file, {"probe_is_question": probe})
    scored: list[Row] = [
        {"id": id, "scorer": name, "score": 10.0, "no_answer": None}
        for id in (0, 1, N + 5)
        for name in ("is_question", "probe_is_question")
    ]
    scored.append({"id": 2, "scorer": "probe_is_question", "score": None, "no_answer": "unreadable"})
    scorers = [Scorer(name="is_question", kind="rules"), Scorer(**PROBE)]
    table = with_held_out_ratings(from_rows(scored, Score), file, scorers)
    scores = {(row["scorer"], row["id"]): row["score"] for row in rows(table)}
    assert scores["probe_is_question", 0] == pytest.approx(probe.held_out[0], abs=1e-4)
    assert scores["probe_is_question", 1] == pytest.approx(probe.held_out[1], abs=1e-4)
    assert scores["probe_is_question", 2] is None
    assert scores["probe_is_question", N + 5] == 10
    assert [scores["is_question", id] for id in (0, 1, N + 5)] == [10, 10, 10]


def test_a_tuned_scorer_is_judged_by_turns_of_dev_and_test(set_params: Callable[..., None]) -> None:
    log = [
        row | {"group": f"g{i}", "messages": 1}
        for i in range(200)
        for row in messages(("a", 0, "What?"), group=f"g{i}", first_id=i)
    ]
    turns = from_rows(log, Turn)
    assert rows(held_out_turns(turns, params())) == rows(turns)
    set_params(**{"score.scorers": [TUNED], "filter.throttles": {"tuned_is_question": 5}})
    side_by_id = sides([turn | {"cr_window": []} for turn in log], params().export)
    held_out = {id for id, side in side_by_id.items() if side in ("dev", "test")}
    assert 40 < len(held_out) < 120
    assert {row["id"] for row in rows(held_out_turns(turns, params()))} == held_out


def test_a_tuned_model_rates_by_the_probability_of_a_question(
    set_params: Callable[..., None], project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever params.yaml says of how the items are asked, and none for a text that doesn't fit."""
    monkeypatch.setenv("LABELS_CACHE", str(project / "cache"))
    options = {"evaluation": "shuffled", "training": "fixed"}
    asked = {"question.window": "auto", "question.option_order": options, "evaluate.permutations": 6}
    set_params(**asked | {"evaluate.protocol": "generate"})
    engine = RuleEngine(lambda chat: [-3.0, -1.0, -9.0] if "what" in chat[0]["content"] else [-1.0, -3.0, -9.0])
    high, low = 10 / (1 + np.exp(-2)), 10 / (1 + np.exp(2))
    ratings = tuned(["what is it", "it rains", "so " * 10**6], engine, params(), "en", "test")
    assert ratings[:2] == pytest.approx([high, low], abs=1e-4)
    assert ratings[2] is NoAnswer.UNREADABLE
    assert "Does the message of a chat ask something" in engine.prompts[0][0]["content"]
    assert tuned([], engine, params(), "en", "test") == []


@pytest.mark.parametrize(
    ("scorer", "message"),
    [
        (PROBE | {"model": None}, "names a model"),
        (PROBE | {"prompt": "en"}, "names a prompt"),
        (PROBE | {"adapter": "models/a"}, "names an adapter"),
        (TUNED | {"adapter": None}, "names an adapter"),
        (TUNED | {"prompt": None}, "names a prompt"),
    ],
)
def test_a_scorer_names_what_its_kind_needs(scorer: Row, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Scorer(**scorer)


def test_turns_that_readers_chose_judge_no_filter(project: Path) -> None:
    folder = project / "data" / "annotations" / "is_question"
    folder.mkdir(parents=True)
    lines = [
        {"id": 1, "annotator": "ann", "label": "question", "at": 5, "guideline": "0" * 12},
        {"id": 2, "annotator": "ann", "label": "not_question", "at": 5, "guideline": "0" * 12},
        {"id": 3, "annotator": "ann", "label": "question", "at": 5, "guideline": "0" * 12, "chosen": "readers"},
    ]
    (folder / "ann.jsonl").write_text("".join(json.dumps({"seconds": None, **line}) + "\n" for line in lines))
    assert random_questions(folder.parent, params(ROOT / "params.yaml")) == {1: True, 2: False}
