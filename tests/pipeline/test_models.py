"""A model in a folder as an input of the pipeline: added to DVC, imported, changed."""

from pathlib import Path

from ruamel.yaml import YAML

from tests.clones import call, copy, own_chat, read, take_labels_away, take_results_away
from tests.conftest import RULES_ALONE, change_params
from tests.small_models import TEMPLATES, save_random_model, tokenizer


def test_dvc_sees_a_model_in_a_folder(tmp_path: Path) -> None:
    folder = copy(tmp_path / "clone")
    take_results_away(folder)
    take_labels_away(folder)
    own_chat(folder / "data" / "room.jsonl")
    models = {f"models.{name}": {"path": f"models/{name}", "family": "mine"} for name in ("added", "imported")}
    names = {"ladder": ["added", "imported"], "finetune": ["added"], "law.probe_model": "added"}
    change_params(folder, RULES_ALONE | models | names | {"ingest.path": "data/room.jsonl"})
    fast = tokenizer("bytes", TEMPLATES["chatml"])
    save_random_model("llama", folder / "models/added", fast)
    save_random_model("llama", tmp_path / "elsewhere", fast, num_hidden_layers=3)

    call(folder, "dvc", "add", "models/added")
    call(folder, "dvc", "import-url", str(tmp_path / "elsewhere"), "models/imported")
    call(folder, "dvc", "repro", "fetch_models")
    sizes = [model["parameters"] for model in read(folder / "data/models.json").values()]
    assert sizes[0] < sizes[1]
    lock = YAML(typ="safe", pure=True).load((folder / "dvc.lock").read_text())
    hashes = {dep["path"]: dep["md5"] for dep in lock["stages"]["fetch_models"]["deps"]}
    assert hashes["models"].endswith(".dir")
    assert "up to date" in call(folder, "dvc", "status", "fetch_models")

    note = folder / "data/base/added/path.json"
    before = read(note)
    (folder / "models/added/generation_config.json").write_text('{"temperature": 1.5}\n')
    assert "models" in call(folder, "dvc", "status", "fetch_models")
    call(folder, "dvc", "repro", "fetch_models")
    assert read(note)["path"] == before["path"]
    assert read(note)["sha256"] != before["sha256"]

    git_sees = call(folder, "git", "status", "--porcelain", "--untracked-files=all", "models").split()
    assert {"models/added.dvc", "models/imported.dvc"} <= set(git_sees)
    assert not any("safetensors" in name for name in git_sees)
