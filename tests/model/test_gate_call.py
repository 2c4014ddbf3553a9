"""The gate asked for one message at a time, with the real embedded model's first ten layers and a LoRA adapter."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import click
import pytest

from stages.gating.gate import Gate
from stages.gating.resolution import request_for, resolve
from stages.judging.metrics import sigmoid
from stages.judging.predictions import log_odds_of
from stages.llm.catalogue import engine
from stages.llm.predictions import predict
from stages.pipeline.params import params
from tests.conftest import Row, change_params
from tests.gate_server import write_threshold
from tests.server import Server, endpoint, envelope, serving
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
    write_threshold(project, NAME, THRESHOLD)
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
    write_threshold(project, NAME, {"log_odds": middle, "temperature": 2.0})
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
    ("changes", "of", "message"),
    [
        ({"evaluate.protocol": "generate"}, NAME, "set evaluate.protocol to choice"),
        ({}, "other", f"has no threshold of {NAME}: run dvc repro gate"),
        ({"question.name": "is_question"}, NAME, "is not of the question is_question"),
    ],
)
def test_a_project_that_lacks_something(adapter: Path, project: Path, changes: Row, of: str, message: str) -> None:
    change_params(project, changes)
    write_threshold(project, of, THRESHOLD)
    with pytest.raises(click.ClickException, match=message):
        Gate.load(adapter)


def test_a_project_that_has_not_run_says_which_command_makes_thresholds(adapter: Path, project: Path) -> None:
    (project / "data" / "gate.json").unlink()
    with pytest.raises(click.ClickException, match=r"data/gate\.json is missing: run dvc repro gate"):
        Gate.load(adapter)


ALWAYS = {"log_odds": -100.0, "temperature": 1.0}
BOARD = [("ann", "My board arrived."), ("bob", "Nice!")]


def test_a_model_of_the_catalogue_resolves(adapter: Path, project: Path) -> None:
    """The vanilla one beside the tuned one; its weights are those of data/base, without the adapter."""
    change_params(project, {"gate.resolve": NAME})
    write_threshold(project, NAME, ALWAYS)
    gate = Gate.load(adapter)
    item = {"id": 0, "sender": "cleo", "text": "What of it?", "cr_window": [{"sender": "ann", "text": "Tea is tea."}]}
    resolver = engine(NAME, project / "data/base" / NAME, params())
    assert gate.resolver is not None and gate.resolver.identity == resolver.identity
    request = request_for(item, resolver, params().filter.window)
    assert not isinstance(request, str)
    answers: dict[int, Any] = {}
    resolver.generate([request.chat], request.max_tokens, {}, answers.update, "test")
    assert answers[0].strip()
    decision = gate([("ann", "Tea is tea.")], "What of it?", "cleo")
    assert decision.needed and decision.question == resolve(item, resolver, params().filter.window).text


def test_a_server_resolves(adapter: Path, project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEST_KEY", "secret")
    write_threshold(project, NAME, ALWAYS)

    def rewrite(body: Row) -> Row:
        message = {"role": "assistant", "content": 'Rewritten message: "How do I flash the board?"'}
        return envelope([{"index": 0, "finish_reason": "stop", "message": message}])

    server = Server(delay=0)
    server.reply = rewrite
    with serving(server) as running:
        model = {"engine": "openai", "family": "m", "endpoint": endpoint(running.url)}
        change_params(project, {"models.served": model, "gate.resolve": "served"})
        assert Gate.load(adapter)(BOARD, "How do I flash it?", "cleo").question == "How do I flash the board?"
        assert "ann: My board arrived." in server.last_request["messages"][0]["content"]


def test_a_model_that_resolves_and_was_not_fetched_is_named(adapter: Path, project: Path) -> None:
    change_params(project, {"gate.resolve": "qwen1_5_0_5b"})
    with pytest.raises(click.ClickException, match=r"data/base/qwen1_5_0_5b, .* is missing: run dvc repro fetch_mod"):
        Gate.load(adapter)
