"""An adapter merged into its base model, as safetensors that any server can load."""

from pathlib import Path

from stages.llm.weights import load


def merge(base: Path, adapter: Path, merged: Path) -> None:
    """Write a model of data/base with an adapter merged into it to `merged`.

    Weights are loaded in the dtype in which they are stored, so that memory holds the model once. Each update is added
    in float32 and rounded once; that of stacked experts is rounded before it is added too.
    """
    from peft import PeftModel

    model, tokenizer = load(base, "auto")
    PeftModel.from_pretrained(model, adapter).merge_and_unload().save_pretrained(merged)
    tokenizer.save_pretrained(merged)
