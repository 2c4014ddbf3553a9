"""Commands of make and of dvc.yaml: values are data to them, and each target has a line of help."""

import re
import shutil
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from tests.clones import call
from tests.conftest import ROOT

HOSTILE = "a b;touch X;$(touch X)`touch X`'$(touch X)'\"$(touch X)\" & *"


def test_what_dvc_puts_into_a_command_is_quoted() -> None:
    """DVC itself quotes nothing."""
    for name, stage in YAML(typ="safe", pure=True).load((ROOT / "dvc.yaml").read_text())["stages"].items():
        for word in stage.get("do", stage)["cmd"].split():
            assert "${" not in word or re.fullmatch(r"'[\w./]*\$\{item\}[\w./]*'", word), (name, word)


# What make sets, and the words that the target's last command then has.
HOSTILE_TO_MAKE = f"{HOSTILE} $(shell touch X) ${{MODEL}} #\\"
TARGETS: dict[str, tuple[dict[str, str], list[str]]] = {
    "own": ({"CHAT": HOSTILE_TO_MAKE}, [HOSTILE_TO_MAKE]),
    "paper": ({"MODELS": "a,$(touch X) *"}, ["ladder=[a,$(touch X) *]", "finetune=[a,$(touch X) *]"]),
    "report": ({"REVISIONS": "main $(touch X);touch *"}, ["main", "$(touch", "X);touch", "*"]),
    "serve": ({"MODEL": HOSTILE_TO_MAKE}, [f"data/adapters/{HOSTILE_TO_MAKE}"]),
    "publish": (
        {"MODEL": HOSTILE_TO_MAKE, "REPOSITORY": HOSTILE_TO_MAKE, "PUSH": "--push; touch X"},
        [HOSTILE_TO_MAKE, HOSTILE_TO_MAKE, "--push;", "touch", "X"],
    ),
    "remote": ({"URL": HOSTILE_TO_MAKE, "ENDPOINT": HOSTILE_TO_MAKE}, ["endpointurl", HOSTILE_TO_MAKE]),
    "verify": ({"STAGES": "concat $(touch X) *"}, ["concat", "$(touch", "X)", "*"]),
    "bench": (
        {"BENCH": HOSTILE_TO_MAKE, "ARGUMENTS": "10 `touch X`"},
        [f"tests.benchmarks.{HOSTILE_TO_MAKE}", "10", "`touch", "X`"],
    ),
}
MAKEFILES = [ROOT / "Makefile", ROOT / "development.mk"]
MADE_WITH = ("Makefile", "development.mk", "pyproject.toml", "constraints.txt", "recipes", "requirements")


@pytest.fixture(scope="module")
def make_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which make finds an environment that only notes what it is called with."""
    folder = tmp_path_factory.mktemp("a folder") / "with 'blanks' $(touch X)"
    (folder / ".venv" / "bin").mkdir(parents=True)
    call(ROOT, "cp", "-r", *MADE_WITH, str(folder))
    for name in ("python", "dvc"):
        program = folder / ".venv" / "bin" / name
        program.write_text("#!/bin/sh\nprintf '%s\\0' \"$@\" > called\n")
        program.chmod(0o755)
    (folder / ".venv" / ".ready").touch()
    return folder


@pytest.mark.parametrize("source", ["as arguments", "as environment"])
@pytest.mark.parametrize("target", TARGETS)
def test_makes_variables_are_data(make_folder: Path, target: str, source: str) -> None:
    values, words = TARGETS[target]
    variables = values if source == "as environment" else {}
    call(
        make_folder,
        "make",
        target,
        *(f"{name}={value}" for name, value in values.items() if not variables),
        variables=variables,
    )
    arguments = (make_folder / "called").read_text().split("\0")
    assert [word for word in arguments if word in words] == words
    assert not list(make_folder.rglob("X"))


def test_makes_variables_are_all_tried() -> None:
    rules = "".join(file.read_text() for file in MAKEFILES)
    names = {name for values, _ in TARGETS.values() for name in values} | {"PYTHON"}
    assert names == set(re.findall(r"^(\w+) \?=", rules, re.MULTILINE))
    assert names == set(re.findall(r"^SETTINGS := (.+)", rules, re.MULTILINE)[0].split())
    recipes = "".join(line for line in rules.splitlines(keepends=True) if line.startswith("\t"))
    assert not names & set(re.findall(r"(?<!if )\$\((\w+)\)", recipes))


def test_make_paper_without_models_takes_those_of_the_recipe(make_folder: Path) -> None:
    call(make_folder, "make", "paper")
    arguments = (make_folder / "called").read_text().split("\0")
    assert arguments == ["-m", "stages.tools.experiment", "recipes/paper.yaml", "paper", ""]


@pytest.mark.parametrize(("target", "message"), [("own", "make own CHAT="), ("remote", "make remote URL=")])
def test_make_says_what_it_must_be_told(make_folder: Path, target: str, message: str) -> None:
    assert message in call(make_folder, "make", target, fails=True)


@pytest.mark.parametrize(("makefile", "limit"), [(MAKEFILES[0], 13), (MAKEFILES[1], 13)])
def test_every_target_has_a_line_of_help(make_folder: Path, makefile: Path, limit: int) -> None:
    """But for files and what only other targets ask for, which `make help` doesn't list."""
    targets = re.findall(r"^([a-z][a-z-]*):", makefile.read_text(), re.MULTILINE)
    command = "help" if makefile.name == "Makefile" else "help-development"
    help_targets = [line.split()[0] for line in call(make_folder, "make", command).splitlines()]
    assert help_targets == [target for target in targets if target not in ("environments", "java", "browser")]
    assert len(help_targets) <= limit
    rules = makefile.read_text().replace("\\\n", " ")
    assert set(help_targets) <= set(re.findall(r"^\.PHONY: (.+)", rules, re.MULTILINE)[0].split())


def test_no_target_installs_system_packages(make_folder: Path, tmp_path: Path) -> None:
    """Where software is missing a target says so; a program that would install it is never called."""
    for program in ("apt-get", "apt", "sudo"):
        (tmp_path / program).write_text(f"#!/bin/sh\ntouch {tmp_path}/installed\n")
        (tmp_path / program).chmod(0o755)
    for program in ("sh", "ls", "env"):
        (tmp_path / program).symlink_to(shutil.which(program) or program)
    variables = {"PATH": str(tmp_path), "HOME": str(tmp_path)}
    make = shutil.which("make") or "make"
    for target, missing in (("test-spark", "Java"), ("browser", "Chromium"), ("test-all", "Java")):
        output = call(make_folder, make, target, fails=True, variables=variables)
        assert missing in output and "apt-get install" in output
    assert not (tmp_path / "installed").exists()
    assert "apt-get" not in "".join(
        line.split("echo")[0] for file in MAKEFILES for line in file.read_text().splitlines() if line.startswith("\t")
    )
