"""Scoring part by part, what is kept of it on the way, and the inquiries that can be labelled meanwhile."""

import json
import math
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import ibis
import pytest

from stages.filter import main as filter_stage
from stages.labels.early import EarlyInquiries, early_inquiries
from stages.llm import scoring
from stages.llm.no_answers import NoAnswer
from stages.llm.partial_scores import PARTIAL_SCORES, read_partial_scores, saved_parts, scoring_fingerprint
from stages.llm.scorers import mark, rules
from stages.llm.scoring import Part, collected, rated_counts, score_parts
from stages.pipeline.params import Params, params
from stages.pipeline.schemas import Inquiry, Turn
from stages.pipeline.tables import from_rows, read, rows, write
from stages.score import main as score_stage
from tests.conftest import RULES_ALONE, Row, messages, run, sender
from tests.labelling import file_of, lines
from tests.rule_engine import RuleEngine
from tests.unit.test_terminal import in_terminal

TEXTS = ("who are you?", "I am ann.", "do you like it\nI do", "what is that?\nlol", "no", "why?")
COUNT = 95
TURNS, SCORES, INQUIRIES = (Path("data") / f"{name}.jsonl" for name in ("turns", "scores", "inquiries"))


def turn_rows() -> list[Row]:
    """Turns of two groups; their ids are in another order than the log."""
    log = []
    for group, first, count in (("g", 0, 50), ("h", 50, COUNT - 50)):
        utterances = [("ab"[i % 2], 100 * i, f"{TEXTS[i % len(TEXTS)]} {first + i}") for i in range(count)]
        log += messages(*utterances, group=group, first_id=first)
    return [row | {"id": 10 + row["id"] * 37 % 101, "messages": 1} for row in log]


def likes_who(text: Any) -> list[float]:
    """Log-probabilities of three marks: texts that have the word `who` are questions, others hardly."""
    return [math.log(0.8), math.log(0.1), math.log(0.1)] if "who" in text else [math.log(0.001), -0.7, -0.7]


