"""What LLaMA-Factory and axolotl make of the alpaca files, run in an environment that has one of them.

    python tests/alpaca_readers.py READER data/base/NAME OUT

In the folder above `data/`. OUT gets, for each split, pairs of what a model would read and what it would learn to say,
decoded from the tokens that training gets.
"""

import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any


def pairs(rows: Iterable[Any], tokenizer: Any) -> list[list[str]]:
    prompts_and_answers = []
    for row in rows:
        is_learned = [label != -100 for label in row["labels"]]
        cut = is_learned.index(True)
        assert all(is_learned[cut:])
        prompts_and_answers.append(
            [tokenizer.decode(row["input_ids"][:cut]), tokenizer.decode(row["input_ids"][cut:])]
        )
    return prompts_and_answers


def llama_factory(base: str) -> dict[str, list[list[str]]]:
    """By the names of data/dataset_info.json."""
    from llamafactory.data import get_dataset, get_template_and_fix_tokenizer
    from llamafactory.hparams import get_train_args
    from llamafactory.model import load_tokenizer

    names = {split: f"labels_{split}" for split in ("train", "dev", "test")}
    settings = {
        "model_name_or_path": base,
        "trust_remote_code": False,
        "stage": "sft",
        "do_train": True,
        "do_eval": True,
        "template": "chatml",
        "dataset_dir": "data",
        "dataset": names.pop("train"),
        "eval_dataset": ",".join(names.values()),
        "eval_on_each_dataset": True,
        "cutoff_len": 1400,
        "output_dir": "llama_factory",
        "use_cpu": True,
        "report_to": "none",
    }
    model, data, training, _, _ = get_train_args(settings)
    loaded = load_tokenizer(model)
    template = get_template_and_fix_tokenizer(loaded["tokenizer"], data)
    loaded_data = get_dataset(template, model, data, training, stage="sft", **loaded)
    parts = {"train": loaded_data["train_dataset"]} | {
        split: loaded_data["eval_dataset"][name] for split, name in names.items()
    }
    return {split: pairs(part, loaded["tokenizer"]) for split, part in parts.items()}


def axolotl(base: str) -> dict[str, list[list[str]]]:
    """By data/axolotl.yaml, which has train and dev."""
    from axolotl.cli.config import load_cfg
    from axolotl.common.datasets import load_datasets
    from transformers import AutoTokenizer

    config = load_cfg("data/axolotl.yaml", base_model=base, trust_remote_code=False)
    loaded_data = load_datasets(cfg=config)
    tokenizer = AutoTokenizer.from_pretrained(base, trust_remote_code=False)
    return {"train": pairs(loaded_data.train_dataset, tokenizer), "dev": pairs(loaded_data.eval_dataset, tokenizer)}


if __name__ == "__main__":
    reader, base, out = sys.argv[1:]
    pairs_by_split = {"llama_factory": llama_factory, "axolotl": axolotl}[reader](base)
    Path(out).write_text(json.dumps(pairs_by_split), encoding="utf-8")
