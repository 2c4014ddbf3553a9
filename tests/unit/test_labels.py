"""Annotation tools: nothing that was typed is lost, and what other tools say is read as they mean it."""

import asyncio
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
from stages.labels.filter_labels import random_questions
from stages.labels.terminal import Annotator
from stages.pipeline.definition import Definition, load_definition
from stages.pipeline.params import params
from stages.pipeline.schemas import Inquiry, Prediction, Score, Turn
from stages.pipeline.tables import from_rows, write
from tests.conftest import ROOT, Row, inquiry
from tests.labelling import KEYS, N, file_of, lines

# The store


def test_the_latest_label_counts_even_within_one_second(annotations: Path, question: Definition) -> None:
    with open_for("ann", annotations, question) as label_file:
        label_file.append(1, "needed", 2.5)
        label_file.append(1, "not_needed")
        label_file.append(2, "needed")
        label_file.append(2, None)
        label_file.append(3, None, note="too hard")
    assert len(lines(file_of(annotations))) == 5
    assert store.votes(store.load_files([file_of(annotations)], question)) == {1: {"ann": "not_needed"}}


@pytest.mark.parametrize(("end", "ids"), [(b'{"id":3,"lab', [1, 2]), (b"", [1, 2])])
def test_a_line_that_a_crash_cut_is_put_aside(
    annotations: Path, question: Definition, end: bytes, ids: list[int]
) -> None:
    with open_for("ann", annotations, question) as label_file:
        label_file.append(1, "needed")
        label_file.append(2, "needed")
    file = file_of(annotations)
    file.write_bytes(file.read_bytes() + end if end else file.read_bytes()[:-1])  # cut, or only its end never written
    with open_for("ann", annotations, question) as label_file:
        assert sorted(label_file.lines) == ids
        label_file.append(4, "needed")
    assert [line["id"] for line in lines(file)] == [*ids, 4]
    assert (annotations / question.name / "ann.torn").exists() is bool(end)


def test_torn_lines_are_all_kept(annotations: Path, question: Definition) -> None:
    file = file_of(annotations)
    for torn in (b'{"id":3,"lab', b'{"id":4', b"\0\0"):
        with open_for("ann", annotations, question) as label_file:
            label_file.append(1, "needed")
        with file.open("ab") as target:
            target.write(torn)
    with open_for("ann", annotations, question):
        pass
    assert (annotations / question.name / "ann.torn").read_bytes() == b'{"id":3,"lab\n{"id":4\n\0\0\n'
    assert len(lines(file)) == 3


CONFLICT = """<<<<<<< HEAD
{mine}
||||||| base
=======
{theirs}
>>>>>>> bob's branch"""


@pytest.mark.parametrize("before", [0, 2])
def test_a_merge_conflict_is_named_by_its_line(annotations: Path, question: Definition, before: int) -> None:
    with open_for("ann", annotations, question) as label_file:
        for id in range(4):
            label_file.append(id, "needed")
    file = file_of(annotations)
    *first, mine, theirs = file.read_text().splitlines()
    conflict_lines = [*first[:before], CONFLICT.format(mine=mine, theirs=theirs)]
    file.write_text("\n".join(conflict_lines))  # without an end, as a torn line has none
    message = rf"ann\.jsonl, line {before + 1}: a merge conflict: .* keep both sides' lines and delete the markers"
    with pytest.raises(ClickException, match=message):
        store.load_files([file], question)
    with pytest.raises(ClickException, match=message), open_for("ann", annotations, question):
        pass
    assert file.read_text() == "\n".join(conflict_lines)
    assert not (annotations / question.name / "ann.torn").exists()
    file.write_text("".join(line + "\n" for line in "\n".join(conflict_lines).splitlines() if line.startswith("{")))
    assert len(store.load_files([file], question)) == before + 2


