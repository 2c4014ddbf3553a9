"""Merge an adapter into its base model, as safetensors that any server can load.

    python -m stages.tools.merge data/base/NAME data/adapters/NAME data/merged/NAME

The update is added in float32 and rounded once, to the dtype in which the base's weights are stored.
"""

from pathlib import Path

import click

from stages.pipeline.command import Command


@click.command(cls=Command, help=__doc__)
@click.argument("base", type=click.Path(exists=True, path_type=Path))
@click.argument("adapter", type=click.Path(exists=True, path_type=Path))
@click.argument("merged", type=click.Path(path_type=Path))
def main(base: Path, adapter: Path, merged: Path) -> None:
    import torch
    from peft import PeftModel
    from transformers import AutoConfig

    from stages.llm.weights import load, pretrained_source

    name, revision = pretrained_source(base)
    dtype = AutoConfig.from_pretrained(name, revision=revision, trust_remote_code=False).dtype
    model, tokenizer = load(base, torch.float32)
    merged_model = PeftModel.from_pretrained(model, adapter).merge_and_unload()
    merged_model.to(dtype).save_pretrained(merged)
    tokenizer.save_pretrained(merged)


if __name__ == "__main__":
    main()
