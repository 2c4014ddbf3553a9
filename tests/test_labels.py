"""Annotation tools: nothing that was typed is lost, and what other tools say is read as they mean it."""

import asyncio
import csv
import json
import random
import subprocess
import sys
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click import ClickException
from click.testing import CliRunner, Result
from textual.pilot import Pilot

from stages.filter import settled
from stages.labels import agreement, store, studio
from stages.labels.__main__ import main, queued
from stages.labels.terminal import Annotator
from stages.schemas import Inquiry, Label, Prediction, QuestionLabel, Queue, Score
from stages.tables import from_rows, write
from tests.conftest import ROOT, Row, inquiry, sender
from tests.labelling import KEYS, N


@pytest.fixture
def annotations(tmp_path: Path) -> Path:
    folder = tmp_path / "annotations"
    folder.mkdir()
    (folder / "GUIDELINE.md").write_text("A question needs its context if …")
    (folder / "filter").mkdir()
    (folder / "filter" / "GUIDELINE.md").write_text("A question is …")
    return folder


def lines(file: Path) -> list[Row]:
    return [json.loads(line) for line in file.read_text().split("\n") if line]


# The store


def test_the_latest_label_counts_even_within_one_second(annotations: Path) -> None:
    with store.opened(annotations, "ann") as mine:
        mine.append(1, "needed", 2.5)
        mine.append(1, "not_needed")
        mine.append(2, "needed")
        mine.append(2, None)
        mine.append(3, None, note="too hard")
    assert len(lines(annotations / "ann.jsonl")) == 5
    assert store.votes(store.load([annotations / "ann.jsonl"])) == {1: {"ann": "not_needed"}}


@pytest.mark.parametrize(("end", "kept"), [(b'{"id":3,"lab', [1, 2]), (b"", [1, 2])])
def test_a_line_that_a_crash_cut_is_put_aside(annotations: Path, end: bytes, kept: list[int]) -> None:
    with store.opened(annotations, "ann") as mine:
        mine.append(1, "needed")
        mine.append(2, "needed")
    file = annotations / "ann.jsonl"
    file.write_bytes(file.read_bytes() + end if end else file.read_bytes()[:-1])  # cut, or only its end never written
    with store.opened(annotations, "ann") as mine:
        assert sorted(mine.lines) == kept
        mine.append(4, "needed")
    assert [line["id"] for line in lines(file)] == [*kept, 4]
    assert (annotations / "ann.torn").exists() is bool(end)


def test_one_terminal_at_a_time(annotations: Path) -> None:
    with store.opened(annotations, "ann"), pytest.raises(Exception, match="open in another terminal"):
        store.opened(annotations, "ann").__enter__()


