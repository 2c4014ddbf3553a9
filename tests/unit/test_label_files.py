"""Labels from other tools' files, and back into them: each shape is read as the tool means it, or refused in words."""

import csv
import io
import json
import zipfile
from collections.abc import Mapping
from datetime import UTC
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from click import ClickException
from hypothesis import given
from hypothesis import strategies as st

from stages.labels import cells, exporting, importing, store
from stages.labels.annotator_file import open_for
from stages.labels.label_rows import FIELDS
from stages.labels.records import json_records, table_records
from stages.pipeline.schemas import Inquiry
from stages.pipeline.tables import from_rows, write
from tests.conftest import QUESTION, Row, inquiry
from tests.labelling import file_of, lines
from tests.unit.test_labels import call

AT = "2026-01-02T03:04:05Z"
SECONDS = 1767323045  # of AT
UUID = "3f1f7c5e-0d6a-4d0e-9d63-1c9e9a1c7b11"
LONG_ID = 2**53 - 1
LABELS = list(QUESTION.labels)


@pytest.fixture
def room(project: Path) -> Path:
    (project / "data" / "annotations" / QUESTION.name).mkdir(parents=True)
    items = [inquiry(id, f"And number {id}?") for id in (11, 12, 13, LONG_ID)]
    write(project / "data" / "inquiries.jsonl", from_rows(items, Inquiry), Inquiry)
    return project


def votes(room: Path) -> dict[int, dict[str, str]]:
    return store.votes(store.load(room / "data" / "annotations", QUESTION))


def lines_of(room: Path, annotator: str) -> list[Row]:
    return lines(file_of(room / "data" / "annotations", annotator))


class Case(NamedTuple):
    """A file and the options of its import, the labels that come of it, and a text that the output has."""

    content: Any
    options: str = ""
    votes: Mapping[int, Mapping[str, str]] = {}  # none: refused
    output: str = ""
    name: str = "export.json"


def content_of(case: Case) -> bytes:
    if isinstance(case.content, bytes):
        return case.content
    if isinstance(case.content, str):
        return case.content.encode()
    if case.name.endswith("l"):
        return "".join(json.dumps(row) + "\n" for row in case.content).encode()
    return json.dumps(case.content).encode()


def check(room: Path, case: Case) -> None:
    (room / case.name).write_bytes(content_of(case))
    result = call("import", case.name, *case.options.split())
    assert case.output in result.output
    assert votes(room) == case.votes, result.output
    if case.votes:
        assert result.exit_code == 0, result.output
    if result.exit_code:
        assert isinstance(result.exception, SystemExit), result.exception
        assert not list((room / "data" / "annotations").rglob("*.jsonl"))
        assert case.output, "an import that is refused says why"


# Label Studio


def part(label: Any = "needed", control: str | None = "label", kind: str = "choices", key: str = "choices") -> Row:
    value = {key: label if isinstance(label, list) or key == "rating" else [label]}
    name = {} if control is None else {"from_name": control}
    return {"id": "r", "to_name": "chat", "type": kind, "origin": "manual", "value": value} | name


def annotation(*parts: Row, by: Any = 1, at: str | None = AT, **more: Any) -> Row:
    fields = {"id": 1, "completed_by": by, "was_cancelled": False, "ground_truth": False, "lead_time": 4.5}
    return fields | {"created_at": at, "updated_at": at, "result": list(parts)} | more


def task(*annotations: Any, id: Any = 11, **more: Any) -> Row:
    data = {"question": "?"} | ({} if id is None else {"inquiry": id})
    return {"id": 111, "data": data, "annotations": list(annotations), "drafts": [], "predictions": []} | more


PERSON = {"id": 1, "email": "ines@example.org", "first_name": "Ines", "last_name": "", "avatar": None}
BY_API = {"id": 5, "result": [part()]}
INES = "--rename 1=ines"
ONE = {11: {"ines": "needed"}}
RATING = part(4, "clarity", "rating", "rating")
TAXONOMY = part([["a", "needed"]], "label", "taxonomy", "taxonomy")
TEXT = part("hm", "comment", "textarea", "text")
FLAT: Row = {"id": 111, "inquiry": 11, "question": "?", "label": "needed", "annotator": 1, "annotation_id": 3}
FLAT |= {"created_at": AT, "updated_at": AT, "lead_time": 4.5}
FLAT_CSV = "annotation_id,annotator,created_at,id,inquiry,label,lead_time,question,updated_at\n"

