"""`make paper` with stand-ins: models of the paper's architectures with random weights, under its revisions."""

from pathlib import Path

from stages.pipeline.params import params
from tests.clones import call, commit, copy, own_chat, take_labels_away, take_results_away
from tests.conftest import ROOT, RULES_ALONE, change_params
from tests.pipeline.test_recipes import file_of_experiment
from tests.small_models import TEMPLATES, save_random_model, tokenizer

DENSE = ("qwen1_5_0_5b", "qwen1_5_1_8b", "qwen1_5_4b")
MIXTURE = "qwen1_5_moe_a2_7b"
SETTINGS = {  # what a CPU needs, and a bytewise tokenizer; all else is as the recipe has it
    **{f"models.{name}.engine": "transformers" for name in (*DENSE, MIXTURE)},
    "train.optimizer": "adamw_torch_fused",
    "evaluate.max_tokens": 4,
    "max_length": 4000,
    "warmup_steps": 1,
    "batch_size": 2,
    **{f"models.{DENSE[2]}.train.batch_size": 2},
    "law.probe_model": DENSE[0],
}


def hub_cache(home: Path) -> None:
    """Stand-ins in a cache of the hub's library, deeper where the model is larger."""
    fast = tokenizer("bytes", TEMPLATES["chatml"])
    for depth, name in enumerate((*DENSE, MIXTURE), start=1):
        model = params(ROOT / "params.yaml").models[name]
        folder = home / "hub" / f"models--{str(model.hub).replace('/', '--')}" / "snapshots" / str(model.revision)
        shape = {"num_hidden_layers": depth, "max_position_embeddings": 8192}
        experts = {"num_experts": 4, "moe_intermediate_size": 24, "shared_expert_intermediate_size": 40}
        if model.moe:
            save_random_model("qwen2_moe", folder, fast, **shape, **experts, num_experts_per_tok=2)
        else:
            save_random_model("qwen2", folder, fast, **shape)


def test_make_paper_again_and_again(tmp_path: Path) -> None:
    """The second time nothing runs again, and params.yaml is as it was."""
    folder = copy(tmp_path / "clone")
    take_results_away(folder)
    take_labels_away(folder)
    own_chat(folder / "data/room.jsonl")
    change_params(folder, RULES_ALONE | {"ingest.path": "data/room.jsonl", "ingest.format": "paper"})
    call(folder, "dvc", "add", "data/room.jsonl")
    commit(folder, "a chat")
    before = (folder / "params.yaml").read_bytes()
    home = tmp_path / "huggingface"
    hub_cache(home)
    variables = {
        "HF_HOME": str(home),
        "HF_HUB_OFFLINE": "1",
        "LABELS_CACHE": str(tmp_path / "answers"),
        "TQDM_DISABLE": "1",
        "OMP_NUM_THREADS": "1",
        "MODELS": ",".join((*DENSE, MIXTURE)),
        "ARGUMENTS": " ".join(f"-S {key}={value}" for key, value in SETTINGS.items()),
    }
    make = ("make", "--old-file", ".venv/.ready", "paper")  # in this environment
    first = call(folder, *make, variables=variables)
    assert "dvc exp apply paper" in first
    assert "Running stage 'train@qwen1_5_moe_a2_7b'" in first
    tables = file_of_experiment(folder, "paper", "metrics/tables.md")
    for name in (*DENSE, MIXTURE):
        assert name in tables
    assert "MoE, for reference" in file_of_experiment(folder, "paper", "metrics/law.md")

    second = call(folder, *make, variables=variables)
    assert "dvc exp apply paper" in second and "Running stage 'train" not in second
    assert call(folder, "dvc", "exp", "list", "--name-only").split() == ["paper"]
    assert (folder / "params.yaml").read_bytes() == before
    assert call(folder, "git", "status", "--porcelain") == ""
    assert not (folder / ".venv").exists()
