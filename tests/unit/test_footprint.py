"""What a model needs, held against weights on a disk, a second way to count, and what PyTorch keeps."""

from pathlib import Path
from typing import Any

import pytest

from stages.pipeline.files import read_yaml
from stages.pipeline.params import Params, params
from stages.tools.footprint import (
    ARCHITECTURES,
    Work,
    activations,
    architecture,
    footprint,
    forward_flops,
    kept_by_a_layer,
    kv_cache,
    lora_parameters,
    model_config,
)
from tests.conftest import ROOT

SMALL = {
    "hidden_size": 64,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "intermediate_size": 96,
    "vocab_size": 300,
    "max_position_embeddings": 512,
}
EXPERTS = {
    "num_experts": 6,
    "num_experts_per_tok": 2,
    "moe_intermediate_size": 32,
    "shared_expert_intermediate_size": 48,
}


def config(kind: str = "qwen2", **more: Any) -> Any:
    from transformers import AutoConfig

    return AutoConfig.for_model(kind, **SMALL | (EXPERTS if kind == "qwen2_moe" else {}) | more)


def model_of(config: Any, dtype: str = "float32") -> Any:
    import torch
    from transformers import AutoModelForCausalLM

    torch.manual_seed(0)
    return AutoModelForCausalLM.from_config(config, dtype=getattr(torch, dtype))


@pytest.fixture(scope="module")
def p() -> Params:
    return params(ROOT / "params.yaml")


@pytest.mark.parametrize("name", [name for name in params(ROOT / "params.yaml").models if name.startswith("qwen")])
def test_the_papers_models_have_the_published_number_of_parameters(name: str, p: Params, tmp_path: Path) -> None:
    """params.yaml has it from the hub, architectures.yaml makes it from widths and layers."""
    config = model_config(name, p.models[name], tmp_path, ask_hub=False)
    assert architecture(config).parameters == p.models[name].parameters


def test_only_the_experts_of_a_token_are_active(p: Params, tmp_path: Path) -> None:
    """Its makers name the model after them: A2.7B."""
    shape = architecture(model_config("qwen1_5_moe_a2_7b", p.models["qwen1_5_moe_a2_7b"], tmp_path, ask_hub=False))
    assert shape.active_parameters == pytest.approx(2.7e9, rel=0.01)
    small = architecture(config("qwen2_moe"))
    an_expert = 3 * 64 * 32
    assert small.parameters - small.active_parameters == 3 * (6 - 2) * an_expert
    assert architecture(config()).active_parameters == architecture(config()).parameters


@pytest.mark.parametrize("kind", ["qwen2", "qwen2_moe", "llama", "gemma2", "mistral"])
@pytest.mark.parametrize(("dtype", "size"), [("float32", 4), ("bfloat16", 2)])
def test_weights_are_the_bytes_on_a_disk(kind: str, dtype: str, size: int, tmp_path: Path) -> None:
    more = {"num_experts": 4} if kind == "qwen2_moe" else {}
    model_of(config(kind, **more), dtype).save_pretrained(tmp_path)
    [file] = tmp_path.glob("*.safetensors")
    header = 8 + int.from_bytes(file.read_bytes()[:8], "little")
    assert file.stat().st_size - header == architecture(config(kind, **more)).parameters * size


def test_the_kv_cache_is_as_large_as_the_one_that_a_model_fills() -> None:
    import torch

    model = model_of(config())
    cache = model(torch.zeros(1, 40, dtype=torch.long), use_cache=True).past_key_values
    size = sum(tensor.nbytes for layer in cache.layers for tensor in (layer.keys, layer.values))
    assert kv_cache(architecture(config()), 40, 4) == size


@pytest.mark.parametrize("rank", [1, 8])
def test_lora_has_a_row_and_a_column_for_each_direction(rank: int, p: Params) -> None:
    layers = [(64, 64), (64, 32), (64, 32), (64, 64), (64, 96), (64, 96), (96, 64)]  # q k v o gate up down
    assert lora_parameters(config(), rank, p) == 3 * rank * sum(inputs + outputs for inputs, outputs in layers)


