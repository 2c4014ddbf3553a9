"""Annotation tools: nothing that was typed is lost, and what other tools say is read as they mean it."""

import csv
import json
import random
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click import ClickException
from click.testing import CliRunner, Result

from stages.labels import agreement, label_studio, store
from stages.labels.__main__ import main
from stages.labels.annotator_file import open_for
from stages.labels.settling import labelled_questions
from stages.pipeline.schemas import Inquiry, Label, Prediction, QuestionLabel, Score
from stages.pipeline.tables import from_rows, write
from tests.conftest import ROOT, Row, inquiry
from tests.labelling import KEYS, N, lines

# The store


def test_the_latest_label_counts_even_within_one_second(annotations: Path) -> None:
    with open_for("ann", annotations) as label_file:
        label_file.append(1, "needed", 2.5)
        label_file.append(1, "not_needed")
        label_file.append(2, "needed")
        label_file.append(2, None)
        label_file.append(3, None, note="too hard")
    assert len(lines(annotations / "ann.jsonl")) == 5
    assert store.votes(store.load([annotations / "ann.jsonl"])) == {1: {"ann": "not_needed"}}


@pytest.mark.parametrize(("end", "ids"), [(b'{"id":3,"lab', [1, 2]), (b"", [1, 2])])
def test_a_line_that_a_crash_cut_is_put_aside(annotations: Path, end: bytes, ids: list[int]) -> None:
    with open_for("ann", annotations) as label_file:
        label_file.append(1, "needed")
        label_file.append(2, "needed")
    file = annotations / "ann.jsonl"
    file.write_bytes(file.read_bytes() + end if end else file.read_bytes()[:-1])  # cut, or only its end never written
    with open_for("ann", annotations) as label_file:
        assert sorted(label_file.lines) == ids
        label_file.append(4, "needed")
    assert [line["id"] for line in lines(file)] == [*ids, 4]
    assert (annotations / "ann.torn").exists() is bool(end)


def test_torn_lines_are_all_kept(annotations: Path) -> None:
    file = annotations / "ann.jsonl"
    for torn in (b'{"id":3,"lab', b'{"id":4', b"\0\0"):
        with open_for("ann", annotations) as label_file:
            label_file.append(1, "needed")
        with file.open("ab") as target:
            target.write(torn)
    with open_for("ann", annotations):
        pass
    assert (annotations / "ann.torn").read_bytes() == b'{"id":3,"lab\n{"id":4\n\0\0\n'
    assert len(lines(file)) == 3


CONFLICT = """<<<<<<< HEAD
{mine}
||||||| base
=======
{theirs}
>>>>>>> bob's branch"""


@pytest.mark.parametrize("before", [0, 2])
def test_a_merge_conflict_is_named_by_its_line(annotations: Path, before: int) -> None:
    with open_for("ann", annotations) as label_file:
        for id in range(4):
            label_file.append(id, "needed")
    file = annotations / "ann.jsonl"
    *first, mine, theirs = file.read_text().splitlines()
    conflict_lines = [*first[:before], CONFLICT.format(mine=mine, theirs=theirs)]
    file.write_text("\n".join(conflict_lines))  # without an end, as a torn line has none
    message = rf"ann\.jsonl, line {before + 1}: a merge conflict: .* keep both sides' lines and delete the markers"
    with pytest.raises(ClickException, match=message):
        store.load([file])
    with pytest.raises(ClickException, match=message), open_for("ann", annotations):
        pass
    assert file.read_text() == "\n".join(conflict_lines)
    assert not (annotations / "ann.torn").exists()
    file.write_text("".join(line + "\n" for line in "\n".join(conflict_lines).splitlines() if line.startswith("{")))
    assert len(store.load([file])) == before + 2


