"""The queue of doubtful labels, on cases whose bad labels are known."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from stages.judging.label_doubt import evidence, label_doubt
from stages.judging.probe import folds, out_of_sample, suspects
from stages.labels.selection import in_queue_order, rows_by_id
from stages.pipeline.params import params
from stages.pipeline.schemas import Queue, Reannotate
from stages.pipeline.tables import from_rows, read, rows, write
from stages.studies.label_noise import flip_labels, power, precision_and_recall
from stages.tools.relabel import State, comparison
from tests.conftest import inquiry

WORDS = {True: "and what about that one", False: "which library reads parquet files"}


def items_with_states(n: int) -> tuple[list[dict[str, Any]], Any, list[Any]]:
    """Items in conversations of four, labels, and one view of states that shows them."""
    rng = np.random.default_rng(0)
    labels = rng.random(n) < 0.4
    items = [inquiry(i, f"{WORDS[bool(label)]} {i}") | {"group": f"g{i // 4}"} for i, label in enumerate(labels)]
    states = np.where(labels, 1.0, -1.0)[:, None] + rng.normal(size=(n, 8))
    return items, labels, [states]


def test_doubt_is_what_a_model_gives_the_other_label() -> None:
    doubts = label_doubt(np.array([True, False, True]), [np.array([0.9, 0.9, 0.2])], [{}, {}, {}])
    assert doubts == pytest.approx([0.1, 0.9, 0.8])


def test_models_count_by_their_mean_log_odds() -> None:
    doubts = label_doubt(np.array([True]), [np.array([0.9]), np.array([0.1]), np.array([0.8])], [{}])
    assert doubts == pytest.approx([1 - 1 / (1 + 0.25 ** (1 / 3))])


def test_annotators_who_disagree_raise_the_doubt() -> None:
    labels = np.array([True, False] * 20)
    labels_in_words = ["positive" if label else "negative" for label in labels]
    votes = [{"ann": label, "bob": label} for label in labels_in_words]
    votes[4]["bob"] = "negative"
    votes[7]["ann"] = "positive"
    votes[9] = {}
    doubts = label_doubt(labels, [np.where(labels, 0.7, 0.3)], votes)
    assert set(np.argsort(-doubts)[:3]) == {4, 7, 9}
    assert doubts[9] == pytest.approx(0.3)
    assert doubts.max() < 0.9
    votes[12] = {"ann": "negative", "bob": "negative"}  # settled against both, as an adjudicator may
    assert np.argmax(label_doubt(labels, [np.where(labels, 0.7, 0.3)], votes)) == 12


def test_no_reader_sees_the_label_that_it_is_asked_for() -> None:
    """On labels that nothing can tell, a reader that saw them would be right all the same."""
    items, _, states = items_with_states(400)
    labels = np.random.default_rng(1).random(400) < 0.5
    unseen = out_of_sample(items, states, labels, 0)
    for name, probabilities in unseen.items():
        assert ((probabilities > 0.5) == labels).mean() == pytest.approx(0.5, abs=0.08), name
    for learn, ask in folds(items, labels, 0):
        assert not {items[i]["group"] for i in learn} & {items[i]["group"] for i in ask}


def test_labels_of_one_kind_but_for_a_conversation_tell_nothing() -> None:
    """The readers that are asked about it learned from no positive item."""
    items, _, states = items_with_states(60)
    labels = np.arange(60) < 4
    unseen = out_of_sample(items, states, labels, 0)
    assert unseen["all"][:4] == pytest.approx(0.5)


def test_suspects_are_a_share_of_each_label() -> None:
    """Whichever label is rarer, and however much more the readers doubt it."""
    labels = np.arange(1000) < 50
    doubted = suspects(np.where(labels, 3.0, -3.0) + np.random.default_rng(0).normal(size=1000), labels)
    assert (doubted[labels].sum(), doubted[~labels].sum()) == (5, 95)


def test_spoilt_labels_come_first() -> None:
    items, truth, states = items_with_states(400)
    flipped = flip_labels(items, truth, "random_10", 0)
    labels = truth ^ flipped
    doubts = label_doubt(labels, [out_of_sample(items, states, labels, 0)["all"]], [{}] * 400)
    precision, recall = precision_and_recall(doubts, flipped, 0.1)
    assert recall > 0.9
    assert precision == pytest.approx(recall)  # as many are looked at as are spoilt
    assert precision_and_recall(-doubts, flipped, 0.5) == (0, 0)


def test_tired_annotators_call_short_messages_complete() -> None:
    items = [inquiry(i, "x" * (5 if i % 2 else 500)) for i in range(400)]
    truth = np.arange(400) < 200
    flipped = flip_labels(items, truth, "tired_10", 0)
    assert flipped.sum() == 40
    assert not flipped[200:].any()
    assert flipped[1::2].sum() > 30


@pytest.fixture
def answers(project: Path, set_params: Callable[..., None]) -> Callable[[list[str]], list[dict[str, Any]]]:
    def rows_of(options: list[str]) -> list[dict[str, Any]]:
        odds = {"positive": (-0.1, -3.0), "negative": (-3.0, -0.1), "dont_know": (-2.0, -2.0)}
        return [
            {
                "id": i,
                "answer": option,
                "positive": odds[option][0],
                "negative": odds[option][1],
                "letters": "A",
                "label": i < 2,
            }
            for i, option in enumerate(options)
        ]

    return rows_of


@pytest.mark.parametrize(("has_signal", "count"), [(True, 5), (False, 0)])
def test_the_two_biggest_models_contradict_where_both_show_a_signal(
    answers: Callable[[list[str]], list[dict[str, Any]]], has_signal: bool, count: int
) -> None:
    """Of 500 labels, 200 of them positive, both call every hundredth wrongly; or the biggest has one answer."""
    labels = ["positive"] * 200 + ["negative"] * 300
    of_both = [
        label if i % 100 != 7 else {"positive": "negative"}.get(label, "positive") for i, label in enumerate(labels)
    ]
    models = {
        "smollm2_135m_20": answers(of_both),
        "smollm2_135m": answers(of_both if has_signal else ["negative"] * 500),
    }
    for predictions in models.values():
        for i, prediction in enumerate(predictions):
            prediction |= {"label": i < 200, "letters": "A" if prediction["answer"] == "positive" else "B"}
    unseen = np.array([0.9] * 200 + [0.1] * 300)
    table = evidence([inquiry(i, "And it?") for i in range(500)], models, unseen, [{}] * 500, params())
    assert {row["id"] for row in table if row["biggest_wrong"]} >= {7, 107}
    assert [row["reason"] for row in table].count("biggest_models_disagree") == count


def test_the_papers_rule_and_the_reasons(answers: Callable[[list[str]], list[dict[str, Any]]], tmp_path: Path) -> None:
    items = [inquiry(i, "And it?") for i in range(5)]
    models = {
        "smollm2_135m_10": answers(["negative"] * 5),
        "smollm2_135m_20": answers(["positive", "dont_know", "positive", "negative", "negative"]),
        "smollm2_135m": answers(["positive", "negative", "positive", "positive", "negative"]),
    }
    votes = [{"ann": "negative", "bob": "positive"}, *({"ann": "positive"} for _ in range(1)), {}, {}, {}]
    unseen = np.array([0.9, 0.9, 0.1, 0.9, 0.1])
    table = evidence(items, models, unseen, votes, params())
    by_id = {row["id"]: row for row in table}
    assert [row["rank"] for row in table] == [1, 2, 3, 4, 5]
    assert {id for id, row in by_id.items() if row["biggest_wrong"]} == {1, 2}  # "don't know" is wrong too
    assert {id: row["reason"] for id, row in by_id.items()} == {
        0: "annotators_disagree",
        1: "nothing_against",  # five items show no signal
        2: "nothing_against",
        3: "model_disagrees",
        4: "nothing_against",
    }
    assert (by_id[0]["votes"], by_id[0]["against"]) == (1, 1)
    assert by_id[0]["positive_by_smollm2_135m"] == pytest.approx(1 / (1 + np.exp(-2.9)), abs=1e-4)
    for row in table:
        row["at"] = 7
    path = tmp_path / "reannotate.jsonl"
    write(path, from_rows(table, Reannotate), Reannotate)
    assert [row["id"] for row in rows(read(path, Queue))] == [row["id"] for row in table]
    assert [item["id"] for item in in_queue_order(items, path, 2)] == [row["id"] for row in table[:2]]
    assert [row["at"] for row in rows_by_id(path).values()] == [7] * 5


def test_power() -> None:
    assert power([0, 1, 0, 1], [2, 2, 2, 2])["verdict_power"] == 1
    assert power([2, 0, 2, 0], [2, 2, 2, 2])["verdict_power"] == 0.5
    nothing = power([-1] * 5, [-1])
    assert nothing["verdict_power"] == 0
    assert nothing["verdict_power_low"] < 0 < nothing["verdict_power_high"]


def test_before_and_after() -> None:
    before = State({"verdict": 0, "slope": -0.01}, {1: True, 2: False, 3: True}, {"m": 0.5})
    after = State({"verdict": 2, "slope": 0.02}, {1: True, 2: True}, {"m": 0.61})
    lines = {name: values for name, *values in comparison(before, after)}
    assert lines["labelled items"] == ["3", "2"]
    assert lines["labels changed"] == ["", "1"]
    assert lines["verdict"] == ["0", "2"]
    assert lines["slope_increase_probability"] == ["-", "-"]
    assert lines["precision, m (%)"] == ["50.00", "61.00"]
