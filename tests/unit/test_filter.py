"""The question filter: rules, windows, reasons and the measured quality."""

import json
import math
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ibis import _

from stages.chat.inquiries import PART_CHARACTERS, filter_turns, windows
from stages.chat.turns import joined, numbered
from stages.filter import main
from stages.judging.question_filter import Turn as Filtered
from stages.judging.question_filter import filter_quality, threshold_sweep
from stages.llm.no_answers import NoAnswer
from stages.llm.prompts import load_filter
from stages.llm.scorers import RATING_TOKENS, _without_final_marks, choose, mark, rate, rules
from stages.pipeline.params import Filter, Scorer, Scoring, params
from stages.pipeline.schemas import Inquiry, Reject, Score, Turn
from stages.pipeline.tables import from_rows, read, rows, write
from stages.sample import main as sample_stage
from stages.score import main as score
from tests.conftest import ROOT, RULES_ALONE, messages, run, table
from tests.rule_engine import RuleEngine

UNREADABLE = NoAnswer.UNREADABLE
SCORERS = [
    Scorer(name="is_question", kind="rules", next_from=5),
    Scorer(name="mark_is_question", kind="mark", model="m"),
]
FILTER = Filter(throttles={"is_question": 5, "mark_is_question": 2}, min_chars=7, window=12, sample=600)
P = params(ROOT / "params.yaml").model_copy(update={"score": Scoring(scorers=SCORERS), "filter": FILTER})


@pytest.mark.parametrize(
    ("text", "asks"),
    [
        ("How do I deploy mmpose", True),
        ("nice! what about you", True),
        ("im good\nhow are you", True),
        ("Did you see it", True),
        ("dont you like it", True),
        ("wbu", True),
        ("it works, right?", True),
        ("mmpose 可以部署到手机吗", True),
        ("怎么部署到 TX2 上", True),
        ("请问谁试过", True),
        ("fd074fa3c1cd65e2: what version do you have", True),
        ("ann, what version do you have", True),
        ("hello\n@ann: is it on", True),
        ("bob: ann: how do I open it", True),
        ("fd074fa3c1cd65e2, f10f7f5bda7e4ac2: why does it fail", True),
        ("hi fd074fa3c1cd65e2 how do I open it", True),
        ("<fd074fa3c1cd65e2> what version", True),
        ("fd074fa3c1cd65e2:what version", True),
        ("lol guys what can i do", True),
        ("it is slow. any ideas", True),
        ("when is it", True),
        ("when I boot it, it hangs", False),
        ("it hangs, which is why I ask", False),
        ("do that, then reboot", False),
        ("see http://example.org/find?id=1", False),
        ("is it http://example.org/find?", True),
        ("note: that is how it works", False),
        ("see https://what.is/it", False),
        ("error: is not a directory", False),
        ("I know what you mean", False),
        ("I wonder", False),
        ("Doing well.", False),
        ("That is how it works.", False),
        ("可以部署到手机。", False),
        ("", False),
    ],
)
def test_rules(text: str, asks: bool) -> None:
    assert (rules(text) >= 5) is asks


def test_final_marks_are_taken_off_each_line() -> None:
    assert _without_final_marks("Are you?! \nlol.\n??") == ["Are you", "Are you?! \nlol"]
    assert _without_final_marks("??") == ["??"]


@given(st.lists(st.sampled_from("gh"), min_size=1, max_size=30), st.integers(1, 12), st.sets(st.integers(0, 29)))
@settings(max_examples=20, deadline=None)
def test_windows_against_a_plain_loop(groups: list[str], size: int, asking: set[int]) -> None:
    chat = [
        row
        for group in set(groups)
        for row in messages(
            *[("ab"[i % 2], 100 * i, f"{group}{i}") for i in range(groups.count(group))],
            group=group,
            first_id=1000 * ord(group),
        )
    ]
    log = joined(numbered(table(chat), 18))
    turns = rows(log)
    inquiry_ids = {turn["id"] for turn in turns if turn["position"] in asking}
    inquiry_rows = rows(windows(log.mutate(is_inquiry=_.id.isin(inquiry_ids)), size))
    assert {row["id"] for row in inquiry_rows} == inquiry_ids
    for row in inquiry_rows:
        before = [t for t in turns if t["group"] == row["group"] and t["position"] < row["position"]]
        before.sort(key=lambda t: t["position"])
        assert [t["text"] for t in row["cr_window"]] == [t["text"] for t in before[-size:]]
        assert all(set(t) == {"sender", "text", "timestamp"} for t in row["cr_window"])