def test_500_items_and_ten_kills_lose_and_double_nothing(annotations: Path) -> None:
    """What was acknowledged before a kill -9 is there after it, once; nothing is asked twice."""
    rng = random.Random(0)
    promised: dict[int, str] = {}
    for attempt in range(11):
        command = [sys.executable, "-m", "tests.labelling", annotations, str(attempt)]
        with subprocess.Popen(list(map(str, command)), cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
            stop = rng.randrange(5, 60) if attempt < 10 else N
            assert process.stdout
            for said in process.stdout:
                id, key = said.split()
                assert int(id) not in promised, "asked twice"
                promised[int(id)] = key
                if (stop := stop - 1) == 0:
                    process.kill()
    held = lines(annotations / "ann.jsonl")
    assert sorted(line["id"] for line in held) == list(range(N))
    label_of = {key: label for label, key in KEYS.items()}
    by_id = {line["id"]: line["label"] for line in held}
    assert {id: by_id[id] for id in promised} == {id: label_of[key] for id, key in promised.items()}
    assert len(promised) >= N - 10  # at most one label a kill was on the disk before it was announced


# The terminal


def drive(
    annotations: Path,
    items: list[Row],
    act: Callable[[Annotator, Pilot[None]], Awaitable[None]],
    done: set[int] | None = None,
    keys: Mapping[str, str] = KEYS,
    model: type[Label] = Label,
) -> None:
    """Open the annotator at 80 by 24 and act as its user."""

    async def go() -> None:
        with store.opened(annotations, "ann", model) as mine:
            app = Annotator(items, done or set(), mine, keys)
            async with app.run_test(size=(80, 24)) as pilot:
                await act(app, pilot)

    asyncio.run(go())


def screen(app: Annotator) -> str:
    """What the screen shows, as text."""
    from html import unescape
    from re import findall

    rows = findall(r"<text[^>]*>([^<]*)</text>", app.export_screenshot())
    return " ".join(unescape(" ".join(rows)).split())


def test_window_question_and_keys_fit_80_by_24(annotations: Path) -> None:
    window = [
        {"sender": sender("ab"[i % 2]), "text": f"第{i}条消息，关于模型部署" * 3, "timestamp": i + 1}
        for i in range(12)
    ]
    asked = inquiry(1, "那这个怎么用？<b>[red]x[/red]\x1b[31m", cr_window=window)

    async def act(app: Annotator, pilot: Pilot[None]) -> None:
        await pilot.pause()
        shown = screen(app)
        assert "那这个怎么用？<b>[red]x[/red][31m" in shown  # as text, without the escape
        assert "第11条消息" in shown
        for word in ("ann · 0 of 1", "j needed", "k not needed", "i not question", "u undo"):
            assert word in shown, shown
        await pilot.press("j")
        assert "Nothing is left to label here" in screen(app)

    drive(annotations, [asked], act)
    assert lines(annotations / "ann.jsonl")[0]["label"] == "needed"


def test_undo_skip_note_and_search(annotations: Path) -> None:
    items = [inquiry(1, "And mmpose?"), inquiry(2, "And ncnn?"), inquiry(3, "And onnx?")]

    async def act(app: Annotator, pilot: Pilot[None]) -> None:
        await pilot.press("j")  # 1
        await pilot.press("s")  # 2 is left for later
        assert app.current() == 3
        await pilot.press("n", *"hard", "enter")
        assert "note: hard" in screen(app)
        await pilot.press("k")  # 3
        assert app.current() == 2
        await pilot.press("u")
        assert app.current() == 3
        assert "note: hard" in screen(app)
        await pilot.press("i", "slash", *"MMPOSE", "enter")
        assert app.current() == 1
        assert "now: needed" in screen(app)
        await pilot.press("slash", *"nowhere", "enter")
        assert app.current() == 1
        await pilot.press("k")
        assert app.current() == 2

    drive(annotations, items, act)
    held = store.load([annotations / "ann.jsonl"])
    assert store.votes(held) == {1: {"ann": "not_needed"}, 3: {"ann": "not_question"}}
    assert store.latest(held)[3]["ann"]["note"] == "hard"
    assert len(held) == 6  # the history stays


def test_random_turns_are_called_questions_or_not(annotations: Path) -> None:
    async def act(app: Annotator, pilot: Pilot[None]) -> None:
        await pilot.press("j", "k", "j", "u", "i")  # i is no key here
        assert app.current() == 3

    turns = [inquiry(i, window=0) for i in (1, 2, 3)]
    drive(annotations, turns, act, keys={"question": "j", "not_question": "k"}, model=QuestionLabel)
    assert settled(annotations / "filter") == {1: True, 2: False}
    with store.opened(annotations, "bob", QuestionLabel) as mine:
        mine.append(1, "not_question")
        mine.append(2, "not_question")
    assert settled(annotations / "filter") == {2: False}  # nothing is settled on 1
    assert not store.load(annotations.glob("*.jsonl"))
    guidelines = {line["guideline"] for line in lines(annotations / "filter" / "ann.jsonl")}
    assert guidelines == {store.guideline(annotations / "filter")} != {store.guideline(annotations)}


def test_a_file_is_one_annotators(annotations: Path) -> None:
    with store.opened(annotations, "ann") as mine:
        mine.append(1, "needed")
    (annotations / "ann.jsonl").rename(annotations / "bob.jsonl")
    with pytest.raises(ClickException, match=r"bob\.jsonl has labels by ann"), store.opened(annotations, "bob"):
        pass


def test_a_note_and_what_is_taken_back_are_no_new_label(annotations: Path) -> None:
    """Labels older than a queue stay to be looked at again after a note, and after a key that was taken back."""
    items = [inquiry(1, "And mmpose?"), inquiry(2, "And ncnn?"), inquiry(3, "And onnx?")]
    with store.opened(annotations, "ann") as mine:
        for id in (1, 2, 3):
            mine.append(id, "needed", 3.5)
    file = annotations / "ann.jsonl"
    file.write_text("".join(json.dumps(line | {"at": 1000 + line["id"]}) + "\n" for line in lines(file)))

    async def act(app: Annotator, pilot: Pilot[None]) -> None:
        await pilot.press("n", *"hm", "enter", "s")  # 1: only a note
        await pilot.press("j", "u", "s")  # 2: taken back
        await pilot.press("k")  # 3

    drive(annotations, items, act)
    with store.opened(annotations, "ann") as mine:
        assert {id: store.when_given(line) for id, line in mine.lines.items() if id < 3} == {1: 1001, 2: 1002}
        assert store.when_given(mine.lines[3]) > 1003
        assert mine.lines[1]["note"] == "hm"


def test_a_note_and_undo_leave_a_label_under_the_guideline_that_it_was_made_under(annotations: Path) -> None:
    with store.opened(annotations, "ann") as mine:
        mine.append(1, "needed", 3.5)
        older = mine.guideline
    (annotations / "GUIDELINE.md").write_text("another one")

    async def act(app: Annotator, pilot: Pilot[None]) -> None:
        await pilot.press("n", *"hm", "enter")
        assert app.mine.lines[1]["guideline"] == older
        await pilot.press("k")
        assert app.mine.lines[1]["guideline"] == app.mine.guideline != older
        await pilot.press("u")
        assert (app.mine.lines[1]["label"], app.mine.lines[1]["guideline"]) == ("needed", older)

    drive(annotations, [inquiry(1, "And mmpose?")], act)


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
    ("arguments", "said"),
    [
        (["Ann B."], "must be lower case letters"),
        (["ann", "--keys", "jj"], "--keys wants 3 letters"),
        (["ann"], "needs a terminal"),
    ],
)
def test_label_says_what_it_needs(room: Path, arguments: list[str], said: str) -> None:
    result = call("label", *arguments)
    assert result.exit_code != 0
    assert said in result.output
    assert not list((room / "data" / "annotations").glob("*.jsonl"))


