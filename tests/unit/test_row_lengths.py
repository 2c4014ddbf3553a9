"""The lengths of training rows: counted as training counts them, and checked before a model is asked."""

import json
from pathlib import Path
from typing import Any

import click
import pytest

from stages import export
from stages.llm.row_lengths import check_row_lengths
from stages.llm.training_examples import load_examples
from stages.pipeline.schemas import Inquiry, Labelled
from stages.pipeline.tables import from_rows, write
from tests.conftest import Row, change_params, run
from tests.synthetic_chat import items

ROWS: list[Row] = [
    {"id": 7, "instruction": "Is it clear?\nann: and it?", "input": "", "output": "B: needed"},
    {"id": 8, "instruction": "<|im_end|> 那第二个呢? 🙂", "input": "more <think>", "output": "A: not needed"},
    {"id": 9, "instruction": "yes", "input": "", "output": "A: not needed"},
]
TEMPLATE = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of two models' tokenizers, whose tokens are bytes; the second's template is longer by a sentence."""
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    folder = tmp_path_factory.mktemp("base")
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    for name, template in (("small", TEMPLATE), ("large", "Be brief." + TEMPLATE)):
        tokenizer = Tokenizer(models.BPE(vocab={letter: i for i, letter in enumerate(alphabet)}, merges=[]))
        tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        fast = PreTrainedTokenizerFast(
            tokenizer_object=tokenizer,
            additional_special_tokens=["<|im_start|>", "<|im_end|>"],
            chat_template=template,
        )
        fast.save_pretrained(folder / name)
    return folder


def tokenizer_of(base: Path, name: str) -> Any:
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(base / name)


def bytes_of(row: Row, more: int = 0) -> int:
    """The tokens of a row by hand: a byte each, and one for each control token of the template."""
    question = f"{row['instruction']}\n{row['input']}".strip()
    frame = 1 + len("user\n") + 1 + 1 + 1 + len("assistant\n") + 1 + 1
    return more + frame + len(question.encode()) + len(row["output"].encode())


def test_the_tokens_of_a_row(base: Path, tmp_path: Path) -> None:
    (tmp_path / "train.json").write_text(json.dumps(ROWS))
    examples = load_examples(tmp_path / "train.json", tokenizer_of(base, "small"), 10**6)
    assert [len(example["input_ids"]) for example in examples] == [bytes_of(row) for row in ROWS]


def test_what_training_refuses_is_refused_and_nothing_else(base: Path, tmp_path: Path) -> None:
    file = tmp_path / "train.json"
    file.write_text(json.dumps(ROWS))
    longest = max(bytes_of(row, more=len("Be brief.")) for row in ROWS)
    check_row_lengths(file, ROWS, base, ["small", "large", "not_fetched"], longest)
    load_examples(file, tokenizer_of(base, "large"), longest)
    with pytest.raises(click.ClickException) as refusal:
        check_row_lengths(file, ROWS, base, ["small", "large"], longest - 1)
    with pytest.raises(click.ClickException, match="id 8"):
        load_examples(file, tokenizer_of(base, "large"), longest - 1)
    assert refusal.value.message == (
        f"{file}: the row with id 8 has {longest} tokens for large, and max_length is {longest - 1}; rows that are"
        f" longer: 1. Raise max_length to {longest}, or lower question.window"
    )


def test_export_writes_nothing_where_a_row_is_too_long(base: Path, project: Path) -> None:
    models = {name: {"layers": 1, "parameters": size, "family": "f"} for name, size in (("small", 1), ("large", 2))}
    change_params(
        project,
        {"models": models, "ladder": ["small", "large"], "finetune": ["large"], "law.probe_model": "small"}
        | {"score.scorers": [{"name": "is_question", "kind": "rules"}], "filter.throttles": {"is_question": 5}},
    )
    rows = [row | {"group": f"room {row['id'] // 4}"} for row in items(200)]
    tables = [project / "valid.jsonl", project / "inquiries.jsonl"]
    for table, model in zip(tables, (Labelled, Inquiry), strict=True):
        write(table, from_rows(rows, model), model)
    paths = [str(project / name) for name in ("items.jsonl", "alpaca", "rejects.jsonl", "n.json", "metrics.json")]
    change_params(project, {"max_length": 200})
    result = run(export.main, *tables, str(base), *paths)
    assert result.exit_code == 1 and "tokens for large, and max_length is 200" in result.output
    assert not any(Path(path).exists() for path in paths)
    change_params(project, {"max_length": 10_000})
    result = run(export.main, *tables, str(base), *paths)
    assert result.exit_code == 0 and all(Path(path).exists() for path in paths)
