"""The terminal annotator, as its user meets it: keys in, screens and label files out."""

import asyncio
import fcntl
import json
import os
import pty
import re
import resource
import select
import struct
import subprocess
import sys
import termios
import time
from bisect import bisect_right
from collections.abc import Awaitable, Callable, Mapping, Sequence
from itertools import accumulate, pairwise
from pathlib import Path
from typing import Any

import pytest
from click import ClickException
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from rich.segment import Segment
from rich.style import Style
from textual.color import Color
from textual.pilot import Pilot
from textual.widgets import Input

from stages.labels import store
from stages.labels.__main__ import main
from stages.labels.annotator_file import open_for
from stages.labels.filter_labels import random_questions
from stages.labels.rendering import SPEAKERS, occurrences, printable
from stages.labels.selection import in_queue_order, is_done, lines_of_others
from stages.labels.terminal import Annotator
from stages.pipeline.definition import Definition, load_definition
from stages.pipeline.params import params
from stages.pipeline.schemas import NO_GUIDELINE, Inquiry, Queue, Score
from stages.pipeline.tables import from_rows, write
from tests.conftest import ROOT, Row, change_params, inquiry, sender
from tests.labelling import file_of, lines

Act = Callable[[Annotator, Pilot[Any]], Awaitable[None]]


def drive(
    annotations: Path,
    items: list[Row],
    act: Act,
    labelled_ids: set[int] | None = None,
    question: str = "needs_context",
    size: tuple[int, int] = (80, 24),
    is_queue: bool = False,
    votes_by_id: Mapping[int, Sequence[Row]] | None = None,
) -> None:
    """Open the annotator and act as its user."""

    async def go() -> None:
        with open_for("ann", annotations, load_definition(annotations.parent, question)) as label_file:
            app = Annotator(items, labelled_ids or set(), label_file, is_queue, votes_by_id)
            async with app.run_test(size=size) as pilot:
                await pilot.pause()
                await act(app, pilot)

    asyncio.run(go())


def segments(app: Annotator) -> list[list[Segment]]:
    """The rows of the screen, with their styles."""
    return [list(strip) for strip in app.screen._compositor.render_strips()]


def screen_rows(app: Annotator) -> list[str]:
    """The rows of the screen, as text."""
    return ["".join(segment.text for segment in row).rstrip() for row in segments(app)]


def screen(app: Annotator) -> str:
    """What the screen shows, as text on one line."""
    return " ".join(" ".join(screen_rows(app)).split())


def marked(app: Annotator) -> list[str]:
    """What is marked as a hit of a search, without the message on the first row."""
    return [
        segment.text
        for row in segments(app)[1:]
        for segment in row
        if segment.style and segment.style.reverse and segment.style.underline
    ]


def turn(who: str, text: str) -> Row:
    return {"sender": sender(who), "text": text, "timestamp": 1}


def test_the_annotator_is_told_and_leaves(annotations: Path, question: Definition) -> None:
    """No room for a label, its note or its undoing: the terminal ends with what is said, and marks nothing as done."""

    async def go(keys: str) -> ClickException | None:
        with open_for("ann", annotations, question) as label_file:
            app = Annotator([inquiry(1), inquiry(2)], set(), label_file)
            async with app.run_test(size=(80, 24)) as pilot:
                await pilot.press(keys[0])
                limit = resource.getrlimit(resource.RLIMIT_FSIZE)
                resource.setrlimit(resource.RLIMIT_FSIZE, (label_file.file.stat().st_size, limit[1]))
                try:
                    await pilot.press(*keys[1:], "enter")
                finally:
                    resource.setrlimit(resource.RLIMIT_FSIZE, limit)
            assert len(app.session.labelled_ids) == 1
            return app.return_value

    for keys in ("jk", "ju", "jnx"):
        error = asyncio.run(go(keys))
        assert error is not None, keys
        assert "the last label or note is not kept" in error.message
        assert str(annotations / question.name) in error.message
        assert [line["label"] for line in lines(file_of(annotations))] == ["needed"]
        file_of(annotations).unlink()


def test_window_question_and_keys_fit_80_by_24(annotations: Path) -> None:
    window = [
        {"sender": sender("ab"[i % 2]), "text": f"第{i}条消息，关于模型部署" * 3, "timestamp": i + 1}
        for i in range(12)
    ]
    item = inquiry(1, "那这个怎么用？<b>[red]x[/red]\x1b[31m", cr_window=window)

    async def act(app: Annotator, pilot: Pilot[None]) -> None:
        await pilot.pause()
        text = screen(app)
        assert "那这个怎么用？<b>[red]x[/red][31m" in text  # as text, without the escape
        assert "第11条消息" in text
        for word in ("ann · 0 of 1", "j needed", "k not needed", "i not question", "u undo"):
            assert word in text, text
        await pilot.press("j")
        assert "Nothing is left to label here" in screen(app)

    drive(annotations, [item], act)
    assert lines(file_of(annotations))[0]["label"] == "needed"


