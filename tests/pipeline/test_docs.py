"""README.md, CONTRIBUTING.md and docs/: their length, links, figures, names and commands."""

import json
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib import import_module
from itertools import pairwise, takewhile
from pathlib import Path
from typing import Any

import click
import pytest
from markdown_it import MarkdownIt
from markdown_it.token import Token
from ruamel.yaml import YAML

from stages.llm import prompts
from stages.pipeline.definition import Definition
from stages.pipeline.params import params
from tests.clones import commit, copy, cut, environment, own_chat
from tests.conftest import ROOT, copy_settings, inquiry
from tests.documented import COMMANDS, RunBy, Runs

README = ROOT / "README.md"
PAGES = [README, ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
MEASURED = ("performance.md", "scale.md", "masking.md")  # pages whose figures were measured by hand
LONGEST_README = 180
SHELL = ("", "sh", "bash")  # languages of a block that is commands
COMMAND = re.compile(r"(?:[A-Z_]+=\S+ )?(?:make|dvc|python|pip|git|source|cml) \S.*")  # in a sentence, or in YAML
FAKE_MAKE = ["make", "--old-file=.venv/.ready"]  # the environment stands
MADE_BY_A_RUN = ("metrics/", "data/README.md")  # links into these hold for the sample alone
PARAMS: dict[str, Any] = YAML(typ="safe", pure=True).load((ROOT / "params.yaml").read_text(encoding="utf-8"))
SAMPLE = PARAMS["ingest"]["path"] == "data/raw/chitchat.json"
ONLY_THE_SAMPLE = pytest.mark.skipif(
    not SAMPLE or not (ROOT / "metrics" / "tables.json").exists(),
    reason="these pages have the figures of the sample: ingest.path is another chat, or metrics/ has no tables",
)


def tokens(page: Path) -> list[Token]:
    return MarkdownIt("commonmark").enable("table").parse(page.read_text(encoding="utf-8"))


def inline(page: Path) -> Iterator[Token]:
    """Links, images, code and texts of a page, in its order."""
    for token in tokens(page):
        yield from token.children or []


def commands(page: Path) -> list[str]:
    """The commands in a page's blocks, without their comments; continued lines are joined."""
    block_commands = []
    for token in tokens(page):
        if token.type == "code_block" or (token.type == "fence" and token.info.strip() in SHELL):
            for line in token.content.replace("\\\n", " ").splitlines():
                if command := " ".join(re.sub(r"(^|\s)#.*", "", line).split()):
                    block_commands.append(command)
    return block_commands


def other_commands(page: Path) -> list[str]:
    """The commands in a page's sentences and tables, and in lists of its blocks of YAML."""
    candidates = [token.content for token in inline(page) if token.type == "code_inline"]
    for token in tokens(page):
        if token.type == "fence" and token.info.strip() == "yaml":
            candidates += [line.strip().removeprefix("- ") for line in token.content.splitlines()]
    return [text for text in candidates if COMMAND.fullmatch(text)]


DOCUMENTED = list(dict.fromkeys(command for page in PAGES for command in [*commands(page), *other_commands(page)]))
SIMPLE = [shlex.split(part) for command in DOCUMENTED for part in command.split(" && ") if "(" not in part]


def slugs(page: Path) -> set[str]:
    """The anchors that GitHub gives a page's headings."""
    found: set[str] = set()
    everything = tokens(page)
    for opening, heading in pairwise(everything):
        if opening.type == "heading_open":
            text = "".join(child.content for child in heading.children or [])
            slug = re.sub(r"[^\w\- ]", "", text.lower()).replace(" ", "-")
            found.add(slug if slug not in found else f"{slug}-1")
    return found


def test_the_readme_is_short() -> None:
    assert len(README.read_text(encoding="utf-8").splitlines()) <= LONGEST_README


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    broken = []
    for token in inline(page):
        target = str(token.attrGet("href") or token.attrGet("src") or "")
        if not target or re.match(r"[a-z]+:", target):
            continue
        name, _, anchor = target.partition("#")
        place = (page.parent / name).resolve() if name else page
        if not SAMPLE and str(place.relative_to(ROOT)).startswith(MADE_BY_A_RUN):
            continue
        if not place.exists() or (anchor and anchor not in slugs(place)):
            broken.append(target)
    assert broken == []


def test_every_page_is_linked_from_the_readme() -> None:
    linked = {str(token.attrGet("href")) for token in inline(README) if token.type == "link_open"}
    assert {str(page.relative_to(ROOT)) for page in PAGES} - {"README.md"} <= linked


@ONLY_THE_SAMPLE
def test_figures_are_those_of_the_committed_metrics() -> None:
    pages = [str(page.relative_to(ROOT)) for page in PAGES]
    result = subprocess.run(
        [sys.executable, "-m", "cogapp", "--check", "--diff", *pages], cwd=ROOT, capture_output=True, text=True
    )
    assert result.returncode == 0, f"out of date: make figures\n{result.stdout}{result.stderr}"


@ONLY_THE_SAMPLE
def test_another_figure_makes_a_page_stale(tmp_path: Path) -> None:
    folder = copy(tmp_path)
    tables = folder / "metrics" / "tables.json"
    old = json.loads(tables.read_text())["table_2"][0]["f1_low"]
    tables.write_text(tables.read_text().replace(str(old), "0.123456"))
    check = [sys.executable, "-m", "cogapp", "--check", "--diff", "README.md"]
    result = subprocess.run(check, cwd=folder, capture_output=True, text=True)
    assert result.returncode != 0
    assert "12.35" in result.stdout


@pytest.mark.parametrize("page", [page for page in PAGES if page.name not in MEASURED], ids=lambda page: page.name)
def test_no_result_is_typed_by_hand(page: Path) -> None:
    """A figure with bounds or two decimals stands in a generated block, or on a page of measurements."""
    text = re.sub(r"<!-- \[\[\[cog.*?\[\[\[end\]\]\] -->", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    text = re.sub(r"```.*?```|`[^`]*`|\]\([^)]*\)", "", text, flags=re.DOTALL)
    assert re.findall(r"[^\n]*(?:\d%? \(-?[\d.]+ to |(?<!Python )\b\d+\.\d\d+\b)[^\n]*", text) == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_files_and_settings_that_are_named_exist(page: Path) -> None:
    """Files of the repository and keys of params.yaml in code spans; capitals stand for a name of one's choice."""
    missing = []
    for token in inline(page):
        name = token.content
        if token.type != "code_inline" or re.search("[A-Z]", name):
            continue
        if re.fullmatch(r"(stages|tests|recipes|docs|questions)/[\w/.-]+", name) and not (ROOT / name).exists():
            missing.append(name)
        if re.fullmatch(r"[a-z_]+(\.[a-z_]+)+", name) and isinstance(PARAMS.get(name.split(".")[0]), dict):
            missing += [] if is_set(name) else [name]
    assert missing == []


def is_set(name: str) -> bool:
    """Whether params.yaml has this key, its sections divided by dots."""
    place: Any = PARAMS
    for part in name.split("."):
        if not isinstance(place, dict) or part not in place:
            return False
        place = place[part]
    return True


def test_the_question_of_the_page_is_asked(tmp_path: Path) -> None:
    """The two files of docs/another-question.md, its keys, and the places that its prompt may have."""
    page = ROOT / "docs" / "another-question.md"
    question_file, prompt_file = (token.content for token in tokens(page) if token.info.strip() == "yaml")
    copy_settings(tmp_path)
    folder = tmp_path / "questions" / "is_personal"
    (folder / "prompts").mkdir(parents=True)
    (folder / "question.yaml").write_text(question_file)
    (folder / "prompts" / "en.yaml").write_text(prompt_file)
    question = params(tmp_path / "params.yaml").asking("is_personal").question.definition
    assert (question.positive, question.negative) == ("personal", "not_personal")
    assert question.judges_filter
    text = prompts.render(inquiry(1, "Do you ski?"), prompts.load(question, "en"), prompts.OPTIONS, window=2)
    assert "A. not personal\nB. personal\nC. don't know" in text
    assert text.endswith("Chat:\nB: turn 0\nA: turn 1\n\nLast message:\nA: Do you ski?")

    cells = [row.split("|")[1].strip() for row in page.read_text(encoding="utf-8").splitlines() if row.startswith("|")]
    assert [cell.strip("`") for cell in cells[2:]] == list(Definition.model_fields)
    (folder / "question.yaml").write_text(f"{question_file}history: false\n")
    with pytest.raises(click.ClickException, match="task must have"):
        prompts.load(params(tmp_path / "params.yaml").asking("is_personal").question.definition, "en")


def test_every_command_is_run_or_says_why_not() -> None:
    assert [command for command in DOCUMENTED if command not in COMMANDS] == [], "without an entry in COMMANDS"
    assert [command for command in COMMANDS if command not in DOCUMENTED] == [], "in COMMANDS and on no page"


def test_the_tests_that_run_commands_exist() -> None:
    source = "".join(file.read_text(encoding="utf-8") for file in (ROOT / "tests").rglob("*.py"))
    named = {how.test for how in COMMANDS.values() if isinstance(how, RunBy)}
    assert {test for test in named if f"def {test}(" not in source} == set()


@pytest.mark.parametrize("command", [words for words in SIMPLE if words[:2] == ["python", "-m"]], ids=" ".join)
def test_modules_take_the_arguments_that_are_shown(command: list[str]) -> None:
    """Names of options and the number of arguments; values are not looked at."""
    if command[2] == "pytest":
        return
    module = import_module(command[2] if command[2] != "stages.labels" else "stages.labels.__main__")
    main, given = module.main, list(takewhile(lambda word: word != ">", command[3:]))
    if isinstance(main, click.Group):
        main, given = main.commands[given[0]], given[1:]
    _, rest, _ = main.make_parser(click.Context(main)).parse_args(given)
    assert rest == []


@pytest.mark.parametrize("command", [words for words in SIMPLE if words[0] == "make"], ids=" ".join)
def test_make_has_the_targets_that_are_shown(command: list[str]) -> None:
    result = subprocess.run([*FAKE_MAKE, "--dry-run", *command[1:]], cwd=ROOT, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr


def test_settings_of_experiments_exist() -> None:
    named = {value.split("=")[0] for words in SIMPLE for flag, value in pairwise(words) if flag == "-S"}
    assert "lr" in named
    assert {name for name in named if not is_set(name)} == set()


def test_extras_that_are_installed_exist() -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    lists = [words[-1].strip(".[]") for words in SIMPLE if words[:2] == ["pip", "install"] and ".[" in words[-1]]
    installed = {extra for extras_of_a_line in lists for extra in extras_of_a_line.split(",")}
    assert {"vllm", "gpu"} <= installed <= extras.keys()


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = copy(tmp_path_factory.mktemp("docs") / "checkout")
    shell(folder, "git checkout --quiet -b main")
    commit(folder, "as it stands")
    return folder


def shell(folder: Path, command: str, status: int = 0) -> str:
    """Type a command, as somebody whose home has an export and who has no model hub; return what it prints."""
    if command.startswith("make "):
        command = " ".join([*FAKE_MAKE, command.removeprefix("make ")])
    variables = environment(HOME=str(folder.parent), HF_HUB_OFFLINE="1")
    result = subprocess.run(["bash", "-c", command], cwd=folder, env=variables, capture_output=True, text=True)
    assert result.returncode == status, f"{command}\n{result.stdout}\n{result.stderr}"
    return result.stdout + result.stderr


@ONLY_THE_SAMPLE
@pytest.mark.parametrize("command", [command for command, how in COMMANDS.items() if isinstance(how, Runs)])
def test_cheap_commands_run(checkout: Path, tmp_path: Path, command: str) -> None:
    how = COMMANDS[command]
    assert isinstance(how, Runs)
    folder = shutil.copytree(checkout, tmp_path / "checkout", symlinks=True)
    for name, content in how.files:
        (folder / name).write_text(content)
    for earlier in how.after:
        shell(folder, earlier)
    assert how.prints in shell(folder, command, how.status)


COUNT = """
import json, pathlib, sys
rows = len(pathlib.Path(sys.argv[1]).read_text().splitlines())
pathlib.Path(sys.argv[2]).write_text(json.dumps({"rows": rows}))
"""


@pytest.mark.dvc
def test_a_growing_log_under_version_control(tmp_path: Path) -> None:
    """The blocks of docs/own-chat.md as they stand, with the real ingest and concat; what follows only counts."""
    filtered = {
        "cmd": "cp data/turns.jsonl data/inquiries.jsonl",
        "deps": ["data/turns.jsonl"],
        "outs": ["data/inquiries.jsonl"],
    }
    counted = {
        "cmd": "python count.py data/inquiries.jsonl metrics/annotate.json",
        "deps": ["data/inquiries.jsonl"],
        "metrics": [{"metrics/annotate.json": {"cache": False}}],
    }
    folder = cut(tmp_path / "project", {"filter": filtered, "annotate": counted})
    (folder / "count.py").write_text(COUNT)
    (folder / "data" / "room.jsonl").unlink()
    shell(folder, "git checkout --quiet -b main")
    commit(folder, "a project")

    page = commands(ROOT / "docs" / "own-chat.md")
    march = page.index("git switch -c march")
    start = max(i for i in range(march) if page[i].startswith("cp ~/export.jsonl"))
    february_steps = [command for command in page[start:march] if "stages.labels label" not in command]
    export = tmp_path / "export.jsonl"
    own_chat(export)
    whole = export.read_text()
    export.write_text("".join(whole.splitlines(keepends=True)[:100]))
    for command in february_steps:
        shell(folder, command)
    export.write_text(whole)
    said = {command: shell(folder, command) for command in page[march:]}
    assert "data/messages.jsonl" in said["dvc diff main march"]
    assert re.search(r"ingest\.json\s+n\s+100\s+240", said["dvc metrics diff main march"])
    messages = folder / "data" / "messages.jsonl"
    assert len(messages.read_text().splitlines()) == 100  # February's, from the cache


@pytest.mark.dvc
def test_a_part_of_the_pipeline_is_pulled(tmp_path: Path) -> None:
    never = {"cmd": "false", "deps": ["data/turns.jsonl"], "outs": ["data/never.jsonl"]}
    mine = cut(tmp_path / "mine", {"never": never})
    shell(
        mine, f"dvc remote add --default storage {tmp_path / 'store'} && dvc add data/room.jsonl && dvc repro concat"
    )
    commit(mine, "in part")
    shell(mine, "dvc push")
    shell(tmp_path, "git clone --quiet mine theirs")
    theirs = tmp_path / "theirs"
    shell(theirs, "dvc pull --allow-missing")
    assert (theirs / "data/turns.jsonl").read_bytes() == (mine / "data/turns.jsonl").read_bytes()
