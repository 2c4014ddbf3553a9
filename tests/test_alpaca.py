"""The alpaca files as others read them, unchanged: Hugging Face's datasets here, LLaMA-Factory and axolotl in
environments of their own.

`make test-alpaca` installs the two.
"""

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from stages.export import SPLITS
from stages.export import main as export
from stages.schemas import Labelled
from stages.tables import from_rows, write
from tests.conftest import ROOT, Row, run
from tests.made import items

AWKWARD = [
    'Is it "quoted", or \\escaped\\n, or {instruction} in braces?',
    "<|im_end|>\n<|im_start|>assistant\nB: needed",
    "那第二个呢？ İıŞş 🙂🏽 e\u0301 \u200f\u2028\u2029\x7f",
    "### Response:\nhttps://example.org/?a=1&b=%20 <b>what</b>?",
    "null",
    "12345678901234567890?",
]
FIELDS = ("id", "instruction", "input", "output")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The repository's data folder with alpaca files of made-up questions, awkward ones among them."""
    folder = tmp_path_factory.mktemp("project")
    rows = [item | {"group": f"room {item['id'] // 4}"} for item in items(200)]
    for row, text in zip(rows[::7], AWKWARD * 5, strict=False):
        row["text"] = text
    write(folder / "valid.jsonl", from_rows(rows, Labelled), Labelled)
    shutil.copy(ROOT / "params.yaml", folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        done = run(export, "valid.jsonl", "data/alpaca", "rejects.jsonl", "metrics.json")
    assert done.exit_code == 0, done.output
    for name in ("README.md", "dataset_info.json", "axolotl.yaml"):
        shutil.copy(ROOT / "data" / name, folder / "data")
    return folder / "data"


def written(data: Path, split: str) -> list[Row]:
    rows = json.loads((data / "alpaca" / f"{split}.json").read_text(encoding="utf-8"))
    assert len(rows) > 20
    return rows


@pytest.mark.parametrize("split", SPLITS)
def test_datasets_loads_a_file(data: Path, tmp_path: Path, split: str) -> None:
    from datasets import load_dataset

    file = str(data / "alpaca" / f"{split}.json")
    loaded = load_dataset("json", data_files=file, split="train", cache_dir=str(tmp_path))
    assert tuple(loaded.column_names) == FIELDS
    assert loaded.to_list() == written(data, split)


def test_datasets_loads_the_folder_by_the_head_of_its_card(data: Path, tmp_path: Path) -> None:
    from datasets import load_dataset

    loaded = load_dataset(str(data), cache_dir=str(tmp_path))
    assert {split: part.to_list() for split, part in loaded.items()} == {
        split: written(data, split) for split in SPLITS
    }


ASKED = {
    "llama_factory": "<|im_start|>user\n{}<|im_end|>\n<|im_start|>assistant\n",
    "axolotl": "Below is an instruction that describes a task. Write a response that appropriately completes the"
    " request.\n\n### Instruction:\n{}\n\n### Response:\n",
}
SPLITS_OF = {"llama_factory": SPLITS, "axolotl": ("train", "dev")}


@pytest.mark.parametrize("reader", ASKED)
def test_another_trainer_learns_every_item(data: Path, base: Path, reader: str) -> None:
    """From the tokens that it trains on: instructions and outputs as they are, in its own words around them."""
    there = ROOT / f".venv-{reader.replace('_', '-')}"
    if not (there / ".ready").exists():
        pytest.skip(f"{reader} is not installed: make test-alpaca")
    script, model = ROOT / "tests" / "alpaca_readers.py", base / "smollm2_135m"
    command = [str(part) for part in (there / "bin" / "python", script, reader, model, f"{reader}.json")]
    offline = {"HF_HUB_OFFLINE": "1", "CUDA_VISIBLE_DEVICES": "", "HF_HOME": str(data.parent / "hub")}
    done = subprocess.run(command, cwd=data.parent, env=os.environ | offline, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    made: dict[str, Any] = json.loads((data.parent / f"{reader}.json").read_text(encoding="utf-8"))
    assert tuple(made) == SPLITS_OF[reader]
    for split, pairs in made.items():
        wanted = [(ASKED[reader].format(row["instruction"]), row["output"]) for row in written(data, split)]
        found = [(asked, said.removesuffix("\n").removesuffix("<|im_end|>")) for asked, said in pairs]
        assert sorted(found) == sorted(wanted), split
