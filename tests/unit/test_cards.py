"""Cards of adapters and of the labelled set, and their publication."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from click.testing import Result
from ruamel.yaml import YAML

from stages.pipeline.params import Scorer, params
from stages.reporting.data_card import main as data_card
from stages.reporting.data_card import size
from stages.reporting.model_card import hashes, locked_stages, made_of, of_the_labels, settings
from stages.tools.publish import main as publish
from stages.tools.publish import stale
from tests.clones import read
from tests.conftest import ONLY_THE_SAMPLE, ROOT, SAMPLE, change_params, run
from tests.finished import finish

LABELS = "data/annotations/needs_context"
GUIDELINE = "questions/needs_context/GUIDELINE.md"
FIRST = (SAMPLE, LABELS)


def yaml(path: Path) -> Any:
    return YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8"))


@ONLY_THE_SAMPLE
def test_the_hub_reads_the_cards(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Cards of a finished run, as the hub's own library reads them."""
    from huggingface_hub import ModelCard

    monkeypatch.setenv("LABELS_CACHE", str(project / "cache"))
    finish(project)
    metrics = project / "metrics"
    locked = yaml(ROOT / "dvc.lock")["stages"]
    assert {path.stem for path in (metrics / "cards").iterdir()} == set(params().finetune)
    for name in params().finetune:
        card = ModelCard.load(metrics / "cards" / f"{name}.md")
        scores = read(metrics / "details" / "tuned" / f"{name}.json")
        assert {entry.metric_type: entry.metric_value for entry in card.data.eval_results or []} == {
            kind: scores[kind] for kind in ("precision", "recall", "f1", "auc")
        }
        training = locked[f"train@{name}"]
        sources = [
            entry for entry in (*locked["annotate"]["deps"], *locked["fetch_chat"]["outs"]) if entry["path"] in FIRST
        ]
        assert len(sources) == len(FIRST)
        data = [entry for entry in (*training["deps"], *training["outs"]) if entry["path"].startswith("data/")]
        assert len(data) >= 4
        for entry in (*sources, *data):
            assert f"| {entry['path']} | md5 {entry['md5']} |" in card.text
        assert "stages/" not in card.text  # code is the commit's
        assert "| lora_rank | 16 |" in card.text
        assert f"sha256 {params().fetch.base.sha256}" in card.text
        assert f"{100 * scores['f1']:.2f} ({100 * scores['f1_low']:.2f} to" in card.text
        assert f"n = {scores['n']}" in card.text
        (adapter,) = [entry["md5"] for entry in training["outs"] if entry["path"] == f"data/adapters/{name}"]
        assert f"| data/adapters/{name} | md5 {adapter} |" in (metrics / "tables.md").read_text()


def test_a_card_says_what_this_model_was_trained_with() -> None:
    """Not what the others were: three of the paper's models have values of their own."""
    locked = {"lr": 2e-4, "lora_rank": 64, "train": {"packing": False}}
    for model_settings, rank in (({}, 64), ({"train": {"lora_rank": 16}}, 16)):
        stage = {"params": {"params.yaml": locked | {"models.m": {"family": "qwen"} | model_settings}}}
        assert settings(stage, "m") == {"lr": 2e-4, "lora_rank": rank, "packing": False}


@pytest.mark.parametrize("path", ["data/room.jsonl", "./data/../data/room.jsonl", "/absolute"])
def test_a_card_has_the_exports_hash_however_its_path_is_written(
    project: Path, set_params: Callable[..., None], path: str
) -> None:
    """DVC writes a path into dvc.lock as params.yaml has it, but for an absolute one inside the project."""
    set_params(**{"ingest.path": str(project / "data" / "room.jsonl") if path == "/absolute" else path})
    locked: dict[str, Any] = {"deps": [{"path": path.replace("/absolute", "data/room.jsonl"), "md5": "1"}], "outs": []}
    others = {"deps": [{"path": path, "md5": "2"} for path in (LABELS, "data/alpaca")], "outs": []}
    hash_by_path = of_the_labels({"ingest": locked, "annotate": others, "export": others}, params())
    assert list(hash_by_path.values()) == ["md5 1", "md5 2", "md5 2"]