LABEL_STUDIO = {
    "a person as a number": Case([task(annotation(part()))], INES, ONE, "export.json: Label Studio's export"),
    "a person as an object, by id": Case([task(annotation(part(), by=PERSON))], INES, ONE),
    "a person as an object, by e-mail": Case(
        [task(annotation(part(), by=PERSON))], "--rename ines@example.org=ines", ONE
    ),
    "a person as an e-mail": Case(
        [task(annotation(part(), by="ines@example.org"))], "--rename ines@example.org=ines", ONE
    ),
    "an unknown person": Case(
        [task(annotation(part(), by=PERSON))], output="row 1: annotator 'ines@example.org' must be lower case letters"
    ),
    "the hint for a person": Case([task(annotation(part(), by=PERSON))], output="--rename 'ines@example.org=ines'\n"),
    "made by a program": Case([task(BY_API)], "--annotator ines", ONE),
    "made by a program, no annotator": Case([task(BY_API)], output="row 1: no annotator; say whose labels these are"),
    "no times": Case([task(annotation(part(), at=None))], INES, ONE),
    "cancelled": Case(
        [task(annotation(part()), annotation(part("not_needed"), by=2, was_cancelled=True))],
        INES,
        ONE,
        "1 passed over: cancelled 1",
    ),
    "skipped, until version 1": Case(
        [{"id": 1, "data": {"inquiry": 11}, "completions": [annotation(part()), annotation(by=2, skipped=True)]}],
        INES,
        ONE,
        "cancelled 1",
    ),
    "submitted without a choice": Case(
        [task(annotation(part()), annotation(by=2), annotation(TEXT, by=3))], INES, ONE, "no label 2"
    ),
    "a result that is null": Case([task(annotation(part()), annotation(by=2, result=None))], INES, ONE, "no label 1"),
    "drafts, predictions and a task that nobody has labelled": Case(
        [
            task(annotation(part()), drafts=[{"id": 5, "user": "bob", "result": [part("not_needed")]}]),
            task(id=12, predictions=[{"result": [part("needed")], "score": 0.9}]),
        ],
        INES,
        ONE,
        "2 passed over: draft 1, not annotated 1",
    ),
    "the control called label": Case(
        [task(annotation(part("not_needed", "clear"), part("needed", "label")))], INES, ONE
    ),
    "one control of another name": Case([task(annotation(part("needed", "verdict"), RATING, TEXT))], INES, ONE),
    "a control without a name": Case([task(annotation(part(control=None)))], INES, ONE),
    "several controls": Case(
        [task(annotation(part("needed", "verdict"), part("needed", "clear")))],
        INES,
        output="export.json: several controls and none is called 'label': clear, verdict; choose one with --column",
    ),
    "a control that the user names": Case(
        [task(annotation(part("needed", "verdict"), part("not_needed", "label")))],
        INES + " --column label=verdict",
        ONE,
    ),
    "a control that isn't there": Case(
        [task(annotation(part()))], INES + " --column label=verdict", output="no control 'verdict'; it has label"
    ),
    "two choices": Case(
        [task(annotation(part(["needed", "not_needed"])))],
        INES,
        output="row 1: 2 choices in one row: needed, not_needed",
    ),
    "two choices, a region each": Case(
        [task(annotation(part(), part("not_needed")))], INES, output="2 choices in one"
    ),
    "the same choice twice": Case([task(annotation(part(), part()))], INES, ONE),
    "a taxonomy": Case(
        [task(annotation(TAXONOMY))], INES, output="the control label is of type taxonomy, and must be of type choices"
    ),
    "a rating alone": Case(
        [task(annotation(RATING))], INES, output="no control is of type choices; its controls are clarity"
    ),
    "relabelled": Case(
        [
            task(
                annotation(part("not_needed"), at="2026-01-02T04:04:05Z", ground_truth=True),
                annotation(part("needed")),
                annotation(part("needed"), by=2),
            )
        ],
        INES + " --rename 2=bob",
        {11: {"ines": "not_needed", "bob": "needed"}},
        "ines: 2 of 2 labels new",
    ),
    "no id of ours": Case(
        [task(annotation(part()), id=None)],
        INES,
        output="row 1: no id of an inquiry; name its column by --column id=NAME: id",
    ),
    "an id of another name": Case([task(annotation(part()), data={"nr": 11})], INES + " --column id=nr", ONE),
    "an empty project": Case([], output="export.json: it has no rows, so there is nothing to import"),
    "one task": Case(task(annotation(part())), INES, ONE),
    "tasks as the API has them": Case({"tasks": [task(annotation(part()))], "total": 1}, INES, ONE),
    "JSON-MIN": Case([FLAT], INES, ONE, "Label Studio's export"),
    "JSON-MIN, two choices": Case(
        [FLAT | {"label": {"choices": ["needed", "not_needed"]}}], INES, output="2 choices in one row"
    ),
    "JSON-MIN, no choice and nobody": Case(
        [FLAT, FLAT | {"inquiry": 12, "label": None}, FLAT | {"annotator": None, "annotation_id": None, "label": ""}],
        INES,
        ONE,
        "2 passed over: no label 1, not annotated 1",
    ),
    "JSON-MIN, a control of another name": Case(
        [{key: value for key, value in FLAT.items() if key != "label"} | {"verdict": "needed"}], INES, ONE
    ),
    "JSON-MIN, several columns": Case(
        [{key: value for key, value in FLAT.items() if key != "label"} | {"verdict": "needed", "clear": "not_needed"}],
        INES,
        output="several columns and none is called 'label': clear, verdict",
    ),
    "JSON-MIN, the e-mail": Case([FLAT | {"annotator": "ines@example.org"}], "--rename ines@example.org=ines", ONE),
    "JSON-MIN, a taxonomy": Case(
        [FLAT | {"label": [{"taxonomy": [["a", "needed"]]}]}],
        INES,
        output="the label holds taxonomy, and must be a choice",
    ),
    "CSV": Case(FLAT_CSV + f"1,1,{AT},111,11,needed,4.5,?,{AT}\n", INES, ONE, name="export.csv"),
    "TSV": Case((FLAT_CSV + f"1,1,{AT},111,11,needed,4.5,?,{AT}\n").replace(",", "\t"), INES, ONE, name="export.tsv"),
    "CSV, two choices": Case(
        FLAT_CSV + f'1,1,{AT},111,11,"{{""choices"": [""needed"", ""not_needed""]}}",4.5,?,{AT}\n',
        INES,
        output="export.csv, line 2: 2 choices in one row",
        name="export.csv",
    ),
    "CSV of a task that nobody has labelled": Case(
        FLAT_CSV + f"1,1,{AT},111,11,needed,4.5,?,{AT}\n,,,112,12,,,?,\n", INES, ONE, "not annotated 1", "export.csv"
    ),
}


@pytest.mark.parametrize("name", LABEL_STUDIO)
def test_label_studio(room: Path, name: str) -> None:
    check(room, LABEL_STUDIO[name])


