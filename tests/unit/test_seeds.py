"""Trainings that differ by their seed: predictions as one, and metrics over them."""

import json
import math
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from stages import evaluate
from stages.judging.predictions import answers_of_seeds, log_odds_of
from stages.judging.seeds import measure_seeds
from stages.llm.prompts import LETTERS, OPTIONS
from stages.llm.seeds import mean_predictions
from stages.llm.weights import adapter_folders, identity
from stages.pipeline.files import read_json
from stages.pipeline.params import params
from stages.pipeline.schemas import Item, Prediction
from stages.pipeline.tables import from_rows, read, rows, write
from stages.reporting.comment import seeds_table
from stages.reporting.run import Run
from stages.reporting.summary import reached
from stages.reporting.tables import OVER_SEEDS
from stages.tools.publish import contents
from tests.conftest import ONLY_THE_SAMPLE, QUESTION, Row, inquiry, run
from tests.finished import finish
from tests.rule_engine import RuleEngine
from tests.unit.test_metric import scikit_learn_scores

ANSWERS = ["positive", "negative", "dont_know", "unreadable"]


def prediction(answer: str, id: int = 1, **values: Any) -> Row:
    about_item = {"id": id, "prompt": "en", "letters": "A", "said": None, "answer": answer, "turns_lost": 0}
    return dict.fromkeys(OPTIONS) | about_item | values


def log(**probabilities: float) -> dict[str, Any]:
    return {option: math.log(probability) for option, probability in probabilities.items()}


def mean_of(*predictions: Row) -> Row:
    [row] = mean_predictions({seed: [one] for seed, one in enumerate(predictions)})
    return row


def test_probabilities_are_averaged_and_not_their_logarithms() -> None:
    """One seed is nearly sure; over logarithms the two others would win."""
    sure = prediction("positive", letters="B", **log(positive=0.989, negative=0.001, dont_know=0.01))
    others = [prediction("negative", **log(positive=0.3, negative=0.6, dont_know=0.1)) for _ in range(2)]
    row = mean_of(sure, *others)
    assert math.exp(row["positive"]) == pytest.approx((0.989 + 0.3 + 0.3) / 3, abs=1e-5)
    assert math.exp(row["negative"]) == pytest.approx((0.001 + 0.6 + 0.6) / 3, abs=1e-5)
    assert (row["answer"], row["letters"]) == ("positive", "BAA")
    assert answers_of_seeds(row) == ["positive", "negative", "negative"]


def test_probabilities_too_small_for_a_double() -> None:
    row = mean_of(
        *(prediction("positive", positive=-0.0, negative=low, dont_know=-900.0) for low in (-2000.0, -1000.0))
    )
    assert row["negative"] == pytest.approx(-1000 - math.log(2), abs=1e-6)
    assert (row["positive"], row["dont_know"]) == (0, -900)


def test_what_some_seeds_have_no_probability_of() -> None:
    known = prediction("positive", **log(positive=0.9, negative=0.1))
    row = mean_of(known, prediction("positive", positive=math.log(0.5)), prediction("refused", letters="-"))
    assert math.exp(row["positive"]) == pytest.approx(0.7, abs=1e-5)
    assert (row["negative"], row["answer"], row["letters"]) == (None, "positive", "AA-")


def test_without_probabilities_most_seeds_decide() -> None:
    row = mean_of(*(prediction(answer, said=f"({answer})") for answer in ("positive", "negative", "positive")))
    assert (row["answer"], row["said"]) == ("positive", "(positive)\n(negative)\n(positive)")
    assert mean_of(*(prediction(answer) for answer in ("positive", "negative")))["answer"] == "unreadable"
    assert mean_of(prediction("cut_off"), prediction("cut_off"))["answer"] == "cut_off"


def test_one_seed_is_itself() -> None:
    only = [prediction("positive", id) for id in range(3)]
    assert mean_predictions({7: only}) == only
    assert answers_of_seeds(only[0]) == ["positive"]


