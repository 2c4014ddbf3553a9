"""The comment on a pull request, from a small pipeline that DVC really runs, on branches that change lr a little and
too much, and two that change labels. What comes out is kept in tests/fixtures/comments/.
"""

import json
import shutil
import sys
from pathlib import Path

import pytest

from tests.clones import call, commit, copy, take_results_away
from tests.conftest import ROOT, change_params

COMMENTS = ROOT / "tests" / "fixtures" / "comments"
PIPELINE = """
stages:
  annotate:
    cmd: python small.py annotate
    deps: [data/annotations/needs_context]
    outs: [data/items.jsonl]
  train:
    cmd: python small.py train
    deps: [small.py, data/items.jsonl]
    params: [lr]
    outs: [data/predictions/tuned/smollm2_135m.jsonl]
    metrics:
      - metrics/details/tuned/smollm2_135m.json: {cache: false}
  law_tuned:
    cmd: python small.py law
    deps: [small.py, metrics/details/tuned]
    metrics:
      - metrics/law.json: {cache: false}
      - metrics/law_tuned.json: {cache: false}
    plots:
      - metrics/plots/size.json: {cache: false, template: size, x: parameters, y: value}
"""
SMALL = """
import json, sys
from pathlib import Path

import numpy as np

from stages.judging.bootstrap import bootstrap_scores
from stages.pipeline.params import params
from stages.pipeline.schemas import Item, Prediction
from stages.pipeline.files import read_json, write_json
from stages.pipeline.tables import from_rows, rows, read, write
from tests.synthetic_chat import items

LETTERS = {"positive": "A", "negative": "B"}
DIVISORS = {2e-4: {5}, 2e-5: {5, 29}, 1e-3: {2, 3}}  # by lr: items that one of these divides are answered wrongly


def answer(id, lr):
    is_wrong = any(id % divisor == 0 for divisor in DIVISORS[lr])
    option = "positive" if (id < 36) != is_wrong else "negative"
    logs = {"positive": -3.0, "negative": -3.0, "dont_know": -9.0} | {option: -0.1}
    row = {"id": id, "prompt": "en", "letters": LETTERS[option], "said": None, "answer": option, "turns_lost": 0}
    return row | logs


if sys.argv[1] == "annotate":
    lines = Path("data/annotations/needs_context/ann.jsonl").read_text().splitlines()
    needed = [json.loads(line)["label"] == "needed" for line in lines]
    labelled = [row | {"label": needed[row["id"]], "split": "test"} for row in items(len(needed))]
    write("data/items.jsonl", from_rows(labelled, Item), Item)
elif sys.argv[1] == "train":
    truth = {row["id"]: row["label"] for row in rows(read("data/items.jsonl", Item))}
    predictions = [answer(id, params().lr) | {"label": truth[id]} for id in sorted(truth)]
    write("data/predictions/tuned/smollm2_135m.jsonl", from_rows(predictions, Prediction), Prediction)
    odds = np.array([[row["positive"] - row["negative"] for row in predictions]])
    answers = np.array([[row["answer"] for row in predictions]])
    scores = bootstrap_scores(answers, odds, np.array(list(truth.values())), 200, 0)
    metrics = {"n": len(predictions), "positive_share": sum(truth.values()) / len(truth)}
    for name, [score] in scores.observed.items():
        [low], [high] = scores.bounds(name)
        metrics |= {name: round(score, 6), f"{name}_low": round(low, 6), f"{name}_high": round(high, 6)}
    write_json("metrics/details/tuned/smollm2_135m.json", metrics)
else:
    f1 = read_json(Path("metrics/details/tuned/smollm2_135m.json"))["f1"]
    write_json("metrics/law.json", {"verdict": -1})
    write_json("metrics/law_tuned.json", {"verdict": 2 if f1 > 0.8 else 1})
    row = {"state": "tuned", "model": "smollm2_135m", "parameters": 1000000, "value": 100 * f1, "low": 50, "high": 90}
    write_json("metrics/plots/size.json", [row | {"score": "precision"}, row | {"score": "F1 score"}])
"""

RATES = {"slow": 2e-5, "fast": 1e-3}
NEEDED = {"labels": 34, "few": 15}