def test_the_window_holds_twelve() -> None:
    chat = messages(*[("ab"[i % 2], 100 * i, str(i)) for i in range(20)])
    log = joined(numbered(table(chat), 18))
    last = max(rows(windows(log.mutate(is_inquiry=True), 12)), key=lambda row: row["position"])
    assert [turn["text"] for turn in last["cr_window"]] == [str(i) for i in range(7, 19)]  # upstream has 11


@pytest.mark.parametrize(
    ("scores", "text", "reason"),
    [
        ([4.9], "long enough", "not_is_question"),
        ([5, 1.9], "long enough", "not_mark_is_question"),
        ([5, 2], "short?", "too_short"),
        ([5, 2], "seven c", None),
        ([5, 2], "六个字不够😀", "too_short"),  # six characters, whatever their bytes
        (["unreadable"], "long enough", "unreadable_is_question"),
        (["refused"], "long enough", "refused_is_question"),
        ([], "long enough", "unreadable_is_question"),
        ([0], "long enough", "not_is_question"),
        ([5, "unreadable"], "long enough", "unreadable_mark_is_question"),
        ([5, "cut_off"], "long enough", "cut_off_mark_is_question"),
        ([5], "long enough", "unreadable_mark_is_question"),
    ],
)
def test_every_reason_once(scores: list[float | str], text: str, reason: str | None) -> None:
    log = joined(numbered(table(messages(("a", 0, text), first_id=0)), 18))
    table_of_scores = from_rows(
        [
            {"id": 0, "scorer": scorer.name}
            | ({"score": None, "no_answer": score} if isinstance(score, str) else {"score": score, "no_answer": None})
            for scorer, score in zip(SCORERS, scores, strict=False)
        ],
        Score,
    )
    (row,) = rows(filter_turns(log, table_of_scores, P))
    assert row["reason"] == reason