@pytest.mark.parametrize(
    ("at", "why"),
    [
        (1_700_000_000_000, "is in milliseconds and must be in seconds"),
        (int(time.time()) + 3 * 86_400, "lies in the future"),
    ],
    ids=["milliseconds", "future"],  # the workers must collect the same names
)
@pytest.mark.parametrize("field", ["at", "given"])
def test_a_time_that_cannot_be_is_refused_by_every_reader(annotations: Path, at: int, why: str, field: str) -> None:
    line = {"id": 7, "annotator": "ann", "label": "needed", "at": 1, "seconds": None, "guideline": "0" * 12}
    for folder, label, model in ((annotations, "needed", Label), (annotations / "filter", "question", QuestionLabel)):
        file = folder / "ann.jsonl"
        file.write_text(
            json.dumps(line | {"label": label}) + "\n" + json.dumps(line | {"label": label, "at": 2, field: at})
        )
        with pytest.raises(
            ClickException, match=rf"ann\.jsonl has labels whose `{field}` {why}.*; 1 of 2, first id 7"
        ):
            store.load([file], model)
    with pytest.raises(ClickException, match=why), open_for("ann", annotations):
        pass
    with pytest.raises(ClickException, match=why):
        labelled_questions(annotations / "filter")
    tomorrow = int(time.time()) + 80_000  # a clock may be ahead
    (annotations / "ann.jsonl").write_text(json.dumps(line | {field: tomorrow}))
    assert len(store.load([annotations / "ann.jsonl"])) == 1


def test_another_annotators_lines_are_refused_by_every_reader(annotations: Path) -> None:
    line = {"id": 7, "annotator": "ann", "label": "needed", "at": 1, "seconds": None, "guideline": "0" * 12}
    text = json.dumps(line | {"annotator": "bob"}) + "\n" + json.dumps(line) + "\n"
    for name in ("bob", "imported"):
        (annotations / f"{name}.jsonl").write_text(text)
    message = r"bob\.jsonl has labels by ann: a file is one annotator's; 1 of 2, first id 7"
    with pytest.raises(ClickException, match=message):
        store.load(sorted(annotations.glob("*.jsonl")))
    with pytest.raises(ClickException, match=message), open_for("bob", annotations):
        pass
    (annotations / "bob.jsonl").unlink()
    (annotations / "imported.jsonl").write_text(json.dumps(line | {"annotator": "export"}))
    with pytest.raises(ClickException, match=r"imported\.jsonl has labels by export"):
        store.load([annotations / "imported.jsonl"])
    assert len(store.load([], imported=annotations / "imported.jsonl")) == 1
    (annotations / "imported.jsonl").write_text(json.dumps(line))
    with pytest.raises(ClickException, match=r"imported\.jsonl has labels by ann"):
        store.load([], imported=annotations / "imported.jsonl")
    (annotations / "filter" / "cid.jsonl").write_text(json.dumps(line | {"label": "question"}))
    with pytest.raises(ClickException, match=r"cid\.jsonl has labels by ann"):
        labelled_questions(annotations / "filter")


def test_nobody_is_called_export(room: Path) -> None:
    folder = room / "data" / "annotations"
    for command in ("label", "questions"):
        result = call(command, "export")
        assert result.exit_code == 2
        assert "not export, whose labels came with the chat export" in result.output
    (room / "labels.csv").write_text("id,label,annotator\n11,needed,export\n12,needed,exports\n")
    result = call("import", "labels.csv")
    assert "line 2: annotator 'export'" in result.output
    assert "not export" in result.output
    assert not list(folder.glob("*.jsonl"))
    assert "exports: 1 of 1 label new" in call("import", "labels.csv", "--rename", "export=exports2").output
    (folder / "export.jsonl").write_text("")
    with pytest.raises(ClickException, match=r"export\.jsonl: export is the name of labels that came with"):
        store.load(folder.glob("*.jsonl"))


def test_a_file_is_one_annotators(annotations: Path) -> None:
    with open_for("ann", annotations) as label_file:
        label_file.append(1, "needed")
    (annotations / "ann.jsonl").rename(annotations / "bob.jsonl")
    with pytest.raises(ClickException, match=r"bob\.jsonl has labels by ann"), open_for("bob", annotations):
        pass


# A full disk, as a limit on the size of files has it
FULL = """
import resource, sys
from pathlib import Path
from click import ClickException
from stages.labels.annotator_file import open_for
file = Path(sys.argv[1])
with open_for("ann", file.parent) as label_file:
    resource.setrlimit(resource.RLIMIT_FSIZE, (file.stat().st_size + int(sys.argv[2]),) * 2)
    try:
        label_file.append(2, "needed", note="x" * 9000)
    except ClickException as error:
        print(error.message)
    assert sorted(label_file.lines) == [1], "said to be kept"
"""