def test_a_queue_asks_again_what_was_labelled_before_it(room: Path) -> None:
    queue = room / "queue.jsonl"
    rows = [{"id": id, "reason": "contradicting_labels", "at": at} for id, at in ((13, 100), (11, 100), (99, 100))]
    write(queue, from_rows(rows, Queue), Queue)
    items, since = queued([inquiry(id) for id in (11, 12, 13)], queue)
    assert [item["id"] for item in items] == [11, 13, 12]  # the rest of the log after it
    assert since[11] == 100


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
    said = call("import", "export.json", "--rename", "1=ann")
    assert said.exit_code == 0, said.output
    assert "ann: 1 of 1 labels are new" in said.output
    [line] = lines(room / "data" / "annotations" / "ann.jsonl")
    assert line == {
        "id": 11,
        "annotator": "ann",
        "label": "needed",
        "at": 1767323045,
        "seconds": 4.5,
        "guideline": store.guideline(room / "data" / "annotations"),
    }
    assert "ann: 0 of 1 labels are new" in call("import", "export.json", "--rename", "1=ann").output


def test_a_table_with_columns_of_its_own(room: Path) -> None:
    with (room / "labels.csv").open("w", newline="") as file:
        csv.writer(file).writerows(
            [["Nr", "who", "what"], [11, "bob", "needed"], [12, "bob", "not_needed"], [99, "cid", "needed"]]
        )
    columns = ["--column", "id=Nr", "--column", "annotator=who", "--column", "label=what"]
    said = call("import", "labels.csv", *columns)
    assert said.exit_code == 0, said.output
    assert "1 ids are no inquiries" in said.output
    assert [line["id"] for line in lines(room / "data" / "annotations" / "bob.jsonl")] == [11, 12]
    assert "bob: 0 of 2 labels are new" in call("import", "labels.csv", *columns).output
    with store.opened(room / "data" / "annotations", "bob") as mine:
        mine.append(11, "not_question")
    assert "bob: 0 of 2 labels are new" in call("import", "labels.csv", *columns).output
    assert lines(room / "data" / "annotations" / "bob.jsonl")[-1]["label"] == "not_question"