@pytest.mark.parametrize(
    ("at", "why"),
    [
        (1_700_000_000_000, "is in milliseconds and must be in seconds"),
        (int(time.time()) + 3 * 86_400, "lies in the future"),
    ],
    ids=["milliseconds", "future"],  # the workers must collect the same names
)
@pytest.mark.parametrize("field", ["at", "given"])
def test_a_time_that_cannot_be_is_refused_by_every_reader(
    annotations: Path, question: Definition, at: int, why: str, field: str
) -> None:
    line = {"id": 7, "annotator": "ann", "label": "needed", "at": 1, "seconds": None, "guideline": "0" * 12}
    is_question = load_definition(annotations.parent, "is_question")
    for asked, label in ((question, "needed"), (is_question, "question")):
        file = annotations / asked.name / "ann.jsonl"
        file.parent.mkdir(exist_ok=True)
        file.write_text(
            json.dumps(line | {"label": label}) + "\n" + json.dumps(line | {"label": label, "at": 2, field: at})
        )
        with pytest.raises(
            ClickException, match=rf"ann\.jsonl has labels whose `{field}` {why}.*; 1 of 2, first id 7"
        ):
            store.load_files([file], asked)
    with pytest.raises(ClickException, match=why), open_for("ann", annotations, question):
        pass
    with pytest.raises(ClickException, match=why):
        store.load(annotations, question)
    with pytest.raises(ClickException, match=why):
        random_questions(annotations, params(ROOT / "params.yaml"))
    tomorrow = int(time.time()) + 80_000  # a clock may be ahead
    file_of(annotations).write_text(json.dumps(line | {field: tomorrow}))
    assert len(store.load_files([file_of(annotations)], question)) == 1


def test_another_annotators_lines_are_refused_by_every_reader(annotations: Path, question: Definition) -> None:
    line = {"id": 7, "annotator": "ann", "label": "needed", "at": 1, "seconds": None, "guideline": "0" * 12}
    text = json.dumps(line | {"annotator": "bob"}) + "\n" + json.dumps(line) + "\n"
    for name in ("bob", "imported"):
        file_of(annotations, name).write_text(text)
    message = r"bob\.jsonl has labels by ann: a file is one annotator's; 1 of 2, first id 7"
    with pytest.raises(ClickException, match=message):
        store.load(annotations, question)
    with pytest.raises(ClickException, match=message), open_for("bob", annotations, question):
        pass
    file_of(annotations, "bob").unlink()
    file_of(annotations, "imported").write_text(json.dumps(line | {"annotator": "export"}))
    with pytest.raises(ClickException, match=r"imported\.jsonl has labels by export"):
        store.load_files([file_of(annotations, "imported")], question)
    assert len(store.load_files([], question, file_of(annotations, "imported"))) == 1
    file_of(annotations, "imported").write_text(json.dumps(line))
    with pytest.raises(ClickException, match=r"imported\.jsonl has labels by ann"):
        store.load_files([], question, file_of(annotations, "imported"))
    (annotations / "is_question").mkdir()
    (annotations / "is_question" / "cid.jsonl").write_text(json.dumps(line | {"label": "question"}))
    with pytest.raises(ClickException, match=r"cid\.jsonl has labels by ann"):
        random_questions(annotations, params(ROOT / "params.yaml"))


def test_nobody_is_called_export(room: Path, question: Definition) -> None:
    folder = room / "data" / "annotations"
    for options in ((), ("--question", "is_question")):
        result = call("label", "export", *options)
        assert result.exit_code == 2
        assert "not export, whose labels came with the chat export" in result.output
    (room / "labels.csv").write_text("id,label,annotator\n11,needed,export\n12,needed,exports\n")
    result = call("import", "labels.csv")
    assert "line 2: annotator 'export'" in result.output
    assert "not export" in result.output
    assert not list(folder.rglob("*.jsonl"))
    assert "exports: 1 of 1 label new" in call("import", "labels.csv", "--rename", "export=exports2").output
    file_of(folder, "export").write_text("")
    with pytest.raises(ClickException, match=r"export\.jsonl: export is the name of labels that came with"):
        store.load(folder, question)