@pytest.mark.parametrize("free_bytes", [0, 1, 100, 8500])
def test_a_label_that_the_disk_has_no_room_for_is_not_half_kept(annotations: Path, free_bytes: int) -> None:
    with open_for("ann", annotations) as label_file:
        label_file.append(1, "needed")
    file = annotations / "ann.jsonl"
    before = file.read_bytes()
    command = [sys.executable, "-c", FULL, str(file), str(free_bytes)]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    message = f"{annotations}: ann.jsonl can't be written: File too large; the last label or note is not kept\n"
    assert result.stdout == message
    assert file.read_bytes() == before
    with open_for("ann", annotations) as label_file:
        label_file.append(2, "needed")
    assert not list(annotations.glob("*.torn"))


def test_an_import_without_room_keeps_nothing_and_goes_on_later(room: Path) -> None:
    (room / "labels.csv").write_text("id,label,annotator\n11,needed,bob\n12,needed,bob\n")
    file = room / "data" / "annotations" / "bob.jsonl"
    file.write_text("")
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    call("agreement")  # the fingerprint is there
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, limit[1]))
    try:
        result = call("import", "labels.csv")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
    assert result.exit_code == 1
    assert "none of bob's 2 new labels is kept" in result.output
    assert file.read_bytes() == b""
    assert "bob: 2 of 2 labels new" in call("import", "labels.csv").output


def test_a_folder_that_cannot_be_written_is_named(annotations: Path) -> None:
    (annotations / "ann.jsonl").mkdir()
    with (
        pytest.raises(ClickException, match=r"annotations: ann\.jsonl can't be written"),
        open_for("ann", annotations),
    ):
        pass


def test_one_terminal_at_a_time(annotations: Path) -> None:
    with open_for("ann", annotations), pytest.raises(Exception, match="open in another terminal"):
        open_for("ann", annotations).__enter__()


@pytest.mark.slow
def test_500_items_and_ten_kills_lose_and_double_nothing(annotations: Path) -> None:
    """What was acknowledged before a kill -9 is there after it, once; nothing is asked twice."""
    rng = random.Random(0)
    promised: dict[int, str] = {}
    for attempt in range(11):
        command = [sys.executable, "-m", "tests.labelling", annotations, str(attempt)]
        with subprocess.Popen(list(map(str, command)), cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
            stop = rng.randrange(5, 60) if attempt < 10 else N
            assert process.stdout
            for line in process.stdout:
                id, key = line.split()
                assert int(id) not in promised, "asked twice"
                promised[int(id)] = key
                if (stop := stop - 1) == 0:
                    process.kill()
    stored_lines = lines(annotations / "ann.jsonl")
    assert sorted(line["id"] for line in stored_lines) == list(range(N))
    label_of = {key: label for label, key in KEYS.items()}
    by_id = {line["id"]: line["label"] for line in stored_lines}
    assert {id: by_id[id] for id in promised} == {id: label_of[key] for id, key in promised.items()}
    assert len(promised) >= N - 10  # at most one label a kill was on the disk before it was announced


# Commands, over an empty project


@pytest.fixture
def room(project: Path, annotations: Path) -> Path:
    (project / "data").mkdir()
    annotations.rename(project / "data" / "annotations")
    items = [inquiry(id, f"And number {id}?") for id in (11, 12, 13)]
    write(project / "data" / "inquiries.jsonl", from_rows(items, Inquiry), Inquiry)
    scores = [
        {"id": 11, "scorer": "is_question", "score": 10.0},
        {"id": 12, "scorer": "mark_is_question", "score": 0.5},
    ]
    write(project / "data" / "scores.jsonl", from_rows(scores, Score), Score)
    return project


def call(*arguments: str) -> Result:
    return CliRunner().invoke(main, arguments)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["Ann B."], "must be lower case letters"),
        (["ann", "--keys", "jj"], "--keys wants 3 letters"),
        (["ann"], "needs a terminal"),
    ],
)
def test_label_says_what_it_needs(room: Path, arguments: list[str], message: str) -> None:
    result = call("label", *arguments)
    assert result.exit_code != 0
    assert message in result.output
    assert not list((room / "data" / "annotations").glob("*.jsonl"))