def test_in_parts_the_same_bytes(
    project: Path, set_params: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    set_params(**RULES_ALONE)
    chat = [
        row
        for n in range(50)
        for row in messages(*[("ab"[i % 2], 100 * i, f"{n}, {i}, who?") for i in range(20)], group=f"g{n}")
    ]
    turns = [row | {"id": id, "messages": 1} for id, row in enumerate(chat)]
    write(project / "turns.jsonl", from_rows(turns, Turn), Turn)
    assert run(score, "turns.jsonl", "base", "scores.jsonl", "score.json").exit_code == 0
    outputs = []
    for part in (PART_CHARACTERS, 1000):
        monkeypatch.setattr("stages.chat.inquiries.PART_CHARACTERS", part)
        result = run(main, "turns.jsonl", "scores.jsonl", "inquiries", "rejects", "n", "metrics")
        assert result.exit_code == 0, result.output
        outputs.append((project / "inquiries").read_bytes())
    assert outputs[0] == outputs[1]
    assert outputs[0].count(b"\n") == 50 * 20


def test_there_is_no_sample_for_a_question_of_inquiries(project: Path) -> None:
    """And no label file is read, so that labels make no filter stale."""
    write(
        project / "turns.jsonl", from_rows([row | {"messages": 1} for row in messages(("a", 0, "who?"))], Turn), Turn
    )
    broken = project / "annotations" / "needs_context" / "ann.jsonl"
    broken.parent.mkdir(parents=True)
    broken.write_text("no label\n")
    assert run(sample_stage, "turns.jsonl", "annotations", "sample.json").exit_code == 0
    assert json.loads((project / "sample.json").read_text()) == []


def test_a_wrong_prompt_is_said_before_anybody_labels(project: Path) -> None:
    file = project / "questions" / "needs_context" / "prompts" / "en.yaml"
    file.write_text(file.read_text().replace("$message", "the message"))
    (project / "turns.jsonl").touch()
    (project / "annotations").mkdir()
    result = run(sample_stage, "turns.jsonl", "annotations", "sample.json")
    assert result.exit_code == 1
    assert "task must have $message and $options" in result.output


@pytest.mark.parametrize("history", [False, True])
@pytest.mark.parametrize(("sample", "count"), [(30, 30), (1, 1), (100, 100), (101, 100)])
def test_a_question_of_turns_is_asked_of_a_sample(
    project: Path, set_params: Callable[..., None], sample: int, count: int, history: bool
) -> None:
    """Of the first ids, which are hashes, and of all labelled turns, whatever the scores and the length; every turn is
    in the sample or rejected.
    """
    set_params(**RULES_ALONE | {"question.name": "is_question", "filter.sample": sample})
    definition = project / "questions" / "is_question" / "question.yaml"
    definition.write_text(definition.read_text().replace("history: false", f"history: {json.dumps(history)}"))
    chat = [
        row
        for n in range(2)
        for row in messages(*[("ab"[i % 2], 100 * i, ("who is it?", "no")[i % 2]) for i in range(50)], group=f"g{n}")
    ]
    turns = [row | {"id": 10 + i * 37 % 101, "messages": 1} for i, row in enumerate(chat)]
    write(project / "turns.jsonl", from_rows(turns, Turn), Turn)
    assert run(score, "turns.jsonl", "base", "scores.jsonl", "score.json").exit_code == 0
    ids = sorted(turn["id"] for turn in turns)
    labels = project / "data" / "annotations" / "is_question"
    labels.mkdir(parents=True)
    of_turns = [ids[-1], ids[0], 10**6]  # the last one is of no turn
    label = {"annotator": "ann", "label": "question", "at": 5, "seconds": None, "guideline": "0" * 12}
    (labels / "ann.jsonl").write_text("".join(json.dumps({"id": id} | label) + "\n" for id in of_turns))
    assert run(sample_stage, "turns.jsonl", labels.parent, "sample.json").exit_code == 0
    files = ("inquiries.jsonl", "rejects.jsonl", "n.json", "filter.json")
    without = run(main, "turns.jsonl", "scores.jsonl", *files)
    assert without.exit_code == 1 and "--sample is missing" in without.output
    result = run(main, "turns.jsonl", "scores.jsonl", *files, "--sample", "sample.json")
    assert result.exit_code == 0, result.output
    inquiries, rejects = rows(read("inquiries.jsonl", Inquiry)), rows(read("rejects.jsonl", Reject))
    asked = sorted({*ids[:count], ids[-1]})
    assert sorted(row["id"] for row in inquiries) == asked
    assert sorted(row["id"] for row in rejects) == sorted({*ids} - {*asked})
    assert {row["reason"] for row in rejects} <= {"not_in_sample"}
    details = json.loads((project / "filter.json").read_text())
    rejected = {"not_in_sample": 100 - len(asked)} if len(asked) < 100 else {}
    assert details == {"turns": 100, "inquiries": len(asked), "messages_per_inquiry": 1, "rejected": rejected}
    for row in inquiries:
        assert len(row["cr_window"]) == (min(row["position"], 12) if history else 0)
        assert not [name for name in row if name.endswith("is_question")]  # no scorer was asked


def turn(*scores: float | None, is_inquiry: bool = False) -> Filtered:
    return {scorer.name: score for scorer, score in zip(SCORERS, scores, strict=False)} | {
        "reason": None if is_inquiry else "no"
    }


def test_quality_by_hand() -> None:
    sample = {id: turn(10.0, mark, is_inquiry=id < 3) for id, mark in enumerate([9.0, 9, 9, 1, 1])}
    sample |= {id: turn(0.0, None) for id in (5, 6)}
    labels = dict(enumerate([True, True, False, True, False, True, False]))
    quality = filter_quality(sample, labels, SCORERS, FILTER)
    assert (quality["labelled_kept"], quality["labelled_rejected"]) == (3, 4)
    assert (quality["is_question_precision"], quality["is_question_recall"]) == (0.6, 0.75)
    assert (quality["mark_is_question_precision"], quality["mark_is_question_recall"]) == (0.6667, 0.6667)
    assert (quality["precision"], quality["recall"], quality["recall_n"]) == (0.6667, 0.5, 4)
    assert quality["recall_low"] < 0.5 < quality["recall_high"]


def test_the_sweep_by_hand() -> None:
    score_by_id = {1: 10.0, 2: 6.0, 3: 0.0, 4: None}
    rated = [
        {"id": id, "scorer": "is_question", "score": score, "no_answer": None if score is not None else "refused"}
        for id, score in score_by_id.items()
    ]
    sample = {id: turn(score) for id, score in score_by_id.items() if id != 4}
    points = threshold_sweep(from_rows(rated, Score), sample, {1: True, 2: False, 3: True}, SCORERS[:1])
    at = {(point["throttle"], point["measure"]): point["share"] for point in points}
    assert (at[0, "kept"], at[0, "precision"], at[0, "recall"]) == (1, 0.6667, 1)
    assert (at[6, "kept"], at[6, "precision"], at[6, "recall"]) == (0.6667, 0.5, 0.5)
    assert (at[7, "kept"], at[7, "precision"], at[7, "recall"]) == (0.3333, 1, 0.5)


def test_mark_takes_the_line_that_asks_most(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LABELS_CACHE", str(tmp_path))
    asks = RuleEngine(
        lambda text: [math.log(0.6), math.log(0.2), math.log(0.2)] if text.endswith("you") else [-9, -1, -9]
    )
    assert mark(["how are you?\nlol!", "lol"], asks, "test") == [6.0, 0.0034]
    assert asks.prompts == ["how are you", "how are you?\nlol", "lol"]


def test_choose_and_rate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LABELS_CACHE", str(tmp_path))
    prompt = load_filter("en")
    half = RuleEngine(lambda chat: [-1.0, -1.0 - math.log(3)])
    assert choose(["what $is this?"], half, prompt, "test") == [7.5]
    assert half.prompts[0][0]["content"].endswith("Message:\nwhat $is this?")
    answers = {"a": "8/10", "b": "I'd say 7.5.", "c": "none", "d": "11", "e": "-3", "f": "１０分", "g": ""}
    rated = rate(list(answers), RuleEngine(lambda chat: answers[chat[0]["content"][-1]]), prompt, "test")
    assert rated == [8, 7.5, *[UNREADABLE] * 3, 10, UNREADABLE]


@pytest.mark.parametrize(("name", "task"), [("paper_en", "en"), ("paper_zh", "zh")])
def test_the_papers_filter_introduces_the_assistant(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, task: str
) -> None:
    """By a system prompt, which counts for the context; the other prompts have none."""
    monkeypatch.setenv("LABELS_CACHE", str(tmp_path))
    rating, choosing, plain = RuleEngine(lambda _: "7"), RuleEngine(lambda _: [0.0, 0.0]), RuleEngine(lambda _: "7")
    assert rate(["who?"], rating, load_filter(name), "test") == [7]
    assert choose(["who?"], choosing, load_filter(name), "test") == [5]
    assert rate(["who?"], plain, load_filter(task), "test") == [7]
    system, question = rating.prompts[0]
    assert [question] == plain.prompts[0]
    assert question["role"] == "user" and question["content"].endswith("\nwho?")
    assert system == {"role": "system", "content": load_filter(name).system} == choosing.prompts[0][0]
    full = len(system["content"]) + len(question["content"]) + RATING_TOKENS
    for context, expected in ((full, [7.0]), (full - 1, [UNREADABLE])):
        assert rate(["who?"], RuleEngine(lambda _: "7", context), load_filter(name), "test") == expected


def test_a_text_that_does_not_fit_is_not_asked_and_has_no_score(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LABELS_CACHE", str(tmp_path))
    prompt = load_filter("en")
    long = "why " * 3000
    sure = RuleEngine(lambda _: [0.0, -99.0, -99.0])
    assert mark([f"how\n{long}", long, "who?", f"a\nb\n{long}"], sure, "test") == [10.0, UNREADABLE, 10.0, 10.0]
    assert sure.prompts == ["how", "who", "a", "a\nb"]
    for scores in (
        choose([long, "who?"], RuleEngine(lambda _: [0.0, -99.0]), prompt, "test"),
        rate([long, "who?"], RuleEngine(lambda _: "10"), prompt, "test"),
    ):
        assert scores == [UNREADABLE, 10.0]


def test_quality_without_labels() -> None:
    assert filter_quality({}, {}, SCORERS, FILTER) == {"labelled_kept": 0, "labelled_rejected": 0}


def test_another_throttle_needs_no_new_score(
    project: Path, set_params: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """And one that is lower than what the next scorer was asked from is refused."""
    monkeypatch.setenv("LABELS_CACHE", str(project / "cache"))
    engine = RuleEngine(lambda text: [-1.0, -1.0, -1.0])  # a third of 10
    monkeypatch.setattr("stages.llm.catalogue.engine", lambda *_, **__: engine)
    chat = messages(*[("ab"[i % 2], 100 * i, "who are you?" if i % 2 else "I am not you.") for i in range(20)])
    write(project / "turns.jsonl", from_rows([row | {"messages": 1} for row in chat], Turn), Turn)
    assert run(score, "turns.jsonl", "base", "scores.jsonl", "score.json").exit_code == 0
    assert json.loads((project / "score.json").read_text()) == {
        "is_question": {"rated": 20, "unreadable": 0, "refused": 0, "cut_off": 0},
        "mark_is_question": {"rated": 10, "unreadable": 0, "refused": 0, "cut_off": 0},
    }
    for throttle, inquiries in ((3, 10), (4, 0)):
        set_params(**{"filter.throttles": {"is_question": 5, "mark_is_question": throttle}})
        result = run(main, "turns.jsonl", "scores.jsonl", "inquiries", "rejects", "n", "metrics")
        assert (result.exit_code == 0) == (inquiries > 0), result.output
    set_params(**{"filter.throttles": {"is_question": 4, "mark_is_question": 3}})
    result = run(main, "turns.jsonl", "scores.jsonl", "inquiries", "rejects", "n", "metrics")
    assert "filter.throttles.is_question is below the scorer's next_from" in result.output
    set_params(**{"filter.throttles": {"is_question": 5}})
    result = run(main, "turns.jsonl", "scores.jsonl", "inquiries", "rejects", "n", "metrics")
    assert "one throttle for each scorer of score.scorers; not so: mark_is_question" in result.output