def test_undo_skip_note_and_search(annotations: Path, question: Definition) -> None:
    items = [inquiry(1, "And mmpose?"), inquiry(2, "And ncnn?"), inquiry(3, "And onnx?")]

    async def act(app: Annotator, pilot: Pilot[None]) -> None:
        await pilot.press("j")  # 1
        await pilot.press("s")  # 2 is left for later
        assert app.current_id() == 3
        await pilot.press("n", *"hard", "enter")
        assert "note: hard" in screen(app)
        await pilot.press("k")  # 3
        assert app.current_id() == 2
        await pilot.press("u")
        assert app.current_id() == 3
        assert "note: hard" in screen(app)
        await pilot.press("i", "slash", *"MMPOSE", "enter")
        assert app.current_id() == 1
        assert "now: needed" in screen(app)
        await pilot.press("slash", *"nowhere", "enter")
        assert app.current_id() == 1
        await pilot.press("k")
        assert app.current_id() == 2

    drive(annotations, items, act)
    labels = store.load_files([file_of(annotations)], question)
    assert store.votes(labels) == {1: {"ann": "not_needed"}, 3: {"ann": "not_question"}}
    assert store.latest_lines(labels)[3]["ann"]["note"] == "hard"
    assert len(labels) == 6  # the history stays


def test_random_turns_are_called_questions_or_not(annotations: Path, question: Definition) -> None:
    is_question = load_definition(annotations.parent, "is_question")

    async def act(app: Annotator, pilot: Pilot[None]) -> None:
        await pilot.press("j", "k", "j", "u", "i")  # i is no key here
        assert app.current_id() == 3

    turns = [inquiry(i, window=0) for i in (1, 2, 3)]
    drive(annotations, turns, act, question="is_question")
    assert random_questions(annotations, params(ROOT / "params.yaml")) == {1: True, 2: False}
    with open_for("bob", annotations, is_question) as label_file:
        label_file.append(1, "not_question")
        label_file.append(2, "not_question")
    assert random_questions(annotations, params(ROOT / "params.yaml")) == {2: False}  # nothing is settled on 1
    assert not store.load(annotations, question)
    guidelines = {line["guideline"] for line in lines(annotations / "is_question" / "ann.jsonl")}
    versions = [store.guideline_version(asked.guideline) for asked in (is_question, question)]
    assert guidelines == {versions[0]} != {versions[1]}


def test_a_note_and_what_is_taken_back_are_no_new_label(annotations: Path, question: Definition) -> None:
    """Labels older than a queue stay to be looked at again after a note, and after a key that was taken back."""
    items = [inquiry(1, "And mmpose?"), inquiry(2, "And ncnn?"), inquiry(3, "And onnx?")]
    with open_for("ann", annotations, question) as label_file:
        for id in (1, 2, 3):
            label_file.append(id, "needed", 3.5)
    file = file_of(annotations)
    file.write_text("".join(json.dumps(line | {"at": 1000 + line["id"]}) + "\n" for line in lines(file)))

    async def act(app: Annotator, pilot: Pilot[None]) -> None:
        await pilot.press("n", *"hm", "enter", "s")  # 1: only a note
        await pilot.press("j", "u", "s")  # 2: taken back
        await pilot.press("k")  # 3

    drive(annotations, items, act)
    with open_for("ann", annotations, question) as label_file:
        assert {id: store.labelled_at(line) for id, line in label_file.lines.items() if id < 3} == {1: 1001, 2: 1002}
        assert store.labelled_at(label_file.lines[3]) > 1003
        assert label_file.lines[1]["note"] == "hm"


def test_a_note_and_undo_leave_a_label_under_the_guideline_that_it_was_made_under(
    annotations: Path, question: Definition
) -> None:
    with open_for("ann", annotations, question) as label_file:
        label_file.append(1, "needed", 3.5)
        older = label_file.guideline
    question.guideline.write_text("another one")

    async def act(app: Annotator, pilot: Pilot[None]) -> None:
        await pilot.press("n", *"hm", "enter")
        assert app.session.label_file.lines[1]["guideline"] == older
        await pilot.press("k")
        assert app.session.label_file.lines[1]["guideline"] == app.session.label_file.guideline != older
        await pilot.press("u")
        line = app.session.label_file.lines[1]
        assert (line["label"], line["guideline"]) == ("needed", older)

    drive(annotations, [inquiry(1, "And mmpose?")], act)


# The way through the items