LABEL_STUDIO = [
    {
        "id": 1,
        "data": {"inquiry": 11},
        "annotations": [
            {
                "completed_by": 1,
                "was_cancelled": False,
                "updated_at": "2026-01-02T03:04:05.678901Z",
                "lead_time": 4.5,
                "result": [{"type": "choices", "value": {"choices": ["needed"]}}],
            },
            {
                "completed_by": 2,
                "was_cancelled": True,
                "updated_at": "2026-01-02T03:04:05Z",
                "lead_time": 1,
                "result": [],
            },
        ],
    }
]


def test_label_studio_json(room: Path) -> None:
    (room / "export.json").write_text(json.dumps(LABEL_STUDIO))
    result = call("import", "export.json", "--rename", "1=ann")
    assert result.exit_code == 0, result.output
    assert "ann: 1 of 1 label new" in result.output
    [line] = lines(room / "data" / "annotations" / "ann.jsonl")
    assert line == {
        "id": 11,
        "annotator": "ann",
        "label": "needed",
        "at": 1767323045,
        "seconds": 4.5,
        "guideline": store.guideline_version(room / "data" / "annotations"),
    }
    assert "ann: 0 of 1 label new" in call("import", "export.json", "--rename", "1=ann").output


def test_a_table_with_columns_of_its_own(room: Path) -> None:
    with (room / "labels.csv").open("w", newline="") as file:
        csv.writer(file).writerows(
            [["Nr", "who", "what"], [11, "bob", "needed"], [12, "bob", "not_needed"], [99, "cid", "needed"]]
        )
    columns = ["--column", "id=Nr", "--column", "annotator=who", "--column", "label=what"]
    result = call("import", "labels.csv", *columns)
    assert result.exit_code == 0, result.output
    assert "1 ids are no inquiries" in result.output
    assert [line["id"] for line in lines(room / "data" / "annotations" / "bob.jsonl")] == [11, 12]
    assert "bob: 0 of 2 labels new" in call("import", "labels.csv", *columns).output
    with open_for("bob", room / "data" / "annotations") as label_file:
        label_file.append(11, "not_question")
    assert "bob: 0 of 2 labels new" in call("import", "labels.csv", *columns).output
    assert lines(room / "data" / "annotations" / "bob.jsonl")[-1]["label"] == "not_question"


def test_times_without_a_zone_are_those_of_the_params(room: Path, set_params: Callable[..., None]) -> None:
    set_params(**{"ingest.timezone": "Asia/Shanghai"})
    row = {"id": 11, "label": "needed", "annotator": "bob", "at": "2024-03-01 12:00", "note": "one\u2028two"}
    (room / "labels.jsonl").write_text(json.dumps(row, ensure_ascii=False) + "\n")
    (room / "labels.csv").write_text("id,label,annotator,at,note\n12,needed,bob,2024-03-01T05:00Z,one\u2028two\n")
    for name in ("labels.jsonl", "labels.csv"):
        assert "1 of 1 label new" in call("import", name).output
    stored_lines = lines(room / "data" / "annotations" / "bob.jsonl")
    assert stored_lines[1]["at"] - stored_lines[0]["at"] == 3600
    assert [line["note"] for line in stored_lines] == ["one\u2028two"] * 2


def test_a_label_said_twice_is_one_and_two_that_differ_are_an_error(room: Path) -> None:
    rows = [("11", "needed"), ("11", "needed"), ("12", "needed")]
    for later_rows, output in (
        ((), "bob: 2 of 2 labels new"),
        ((("12", "not_needed"),), "line 5: bob labels id 12"),
    ):
        with (room / "labels.csv").open("w", newline="") as file:
            csv.writer(file).writerows(
                [("id", "label", "annotator"), *((*row, "bob") for row in (*rows, *later_rows))]
            )
        assert output in call("import", "labels.csv").output
    assert store.load([room / "data" / "annotations" / "bob.jsonl"])


