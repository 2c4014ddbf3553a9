"""From label files to alpaca files."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from stages import annotate, export, validate
from stages.labels.splitting import MIN_GROUPS, many_and_small, split
from stages.pipeline.schemas import SPLITS, Inquiry, Labelled, Message, Turn
from stages.pipeline.tables import from_rows, split_items, write
from tests.conftest import QUESTION, Row, inquiry, messages, run


def label(id: int, annotator: str = "ann", value: str = "needed", at: int = 1, **more: Any) -> Row:
    return {
        "id": id,
        "annotator": annotator,
        "label": value,
        "at": at,
        "seconds": None,
        "guideline": "0" * 12,
    } | more


@pytest.fixture
def annotated(project: Path, set_params: Callable[..., None]) -> Callable[..., tuple[Any, Path]]:
    """Run annotate over inquiries 1 to 4 and the given labels; one file an annotator."""

    def call(
        *labels: Row | str, policy: str = "adjudicator", guideline: str = "The second version."
    ) -> tuple[Any, Path]:
        set_params(**{"annotate.policy": policy, "annotate.adjudicator": "judge"})
        folder = project / "annotations"
        (folder / QUESTION.name).mkdir(parents=True, exist_ok=True)
        (project / "questions" / QUESTION.name / "GUIDELINE.md").write_text(guideline)
        for row in labels:
            name = "broken" if isinstance(row, str) else row["annotator"]
            with (folder / QUESTION.name / f"{name}.jsonl").open("a") as file:
                file.write((row if isinstance(row, str) else json.dumps(row)) + "\n")
        (project / "imported.jsonl").touch()
        write(project / "inquiries.jsonl", from_rows([inquiry(i) for i in range(1, 5)], Inquiry), Inquiry)
        names = (
            "labelled.jsonl",
            "queue.jsonl",
            "rejects.jsonl",
            "n.json",
            "metrics.json",
            "kappa.json",
            "agreement.json",
        )
        outs = [project / name for name in names]
        return run(annotate.main, project / "inquiries.jsonl", folder, project / "imported.jsonl", *outs), project

    return call


def read(file: Path) -> list[Row]:
    return [json.loads(line) for line in file.read_text().splitlines()]


def test_labels_are_joined_and_every_inquiry_is_accounted_for(annotated: Callable[..., tuple[Any, Path]]) -> None:
    result, project = annotated(
        label(1, value="not_needed", at=1),
        label(1, value="needed", at=2),  # the same annotator's later word
        label(2, "ann"),
        label(2, "bob", "not_needed"),
        label(3, value="not_question"),
        label(99),
    )
    assert result.exit_code == 0, result.output
    assert [(row["id"], row["label"]) for row in read(project / "labelled.jsonl")] == [(1, True)]
    assert [(row["id"], row["reason"]) for row in read(project / "rejects.jsonl")] == [
        (2, "contradicting_labels"),
        (3, "not_question"),
        (4, "unlabelled"),
    ]
    metrics = json.loads((project / "metrics.json").read_text())
    assert metrics["labels_without_inquiry"] == 1
    assert metrics["unlabelled"] == 1
    assert "warning: labels without inquiry: 1" in result.output
    assert "warning: unlabelled: 1" in result.output
    assert metrics["inquiries"] == metrics["labelled"] + sum(metrics["rejected"].values())
    assert (metrics["filter_precision"], metrics["filter_precision_n"]) == (0.5, 2)  # 1 and 3 are settled


@pytest.mark.parametrize(
    ("line", "errors"),
    [
        (
            {"id": 1, "annotator": "bob", "lable": "needed", "at": 1},
            ["lable: is no field of this table", "label: is missing"],
        ),
        (
            {"id": 1.5, "annotator": "bob", "label": "needed", "at": 1},
            ["id: must be a whole number, is a number"],
        ),
        ({"annotator": "bob", "label": "needed", "at": 1}, ["id: is missing"]),
    ],
)
def test_a_label_with_a_slip_of_the_pen_is_an_error(
    annotated: Callable[..., tuple[Any, Path]], line: Row, errors: list[str]
) -> None:
    """Not one that takes the label before it back."""
    result, project = annotated(label(1), label(2, "bob"), json.dumps({"seconds": None, "guideline": "0" * 12} | line))
    assert result.exit_code == 1
    assert not (project / "labelled.jsonl").exists()
    for error in errors:
        assert "broken.jsonl: row 1" + (f", id {line['id']}, " if "id" in line else ", ") in result.output
        assert error in result.output


def test_the_adjudicator_settles(annotated: Callable[..., tuple[Any, Path]]) -> None:
    _, project = annotated(label(2, "ann"), label(2, "bob", "not_needed"), label(2, "judge", "not_needed"))
    assert [(row["id"], row["label"]) for row in read(project / "labelled.jsonl")] == [(2, False)]


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ([label(1, value="maybe")], "ann.jsonl: row 1, id 1, label: isin"),
        ([label(1), label(2, seconds=-1.0)], "ann.jsonl: row 2, id 2, seconds"),
        ([label(1, at=5), label(1, value="not_needed", at=5)], "annotator ann, id 1, at 5: 2 rows, must be one"),
        ([label(1), '{"id": '], "broken.jsonl"),
        ([label(1), "[1]"], "broken.jsonl: row 1, must be an object, is a list"),
        ([label(1), label(2) | {"id": None}], "ann.jsonl: row 2, id: must be a whole number, is null"),
        (
            [label(1) | {"label": None}],
            "settles none of the 4 inquiries as needed or not_needed (unlabelled 4)",
        ),  # taken back
        ([label(99)], "settles none of the 4 inquiries as needed or not_needed (unlabelled 4)"),
        ([label(1) | {"label": "not_question"}], "(unlabelled 3, not_question 1)"),
    ],
)
def test_wrong_label_files(annotated: Callable[..., tuple[Any, Path]], labels: list[Row | str], message: str) -> None:
    result, project = annotated(*labels)
    assert result.exit_code == 1
    assert message in result.output, result.output
    assert not (project / "labelled.jsonl").exists()


VOTES = {
    1: [label(1, "ann"), label(1, "bob"), label(1, "cid", "not_needed")],
    2: [label(2, "ann"), label(2, "bob", "not_needed")],
    3: [label(3, "ann"), label(3, "bob", "not_needed"), label(3, "judge", "not_needed")],
    4: [label(4, "ann"), label(4, "bob")],
}


@pytest.mark.parametrize(
    ("policy", "settled"),
    [
        ("majority", {1: True, 3: False, 4: True}),
        ("unanimous", {4: True}),
        ("adjudicator", {3: False, 4: True}),
    ],
)
def test_policies(annotated: Callable[..., tuple[Any, Path]], policy: str, settled: dict[int, bool]) -> None:
    result, project = annotated(*(row for rows in VOTES.values() for row in rows), policy=policy)
    assert result.exit_code == 0, result.output
    assert {row["id"]: row["label"] for row in read(project / "labelled.jsonl")} == settled
    assert [row["id"] for row in read(project / "queue.jsonl")] == sorted(VOTES.keys() - settled.keys())
    assert json.loads((project / "agreement.json").read_text())["annotators"] == 3  # the judge saw the others' labels


@pytest.mark.parametrize(
    ("export_field", "settled"), [("cr_need_gt", {1: True, 2: False, 3: True}), ("null", {3: True})]
)
def test_labels_of_the_export_answer_the_question_that_names_their_field(
    project: Path, annotated: Callable[..., tuple[Any, Path]], export_field: str, settled: dict[int, bool]
) -> None:
    """Whatever its labels are called."""
    definition = project / "questions" / QUESTION.name / "question.yaml"
    text = definition.read_text().replace(" needed:", " leans:").replace(" not_needed:", " stands:")
    definition.write_text(text.replace("export_field: cr_need_gt", f"export_field: {export_field}"))
    given: Row = {"note": None, "given": None, "chosen": None}
    imported = [label(1, "export", "needed", **given), label(2, "export", "not_needed", **given)]
    (project / "imported.jsonl").write_text("".join(json.dumps(row) + "\n" for row in imported))
    result, _ = annotated(label(3, "ann", "leans"), policy="majority")
    assert result.exit_code == 0, result.output
    assert {row["id"]: row["label"] for row in read(project / "labelled.jsonl")} == settled


def test_labels_of_another_question_are_not_read(annotated: Callable[..., tuple[Any, Path]], project: Path) -> None:
    other = project / "annotations" / "is_question"
    other.mkdir(parents=True)
    (other / "ann.jsonl").write_text(json.dumps(label(2, value="question")) + "\n")
    annotated(label(1))
    assert [row["id"] for row in read(project / "labelled.jsonl")] == [1]


def test_a_label_under_an_older_guideline_counts_and_is_listed(annotated: Callable[..., tuple[Any, Path]]) -> None:
    now = hashlib.sha256(b"The second version.").hexdigest()[:12]
    result, project = annotated(label(1, guideline="a" * 12, at=7), label(2, guideline=now), label(3))
    assert [row["id"] for row in read(project / "labelled.jsonl")] == [1, 2, 3]
    assert read(project / "queue.jsonl") == [{"id": 1, "reason": "older_guideline", "at": 7}]
    assert "warning: older guideline: 1" in result.output


NAMED_VERSION = f"""The third version.

