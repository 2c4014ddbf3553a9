"""What every stage has in common."""

import ast
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

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


def test_help_imports_nothing_heavy() -> None:
    """So that it answers at once. One process asks all stages: what one of them imported would show."""
    code = f"""
import importlib, json, sys
helps = {{name: importlib.import_module(f"stages.{{name}}").main.help for name in {STAGES!r}}}
print(json.dumps({{"helps": helps, "heavy": sorted({HEAVY!r} & set(sys.modules))}}))
"""
    result = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    told = json.loads(result.stdout)
    assert told["heavy"] == []
    for stage, text in told["helps"].items():
        assert f"python -m stages.{stage}" in text


# Files of rooms that decide no byte of an output: how a command is called, what is said, where files lie.
DECIDES_NOTHING = {
    *("__init__", "command", "experiments", "files", "params", "settings", "shell", "temporary", "text", "wheels"),
    *("structure",),  # which tables are refused
}


def decides_nothing(file: str) -> bool:
    return file.startswith("stages/pipeline/") and Path(file).stem in DECIDES_NOTHING


def imports_of(script: str) -> Iterator[str]:
    """The files of the project that a file imports, also inside functions, and the packages that they are in."""
    for node in ast.walk(ast.parse((ROOT / script).read_text())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("stages"):
            path = str(node.module).replace(".", "/")
            names = [path, *(f"{path}/{alias.name}" for alias in node.names)]
        elif isinstance(node, ast.Import):
            names = [alias.name.replace(".", "/") for alias in node.names if alias.name.startswith("stages")]
        else:
            continue
        for name in names:
            yield from (file for file in (f"{name}.py", f"{name}/__init__.py") if (ROOT / file).exists())


def imported(script: str) -> set[str]:
    """The files of the rooms that decide what a file does: those that it imports, and those that they import."""
    files: set[str] = set()
    todo = [script]
    while todo:
        new = {file for file in imports_of(todo.pop()) if not decides_nothing(file) and not is_empty(file)} - files
        files |= new
        todo += new
    return files


def is_empty(file: str) -> bool:
    """Whether a package has nothing but a docstring, imports and names of types."""
    if not file.endswith("__init__.py"):
        return False
    nodes = ast.parse((ROOT / file).read_text()).body
    return all(isinstance(node, ast.Expr | ast.Import | ast.ImportFrom | ast.Assign) for node in nodes)


def test_every_stage_depends_on_all_code_that_decides_its_outputs() -> None:
    for name, stage in YAML(typ="safe", pure=True).load((ROOT / "dvc.yaml").read_text())["stages"].items():
        stage = stage.get("do", stage)
        script = "stages/" + stage["cmd"].split("-m stages.")[1].split()[0] + ".py"
        assert script in stage["deps"], name
        for file in imported(script):
            assert any(file == dep or file.startswith(f"{dep}/") for dep in stage["deps"]), (name, file)
        for dep in stage["deps"]:
            assert "$" in dep or dep.startswith(("data/", "metrics/")) or (ROOT / dep).exists(), (name, dep)


def test_the_order_of_options_in_training_makes_no_baseline_stale() -> None:
    """And that of evaluation no training: who asks models depends on one, who writes the alpaca files on the other."""
    key = "question.option_order"
    params_by_stage = {
        name: set(stage.get("do", stage).get("params", []))
        for name, stage in YAML(typ="safe", pure=True).load((ROOT / "dvc.yaml").read_text())["stages"].items()
    }
    for order, expected in (("evaluation", {"baseline", "tuned"}), ("training", {"export", "pseudo_label"})):
        dependents = {name for name, keys in params_by_stage.items() if {"question", key, f"{key}.{order}"} & keys}
        assert dependents == expected | {"report"}  # whose cards name both


def test_rooms_import_no_stage() -> None:
    for file in (ROOT / "stages").glob("*/**/*.py"):
        for stage in STAGES:
            assert not re.search(rf"(from stages\.{stage}|import stages\.{stage})\b", file.read_text()), file
            assert not re.search(rf"from stages import .*\b{stage}\b", file.read_text()), file


def test_the_top_of_stages_holds_stages_alone() -> None:
    assert {file.stem for file in (ROOT / "stages").glob("*.py")} == {"__init__", *STAGES}


def test_a_stage_never_imports_a_stage() -> None:
    for stage in STAGES:
        source = (ROOT / "stages" / f"{stage}.py").read_text()
        for other in STAGES:
            assert f"from stages.{other} import" not in source, (stage, other)
            assert f"import stages.{other}" not in source, (stage, other)