@pytest.fixture
def trainings() -> dict[int, list[Row]]:
    """300 items as three seeds predict them, the better the larger the seed."""
    rng = np.random.default_rng(4)
    truth = rng.random(300) < 0.4
    by_seed = {}
    for seed, skill in ((3, 0.2), (5, 1.0), (11, 2.0)):
        odds = skill * (truth - 0.5) + rng.normal(0, 1, 300)
        answers = np.array(ANSWERS)[np.where(odds > 0.2, 0, rng.choice([1, 1, 1, 2, 3], 300))]
        by_seed[seed] = [
            prediction(str(answer), id, label=bool(label), positive=-5 + odd / 2, negative=-5 - odd / 2)
            for id, (answer, label, odd) in enumerate(zip(answers, truth, odds, strict=True))
        ]
    return by_seed


def columns(predictions: list[Row]) -> tuple[Any, Any, Any]:
    return (
        np.array([row["answer"] for row in predictions]),
        np.array([row["label"] for row in predictions]),
        np.array([log_odds_of(row) for row in predictions]),
    )


def test_metrics_are_means_of_those_that_scikit_learn_has_of_each_seed(trainings: dict[int, list[Row]]) -> None:
    means = mean_predictions(trainings)
    metrics = measure_seeds(trainings, means, 50, 0)
    of_seeds = [scikit_learn_scores(*columns(predictions)) for predictions in trainings.values()]
    for name in of_seeds[0]:
        assert metrics[name] == pytest.approx(np.mean([scores[name] for scores in of_seeds]), abs=1e-6), name
    f1s = [scores["f1"] for scores in of_seeds]
    assert min(f1s) < metrics["f1"] < max(f1s)
    assert (metrics["f1_least"], metrics["f1_most"]) == pytest.approx((min(f1s), max(f1s)), abs=1e-6)
    assert metrics["f1_of_mean"] == pytest.approx(scikit_learn_scores(*columns(means))["f1"], abs=1e-6)
    assert metrics["f1_of_mean"] not in f1s
    assert (metrics["seeds"], metrics["n"], type(metrics["n"])) == (3, 300, int)
    unreadable = [sum(row["answer"] == "unreadable" for row in predictions) for predictions in trainings.values()]
    assert metrics["unreadable"] == pytest.approx(sum(unreadable) / 3, abs=1e-6)


def test_bounds_are_of_the_mean_by_a_bootstrap_item_by_item(trainings: dict[int, list[Row]]) -> None:
    """A resample has the same items for every seed."""
    metrics = measure_seeds(trainings, mean_predictions(trainings), 2000, 0)
    columns_of_seeds = [columns(predictions) for predictions in trainings.values()]
    resamples = []
    for indices in np.random.default_rng(7).integers(0, 300, (300, 300)):
        scores = [scikit_learn_scores(*(column[indices] for column in of_seed)) for of_seed in columns_of_seeds]
        resamples.append({name: np.mean([values[name] for values in scores]) for name in scores[0]})
    for name in resamples[0]:
        low, high = np.percentile([resample[name] for resample in resamples], [2.5, 97.5])
        assert metrics[f"{name}_low"] == pytest.approx(low, abs=0.02), name
        assert metrics[f"{name}_high"] == pytest.approx(high, abs=0.02), name


def test_the_mean_of_certain_scores_lies_between_its_bounds() -> None:
    """One seed is always right and another never answers "positive": no resample has another precision or recall."""
    truth = [True] * 30 + [False] * 30
    right = [prediction(("negative", "positive")[label], id, label=label) for id, label in enumerate(truth)]
    never = [row | {"answer": "negative"} for row in right]
    trainings = {0: right, 1: never}
    metrics = measure_seeds(trainings, mean_predictions(trainings), 50, 0)
    for name in ("precision", "recall", "f1", "auc"):
        assert metrics[f"{name}_low"] < metrics[name] < metrics[f"{name}_high"], name
    assert (metrics["precision"], metrics["recall"], metrics["no_positive"]) == (0.5, 0.5, 0.5)


