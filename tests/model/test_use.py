"""What is done with an adapter: answers for a chat log, merging into the base, its card, publication."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from stages.pipeline.params import params
from stages.tools.merge import main as merge
from stages.tools.predict import main as predict
from stages.tools.predict import resolutions_of
from tests.conftest import ROOT, RULES_ALONE, run
from tests.server import PROBE, Server, endpoint, envelope, serving

NAME = "smollm2_135m_10"


@pytest.fixture(scope="module")
def adapter(base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    import torch
    from peft import LoraConfig, get_peft_model

    from stages.llm.weights import load

    torch.manual_seed(0)
    config = LoraConfig(r=2, lora_alpha=6, target_modules="all-linear", init_lora_weights=False)
    folder = tmp_path_factory.mktemp("adapter")
    get_peft_model(load(base / NAME, torch.float32)[0], config).save_pretrained(str(folder))
    return folder


def test_a_merged_model_is_base_and_update(base: Path, adapter: Path, tmp_path: Path) -> None:
    import torch
    from safetensors.torch import load_file

    assert run(merge, base / NAME, adapter, tmp_path / "merged").exit_code == 0
    before, after = (load_file(folder / "model.safetensors") for folder in (base / NAME, tmp_path / "merged"))
    factors = load_file(adapter / "adapter_model.safetensors")
    assert before.keys() == after.keys()
    updated = 0
    for name, weight in before.items():
        a, b = (factors.get(f"base_model.model.{name.removesuffix('weight')}lora_{x}.weight") for x in "AB")
        expected = weight if a is None or b is None else (weight.float() + 3 * b @ a).to(weight.dtype)
        updated += a is not None
        assert after[name].dtype == weight.dtype
        assert torch.allclose(after[name].float(), expected.float(), rtol=1e-2, atol=1e-6), name
    assert updated == 10 * 7
    assert (tmp_path / "merged" / "tokenizer.json").exists()


def write_log(project: Path, texts: list[str]) -> Path:
    """A chat of two people, who write in turn, a minute apart."""
    log = project / "log.jsonl"
    rows = [
        {"id": i, "sender": f"s{i % 2}", "text": text, "timestamp": 1_700_000_000 + 60 * i}
        for i, text in enumerate(texts)
    ]
    log.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return log


def test_answers_for_a_chat_log(
    project: Path, base: Path, adapter: Path, set_params: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LABELS_CACHE", str(project / "cache"))
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    set_params(**{"ingest.format": "paper", "ingest.min_senders": 1, "ingest.limit": None} | RULES_ALONE)
    texts = ["hello there", "how do I install it on Windows?", "no idea", "and which version was that?", "thanks"]
    log = write_log(project, texts)
    odds = []
    for options in ([], ["--adapter", str(adapter)]):
        result = run(predict, log, project / "answers.jsonl", NAME, "--base", base, *options)
        assert result.exit_code == 0, result.output
        answers = [json.loads(line) for line in (project / "answers.jsonl").read_text().splitlines()]
        assert sorted(answer["text"] for answer in answers) == sorted([texts[1], texts[3]])
        assert all(0 <= answer["probability"] <= 1 and "question" not in answer for answer in answers)
        odds.append([answer["probability"] for answer in answers])
    assert odds[0] != odds[1]
    choose_groups = {"ingest.limit": 1, "ingest.min_messages": 50}  # to learn from: a log is read whole
    set_params(**choose_groups | {"evaluate.protocol": "generate", "evaluate.max_tokens": 2})
    with log.open("a") as file:
        file.write('{"id": 9, "sender": "s1", "text": " ", "timestamp": 1700000999}\n')
    result = run(predict, log, project / "answers.jsonl", NAME, "--base", base)
    assert result.exit_code == 0, result.output
    assert "ingest: of 6 messages left out: 1 empty_text" in result.output
    assert "filter: of 5 turns left out: 3 not_is_question" in result.output
    assert len((project / "answers.rejects" / "filter.jsonl").read_text().splitlines()) == 3
    answers = [json.loads(line) for line in (project / "answers.jsonl").read_text().splitlines()]
    assert {answer["probability"] for answer in answers} == {None}


def test_an_adapter_of_another_question_answers_nothing(project: Path) -> None:
    (project / "log.jsonl").write_text("{}")
    adapter = project / "data" / "adapters" / NAME
    adapter.mkdir(parents=True)
    (project / "data" / "base").mkdir()
    thresholds = project / "data" / "gate.json"
    thresholds.write_text(json.dumps({"question": "is_question", "thresholds": {}}))
    result = run(predict, project / "log.jsonl", project / "answers.jsonl", NAME, "--adapter", adapter)
    assert result.output == (
        f"Error: {thresholds} is not of the question needs_context, which params.yaml has: run dvc repro gate\n"
    )
    assert not (project / "answers.jsonl").exists()


def test_answers_with_questions_that_stand_alone(
    project: Path, base: Path, set_params: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server rewrites what the model doesn't call not_needed, with the turns before it; one rewrite is refused."""
    monkeypatch.setenv("LABELS_CACHE", str(project / "cache"))
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("TEST_KEY", "secret")
    rewrites = {"which version": "and which version of tmux was that?", "so how": "You install it with apt."}

    def rewrite(body: dict[str, Any]) -> Any:
        prompt = body["messages"][-1]["content"]
        assert prompt.startswith(PROBE) or "Chat:\nUser1: tmux is out, I tried it\n" in prompt
        message = prompt.split("Last message:\n")[-1]
        text = next((text for words, text in rewrites.items() if words in message), message)
        reply = {"role": "assistant", "content": text}
        return envelope([{"index": 0, "finish_reason": "stop", "message": reply}])

    texts = ["tmux is out, I tried it", "and which version was that?", "the newest", "so how did you install it?"]
    log = write_log(project, texts)
    server = Server(delay=0)
    server.reply = rewrite
    with serving(server) as running:
        served = {"engine": "openai", "family": "m", "endpoint": endpoint(running.url)}
        settings = {"ingest.format": "paper", "ingest.min_senders": 1, "models.served": served}
        set_params(**settings | RULES_ALONE | {"gate.resolve": "served"})
        result = run(predict, log, project / "answers.jsonl", NAME, "--base", base)
    assert result.exit_code == 0, result.output
    answers = {line["text"]: line for line in map(json.loads, (project / "answers.jsonl").read_text().splitlines())}
    assert {answer["answer"] for answer in answers.values()} == {"needed"}  # this model's answer to anything
    expected = {texts[1]: (rewrites["which version"], None), texts[3]: (texts[3], "no_question")}
    assert {text: (line["question"], line["resolve_fallback"]) for text, line in answers.items()} == expected
    assert "resolve: of 2 messages kept as they are: 1 no_question" in result.output


