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