def test_a_file_is_one_annotators(annotations: Path, question: Definition) -> None:
    with open_for("ann", annotations, question) as label_file:
        label_file.append(1, "needed")
    file_of(annotations).rename(file_of(annotations, "bob"))
    with pytest.raises(ClickException, match=r"bob\.jsonl has labels by ann"), open_for("bob", annotations, question):
        pass


# A full disk, as a limit on the size of files has it
FULL = """
import resource, sys
from pathlib import Path
from click import ClickException
from stages.labels.annotator_file import open_for
from stages.pipeline.definition import load_definition
annotations = Path(sys.argv[1])
with open_for("ann", annotations, load_definition(annotations.parent, "needs_context")) as label_file:
    file = label_file.file
    resource.setrlimit(resource.RLIMIT_FSIZE, (file.stat().st_size + int(sys.argv[2]),) * 2)
    try:
        label_file.append(2, "needed", note="x" * 9000)
    except ClickException as error:
        print(error.message)
    assert sorted(label_file.lines) == [1], "said to be kept"
"""


@pytest.mark.parametrize("free_bytes", [0, 1, 100, 8500])
def test_a_label_that_the_disk_has_no_room_for_is_not_half_kept(
    annotations: Path, question: Definition, free_bytes: int
) -> None:
    with open_for("ann", annotations, question) as label_file:
        label_file.append(1, "needed")
    file = file_of(annotations)
    before = file.read_bytes()
    command = [sys.executable, "-c", FULL, str(annotations), str(free_bytes)]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    message = f"{file.parent}: ann.jsonl can't be written: File too large; the last label or note is not kept\n"
    assert result.stdout == message
    assert file.read_bytes() == before
    with open_for("ann", annotations, question) as label_file:
        label_file.append(2, "needed")
    assert not list(annotations.rglob("*.torn"))


def test_an_import_without_room_keeps_nothing_and_goes_on_later(room: Path) -> None:
    (room / "labels.csv").write_text("id,label,annotator\n11,needed,bob\n12,needed,bob\n")
    file = file_of(room / "data" / "annotations", "bob")
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


def test_a_folder_that_cannot_be_written_is_named(annotations: Path, question: Definition) -> None:
    file_of(annotations).mkdir()
    with (
        pytest.raises(ClickException, match=r"annotations/needs_context: ann\.jsonl can't be written"),
        open_for("ann", annotations, question),
    ):
        pass


def test_one_terminal_at_a_time(annotations: Path, question: Definition) -> None:
    with open_for("ann", annotations, question), pytest.raises(Exception, match="open in another terminal"):
        open_for("ann", annotations, question).__enter__()


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
    stored_lines = lines(file_of(annotations))
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
        (["ann", "--question", "is_rude"], "is_rude/question.yaml; the questions are is_question, needs_context"),
        (["ann"], "needs a terminal"),
    ],
)
def test_label_says_what_it_needs(room: Path, arguments: list[str], message: str) -> None:
    result = call("label", *arguments)
    assert result.exit_code != 0
    assert message in result.output
    assert not list((room / "data" / "annotations").rglob("*.jsonl"))


# Questions side by side


def write_turns(room: Path, *ids: int) -> None:
    """Turns with these ids, in the order of the log; each has others before it."""
    turns = [inquiry(id, f"turn {id}", at=100 * place) for place, id in enumerate(ids)]
    write(room / "data" / "turns.jsonl", from_rows(turns, Turn), Turn)


