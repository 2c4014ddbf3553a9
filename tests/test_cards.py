"""Cards of adapters and of the labelled set, publication, and the registry that other projects take from."""

import json
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from click.testing import Result
from ruamel.yaml import YAML

from stages.cards.data import main as data_card
from stages.cards.data import size
from stages.cards.model import made_of, settings
from stages.cards.publish import main as publish
from stages.params import Scorer, params
from tests.clones import call, commit, contents, cut, read
from tests.conftest import ROOT, run
from tests.finished import finish

FIRST = ("data/raw/chitchat.json", "data/annotations")


def yaml(path: Path) -> Any:
    return YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8"))


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
        scores = read(metrics / "tuned" / f"{name}.json")
        assert {one.metric_type: one.metric_value for one in card.data.eval_results or []} == {
            kind: scores[kind] for kind in ("precision", "recall", "f1", "auc")
        }
        made_of = locked[f"train@{name}"]
        first = [one for one in (*locked["annotate"]["deps"], *locked["fetch"]["outs"]) if one["path"] in FIRST]
        assert len(first) == len(FIRST)
        for one in (*first, *made_of["deps"], *made_of["outs"]):
            assert f"| {one['path']} | md5 {one['md5']} |" in card.text
        assert "| lora_rank | 16 |" in card.text
        assert f"sha256 {params().fetch.base.sha256}" in card.text
        assert f"{100 * scores['f1']:.2f} ({100 * scores['f1_low']:.2f} to" in card.text
        assert f"n = {scores['n']}" in card.text
        (adapter,) = [one["md5"] for one in made_of["outs"] if one["path"] == f"data/adapters/{name}"]
        assert f"| data/adapters/{name} | md5 {adapter} |" in (metrics / "tables.md").read_text()


def test_a_card_says_what_this_model_was_trained_with() -> None:
    """Not what the others were: three of the paper's models have values of their own."""
    locked = {"lr": 2e-4, "lora_rank": 64, "train": {"packing": False}}
    for own, rank in (({}, 64), ({"train": {"lora_rank": 16}}, 16)):
        stage = {"params": {"params.yaml": locked | {"models.m": {"family": "qwen"} | own}}}
        assert settings(stage, "m") == {"lr": 2e-4, "lora_rank": rank, "packing": False}


def test_whatever_a_card_names_makes_it_anew() -> None:
    """Cards stand in the report's outputs: what they say of training is out of date if a change leaves them as they
    are.
    """
    stages = yaml(ROOT / "dvc.yaml")["stages"]
    names, train = stages["report"]["deps"], stages["train"]["do"]["deps"]
    for path in (*train, "data/annotations", "${ingest.path}"):
        assert any(path == name or path.startswith(f"{name}/") for name in names), path