def test_what_label_studio_says_of_a_label(room: Path) -> None:
    note = part(["too", "hard"], "note", "textarea", "text")
    tasks = [task(annotation(part(), note)), task(annotation(part(), lead_time=None, updated_at=None), id=12)]
    (room / "export.json").write_text(json.dumps(tasks))
    call("import", "export.json", *INES.split())
    first, second = lines_of(room, "ines")
    assert (first["at"], first["seconds"], first["note"]) == (SECONDS, 4.5, "too\nhard")
    assert (second["at"], second["seconds"], "note" in second) == (SECONDS, None, False)
    rows = [FLAT | {"note": note} for note in ("hm", {"text": ["two", "lines"]})]
    (room / "min.json").write_text(json.dumps([rows[0], rows[1] | {"inquiry": 12, "updated_at": "2026-01-03"}]))
    call("import", "min.json", "--rename", "1=bob")
    assert [line["note"] for line in lines_of(room, "bob")] == ["hm", "two\nlines"]
    (room / "own.jsonl").write_text('{"id": 11, "label": "needed", "annotator": "cid", "note": "half \\ud83d"}')
    assert "cid: 1 of 1 label new" in call("import", "own.jsonl").output
    assert lines_of(room, "cid")[0]["note"] == "half ?"


JSON_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(0, 2**60)
    | st.floats()
    | st.sampled_from(["", "needed", "1", AT, "\ud800"]),
    lambda values: st.lists(values, max_size=3) | st.dictionaries(st.sampled_from(["choices", "id", "value"]), values),
    max_leaves=4,
)
SHAPES = [
    task(annotation(part(), part("hm", "note", "textarea", "text"))),
    FLAT,
    {"id": 1, "text": "?", "inquiry": 11, "label": ["needed"], "Comments": [], "labelled": {"label": "needed"}},
    {"id": 1, "text": "?", "annotations": [{"label": 2, "user": 1}], "meta": {"inquiry": 11}},
    {
        "text": "?",
        "inquiry": 11,
        "options": [{"id": 1, "text": "a"}],
        "accept": [1],
        "answer": "accept",
        "_session_id": "a-b",
    },
    {"id": "11", "metadata": {}, "responses": {"label": [{"value": "needed", "user_id": UUID}]}},
    {
        "external_id": "11",
        "responses": [{"user_id": UUID, "values": {"label": {"value": "needed"}}, "status": "draft"}],
    },
    {"inquiry": 11, "label.responses": ["needed"], "label.responses.users": [UUID], "label.responses.status": [None]},
    {"id": 11, "label": "needed", "annotator": "ines", "at": AT, "seconds": 1, "note": "hm"},
]


@st.composite
def malformed(draw: st.DrawFn) -> list[Any]:
    """A list of two records of a tool, in one of which a value is replaced at a random place."""
    shape = draw(st.sampled_from(SHAPES))
    document = json.loads(json.dumps([shape, shape]))
    place: Any = document
    while True:
        keys = list(place) if isinstance(place, dict) else list(range(len(place)))
        key = draw(st.sampled_from(keys))
        if not isinstance(place[key], dict | list) or not place[key] or draw(st.booleans()):
            place[key] = draw(JSON_VALUES)
            return list(document)
        place = place[key]


@given(malformed())
def test_nothing_escapes_from_a_malformed_file(tmp_path_factory: pytest.TempPathFactory, document: list[Any]) -> None:
    file = tmp_path_factory.mktemp("labels") / "export.json"
    file.write_text(json.dumps(document))
    options = importing.Options({}, {UUID: "bob"}, {}, None, LABELS)
    try:
        labels = importing.read_labels(file, options, "0" * 12, UTC)
    except ClickException as error:
        assert len(error.message.splitlines()) == 1
        return
    messages = [*labels.problems.messages(), *labels.notices]
    assert all(map(str.isprintable, messages))
    for line in labels.lines.values():
        assert line["label"] in LABELS
        assert 0 <= line["id"] < 2**53
        json.dumps(line, ensure_ascii=False).encode()


# doccano, Prodigy, Argilla


def example(id: int, *labels: str, comments: tuple[str, ...] = ()) -> Row:
    return {"id": 1, "text": "?", "inquiry": id, "label": list(labels), "Comments": list(comments)}


def answer(id: int, *labels: str, by: str = "room-ines", answer: str = "accept", **more: Any) -> Row:
    fields = {"text": "?", "meta": {"inquiry": id}, "accept": list(labels), "answer": answer, "_timestamp": SECONDS}
    return fields | {"_annotator_id": by, "_session_id": by} | more


def record(inquiry: Any, *responses: Row, **more: Any) -> Row:
    fields = {"id": UUID, "fields": {"text": "?"}, "metadata": {"inquiry": inquiry}, "suggestions": {}, "vectors": {}}
    return fields | {"responses": {"label": list(responses)}, "status": "completed", "_server_id": UUID} | more


def response(label: Any = "needed", by: str = UUID, **more: Any) -> Row:
    return {"value": label, "user_id": by} | more


def flat_record(id: int, labels: list[str | None] | None, statuses: list[str | None], **more: Any) -> Row:
    users = [UUID, "bob"][: len(statuses)]
    responses = {"label.responses": labels, "label.responses.users": users, "label.responses.status": statuses}
    return {"id": UUID, "status": "completed", "_server_id": UUID, "text": "?", "inquiry": id} | responses | more


def classified(inquiry: int, label: Any, status: str = "Validated", **more: Any) -> Row:
    fields = {"text": "?", "inputs": {"text": "?"}, "prediction": None, "prediction_agent": None, "annotation": label}
    return fields | {"annotation_agent": "ines", "status": status, "metadata": {"inquiry": inquiry}, "id": UUID} | more


BY_UUID = f"--rename {UUID}=ines"
BOTH = {11: {"ines": "needed"}, 12: {"ines": "not_needed"}}