def test_a_label_after_a_search_leads_back_to_where_the_annotator_was(annotations: Path, question: Definition) -> None:
    items = [inquiry(id, f"And number {id}?") for id in range(1, 8)]

    async def act(app: Annotator, pilot: Pilot[None]) -> None:
        await pilot.press("j", "j")
        assert app.current_id() == 3
        await pilot.press("slash", *"number 6", "enter", "k")  # ahead, without a label
        assert app.current_id() == 3
        assert "the other one is now: not needed" in screen(app)
        await pilot.press("slash", *"number 1", "enter", "i")  # behind, with a label
        assert app.current_id() == 3
        await pilot.press("slash", *"number 5", "enter", "s")  # looked at alone
        assert app.current_id() == 3
        await pilot.press("j", "j", "j")
        assert app.current_id() == 7  # 6 has its label
        assert "ann · 6 of 7" in screen(app)

    drive(annotations, items, act)
    votes = store.votes(store.load_files([file_of(annotations)], question))
    assert {id: vote["ann"] for id, vote in votes.items()} == {
        1: "not_question",
        2: "needed",
        3: "needed",
        4: "needed",
        5: "needed",
        6: "not_needed",
    }


def test_undo_goes_back_step_by_step_to_what_was_labelled_before(annotations: Path, question: Definition) -> None:
    with open_for("ann", annotations, question) as label_file:
        label_file.append(9, "needed", 7.5)
    items = [inquiry(id, f"And number {id}?") for id in (1, 2, 3, 9)]

    async def act(app: Annotator, pilot: Pilot[None]) -> None:
        await pilot.press("j", "slash", *"number 9", "enter", "k", "k")  # 1, then 9 anew, then 2
        assert (app.current_id(), app.progress()) == (3, "3 of 4")
        await pilot.press("u")
        assert (app.current_id(), app.progress()) == (2, "2 of 4")
        await pilot.press("u")
        assert (app.current_id(), app.progress()) == (9, "2 of 4")  # 9 keeps its label of before
        assert "now: needed" in screen(app)
        await pilot.press("u")
        assert (app.current_id(), app.progress()) == (1, "1 of 4")
        await pilot.press("u")
        assert (app.current_id(), app.progress()) == (1, "1 of 4")
        assert "nothing to take back" in screen(app)
        await pilot.press("i", "i")
        assert (app.current_id(), app.progress()) == (3, "3 of 4")

    drive(annotations, items, act, labelled_ids={9})
    latest = store.latest_lines(store.load_files([file_of(annotations)], question))
    assert {id: line["ann"]["label"] for id, line in latest.items()} == {
        1: "not_question",
        2: "not_question",
        9: "needed",
    }
    assert latest[9]["ann"]["seconds"] == 7.5


def test_skipped_items_come_again_and_the_last_one_says_so(annotations: Path) -> None:
    async def act(app: Annotator, pilot: Pilot[None]) -> None:
        await pilot.press("s", "j", "j")
        assert app.current_id() == 1
        await pilot.press("s")
        assert app.current_id() == 1
        assert "no other one is left" in screen(app)

    drive(annotations, [inquiry(id) for id in (1, 2, 3)], act)


def test_the_last_item_of_a_queue_ends_it_and_can_be_taken_back(annotations: Path) -> None:
    items = [inquiry(id, f"And number {id}?") for id in (1, 2)]

    async def act(app: Annotator, pilot: Pilot[None]) -> None:
        assert "ann · 0 of 2 of the queue" in screen(app)
        await pilot.press("j", "k")
        assert app.current_id() is None
        assert "ann · 2 of 2 of the queue" in screen(app)
        assert "The queue is done: 2 are labelled." in screen(app)
        assert "python -m stages.labels label ann" in screen(app)
        await pilot.press("j", "s", "n", "x")  # nothing to label or to skip, and no note on nothing
        assert app.current_id() is None
        await pilot.press("u")
        assert (app.current_id(), app.progress()) == (2, "1 of 2 of the queue")
        await pilot.press("i", "slash", *"number 1", "enter")
        assert app.current_id() == 1
        await pilot.press("k")
        assert "The queue is done" in screen(app)
        await pilot.press("q")
        assert app.return_value is None
        assert not app.is_running

    drive(annotations, items, act, is_queue=True)
    assert [(line["id"], line["label"]) for line in lines(file_of(annotations))] == [
        (1, "needed"),
        (2, "not_needed"),
        (2, None),
        (2, "not_question"),
        (1, "not_needed"),
    ]


def test_a_note_is_changed_and_removed(annotations: Path) -> None:
    async def act(app: Annotator, pilot: Pilot[None]) -> None:
        await pilot.press("n", *"hard", "enter")
        await pilot.press("n", "end", *"er", "enter")
        assert "note: harder" in screen(app)
        await pilot.press("n", "escape", "n", "enter")  # nothing changed, nothing written
        await pilot.press("n", "tab", "j", "escape")  # tab leaves the line; a letter is no label yet
        assert app.progress() == "0 of 1"
        await pilot.press("n", "backspace", "enter")  # all of it is selected
        assert "note" not in screen_rows(app)[-8]
        assert "harder" not in screen(app)
        await pilot.press("j")

    drive(annotations, [inquiry(1)], act)
    stored = lines(file_of(annotations))
    assert [line.get("note") for line in stored] == ["hard", "harder", None, None]
    assert [line["label"] for line in stored] == [None, None, None, "needed"]