def test_publishing_says_first_what_would_go_where_and_nothing_goes_where_all_can_read(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The hub is a stand-in: none can be reached from everywhere that tests run."""
    from huggingface_hub import HfApi

    for file in ("adapters/m/adapter_model.safetensors", "adapters/m/README.md", "alpaca/train.json", "README.md"):
        (project / "data" / file).parent.mkdir(parents=True, exist_ok=True)
        (project / "data" / file).write_text(file)
    missing = run(publish, "m", "me/it")
    assert "metrics/cards/m.md, data/dataset_info.json, data/annotations/GUIDELINE.md is missing" in missing.output
    for file in ("metrics/cards/m.md", "data/dataset_info.json", "data/annotations/GUIDELINE.md"):
        (project / file).parent.mkdir(parents=True, exist_ok=True)
        (project / file).write_text("the card")
    said = run(publish, "m", "me/it").output
    assert [line.split(" (")[0].strip() for line in said.splitlines() if line.startswith("  ")] == [
        "README.md",
        "adapter_model.safetensors",
        "README.md",
        "dataset_info.json",
        "annotations/GUIDELINE.md",
        "alpaca/train.json",
    ]
    assert "README.md (8 bytes) from metrics/cards/m.md" in said
    assert "nothing was sent" in said

    for private, said_of_it in ((True, "nothing"), (False, "the model me/it is there and public")):
        sent: list[str] = []

        def create_commit(*_: Any, repo_type: str, sent: list[str] = sent, **__: Any) -> SimpleNamespace:
            sent.append(repo_type)
            return SimpleNamespace(commit_url="")

        monkeypatch.setattr(HfApi, "create_repo", lambda *_, **__: None)
        monkeypatch.setattr(HfApi, "repo_info", lambda *_, private=private, **__: SimpleNamespace(private=private))
        monkeypatch.setattr(HfApi, "create_commit", create_commit)
        done = run(publish, "m", "me/it", "--push")
        assert sent == (["model", "dataset"] if private else [])
        assert private or said_of_it in done.output


def test_the_data_card_has_the_numbers_of_the_committed_run(project: Path) -> None:
    made = fill(ROOT / "metrics", ROOT / "data" / "card.md", project / "README.md")
    assert made == (ROOT / "data" / "README.md").read_text(encoding="utf-8"), "out of date: make data-card"


def filled(metrics: Path, template: Path, card: Path) -> Result:
    return run(data_card, metrics, ROOT / "data" / "annotations", ROOT / "dvc.lock", template, card)


def fill(metrics: Path, template: Path, card: Path) -> str:
    done = filled(metrics, template, card)
    assert done.exit_code == 0, done.output
    return card.read_text(encoding="utf-8")


def test_another_number_shows_in_the_data_card(project: Path) -> None:
    committed = (ROOT / "data" / "README.md").read_text(encoding="utf-8").splitlines()
    shutil.copytree(ROOT / "metrics", project / "metrics")
    export = read(project / "metrics" / "export.json")
    export["test"] |= {"n": 280, "needed": 98, "needed_share": 0.35}
    (project / "metrics" / "export.json").write_text(json.dumps(export))
    made = fill(project / "metrics", ROOT / "data" / "card.md", project / "README.md").splitlines()
    assert [line for line in made if line not in committed] == ["| test | 280 | 98 | 35.00% |"]


def test_a_data_card_of_a_log_without_labelled_random_turns(project: Path) -> None:
    shutil.copytree(ROOT / "metrics", project / "metrics")
    found = read(project / "metrics" / "filter.json")
    (project / "metrics" / "filter.json").write_text(
        json.dumps({key: value for key, value in found.items() if not key.startswith(("recall", "precision"))})
    )
    assert "On the random sample" not in fill(project / "metrics", ROOT / "data" / "card.md", project / "README.md")


@pytest.mark.parametrize(
    ("template", "said"),
    [
        ("{{ metrics.export.train.n }} and {{ metrics.export.tarin.n }}", "'dict object' has no attribute 'tarin'"),
        ("{{ params.ingest.min_chars - 1 }}", "has no attribute 'min_chars'"),
        ("{{ params.annotate.adjudicator - 1 }}", "unsupported operand"),
    ],
)
def test_a_data_card_that_asks_for_what_there_is_not(project: Path, template: str, said: str) -> None:
    (project / "card.md").write_text(template)
    done = filled(ROOT / "metrics", project / "card.md", project / "README.md")
    assert done.exit_code == 1
    assert said in done.output
    assert not (project / "README.md").exists()


@pytest.mark.parametrize(
    ("items", "name"), [(999, "n<1K"), (1000, "1K<n<10K"), (99_999, "10K<n<100K"), (2_000_000, "n>1M")]
)
def test_the_hubs_names_of_sizes(items: int, name: str) -> None:
    assert size(items) == name


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
        said = head[field]
        for value in [said] if isinstance(said, str) else said:
            assert f"'{value}'" in known, (field, value)
    labelled = read(ROOT / "metrics" / "annotate.json")["labelled"]
    assert head["size_categories"] == [size(labelled)]
    assert head["license"] == "mit"
    assert "made by a language model, none by a human" in card.text


@pytest.fixture(scope="module")
def registered(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The repository's artifacts in a project with a remote, pushed, each registered under a version."""
    made = {"cmd": "python made.py ${item} data/adapters/${item}", "outs": ["data/adapters/${item}"]}
    once = {"cmd": "python made.py labels data/alpaca data/valid.jsonl", "outs": ["data/alpaca", "data/valid.jsonl"]}
    stages = {"export": once, "train": {"foreach": "${finetune}", "do": made}}
    folder = cut(tmp_path_factory.mktemp("registered") / "project", stages)
    (folder / "made.py").write_text(
        """
import pathlib, sys
for path in map(pathlib.Path, sys.argv[2:]):
    if not path.suffix:
        path.mkdir(parents=True)
        path = path / "file.json"
    path.write_text(sys.argv[1])
"""
    )
    call(folder, "dvc", "repro", "export", "train")
    call(folder, "dvc", "remote", "add", "--default", "storage", str(folder.parent / "storage"))
    commit(folder, "made")
    call(folder, "dvc", "push")
    return folder


def test_other_projects_take_artifacts_by_name(registered: Path, tmp_path: Path) -> None:
    declared = yaml(ROOT / "dvc.yaml")["artifacts"]
    assert {"labelled", "alpaca", *params().finetune} == declared.keys()
    call(tmp_path, "git", "init", "--quiet")
    call(tmp_path, "dvc", "init", "--quiet")
    assert all(artifact["desc"] and artifact["type"] in ("dataset", "model") for artifact in declared.values())
    for name in ("labelled", "alpaca", "smollm2_135m_10"):
        call(registered, "gto", "register", name, "--version", "v1.0.0")
        call(tmp_path, "dvc", "artifacts", "get", str(registered), name, "--out", name)
        there = registered / declared[name]["path"]
        if there.is_dir():
            assert contents(tmp_path / name) == contents(there) != {}, name
        else:
            assert (tmp_path / name).read_bytes() == there.read_bytes(), name


def test_a_version_keeps_what_it_was(registered: Path, tmp_path: Path) -> None:
    commit(registered, "a commit holds one version of each")
    call(registered, "gto", "register", "smollm2_135m_20", "--version", "v2.0.0")
    call(registered, "gto", "assign", "smollm2_135m_20", "--version", "v2.0.0", "--stage", "prod")
    made = registered / "made.py"
    made.write_text(made.read_text().replace("sys.argv[1])", "sys.argv[1] + ' again')"))
    call(registered, "dvc", "repro", "--force", "train@smollm2_135m_20")
    commit(registered, "trained again")
    call(registered, "dvc", "push")
    call(registered, "gto", "register", "smollm2_135m_20", "--version", "v2.1.0")
    for folder, asked in (("new", ()), ("old", ("--rev", "v2.0.0")), ("prod", ("--stage", "prod"))):
        call(tmp_path, "dvc", "artifacts", "get", str(registered), "smollm2_135m_20", "--out", folder, *asked)
    said = {folder: (tmp_path / folder / "file.json").read_text() for folder in ("new", "old", "prod")}
    assert said == {"new": "smollm2_135m_20 again", "old": "smollm2_135m_20", "prod": "smollm2_135m_20"}


def test_tables_say_who_filtered_and_how_a_server_chose() -> None:
    everything = params(ROOT / "params.yaml")
    asks: list[dict[str, Any]] = [
        {"name": "is_question", "kind": "rate", "prompt": "en", "model": "internlm2_chat_7b", "throttle": 5},
        {"name": "kimi_is_question", "kind": "choose", "prompt": "en", "model": "moonshot_v1_8k", "throttle": 2.5},
    ]
    scorers = [Scorer(**one) for one in asks]
    p = everything.model_copy(update={"filter": everything.filter.model_copy(update={"scorers": scorers})})
    said = made_of(yaml(ROOT / "dvc.lock")["stages"], [], p)
    assert "| is_question | rate, at least 5, by internlm/internlm2-chat-7b, revision 5b50661e" in said
    assert "| kimi_is_question | choose, at least 2.5, by moonshot-v1-8k at https://api.moonshot.cn/v1" in said
    assert "options by its structured answers |" in said