OTHER_TOOLS = {
    "doccano": Case(
        [example(11, "needed"), example(12, "not_needed"), example(13)],
        "--annotator ines",
        BOTH,
        "labels.jsonl: doccano's export\nlabels.jsonl: 1 passed over: no label 1",
    ),
    "doccano without an annotator": Case([example(11, "needed")], output="no annotator; say whose labels these are"),
    "doccano, two labels": Case(
        [example(11, "needed", "not_needed")], "--annotator ines", output="2 choices in one row"
    ),
    "doccano's id is not ours": Case(
        [{"id": 11, "text": "?", "label": ["needed"], "Comments": []}],
        "--annotator ines",
        output="no id of an inquiry; name its column by --column id=NAME: id, text, label, Comments",
    ),
    "doccano, an id of ours in place of its own": Case(
        [{"id": 11, "text": "?", "label": ["needed"], "Comments": []}], "--annotator ines --column id=id", ONE
    ),
    "doccano, ids with a gap": Case(  # pandas, which writes the file, makes them fractions
        [example(11, "needed"), example(12, "not_needed") | {"inquiry": 12.0}], "--annotator ines", BOTH
    ),
    "doccano, spans": Case(
        [example(11) | {"label": [[0, 4, "needed"]]}], "--annotator ines", output="the label holds spans"
    ),
    "doccano 1.0": Case(
        [{"doc_id": 3, "text": "?", "labels": ["needed"], "username": "ines", "meta": '{"inquiry": 11}'}], "", ONE
    ),
    "doccano 1.2": Case(
        [
            {
                "id": 1,
                "text": "?",
                "annotations": [{"label": 2, "user": 1}, {"label": 3, "user": 4}],
                "meta": {"inquiry": 11},
                "annotation_approver": None,
            }
        ],
        f"{INES} --rename 4=bob --value 2=needed --value 3=not_needed",
        {11: {"ines": "needed", "bob": "not_needed"}},
    ),
    "doccano, CSV": Case(
        "id,text,inquiry,label,Comments\n1,?,11,needed,\n2,?,12,not_needed,hm\n3,?,13,,\n",
        "--annotator ines",
        BOTH,
        "no label 1",
        "labels.csv",
    ),
    "doccano, CSV, two labels": Case(
        "id,text,inquiry,label,Comments\n1,?,11,needed#not_needed,\n",
        "--annotator ines",
        output="2 choices in one row: needed, not_needed",
        name="labels.csv",
    ),
    "Prodigy, choices": Case(
        [answer(11, "needed"), answer(12, answer="ignore"), answer(13, "needed", answer="reject"), answer(12)],
        "--rename room-ines=ines",
        ONE,
        "labels.jsonl: Prodigy's export\nlabels.jsonl: 3 passed over: ignored 1, no label 1, rejected 1",
    ),
    "Prodigy, a session of a dataset": Case(
        [answer(11, "needed"), answer(12, "not_needed", by="room-bob")],
        "",
        {11: {"ines": "needed"}, 12: {"bob": "not_needed"}},
        "room-ines is taken as annotator ines",
    ),
    "Prodigy, sessions of one name": Case(
        [answer(11, "needed", by="room-anna-lena"), answer(12, "needed", by="room-eva-lena")],
        output="annotator 'room-eva-lena' must be",
    ),
    "Prodigy, a session that nobody is named in": Case(
        [answer(11, "needed", by="2026-01-02_03-04-05")], "--annotator ines", ONE
    ),
    "Prodigy, the default session": Case(
        [answer(11, "needed", by="room-default")], output="no annotator; say whose labels these are"
    ),
    "Prodigy, yes or no": Case(
        [
            answer(11, label="needed", accept=None),
            answer(12, label="needed", accept=None, answer="reject"),
        ],
        "",
        ONE,
        "rejected 1",
    ),
    "Prodigy, two choices": Case([answer(11, "needed", "not_needed")], output="2 choices in one row"),
    "Prodigy, numbered options": Case(
        [answer(11, accept=[2], options=[{"id": 1, "text": "not_needed"}, {"id": 2, "text": "Needed"}])], "", ONE
    ),
    "Argilla 2, to_json": Case(
        [record(11, response()), record("12", response("not_needed")), record(13)],
        BY_UUID,
        BOTH,
        "1 passed over: no response 1",
        "labels.json",
    ),
    "Argilla 2, the id that it came with": Case([record(None, response(), id="11", metadata={})], BY_UUID, ONE),
    "Argilla 2, an id of Argilla's": Case(
        [record(None, response(), metadata={})], BY_UUID, output="not the id of an inquiry; --column id=NAME"
    ),
    "Argilla 2, an id among the fields": Case(
        [record(None, response(), fields={"nr": 11}, metadata={})], f"{BY_UUID} --column id=nr", ONE
    ),
    "Argilla 2, an id in an object": Case(
        [record(None, response(), extra={"nr": 11}, metadata={})], f"{BY_UUID} --column id=extra.nr", ONE
    ),
    "Argilla 2, statuses": Case(
        [
            record(11, response(status="submitted"), response("needed", "bob", status="draft")),
            record(12, response(None, status="discarded")),
        ],
        BY_UUID,
        ONE,
        "2 passed over: discarded 1, draft 1",
    ),
    "Argilla 2, two questions": Case(
        [record(11, responses={"verdict": [response()], "clear": [response("not_needed")]})],
        BY_UUID,
        output="several questions and none is called 'label': clear, verdict",
    ),
    "Argilla 2, a question that the user names": Case(
        [record(11, responses={"verdict": [response()], "clear": [response("not_needed")]})],
        f"{BY_UUID} --column label=verdict",
        ONE,
    ),
    "Argilla 2, by record": Case({"a": record(11, response())}, BY_UUID, ONE, name="labels.json"),
    "Argilla 2, by column": Case(
        {"id": ["11", "12"], "responses": [{"label": [response()]}, {"label": [response("not_needed")]}]},
        BY_UUID,
        BOTH,
        name="labels.json",
    ),
    "Argilla 2, to_datasets": Case(
        [
            flat_record(11, ["needed", "not_needed"], ["submitted", "discarded"]),
            flat_record(12, ["not_needed"], [None]),
            flat_record(13, None, []),
        ],
        BY_UUID,
        BOTH,
        "2 passed over: discarded 1, no response 1",
    ),
    "Argilla 2, CSV": Case(
        "id,text,inquiry,label.responses,label.responses.users\n3,?,11,\"['needed']\",\"['ines']\"\n",
        output="responses don't survive in a table: export JSON Lines",
        name="labels.csv",
    ),
    "Argilla 1, CSV": Case(
        "text,label,label-suggestion,external_id\n?,\"[{'user_id': 'ines', 'value': 'needed'}]\",,11\n",
        output="responses don't survive in a table: export JSON Lines",
        name="labels.csv",
    ),
    "Argilla 1, a dataset": Case(
        [
            {
                "text": "?",
                "label": [response(status="submitted")],
                "label-suggestion": "not_needed",
                "external_id": "11",
            }
            | {"label-suggestion-metadata": {"type": None}, "metadata": "{}"},
            {"text": "?", "label": [response("not_needed", status="submitted")], "external_id": None}
            | {"label-suggestion": None, "metadata": '{"inquiry": 12}'},
            {"text": "?", "label": [], "label-suggestion": None, "external_id": "13", "metadata": "{}"},
        ],
        BY_UUID,
        BOTH,
        "no response 1",
    ),
    "Argilla 1, a dataset with an object of lists": Case(
        [{"label": {"user_id": [UUID], "value": ["needed"], "status": ["submitted"]}, "external_id": "11"}],
        BY_UUID,
        ONE,
    ),
    "Argilla 1, records": Case(
        {
            "items": [
                {
                    "id": UUID,
                    "external_id": "11",
                    "responses": [
                        {"user_id": UUID, "values": {"label": {"value": "needed"}}, "status": "submitted"},
                        {"user_id": "bob", "values": None, "status": "discarded"},
                    ],
                }
            ],
            "total": 1,
        },
        BY_UUID,
        ONE,
        "discarded 1",
        "labels.json",
    ),
    "Argilla 1, text classification": Case(
        [
            classified(11, "needed"),
            classified(12, ["not_needed"], multi_label=True),
            classified(13, None, "Default"),
            classified(13, "needed", "Discarded"),
            classified(13, "needed", "Edited"),
        ],
        "",
        BOTH,
        "3 passed over: discarded 1, draft 1, no label 1",
    ),
}


