"""Every format from an export to labelled questions, by the stages as they run."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from stages.annotate import main as annotate
from stages.concat import main as concat
from stages.filter import main as filter_turns
from stages.ingest import main as ingest
from stages.score import main as score
from tests.chat_exports import FORMATS, Utterance, export
from tests.conftest import QUESTION, RULES_ALONE, run

START = 1499990400  # 2017-07-14 00:00: a date that shows day and month, hours that show the clock
TEXTS = ("Does the ferry run on Sunday?", "Yes, at nine", "And how do I get back?", "thanks a lot")
CHAT = [Utterance("ann" if n % 2 else "bob", TEXTS[n % 4], START + 3600 * n) for n in range(24)]


@pytest.mark.parametrize("format", FORMATS)
def test_every_format_reaches_labelled_questions(project: Path, set_params: Callable[..., None], format: str) -> None:
    path = export(project, format, CHAT)
    set_params(
        **{"ingest.format": "auto", "ingest.limit": None, "ingest.path": str(path), "annotate.adjudicator": "ann"}
        | RULES_ALONE
    )
    annotations = project / "data" / "annotations" / QUESTION.name
    annotations.mkdir(parents=True)
    commands = [
        (ingest, "messages.jsonl imported.jsonl rejects.jsonl n.json ingest.json"),
        (concat, "messages.jsonl turns.jsonl n.json concat.json"),
        (score, "turns.jsonl base scores.jsonl score.json"),
        (filter_turns, "turns.jsonl scores.jsonl inquiries.jsonl rejects.jsonl n.json filter.json"),
    ]
    for main, files in commands:
        result = run(main, *files.split())
        assert result.exit_code == 0, result.output
    inquiries = [json.loads(line) for line in (project / "inquiries.jsonl").read_text().splitlines()]
    assert sorted(inquiry["text"] for inquiry in inquiries) == sorted([TEXTS[0], TEXTS[2]] * 6)
    labels = [
        {"id": inquiry["id"], "annotator": "ann", "label": "needed", "at": 1_700_000_000, "guideline": "0" * 12}
        for inquiry in inquiries
    ]
    lines = "".join(json.dumps(label) + "\n" for label in labels)
    (annotations / "ann.jsonl").write_text(lines)
    files = (
        "inquiries.jsonl data/annotations imported.jsonl labelled.jsonl queue.jsonl rejects.jsonl n.json annotate.json"
    )
    result = run(annotate, *files.split(), "n.json", "agreement.json")
    assert result.exit_code == 0, result.output
    assert json.loads((project / "annotate.json").read_text())["labelled"] == 12
