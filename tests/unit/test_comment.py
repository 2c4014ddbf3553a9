"""What the comment on a pull request compares."""

import pytest
from scipy.stats import binomtest
from sklearn.metrics import f1_score, precision_score, recall_score

from stages.reporting.comment import unexplained
from stages.reporting.comparison import compare_answers, compare_bounds, comparison_row, new_model
from tests.conftest import Row


def prediction(id: int, truth: bool, right: bool) -> Row:
    answer = "positive" if truth is right else "negative"
    logs = {"positive": -3.0, "negative": -3.0, "dont_know": -9.0} | {answer: -0.1}
    return {"id": id, "label": truth, "answer": answer} | logs


@pytest.mark.parametrize(
    ("better", "worse", "moved"), [(4, 0, ""), (5, 0, ""), (6, 0, "better"), (1, 9, "worse"), (3, 9, ""), (12, 12, "")]
)
def test_a_difference_is_beyond_chance_where_a_sign_test_says_so(better: int, worse: int, moved: str) -> None:
    """Of recall, whose answers are right or wrong one by one, the test is the exact one of McNemar. Bounds of a paired
    bootstrap would exclude 0 from four changes on.
    """
    n, truth = 100, [i < 60 for i in range(100)]
    before = [prediction(i, truth[i], i >= better and i < 90) for i in range(n)]
    after = [prediction(i, truth[i], not better <= i < better + worse and i < 90) for i in range(n)]
    comparison = compare_answers(before, after, 2000, 0)
    assert comparison is not None
    exact = binomtest(better, better + worse).pvalue <= 0.05
    assert comparison.moved.get("recall", "") == moved
    assert bool(exact) is bool(moved)
    assert comparison.other_answers == better + worse
    for rows, scores in ((before, comparison.before), (after, comparison.after)):
        predicted = [row["answer"] == "positive" for row in rows]
        assert scores["precision"] == pytest.approx(precision_score(truth, predicted))
        assert scores["recall"] == pytest.approx(recall_score(truth, predicted))
        assert scores["f1"] == pytest.approx(f1_score(truth, predicted))


def test_only_items_that_both_answered_count_by_the_later_labels() -> None:
    before = [prediction(i, i % 2 == 0, True) for i in range(60)]
    after = [prediction(i, i % 2 == 0, True) for i in range(10, 70)]
    after[0] |= {"label": False}
    comparison = compare_answers(before, after, 100, 0)
    assert comparison is not None
    assert (comparison.n, comparison.other_answers, comparison.other_labels) == (50, 0, 1)
    assert comparison.before == comparison.after
    assert comparison.after == {"precision": 24 / 25, "recall": 1.0, "f1": pytest.approx(48 / 49)}
    assert comparison.in_words() == "the same answers"
    assert compare_answers(before[:5], after, 100, 0) is None


def test_bounds_that_do_not_overlap() -> None:
    before = {"n": 50, "positive_share": 0.4} | bounded(
        precision=(0.4, 0.5, 0.6), recall=(0.4, 0.5, 0.6), f1=(0.4, 0.5, 0.6)
    )
    after = {"n": 50, "positive_share": 0.4} | bounded(
        precision=(0.61, 0.7, 0.8), recall=(0.55, 0.7, 0.8), f1=(0.1, 0.2, 0.39)
    )
    assert compare_bounds(before, after).moved == {"precision": "better", "f1": "worse"}
    assert compare_bounds(after, before).moved == {"precision": "worse", "f1": "better"}
    assert compare_bounds(before, after).in_words() == "**precision better; F1 worse beyond chance**"
    assert compare_bounds(before, before).in_words() == "within chance"


def test_a_new_model_has_nothing_before() -> None:
    scores = {"n": 50} | bounded(precision=(0.61, 0.7, 0.8), recall=(0.55, 0.65, 0.8), f1=(0.1, 0.2, 0.39))
    row = comparison_row("a, tuned", new_model(scores | {"positive_share": 0.4}))
    assert row == ["a, tuned", "70.00", "65.00", "20.00", "50", "", "new"]
    row = comparison_row("a, tuned", new_model(scores | {"positive_share": 0.38}))
    assert row == ["a, tuned", "too few", "too few", "too few", "50", "", "new"]


@pytest.mark.parametrize(
    ("positives", "moved"), [(19, {}), (20, {"precision": "better", "recall": "better", "f1": "better"})]
)
def test_too_few_items_of_a_label_move_nothing(positives: int, moved: dict[str, str]) -> None:
    """Every answer was wrong and is right now."""
    before = [prediction(i, i < positives, False) for i in range(100)]
    after = [prediction(i, i < positives, True) for i in range(100)]
    paired = compare_answers(before, after, 100, 0)
    low = {"n": 100, "positive_share": 0.5} | bounded(precision=(0, 0.1, 0.2), recall=(0, 0.1, 0.2), f1=(0, 0.1, 0.2))
    high = low | {"positive_share": positives / 100}
    high |= bounded(precision=(0.8, 0.9, 1), recall=(0.8, 0.9, 1), f1=(0.8, 0.9, 1))
    assert paired is not None
    for comparison in (paired, compare_bounds(low, high)):
        assert comparison.moved == moved
        cells = comparison_row("a", comparison)
        assert (cells[1:4] == ["too few"] * 3) is (positives < 20)
        assert (comparison.in_words() == "too few items to say") is (positives < 20)
    assert compare_bounds(high, low).few_labels is (positives < 20)


def bounded(**scores: tuple[float, float, float]) -> dict[str, float]:
    return {
        f"{name}{end}": value
        for name, values in scores.items()
        for end, value in zip(("_low", "", "_high"), values, strict=True)
    }


def stage(deps: dict[str, str], outs: dict[str, str], **params: float) -> dict[str, object]:
    files = {
        kind: [{"path": path, "md5": md5} for path, md5 in md5_by_path.items()]
        for kind, md5_by_path in (("deps", deps), ("outs", outs))
    }
    return files | ({"params": {"params.yaml": params}} if params else {})


def test_why_data_changed() -> None:
    """A folder that a stage depends on is made by all stages that write into it."""
    before = {
        "concat": stage({"stages/concat.py": "1"}, {"data/turns.jsonl": "1"}),
        "one": stage({"data/turns.jsonl": "1"}, {"data/all/one": "1"}, lr=1),
        "two": stage({"data/raw": "1"}, {"data/all/two": "1"}),
        "join": stage({"data/all": "1"}, {"data/joined": "1"}),
    }
    code = before | {"concat": stage({"stages/concat.py": "2"}, {"data/turns.jsonl": "2"})}
    assert unexplained(before, code) == [("`stages/concat.py`", "`data/turns.jsonl`")]
    rate = before | {"one": stage({"data/turns.jsonl": "1"}, {"data/all/one": "2"}, lr=2)}
    rate["join"] = stage({"data/all": "2"}, {"data/joined": "2"})
    assert unexplained(before, rate) == []
    raw = before | {
        "two": stage({"data/raw": "2"}, {"data/all/two": "2"}),
        "join": stage({"data/all": "2"}, {"data/joined": "2"}),
    }
    assert unexplained(before, raw) == [("`data/raw`", "`data/all/two`, `data/joined`")]
    chance = before | {"two": stage({"data/raw": "1"}, {"data/all/two": "2"})}
    assert unexplained(before, chance) == [("nothing that DVC knows of", "`data/all/two`")]