def test_the_metrics_of_one_seed_say_nothing_of_seeds(trainings: dict[int, list[Row]]) -> None:
    metrics = measure_seeds({3: trainings[3]}, trainings[3], 50, 0)
    assert not {"seeds", "f1_least", "f1_most", "f1_of_mean"} & metrics.keys()


def by_id(answered: list[bool], probability: float) -> Callable[[Any], list[float]]:
    """Log-probabilities of the letters; the likely one is that of the option, whatever its letter."""

    def rule(chat: Any) -> list[float]:
        lines = chat[0]["content"].split("\n")
        option = "needed" if answered[int(lines[-1].rpartition("(")[2].partition(")")[0])] else "not needed"
        rest = (1 - probability) / 2
        return [math.log(probability if f"{letter}. {option}" in lines else rest) for letter in LETTERS]

    return rule


@pytest.mark.parametrize("permutations", [1, 3])
def test_the_adapter_of_each_seed_is_asked(
    project: Path, set_params: Callable[..., None], monkeypatch: pytest.MonkeyPatch, permutations: int
) -> None:
    """One seed is unsure and wrong on the last item; the other's answers decide. Metrics are means over both."""
    monkeypatch.setenv("LABELS_CACHE", str(project / "cache"))
    set_params(seeds=[4, 2], **{"evaluate.split": "test", "evaluate.permutations": permutations})
    labels = [True, True, False, False]
    items = [inquiry(id, f"And it ({id})?") | {"label": label, "split": "test"} for id, label in enumerate(labels)]
    write(project / "items.jsonl", from_rows(items, Item), Item)
    adapter = project / "adapter"
    (adapter / "seed_2").mkdir(parents=True)
    rules = {
        adapter: by_id([True, True, True, True], 0.5),
        adapter / "seed_2": by_id([True, False, False, False], 0.9),
    }
    monkeypatch.setattr(evaluate, "engine", lambda name, base, p, folder: RuleEngine(rules[folder]))
    files = [project / name for name in ("items.jsonl", "predictions.jsonl", "metrics.json", "details.json")]
    result = run(evaluate.main, "smollm2_135m", project, *files, "--adapter", adapter)
    assert result.exit_code == 0, result.output
    predictions = sorted(rows(read(files[1], Prediction)), key=lambda row: row["id"])
    assert [row["answer"] for row in predictions] == ["positive", "negative", "negative", "negative"]
    assert [answers_of_seeds(row) for row in predictions[:2]] == [["positive", "positive"], ["positive", "negative"]]
    assert math.exp(predictions[0]["positive"]) == pytest.approx(0.7, abs=1e-5)
    assert list(predictions[0])[-2:] == ["answer_of_seed_4", "answer_of_seed_2"]
    assert {len(row["letters"]) for row in predictions} == {2 * permutations}
    details = json.loads(files[3].read_text())
    f1s = 2 * 2 / (4 + 2), 2 * 1 / (1 + 2)  # hits twice, over answers "positive" and positive items
    assert (details["f1"], details["f1_least"]) == pytest.approx((sum(f1s) / 2, min(f1s)), abs=1e-6)
    assert details["f1_of_mean"] == pytest.approx(f1s[1], abs=1e-6)
    assert (details["seeds"], details["n"], details["turns_lost"]) == (2, 4, 0)
    assert list(json.loads(files[2].read_text())) == ["precision", "recall", "f1", "auc", "n"]
    if permutations == 3:
        assert details["order_changes"] == 0
    else:
        shares = [max(Counter(row["letters"][seed] for row in predictions).values()) / 4 for seed in (0, 1)]
        assert details["letter_share"] == pytest.approx(sum(shares) / 2)


