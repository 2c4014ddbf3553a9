"""What every stage has in common."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from tests.conftest import ROOT

HEAVY = {
    "torch",
    "transformers",
    "trl",
    "peft",
    "vllm",
    "evaluate",
    "sklearn",
    "scipy",
    "datasets",
    "dvclive",
    "textual",
}
STAGES = sorted(
    {
        line.split("-m stages.")[1].split()[0]
        for line in (ROOT / "dvc.yaml").read_text().splitlines()
        if "-m stages." in line
    }
)


@pytest.mark.parametrize("stage", STAGES)
def test_help_imports_nothing_heavy(stage: str) -> None:
    """So that it answers at once."""
    code = f"import sys, stages.{stage} as s; print(s.main.help); print({HEAVY!r} & set(sys.modules), file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stderr.strip() == "set()"
    assert f"python -m stages.{stage}" in done.stdout


def test_every_stage_depends_on_its_own_script_and_schemas() -> None:
    for name, stage in YAML(typ="safe", pure=True).load((ROOT / "dvc.yaml").read_text())["stages"].items():
        stage = stage.get("do", stage)
        script = "stages/" + stage["cmd"].split("-m stages.")[1].split()[0] + ".py"
        assert script in stage["deps"], name
        source = (ROOT / script).read_text()
        for module, names in re.findall(r"^ *from (stages\.\w+(?:\.\w+)?) import (.+)", source, re.MULTILINE):
            path = module.replace(".", "/")
            known = {f"{path}.py", path, str(Path(path).parent), f"{path}/{names}", f"{path}/{names}.py"} & set(
                stage["deps"]
            )
            assert known or path in ("stages/params", "stages/tables"), (name, module)


def test_a_stage_never_imports_a_stage() -> None:
    for stage in STAGES:
        source = (ROOT / "stages" / f"{stage}.py").read_text()
        for other in STAGES:
            assert f"from stages.{other} import" not in source, (stage, other)
            assert f"import stages.{other}" not in source, (stage, other)
