"""What annotators label next: readers choose on the side of train alone, and each label says how its item came."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize
from textual.pilot import Pilot

from stages import annotate, export, validate
from stages.judging.hidden_states import HiddenStates
from stages.labels import store
from stages.labels.__main__ import main
from stages.labels.annotator_file import open_for
from stages.labels.next_items import Batches, NextItems
from stages.labels.readers import Readers
from stages.labels.splitting import assign, many_and_small, sides
from stages.labels.terminal import Annotator
from stages.pipeline.definition import Definition
from stages.pipeline.params import Export, params
from stages.pipeline.schemas import Inquiry, Message, Turn
from stages.pipeline.tables import from_rows, write
from tests.conftest import Row, inquiry, run, write_random_states
from tests.labelling import file_of, lines

SHARES = Export(seed=0, dev=0.15, test=0.25)


def log_of(groups: int, size: int) -> list[Row]:
    """Inquiries in the order of their ids, which is not that of the log."""
    ids = iter(np.random.default_rng(1).permutation(groups * size).tolist())
    items = [
        inquiry(next(ids), f"And number {i} of {g}?", group=f"g{g}", at=300 * i + g, window=min(i, 12))
        for g in range(groups)
        for i in range(size)
    ]
    return sorted(items, key=lambda item: item["id"])


def usefulness(labels: Mapping[int, bool], ids: Sequence[int]) -> Any:
    """Readers who like high ids, which come last in the random order."""
    return np.array(ids, dtype=float)


# Which side an item is on


@settings(max_examples=60)
@given(
    st.sampled_from([(60, 1), (80, 4), (1, 150), (5, 30), (49, 3)]),
    st.integers(0, 15),
    st.integers(0, 100),
    st.sampled_from([(0.15, 0.25), (0.05, 0.05), (0.4, 0.5)]),
)
def test_readers_never_choose_for_dev_or_test(
    shape: tuple[int, int], batches: int, seed: int, shares: tuple[float, float]
) -> None:
    """Of both kinds of logs: dev and test are the first of their side in the random order, whatever readers choose."""
    items, p = log_of(*shape), Export(seed=seed, dev=shares[0], test=shares[1])
    side_before = sides(items, p)
    chooser = Batches(items, side_before, usefulness, p)
    labels: dict[int, bool] = {}
    labelled: list[Row] = []
    for _ in range(batches):
        batch = chooser.batch(labels, labels.keys())
        labels |= {item["id"]: item["id"] % 3 == 0 for item in batch}
        labelled += [item | {"chosen_by_readers": item["chosen"] == "readers"} for item in batch]
    assert len(labels) == len(labelled)  # nothing comes twice
    split_by_id, rejects = assign(labelled, sides(items, p))
    assert rejects == []
    assert split_by_id == {id: side_before[id] for id in labels}
    assert {split_by_id[item["id"]] for item in labelled if item["chosen_by_readers"]} <= {"train"}
    held_out = [item["id"] for item in items if side_before[item["id"]] in ("dev", "test")]
    labelled_held_out = sorted(id for id in labels if split_by_id[id] != "train")
    assert labelled_held_out == held_out[: len(labelled_held_out)]
    for item in labelled:
        for other in labelled:
            if item["group"] == other["group"] and split_by_id[item["id"]] != split_by_id[other["id"]]:
                earlier, later = sorted((item, other), key=lambda row: row["timestamp"])
                assert min(turn["timestamp"] for turn in (*later["cr_window"], later)) > earlier["timestamp"]


@pytest.mark.parametrize(
    ("dev", "test", "held_out"), [(0.15, 0.25, 4), (0.05, 0.06, 1), (0.01, 0.01, 1), (0.5, 0.49, 9)]
)
@pytest.mark.parametrize("shape", [(300, 2), (1, 600)])
def test_each_batch_has_the_shares_of_the_splits(
    shape: tuple[int, int], dev: float, test: float, held_out: int
) -> None:
    items, p = log_of(*shape), Export(seed=0, dev=dev, test=test)
    side = sides(items, p)
    batch = Batches(items, side, usefulness, p).batch({}, set())
    assert sum(side[item["id"]] != "train" for item in batch) == held_out
    assert len(batch) == 10


def test_train_comes_in_random_order_until_there_is_enough_to_learn_from() -> None:
    items = log_of(100, 3)
    side = sides(items, SHARES)
    of_train = [item["id"] for item in items if side[item["id"]] == "train"]
    chooser = Batches(items, side, usefulness, SHARES)
    enough = {id: id % 2 == 0 for id in of_train[:20]}
    too_few, one_label = dict(list(enough.items())[:19]), dict.fromkeys(enough, True)
    elsewhere = {id: id % 2 == 0 for id in side if side[id] == "test"}  # labels of test are learnt from by nobody
    for labels in (too_few, one_label, elsewhere):
        batch = chooser.batch(labels, labels.keys())
        assert {item["chosen"] for item in batch} == {"random"}
        open_ids = [id for id in of_train if id not in labels]
        assert sorted(item["id"] for item in batch if side[item["id"]] == "train") == open_ids[:6]
    batch = chooser.batch(enough, enough.keys())
    assert {item["id"] for item in batch if item["chosen"] == "readers"} == set(of_train[-6:])
    assert {side[item["id"]] for item in batch if item["chosen"] == "random"} <= {"dev", "test"}


def test_a_side_without_items_is_made_up_for_by_the_other() -> None:
    items = log_of(100, 3)
    side = sides(items, SHARES)
    chooser = Batches(items, side, usefulness, SHARES)
    held_out = {id for id in side if side[id] != "train"}
    of_train = side.keys() - held_out
    for taken_ids in (held_out, set(sorted(of_train)[2:])):
        assert len(chooser.batch({}, taken_ids)) == 10
    assert len(chooser.batch({}, set(sorted(side)[3:]))) == 3
    assert chooser.batch({}, side.keys()) == []


# What readers say


def test_readers_are_least_sure_where_probes_of_all_views_of_the_middle_layer_are() -> None:
    """Against logistic regression by scipy."""
    rng = np.random.default_rng(0)
    items = [inquiry(i) for i in range(60)]
    values = rng.normal(size=(4, 3, 60, 5)) * [1, 2, 3, 4, 5]
    readers = Readers(HiddenStates(np.arange(60), np.array([12, 15, 18, 21]), values), items)
    views = values[1]  # of the layer 15 of 30
    labels = {i: bool(views[0, i, 0] + rng.normal() > 0.3) for i in range(0, 50, 2)}
    learnt = np.array(list(labels))
    y = np.array([1.0 if labels[i] else -1.0 for i in learnt])
    weights = np.where(y > 0, len(y) / 2 / (y > 0).sum(), len(y) / 2 / (y < 0).sum())
    asked = [i for i in range(60) if i not in labels]

    def log_odds(states: Any) -> Any:
        standardised = (states - states[learnt].mean(0)) / states[learnt].std(0)

        def loss(w: Any) -> float:
            margins = y * (standardised[learnt] @ w[:-1] + w[-1])
            return 0.01 * float(weights @ np.logaddexp(0, -margins)) + w[:-1] @ w[:-1] / 2

        w = minimize(loss, np.zeros(6), tol=1e-12).x
        return standardised[asked] @ w[:-1] + w[-1]

    p = 1 / (1 + np.exp(-np.mean([log_odds(states) for states in views], axis=0)))
    assert readers.uncertainty(labels, asked) == pytest.approx(p * (1 - p), rel=1e-3)


# In the terminal


@pytest.fixture
def chat(project: Path, annotations: Path) -> Path:
    """A project with 120 inquiries of 60 conversations, and hidden states."""
    (project / "data").mkdir()
    annotations.rename(project / "data" / "annotations")
    write(project / "data" / "inquiries.jsonl", from_rows(log_of(60, 2), Inquiry), Inquiry)
    write_random_states(project / "data" / "inquiries.jsonl", project / "data" / "states.safetensors")
    return project


def drive(chat: Path, act: Callable[[Annotator, Pilot[Any]], Awaitable[None]], annotator: str = "ann") -> Annotator:
    """Open the terminal with the items that come next and act as its user."""
    folder = chat / "data" / "annotations"

    async def go() -> Annotator:
        with open_for(annotator, folder, params().question.definition) as label_file:
            next_items = NextItems(log_of(60, 2), folder, label_file, params())
            items = next_items.batch(set())
            items += next_items.batch({item["id"] for item in items})
            app = Annotator(items, set(), label_file, next_items=next_items)
            async with app.run_test(size=(80, 24)) as pilot:
                await pilot.pause()
                await act(app, pilot)
            return app

    return asyncio.run(go())


def state_line(app: Annotator) -> str:
    return str(app.screen.query_one("#state").render())


async def label_many(app: Annotator, pilot: Pilot[Any], count: int) -> None:
    """Label so many items by turns as needed and not, each batch after the next one has come."""
    for number in range(count):
        await pilot.press("jk"[number % 2])
        await app.workers.wait_for_complete()
        await pilot.pause()


def test_a_session_goes_on_with_what_readers_choose(chat: Path, question: Definition) -> None:
    async def first(app: Annotator, pilot: Pilot[Any]) -> None:
        assert "ann · 0 · next at random" in state_line(app)
        await label_many(app, pilot, 45)
        assert "ann · 45 · next by the readers" in state_line(app)
        assert len(app.session.items) == 60  # two batches, and one after each ten labels
        await pilot.press("u")
        assert "ann · 44 · next by the readers" in state_line(app)

    drive(chat, first)
    stored = lines(file_of(chat / "data/annotations"))
    assert len(stored) == 46 and len({line["id"] for line in stored}) == 45
    assert stored[-1]["label"] is None and "chosen" not in stored[-1]

    async def second(app: Annotator, pilot: Pilot[Any]) -> None:
        assert "ann · 44 · next by the readers" in state_line(app)
        await label_many(app, pilot, 20)

    drive(chat, second)
    stored = lines(file_of(chat / "data/annotations"))
    side = sides(log_of(60, 2), params().export)
    by_readers = [line["id"] for line in stored if line.get("chosen") == "readers"]
    assert len(by_readers) > 10
    assert {side[id] for id in by_readers} == {"train"}
    assert {line["chosen"] for line in stored if line["label"]} == {"random", "readers"}
    labelled = {id for id, votes in store.votes(store.load(chat / "data/annotations", question)).items() if votes}
    assert len(labelled) == 64

    async def another(app: Annotator, pilot: Pilot[Any]) -> None:
        """Another annotator gets what nobody has labelled, by readers that have learnt from the first one."""
        assert "bob · 0 · next by the readers" in state_line(app)
        await label_many(app, pilot, 56)
        assert "Nothing is left to label here" in str(app.screen.query("ItemView Static").first().render())

    drive(chat, another, "bob")
    assert not labelled & {line["id"] for line in lines(file_of(chat / "data/annotations", "bob"))}


def test_readers_that_fail_are_named_and_labelling_goes_on_at_random(chat: Path) -> None:
    broken = file_of(chat / "data" / "annotations", "bob")

    async def act(app: Annotator, pilot: Pilot[Any]) -> None:
        await label_many(app, pilot, 40)
        assert "next by the readers" in state_line(app)
        broken.write_text("[1]\n")
        await label_many(app, pilot, 10)
        assert "the readers fail" in state_line(app) and "bob.jsonl: row 1, must be an object" in state_line(app)
        await label_many(app, pilot, 1)
        assert "ann · 51 · next at random" in state_line(app)
        assert {item["chosen"] for item in app.session.items[-10:]} == {"random"}
        broken.unlink()
        await label_many(app, pilot, 9)
        assert "next by the readers" in state_line(app)

    app = drive(chat, act)
    assert "bob.jsonl: row 1" in app.failure
    assert len(lines(file_of(chat / "data/annotations"))) == 60


def test_an_annotator_who_is_faster_than_the_readers_waits_at_the_end(
    chat: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import threading

    release = threading.Event()
    really = NextItems.batch

    async def act(app: Annotator, pilot: Pilot[Any]) -> None:
        def slowly(self: NextItems, pending_ids: Any) -> Any:
            release.wait(60)
            return really(self, pending_ids)

        monkeypatch.setattr(NextItems, "batch", slowly)
        await pilot.press(*"j" * 20)
        assert "The next questions come in a moment" in str(app.screen.query("ItemView Static").first().render())
        release.set()
        await app.workers.wait_for_complete()
        await pilot.pause()
        assert app.session.item is not None
        await pilot.press("k")

    drive(chat, act)
    assert len({line["id"] for line in lines(file_of(chat / "data/annotations"))}) == 21


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--next", "--in-order"], "--next chooses the items itself and has no use for --in-order"),
        (["--next", "--like", "bob", "--first", "3"], "no use for --first, --like"),
        (["--next", "--queue", "data/inquiries.jsonl"], "no use for --queue"),
    ],
)
def test_next_stands_alone(chat: Path, arguments: list[str], message: str) -> None:
    result = CliRunner().invoke(main, ["label", "ann", *arguments])
    assert result.exit_code == 1
    assert message in result.output


def test_without_hidden_states_the_command_that_makes_them_is_named(
    chat: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stages.labels.__main__.require_terminal", lambda: None)
    (chat / "data" / "states.safetensors").unlink()
    result = CliRunner().invoke(main, ["label", "ann", "--next"])
    assert result.exit_code == 1
    assert "data/states.safetensors is missing: run dvc repro states" in result.output


# What a label says, and what becomes of it


@pytest.mark.parametrize(
    ("options", "chosen"),
    [([], "random"), (["--in-order"], "in_order"), (["--like", "bob"], "like"), (["--queue", "queue.jsonl"], "queue")],
)
def test_a_label_says_how_its_item_came(
    chat: Path, question: Definition, monkeypatch: pytest.MonkeyPatch, options: list[str], chosen: str
) -> None:
    folder = chat / "data" / "annotations"
    monkeypatch.setattr("stages.labels.__main__.require_terminal", lambda: None)
    with open_for("bob", folder, question) as label_file:
        label_file.append(3, "needed")
    (chat / "queue.jsonl").write_text(json.dumps({"id": 3, "reason": "older_guideline", "at": 1}) + "\n")

    def press(app: Annotator) -> None:
        async def go() -> None:
            async with app.run_test() as pilot:
                await pilot.press("n", *"hm", "enter", "j", "u", "k")

        asyncio.run(go())

    monkeypatch.setattr(Annotator, "run", press)
    result = CliRunner().invoke(main, ["label", "ann", *options])
    assert result.exit_code == 0, result.output
    stored = [(line["label"], line.get("chosen")) for line in lines(file_of(folder))]
    assert stored == [(None, None), ("needed", chosen), (None, None), ("not_needed", chosen)]


def test_an_old_line_without_the_field_is_valid(chat: Path, question: Definition) -> None:
    folder = chat / "data" / "annotations"
    line = {"id": 3, "annotator": "ann", "label": "needed", "at": 5, "seconds": None, "guideline": "0" * 12}
    file_of(folder).write_text(json.dumps(line) + "\n")
    [loaded] = store.load_files([file_of(folder)], question)
    assert loaded["chosen"] is None
    file_of(folder).write_text(json.dumps(line | {"chosen": "by lot"}) + "\n")
    with pytest.raises(Exception, match="chosen: isin"):
        store.load_files([file_of(folder)], question)


def test_what_readers_chose_stays_so_whatever_is_labelled_later(chat: Path, question: Definition) -> None:
    folder = chat / "data" / "annotations"
    with open_for("ann", folder, question) as label_file:
        label_file.append(1, "needed", chosen="readers")
        label_file.append(1, "needed", note="hm", restored_from=label_file.lines[1])
        label_file.append(1, "not_needed", chosen="queue")
        label_file.append(2, "needed", chosen="random")
        label_file.append(3, "needed", chosen="readers")
        label_file.append(3, None)
    with open_for("bob", folder, question) as label_file:
        label_file.append(1, "needed", chosen="like")
        label_file.append(4, "needed")
    assert [line.get("chosen") for line in lines(file_of(folder))[:3]] == ["readers", "readers", "queue"]
    assert store.ids_chosen_by_readers(store.load(folder, question)) == {1, 3}


def joined(chat: Path, items: list[Row], chosen_ids: set[int], seed: int = 0) -> Row:
    """Run annotate, validate and export over labelled `items` of the chat's inquiries; export's details."""
    folder = chat / "data" / "annotations"
    with open_for("ann", folder, params().question.definition) as label_file:
        for item in items:
            label = ["needed", "not_needed"][item["id"] % 2]
            label_file.append(item["id"], label, chosen="readers" if item["id"] in chosen_ids else "random")
    for name in ("imported.jsonl", "base"):
        (chat / name).touch()
    inquiries = log_of(60, 2) if not (chat / "one_room").exists() else log_of(1, 200)
    turns = [row | {"messages": 1} for row in inquiries]
    for name, model in (("messages", Message), ("turns", Turn), ("inquiries", Inquiry)):
        write(chat / f"{name}.jsonl", from_rows(turns, model), model)
    outputs = [
        "labelled.jsonl",
        "queue.jsonl",
        "rejects.jsonl",
        "n.json",
        "annotate.json",
        "kappa.json",
        "agreement.json",
    ]
    assert run(annotate.main, "inquiries.jsonl", folder, "imported.jsonl", *outputs).exit_code == 0
    tables = ["messages.jsonl", "turns.jsonl", "inquiries.jsonl", "labelled.jsonl", "valid.jsonl"]
    result = run(validate.main, *tables)
    assert result.exit_code == 0, result.output
    files = [
        "valid.jsonl",
        "inquiries.jsonl",
        "base",
        "items.jsonl",
        "alpaca",
        "rejects.jsonl",
        "n.json",
        "export.json",
    ]
    result = run(export.main, *files)
    assert result.exit_code == 0, result.output
    return json.loads((chat / "export.json").read_text())


def test_export_leaves_out_what_readers_chose_for_another_side(chat: Path) -> None:
    items = log_of(60, 2)
    side = sides(items, params().export)
    chosen_ids = {item["id"] for item in items[::3]}
    details = joined(chat, items, chosen_ids)
    on_other_sides = {id for id in chosen_ids if side[id] != "train"}
    assert on_other_sides
    assert details["rejected"] == {"chosen_by_readers": len(on_other_sides)}
    exported = {row["id"]: row for row in lines(chat / "items.jsonl")}
    assert {id for id, row in exported.items() if row["split"] is None} == on_other_sides
    assert {id for id, row in exported.items() if row["chosen_by_readers"]} == chosen_ids
    assert all(row["split"] in (side[id], None) for id, row in exported.items())
    in_test = json.loads((chat / "alpaca" / "test.json").read_text())
    assert not {row["id"] for row in in_test} & chosen_ids
    questions = json.loads((chat / "annotate.json").read_text())
    assert questions["filter_precision_n"] == len(items) - len(chosen_ids)


def test_nothing_changes_where_readers_chose_nothing(chat: Path) -> None:
    details = joined(chat, log_of(60, 2)[:90], set())
    assert details["rejected"] == {}
    for name in ("labelled.jsonl", "valid.jsonl", "items.jsonl"):
        assert "chosen_by_readers" not in lines(chat / name)[0]


@pytest.mark.parametrize("chosen", [False, True])
def test_one_room_is_cut_by_all_its_inquiries_once_readers_have_chosen(chat: Path, chosen: bool) -> None:
    """Labels of the first half alone would otherwise be a log of their own, with blocks of its own."""
    (chat / "one_room").touch()
    items = sorted(log_of(1, 200), key=lambda item: item["timestamp"])
    assert not many_and_small(items, 0.15, 0.25)
    side = sides(items, params().export)
    labelled = [item for place, item in enumerate(items) if place % 5 == 0 or place < 60]
    chosen_ids = {item["id"] for item in labelled[:50]} if chosen else set()
    details = joined(chat, labelled, chosen_ids)
    assert details["by_time"] == 1
    split_by_id = {row["id"]: row["split"] for row in lines(chat / "items.jsonl")}
    assert (split_by_id == {item["id"]: side[item["id"]] for item in labelled}) is chosen
    assert details["rejected"].keys() <= {"split_gap"}
