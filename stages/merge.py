"""Merge an adapter into its base model: safetensors that every server loads.

    python -m stages.merge data/base/NAME data/adapters/NAME data/merged/NAME

Added in float32 and rounded once, to the type that the base's weights are stored in.
"""

from pathlib import Path

import click


@click.command(help=__doc__)
@click.argument("base", type=click.Path(exists=True, path_type=Path))
@click.argument("adapter", type=click.Path(exists=True, path_type=Path))
@click.argument("merged", type=click.Path(path_type=Path))
def main(base: Path, adapter: Path, merged: Path) -> None:
    import torch
    from peft import PeftModel
    from transformers import AutoConfig

    from stages.llm.weights import load, place

    name, revision = place(base)
    stored = AutoConfig.from_pretrained(name, revision=revision).dtype
    model, tokenizer = load(base, torch.float32)
    PeftModel.from_pretrained(model, adapter).merge_and_unload().to(stored).save_pretrained(merged)
    tokenizer.save_pretrained(merged)


if __name__ == "__main__":
    main()
