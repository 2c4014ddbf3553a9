"""A run whose evaluated split has too few items of a label: every report says so, and none has a score."""

import json
import re
from pathlib import Path

import pytest

from stages.labels.splitting import split
from stages.pipeline.files import read_json, read_yaml
from stages.pipeline.params import params
from stages.pipeline.tables import split_items
from stages.reporting.data_card import main as data_card
from stages.reporting.few_labels import few_labels_in_words, has_few_labels
from stages.reporting.page import load_unfinished_run, tables_and_sources
from stages.reporting.summary import reached
from tests.conftest import ONLY_THE_SAMPLE, QUESTION, ROOT, Row, run
from tests.finished import finish
from tests.synthetic_chat import items

SCORE = re.compile(r"\d\.\d\d \(")  # with the bounds after it


def items_with_two_positive_in_test() -> list[Row]:
    rows = [row | {"group": f"g{row['id'] // 3}"} for row in items(240)]
    splits, _ = split(rows, 0.15, 0.25, 0)
    ids = [item["id"] for item in splits["test"]]
    return [row | ({"label": row["id"] in ids[:2]} if row["id"] in ids else {}) for row in rows]


@ONLY_THE_SAMPLE
def test_a_run_with_two_positive_items_to_evaluate(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LABELS_CACHE", str(project / "cache"))
    finish(project, items_with_two_positive_in_test())
    metrics, p = project / "metrics", params()
    counts = read_json(metrics / "details" / "export.json")["test"]
    words = (
        "Nothing can be read off scores of test: it has 2 items with the label needed and"
        f" {counts['n'] - 2} not needed, fewer than 20 of a label. Label more items, in a random order (not with"
        " `--in-order`), or raise `export.test` in params.yaml."
    )

    tables = (metrics / "tables.md").read_text().split("**Data, models and packages.**")[0]
    assert tables.startswith(words)
    assert not SCORE.search(tables)
    assert re.findall(r"\*\*(.+?)\*\*", tables) == ["Table 1.", "Table 2."]
    assert f"| smollm2_135m | too few | too few | too few | too few | {counts['n']} |\n| *always_positive* |" in tables
    assert f"| *always_positive* | too few |  |  | too few | {counts['n']} |" in tables
    assert read_json(metrics / "tables.json")["table_1"][0]["recall_high"] > 0

    assert "# The law, prompt en: too few labels" in (metrics / "law_tuned.md").read_text()
    assert not SCORE.search((metrics / "law_tuned.md").read_text())
    assert read_json(metrics / "law_tuned.json")["verdict"] == -3
    assert read_json(metrics / "law.json")["verdict"] != -3  # it has the items of train too

    for name in p.finetune:
        card = (metrics / "cards" / f"{name}.md").read_text()
        assert f"## Evaluation\n{words}\n\n## Training data" in card
        assert not SCORE.search(card)
        assert "model-index" not in card

    unfinished = load_unfinished_run(metrics / "details", project / "data", split_items("data/items.jsonl", "test"), p)
    assert reached(unfinished, "test", QUESTION) == words
    stages = read_yaml(project / "dvc.lock")["stages"]
    page_tables = tables_and_sources(
        metrics / "tables.json", unfinished, stages, read_json(project / "data/models.json"), p
    )
    assert page_tables["tables"] == tables.rstrip() + "\n"


@ONLY_THE_SAMPLE
def test_a_data_card_of_few_labels(project: Path) -> None:
    """The sample's template and the one of a chat of one's own; with enough labels neither says anything of it."""
    words = few_labels_in_words("dev", {"n": 25, "positive_share": 0.04}, QUESTION)
    assert words.startswith(
        "Nothing can be read off scores of dev: it has 1 item with the label needed and 24 not needed, fewer"
    )
    for template in (ROOT / "data" / "card.md", ROOT / "stages" / "tools" / "templates" / "card.md"):
        for share in (0.04, 0.8):
            details = project / "details"
            details.mkdir(exist_ok=True)
            for file in (ROOT / "metrics" / "details").glob("*.json"):
                (details / file.name).write_text(file.read_text())
            counts = read_json(details / "export.json")
            counts["dev"] |= {"n": 25 if share == 0.04 else 100, "positive_share": share}
            (details / "export.json").write_text(json.dumps(counts))
            result = run(data_card, details, ROOT / "data/annotations", ROOT / "dvc.lock", template, project / "card")
            assert result.exit_code == 0, result.output
            card = (project / "card").read_text()
            assert (f"\n\n{words}\n\n" in card) is (share == 0.04)
            assert ("Nothing can be read off" in card) is (share == 0.04)


@pytest.mark.parametrize(("positive", "n", "few"), [(19, 100, True), (20, 100, False), (81, 100, True), (0, 0, True)])
def test_the_counts_behind_a_rounded_share(positive: int, n: int, few: bool) -> None:
    assert has_few_labels({"n": n, "positive_share": round(positive / max(n, 1), 4)}) is few