@pytest.mark.parametrize("name", OTHER_TOOLS)
def test_other_tools(room: Path, name: str) -> None:
    case = OTHER_TOOLS[name]
    check(room, case._replace(name="labels.jsonl") if case.name == "export.json" else case)


def test_times_and_notes_of_other_tools(room: Path) -> None:
    (room / "a.jsonl").write_text(json.dumps(example(11, "needed", comments=("too", "hard"))))
    (room / "b.jsonl").write_text(json.dumps(answer(11, "needed", by="bob", note="hm")))
    updated = {"user_id": "cid", "status": "submitted", "updated_at": AT}
    values = {"label": {"value": "needed"}, "note": {"value": "so so"}}
    (room / "c.jsonl").write_text(json.dumps({"external_id": "11", "responses": [updated | {"values": values}]}))
    for arguments in (("a.jsonl", "--annotator", "ann"), ("b.jsonl",), ("c.jsonl",)):
        assert "1 of 1 label new" in call("import", *arguments).output
    [ann], [bob], [cid] = (lines_of(room, name) for name in ("ann", "bob", "cid"))
    assert ann["note"] == "too\nhard"
    assert (bob["at"], bob["note"]) == (SECONDS, "hm")
    assert (cid["at"], cid["note"]) == (SECONDS, "so so")


def zip_of(file: Path, contents: Mapping[str, Any]) -> None:
    with zipfile.ZipFile(file, "w") as archive:
        for name, rows in contents.items():
            archive.writestr(name, rows if isinstance(rows, str) else "".join(json.dumps(row) + "\n" for row in rows))


@pytest.mark.parametrize("is_folder", [True, False])
def test_a_file_for_each_annotator(room: Path, is_folder: bool) -> None:
    contents = {"ines.jsonl": [example(11, "needed")], "Bob B.jsonl": [example(11, "not_needed")], "cid.jsonl": []}
    zip_of(room / "doccano.zip", contents | {"README.md": "hello"})
    name = "doccano.zip"
    if is_folder:
        name = "doccano"
        zipfile.ZipFile(room / "doccano.zip").extractall(room / name)
    result = call("import", name)
    assert f"{name}/Bob B.jsonl, line 1: annotator 'Bob B' must be" in result.output
    assert "--rename 'Bob B=bob_b'" in result.output
    result = call("import", name, "--rename", "Bob B=bob")
    assert "1 passed over: other file 1" in result.output
    assert votes(room) == {11: {"ines": "needed", "bob": "not_needed"}}


@pytest.mark.parametrize(
    ("options", "expected"), [("", {}), ("--annotator ines", ONE), ("--annotator all", {11: {"all": "needed"}})]
)
def test_the_labels_of_a_whole_project_have_no_annotator(room: Path, options: str, expected: Any) -> None:
    zip_of(room / "doccano.zip", {"all.jsonl": [example(11, "needed")]})
    assert ("no annotator" in call("import", "doccano.zip", *options.split()).output) is not bool(expected)
    assert votes(room) == expected


# Tables

TABLE = "id,label,annotator\n11,needed,ines\n12,not_needed,ines\n"
UTF16 = TABLE.replace(",", "\t").replace("\n", "\r\n").encode("utf-16")

