"""What a model needs of a machine, computed from its configuration: memory in bytes, and floating-point operations.

They are estimates for planning. The number of weights, of LoRA's weights and the KV cache are exact; activations are a
formula that a test holds against what PyTorch keeps for a small model.
"""

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import click

from stages.llm.base_models import empty_model, missing_files
from stages.llm.training_settings import hyperparameters, lora_config
from stages.llm.transformers import GENERATION_BATCH_FACTOR
from stages.llm.weights import context_length
from stages.pipeline.files import read_yaml
from stages.pipeline.params import Model, Params
from stages.pipeline.text import quoted

ARCHITECTURES = Path(__file__).with_name("architectures.yaml")
WORKSPACE = 2e9  # bytes on a GPU beside what is counted: CUDA's context, graphs, workspaces of kernels
PROCESS = 4e9  # bytes of RAM of Python and its libraries
SEQUENCES = 1  # of max_model_len tokens that the KV cache has room for; vLLM doesn't start without
NF4 = 0.53  # bytes a weight in 4 bits, with the constants of its block


class Architecture(NamedTuple):
    """The numbers of a model that decide what it needs. Widths count numbers of one token in one layer."""

    parameters: int
    active_parameters: int  # that a token passes; fewer than all in a mixture of experts
    layers: int
    hidden: int
    queries: int  # width of the queries: heads times the size of a head
    keys: int  # width of the keys, and of the values
    mlp: int  # inner width of the MLP, or of the experts that a token passes
    context: int  # tokens


class Work(NamedTuple):
    """How much a run asks of a model, in items and tokens."""

    answers: float  # items, once for each order of the options, prompt and adapter
    training_items: float  # once for each epoch and seed
    prompt_tokens: int
    answer_tokens: int  # that are generated; read once more where a second turn reduces them to a letter


def model_config(name: str, model: Model, base: Path, ask_hub: bool) -> Any:
    """The transformers configuration of a model of the catalogue, before its weights are there.

    It comes from the model's folder, from data/base/NAME for a model that is cut from the embedded one, from the hub's
    cache, for the paper's models from architectures.yaml, and with `ask_hub` from the hub. Raises click.ClickException
    where none of them has it, and where it is code.
    """
    from transformers import AutoConfig

    if model.path and Path(model.path).is_dir() and (missing := missing_files(Path(model.path))):
        raise click.ClickException(f"models.{name}.path: {model.path} has no {', '.join(missing)}")
    source = str(model.path or model.hub or base / name)
    place: dict[str, Any] = {"revision": model.revision} if model.revision else {}
    if Path(source).is_file():
        place, source = {"gguf_file": Path(source).name}, str(Path(source).parent)
    architectures: Mapping[str, Any] = read_yaml(ARCHITECTURES)
    only_here = not ask_hub or model.hub in architectures
    try:
        return AutoConfig.from_pretrained(source, trust_remote_code=False, local_files_only=only_here, **place)
    except ValueError as error:
        is_code = "remote_code" in str(error) or "custom code" in str(error)
        why = "it needs code of its authors, which is never run here: choose another model"
        raise click.ClickException(f"{name}: {source}: {why if is_code else quoted(error, length=200)}") from error
    except OSError as error:
        if model.hub in architectures:
            return AutoConfig.for_model(**architectures[str(model.hub)])
        where = f"{source} is not in the hub's cache" if model.hub else f"{source} has none"
        raise click.ClickException(f"{name}: no config.json: {where}") from error


def architecture(config: Any) -> Architecture:
    """The numbers that decide what a model needs. Its weights are counted on a model without memory."""
    text = config.get_text_config()
    weights = {name: weight.numel() for name, weight in empty_model(config).named_parameters()}
    parameters = sum(weights.values())
    expert_parameters = sum(size for name, size in weights.items() if ".experts." in name)
    experts = _first(text, "num_experts", "num_local_experts", "n_routed_experts") or 1
    chosen = (_first(text, "num_experts_per_tok") or 1) if expert_parameters else 1
    heads = text.num_attention_heads
    head_size = _first(text, "head_dim") or text.hidden_size // heads
    mlp = _first(text, "intermediate_size") or 4 * text.hidden_size
    if expert_parameters:
        expert = _first(text, "moe_intermediate_size") or mlp
        shared = _first(text, "shared_expert_intermediate_size") or expert * (_first(text, "n_shared_experts") or 0)
        mlp = chosen * expert + shared
    return Architecture(
        parameters=parameters,
        active_parameters=parameters - round(expert_parameters * (1 - chosen / experts)),
        layers=text.num_hidden_layers,
        hidden=text.hidden_size,
        queries=heads * head_size,
        keys=(_first(text, "num_key_value_heads") or heads) * head_size,
        mlp=mlp,
        context=context_length(config),
    )


def _first(config: Any, *names: str) -> int | None:
    """The first of these fields that a configuration has; models of experts name theirs differently."""
    return next((value for name in names if (value := getattr(config, name, None)) is not None), None)


def lora_parameters(config: Any, rank: int, p: Params) -> int:
    """The weights that a training with these settings would update."""
    import peft

    with warnings.catch_warnings(category=FutureWarning, action="ignore"):  # peft asks transformers for an old name
        empty = empty_model(config)
        model = peft.get_peft_model(empty, lora_config(empty, rank, p), low_cpu_mem_usage=True)
    return int(model.get_nb_trainable_parameters()[0])


def kv_cache(shape: Architecture, tokens: int, number_bytes: float) -> float:
    """Keys and values of all layers, in bytes."""
    return 2 * shape.layers * shape.keys * number_bytes * tokens