# Search


@pytest.mark.parametrize(
    ("text", "query", "hits"),
    [
        ("Straße, STRASSE, strasse", "strasse", ["Straße", "STRASSE", "strasse"]),
        ("die Maße", "SS", ["ß"]),
        ("ﬁnd the ﬁle: Fi", "fi", ["ﬁ", "ﬁ", "Fi"]),
        ("ﬁnd", "IND", ["ﬁnd"]),  # half of a letter: the whole of it
        ("İstanbul, ISTANBUL", "stanbul", ["stanbul", "STANBUL"]),
        ("ΣΊΣΥΦΟΣ Σίσυφος", "σίσυφος", ["ΣΊΣΥΦΟΣ", "Σίσυφος"]),
        ("one\ntwo one two", "ONE TWO", ["one\ntwo", "one two"]),
        ("aaaa", "aa", ["aa", "aa"]),
        ("a.b axb", "a.b", ["a.b"]),  # no pattern
        ("这个怎么用", "怎么", ["怎么"]),
        ("nothing", "x", []),
        ("nothing", "", []),
    ],
)
def test_occurrences_are_spans_of_the_text_as_it_stands(text: str, query: str, hits: list[str]) -> None:
    assert [text[start:end] for start, end in occurrences(text, query)] == hits


@given(st.text("aAßẞſﬁﬃİi \nxΣς"), st.text("aAßsſfﬁiIσ ", min_size=1))
def test_occurrences_are_those_of_the_folded_text(text: str, query: str) -> None:
    spans = occurrences(text, query)
    folded_ends = list(accumulate(len(letter.casefold()) for letter in text))  # of each letter, in the folded text
    folded_hits = re.finditer(re.escape(query.casefold()), text.casefold().replace("\n", " "))
    assert spans == [
        (bisect_right(folded_ends, hit.start()), bisect_right(folded_ends, hit.end() - 1) + 1) for hit in folded_hits
    ]


def test_what_cannot_be_seen_is_left_out_and_blanks_stay_blanks() -> None:
    assert printable("a\u202eb\x1b[31mc\u2066d\x00e") == "ab[31mcde"
    assert printable("a\tb\u00a0c\u3000d\r\ne\u2028f") == "a b c d \ne f"
    assert printable("cafe\u0301") == "café"


def test_a_search_marks_every_hit_and_goes_from_hit_to_hit(annotations: Path) -> None:
    person = sender("z")
    items = [
        inquiry(1, "Die Maße?", cr_window=[turn("a", "MASSE und Masse"), turn("b", "nichts")]),
        inquiry(2, "nothing"),
        inquiry(3, f"masse @{person}?"),
    ]

    async def act(app: Annotator, pilot: Pilot[None]) -> None:
        await pilot.press("slash", *"masse", "enter")
        await pilot.pause()
        assert (app.current_id(), marked(app)) == (3, ["masse"])
        assert "hit 2 of 2" in screen(app)
        await pilot.press("slash", "enter")
        await pilot.pause()
        assert (app.current_id(), marked(app)) == (1, ["MASSE", "Masse", "Maße"])
        assert "hit 1 of 2" in screen(app)
        await pilot.press("s")
        assert (app.current_id(), marked(app)) == (2, [])
        await pilot.press("slash", "enter")
        assert app.current_id() == 3  # after the last hit
        await pilot.press("slash", *person[:6], "enter")  # what is shown is a letter
        assert app.current_id() == 3
        assert f"nothing here has '{person[:6]}'" in screen(app)
        await pilot.press("slash", *"@B?", "enter")
        await pilot.pause()
        assert (app.current_id(), marked(app)) == (3, ["@B?"])

    drive(annotations, items, act)


def test_a_hit_far_above_a_long_question_comes_into_view(annotations: Path) -> None:
    window = [turn("ab"[i % 2], f"turn {i} " + "word " * 40) for i in range(12)]
    window[2]["text"] = "start " + "word " * 400 + "needle " + "word " * 400
    item = inquiry(1, "The question? " + "more " * 400, cr_window=window)

    async def act(app: Annotator, pilot: Pilot[None]) -> None:
        assert "The question?" in screen_rows(app)[1]  # it is longer than the screen: its start is on top
        await pilot.press("slash", *"needle", "enter")
        await pilot.pause()
        assert marked(app) == ["needle"]

    drive(annotations, [item], act)


def test_the_next_hit_comes_after_the_last_one_wherever_the_annotator_is(annotations: Path) -> None:
    items = [inquiry(1, "nothing"), inquiry(2, "a needle"), inquiry(3, "a needle")]

    async def act(app: Annotator, pilot: Pilot[None]) -> None:
        await pilot.press("slash", *"needle", "enter", "j")
        assert app.current_id() == 1
        await pilot.press("slash", "enter")
        assert app.current_id() == 3

    drive(annotations, items, act)