def test_whatever_a_card_names_makes_it_anew() -> None:
    """Cards stand in the report's outputs: what they say of training is out of date if a change leaves them as they
    are.
    """
    stages = yaml(ROOT / "dvc.yaml")["stages"]
    names, train = stages["report"]["deps"], stages["train"]["do"]["deps"]
    data = [path for path in train if not path.startswith("stages/")]
    for path in (*data, "data/annotations/${question.name}", "${ingest.path}"):
        assert any(path == name or path.startswith(f"{name}/") for name in names), path


HASHES = {  # of a lock, by stage
    "ingest": {SAMPLE: "1" * 32},
    "annotate": {LABELS: "2" * 32 + ".dir"},
    "export": {"data/alpaca": "3" * 32 + ".dir"},
    "train@m": {"data/alpaca/train.json": "4" * 32, "data/adapters/m": "5" * 32 + ".dir"},
}
OF_THE_MODEL = {path: md5 for stage in HASHES.values() for path, md5 in stage.items()}
OF_THE_DATA = {path: md5 for name, stage in HASHES.items() if name != "train@m" for path, md5 in stage.items()}


def publishable(project: Path) -> None:
    """What is published beside weights and alpaca files, and the lock that cards were made of."""
    change_params(project, {"ingest.path": SAMPLE})
    for file in ("data/dataset_info.json", GUIDELINE):
        (project / file).parent.mkdir(parents=True, exist_ok=True)
        (project / file).write_text("shared")
    write_card(project / "metrics" / "cards" / "m.md", OF_THE_MODEL)
    write_card(project / "data" / "README.md", OF_THE_DATA)
    stages = {
        name: {"deps": [{"path": path, "md5": md5} for path, md5 in hash_by_path.items()], "outs": []}
        for name, hash_by_path in HASHES.items()
    }
    with (project / "dvc.lock").open("w") as lock:
        YAML().dump({"stages": stages}, lock)


def write_card(file: Path, hashes: dict[str, str]) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    lines = "".join(f"| {path} | md5 {md5} |\n" for path, md5 in hashes.items())
    file.write_text(f"# A card\n| file | hash |\n|---|---|\n{lines}\n| lora_rank | 16 |\n")


@pytest.mark.parametrize(
    ("card", "card_hashes", "path", "command"),
    [
        ("metrics/cards/m.md", OF_THE_MODEL, "data/adapters/m", "dvc repro report"),
        ("metrics/cards/m.md", OF_THE_MODEL, SAMPLE, "dvc repro report"),
        ("data/README.md", OF_THE_DATA, LABELS, "make figures"),
        ("data/README.md", OF_THE_DATA, "data/alpaca", "make figures"),
    ],
)
@pytest.mark.parametrize("md5", ["0" * 32, None], ids=["another hash", "no hash"])
def test_a_card_of_something_else_is_not_published(
    project: Path, card: str, card_hashes: dict[str, str], path: str, command: str, md5: str | None
) -> None:
    """As the sample's beside a chat of one's own, or of the training before."""
    for file in ("adapters/m/adapter_model.safetensors", "alpaca/train.json"):
        (project / "data" / file).parent.mkdir(parents=True, exist_ok=True)
        (project / "data" / file).write_text(file)
    publishable(project)
    assert run(publish, "m", "me/it").exit_code == 0
    other_hashes = card_hashes | ({path: md5} if md5 else {})
    write_card(project / card, {key: value for key, value in other_hashes.items() if md5 or key != path})
    output = run(publish, "m", "me/it", "--push").output
    assert output == f"Error: {card} has other hashes than dvc.lock of {path}: `{command}` makes it anew\n"


