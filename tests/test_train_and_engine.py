"""Training and answering with the real embedded model."""

import json
from pathlib import Path
from typing import Any

import click
import pytest

from stages.llm.transformers import Engine
from stages.train import check, examples

TEXTS = ["A: hi", "A: what is mmpose and how do I deploy it on a phone? / please help", "A: 怎么部署", "B: ok " * 40]


@pytest.fixture(scope="module")
def engine(base: Path) -> Engine:
    import torch

    return Engine(base / "smollm2_135m_10", 512, dtype=torch.float32)


def test_examples_put_the_answer_into_the_completion(tmp_path: Path) -> None:
    file = tmp_path / "train.json"
    file.write_text(json.dumps([{"id": 1, "instruction": "Ask", "input": "more", "output": "B:needed"}]))
    assert examples(file) == [
        {
            "prompt": [{"role": "user", "content": "Ask\nmore"}],
            "completion": [{"role": "assistant", "content": "B:needed"}],
        }
    ]


def test_a_row_that_does_not_fit_is_an_error(engine: Engine) -> None:
    row: dict[str, Any] = {
        "prompt": [{"role": "user", "content": "long " * 100}],
        "completion": [{"role": "assistant", "content": "B:needed"}],
    }
    check([row], [0], engine.tokenizer, 1400)
    with pytest.raises(click.ClickException, match=r"train row 1 has 1[0-9]{2} tokens and max_length is 60"):
        check([row], [0], engine.tokenizer, 60)
    with pytest.raises(click.ClickException, match="1 rows went into training and 0 were prepared"):
        check([row], [], engine.tokenizer, 1400)


def test_choose_equals_a_plain_forward_pass_whatever_the_batch(engine: Engine) -> None:
    import torch

    chats: list[Any] = [[{"role": "user", "content": text}] for text in TEXTS]
    options = ["A", "B", "C"]
    found = engine.choose(chats, options, "test")
    tokens = [engine.tokenizer.encode(option)[0] for option in options]
    for chat, answer in zip(chats, found, strict=True):
        ids = engine.tokenizer.apply_chat_template(chat, add_generation_prompt=True, return_tensors="pt")["input_ids"]
        with torch.inference_mode():
            expected = torch.log_softmax(engine.model(input_ids=ids).logits[0, -1], -1)[tokens].tolist()
        assert answer == pytest.approx(expected, abs=1e-3)
    assert engine.choose([], options, "test") == []


def test_an_option_of_several_tokens_is_an_error(engine: Engine) -> None:
    with pytest.raises(click.ClickException, match="'not needed' is more than one token"):
        engine.choose(["x"], ["A", "not needed"], "test")
