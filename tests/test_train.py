"""Training with the real embedded model."""

import json
from pathlib import Path
from typing import Any

import click
import pytest

from stages.train import check, examples


@pytest.fixture(scope="module")
def tokenizer(base: Path) -> Any:
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(base / "smollm2_135m_10")


def test_examples_put_the_answer_into_the_completion(tmp_path: Path) -> None:
    file = tmp_path / "train.json"
    file.write_text(json.dumps([{"id": 1, "instruction": "Ask", "input": "more", "output": "B:needed"}]))
    assert examples(file) == [
        {
            "prompt": [{"role": "user", "content": "Ask\nmore"}],
            "completion": [{"role": "assistant", "content": "B:needed"}],
        }
    ]


def test_a_row_that_does_not_fit_is_an_error(tokenizer: Any) -> None:
    row: dict[str, Any] = {
        "prompt": [{"role": "user", "content": "long " * 100}],
        "completion": [{"role": "assistant", "content": "B:needed"}],
    }
    check([row], [0], tokenizer, 1400)
    with pytest.raises(click.ClickException, match=r"train row 1 has 1[0-9]{2} tokens and max_length is 60"):
        check([row], [0], tokenizer, 60)
    with pytest.raises(click.ClickException, match="1 rows went into training and 0 were prepared"):
        check([row], [], tokenizer, 1400)