def test_a_lock_of_another_chat(project: Path, set_params: Callable[..., None]) -> None:
    for file in ("adapters/m/adapter_model.safetensors", "alpaca/train.json"):
        (project / "data" / file).parent.mkdir(parents=True, exist_ok=True)
        (project / "data" / file).write_text(file)
    publishable(project)
    set_params(**{"ingest.path": "data/room.jsonl"})
    output = run(publish, "m", "me/it").output
    assert output == "Error: dvc.lock has no run of data/room.jsonl with a training of m: dvc repro\n"


@ONLY_THE_SAMPLE
@pytest.mark.parametrize("card", ["metrics/cards/smollm2_135m.md", "data/README.md"])
def test_committed_cards_have_the_hashes_of_the_committed_lock(card: str) -> None:
    """And are read as they are written."""
    locked = locked_stages(ROOT / "dvc.lock")
    labels = of_the_labels(locked, params(ROOT / "params.yaml"))
    training = hashes(locked["train@smollm2_135m"]) if card != "data/README.md" else {}
    assert stale(ROOT / card, labels | training) == []
    assert stale(ROOT / card, {"data/alpaca": "md5 " + "0" * 32}) == ["data/alpaca"]


def test_publishing_says_first_what_would_go_where_and_nothing_goes_where_all_can_read(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The hub is a stand-in: none can be reached from everywhere that tests run."""
    from huggingface_hub import HfApi

    for file in ("adapters/m/adapter_model.safetensors", "adapters/m/README.md", "alpaca/train.json", "README.md"):
        (project / "data" / file).parent.mkdir(parents=True, exist_ok=True)
        (project / "data" / file).write_text(file)
    (project / GUIDELINE).unlink()
    missing = run(publish, "m", "me/it")
    assert f"metrics/cards/m.md, data/dataset_info.json, {GUIDELINE}, dvc.lock is missing" in missing.output
    publishable(project)
    output = run(publish, "m", "me/it").output
    assert [line.split(" (")[0].strip() for line in output.splitlines() if line.startswith("  ")] == [
        "README.md",
        "adapter_model.safetensors",
        "README.md",
        "dataset_info.json",
        "alpaca/train.json",
        "GUIDELINE.md",
    ]
    size = (project / "metrics" / "cards" / "m.md").stat().st_size
    assert f"README.md ({size} bytes) from metrics/cards/m.md" in output
    assert "nothing was sent" in output

    for private, message in ((True, "nothing"), (False, "the model me/it is there and public")):
        sent: list[str] = []

        def create_commit(*_: Any, repo_type: str, sent: list[str] = sent, **__: Any) -> SimpleNamespace:
            sent.append(repo_type)
            return SimpleNamespace(commit_url="")

        monkeypatch.setattr(HfApi, "create_repo", lambda *_, **__: None)
        monkeypatch.setattr(HfApi, "repo_info", lambda *_, private=private, **__: SimpleNamespace(private=private))
        monkeypatch.setattr(HfApi, "create_commit", create_commit)
        result = run(publish, "m", "me/it", "--push")
        assert sent == (["model", "dataset"] if private else [])
        assert private or message in result.output


@ONLY_THE_SAMPLE
def test_the_data_card_has_the_numbers_of_the_committed_run(project: Path) -> None:
    card = filled_card(ROOT / "metrics" / "details", ROOT / "data" / "card.md", project / "README.md")
    assert card == (ROOT / "data" / "README.md").read_text(encoding="utf-8"), "out of date: make figures"


def data_card_result(metrics: Path, template: Path, card: Path) -> Result:
    return run(data_card, metrics, ROOT / "data" / "annotations", ROOT / "dvc.lock", template, card)


def filled_card(metrics: Path, template: Path, card: Path) -> str:
    result = data_card_result(metrics, template, card)
    assert result.exit_code == 0, result.output
    return card.read_text(encoding="utf-8")


@ONLY_THE_SAMPLE
def test_another_number_shows_in_the_data_card(project: Path) -> None:
    committed = (ROOT / "data" / "README.md").read_text(encoding="utf-8").splitlines()
    shutil.copytree(ROOT / "metrics", project / "metrics")
    export = read(project / "metrics" / "details" / "export.json")
    export["test"] |= {"n": 280, "positive": 98, "positive_share": 0.35}
    (project / "metrics" / "details" / "export.json").write_text(json.dumps(export))
    lines = filled_card(project / "metrics" / "details", ROOT / "data" / "card.md", project / "README.md").splitlines()
    assert [line for line in lines if line not in committed] == ["| test | 280 | 98 | 35.00% |"]


@ONLY_THE_SAMPLE
def test_a_data_card_of_a_log_without_labelled_random_turns(project: Path) -> None:
    shutil.copytree(ROOT / "metrics", project / "metrics")
    metrics = read(project / "metrics" / "details" / "judge_filter.json")
    (project / "metrics" / "details" / "judge_filter.json").write_text(
        json.dumps({key: value for key, value in metrics.items() if not key.startswith(("recall", "precision"))})
    )
    card = filled_card(project / "metrics" / "details", ROOT / "data" / "card.md", project / "README.md")
    assert "On the random sample" not in card


@ONLY_THE_SAMPLE
@pytest.mark.parametrize(
    ("template", "message"),
    [
        ("{{ metrics.export.train.n }} and {{ metrics.export.tarin.n }}", "'dict object' has no attribute 'tarin'"),
        ("{{ params.ingest.min_chars - 1 }}", "has no attribute 'min_chars'"),
        ("{{ params.annotate.adjudicator - 1 }}", "unsupported operand"),
    ],
)
def test_a_data_card_that_asks_for_what_there_is_not(project: Path, template: str, message: str) -> None:
    (project / "card.md").write_text(template)
    result = data_card_result(ROOT / "metrics" / "details", project / "card.md", project / "README.md")
    assert result.exit_code == 1
    assert message in result.output
    assert not (project / "README.md").exists()


@pytest.mark.parametrize(
    ("items", "name"), [(999, "n<1K"), (1000, "1K<n<10K"), (99_999, "10K<n<100K"), (2_000_000, "n>1M")]
)
def test_the_hubs_names_of_sizes(items: int, name: str) -> None:
    assert size(items) == name


@ONLY_THE_SAMPLE
def test_the_hub_reads_the_data_card() -> None:
    """The head, with the words that the hub's own library documents for each field."""
    from huggingface_hub import DatasetCard, DatasetCardData

    card = DatasetCard.load(ROOT / "data" / "README.md", ignore_metadata_errors=False)
    head = card.data.to_dict()
    known = DatasetCardData.__doc__ or ""
    for field in (
        "annotations_creators",
        "language_creators",
        "size_categories",
        "source_datasets",
        "multilinguality",
    ):
        values = head[field]
        for value in [values] if isinstance(values, str) else values:
            assert f"'{value}'" in known, (field, value)
    labelled = read(ROOT / "metrics" / "details" / "annotate.json")["labelled"]
    assert head["size_categories"] == [size(labelled)]
    assert head["license"] == "mit"
    assert "made by a language model, none by a human" in card.text


@ONLY_THE_SAMPLE
def test_tables_say_who_filtered_and_how_a_server_chose() -> None:
    everything = params(ROOT / "params.yaml")
    rows: list[dict[str, Any]] = [
        {"name": "is_question", "kind": "rate", "prompt": "en", "model": "internlm2_chat_7b"},
        {"name": "kimi_is_question", "kind": "choose", "prompt": "en", "model": "moonshot_v1_8k"},
    ]
    scorers = [Scorer(**row) for row in rows]
    throttles = everything.filter.model_copy(update={"throttles": {"is_question": 5, "kimi_is_question": 2.5}})
    score = everything.score.model_copy(update={"scorers": scorers})
    p = everything.model_copy(update={"score": score, "filter": throttles})
    text = made_of(yaml(ROOT / "dvc.lock")["stages"], {}, [], p)
    assert "| is_question | rate, at least 5, by internlm/internlm2-chat-7b, revision 5b50661e" in text
    assert "| kimi_is_question | choose, at least 2.5, by moonshot-v1-8k at https://api.moonshot.cn/v1" in text
    assert "options by its structured answers |" in text
