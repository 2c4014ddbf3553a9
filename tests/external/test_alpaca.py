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
from stages.pipeline.schemas import Inquiry, Labelled
from stages.pipeline.tables import from_rows, write
from tests.conftest import ONLY_THE_SAMPLE, ROOT, Row, copy_settings, run
from tests.synthetic_chat import items

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
    write(folder / "inquiries.jsonl", from_rows(rows, Inquiry), Inquiry)
    copy_settings(folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        outputs = ("items.jsonl", "data/alpaca", "rejects.jsonl", "n.json", "metrics.json")
        result = run(export, "valid.jsonl", "inquiries.jsonl", "data/base", *outputs)
    assert result.exit_code == 0, result.output
    for name in ("dataset_info.json", "axolotl.yaml"):
        shutil.copy(ROOT / "data" / name, folder / "data")
    return folder / "data"


def rows_of_split(data: Path, split: str) -> list[Row]:
    rows = json.loads((data / "alpaca" / f"{split}.json").read_text(encoding="utf-8"))
    assert len(rows) > 20
    return rows


@pytest.mark.parametrize("split", SPLITS)
def test_datasets_loads_a_file(data: Path, tmp_path: Path, split: str) -> None:
    from datasets import load_dataset

    file = str(data / "alpaca" / f"{split}.json")
    loaded = load_dataset("json", data_files=file, split="train", cache_dir=str(tmp_path), trust_remote_code=False)
    assert tuple(loaded.column_names) == FIELDS
    assert loaded.to_list() == rows_of_split(data, split)


@ONLY_THE_SAMPLE
def test_datasets_loads_the_folder_by_the_head_of_its_card(data: Path, tmp_path: Path) -> None:
    from datasets import load_dataset

    shutil.copy(ROOT / "data" / "README.md", data)

    loaded = load_dataset(str(data), cache_dir=str(tmp_path), trust_remote_code=False)
    assert {split: part.to_list() for split, part in loaded.items()} == {
        split: rows_of_split(data, split) for split in SPLITS
    }


PROMPT_TEMPLATES = {
    "llama_factory": "<|im_start|>user\n{}<|im_end|>\n<|im_start|>assistant\n",
    "axolotl": "Below is an instruction that describes a task. Write a response that appropriately completes the"
    " request.\n\n### Instruction:\n{}\n\n### Response:\n",
}
SPLITS_OF = {"llama_factory": SPLITS, "axolotl": ("train", "dev")}


@pytest.mark.parametrize("reader", PROMPT_TEMPLATES)
def test_another_trainer_learns_every_item(data: Path, base: Path, reader: str) -> None:
    """From the tokens that it trains on: instructions and outputs as they are, in its own words around them."""
    environment = ROOT / f".venv-{reader.replace('_', '-')}"
    if not (environment / ".ready").exists():
        pytest.skip(f"{reader} is not installed: make test-alpaca")
    script, model = ROOT / "tests" / "alpaca_readers.py", base / "smollm2_135m"
    command = [str(part) for part in (environment / "bin" / "python", script, reader, model, f"{reader}.json")]
    offline = {"HF_HUB_OFFLINE": "1", "CUDA_VISIBLE_DEVICES": "", "HF_HOME": str(data.parent / "hub")}
    result = subprocess.run(command, cwd=data.parent, env=os.environ | offline, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout + result.stderr
    pairs_by_split: dict[str, Any] = json.loads((data.parent / f"{reader}.json").read_text(encoding="utf-8"))
    assert tuple(pairs_by_split) == SPLITS_OF[reader]
    for split, pairs in pairs_by_split.items():
        expected = [
            (PROMPT_TEMPLATES[reader].format(row["instruction"]), row["output"]) for row in rows_of_split(data, split)
        ]
        training_pairs = [(prompt, answer.removesuffix("\n").removesuffix("<|im_end|>")) for prompt, answer in pairs]
        assert sorted(training_pairs) == sorted(expected), split