TABLES = {
    "semicolons": Case(TABLE.replace(",", ";"), "", BOTH, name="labels.csv"),
    "bars": Case(TABLE.replace(",", "|"), "", BOTH, name="labels.csv"),
    "tabs": Case(TABLE.replace(",", "\t"), "", BOTH, name="labels.csv"),
    "an ending in upper case": Case(TABLE, "", BOTH, name="LABELS.CSV"),
    "TSV in upper case": Case(TABLE.replace(",", "\t"), "", BOTH, name="labels.TSV"),
    "no ending": Case(TABLE, "", BOTH, name="labels"),
    "a mark before UTF-8": Case(
        ("\ufeff" + TABLE.replace(",", ";").replace("\n", "\r\n")), "", BOTH, name="labels.csv"
    ),
    "Excel's Unicode text": Case(UTF16, "", BOTH, name="labels.txt"),
    "UTF-16, big-endian": Case(b"\xfe\xff" + TABLE.encode("utf-16-be"), "", BOTH, name="labels.csv"),
    "a separator line": Case("sep=;\n" + TABLE.replace(",", ";"), "", BOTH, name="labels.csv"),
    "names with blanks and in upper case": Case(
        TABLE.replace("id,label,annotator", "ID, Label ,Annotator"), "", BOTH, name="labels.csv"
    ),
    "named columns with blanks": Case(
        "Nr. ,Verdict;Who\n11,needed;ines\n".replace(",", ";"),
        "--column id=nr. --column label=verdict --column annotator=who",
        ONE,
        name="labels.csv",
    ),
    "empty lines and cells": Case("\n" + TABLE + "\n,,\n13,,ines\n", "", BOTH, "no label 1", "labels.csv"),
    "CR alone": Case(TABLE.replace("\n", "\r"), "", BOTH, name="labels.csv"),
    "JSON Lines in upper case": Case(
        '{"id": 11, "label": "needed", "annotator": "ines"}\n', "", ONE, name="labels.NDJSON"
    ),
    "JSON Lines called JSON": Case('{"id": "11", "label": "needed", "annotator": "ines"}\n', "", ONE),
    "a list called JSON Lines": Case('[{"id": 11, "label": "needed", "annotator": "ines"}]', "", ONE, name="l.jsonl"),
    "our words in other spellings": Case(
        "id,label,annotator\n11, Needed ,ines\n12,not-needed,ines\n13,Not a question,ines\n",
        "--value Not=needed",  # of no row
        output="line 4: label 'Not a question' is none of",
        name="labels.csv",
    ),
    "our words in other cases": Case(
        "id,label,annotator\n11,NEEDED,ines\n12,NOT NEEDED,ines\n13,Not-question,ines\n",
        "",
        BOTH | {13: {"ines": "not_question"}},
        name="labels.csv",
    ),
    "other words": Case(
        "id,label,annotator\n11,yes,ines\n12,no,ines\n", "--value yes=needed --value no=not_needed", BOTH, name="l.csv"
    ),
    "no annotator": Case("id,label\n11,needed\n12,not_needed\n", "--annotator ines", BOTH, name="labels.csv"),
    "an annotator for some rows": Case(
        "id,label,annotator\n11,needed,\n12,not_needed,bob\n",
        "--annotator bob --rename ines=bob",
        {11: {"bob": "needed"}, 12: {"bob": "not_needed"}},
        name="labels.csv",
    ),
    "another annotator": Case(
        TABLE,
        "--annotator bob",
        output="2 rows, first line 2: the row is by ines and --annotator says bob",
        name="l.csv",
    ),
    "a fraction of 0": Case(
        "id,label,annotator\n11.0,needed,ines\n'12,not_needed,ines\n", "", BOTH, name="labels.csv"
    ),
    "rounded ids": Case(
        "id;label;annotator\n9.0072E+15;needed;ines\n1,23E+15;needed;ines\n",
        output="2 rows, first line 2: id is 9.0072E+15: the spreadsheet rounded the ids; import the column as text",
        name="labels.csv",
    ),
    "an id with other digits at its end": Case(
        f"id,label,annotator\n{LONG_ID - LONG_ID % 10},needed,ines\n",
        output=f"1 ids end in 0 where an inquiry's has another digit, first {LONG_ID - LONG_ID % 10}: the spreadsheet",
        name="labels.csv",
    ),
    "the longest id": Case(
        f"id,label,annotator\n{LONG_ID},needed,ines\n", "", {LONG_ID: {"ines": "needed"}}, name="l.csv"
    ),
    "too long an id": Case(
        f"id,label,annotator\n{2**53},needed,ines\n", output="not the id of an inquiry", name="l.csv"
    ),
    "more fields than names": Case(
        "id,label,annotator\n11,needed,ines,hm, so\n",
        output="can't be read as csv: line 2: 5 fields, and the header has 3",
        name="labels.csv",
    ),
    "two columns of a name": Case(
        "id,label,Label ,annotator\n", output="line 1: two columns are called 'label'", name="labels.csv"
    ),
    "no column of labels": Case(
        "id,verdict\n11,needed\n",
        output="no 'label'; name the column of the labels by --column label=NAME: id, verdict",
        name="labels.csv",
    ),
    "Latin-1": Case(
        TABLE.replace("ines", "inés").encode("latin-1"), output="labels.csv: not UTF-8", name="labels.csv"
    ),
    "Excel": Case(
        b"PK\x03\x04" + b"\0" * 30, output="labels.xlsx: a spreadsheet; save its sheet as CSV", name="labels.xlsx"
    ),
    "an open quotation mark": Case(
        'id,label,annotator\n11,"needed,ines\n',
        output="can't be read as csv: line 2: unexpected end",
        name="labels.csv",
    ),
    "an empty file": Case("", output="labels.csv: it has no rows", name="labels.csv"),
    "gzip": Case(b"\x1f\x8b\x08\x00", output="packed with gzip; unpack it", name="labels.csv"),
    "nested too deep": Case("[" * 100_000, output="export.json: can't be read as json"),
}


@pytest.mark.parametrize("name", TABLES)
def test_tables(room: Path, name: str) -> None:
    check(room, TABLES[name])


@pytest.mark.parametrize("name", ["labels.xlsx", "labels.zip"])
def test_a_spreadsheet_is_no_zip_of_labels(room: Path, name: str) -> None:
    zip_of(room / name, {"[Content_Types].xml": "<Types/>", "xl/workbook.xml": "<workbook/>"})
    assert "a spreadsheet; save its sheet as CSV UTF-8" in call("import", name).output


def test_seconds_with_a_decimal_comma(room: Path) -> None:
    (room / "labels.csv").write_text("id;label;annotator;seconds\n11;needed;ines;4,5\n")
    call("import", "labels.csv")
    assert lines_of(room, "ines")[0]["seconds"] == 4.5


# What is wrong, and what is left out


