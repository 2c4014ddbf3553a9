"""What only some users need is an extra of pyproject.toml: the base imports none of it, a missing one is a line."""

import ast
import re
import subprocess
import sys
import tomllib
from importlib.metadata import PackageNotFoundError, packages_distributions, requires
from itertools import chain
from pathlib import Path

import click
import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from stages.pipeline.command import EXTRAS, Command
from tests.conftest import ROOT, run

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
OPTIONAL = {  # modules that are an extra's own
    "servers": ["stages.llm.connection"],
    "serve": ["stages.gating.service"],
    "terminal": ["stages.labels.help_screen", "stages.labels.item_view", "stages.labels.terminal"],
}
WITHOUT_EXTRAS = """
import importlib, pkgutil, sys
sys.modules.update(dict.fromkeys(%r))
import stages
for module in pkgutil.walk_packages(stages.__path__, "stages."):
    if module.name not in %r:
        importlib.import_module(module.name)
"""


def names(extra: str | None = None) -> set[str]:
    """The distributions that the base, or an extra, asks for."""
    requirements = PROJECT["optional-dependencies"][extra] if extra else PROJECT["dependencies"]
    return {canonicalize_name(Requirement(requirement).name) for requirement in requirements}


def test_what_the_project_is_named_after_is_in_the_base() -> None:
    assert {"dvc", "dvc-s3", "click", "pandera", "transformers", "peft", "trl", "torch", "evaluate"} <= names()


@pytest.mark.parametrize("extra", ["servers", "terminal", "serve", "pictures"])
def test_setup_installs_every_extra_that_runs_anywhere(extra: str) -> None:
    [project] = [
        Requirement(requirement)
        for requirement in PROJECT["optional-dependencies"]["dev"]
        if requirement.startswith(PROJECT["name"])
    ]
    assert extra in project.extras
    assert not names(extra) & names()


def test_each_package_of_an_extra_is_known_by_it() -> None:
    """As pyproject.toml has them; packages that aren't installed here, such as vllm, bear their module's name."""
    distributions = packages_distributions()
    for module, extra in EXTRAS.items():
        packages = {canonicalize_name(name) for name in distributions.get(module, [module])}
        assert packages & names(extra) or f"[{module}]" in str(PROJECT["optional-dependencies"][extra]), module
    covered = {canonicalize_name(name) for module in EXTRAS for name in distributions.get(module, [module])}
    assert set().union(*map(names, ("servers", "terminal", "serve", "pictures", "gpu", "vllm"))) <= covered


def test_the_base_imports_no_extra() -> None:
    code = WITHOUT_EXTRAS % (list(EXTRAS), list(chain(*OPTIONAL.values())))
    result = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr


def closure(requirements: list[str]) -> set[str]:
    """The distributions that are installed where these are, by what the installed ones ask for."""
    distributions: set[str] = set()
    todo = [Requirement(line) for line in requirements]
    while todo:
        requirement = todo.pop()
        keys = {
            str(canonicalize_name(requirement.name)),
            *(f"{canonicalize_name(requirement.name)}[{extra}]" for extra in requirement.extras),
        }
        if keys <= distributions:
            continue
        distributions |= keys
        try:
            dependencies = map(Requirement, requires(requirement.name) or [])
        except PackageNotFoundError:  # of another system
            continue
        todo += [
            dependency
            for dependency in dependencies
            if not dependency.marker
            or any(dependency.marker.evaluate({"extra": extra}) for extra in ("", *requirement.extras))
        ]
    return distributions


def test_all_other_packages_that_stages_import_come_with_the_base() -> None:
    """Those that functions import, too."""
    base = closure(PROJECT["dependencies"])
    distributions = packages_distributions()
    for file in (ROOT / "stages").rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            modules = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            modules += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            packages = {module.partition(".")[0] for module in modules}
            for package in packages - sys.stdlib_module_names - {"stages", *EXTRAS}:
                distribution_names = {str(canonicalize_name(name)) for name in distributions[package]}
                assert distribution_names & base, (file, package)


@pytest.mark.parametrize("module", EXTRAS)
def test_a_missing_extra_is_a_line(module: str, monkeypatch: pytest.MonkeyPatch) -> None:
    @click.command(cls=Command)
    def main() -> None:
        __import__(f"{module}.part")

    monkeypatch.setitem(sys.modules, module, None)
    output = run(main).output
    assert output == f"Error: {module} isn't installed: pip install '.[{EXTRAS[module]}]'\n"


def test_another_missing_package_is_no_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    @click.command(cls=Command)
    def main() -> None:
        import duckdb  # noqa: F401

    monkeypatch.setitem(sys.modules, "duckdb", None)
    assert isinstance(run(main).exception, ModuleNotFoundError)


def test_labelling_without_the_terminals_extra(tmp_path: Path) -> None:
    (tmp_path / "inquiries.jsonl").touch()
    code = "import runpy, sys; sys.modules['textual'] = None; runpy.run_module('stages.labels', run_name='__main__')"
    command = [sys.executable, "-c", code, "label", "ann", "--inquiries", str(tmp_path / "inquiries.jsonl")]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert result.stderr == "Error: textual isn't installed: pip install '.[terminal]'\n"
    assert result.returncode == 1


def test_the_comments_environment_has_what_the_comment_imports() -> None:
    """The workflow's light job installs requirements/comment.txt alone: no torch."""
    lines = (ROOT / "requirements" / "comment.txt").read_text().splitlines()
    light = closure([line for line in lines if not line.startswith("#")])
    assert not light & {"torch", "transformers", "datasets", "scikit-learn"}
    command = [sys.executable, "-X", "importtime", "-c", "import stages.reporting.comment, jinja2, vl_convert"]
    import_times = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stderr
    modules = {
        line.split("|")[2].strip().split(".")[0]
        for line in import_times.splitlines()
        if line.startswith("import time:")
    }
    distributions = packages_distributions()
    imported = {str(canonicalize_name(name)) for module in modules for name in distributions.get(module, [])}
    optional = {"cloudpickle", "pytz"}  # pyarrow and pandas take them where they are
    assert imported - light - optional <= {PROJECT["name"], "setuptools", "mypy"}


def test_requirements_are_pinned() -> None:
    """Those of other software's environments; the comment's have the versions of constraints.txt."""
    files = sorted((ROOT / "requirements").glob("*.txt"))
    assert {file.stem for file in files} == {
        "assistants", "axolotl", "comment", "label-studio", "litellm", "llama-cpp-python", "llama-factory", "servers",
        "sky", "spark", "tools", "vllm",
    }  # fmt: skip
    pinned = {line.split("==")[0] for line in (ROOT / "constraints.txt").read_text().splitlines()}
    for file in files:
        for line in file.read_text().splitlines():
            name = re.match(r"[\w.-]+", line)
            assert line.startswith("#") or "==" in line or (name and str(canonicalize_name(name[0])) in pinned), line
    makefiles = "".join(Path(ROOT / name).read_text() for name in ("Makefile", "development.mk"))
    assert re.findall(r"[\w-]+==\d", makefiles) == []