def test_another_label_at_the_same_time_is_not_passed_over(room: Path) -> None:
    for label, output in (("needed", "1 of 1 label new"), ("not_needed", "ann said needed and now not_needed")):
        (room / "labels.csv").write_text(f"id,label,annotator,at\n11,{label},ann,2024-03-01T05:00Z\n")
        assert output in call("import", "labels.csv").output
    assert len(lines(room / "data" / "annotations" / "ann.jsonl")) == 1


def test_a_wrong_table_gets_one_message_with_every_bad_row(room: Path) -> None:
    rows = [
        {"id": 11, "label": "needed", "annotator": "bob"},
        {"id": "x", "label": "needed", "annotator": "bob"},
        {"id": 12, "label": "yes", "annotator": "bob"},
        {"id": 13, "label": "needed", "annotator": "Bob B."},
        {"label": "needed", "annotator": "bob"},
        {"id": 13, "label": "needed", "annotator": "bob", "at": "yesterday"},
        {"id": 13, "label": "needed", "annotator": "bob", "at": 1_700_000_000_000},
        {"id": 13, "label": "needed", "annotator": "bob", "at": "0"},
        {"id": 13, "label": "needed", "annotator": "bob", "seconds": -1},
        {"id": 13, "label": "needed", "annotator": "bob", "seconds": float("nan")},
        {"id": 13, "label": "needed", "annotator": "bob", "at": [1]},
        {"id": 13, "label": "needed", "annotator": "bob", "seconds": {}},
        {"id": 13, "label": "needed", "annotator": "bob", "at": time.time() + 200_000},
    ]
    (room / "labels.jsonl").write_text("\n".join(map(json.dumps, rows)))
    result = call("import", "labels.jsonl")
    assert result.exit_code == 1
    reasons = {2: "'x'", 3: "--value 'yes=needed'", 4: "--rename 'Bob B.=bob_b'", 5: "no id", 6: "yesterday"}
    reasons |= {7: "1700000000000, which is in milliseconds", 8: "'0', which is no time", 9: "seconds is -1, no time"}
    reasons |= {13: "lies in the future"}
    for place, why in reasons.items():
        assert any(f"line {place}: " in line and why in line for line in result.output.splitlines()), result.output
    assert "labels.jsonl: 2 rows, first line 6: " in result.output  # with 11
    assert "labels.jsonl: 3 rows, first line 9: " in result.output  # with 10 and 12
    assert not list((room / "data" / "annotations").glob("*.jsonl"))


def test_what_is_no_row_is_named_by_its_line(room: Path) -> None:
    (room / "labels.jsonl").write_text('{"id": 11}\n\n{"id": 12\n')
    assert "labels.jsonl: can't be read as jsonl: line 3: " in call("import", "labels.jsonl").output
    assert "--column wants two names with = between, got id" in call("import", "labels.jsonl", "--column", "id").output


@pytest.mark.parametrize("text", ["{", "[1]", "\ufffe", '{"a": [1]', "3"])
def test_a_file_that_is_no_table(room: Path, text: str) -> None:
    (room / "export.json").write_text(text)
    result = call("import", "export.json")
    assert result.exit_code == 1
    assert "export.json: can't be read as json" in result.output


def test_tasks_for_label_studio(room: Path) -> None:
    answer: Row = {"id": 13, "cr_need_gt": True, "needed": -0.1, "not_needed": -3.0, "dont_know": -4.0}
    answer |= {"prompt": "en", "letters": "B", "turns_lost": 0}
    predictions = room / "data" / "predictions" / "tuned" / "small.jsonl"
    write(predictions, from_rows([answer | {"answer": "needed"}], Prediction), Prediction)
    said_in_words = predictions.with_name("talks.jsonl")
    answers = [
        {
            "id": id,
            "prompt": "zh",
            "cr_need_gt": True,
            "letters": letter,
            "said": "…",
            "answer": answer,
            "turns_lost": 0,
        }
        for id, letter, answer in ((11, "A", "not_needed"), (13, "-", "unreadable"))
    ]
    write(said_in_words, from_rows(answers, Prediction), Prediction)
    result = call("tasks", "studio", "--predictions", str(predictions), "--predictions", str(said_in_words))
    assert result.exit_code == 0, result.output
    first, second, third = json.loads((room / "studio" / "tasks.json").read_text())
    assert first["data"]["chat"][-1] == {"author": "A", "text": "And number 11?"}
    assert [turn["author"] for turn in first["data"]["chat"]] == ["B", "A", "A"]
    assert [(p["model_version"], p["result"][0]["value"]["choices"], p["score"]) for p in first["predictions"]] == [
        ("tuned talks zh", ["not_needed"], 1)
    ]
    assert len(third["predictions"]) == 1
    assert [(p["model_version"], p["result"][0]["value"]["choices"]) for p in second["predictions"]] == [
        ("mark_is_question", ["not_question"])
    ]
    assert third["predictions"][0]["model_version"] == "tuned small en"
    assert (room / "studio" / "config.xml").read_text() == label_studio.LABELING_CONFIG