def label(folder: Path, needed: int) -> None:
    labels = folder / "data" / "annotations" / "needs_context"
    labels.mkdir(parents=True, exist_ok=True)
    rows = [{"id": i, "label": "needed" if i < needed else "not_needed"} for i in range(60)]
    (labels / "ann.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project on main whose small pipeline has run, and branches on which it has run again."""
    folder = tmp_path_factory.mktemp("pull")
    copy(folder)
    take_results_away(folder)
    shutil.rmtree(folder / "data" / "annotations")
    (folder / "dvc.yaml").write_text(PIPELINE)
    (folder / "small.py").write_text(SMALL)
    (folder / ".gitignore").write_text("__pycache__/\n/size.png\n")
    change_params(folder, {"ladder": ["smollm2_135m"], "finetune": ["smollm2_135m"]})
    label(folder, 36)
    call(folder, "git", "checkout", "--quiet", "-b", "main")
    for branch in ("main", *RATES, *NEEDED):
        if branch != "main":
            call(folder, "git", "checkout", "--quiet", "-b", branch, "main")
        if branch in RATES:
            change_params(folder, {"lr": RATES[branch]})
        if branch in NEEDED:
            label(folder, NEEDED[branch])
        call(folder, "dvc", "repro")
        commit(folder, branch)
    return folder


@pytest.mark.parametrize("branch", [*RATES, "labels"])
def test_the_comment_on_a_branch(clone: Path, branch: str) -> None:
    """As the workflow's command writes it."""
    call(clone, "git", "checkout", "--quiet", branch)
    call(clone, "dvc", "checkout")
    output = call(clone, sys.executable, "-m", "stages.reporting.comment", "main", "size.png")
    assert output == (COMMENTS / f"{branch}.md").read_text(encoding="utf-8")
    assert (clone / "size.png").read_bytes().startswith(b"\x89PNG")
    assert call(clone, "git", "status", "--porcelain") == ""


def test_too_few_items_of_a_label(clone: Path) -> None:
    call(clone, "git", "checkout", "--quiet", "few")
    call(clone, "dvc", "checkout")
    output = call(clone, sys.executable, "-m", "stages.reporting.comment", "main", "size.png")
    row = "| smollm2_135m, tuned | too few | too few | too few | 60 | 0 | too few items to say |"
    why = "fewer than 20 items of a label were evaluated."
    assert f'{row}\n\nNothing can be read off where "too few" stands: {why} Label more, in a random order.' in output


def test_nothing_changed(clone: Path) -> None:
    call(clone, "git", "checkout", "--quiet", "main")
    output = call(clone, sys.executable, "-m", "stages.reporting.comment", "main", "size.png")
    assert output.count("No change.") == 2
    assert "WARNING" not in output
    assert "**changed**" not in output


def test_a_pipeline_that_has_run_in_part(clone: Path) -> None:
    call(clone, "git", "checkout", "--quiet", "-b", "part", "main")
    call(clone, "git", "rm", "--quiet", "-r", "metrics")
    call(clone, "git", "commit", "--quiet", "-m", "part")
    output = call(clone, sys.executable, "-m", "stages.reporting.comment", "main", "size.png")
    assert "| vanilla | no signal | none **changed** |" in output
    assert "Nothing has been evaluated yet." in output


def test_a_base_that_is_not_there(clone: Path) -> None:
    output = call(clone, sys.executable, "-m", "stages.reporting.comment", "nowhere", "size.png", fails=True)
    assert "nowhere" in output
    assert "Traceback" not in output


def test_without_the_predictions_of_a_side_bounds_decide(clone: Path, tmp_path: Path) -> None:
    call(clone, "git", "checkout", "--quiet", "fast")
    call(clone, "dvc", "checkout")
    shutil.move(clone / ".dvc" / "cache", tmp_path / "cache")
    try:
        output = call(clone, sys.executable, "-m", "stages.reporting.comment", "main", "size.png")
    finally:
        shutil.move(tmp_path / "cache", clone / ".dvc" / "cache")
    assert "Predictions of main aren't available: `dvc pull`." in output
    row = "| smollm2_135m, tuned | 87.50 → 42.86 | 77.78 → 33.33 | 82.35 → 37.50 | 60 |  |"
    assert f"{row} **precision, recall, F1 worse beyond chance** |" in output
    assert "Traceback" not in output
    shutil.move(clone / "data" / "predictions", tmp_path / "predictions")
    output = call(clone, sys.executable, "-m", "stages.reporting.comment", "main", "size.png")
    shutil.move(tmp_path / "predictions", clone / "data" / "predictions")
    assert "Predictions of this branch aren't available: `dvc pull`." in output
    assert row in output
