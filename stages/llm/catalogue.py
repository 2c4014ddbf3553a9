"""The inference engine of a model in params.yaml."""

from pathlib import Path

from stages.llm.answer_cache import Engine
from stages.pipeline.params import Params


def engine(name: str, base: Path, p: Params, adapter: Path | None = None, exact: bool = False) -> Engine:
    """The engine that `models.NAME` names, with the weights in data/base/NAME (`base`).

    `exact` holds the embedded engine to float32. Raises click.ClickException where the engine isn't installed.
    """
    model = p.models[name]
    if model.endpoint:
        from stages.llm.openai import OpenAI

        return OpenAI(model.endpoint)
    if model.engine == "vllm":
        from stages.llm.vllm import VLLM

        return VLLM(base, adapter, model.train.lora_rank or p.lora_rank, model.engine_args, model.moe)
    from stages.llm.transformers import Transformers

    return Transformers(base, p.evaluate.batch_tokens, adapter, "float32" if exact else model.dtype)