## Versions
Labels under these stand.

- `{"a" * 12}`: the second version.
  It had no cases.

## Cases
- `{"b" * 12}`: an entry of another list.
"""


def test_a_label_under_a_version_that_the_guideline_names_is_not_queued(
    annotated: Callable[..., tuple[Any, Path]],
) -> None:
    labels = [label(id, guideline=digit * 12) for id, digit in ((1, "a"), (2, "b"), (3, "c"))]
    result, project = annotated(*labels, guideline=NAMED_VERSION)
    assert [row["id"] for row in read(project / "labelled.jsonl")] == [1, 2, 3]
    assert [(row["id"], row["reason"]) for row in read(project / "queue.jsonl")] == [
        (2, "older_guideline"),
        (3, "older_guideline"),
    ]
    assert "warning: older guideline: 2" in result.output


@pytest.mark.parametrize(
    "entry",
    [
        "- the second version",
        f"- {'a' * 12}: without marks of code",
        f"- `{'a' * 11}`: a digit is missing",
        f"- `{'A' * 12}`: capitals",
        f"- `{'a' * 12}`:",
        f"* `{'a' * 12}`: another mark of a list",
    ],
)
def test_a_version_that_cannot_be_read_is_named(annotated: Callable[..., tuple[Any, Path]], entry: str) -> None:
    readable = f"- `{'b' * 12}`: readable"
    result, project = annotated(label(1), guideline=f"The third version.\n\n## Versions\n{readable}\n{entry}\n")
    assert result.exit_code == 1
    assert f"Versions: {entry!r} must begin with" in result.output
    assert readable not in result.output
    assert not (project / "queue.jsonl").exists()


def valid_tables(folder: Path) -> list[Path]:
    chat = messages(("a", 0, "mmpose?"), ("b", 100, "And it?"))
    turns = [row | {"messages": 1} for row in chat]
    questions = [inquiry(2, at=100)]
    tables: list[tuple[str, list[Row], Any]] = [
        ("messages", chat, Message),
        ("turns", turns, Turn),
        ("inquiries", questions, Inquiry),
        ("labelled", [row | {"label": True} for row in questions], Labelled),
    ]
    for name, rows, model in tables:
        write(folder / f"{name}.jsonl", from_rows(rows, model), model)
    return [folder / f"{name}.jsonl" for name, _, _ in tables] + [folder / "valid.jsonl"]


def test_validate_passes_on_what_is_right(tmp_path: Path) -> None:
    paths = valid_tables(tmp_path)
    assert run(validate.main, *paths).exit_code == 0
    assert paths[-1].read_bytes() == paths[-2].read_bytes()


def test_validate_names_everything_that_is_wrong(tmp_path: Path) -> None:
    paths = valid_tables(tmp_path)
    chat = read(paths[0])
    chat[0]["sender"] = "Ann"
    chat[1]["timestamp"] = 1_700_000_000_000
    chat.append(chat[1] | {"timestamp": 5})
    paths[0].write_text("".join(json.dumps(row) + "\n" for row in chat))
    stranger = read(paths[2])[0] | {"id": 77}
    paths[2].write_text(json.dumps(stranger) + "\n")
    result = run(validate.main, *paths)
    assert result.exit_code == 1
    for expected in (
        "messages.jsonl: row 1, id 1, sender",
        "messages.jsonl: row 2, id 2, timestamp",
        "messages.jsonl: id 2: 2 rows, must be one",
        "inquiries.jsonl: id 77, id: is not in",
        "labelled.jsonl: id 2, id: is not in",
    ):
        assert expected in result.output, result.output
    assert not paths[-1].exists()


def grouped_items(groups: int, size: int, start: int = 0) -> list[Row]:
    return [
        inquiry(start + 1000 * g + i, group=f"g{g}", at=100 * i, window=min(i, 12), label=(g + i) % 3 == 0)
        for g in range(groups)
        for i in range(size)
    ]


def test_split_of_many_groups_keeps_conversations_whole() -> None:
    items = grouped_items(400, 3)
    splits, gap_items = split(items, 0.15, 0.25, 0)
    assert gap_items == []
    groups = {name: {item["group"] for item in part} for name, part in splits.items()}
    assert not groups["train"] & groups["dev"] | groups["train"] & groups["test"] | groups["dev"] & groups["test"]
    assert sorted(item["id"] for part in splits.values() for item in part) == sorted(item["id"] for item in items)
    for name, share in (("dev", 0.15), ("test", 0.25)):
        assert len(splits[name]) / len(items) == pytest.approx(share, abs=0.05)
    assert split(items, 0.15, 0.25, 1)[0] != splits


def test_no_item_changes_sides_when_others_are_added_or_left_out_or_labelled_otherwise() -> None:
    def sides(items: list[Row]) -> dict[int, str]:
        return {item["id"]: name for name, part in split(items, 0.15, 0.25, 0)[0].items() for item in part}

    items = grouped_items(100, 10)
    before, other = sides(items), [item | {"label": not item["label"]} for item in items]
    assert sides(other) == before
    after = sides([*grouped_items(200, 10), *grouped_items(3, 10, start=10**6)][5:])
    assert all(after[id] == side for id, side in before.items() if id in after)
    assert len(after.keys() & before.keys()) == 995


def test_split_of_one_group_is_by_time_and_leaks_no_turn() -> None:
    items = grouped_items(1, 200)
    splits, gap_items = split(items, 0.15, 0.25, 0)
    assert len(items) == sum(map(len, splits.values())) + len(gap_items)
    assert len(gap_items) == 24  # two borders, each with a window of twelve
    for earlier, later in (("train", "dev"), ("dev", "test")):
        last = max(item["timestamp"] for item in splits[earlier])
        assert min(turn["timestamp"] for item in splits[later] for turn in (*item["cr_window"], item)) > last


def test_a_few_conversations_are_split_by_time() -> None:
    """Which gives each side its share, where chance might give one none."""
    items = [inquiry(i, group=f"g{i}", at=i) | {"label": i % 3 == 0} for i in range(25)]
    splits, _ = split(items, 0.15, 0.25, 0)
    assert [len(splits[name]) for name in ("train", "dev", "test")] == [15, 4, 6]


def test_one_group_that_holds_nearly_everything_is_split_by_time() -> None:
    items = grouped_items(2 * MIN_GROUPS, 1) + [
        item | {"group": "all"} for item in grouped_items(1, 300, start=500_000)
    ]
    splits, _ = split(items, 0.15, 0.25, 0)
    assert not many_and_small(items, 0.15, 0.25)
    assert 0.5 < len(splits["train"]) / len(items) < 0.7


def exported(project: Path, items: list[Row]) -> Any:
    write(project / "valid.jsonl", from_rows(items, Labelled), Labelled)
    write(project / "inquiries.jsonl", from_rows(items, Inquiry), Inquiry)
    inputs = ("valid.jsonl", "inquiries.jsonl", "base")
    outputs = ("items.jsonl", "alpaca", "rejects.jsonl", "n.json", "metrics.json")
    return run(export.main, *(project / name for name in (*inputs, *outputs)))


def test_export(project: Path) -> None:
    items = grouped_items(80, 5)
    assert exported(project, items).exit_code == 0
    assert json.loads((project / "metrics.json").read_text())["by_time"] == 0
    rows = [row for name in SPLITS for row in json.loads((project / "alpaca" / f"{name}.json").read_text())]
    truth = {item["id"]: item["label"] for item in items}
    assert {row["id"] for row in rows} == set(truth)
    for name in SPLITS:
        in_alpaca = [row["id"] for row in json.loads((project / "alpaca" / f"{name}.json").read_text())]
        assert [item["id"] for item in split_items(project / "items.jsonl", name)] == in_alpaca
    assert {item["id"] for item in split_items(project / "items.jsonl", "all")} == set(truth)
    for row in rows:
        assert set(row) == {"id", "instruction", "input", "output"}
        assert row["input"] == ""
        letter, text = row["output"].split(":")
        assert f"\n{letter}. {text}" in row["instruction"]
        assert (text == "needed") is truth[row["id"]]


@pytest.mark.parametrize("training", ["fixed", "shuffled"])
def test_alpaca_files_have_the_order_of_training(
    project: Path, set_params: Callable[..., None], training: str
) -> None:
    """All three of them, and the order of evaluation plays no part."""
    evaluation = "fixed" if training == "shuffled" else "shuffled"
    set_params(**{"question.option_order": {"evaluation": evaluation, "training": training}})
    assert exported(project, grouped_items(80, 5)).exit_code == 0
    for name in SPLITS:
        rows = json.loads((project / "alpaca" / f"{name}.json").read_text())
        letters = {row["output"] for row in rows}
        if training == "fixed":
            assert letters == {"A:not needed", "B:needed"}
        else:
            assert {letter for letter, _ in (output.split(":") for output in letters)} == {"A", "B", "C"}


def test_items_between_two_blocks_of_time_are_in_no_split(project: Path) -> None:
    items = grouped_items(1, 100)
    assert exported(project, items).exit_code == 0
    rejects = {row["id"] for row in read(project / "rejects.jsonl")}
    assert rejects
    assert {row["id"] for row in read(project / "items.jsonl") if row["split"] is None} == rejects
    assert len(split_items(project / "items.jsonl", "all")) == len(items) - len(rejects)


def test_a_split_without_positives_is_an_error(project: Path) -> None:
    result = exported(project, [item | {"label": False} for item in grouped_items(40, 2)])
    assert result.exit_code == 1
    assert (
        "0 with the label needed, and every score needs both labels: no labelled item has the other label, so"
        in result.output
    )
    assert "export.seed" not in result.output


def with_needed_where(items: list[Row], needed: Callable[[Row], bool]) -> list[Row]:
    return [item | {"label": needed(item)} for item in items]


@pytest.mark.parametrize(
    ("lacking", "remedy"),
    [("dev", "raise export.dev"), ("test", "raise export.test"), ("train", "lower export.dev or")],
)
@pytest.mark.parametrize("by_time", [True, False], ids=["one room", "many conversations"])
def test_what_gives_a_split_both_labels(project: Path, lacking: str, remedy: str, by_time: bool) -> None:
    """The seed plays no part in a split by time."""
    items = grouped_items(1, 200) if by_time else grouped_items(400, 3)
    ids = {item["id"] for item in split(items, 0.15, 0.25, 0)[0][lacking]}
    result = exported(project, with_needed_where(items, lambda item: item["label"] and item["id"] not in ids))
    assert result.exit_code == 1
    assert f"{lacking} would have {len(ids)} items, 0 with the label needed, and" in result.output
    assert remedy in result.output
    assert ("change export.seed" in result.output) is not by_time
    assert ("export.seed changes nothing" in result.output) is by_time
    assert ("in a random order (not with --in-order)" in result.output) is by_time


def test_a_split_with_few_items_of_a_label_is_a_warning(project: Path) -> None:
    """A tenth of 200 items in one room is needed. A label brings 0.025 needed items to test, a quarter of all, and
    0.015 to dev, 15% of all.
    """
    items = with_needed_where(grouped_items(1, 200), lambda item: item["id"] % 10 == 0)
    result = exported(project, items)
    assert result.exit_code == 0
    counts = json.loads((project / "metrics.json").read_text())
    assert [(counts[name]["n"], counts[name]["positive"]) for name in ("dev", "test")] == [(18, 1), (38, 3)]
    few = "and nothing can be read off fewer than 20: about"
    assert [line for line in result.output.splitlines() if "warning" in line] == [
        f"warning: dev has 1 item with the label needed, {few} 1,267 more labels would bring them",
        f"warning: dev has 17 items with the label not needed, {few} 23 more labels would bring them",
        f"warning: test has 3 items with the label needed, {few} 680 more labels would bring them",
    ]


def test_labels_as_many_as_a_warning_says_bring_enough(project: Path) -> None:
    """Where they fall as those before."""
    items = with_needed_where(grouped_items(1, 200), lambda item: item["id"] % 5 == 0)
    [warning] = [line for line in exported(project, items).output.splitlines() if "test has" in line]
    more = int(warning.split("about ")[1].split()[0])
    enough = with_needed_where(grouped_items(1, 200 + more), lambda item: item["id"] % 5 == 0)
    counts = export.split_counts(split(enough, 0.15, 0.25, 0)[0]["test"])
    assert counts["positive"] == pytest.approx(20, abs=3)


def test_enough_labels_are_no_warning(project: Path) -> None:
    result = exported(project, grouped_items(400, 3))
    assert result.exit_code == 0
    assert "warning" not in result.output


def test_a_contradicting_item_with_a_label_under_another_guideline_is_counted_as_both(
    annotated: Callable[..., tuple[Any, Path]],
) -> None:
    result, project = annotated(
        label(1, "ann", guideline="a" * 12), label(1, "bob", "not_needed"), label(2, guideline="a" * 12), label(3)
    )
    assert result.exit_code == 0, result.output
    details = json.loads((project / "metrics.json").read_text())
    assert details["rejected"]["contradicting_labels"] == 1
    assert details["older_guideline"] == 2
    assert [(row["id"], row["reason"]) for row in read(project / "queue.jsonl")] == [
        (1, "contradicting_labels"),
        (2, "older_guideline"),
    ]


def test_an_item_is_in_the_queue_since_its_last_label(annotated: Callable[..., tuple[Any, Path]]) -> None:
    """Neither a note on a label nor a label that was taken back is a new label."""
    _, project = annotated(
        label(1, "ann", at=5),
        label(1, "bob", "not_needed", at=6),
        label(1, "ann", at=8, note="hard", given=5),
        label(1, "cid", at=7),
        label(1, "cid", at=9) | {"label": None},
        label(2, "ann"),
    )
    assert read(project / "queue.jsonl") == [{"id": 1, "reason": "contradicting_labels", "at": 6}]


def test_metrics_have_the_agreement_and_its_number_of_items(annotated: Callable[..., tuple[Any, Path]]) -> None:
    names = ["needed", "not_needed", "not_question", "needed"]
    _, project = annotated(*(label(i + 1, annotator, names[i]) for i in range(4) for annotator in ("ann", "bob")))
    assert json.loads((project / "kappa.json").read_text()) == {"agreement": 1.0, "n": 4}
    details = json.loads((project / "agreement.json").read_text())
    assert details["statistic"] == "Cohen's kappa"
    assert details["pairs"]["ann / bob"]["kappa"] == 1