# Help


def test_help_has_the_keys_and_the_guideline_and_labels_nothing(annotations: Path, question: Definition) -> None:
    question.guideline.write_text(
        "# Our guideline\n\n| label | when |\n|---|---|\n| needed | *always* |\n\n"
        + "".join(f"- rule {number}\n" for number in range(30))
        + "\nthe \x1b[31mlast\u202e rule\n"
    )

    async def act(app: Annotator, pilot: Pilot[None]) -> None:
        assert "? help" in screen(app)
        for key in ("question_mark", "escape", "q"):
            await pilot.press("question_mark")
            await pilot.pause()
            text = screen(app)
            for words in ("j needed", "k not needed", "i not question", "u take the last label back", "/ find a text"):
                assert words in text
            assert "Our guideline" in text
            assert "# Our" not in text  # rendered
            assert "│ needed │ always" in text
            assert "escape closes the help" in screen_rows(app)[-1]
            await pilot.press("j", "u", "s", "n", "slash")
            await pilot.press("end")
            await pilot.pause()
            assert "the [31mlast rule" in screen(app)
            await pilot.press(key)
            await pilot.pause()
            assert "And it?" in screen(app)
        await pilot.press("question_mark")
        await pilot.resize_terminal(60, 20)
        await pilot.press("escape")
        await pilot.pause()
        assert "And it?" in screen(app)
        assert app.progress() == "0 of 1"
        await pilot.press("k")
        assert app.progress() == "1 of 1"

    drive(annotations, [inquiry(1)], act)
    assert [line["label"] for line in lines(file_of(annotations))] == ["not_needed"]


def test_help_on_random_turns_has_their_own_guideline(annotations: Path) -> None:
    load_definition(annotations.parent, "is_question").guideline.write_text("A question is …")

    async def act(app: Annotator, pilot: Pilot[None]) -> None:
        await pilot.press("question_mark")
        await pilot.pause()
        assert "A question is …" in screen(app)
        assert "j question" in screen(app)
        assert "not needed" not in screen(app)

    drive(annotations, [inquiry(1, window=0)], act, question="is_question")


# What the screen shows


VOTES: list[Row] = [
    {"annotator": "bob", "label": "not_needed", "note": "the noun\x1b[2J stands in it [red]here[/red]"},
    {"annotator": "claude_pass_1", "label": "needed", "note": None},
    {"annotator": "dora", "label": "needed", "note": "第三条消息 says what it is"},
    {"annotator": "eve", "label": None, "note": "cannot tell"},
]


def test_the_adjudicator_sees_labels_and_notes_of_the_others(annotations: Path) -> None:
    async def act(app: Annotator, pilot: Pilot[None]) -> None:
        rows = [" ".join(row.split()) for row in screen_rows(app)]
        start = rows.index("annotator label note")
        assert rows[start + 1 : start + 5] == [  # equal labels together
            "eve no label cannot tell",
            "claude_pass_1 needed",
            "dora needed 第三条消息 says what it is",
            "bob not needed the noun[2J stands in it [red]here[/red]",
        ]
        bold = {
            segment.text.strip()
            for row in segments(app)[start:]
            for segment in row
            if segment.style and segment.style.bold
        }
        assert {"needed", "not needed"} <= bold
        await pilot.press("s")
        assert "bob" not in screen(app)  # no votes on 2

    drive(annotations, [inquiry(1), inquiry(2)], act, votes_by_id={1: VOTES})


def test_long_notes_of_others_scroll_below_the_question(annotations: Path) -> None:
    votes = [vote | {"note": f"{vote['annotator']} says " + "why " * 300 + "so"} for vote in VOTES]

    async def act(app: Annotator, pilot: Pilot[None]) -> None:
        assert "And it?" in screen_rows(app)[1]
        assert "eve says" in screen(app)
        await pilot.press("end")
        await pilot.pause()
        assert screen_rows(app)[-3].rstrip(" █▁▂▃▄▅▆▇").endswith("so")

    drive(annotations, [inquiry(1, window=12)], act, votes_by_id={1: votes})


URL = "https://example.org/" + "path/" * 40 + "?end=1"
WORD = "Donaudampfschifffahrtsgesellschaft" * 8