@ONLY_THE_SAMPLE
def test_every_report_has_the_mean_and_the_spread(project: Path, set_params: Callable[..., None]) -> None:
    set_params(seeds=[0, 2, 1])
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LABELS_CACHE", str(project / "cache"))
        finish(project)
    metrics, name = project / "metrics", "smollm2_135m"
    details = {
        state: {model: read_json(metrics / "details" / state / f"{model}.json") for model in params().finetune}
        for state in ("baseline", "tuned")
    }
    predictions = rows(read(project / f"data/predictions/tuned/{name}.jsonl", Prediction))
    truth = np.array([row["label"] for row in predictions])
    f1s = [
        scikit_learn_scores(np.array(answers), truth, truth)["f1"]
        for answers in zip(*map(answers_of_seeds, predictions), strict=True)
    ]
    tuned = details["tuned"][name]
    assert (tuned["f1"], tuned["f1_least"], tuned["f1_most"]) == pytest.approx((np.mean(f1s), min(f1s), max(f1s)))
    assert min(f1s) < max(f1s)

    low, high, least, most = (f"{100 * tuned[key]:.2f}" for key in ("f1_low", "f1_high", "f1_least", "f1_most"))
    f1 = f"{100 * tuned['f1']:.2f} ({low} to {high}; seeds {least} to {most})"
    tables = (metrics / "tables.md").read_text()
    row = next(row for row in read_json(metrics / "tables.json")["table_2"] if row["model"] == name)
    assert f"| **{f1}** | {row['improvement']:+.2f} (" in tables
    assert row["improvement_low"] < row["improvement"] < row["improvement_high"]
    assert row["improvement"] == pytest.approx(100 * (tuned["f1"] - details["baseline"][name]["f1"]), abs=0.011)
    assert "Scores of tuned models are means over 3 seeds of training" in tables
    assert f"{100 * tuned['f1_of_mean']:.2f} ({name}).\n" in tables
    assert tables.count("; seeds ") == len(params().finetune)  # neither vanilla models nor floors

    card = (metrics / "cards" / f"{name}.md").read_text()
    assert f"| {f1} |" in next(line for line in card.splitlines() if line.startswith("| mean of 3 seeds |"))
    assert "means over 3 trainings that differ by their seed" in card
    assert "This adapter is that of the first seed." in card
    sentence = reached(Run(details["baseline"], details["tuned"], {}, {}, {}), "test", QUESTION)
    assert f"; seeds {100 * tuned['f1_least']:.1f} to {100 * tuned['f1_most']:.1f}); the same model before" in sentence

    one_seed = {("tuned", name): {key: value for key, value in tuned.items() if key not in OVER_SEEDS}}
    lines = seeds_table("main", one_seed, {("tuned", name): tuned}, params()).splitlines()
    assert lines[0] == "| model | main | this branch |"
    assert lines[2:] == [f"| {name} | {f1.partition(';')[0]}) | {f1} |"]
    assert seeds_table("main", one_seed, one_seed, params()) == ""


def test_other_seeds_beside_an_adapter_are_no_part_of_it(tmp_path: Path) -> None:
    """Neither of what pins its answers nor of what is published."""
    base, adapter = tmp_path / "base", tmp_path / "adapter"
    base.mkdir()
    adapter.mkdir()
    (adapter / "adapter_model.safetensors").write_text("first")
    others = tmp_path / "card.md", tmp_path, tmp_path / "GUIDELINE.md"
    alone = identity(base, adapter), contents(adapter, *others)
    folders = adapter_folders(adapter, [5, 0, 1])
    assert folders == {5: adapter, 0: adapter / "seed_0", 1: adapter / "seed_1"}
    for seed in (0, 1):
        folders[seed].mkdir()
        (folders[seed] / "adapter_model.safetensors").write_text(f"seed {seed}")
    assert (identity(base, adapter), contents(adapter, *others)) == alone
    assert len({identity(base, folder)["adapter"] for folder in folders.values()}) == 3
