"""The same bytes whatever the time zone, the language, the hash seed, threads and the order of a folder's files."""

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from stages.llm.prompts import OPTIONS
from stages.pipeline.schemas import NO_GUIDELINE
from tests.clones import contents, environment, own_chat
from tests.conftest import QUESTION, ROOT, RULES_ALONE, change_params, copy_settings, write_random_states

pytestmark = pytest.mark.slow

STAGES = ("ingest", "concat", "score", "sample", "filter", "judge_filter", "annotate", "validate", "export", "floor")
CHANGES: dict[str, Any] = {
    "ingest.path": "data/room.jsonl",
    "ingest.format": "paper",
    "annotate.policy": "majority",
    "evaluate.bootstrap": 50,
} | RULES_ALONE
HERE = {"TZ": "UTC", "LC_ALL": "C.UTF-8", "PYTHONHASHSEED": "0", "OMP_NUM_THREADS": "1", "FOLDERS": "forwards"}
THERE = {
    "TZ": "Pacific/Kiritimati",  # 14 hours ahead
    "LC_ALL": "C",  # and with the next two, files are ASCII where nobody says otherwise
    "PYTHONCOERCECLOCALE": "0",
    "PYTHONUTF8": "0",
    "PYTHONHASHSEED": "1",
    "OMP_NUM_THREADS": "2",
    "FOLDERS": "backwards",
}
LISTING = """
import os

scandir, listdir, back = os.scandir, os.listdir, os.environ["FOLDERS"] == "backwards"


class Listed(list):
    def __enter__(self):
        return iter(self)

    def __exit__(self, *error):
        pass


def listed(path="."):
    with scandir(path) as entries:
        return Listed(sorted(entries, key=lambda entry: entry.name, reverse=back))


os.scandir = listed
os.listdir = lambda path=".": sorted(listdir(path), reverse=back)
"""


def run_stages(folder: Path, variables: dict[str, str], names: tuple[str, ...]) -> None:
    """The stages' own commands from dvc.yaml, in a folder that isn't the repository's."""
    stages = YAML(typ="safe", pure=True).load((ROOT / "dvc.yaml").read_text())["stages"]
    for name in names:
        run_module(folder, variables, stages[name]["cmd"].removeprefix("python -m stages."))


def run_module(folder: Path, variables: dict[str, str], command: str) -> None:
    paths = f"{folder.parent / 'listing'}:{ROOT}"
    arguments = [sys.executable, "-m", *f"stages.{command}".split()]
    subprocess.run(arguments, cwd=folder, env=environment(PYTHONPATH=paths, **variables), check=True)


def project(folder: Path) -> Path:
    (folder / "data" / "annotations" / QUESTION.name).mkdir(parents=True)
    copy_settings(folder)
    change_params(folder, CHANGES)
    own_chat(folder / "data" / "room.jsonl")
    with (folder / "data" / "room.jsonl").open("a", encoding="utf-8") as file:
        for i, text in enumerate(("那第二个呢？", "İıŞş, ça va? 🙂", "Ünïcode, ok?", " ", "x\0?")):
            row = {"id": 1000 + i, "sender": f"ärger{i % 2}", "text": text, "timestamp": 1_600_100_000 + 60 * i}
            file.write(json.dumps(row, ensure_ascii=False) + "\n")
    return folder


def label(folder: Path) -> None:
    """Five annotators who don't agree, with labels of the same second."""
    ids = [json.loads(line)["id"] for line in (folder / "data" / "inquiries.jsonl").read_text("utf-8").splitlines()]
    for number, name in enumerate(("ann", "bob", "cleo", "dan", "eve")):
        lines = [
            {
                "id": id,
                "annotator": name,
                "label": ("needed", "not_needed", "not_question")[id % (number + 2) % 3],
                "at": 1_600_200_000,
                "seconds": None,
                "guideline": NO_GUIDELINE,
                "note": f"ça {name}",
            }
            for id in ids
        ]
        text = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
        (folder / "data" / "annotations" / QUESTION.name / f"{name}.jsonl").write_text(text, "utf-8")


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, Path]]:
    folder = tmp_path_factory.mktemp("same")
    (folder / "listing").mkdir()
    (folder / "listing" / "sitecustomize.py").write_text(LISTING)
    here, there = project(folder / "here"), project(folder / "there")
    for where, variables in ((here, HERE), (there, THERE)):
        labelled = STAGES.index("annotate")
        run_stages(where, variables, STAGES[:labelled])
        label(where)
        write_random_states(where / "data" / "inquiries.jsonl", where / "data" / "states.safetensors")
        run_stages(where, variables, STAGES[labelled:])
    yield here, there


def test_the_surroundings_do_differ(both: tuple[Path, Path]) -> None:
    """Otherwise the next test would say nothing."""
    code = """
import locale, pathlib, time
print(time.tzname, locale.getpreferredencoding(False), hash("a"), *pathlib.Path().glob("*"), sep="\t")
"""
    outputs = [
        subprocess.run(
            [sys.executable, "-c", code],
            cwd=both[0],
            env=environment(PYTHONPATH=str(both[0].parent / "listing"), **variables),
            check=True,
            capture_output=True,
            text=True,
        ).stdout.split("\t", 3)
        for variables in (HERE, THERE)
    ]
    assert all(first != second for first, second in zip(*outputs, strict=True)), outputs


def test_a_model_answers_alike_and_the_same_answers_have_the_same_verdict(both: tuple[Path, Path], base: Path) -> None:
    """With one thread and with two sums are rounded otherwise; what follows from the answers has the same bytes."""
    name, answer_tables = "smollm2_135m_10", []
    for folder, variables in zip(both, (HERE, THERE), strict=True):
        change_params(folder, {"ladder": [name], "finetune": [name]})
        model_variables = variables | {"LABELS_CACHE": str(folder / "cache"), "TQDM_DISABLE": "1"}
        answers = f"predictions/{name}.jsonl"
        run_module(
            folder, model_variables, f"evaluate {name} {base / name} data/items.jsonl {answers} n.json evaluated.json"
        )
        answer_tables.append([json.loads(line) for line in (folder / answers).read_text("utf-8").splitlines()])
        (folder / answers).write_text("".join(json.dumps(row) + "\n" for row in answer_tables[0]), "utf-8")
        run_module(folder, model_variables, "law predictions n.json law.json law.md")
        shutil.rmtree(folder / "cache")
        (folder / "evaluated.json").unlink()
    assert len(answer_tables[0]) > 50
    for first, second in zip(*answer_tables, strict=True):
        assert first["id"] == second["id"]
        assert [first[key] for key in OPTIONS] == pytest.approx([second[key] for key in OPTIONS], abs=1e-3)


def test_every_output_has_the_same_bytes(both: tuple[Path, Path]) -> None:
    here, there = (contents(folder) for folder in both)
    assert here.keys() == there.keys()
    for name, content in here.items():
        assert content == there[name], name
        assert str(both[0].parent).encode() not in content, name
    assert {
        f"metrics/{name}" for name in ("ingest.json", "agreement.json", "export.json", "floor/tfidf_lr.json")
    } < here.keys()
    assert "ça va? 🙂".encode() in here["data/inquiries.jsonl"]