def kept_by_a_layer(shape: Architecture, dropout: float) -> float:
    """Bytes a token that a layer keeps for its backward pass, in bfloat16 under LoRA.

    Eight for each inner number of the MLP (gate, up, activation, product), 24 for each of the hidden ones (norms in
    float32, inputs, queries), 4 for each of the keys and its value, and with a dropout 4 for each input of LoRA.
    """
    inputs = 5 * shape.hidden + shape.queries + shape.mlp
    return 8 * shape.mlp + 24 * shape.hidden + 4 * shape.keys + (4 * inputs if dropout else 0)


def activations(shape: Architecture, tokens: int, number_bytes: float, checkpointing: bool, dropout: float) -> float:
    """Bytes of a training step's activations.

    With checkpointing: the input of each layer, and twice what the layer in work keeps, for the values and their
    gradients. A step's sequences stand in one row, whose mask has a byte and a number for each pair of tokens.
    """
    layer = kept_by_a_layer(shape, dropout) * number_bytes / 2
    checkpoints = shape.layers * shape.hidden * number_bytes
    a_token = checkpoints + 2 * layer if checkpointing else (shape.layers + 1) * layer
    return tokens * a_token + tokens**2 * (1 + number_bytes)


def optimizer_bytes(optimizer: str) -> int:
    """Bytes a trained weight of Adam's two states."""
    return 2 if "8bit" in optimizer else 8


def forward_flops(shape: Architecture, tokens: float, row_tokens: float) -> float:
    """Operations of a forward pass over `tokens`: 2 for each weight, and attention to `row_tokens` others."""
    return tokens * (2 * shape.active_parameters + 4 * shape.layers * shape.queries * row_tokens)


def asking_flops(shape: Architecture, work: Work) -> float:
    """Operations of all answers: prompt and generated tokens, and once more those for the second turn."""
    tokens = work.prompt_tokens + 2 * work.answer_tokens
    return forward_flops(shape, work.answers * tokens, work.prompt_tokens + work.answer_tokens)


def training_flops(shape: Architecture, work: Work, batch_size: int, checkpointing: bool) -> float:
    """Operations of a training: a forward pass, as much again for the gradients of the activations, and as much again
    where the forward pass is repeated. The base's weights are frozen, so no gradients of weights are computed.
    """
    passes = 3 if checkpointing else 2
    return passes * forward_flops(shape, work.training_items * work.prompt_tokens, batch_size * work.prompt_tokens)


class Footprint(NamedTuple):
    """What a model needs, in bytes. All of training is 0 for a model that isn't trained."""

    shape: Architecture
    weights: float
    kv_cache: float
    inference: float  # with LoRA's weights beside the base's where the model is trained
    lora_weights: int  # their number
    lora: float  # LoRA's weights, their gradients and the optimizer's states
    activations: float
    training: float
    ram: float  # where a GPU computes: transformers reads the weights through RAM
    download: float
    adapter: float  # the file of LoRA's weights
    checkpoint: float  # of a training: the adapter and the optimizer's states
    flops: float


def footprint(name: str, config: Any, p: Params, work: Work, on_gpu: bool) -> Footprint:
    """What a model needs for a run with these settings, computed on a GPU or on the CPU."""
    model, shape = p.models[name], architecture(config)
    number_bytes = 2 if model.dtype == "bfloat16" or (model.dtype == "auto" and on_gpu) else 4
    weights, cache_bytes = _inference(model, shape, p, 2 if model.engine == "vllm" else number_bytes)
    lora_weights, lora, step, base = 0, 0.0, 0.0, 0.0
    flops = asking_flops(shape, work)
    if name in p.finetune:
        rank, _, batch_size = hyperparameters(name, p)
        checkpointing = p.train.gradient_checkpointing
        lora_weights = lora_parameters(config, rank, p)
        lora = lora_weights * (4 + 4 + optimizer_bytes(p.train.optimizer))
        step = activations(shape, batch_size * p.max_length, number_bytes, checkpointing, p.lora_dropout)
        base = shape.parameters * (NF4 if p.train.load_in_4bit else number_bytes)
        flops += training_flops(shape, work, batch_size, checkpointing)
    beside = WORKSPACE if on_gpu else PROCESS
    through_ram = shape.parameters * number_bytes if lora_weights or model.engine == "transformers" else 0
    return Footprint(
        shape=shape,
        weights=weights,
        kv_cache=cache_bytes,
        inference=weights + cache_bytes + 2 * lora_weights + beside,
        lora_weights=lora_weights,
        lora=lora,
        activations=step,
        training=base + lora + step + beside if lora_weights else 0,
        ram=PROCESS + through_ram,
        download=shape.parameters * (config.dtype.itemsize if config.dtype else 2),
        adapter=4 * lora_weights,
        checkpoint=lora_weights * (4 + optimizer_bytes(p.train.optimizer)),
        flops=flops,
    )


def _inference(model: Model, shape: Architecture, p: Params, number_bytes: int) -> tuple[float, float]:
    """Bytes of weights and KV cache: vLLM's for whole contexts, transformers' for a batch."""
    if model.engine == "vllm":
        tokens = SEQUENCES * int(str(model.engine_args.get("max_model_len", shape.context)))
    else:
        tokens = p.evaluate.batch_tokens * (GENERATION_BATCH_FACTOR if p.evaluate.protocol == "generate" else 1)
    return shape.parameters * number_bytes, kv_cache(shape, tokens, number_bytes)