@pytest.mark.parametrize(("hidden", "mlp", "keys"), [(256, 704, 4), (256, 704, 1), (256, 2048, 4), (512, 704, 4)])
@pytest.mark.parametrize("dropout", [0.0, 0.05])
def test_what_a_layer_keeps(hidden: int, mlp: int, keys: int, dropout: float) -> None:
    """The bytes that PyTorch keeps for the backward pass of a layer, in bfloat16 with LoRA in float32."""
    shapes: dict[str, Any] = {"hidden_size": hidden, "intermediate_size": mlp, "num_key_value_heads": keys}
    two, four = (kept_bytes(config(**shapes, num_hidden_layers=layers), dropout) for layers in (2, 4))
    kept = (four - two) / 2 / TOKENS
    assert kept_by_a_layer(architecture(config(**shapes)), dropout) == pytest.approx(kept, rel=0.1)


TOKENS = 128


def kept_bytes(config: Any, dropout: float) -> int:
    """The bytes of tensors, weights aside, that a forward pass over one row of TOKENS keeps."""
    import peft
    import torch

    lora = peft.LoraConfig(r=4, lora_dropout=dropout, target_modules="all-linear", task_type="CAUSAL_LM")
    model: Any = peft.get_peft_model(model_of(config, "bfloat16"), lora).train()
    weights = {weight.untyped_storage().data_ptr() for weight in model.parameters()}
    kept = []  # held, so that no storage is used twice

    def keep(tensor: Any) -> Any:
        kept.append(tensor)
        return tensor

    model.enable_input_require_grads()
    mask = torch.ones(1, 1, TOKENS, TOKENS, dtype=torch.bool).tril()
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor), torch.autocast("cpu", torch.bfloat16):
        output = model.base_model.model.model(
            torch.zeros(1, TOKENS, dtype=torch.long), attention_mask=mask, use_cache=False
        )
    assert output.last_hidden_state.requires_grad
    storages = {tensor.untyped_storage().data_ptr(): tensor.untyped_storage().nbytes() for tensor in kept}
    return sum(size for pointer, size in storages.items() if pointer not in weights)


def test_checkpointing_keeps_less_the_deeper_a_model_is() -> None:
    shape = architecture(config(num_hidden_layers=20))
    with_checkpoints, without = (activations(shape, 100, 2, checkpointing, 0.05) for checkpointing in (True, False))
    assert with_checkpoints < without / 5


@pytest.mark.parametrize("kind", ["qwen2", "qwen2_moe"])
def test_operations_are_those_that_pytorch_counts(kind: str) -> None:
    """Without the embedding, which multiplies nothing; what a causal mask hides is computed."""
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    shape, model = architecture(config(kind)), model_of(config(kind))
    model.set_attn_implementation("eager")
    model.set_experts_implementation("eager")
    with FlopCounterMode(display=False) as counter, torch.inference_mode():
        model(torch.zeros(1, 50, dtype=torch.long), use_cache=False)
    embedding = 300 * 64
    counted = counter.get_total_flops()
    assert forward_flops(shape, 50, 50) - 2 * 50 * embedding == pytest.approx(counted, rel=0.05)


def test_a_model_that_is_asked_alone_needs_nothing_for_training(p: Params) -> None:
    name = "qwen1_5_32b"
    work = Work(answers=100, training_items=0, prompt_tokens=1000, answer_tokens=10)
    needs = footprint(name, config(), p, work, on_gpu=True)
    assert needs.lora_weights == needs.training == needs.activations == needs.adapter == needs.checkpoint == 0
    assert needs.flops == forward_flops(needs.shape, 100 * 1020, 1010)


def test_each_entry_is_a_model_of_the_catalogue(p: Params) -> None:
    assert set(read_yaml(ARCHITECTURES)) == {m.hub for name, m in p.models.items() if name.startswith("qwen1_5")}