@pytest.fixture
def log(project: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with turns that are scored in parts of ten turns at first, by rules and by no real model."""
    monkeypatch.setenv("LABELS_CACHE", str(project / "cache"))
    monkeypatch.setattr(scoring, "FIRST_PART", 10)
    ask_by(monkeypatch, RuleEngine(likes_who))
    write(TURNS, from_rows(turn_rows(), Turn), Turn)
    return project


def ask_by(monkeypatch: pytest.MonkeyPatch, engine: RuleEngine, **engines: RuleEngine) -> None:
    """Let scorers ask an engine in place of their model, by the model's name; `engine` stands for all others."""
    monkeypatch.setattr("stages.llm.catalogue.engine", lambda name, *_, **__: engines.get(name, engine))


def score() -> Any:
    return run(score_stage, str(TURNS), "base", str(SCORES), "score.json")


def filtered() -> list[Row]:
    """The inquiries that the stage filter writes, in the order of their ids."""
    result = run(filter_stage, str(TURNS), str(SCORES), str(INQUIRIES), "data/rejects.jsonl", "n.json", "filter.json")
    assert result.exit_code == 0, result.output
    return rows(read(INQUIRIES, Inquiry).order_by("id"))


def early() -> EarlyInquiries:
    inquiries = early_inquiries(INQUIRIES, params())
    assert inquiries
    return inquiries


def in_id_order(table: ibis.Table) -> list[Row]:
    return rows(table.order_by("id"))


@pytest.mark.parametrize(
    ("largest", "sizes"), [(1000, [10, 10, 20, 40, 15]), (20, [10, 10, 20, 20, 20, 15]), (10, [10] * 9 + [5])]
)
def test_parts_are_in_the_order_of_ids_and_grow(
    log: Path, monkeypatch: pytest.MonkeyPatch, largest: int, sizes: list[int]
) -> None:
    monkeypatch.setattr(scoring, "LARGEST_PART", largest)
    parts = list(score_parts(read(TURNS, Turn), Path("base"), params()))
    assert [part.turn_count for part in parts] == sizes
    ids = [sorted(set(part.scores["id"].to_pylist())) for part in parts]
    assert [id for part_ids in ids for id in part_ids] == sorted(row["id"] for row in turn_rows())
    assert [part.last_id for part in parts] == [part_ids[-1] for part_ids in ids]


def test_scores_in_parts_are_those_of_all_turns_at_once(log: Path) -> None:
    scores = collected(score_parts(read(TURNS, Turn), Path("base"), params())).to_pylist()
    texts = {row["id"]: row["text"] for row in turn_rows()}
    by_rules = {id: rules(text) for id, text in texts.items()}
    asked = [id for id, rating in by_rules.items() if rating >= 5]
    by_mark = dict(zip(asked, mark([texts[id] for id in asked], RuleEngine(likes_who), ""), strict=True))
    assert 0 < len(by_mark) < len(by_rules)
    score_by_scorer = {
        name: {row["id"]: row["score"] for row in scores if row["scorer"] == name}
        for name in ("is_question", "mark_is_question")
    }
    assert score_by_scorer == {"is_question": by_rules, "mark_is_question": by_mark}
    assert len(scores) == len(by_rules) + len(by_mark)


def test_counts_have_each_scorer_and_each_reason(log: Path, set_params: Callable[..., None]) -> None:
    set_params(**{"score.scorers": [{"name": "is_question", "kind": "rate", "prompt": "en", "model": "smollm2_135m"}]})
    set_params(**{"filter.throttles": {"is_question": 5}})
    p = params()
    part = Part(3, 3, {}, scoring.SCORES.empty_table())
    rated = [{"id": 1, "scorer": "is_question", "score": None, "no_answer": NoAnswer.REFUSED.value}]
    rated += [{"id": id, "scorer": "is_question", "score": 7.0, "no_answer": None} for id in (2, 3)]
    scores = collected([part._replace(scores=type(part.scores).from_pylist(rated, schema=scoring.SCORES)), part])
    assert rated_counts(scores, p.score.scorers) == {
        "is_question": {"rated": 3, "unreadable": 0, "refused": 1, "cut_off": 0}
    }


TWO_MODELS = {
    "score.scorers": [
        {"name": "is_question", "kind": "mark", "model": "smollm2_135m", "next_from": 1},
        {"name": "mark_is_question", "kind": "mark", "model": "smollm2_135m_10"},
    ],
    "filter.throttles": {"is_question": 1, "mark_is_question": 1},
}


@pytest.mark.parametrize(("engine", "asked_before_the_second"), [("transformers", 10), ("vllm", COUNT)])
def test_a_part_has_all_scores_before_the_next_one_is_asked(
    log: Path,
    set_params: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
    engine: str,
    asked_before_the_second: int,
) -> None:
    """But a model of vLLM is done with all parts before the next model is loaded."""
    texts = {row["id"]: f"who is {row['id']}" for row in turn_rows()}
    write(TURNS, from_rows([row | {"text": texts[row["id"]]} for row in turn_rows()], Turn), Turn)
    set_params(**TWO_MODELS, **{"models.smollm2_135m.engine": engine, "models.smollm2_135m.dtype": "auto"})
    asked: list[str] = []

    def asks(name: str) -> RuleEngine:
        def answer(text: str) -> list[float]:
            asked.append(name)
            return likes_who(text)

        return RuleEngine(answer)

    ask_by(monkeypatch, asks("second"), smollm2_135m=asks("first"))
    next(score_parts(read(TURNS, Turn), Path("base"), params()))
    assert asked == ["first"] * asked_before_the_second + ["second"] * 10


def test_of_a_file_cut_off_anywhere_the_whole_parts_are_read(tmp_path: Path) -> None:
    def part(first: int, count: int) -> Part:
        scores = [{"id": first + i, "scorer": "is_question", "score": i / 3, "no_answer": None} for i in range(count)]
        scores[0] |= {"score": None, "no_answer": "refused"}
        table = scoring.SCORES.empty_table().from_pylist(scores, schema=scoring.SCORES)
        return Part(count, first + count - 1, {}, table)

    parts, file = [part(0, 2), part(2, 2), part(4, 4)], tmp_path / "made" / PARTIAL_SCORES
    ends = [file.stat().st_size for _ in saved_parts(parts, file, "f")]
    content = file.read_bytes()
    assert len(content) == ends[-1]
    header = content.index(b"\n") + 1
    for size in range(len(content) + 1):
        file.write_bytes(content[:size])
        whole = sum(end <= size for end in ends)
        partial = read_partial_scores(file, "f")
        assert (partial is None) == (size < header)
        if partial:
            assert partial.scores == collected(parts[:whole])
            assert (partial.turn_count, partial.last_id) == ((0, -1), (2, 1), (4, 3), (8, 7))[whole]
    assert read_partial_scores(file, "other") is None


def changes(p: Params) -> dict[str, tuple[Path, Params]]:
    """Turns and parameters that differ from p's in one thing each."""
    other = Path("other.jsonl")
    write(other, from_rows(turn_rows()[:-1], Turn), Turn)
    scorers, models = p.score.scorers, p.models
    first = [scorers[0].model_copy(update={"next_from": 6}), *scorers[1:]]
    model = models["smollm2_135m"].model_copy(update={"layers": 29})
    return {
        "turns": (other, p),
        "scorers": (TURNS, p.model_copy(update={"score": p.score.model_copy(update={"scorers": first})})),
        "model": (TURNS, p.model_copy(update={"models": {**models, "smollm2_135m": model}})),
    }


def test_scores_of_other_turns_or_scorers_are_not_taken(log: Path) -> None:
    p = params()
    fingerprint = scoring_fingerprint(TURNS, p)
    for turns, changed in changes(p).values():
        assert scoring_fingerprint(turns, changed) != fingerprint
    throttles = p.filter.model_copy(update={"throttles": {"is_question": 6, "mark_is_question": 1}})
    assert scoring_fingerprint(TURNS, p.model_copy(update={"filter": throttles})) == fingerprint
    assert score().exit_code == 0
    assert early_inquiries(INQUIRIES, p)
    for _turns, changed in list(changes(p).values())[1:]:
        assert early_inquiries(INQUIRIES, changed) is None


def test_each_part_adds_the_next_ones_of_the_final_inquiries(log: Path) -> None:
    """While the scoring goes on in the same process, and though it is the filter that cuts their windows later."""
    p = params()
    lists = []
    for part in saved_parts(
        score_parts(read(TURNS, Turn), Path("base"), p), TURNS.with_name(PARTIAL_SCORES), scoring_fingerprint(TURNS, p)
    ):
        inquiries = early()
        lists.append((part.last_id, in_id_order(inquiries.table)))
        assert inquiries.turn_count == COUNT
        counts = f"{inquiries.scored_count} of 95 turns are scored so far"
        message = (
            None if inquiries.scored_count == COUNT else f"{counts}: start again for the inquiries among the others"
        )
        assert inquiries.message() == message
    assert score().exit_code == 0
    final = filtered()
    assert len(lists) == 5
    assert 0 < len(lists[0][1]) < len(final)
    for last_id, items in lists:
        assert items == [row for row in final if row["id"] <= last_id]


def test_a_scoring_that_stops_leaves_its_parts_and_goes_on(log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The label command asks nothing: there is no engine."""

    class StoppedError(Exception):
        pass

    class Stops(RuleEngine):
        def choose(self, *arguments: Any) -> None:
            if len(self.prompts) > 20:
                raise StoppedError
            super().choose(*arguments)

    engine = Stops(likes_who)
    ask_by(monkeypatch, engine)
    assert isinstance(score().exception, StoppedError)
    asked_before = len(engine.prompts)

    def refuse(*_: Any, **__: Any) -> Any:
        raise AssertionError("a model is loaded")

    monkeypatch.setattr("stages.llm.catalogue.engine", refuse)
    inquiries = early()
    items = in_id_order(inquiries.table)
    assert 0 < inquiries.scored_count < COUNT
    resumed = RuleEngine(likes_who)
    resumed.identity = engine.identity
    ask_by(monkeypatch, resumed)
    assert score().exit_code == 0
    assert not {*engine.prompts} & {*resumed.prompts}
    assert asked_before
    final = filtered()
    assert items == final[: len(items)]
    assert len(items) < len(final)


@pytest.mark.parametrize("scorers", ["rules alone", "rules and a model"])
def test_the_final_inquiries_are_taken_once_they_are_written(
    log: Path, set_params: Callable[..., None], scorers: str
) -> None:
    if scorers == "rules alone":
        set_params(**RULES_ALONE)
    assert score().exit_code == 0
    partial_file = SCORES.with_name(PARTIAL_SCORES)
    assert in_id_order(early().table)
    final = filtered()
    assert early_inquiries(INQUIRIES, params()) is None
    os.utime(partial_file, ns=(2**62, 2**62))  # as after a change that makes score stale and no score other
    assert in_id_order(early().table) == final
    assert early().message() is None
    partial_file.unlink()
    assert early_inquiries(INQUIRIES, params()) is None


def test_the_first_inquiries_are_labelled_in_the_terminal(log: Path, annotations: Path) -> None:
    p = params()
    parts = score_parts(read(TURNS, Turn), Path("base"), p)
    next(saved_parts(parts, TURNS.with_name(PARTIAL_SCORES), scoring_fingerprint(TURNS, p)))
    items = in_id_order(early().table)
    annotations.rename(log / "data" / "annotations")
    printed, stream = in_terminal("label ann", ("quit", "k" * len(items)), ("Nothing is left", "q"))
    assert printed == f"{len(items)} of {len(items)} labelled by ann\n"
    assert "10 of 95 turns are scored so far: start again" in stream
    labelled = [line["id"] for line in lines(file_of(log / "data" / "annotations"))]
    assert score().exit_code == 0
    assert labelled == [item["id"] for item in filtered()[: len(items)]]


def test_before_the_first_part_there_is_nothing_to_label(log: Path) -> None:
    """Unless there are inquiries of an earlier scoring."""
    assert early_inquiries(INQUIRIES, params()) is None
    fingerprint = scoring_fingerprint(TURNS, params())
    assert list(saved_parts([], TURNS.with_name(PARTIAL_SCORES), fingerprint)) == []
    with pytest.raises(click.ClickException, match="no turn is scored yet: start again in a minute"):
        early_inquiries(INQUIRIES, params())
    INQUIRIES.write_text("")
    os.utime(INQUIRIES, ns=(1, 1))
    assert early_inquiries(INQUIRIES, params()) is None


def test_the_stage_says_of_what_its_scores_are(log: Path) -> None:
    assert score().exit_code == 0
    first, *parts = SCORES.with_name(PARTIAL_SCORES).read_text().splitlines()
    assert json.loads(first) == {"scoring": scoring_fingerprint(TURNS, params())}
    assert sum(json.loads(line)["turn_count"] for line in parts) == COUNT
    assert sender("a") not in first