def test_times_without_a_zone_are_those_of_the_params(room: Path, set_params: Callable[..., None]) -> None:
    set_params(**{"ingest.timezone": "Asia/Shanghai"})
    row = {"id": 11, "label": "needed", "annotator": "bob", "at": "2024-03-01 12:00", "note": "one\u2028two"}
    (room / "labels.jsonl").write_text(json.dumps(row, ensure_ascii=False) + "\n")
    (room / "labels.csv").write_text("id,label,annotator,at,note\n12,needed,bob,2024-03-01T05:00Z,one\u2028two\n")
    for name in ("labels.jsonl", "labels.csv"):
        assert "1 of 1 labels are new" in call("import", name).output
    found = lines(room / "data" / "annotations" / "bob.jsonl")
    assert found[1]["at"] - found[0]["at"] == 3600
    assert [line["note"] for line in found] == ["one\u2028two"] * 2


def test_a_label_said_twice_is_one_and_two_that_differ_are_an_error(room: Path) -> None:
    said = [("11", "needed"), ("11", "needed"), ("12", "needed")]
    for more, output in (((), "bob: 2 of 2 labels are new"), ((("12", "not_needed"),), "line 5: bob labels id 12")):
        with (room / "labels.csv").open("w", newline="") as file:
            csv.writer(file).writerows([("id", "label", "annotator"), *((*row, "bob") for row in (*said, *more))])
        assert output in call("import", "labels.csv").output
    assert store.load([room / "data" / "annotations" / "bob.jsonl"])


def test_another_label_at_the_same_time_is_not_passed_over(room: Path) -> None:
    for label, output in (("needed", "1 of 1 labels are new"), ("not_needed", "ann said needed and now not_needed")):
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
    ]
    (room / "labels.jsonl").write_text("\n".join(map(json.dumps, rows)))
    said = call("import", "labels.jsonl")
    assert said.exit_code == 1
    wrong = {2: "'x'", 3: "'yes'", 4: "--rename 'Bob B.=name'", 5: "no 'id'", 6: "yesterday"}
    wrong |= {7: "1700000000000 is no time", 8: "'0' is no time", 9: "-1 are no seconds", 10: "nan are no seconds"}
    wrong |= {11: "got 'list'", 12: "'dict'"}
    for place, why in wrong.items():
        assert any(f"line {place}: " in line and why in line for line in said.output.splitlines()), said.output
    assert not list((room / "data" / "annotations").glob("*.jsonl"))


def test_what_is_no_row_is_named_by_its_line(room: Path) -> None:
    (room / "labels.jsonl").write_text('{"id": 11}\n\n{"id": 12\n')
    assert "labels.jsonl: can't be read as jsonl: line 3: " in call("import", "labels.jsonl").output
    assert "--column wants two names with = between, got id" in call("import", "labels.jsonl", "--column", "id").output


@pytest.mark.parametrize("text", ["{", "[1]", "\ufffe", '{"a": 1}'])
def test_a_file_that_is_no_table(room: Path, text: str) -> None:
    (room / "export.json").write_text(text)
    said = call("import", "export.json")
    assert said.exit_code == 1
    assert "export.json: can't be read as json" in said.output