@pytest.mark.parametrize("size", [(80, 24), (60, 20), (200, 50)])
def test_nothing_that_matters_is_cut_off(annotations: Path, size: tuple[int, int]) -> None:
    window = [turn("abcdefgh"[i % 8], f"turn {i}, 关于模型部署 שלום 👍🏽") for i in range(9)]
    window += [turn("a", URL), turn("b", WORD), turn("c", "مرحبا بالعالم " * 4)]
    item = inquiry(1, "What of 那这个 👩‍👩‍👧 שלום?", cr_window=window)
    long_item = inquiry(2, "START " + "word " * 3000 + "END", cr_window=window)

    async def act(app: Annotator, pilot: Pilot[None]) -> None:
        text = screen(app)
        assert "ann · 0 of 2 of the queue" in text
        for words in (
            "j needed",
            "k not needed",
            "i not question",
            "s skip",
            "u undo",
            "n note",
            "/ search",
            "? help",
        ):
            assert words in text, words
        assert "q quit" in text
        assert "What of 那这个 👩👩👧 שלום?" in text
        joined = "".join(row.rstrip(" █▁▂▃▄▅▆▇").replace("C  ", "").strip() for row in screen_rows(app))
        if size != (60, 20):
            assert URL in joined
        assert WORD in joined
        assert max(map(len, screen_rows(app))) <= size[0]
        await pilot.press("s")
        await pilot.pause()
        assert "START" in screen(app)
        await pilot.press("end")
        await pilot.pause()
        assert "END" in screen(app)
        note = " ".join(["a note that is as long as notes are at times"] * 3)
        await pilot.press("n")
        app.query_one("#note", Input).value = note
        await pilot.press("enter", "end")
        await pilot.pause()
        assert note in screen(app)
        await pilot.press("slash")
        assert "search" in screen(app)

    drive(annotations, [item, long_item], act, size=size, is_queue=True)


def luminance(colour: str) -> float:
    """Relative luminance as WCAG 2.2 defines it."""
    channels = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def background_of(style: Style) -> str:
    """As hexadecimal digits after #."""
    assert style.bgcolor
    assert style.bgcolor.triplet
    return style.bgcolor.triplet.hex


def contrast(first: float, second: float) -> float:
    return (max(first, second) + 0.05) / (min(first, second) + 0.05)


def test_speakers_differ_in_grey_and_letters_are_readable() -> None:
    """The black of a letter on white has contrast 21; 4.5 is the least that text may have."""
    styles = [re.findall(r"#\w+", style) for style in SPEAKERS]
    for letter, background in styles:
        assert contrast(luminance(letter), luminance(background)) >= 4.5
    backgrounds = [background for _, background in styles]
    for first, second in pairwise([*backgrounds, backgrounds[0]]):
        assert contrast(luminance(first), luminance(second)) >= 2.5
        greys = [luminance(Color.parse(colour).monochrome.hex) for colour in (first, second)]
        assert contrast(*greys) >= 2.5  # as NO_COLOR has them
    asker = luminance(backgrounds[0])
    assert all(contrast(asker, luminance(other)) >= 1.7 for other in backgrounds[1:])
    cues = [(bool(style.bold), bool(style.underline)) for style in map(Style.parse, SPEAKERS)]
    assert all(first != second for first, second in pairwise(cues))
    assert [bold for bold, _ in cues] == [True, *[False] * (len(SPEAKERS) - 1)]