def test_a_question_of_turns_is_asked_of_random_ones_without_history(
    room: Path, set_params: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    set_params(**{"filter.sample": 4})
    file = room / "questions" / "is_question" / "question.yaml"
    file.write_text(file.read_text().replace("key: j", "key: y"))
    monkeypatch.setattr("stages.labels.__main__.require_terminal", lambda: None)
    shown: list[Row] = []

    def press(app: Annotator) -> None:
        assert [(key.character, key.word) for key in app.keys[:3]] == [
            ("y", "question"),
            ("k", "not question"),
            ("s", "skip"),
        ]
        shown.extend(app.session.items)

        async def go() -> None:
            async with app.run_test() as pilot:
                await pilot.press(*"yijk")  # i and j are no keys here

        asyncio.run(go())

    monkeypatch.setattr(Annotator, "run", press)
    command = ("label", "ann", "--question", "is_question")
    assert "data/turns.jsonl doesn't exist: `dvc repro filter` makes it" in call(*command).output
    write_turns(room, *random.Random(0).sample(range(1000, 9000), 50))
    ids = sorted(line["id"] for line in lines(room / "data" / "turns.jsonl"))  # hashes: the lowest are a random sample
    result = call(*command)
    assert result.exit_code == 0, result.output
    assert [item["id"] for item in shown] == ids[:4]
    assert [(item["text"], item["cr_window"]) for item in shown] == [(f"turn {id}", []) for id in ids[:4]]
    stored = lines(room / "data" / "annotations" / "is_question" / "ann.jsonl")
    assert [(line["id"], line["label"], line["chosen"]) for line in stored] == [
        (ids[0], "question", "random"),
        (ids[1], "not_question", "random"),
    ]
    assert {line["guideline"] for line in stored} == {store.guideline_version(file.with_name("GUIDELINE.md"))}
    assert not list((room / "data" / "annotations" / "needs_context").iterdir())
    assert result.stdout.startswith("2 of 4 labelled by ann\nlabelled: 2 · ")
    assert "in test: " in result.stdout and "not question" in result.stdout


@pytest.mark.parametrize("asked", ["needs_context", "is_question"])
@pytest.mark.parametrize(
    "arguments", ["label ann", "import labels.csv", "export out --to csv", "agreement", "label ann --like bob"]
)
def test_a_label_file_beside_the_questions_folders_is_refused(
    room: Path, monkeypatch: pytest.MonkeyPatch, arguments: str, asked: str
) -> None:
    """As data/annotations/ANNOTATOR.jsonl were before there were several questions."""
    monkeypatch.setattr("stages.labels.__main__.require_terminal", lambda: None)
    write_turns(room, 11, 12)
    label = "needed" if asked == "needs_context" else "question"
    (room / "labels.csv").write_text(f"id,label,annotator\n11,{label},cid\n")
    folder = room / "data" / "annotations"
    line = {"id": 11, "annotator": "bob", "label": label, "at": 1, "seconds": None, "guideline": "0" * 12}
    (folder / asked).mkdir(exist_ok=True)
    (folder / asked / "bob.jsonl").write_text(json.dumps(line) + "\n")
    for name in ("ann", "cid"):
        (folder / f"{name}.jsonl").write_text(json.dumps(line | {"annotator": name}) + "\n")
    before = {file: file.read_bytes() for file in folder.rglob("*.jsonl")}
    result = call(*arguments.split(), "--question", asked)
    assert result.exit_code == 1
    files = [f"data/annotations/{name}.jsonl" for name in ("ann", "cid")]
    hint = f"labels lie in a folder for each question: git mv {' '.join(files)} data/annotations/{asked}/\n"
    assert result.output.endswith(f"Error: {', '.join(files)}: {hint}"), result.output
    assert {file: file.read_bytes() for file in folder.rglob("*.jsonl")} == before
    assert not (room / "out").exists()


def test_labels_of_two_questions_are_kept_apart(room: Path, question: Definition) -> None:
    """Of one annotator and of one item."""
    folder, is_question = room / "data" / "annotations", load_definition(room, "is_question")
    write_turns(room, 11, 12)
    with open_for("ann", folder, question) as first, open_for("ann", folder, is_question) as second:
        first.append(11, "needed")
        second.append(11, "not_question")
        second.append(12, "question")
        assert (first.lines[11]["label"], second.lines[11]["label"]) == ("needed", "not_question")
        assert first.guideline != second.guideline
    (room / "labels.csv").write_text("id,label,annotator\n11,question,bob\n12,question,bob\n")
    assert "'question' is none of needed, not_needed, not_question" in call("import", "labels.csv").output
    assert "bob: 2 of 2 labels new" in call("import", "labels.csv", "--question", "is_question").output
    imported = {"id": 11, "annotator": "export", "label": "needed", "at": 1, "seconds": None, "guideline": "0" * 12}
    (room / "data" / "imported.jsonl").write_text(json.dumps(imported) + "\n")
    assert store.votes(store.load(folder, question)) == {11: {"ann": "needed", "export": "needed"}}
    assert store.votes(store.load(folder, is_question)) == {
        11: {"ann": "not_question", "bob": "question"},
        12: {"ann": "question", "bob": "question"},
    }
    assert "| ann / bob |" in call("agreement", "--question", "is_question").output
    assert "bob" not in call("agreement").output
    for options, labels in (
        ((), ["needed"]),
        (("--question", "is_question"), ["not_question", "question", "question", "question"]),
    ):
        assert call("export", "out", "--to", "csv", *options).exit_code == 0
        with (room / "out" / "labels.csv").open(encoding="utf-8-sig", newline="") as file:
            assert [row["label"] for row in csv.DictReader(file)] == labels
    moved = folder / "is_question" / "ann.jsonl"
    moved.write_text(moved.read_text() + file_of(folder).read_text())
    with pytest.raises(ClickException, match=r"is_question/ann\.jsonl: .*label: isin"):
        store.load(folder, is_question)


@pytest.mark.parametrize(
    ("named", "asked", "options", "message"),
    [
        ("needs_context", "is_question", ["--next"], "reads data/states.safetensors, which is of the question needs_"),
        ("is_question", "needs_context", [], "data/inquiries.jsonl is of the question is_question: set question.name"),
    ],
)
def test_what_is_on_the_disk_is_of_the_question_that_the_params_name(
    room: Path,
    set_params: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
    named: str,
    asked: str,
    options: list[str],
    message: str,
) -> None:
    monkeypatch.setattr("stages.labels.__main__.require_terminal", lambda: None)
    set_params(**{"question.name": named})
    write_turns(room, 11, 12)
    result = call("label", "ann", "--question", asked, *options)
    assert result.exit_code == 1
    assert message in result.output
    assert not list((room / "data" / "annotations").rglob("*.jsonl"))


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


def test_label_studio_json(room: Path, question: Definition) -> None:
    (room / "export.json").write_text(json.dumps(LABEL_STUDIO))
    result = call("import", "export.json", "--rename", "1=ann")
    assert result.exit_code == 0, result.output
    assert "ann: 1 of 1 label new" in result.output
    [line] = lines(file_of(room / "data" / "annotations"))
    assert line == {
        "id": 11,
        "annotator": "ann",
        "label": "needed",
        "at": 1767323045,
        "seconds": 4.5,
        "guideline": store.guideline_version(question.guideline),
    }
    assert "ann: 0 of 1 label new" in call("import", "export.json", "--rename", "1=ann").output


def test_a_table_with_columns_of_its_own(room: Path, question: Definition) -> None:
    with (room / "labels.csv").open("w", newline="") as file:
        csv.writer(file).writerows(
            [["Nr", "who", "what"], [11, "bob", "needed"], [12, "bob", "not_needed"], [99, "cid", "needed"]]
        )
    columns = ["--column", "id=Nr", "--column", "annotator=who", "--column", "label=what"]
    result = call("import", "labels.csv", *columns)
    assert result.exit_code == 0, result.output
    assert "1 id of no inquiry in " in result.output
    assert [line["id"] for line in lines(file_of(room / "data" / "annotations", "bob"))] == [11, 12]
    assert "bob: 0 of 2 labels new" in call("import", "labels.csv", *columns).output
    with open_for("bob", room / "data" / "annotations", question) as label_file:
        label_file.append(11, "not_question")
    assert "bob: 0 of 2 labels new" in call("import", "labels.csv", *columns).output
    assert lines(file_of(room / "data" / "annotations", "bob"))[-1]["label"] == "not_question"


def test_times_without_a_zone_are_those_of_the_params(room: Path, set_params: Callable[..., None]) -> None:
    set_params(**{"ingest.timezone": "Asia/Shanghai"})
    row = {"id": 11, "label": "needed", "annotator": "bob", "at": "2024-03-01 12:00", "note": "one\u2028two"}
    (room / "labels.jsonl").write_text(json.dumps(row, ensure_ascii=False) + "\n")
    (room / "labels.csv").write_text("id,label,annotator,at,note\n12,needed,bob,2024-03-01T05:00Z,one\u2028two\n")
    for name in ("labels.jsonl", "labels.csv"):
        assert "1 of 1 label new" in call("import", name).output
    stored_lines = lines(file_of(room / "data" / "annotations", "bob"))
    assert stored_lines[1]["at"] - stored_lines[0]["at"] == 3600
    assert [line["note"] for line in stored_lines] == ["one\u2028two"] * 2


def test_a_label_said_twice_is_one_and_two_that_differ_are_an_error(room: Path, question: Definition) -> None:
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
    assert store.load_files([file_of(room / "data" / "annotations", "bob")], question)


def test_another_label_at_the_same_time_is_not_passed_over(room: Path) -> None:
    for label, output in (("needed", "1 of 1 label new"), ("not_needed", "ann said needed and now not_needed")):
        (room / "labels.csv").write_text(f"id,label,annotator,at\n11,{label},ann,2024-03-01T05:00Z\n")
        assert output in call("import", "labels.csv").output
    assert len(lines(file_of(room / "data" / "annotations"))) == 1


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
    assert not list((room / "data" / "annotations").rglob("*.jsonl"))


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


def test_tasks_for_label_studio(room: Path, question: Definition) -> None:
    answer: Row = {"id": 13, "label": True, "positive": -0.1, "negative": -3.0, "dont_know": -4.0}
    answer |= {"prompt": "en", "letters": "B", "turns_lost": 0}
    predictions = room / "data" / "predictions" / "tuned" / "small.jsonl"
    write(predictions, from_rows([answer | {"answer": "positive"}], Prediction), Prediction)
    said_in_words = predictions.with_name("talks.jsonl")
    answers = [
        {
            "id": id,
            "prompt": "zh",
            "label": True,
            "letters": letter,
            "said": "…",
            "answer": answer,
            "turns_lost": 0,
        }
        for id, letter, answer in ((11, "A", "negative"), (13, "-", "unreadable"))
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
    assert third["predictions"][0]["result"][0]["value"]["choices"] == ["needed"]
    config = (room / "studio" / "config.xml").read_text()
    assert config == label_studio.labeling_config(question)
    for label, key in KEYS.items():
        assert f'<Choice value="{label}" hotkey="{key}"/>' in config


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
    assert scores["confusion"]["needed"] == {"needed": 20, "not_needed": 5}


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


def test_agreement_counts_labels_of_the_export_too(annotations: Path, question: Definition) -> None:
    def agreement_table() -> str:
        result = CliRunner().invoke(main, ["agreement", "--annotations", str(annotations)])
        assert result.exit_code == 0, result.output
        return result.output

    with open_for("ann", annotations, question) as label_file:
        for id in range(8):
            label_file.append(id, ["needed", "not_needed"][id % 2])
    theirs = file_of(annotations).read_text().replace('"ann"', '"export"')
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
