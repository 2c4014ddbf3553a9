"""Small models of several architectures from a folder to a merged model: asked, trained, ranked, merged."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from stages.llm.base_models import write_note
from stages.llm.loss import IGNORED, answer_loss
from stages.llm.merging import merge
from stages.llm.states import StateReader, before_and_message
from stages.llm.tokenization import encode
from stages.llm.training import split_validation, train
from stages.llm.training_examples import TrainingRows
from stages.llm.training_settings import expert_parameters, lora_config
from stages.llm.transformers import Transformers
from stages.llm.weights import attends_to_all, load
from stages.pipeline.params import Params, params
from stages.rank import main as rank
from tests.conftest import ROOT, inquiry, run
from tests.small_models import TEMPLATES, config, save_random_model, tokenizer

MOE: dict[str, Any] = {
    "num_experts": 6,
    "num_experts_per_tok": 2,
    "moe_intermediate_size": 24,
    "shared_expert_intermediate_size": 40,
    "num_key_value_heads": 4,
}
WINDOW = {"sliding_window": 8}
FAMILIES: dict[str, tuple[str, str, str, dict[str, Any]]] = {  # architecture, tokenizer, template, settings
    "qwen2": ("qwen2", "bytes", "chatml", {}),
    "qwen2_moe": ("qwen2_moe", "bytes", "chatml", MOE),
    "qwen3": ("qwen3", "bytes", "rewritten", {"tie_word_embeddings": True}),
    "llama": ("llama", "bytes", "headers", {}),
    "mistral": ("mistral", "blanks", "instructions", WINDOW),
    "gemma2": ("gemma2", "blanks", "turns", WINDOW | {"final_logit_softcapping": 3.0, "query_pre_attn_scalar": 8}),
    "gemma3": ("gemma3_text", "blanks", "turns", WINDOW | {"layer_types": ["sliding_attention", "full_attention"]}),
    "base": ("gemma3_text", "blanks", "", WINDOW | {"sliding_window": 900}),
    "granite": ("granite", "bytes", "half_opened", {"logits_scaling": 4.0}),
    "gpt2": ("gpt2", "bytes", "chatml", {"n_embd": 32, "n_head": 4, "n_layer": 2, "n_positions": 1024}),
}
TEXTS = ["how does it work", "what is mmpose and how do I use it?", "x", "怎么 deploy 吗 and why does it fail then"]


@pytest.fixture(scope="module", params=FAMILIES)
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """data/base/NAME of a small model that lies in a folder elsewhere."""
    architecture, kind, template, settings = FAMILIES[request.param]
    place = tmp_path_factory.mktemp(request.param)
    save_random_model(architecture, place / "model", tokenizer(kind, TEMPLATES.get(template)), **settings)
    base = place / "base"
    model = params(ROOT / "params.yaml").models["smollm2_135m"]
    write_note(request.param, model.model_copy(update={"layers": None, "path": str(place / "model")}), base)
    return base


def settings_of_a_test() -> Params:
    return params(ROOT / "params.yaml").model_copy(
        update={
            "epochs": 2,
            "min_steps": 0,
            "warmup_steps": 1,
            "batch_size": 2,
            "lora_rank": 4,
            "lora_alpha": 4,
            "lr": 0.01,
        }
    )


def chat(text: str) -> list[dict[str, str]]:
    return [{"role": "user", "content": f"Is it needed?\nA. no\nB. yes\nC. don't know\n{text}"}]


def options(engine: Transformers, texts: list[str]) -> dict[int, Any]:
    answers: dict[int, Any] = {}
    engine.choose([chat(text) for text in texts], list("ABC"), {}, answers.update, "test")
    return answers


def test_options_are_those_of_a_plain_forward_pass(folder: Path) -> None:
    import torch

    engine = Transformers(folder, 256)
    answers = options(engine, TEXTS)
    for i, text in enumerate(TEXTS):
        answered = [encode(engine.tokenizer, [*chat(text), {"role": "assistant", "content": a}]) for a in "ABC"]
        if "rewritten" in str(folder) or "qwen3" in str(folder):  # whose template changes the question then
            continue
        place = next(j for j in range(len(answered[0])) if len({ids[j] for ids in answered}) == 3)
        with torch.inference_mode():
            logits = engine.model(input_ids=torch.tensor([answered[0][:place]])).logits[0, -1].float()
        expected = torch.log_softmax(logits, -1)[[ids[place] for ids in answered]].tolist()
        assert answers[i] == pytest.approx(expected, abs=1e-3), text


def test_the_loss_and_its_gradient_are_those_of_a_plain_pass(folder: Path) -> None:
    """Where attention can be given a mask; elsewhere the trainer uses TRL's loss."""
    import torch

    model, fast = load(folder, torch.float32)
    rows = [[*encode(fast, chat(text)), 5, 6] for text in TEXTS[:3]]
    if model.config._attn_implementation != "sdpa" or not attends_to_all(model.config, max(map(len, rows))):
        pytest.skip("this model's attention takes no mask of ours")
    ids = torch.nn.utils.rnn.pad_sequence([torch.tensor(row) for row in rows], batch_first=True)
    mask = torch.nn.utils.rnn.pad_sequence([torch.ones(len(row), dtype=torch.long) for row in rows], batch_first=True)
    labels = torch.full_like(ids, IGNORED)
    for i, row in enumerate(rows):
        labels[i, len(row) - 2 : len(row)] = torch.tensor([5, 6])
    ours = answer_loss(model, ids, mask, labels)
    ours.backward()
    gradient = {name: weight.grad.clone() for name, weight in model.named_parameters() if weight.grad is not None}
    model.zero_grad()
    logprobs = []
    for row in rows:
        logits = model(input_ids=torch.tensor([row])).logits[0].float()
        logprobs += [torch.log_softmax(logits[-3], -1)[5], torch.log_softmax(logits[-2], -1)[6]]
    plain = -torch.stack(logprobs).mean()
    plain.backward()
    assert ours.item() == pytest.approx(plain.item(), rel=1e-4)
    for name, weight in model.named_parameters():
        if weight.grad is not None:
            scale = float(weight.grad.abs().max())
            assert torch.allclose(gradient[name], weight.grad, rtol=1e-2, atol=1e-3 * scale + 1e-6), name