def test_what_is_wrong_is_counted_by_kind(room: Path) -> None:
    rows = [f"11,needed,Ines,{AT}"] * 48 + ["12,ctx,O'Brien,later"] * 2 + ["x,,bob,"]
    (room / "labels.csv").write_text("\n".join(["id,label,annotator,at", *rows]))
    result = call("import", "labels.csv")
    rule = "must be lower case letters, digits and _, and not export, whose labels came with the chat export"
    assert result.output.splitlines()[-5:] == [
        "Error: nothing was imported:",
        f"labels.csv: 48 rows, first line 2: annotator 'Ines' {rule}: --rename 'Ines=ines'",
        f"""labels.csv: 2 rows, first line 50: annotator "O'Brien" {rule}: --rename 'O'"'"'Brien=o_brien'""",
        "labels.csv: 2 rows, first line 50: label 'ctx' is none of needed, not_needed, not_question:"
        " --value 'ctx=needed'",
        "labels.csv: 2 rows, first line 50: at is 'later', no time in epoch seconds or ISO 8601",
    ]
    assert not list((room / "data" / "annotations").rglob("*.jsonl"))


def test_at_most_twenty_kinds_are_listed(room: Path) -> None:
    (room / "labels.csv").write_text("id,label,annotator\n" + "".join(f"11,word{i},ines\n" for i in range(23)))
    *messages, last = call("import", "labels.csv").output.splitlines()
    assert sum("is none of" in message for message in messages) == 20
    assert last == "and 3 more"


@pytest.mark.parametrize(
    ("options", "output"),
    [
        (["--value", "yes=perhaps"], "--value: perhaps is none of needed, not_needed, not_question"),
        (["--value", "yes"], "--value wants two names"),
        (["--rename", "Ines=Ines"], "--rename: 'Ines' must be lower case letters"),
        (["--annotator", "Ines"], "'Ines' must be lower case letters"),
        (["--column", "verdict=label"], "--column: verdict is none of id, label, annotator, at, seconds, note"),
    ],
)
def test_options_that_mean_nothing(room: Path, options: list[str], output: str) -> None:
    (room / "labels.csv").write_text(TABLE)
    result = call("import", "labels.csv", *options)
    assert result.exit_code != 0
    assert output in result.output
    assert not votes(room)


def test_every_row_is_a_label_or_is_counted(room: Path) -> None:
    rows = [f"11,needed,ines,{AT}", f"11,needed,ines,{AT}", "12,,ines,", f"13,needed,bob,{AT}"]
    (room / "labels.csv").write_text("\n".join(["id,label,annotator,at", *rows]))
    result = call("import", "labels.csv")
    assert "labels.csv: 2 passed over: no label 1, repeated 1" in result.output
    assert "bob: 1 of 1 label new\nines: 1 of 1 label new" in result.output
    (room / "labels.csv").write_text("id,label,annotator\n11,,ines\n")
    result = call("import", "labels.csv")
    assert (result.exit_code, "labels.csv: no labels" in result.output) == (0, True)


def test_an_annotator_whose_labels_contradict_keeps_the_others_out(room: Path) -> None:
    with open_for("ines", room / "data" / "annotations", QUESTION) as label_file:
        label_file.extend([line("ines", 11, "not_needed", SECONDS)])
    (room / "labels.csv").write_text(f"id,label,annotator,at\n12,needed,bob,{AT}\n11,needed,ines,{AT}\n")
    result = call("import", "labels.csv")
    assert f"id 11: at {SECONDS} ines said not_needed and now needed" in result.output
    assert votes(room) == {11: {"ines": "not_needed"}}


# Labels that go out and come back


def line(annotator: str, id: int, label: str, at: int, seconds: float | None = None, note: str | None = None) -> Row:
    fields = {"id": id, "annotator": annotator, "label": label, "at": at, "seconds": seconds, "guideline": "0" * 12}
    return fields | ({"note": note} if note else {})


NOTES = [
    "=1+1",
    "'=1+1",
    "''@x",
    "'quoted'",
    "-5",
    "+",
    "\tx",
    "a\r\nb\rc\n",
    ' "a";b,c|d\t',
    '{"text": "x"}',
    "那",
    "#",
    "sep=,",
]
ANY_LINE = st.builds(
    line,
    st.sampled_from(["ines", "bob", "all", "cid_2"]),
    st.sampled_from([11, 12, 13, 99, LONG_ID]),
    st.sampled_from(LABELS),
    st.integers(1, SECONDS) | st.just(SECONDS),
    st.none() | st.floats(0, 1e6) | st.just(0.0),
    st.none() | st.sampled_from(NOTES) | st.text(st.characters(exclude_categories=["Cs"]), min_size=1),
)
INQUIRIES = {id: inquiry(id, f"=cmd|' /C calc'!A{id}") for id in (11, 12, 13, LONG_ID)}


def contents(lines: list[Row]) -> set[tuple[Any, ...]]:
    """What an export keeps of labels."""
    return {tuple(line.get(field) for field in FIELDS) for line in lines}


@pytest.mark.parametrize("tool", exporting.TOOLS)
@given(st.lists(ANY_LINE, min_size=1, unique_by=lambda line: (line["annotator"], line["id"])))
def test_labels_come_back_as_they_went_out(
    tmp_path_factory: pytest.TempPathFactory, tool: str, labels: list[Row]
) -> None:
    folder = tmp_path_factory.mktemp("exported")
    stored = [row | {"given": None, "note": row.get("note")} for row in labels]
    exporting.write_labels(folder, tool, stored, INQUIRIES, {}, QUESTION)
    annotator = "all" if {row["annotator"] for row in labels} == {"all"} else None
    options = importing.Options({}, {}, {}, annotator, LABELS)
    path = {"csv": folder / "labels.csv", "label-studio": folder / "tasks.json", "doccano": folder}[tool]
    imported = importing.read_labels(path, options, "0" * 12, UTC)
    assert imported.problems.messages() == []
    assert contents(list(imported.lines.values())) == contents(labels)


