"""Training with the real embedded model."""

import json
from pathlib import Path
from typing import Any

import click
import pytest

from stages.train import IGNORED, answer_loss, check, examples


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


@pytest.mark.parametrize("texts", [["hi", "what is mmpose and how do I use it?", "怎么部署"], ["alone"], ["a", "a"]])
def test_the_loss_and_its_gradient_are_those_of_a_plain_pass(base: Path, tokenizer: Any, texts: list[str]) -> None:
    """Over the answers' tokens alone, whatever the sequences have in common."""
    import torch
    from peft import LoraConfig, get_peft_model

    from stages.llm.weights import load

    torch.manual_seed(0)
    config = LoraConfig(r=4, target_modules="all-linear", init_lora_weights=False)
    model = get_peft_model(load(base / "smollm2_135m_10", torch.float32)[0], config)
    whole, labels = [], []
    for text in texts:
        question = [{"role": "user", "content": f"Is the context needed?\nB. needed\n{text}"}]
        prompt = tokenizer.apply_chat_template(question, add_generation_prompt=True, return_dict=True)["input_ids"]
        ids = tokenizer.apply_chat_template(
            [*question, {"role": "assistant", "content": "B:needed"}], return_dict=True
        )["input_ids"]
        whole.append(torch.tensor(ids))
        labels.append(torch.tensor([IGNORED] * len(prompt) + ids[len(prompt) :]))
    ids = torch.nn.utils.rnn.pad_sequence(whole, batch_first=True)
    wanted = torch.nn.utils.rnn.pad_sequence(labels, batch_first=True, padding_value=IGNORED)

    def gradients() -> dict[str, Any]:
        return {name: weight.grad.clone() for name, weight in model.named_parameters() if weight.grad is not None}

    ours = answer_loss(model.get_base_model(), ids, wanted)
    ours.backward()
    found = gradients()
    model.zero_grad()
    said = [
        torch.log_softmax(model(input_ids=row[None]).logits[0, position - 1], -1)[row[position]]
        for row, marked in zip(whole, labels, strict=True)
        for position in range(len(row))
        if marked[position] != IGNORED
    ]
    plain = -torch.stack(said).mean()
    plain.backward()
    assert ours.item() == pytest.approx(plain.item(), abs=1e-5)
    assert found.keys() == gradients().keys()
    assert len(found) == 2 * 10 * 7
    for name, gradient in gradients().items():
        assert torch.allclose(found[name], gradient, rtol=1e-3, atol=1e-5 * float(gradient.abs().max())), name