def test_trained_merged_and_ranked(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LABELS_CACHE", str(tmp_path / "cache"))
    p = settings_of_a_test()
    name = "smollm2_135m"
    rows = [
        {"id": i, "instruction": chat(text)[0]["content"], "input": "", "output": ("A:no", "B:yes")[i % 2]}
        for i, text in enumerate(TEXTS * 2)
    ]
    (tmp_path / "train.json").write_text(json.dumps(rows))
    train(name, folder, TrainingRows(tmp_path / "train.json"), p, 0, tmp_path / "adapter", tmp_path / "curve")
    merge(folder, tmp_path / "adapter", tmp_path / "merged")
    vanilla, tuned = (
        options(Transformers(folder, 256), TEXTS),
        options(Transformers(folder, 256, tmp_path / "adapter"), TEXTS),
    )
    merged = options(Transformers(tmp_path / "merged", 256), TEXTS)
    for i in vanilla:
        assert tuned[i] == pytest.approx(merged[i], abs=2e-3)
        assert tuned[i] != pytest.approx(vanilla[i], abs=1e-2)
    assert run(rank, tmp_path / "adapter", tmp_path / "rank.json", tmp_path / "plot.json").exit_code == 0
    matrices = json.loads((tmp_path / "plot.json").read_text())
    assert len({(row["layer"], row["module"]) for row in matrices}) == len(matrices)
    assert all(0 <= row["effective_rank"] <= 4 + 1e-6 for row in matrices)


@pytest.mark.parametrize(("share", "rows", "count"), [(0.0, 40, 0), (0.05, 40, 2), (0.05, 4, 1), (0.5, 5, 2)])
def test_a_share_for_validation(share: float, rows: int, count: int) -> None:
    examples = [{"input_ids": [i], "labels": [i]} for i in range(rows)]
    training, validation = split_validation(examples, share, 0)
    assert len(validation) == count
    assert sorted(training + validation, key=lambda example: example["input_ids"]) == examples


def test_the_probe_reads_hidden_states(folder: Path) -> None:
    """The views of an item as plain passes over one item at a time give them."""
    import torch

    rows = [inquiry(i, text, window=1) for i, text in enumerate(TEXTS)]
    states = StateReader(folder).read(rows, window=1)
    model, fast = load(folder, torch.float32)
    start = fast.encode("")
    for i, row in enumerate(rows):
        before, message = before_and_message(row, 1, fast)
        with torch.inference_mode():
            under = model.base_model(torch.tensor([before + message]), output_hidden_states=True).hidden_states
            alone = model.base_model(torch.tensor([start + message]), output_hidden_states=True).hidden_states
        for layer, of_layer in zip(states.layers.tolist(), states.values, strict=True):
            views = (
                under[layer][0, len(before) :].mean(0),
                alone[layer][0, len(start) :].mean(0),
                alone[layer][0, -1],
            )
            for values, expected in zip(of_layer, views, strict=True):
                assert np.allclose(values[i], expected.numpy(), atol=1e-4)


def test_a_mixture_is_trained_as_a_whole_and_its_experts_are_ranked_one_by_one(tmp_path: Path) -> None:
    """The weights of the update are those of its parts: attention, shared expert, gates, and each expert's."""
    import peft
    import torch
    from transformers import AutoModelForCausalLM

    from stages.judging.update_rank import factors

    shape = config("qwen2_moe", 100, **MOE)
    model = AutoModelForCausalLM.from_config(shape)
    assert expert_parameters(model) == ["mlp.experts.down_proj", "mlp.experts.gate_up_proj", "mlp.gate.weight"]
    settings = params(ROOT / "params.yaml").model_copy(update={"lora_dropout": 0.05})
    adapted = peft.get_peft_model(model, lora_config(model, 4, settings))
    hidden, expert, shared = 32, 24, 40
    attention = 4 * (hidden + hidden)
    one_expert = (hidden + 2 * expert) + (expert + hidden)
    gates = (hidden + 6) + (hidden + 1)
    expected = 2 * 4 * (attention + 6 * one_expert + 3 * (hidden + shared) + gates)
    assert adapted.get_nb_trainable_parameters()[0] == expected
    for name, weight in adapted.named_parameters():
        if "lora_" in name:
            torch.manual_seed(len(name))
            weight.data.normal_()
    before = {name: weight.clone() for name, weight in model.named_parameters() if "layers.0.mlp.experts" in name}
    adapted.save_pretrained(str(tmp_path))
    update = factors(tmp_path)
    assert len(update) == 2 * (4 + 6 * 2 + 3 + 2)
    merged = dict(adapted.merge_and_unload().named_parameters())
    for stacked in ("gate_up_proj", "down_proj"):
        [old] = [weight for name, weight in before.items() if stacked in name]
        new = merged[f"model.layers.0.mlp.experts.{stacked}"]
        for i in range(6):
            pair = update[0, f"experts.{i}.{stacked}"]
            expected_update = settings.lora_alpha / 4 * pair["B"] @ pair["A"]
            assert torch.allclose(new[i] - old[i], expected_update, atol=1e-4), (stacked, i)