@pytest.mark.parametrize("tool", exporting.TOOLS)
def test_the_current_labels_go_out(room: Path, tool: str) -> None:
    """A label's time is that of the label, not of its note; a label that was replaced or taken back stays here."""
    folder = room / "data" / "annotations" / QUESTION.name
    labels = [
        line("ines", 11, "needed", SECONDS - 9),
        line("ines", 11, "not_needed", SECONDS, 2.5) | {"note": "=hm"},
        line("ines", 11, "not_needed", SECONDS + 9, 2.5) | {"note": "=hm", "given": SECONDS},
        line("ines", 12, "needed", SECONDS),
        line("ines", 12, "needed", SECONDS + 1) | {"label": None},
    ]
    for row in (*labels, line("bob", 11, "needed", SECONDS), line("bob", 99, "needed", SECONDS)):
        with (folder / f"{row['annotator']}.jsonl").open("a") as label_file:
            label_file.write(json.dumps(row) + "\n")
    result = call("export", "out", "--to", tool)
    assert result.exit_code == 0, result.output
    assert "3 labels by 2 annotators in out" in result.output
    assert "1 item without a label, with a note or an undo: not exported" in result.output
    assert "1 label of no inquiry in data/inquiries.jsonl: exported without text" in result.output
    for file in folder.glob("*.jsonl"):
        file.unlink()
    result = call("import", "out" if tool == "doccano" else {"csv": "out/labels.csv"}.get(tool, "out/tasks.json"))
    assert result.exit_code == 0, result.output
    assert contents(lines(folder / "ines.jsonl")) == {(11, "not_needed", "ines", SECONDS, 2.5, "=hm")}
    assert contents(lines(folder / "bob.jsonl")) == {(id, "needed", "bob", SECONDS, None, None) for id in (11, 99)}


def test_a_label_that_was_changed_in_doccano_is_a_new_one(room: Path) -> None:
    with open_for("ines", room / "data" / "annotations", QUESTION) as label_file:
        label_file.extend([line("ines", id, "needed", SECONDS) for id in (11, 12)])
    call("export", "out", "--to", "doccano")
    first, second = lines(room / "out" / "ines.jsonl")
    (room / "out" / "ines.jsonl").write_text(json.dumps(first) + "\n" + json.dumps(second | {"label": ["not_needed"]}))
    assert "ines: 1 of 2 labels new" in call("import", "out").output
    assert votes(room) == {11: {"ines": "needed"}, 12: {"ines": "not_needed"}}


def test_what_goes_out(room: Path) -> None:
    with open_for("ines", room / "data" / "annotations", QUESTION) as label_file:
        label_file.append(11, "needed", 2.5, "+1")
    call("export", "out", "--to", "label-studio", "--rename", "ines=ines@example.org")
    [exported_task] = json.loads((room / "out" / "tasks.json").read_text())
    [exported] = exported_task["annotations"]
    assert exported["completed_by"] == {"email": "ines@example.org"}
    assert [part["from_name"] for part in exported["result"]] == ["label", "note"]
    assert exported_task["data"]["question"] == "A: And number 11?"
    assert '<TextArea name="note"' in (room / "out" / "config.xml").read_text()
    call("export", "out", "--to", "csv")
    text = (room / "out" / "labels.csv").read_text(encoding="utf-8-sig")
    [row] = csv.DictReader(io.StringIO(text, newline=""))
    assert row["history"] == "B: turn 0\nA: turn 1"
    assert (row["question"], row["note"]) == ("A: And number 11?", "'+1")
    call("export", "out", "--to", "doccano")
    [exported] = lines(room / "out" / "ines.jsonl")
    assert exported["text"] == "B: turn 0\nA: turn 1\nA: And number 11?"


@pytest.mark.parametrize("folder", ["data/annotations", "data/annotations/needs_context", "out"])
def test_what_is_not_exported(room: Path, folder: str) -> None:
    (room / "out").write_text("")  # no folder
    assert "there are no labels" in call("export", "elsewhere", "--to", "csv").output
    with open_for("ines", room / "data" / "annotations", QUESTION) as label_file:
        label_file.append(11, "needed")
    before = lines_of(room, "ines")
    result = call("export", folder, "--to", "doccano")
    assert result.exit_code == 1
    assert isinstance(result.exception, SystemExit)
    assert ("folder of the label files" in result.output) is (folder != "out")
    assert lines_of(room, "ines") == before


@pytest.mark.parametrize("options", [["--to", "csv"], ["--to", "label-studio", "--rename", "bob=bob@example.org"]])
def test_accounts_are_of_annotators_in_label_studio(room: Path, options: list[str]) -> None:
    with open_for("ines", room / "data" / "annotations", QUESTION) as label_file:
        label_file.append(11, "needed")
    options = [*options, "--rename", "ines=ines@example.org"]
    assert "--rename is for Label Studio's accounts of ines" in call("export", "out", *options).output


@given(st.text())
def test_no_cell_is_a_formula(text: str) -> None:
    assert cells.unguarded(cells.guarded(text)) == text
    assert not cells.guarded(text).startswith(("=", "+", "-", "@", "\t", "\r", "＝"))


@given(st.lists(st.lists(st.text(st.characters(exclude_categories=["Cs"])), min_size=2, max_size=2)))
def test_a_table_is_read_as_python_writes_it(rows: list[list[str]]) -> None:
    text = io.StringIO()
    csv.writer(text).writerows([["id", "label"], *rows])
    expected = [row for row in rows if any(cell.strip() for cell in row)]
    read = [list(record.fields.values()) for record in table_records(text.getvalue(), FIELDS)]
    assert read == [[cells.unguarded(cell) for cell in row] for row in expected]


def test_a_json_document_of_any_layout() -> None:
    rows = [{"id": 1, "label": "a"}, {"id": 2, "label": "b"}]
    for document in (rows, {"x": rows[0], "y": rows[1]}, {"id": [1, 2], "label": ["a", "b"]}, {"n": 2, "items": rows}):
        for text in (json.dumps(document), json.dumps(document, indent=1)):
            assert [record.fields for record in json_records(text, are_lines=False)] == rows