def test_the_asker_is_bold_and_without_colour_all_can_be_read(
    annotations: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    item = inquiry(1, "And onnx?", cr_window=[turn("c", "from C"), turn("a", "from B"), turn("b", "from A")])

    async def act(app: Annotator, pilot: Pilot[None]) -> None:
        await pilot.press("slash", *"onnx", "enter")
        await pilot.pause()
        assert marked(app) == ["onnx"]
        styles = {segment.text.strip(): segment.style or Style() for row in segments(app) for segment in row}
        assert styles["from A"].bold
        assert not styles["from B"].bold
        assert not styles["from C"].bold
        backgrounds = [luminance(background_of(styles[letter])) for letter in "ABC"]
        assert all(contrast(first, second) >= 2.5 for first, second in pairwise(backgrounds))
        for row in segments(app):
            for segment in row:
                colours = [segment.style.color, segment.style.bgcolor] if segment.style else []
                for triplet in (colour.triplet for colour in colours if colour and colour.triplet):
                    assert triplet.red == triplet.green == triplet.blue

    drive(annotations, [item], act)


@pytest.mark.parametrize("keys", [[], ["n", *"half"], ["slash", *"half"], ["question_mark"]])
def test_control_c_leaves_from_everywhere_with_what_was_kept(annotations: Path, keys: list[str]) -> None:
    async def act(app: Annotator, pilot: Pilot[None]) -> None:
        await pilot.press("j", *keys, "ctrl+c")
        assert not app.is_running
        assert app.return_value is None

    drive(annotations, [inquiry(1), inquiry(2)], act)
    assert [(line["id"], line["label"]) for line in lines(file_of(annotations))] == [(1, "needed")]


# Queues, and the command in a real terminal


@pytest.mark.parametrize(
    ("line", "queue_row", "is_labelled"),
    [
        ({"label": "needed", "at": 50}, None, True),
        ({"label": None, "at": 50}, None, False),
        ({"label": "needed", "at": 50}, {"at": 100, "reason": "contradicting_labels"}, False),
        ({"label": "needed", "at": 100}, {"at": 100, "reason": "contradicting_labels"}, False),  # the last of them
        ({"label": "needed", "at": 101}, {"at": 100, "reason": "contradicting_labels"}, True),
        ({"label": None, "at": 101}, {"at": 100, "reason": "contradicting_labels"}, False),  # taken back
        ({"label": "needed", "at": 101, "given": 50}, {"at": 100, "reason": "contradicting_labels"}, False),  # a note
        ({"label": "needed", "at": 50}, {"at": 100, "reason": "older_guideline"}, True),  # it is another's that is old
        ({"label": "needed", "at": 50, "guideline": "older"}, {"at": 100, "reason": "older_guideline"}, False),
        ({"label": "needed", "at": 50, "guideline": "named"}, {"at": 100, "reason": "older_guideline"}, True),
        ({"label": "needed", "at": 50, "guideline": NO_GUIDELINE}, {"at": 100, "reason": "older_guideline"}, True),
        ({"label": "needed", "at": 50}, {"at": 100, "reason": "model_disagrees"}, False),
    ],
)
def test_a_queue_asks_again_what_was_labelled_before_it(line: Row, queue_row: Row | None, is_labelled: bool) -> None:
    standing = {"now", "named", NO_GUIDELINE}
    assert is_done({"given": None, "guideline": "now"} | line, queue_row, standing) is is_labelled


def write_queue(file: Path, *ids: int) -> None:
    rows = [{"id": id, "reason": "contradicting_labels", "at": 1_750_000_000} for id in ids]
    write(file, from_rows(rows, Queue), Queue)


def test_a_queue_has_its_order_and_ids_that_are_no_inquiries(tmp_path: Path) -> None:
    queue = tmp_path / "queue.jsonl"
    write_queue(queue, 13, 11, 99)
    inquiries = [inquiry(id) for id in (13, 12, 11)]
    assert [item["id"] for item in in_queue_order(inquiries, queue)] == [11, 13]
    write_queue(queue, 1, 2, 11, 12)
    assert [item["id"] for item in in_queue_order(inquiries, queue, first=1)] == [11]  # the first that is an inquiry
    assert [item["id"] for item in in_queue_order(inquiries, None, first=2)] == [13, 12]


def test_lines_of_others_are_the_latest_of_everybody_else(annotations: Path, question: Definition) -> None:
    for annotator, labels in (("ann", ["needed"]), ("bob", ["needed", "not_needed"]), ("cid", ["needed", None])):
        with open_for(annotator, annotations, question) as label_file:
            for label in labels:
                label_file.append(1, label)
    with open_for("dora", annotations, question) as label_file:
        label_file.append(1, None, note="hm")
    line = {"id": 1, "annotator": "export", "label": "needed", "at": 5, "seconds": None, "guideline": NO_GUIDELINE}
    (annotations.parent / "imported.jsonl").write_text(json.dumps(line) + "\n")
    others = lines_of_others("ann", annotations, question)
    assert {line["annotator"]: (line["label"], line["note"]) for line in others[1]} == {
        "export": ("needed", None),
        "bob": ("not_needed", None),
        "dora": (None, "hm"),
    }


@pytest.fixture
def chat(project: Path, annotations: Path, question: Definition) -> Path:
    """A project with four inquiries, in the log in the order 14, 13, 12, 11. ann and bob disagree on 11 and 13."""
    change_params(project, {"annotate.adjudicator": "lead"})
    (project / "data").mkdir()
    folder = annotations.rename(project / "data" / "annotations")
    items = [inquiry(id, f"And number {id}?", at=100 * (20 - id)) for id in (11, 12, 13, 14)]
    write(project / "data" / "inquiries.jsonl", from_rows(items, Inquiry), Inquiry)
    for annotator, label in (("ann", "needed"), ("bob", "not_needed")):
        with open_for(annotator, folder, question) as label_file:
            for id in (11, 13):
                label_file.append(id, label, note=f"{annotator} on {id}")
        file = file_of(folder, annotator)
        file.write_text("".join(json.dumps(line | {"at": 1_740_000_000}) + "\n" for line in lines(file)))
    write_queue(project / "queue.jsonl", 11, 13, 99)
    write_queue(project / "gone.jsonl", 99)
    (project / "empty.jsonl").write_text("")
    return project


def in_terminal(arguments: str, *steps: tuple[str, str]) -> tuple[str, str]:
    """What `python -m stages.labels` prints first, and what it shows in a terminal of its own.

    Each step waits for a text on the screen and then sends keys. After a session how far the labels are is printed.
    """
    ours, its = pty.openpty()
    fcntl.ioctl(its, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    stream = unread = ""
    with subprocess.Popen(
        [sys.executable, "-m", "stages.labels", *arguments.split()],
        stdin=its,
        stderr=its,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": str(ROOT), "TERM": "xterm-256color"},
    ) as process:
        os.close(its)
        remaining = list(steps)
        end = time.monotonic() + 120
        while time.monotonic() < end:
            if not select.select([ours], [], [], 1)[0]:
                continue
            try:
                received = os.read(ours, 65536).decode(errors="replace")
            except OSError:  # the program has ended
                break
            stream, unread = stream + received, unread + received
            if remaining and remaining[0][0] in unread:
                os.write(ours, remaining.pop(0)[1].encode())
                unread = ""
        else:
            process.kill()
        assert process.stdout
        printed, *progress = process.stdout.read().splitlines(keepends=True)
    os.close(ours)
    assert not remaining, (remaining, stream)
    assert process.returncode == 0, stream
    assert [line.partition(":")[0] for line in progress] == ["labelled"] * bool(steps)
    return printed, stream


NOTES = ("ann on 11", "bob on 11", "ann on 13", "bob on 13")


def test_an_adjudicators_session(chat: Path) -> None:
    printed, stream = in_terminal(
        "label lead --queue queue.jsonl",
        ("quit", "?"),
        ("closes the help", "\x1b"),
        ("quit", "nhard jki one\r"),  # typed ahead of the line that opens
        ("note: hard jki one", "j"),
        ("1 of 2 of the queue", "k"),
        ("The queue is done", "ui"),
        ("2 of 2 of the queue", "q"),
    )
    assert printed == "2 of 2 of the queue labelled by lead\n"
    assert "queue.jsonl: 1 of 3 ids are no inquiries any more" in stream
    assert "adjudicator alone" not in stream
    assert all(note in stream for note in NOTES)
    stored = [
        (line["id"], line["label"], line.get("note")) for line in lines(file_of(chat / "data/annotations", "lead"))
    ]
    assert stored == [
        (11, None, "hard jki one"),
        (11, "needed", "hard jki one"),
        (13, "not_needed", None),
        (13, None, None),
        (13, "not_question", None),
    ]
    printed, _ = in_terminal("label lead --queue queue.jsonl", ("The queue is done", "\x03"))
    assert printed == "2 of 2 of the queue labelled by lead\n"


def test_an_annotator_never_sees_the_labels_of_others(chat: Path) -> None:
    printed, stream = in_terminal(
        "label cid --queue queue.jsonl", ("quit", "j"), ("1 of 2 of the queue", "u"), ("0 of 2 of the queue", "q")
    )
    assert printed == "0 of 2 of the queue labelled by cid\n"
    assert "And number 11?" in stream
    assert "And number 13?" in stream
    assert not any(note in stream for note in NOTES)
    message = "2 inquiries have contradicting labels; the terminal shows these labels to the adjudicator alone"
    assert message in " ".join(stream.split())
    assert "annotate.adjudicator in params.yaml: lead" in " ".join(stream.split())


def test_tasks_of_a_queue_may_stand_in_the_order_of_the_log(chat: Path) -> None:
    write(chat / "data" / "scores.jsonl", from_rows([], Score), Score)
    for option, ids in (("", [11, 13]), ("--in-order", [13, 11])):
        result = CliRunner().invoke(main, ["tasks", "studio", "--queue", "queue.jsonl", *option.split()])
        assert result.exit_code == 0, result.output
        tasks = json.loads((chat / "studio" / "tasks.json").read_text())
        assert [task["data"]["inquiry"] for task in tasks] == ids


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "printed", "ids"),
    [
        ("--queue queue.jsonl --first 1", "1 of 1 of the queue labelled by cid", [11]),
        ("--queue queue.jsonl --in-order", "2 of 2 of the queue labelled by cid", [13, 11]),
        ("--queue queue.jsonl --like ann --first 1 --in-order", "1 of 1 of the queue labelled by cid", [11]),
        ("--like ann --first 3", "2 of 2 labelled by cid", [11, 13]),
        ("--like ann --in-order", "2 of 2 labelled by cid", [13, 11]),
        ("--first 3", "3 of 3 labelled by cid", [11, 12, 13]),
        ("--first 3 --in-order", "3 of 3 labelled by cid", [14, 13, 12]),
        ("--queue empty.jsonl", "nothing to label: empty.jsonl is empty", []),
        ("--queue gone.jsonl", "nothing to label: no inquiry is in gone.jsonl", []),
        ("--queue gone.jsonl --like ann", "nothing to label: no inquiry is in gone.jsonl and labelled by ann", []),
        ("--inquiries empty.jsonl", "nothing to label: empty.jsonl is empty", []),
    ],
)
def test_options_of_label_together(chat: Path, arguments: str, printed: str, ids: list[int]) -> None:
    end = "queue is done" if "--queue" in arguments else "Nothing is left"
    steps = [("quit", "j" * len(ids)), (end, "q")] if ids else []
    assert in_terminal(f"label cid {arguments}", *steps)[0] == f"{printed}\n"
    file = file_of(chat / "data/annotations", "cid")
    assert ids == ([line["id"] for line in lines(file)] if file.exists() else [])
