"""A GPU machine: what the docs install on one can be resolved, and SkyPilot reads the recipe that rents one.

`make test-rent` makes the environments. Nothing is rented, and nothing large is downloaded.
"""

import json
import os
import re
import shlex
import subprocess
from pathlib import Path
from typing import Any

import pytest
from packaging.utils import canonicalize_name

from stages.pipeline.experiments import params_of_experiment, recipe
from stages.pipeline.files import read_yaml
from stages.tools.preflight import Machine, footprints, missing_disk, missing_memory
from tests.conftest import ROOT

UV = ROOT / ".venv-tools" / "bin" / "uv"
PIP = ROOT / ".venv-tools" / "bin" / "pip"
SKY = ROOT / ".venv-sky" / "bin" / "python"
RECIPE = ROOT / "recipes" / "sky.yaml"
GPU_LINE = r"pip install (-c constraints-gpu\.txt .+)"
PLATFORM = "x86_64-manylinux_2_31"  # Linux with glibc 2.31 or newer, as one of vLLM's packages needs
PINNED = dict(line.split("==") for line in (ROOT / "constraints-gpu.txt").read_text().splitlines() if "==" in line)
LARGEST_DOWNLOAD = 300e6  # bytes; a CUDA build of torch alone has more


def arguments(page: str) -> list[str]:
    """What a page's line gives pip."""
    [words] = set(re.findall(GPU_LINE, (ROOT / page).read_text()))
    return shlex.split(words)


def index() -> dict[str, str]:
    """Where uv finds packages: at the index that pip is set to, if it is."""
    process = subprocess.run([PIP, "config", "get", "global.index-url"], capture_output=True, text=True)
    url = os.environ.get("PIP_INDEX_URL") or process.stdout.strip()
    return {"UV_DEFAULT_INDEX": url} if url else {}


needs_tools = pytest.mark.skipif(not UV.exists(), reason="make test-rent")
needs_sky = pytest.mark.skipif(not SKY.exists(), reason="make test-rent")


@needs_tools
@pytest.mark.parametrize("python", ["3.11", "3.12"])
def test_the_line_in_the_docs_installs_pinned_packages_for_cuda(python: str, tmp_path: Path) -> None:
    environment = os.environ | index() | {"UV_CACHE_DIR": str(tmp_path / "cache")}
    subprocess.run([UV, "venv", "--quiet", tmp_path / "venv"], check=True, env=environment)
    machine = ["--python-platform", PLATFORM, "--python-version", python, "--python", str(tmp_path / "venv")]
    command = [str(UV), "pip", "install", "--dry-run", *machine, *arguments("docs/gpu.md")]
    process = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300)
    assert process.returncode == 0, process.stderr
    packages = dict(re.findall(r"^ \+ ([\w.-]+)==(\S+)", process.stderr, re.MULTILINE))
    assert {"torch", "vllm", "bitsandbytes", "nvidia-cublas", "dvc", "peft", "trl"} <= packages.keys()
    unpinned = {"labels-by-law", "setuptools", "pip"}
    assert {name: version for name, version in packages.items() if name not in unpinned} == {
        name: PINNED.get(name) for name in packages if name not in unpinned
    }
    size = sum(file.stat().st_size for file in (tmp_path / "cache").rglob("*") if file.is_file())
    assert size < LARGEST_DOWNLOAD


def test_the_recipe_installs_what_the_docs_install() -> None:
    assert arguments("recipes/sky.yaml") == arguments("docs/gpu.md")


CODE = """
import json, sys
from sky import Task
task = Task.from_yaml_config(json.load(sys.stdin), secrets_overrides=[("AWS_ACCESS_KEY_ID", "not a key")])
machines = [
    {
        "accelerators": resources.accelerators, "spot": resources.use_spot, "recovery": resources.job_recovery,
        "memory": resources.memory, "disk": resources.disk_size, "down": resources.autostop_config.down,
    }
    for resources in task.resources
]
print(json.dumps({"machines": machines, "envs": task.envs, "secrets": list(task.secrets), "setup": task.setup,
                  "run": task.run, "workdir": task.workdir, "mounts": list(task.storage_mounts)}))
"""


def parsed(home: Path, settings: dict[str, Any]) -> subprocess.CompletedProcess[str]:
    """What SkyPilot makes of a recipe."""
    environment = os.environ | {"HOME": str(home), "SKYPILOT_DISABLE_USAGE_COLLECTION": "1"}
    return subprocess.run(
        [SKY, "-c", CODE], input=json.dumps(settings), env=environment, capture_output=True, text=True
    )


@needs_sky
def test_skypilot_reads_the_recipe(tmp_path: Path) -> None:
    process = parsed(tmp_path, read_yaml(RECIPE))
    assert process.returncode == 0, process.stderr
    task = json.loads(process.stdout.splitlines()[-1])
    cards = {name for machine in task["machines"] for name in machine["accelerators"]}
    assert cards == {"A100-80GB", "H100", "H200"}
    for machine in task["machines"]:
        assert list(machine["accelerators"].values()) == [1]
        assert machine["spot"] and machine["down"] and machine["recovery"]["max_restarts_on_errors"] == 0
    assert task["mounts"] == ["/state"] and task["envs"]["LABELS_CACHE"].startswith("/state/")
    assert task["secrets"] == ["AWS_ACCESS_KEY_ID"]  # the one that was given


@needs_sky
@pytest.mark.parametrize(
    "wrong",
    [{"resources": {"acelerators": {"H100": 1}}}, {"envs": {"1A": "x"}}, {"setups": "true"}],
)
def test_skypilot_refuses_what_it_does_not_know(wrong: dict[str, Any], tmp_path: Path) -> None:
    process = parsed(tmp_path, read_yaml(RECIPE) | wrong)
    assert process.returncode != 0 and "Invalid" in process.stderr


def test_the_smallest_machine_of_the_recipe_is_large_enough() -> None:
    """By preflight's table, for the paper's settings on all seven models."""
    resources = read_yaml(RECIPE)["resources"]
    ram, disk = int(resources["memory"].rstrip("+")) * 10**9, resources["disk_size"] * 10**9
    p = params_of_experiment(recipe(ROOT / "recipes" / "paper.yaml"))
    needs, problems = footprints(p, has_gpu=True, ask_hub=False)
    assert not problems and len(needs) >= 7
    assert missing_memory(p, needs, Machine([("NVIDIA A100-SXM4-80GB", 84_974_239_744)], ram)) == []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("shutil.disk_usage", lambda folder: type("Usage", (), {"free": 0}))
        missing_bytes = sum(float(line.split()[0]) for line in missing_disk(p, needs, list(needs))) * 1e9
    packages = 30e9
    assert missing_bytes + packages < disk


def test_its_shell_is_shell_and_its_secrets_are_nowhere() -> None:
    settings = read_yaml(RECIPE)
    for part in ("setup", "run"):
        subprocess.run(["bash", "-n"], input=settings[part], text=True, check=True)
        assert settings[part].startswith("set -e\n")
    assert set(settings["secrets"].values()) == {None}
    commands = [line.split("  #")[0] for line in settings["run"].splitlines()]
    assert commands[-2:] == ["dvc exp push origin paper", "dvc push"]


def test_constraints_have_no_local_builds_and_the_tested_torch() -> None:
    assert not [version for version in PINNED.values() if "+" in version]
    tested = dict(line.split("==") for line in (ROOT / "constraints.txt").read_text().splitlines() if "==" in line)
    assert PINNED["torch"] == tested["torch"]
    assert all(name == canonicalize_name(name) for name in PINNED)
