"""The engine that answers for a model of params.yaml."""

from pathlib import Path

import click

from stages.llm.kept import Engine
from stages.params import Params


def engine(name: str, base: Path, p: Params, adapter: Path | None = None, exact: bool = False) -> Engine:
    """The engine that `models.NAME.engine` asks for, with the weights in data/base/NAME (`base`).

    `exact` holds the embedded engine to float32.
    """
    model = p.models[name]
    if model.endpoint:
        from stages.llm.openai import OpenAI

        return OpenAI(model.endpoint)
    if model.engine == "vllm":
        try:
            from stages.llm.vllm import VLLM
        except ImportError as error:
            raise click.ClickException(
                f"{name} is answered by vLLM, which isn't installed: pip install -c constraints-vllm.txt -e '.[vllm]'"
            ) from error
        return VLLM(base, adapter, model.train.lora_rank or p.lora_rank, model.engine_args)
    from stages.llm.transformers import Transformers

    return Transformers(base, p.evaluate.batch_tokens, adapter, "float32" if exact else model.dtype)