# Agreement, against published examples


def test_cohen() -> None:
    """50 proposals, two readers: 20 yes-yes, 5 yes-no, 10 no-yes, 15 no-no gives 0.40."""
    pairs = [("needed", "needed")] * 20 + [("needed", "not_needed")] * 5
    pairs += [("not_needed", "needed")] * 10 + [("not_needed", "not_needed")] * 15
    votes = {i: {"a": a, "b": b} for i, (a, b) in enumerate(pairs)}
    scores = agreement.measure_agreement(votes, ["a", "b"], 200, 0)["pairs"]["a / b"]
    assert scores["kappa"] == pytest.approx(0.4)
    assert scores["kappa_low"] < 0.4 < scores["kappa_high"]
    assert scores["n"] == 50
    assert scores["confusion"]["needed"] == {"needed": 20, "not_needed": 5, "not_question": 0}


def test_fleiss() -> None:
    """Fleiss (1971) in the common example of ten items, fourteen raters and five categories: 0.210."""
    counted = """0 0 0 0 14  0 2 6 4 2  0 0 3 5 6  0 3 9 2 0  2 2 8 1 1
        7 7 0 0 0  3 2 6 3 0  2 5 3 2 2  6 5 2 1 0  0 2 2 3 7"""
    table = np.array(counted.split(), dtype=int).reshape(10, 5)
    assert agreement.fleiss_kappa(table) == pytest.approx(0.210, abs=5e-4)


def test_krippendorff() -> None:
    """Krippendorff (2011), "Computing Krippendorff's Alpha-Reliability", example C: four observers, alpha 0.743."""
    observers = [
        "1 2 3 3 2 1 4 1 2 . . .",
        "1 2 3 3 2 2 4 1 2 5 . 3",
        ". 3 3 3 2 3 4 2 2 5 1 .",
        "1 2 3 3 2 4 4 1 2 5 1 .",
    ]
    units = zip(*(observer.split() for observer in observers), strict=True)
    table = np.array([[unit.count(value) for value in "12345"] for unit in units])
    assert agreement.krippendorff_alpha(table[table.sum(axis=1) > 1]) == pytest.approx(0.743, abs=5e-4)


