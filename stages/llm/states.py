"""Hidden states of a vanilla model, computed in this process."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from stages.judging.hidden_states import HiddenStates, Items
from stages.llm import prompts

# Of the layers: meaning shows best in the middle, and the last ones turn to the next token.
DEPTHS = (0.3, 0.4, 0.5, 0.6, 0.7, 0.8)
BATCH_TOKENS = 2048


def compute_states(base: Path, items: Items, window: int) -> HiddenStates:
    """The states of a model in data/base at each of DEPTHS, with each item read under its last `window` turns."""
    import torch
    from tqdm import tqdm

    from stages.llm.weights import context_length, load

    model, tokenizer = load(base, torch.float32)
    model.to("cuda" if torch.cuda.is_available() else "cpu").eval()
    config = model.config.get_text_config(decoder=True)
    layers = [round(depth * config.num_hidden_layers) for depth in DEPTHS]
    if hasattr(model.base_model, "layers"):  # as most architectures name them; the others compute all
        model.base_model.layers = model.base_model.layers[: max(layers) + 1]  # the last one's state is normalized
    context = context_length(config)
    tokens = [tokenizer.encode(chat(item, window), split_special_tokens=True)[-context:] for item in items]
    states = np.zeros((len(layers), len(items), config.hidden_size), dtype=np.float32)
    with torch.inference_mode(), tqdm(total=len(items), desc="hidden states", unit=" items", delay=1) as bar:
        for batch in batches_by_length([len(sequence) for sequence in tokens]):
            lengths = [len(tokens[i]) for i in batch]
            padded = torch.zeros((len(batch), max(lengths)), dtype=torch.long)
            for row, i in enumerate(batch):  # padding stands on the right, where a causal model never looks
                padded[row, : len(tokens[i])] = torch.tensor(tokens[i])
            rows, last = torch.arange(len(batch)), torch.tensor(lengths) - 1
            outputs = model.base_model(padded.to(model.device), output_hidden_states=True)
            for place, layer in enumerate(layers):
                states[place, batch] = outputs.hidden_states[layer][rows, last].float().cpu().numpy()
            bar.update(len(batch))
    return HiddenStates(np.array([item["id"] for item in items], dtype=np.int64), np.array(layers), states)


def batches_by_length(lengths: Sequence[int]) -> Iterator[list[int]]:
    """Indices of sequences in batches of at most BATCH_TOKENS tokens with padding, the longest sequences first."""
    order = sorted(range(len(lengths)), key=lambda i: lengths[i], reverse=True)
    while order:
        size = max(1, BATCH_TOKENS // lengths[order[0]])
        yield order[:size]
        order = order[size:]


def chat(item: dict[str, Any], window: int) -> str:
    """The item under its last `window` turns, a line each."""
    return "\n".join(prompts.lines(item, window))