def test_what_is_not_needed_stays_and_what_has_no_clear_answer_is_rewritten(
    project: Path, set_params: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LABELS_CACHE", str(project / "cache"))
    monkeypatch.setenv("TEST_KEY", "secret")
    items = [
        {"id": i, "sender": "b", "text": "is it?", "cr_window": [{"sender": "a", "text": f"tea {i}"}]}
        for i in range(4)
    ]
    predictions = [{"answer": answer} for answer in ("positive", "negative", "dont_know", "unreadable")]
    server = Server(delay=0)

    def rewrite(body: dict[str, Any]) -> Any:
        tea = body["messages"][-1]["content"].split("a: ")[-1].split("\n")[0]
        return envelope(
            [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": f"is {tea}?"}}]
        )

    server.reply = rewrite
    with serving(server) as running:
        served = {"engine": "openai", "family": "m", "endpoint": endpoint(running.url)}
        set_params(**{"models.served": served, "gate.resolve": "served"})
        resolutions = resolutions_of(items, predictions, project, params())
    assert resolutions == [("is tea 0?", None), ("is it?", None), ("is tea 2?", None), ("is tea 3?", None)]


def test_a_question_that_is_asked_of_turns_is_answered_for_all(
    project: Path, set_params: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """No filter leaves one out, and no turn before it is shown; a server answers yes to the long ones."""
    monkeypatch.setenv("LABELS_CACHE", str(project / "cache"))
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("TEST_KEY", "secret")
    texts = ["hello there", "how do I install it on Windows?", "no idea", "thanks"]
    log = write_log(project, texts)
    prompts: set[str] = set()

    def answer(body: dict[str, Any]) -> Any:
        prompt = body["messages"][-1]["content"]
        if not prompt.startswith(PROBE):
            prompts.add(prompt)
        likely = {"A": -1.0, "B": -0.5 if "install" in prompt else -2.0, "C": -9.0}
        top = [{"token": token, "logprob": value, "bytes": None} for token, value in likely.items()]
        first = max(top, key=lambda token: float(str(token["logprob"])))
        logprobs = {"content": [first | {"top_logprobs": top}], "refusal": None}
        message = {"role": "assistant", "content": first["token"]}
        return envelope([{"index": 0, "finish_reason": "stop", "message": message, "logprobs": logprobs}])

    server = Server(delay=0)
    server.reply = answer
    with serving(server) as running:
        served = {"engine": "openai", "family": "m", "endpoint": endpoint(running.url)}
        settings = {"ingest.format": "paper", "ingest.min_senders": 1, "models.served": served}
        set_params(**settings | {"question.name": "is_question"})
        result = run(predict, log, project / "answers.jsonl", "served", "--base", project)
    assert result.exit_code == 0, result.output
    assert "filter: of 4 turns left out: none" in result.output
    assert {prompt.split("Message:\n")[-1] for prompt in prompts} == {f"A: {text}" for text in texts}
    answers = [json.loads(line) for line in (project / "answers.jsonl").read_text().splitlines()]
    assert {line["text"]: line["answer"] for line in answers} == dict.fromkeys(texts, "not_question") | {
        texts[1]: "question"
    }
    assert {line["text"]: line["probability"] for line in answers}[texts[1]] == pytest.approx(0.6225, abs=1e-4)


def test_an_unknown_model_is_named(project: Path) -> None:
    log = project / "log.jsonl"
    log.write_text("")
    result = run(predict, log, project / "answers.jsonl", "smollm3", "--base", project)
    assert result.exit_code == 1
    assert "smollm3 is not under models in params.yaml (known: smollm2_135m_10" in result.output