def test_three_annotators_and_each_against_the_rest() -> None:
    label = ["needed", "not_needed"]
    votes = {i: {"a": label[i % 2], "b": label[i % 2], "c": label[(i // 2) % 2]} for i in range(40)}
    del votes[0]["c"]
    scores = agreement.measure_agreement(votes, ["a", "b", "c"], 100, 0)
    assert scores["pairs"]["a / b"]["kappa"] == 1
    assert scores["fleiss"]["n"] == 39
    assert scores["krippendorff"]["n"] == 40
    assert scores["rest"]["c"]["kappa"] == pytest.approx(0, abs=0.05)
    assert scores["rest"]["a"]["n"] == 20  # of the others, b and c, there is a majority where they agree
    assert "| a / b | Cohen's kappa | 1.000 |" in agreement.agreement_table(scores)


def test_full_agreement_on_few_items_has_a_bound_below_1() -> None:
    votes = {id: dict.fromkeys("ab", "needed" if id < 10 else "not_needed") for id in range(20)}
    scores = agreement.measure_agreement(votes, ["a", "b"], 100, 0)["pairs"]["a / b"]
    least_observed = 20 / (20 + 1.96**2)  # Wilson's bound of 20 out of 20
    assert scores["kappa_low"] == pytest.approx((least_observed - 0.5) / 0.5, abs=1e-3)
    assert scores["kappa_high"] == 1


def test_bounds_of_agreement_do_not_depend_on_the_order_of_the_items() -> None:
    rng = random.Random(0)
    votes = {i: {name: rng.choice(["needed", "not_needed"]) for name in "abc"} for i in range(40)}
    shuffled = {id: votes[id] for id in rng.sample(sorted(votes), len(votes))}
    assert list(shuffled) != list(votes)
    annotators = ["a", "b", "c"]
    assert agreement.measure_agreement(shuffled, annotators, 200, 0) == agreement.measure_agreement(
        votes, annotators, 200, 0
    )


def test_agreement_on_one_label_alone_is_not_defined() -> None:
    votes = {i: {"a": "needed", "b": "needed"} for i in range(5)}
    scores: dict[str, Any] = agreement.measure_agreement(votes, ["a", "b"], 100, 0)
    assert "kappa" not in scores["pairs"]["a / b"]
    assert (scores["pairs"]["a / b"]["observed"], scores["pairs"]["a / b"]["n"]) == (1, 5)
    assert "not defined" in agreement.agreement_table(scores)


def test_agreement_counts_labels_of_the_export_too(annotations: Path) -> None:
    def agreement_table() -> str:
        result = CliRunner().invoke(main, ["agreement", "--annotations", str(annotations)])
        assert result.exit_code == 0, result.output
        return result.output

    with open_for("ann", annotations) as label_file:
        for id in range(8):
            label_file.append(id, ["needed", "not_needed"][id % 2])
    theirs = (annotations / "ann.jsonl").read_text().replace('"ann"', '"export"')
    (annotations.parent / "imported.jsonl").write_text(theirs)
    assert "| ann / export | Cohen's kappa | 1.000 |" in agreement_table()


def test_pairs_of_annotators_whose_names_join_alike_are_told_apart() -> None:
    names = ["a", "a_b", "b_c", "c"]
    votes = {i: dict.fromkeys(names, ["needed", "not_needed"][i % 2]) for i in range(6)}
    measured = agreement.measure_agreement(votes, names, 100, 0)
    assert list(measured["pairs"]) == ["a / a_b", "a / b_c", "a / c", "a_b / b_c", "a_b / c", "b_c / c"]


def test_undefined_agreement_of_all_has_its_number_of_items() -> None:
    votes = {i: dict.fromkeys("abc", "needed") for i in range(5)} | {5: {"a": "needed", "b": "needed"}}
    measured = agreement.measure_agreement(votes, ["a", "b", "c"], 100, 0)
    assert (measured["fleiss"], measured["krippendorff"]) == ({"n": 5}, {"n": 6})
    assert "agreement" not in measured
    table = agreement.agreement_table(measured)
    assert "| all | Fleiss' kappa | not defined |  | 5 |" in table
    assert "| all | Krippendorff's alpha | not defined |  | 6 |" in table


def test_the_headline_names_its_statistic() -> None:
    """Cohen's kappa of two annotators, Krippendorff's alpha of three."""
    label = ["needed", "not_needed"]
    votes = {i: {"a": label[i % 2], "b": label[i % 2], "c": label[(i // 2) % 2]} for i in range(40)}
    of_two = agreement.measure_agreement(votes, ["a", "b"], 100, 0)
    assert (of_two["statistic"], of_two["agreement"], of_two["n"]) == ("Cohen's kappa", 1, 40)
    of_three = agreement.measure_agreement(votes, ["a", "b", "c"], 100, 0)
    assert of_three["statistic"] == "Krippendorff's alpha"
    # in half of the items two of three pairs disagree: observed 1/3, expected 2 * 60 * 60 / (120 * 119)
    assert of_three["agreement"] == pytest.approx(1 - (1 / 3) / (7200 / 14280), abs=1e-4)
    assert of_three["agreement_low"] < of_three["agreement"] < of_three["agreement_high"]
    assert of_three["n"] == 40
