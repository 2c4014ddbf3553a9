"""The gate asked for one message at a time, with the real embedded model's first ten layers and a LoRA adapter."""

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import click
import pytest

from stages.gating.gate import Gate
from stages.judging.metrics import sigmoid
from stages.judging.predictions import log_odds_of
from stages.llm.catalogue import engine
from stages.llm.predictions import predict
from stages.pipeline.params import params
from tests.conftest import Row, change_params
from tests.synthetic_chat import items

NAME = "smollm2_135m_10"
THRESHOLD = {"log_odds": 0.0, "temperature": 1.0}


@pytest.fixture
def adapter(project: Path, base: Path) -> Path:
    """data/adapters/NAME of a project with a model that no training has touched but its seed."""
    import peft
    import torch

    from stages.llm.weights import load

    (project / "data").mkdir()
    (project / "data" / "base").symlink_to(base)
    (project / "data" / "gate.json").write_text(json.dumps({NAME: THRESHOLD}))
    torch.manual_seed(0)
    model, _ = load(base / NAME, torch.float32)
    config = peft.LoraConfig(r=2, target_modules=["q_proj", "v_proj"], init_lora_weights=False, task_type="CAUSAL_LM")
    folder = project / "data" / "adapters" / NAME
    peft.get_peft_model(model, config).save_pretrained(str(folder))
    return folder


def turns(item: Row) -> list[tuple[str, str]]:
    return [(turn["sender"], turn["text"]) for turn in item["cr_window"]]


def test_the_gate_answers_as_evaluate_does(adapter: Path, project: Path) -> None:
    chat = items(40)
    predictions = predict(chat, engine(NAME, project / "data/base" / NAME, params(), adapter), params(), "all")
    log_odds = [log_odds_of(row) for row in predictions]
    middle = sum(sorted(log_odds)[19:21]) / 2
    (project / "data" / "gate.json").write_text(json.dumps({NAME: {"log_odds": middle, "temperature": 2.0}}))
    gate = Gate.load(adapter)
    decisions = [gate(turns(item), item["text"], item["sender"]) for item in chat]
    assert sum(decision.needed for decision in decisions) == 20
    for decision, expected, item in zip(decisions, log_odds, chat, strict=True):
        assert decision.probability == pytest.approx(sigmoid(expected / 2.0), abs=1e-4)
        assert decision.needed == (expected >= middle)
        assert decision.question == item["text"]


def test_threads_share_a_gate(adapter: Path) -> None:
    chat = items(12)
    gate = Gate.load(adapter)

    def ask(item: Row) -> Any:
        return gate(turns(item), item["text"], item["sender"])

    alone = [ask(item) for item in chat]
    with ThreadPoolExecutor(6) as pool:
        together = list(pool.map(ask, chat * 3))
    assert together == alone * 3


def test_names_and_the_length_of_the_history_change_nothing_that_the_prompt_does_not_show(adapter: Path) -> None:
    gate = Gate.load(adapter)
    history = [("ann", "My board arrived."), ("bob", "Nice!")]
    decision = gate(history, "How do I flash it?", "ann")
    assert gate(
        [("x", "y")] * 500 + [("cid", "My board arrived."), ("dan", "Nice!")], "How do I flash it?", "cid"
    ) == (decision)
    assert (
        gate([("ann", "My board arrived.\nIt is green."), ("bob", "Nice!")], "How do I flash it?", "ann") == decision
    )
    assert gate(history, "How do I flash it?") == decision  # by somebody else than bob, who speaks last
    assert gate(history, "How do I flash it?", "bob") != decision
    without_history = gate([], "How do I flash it?").probability
    assert without_history is not None and without_history != decision.probability


@pytest.mark.parametrize("message", ["", " \n\t"])
def test_a_blank_message_is_an_error(adapter: Path, message: str) -> None:
    with pytest.raises(ValueError, match="blank"):
        Gate.load(adapter)([], message)


def test_a_message_that_is_too_long_is_an_error(adapter: Path) -> None:
    with pytest.raises(click.ClickException, match="don't fit into the model's"):
        Gate.load(adapter)([], "word " * 10_000)


@pytest.mark.parametrize(
    ("changes", "thresholds", "message"),
    [
        ({"evaluate.protocol": "generate"}, {NAME: THRESHOLD}, "set evaluate.protocol to choice"),
        ({}, {"other": THRESHOLD}, f"has no threshold of {NAME}: run dvc repro gate"),
    ],
)
def test_a_project_that_lacks_something(
    adapter: Path, project: Path, changes: Row, thresholds: Row, message: str
) -> None:
    change_params(project, changes)
    (project / "data" / "gate.json").write_text(json.dumps(thresholds))
    with pytest.raises(click.ClickException, match=message):
        Gate.load(adapter)


def test_a_project_that_has_not_run_says_which_command_makes_thresholds(adapter: Path, project: Path) -> None:
    (project / "data" / "gate.json").unlink()
    with pytest.raises(click.ClickException, match=r"data/gate\.json is missing: run dvc repro gate"):
        Gate.load(adapter)