def test_tasks_for_label_studio(room: Path) -> None:
    answer: Row = {"id": 13, "cr_need_gt": True, "needed": -0.1, "not_needed": -3.0, "dont_know": -4.0}
    answer |= {"prompt": "en", "letters": "B", "turns_lost": 0}
    predictions = room / "data" / "predictions" / "tuned" / "small.jsonl"
    write(predictions, from_rows([answer | {"answer": "needed"}], Prediction), Prediction)
    said_in_words = predictions.with_name("talks.jsonl")
    reasoned = [
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
    write(said_in_words, from_rows(reasoned, Prediction), Prediction)
    said = call("tasks", "studio", "--predictions", str(predictions), "--predictions", str(said_in_words))
    assert said.exit_code == 0, said.output
    first, second, third = json.loads((room / "studio" / "tasks.json").read_text())
    assert first["data"]["chat"][-1] == {"author": "B", "text": "And number 11?"}
    assert [turn["author"] for turn in first["data"]["chat"]] == ["A", "B", "B"]
    assert [(p["model_version"], p["result"][0]["value"]["choices"], p["score"]) for p in first["predictions"]] == [
        ("tuned talks zh", ["not_needed"], 1)
    ]
    assert len(third["predictions"]) == 1
    assert [(p["model_version"], p["result"][0]["value"]["choices"]) for p in second["predictions"]] == [
        ("mark_is_question", ["not_question"])
    ]
    assert third["predictions"][0]["model_version"] == "tuned small en"
    assert (room / "studio" / "config.xml").read_text() == studio.LABELING_CONFIG


# Agreement, against published examples


def test_cohen() -> None:
    """50 proposals, two readers: 20 yes-yes, 5 yes-no, 10 no-yes, 15 no-no gives 0.40."""
    pairs = [("needed", "needed")] * 20 + [("needed", "not_needed")] * 5
    pairs += [("not_needed", "needed")] * 10 + [("not_needed", "not_needed")] * 15
    votes = {i: {"a": a, "b": b} for i, (a, b) in enumerate(pairs)}
    found = agreement.measure(votes, ["a", "b"], 200, 0)["pairs"]["a_b"]
    assert found["kappa"] == pytest.approx(0.4)
    assert found["kappa_low"] < 0.4 < found["kappa_high"]
    assert found["n"] == 50
    assert found["confusion"]["needed"] == {"needed": 20, "not_needed": 5, "not_question": 0}


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
    found = agreement.measure(votes, ["a", "b", "c"], 100, 0)
    assert found["pairs"]["a_b"]["kappa"] == 1
    assert found["fleiss"]["n"] == 39
    assert found["krippendorff"]["n"] == 40
    assert found["rest"]["c"]["kappa"] == pytest.approx(0, abs=0.05)
    assert found["rest"]["a"]["n"] == 20  # of the others, b and c, there is a majority where they agree
    assert "| a b | Cohen's kappa | 1.000 |" in agreement.table(found)


def test_agreement_on_one_label_alone_is_not_defined() -> None:
    votes = {i: {"a": "needed", "b": "needed"} for i in range(5)}
    found: dict[str, Any] = agreement.measure(votes, ["a", "b"], 100, 0)
    assert "kappa" not in found["pairs"]["a_b"]
    assert (found["pairs"]["a_b"]["observed"], found["pairs"]["a_b"]["n"]) == (1, 5)
    assert "not defined" in agreement.table(found)


def test_agreement_counts_labels_of_the_export_too(annotations: Path) -> None:
    def agreed() -> str:
        done = CliRunner().invoke(main, ["agreement", "--annotations", str(annotations)])
        assert done.exit_code == 0, done.output
        return done.output

    with store.opened(annotations, "ann") as mine, store.opened(annotations, "export") as theirs:
        for id in range(8):
            mine.append(id, ["needed", "not_needed"][id % 2])
            theirs.append(id, ["needed", "not_needed"][id % 2])
    both = agreed()
    assert "| ann export | Cohen's kappa | 1.000 |" in both
    (annotations / "export.jsonl").rename(annotations.parent / "imported.jsonl")
    assert agreed() == both
