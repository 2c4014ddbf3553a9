"""Hidden states of a vanilla model, computed in this process."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from stages.judging.hidden_states import HiddenStates, Items
from stages.llm import prompts

DEPTHS = (0.4, 0.5, 0.6, 0.7)  # of the layers: meaning shows best in the middle, the last turn to the next token
BATCH_TOKENS = 2048


class StateReader:
    """A model in data/base, as far as its states at DEPTHS need it."""

    def __init__(self, base: Path) -> None:
        import torch

        from stages.llm.weights import context_length, load

        self.model, self.tokenizer = load(base, torch.float32)
        self.model.to("cuda" if torch.cuda.is_available() else "cpu").eval()
        config = self.model.config.get_text_config(decoder=True)
        self.context, self.hidden_size = context_length(config), config.hidden_size
        self.layers = [round(depth * config.num_hidden_layers) for depth in DEPTHS]
        body = self.model.base_model
        if hasattr(body, "layers"):  # as most architectures name them; the others compute all
            body.layers = body.layers[: max(self.layers) + 1]  # the last one's state is normalized

    def read(self, items: Items, window: int) -> HiddenStates:
        """The states at each of DEPTHS, with each item read under its last `window` turns."""
        import torch
        from tqdm import tqdm

        pairs = [before_and_message(item, window, self.tokenizer) for item in items]
        in_context = [(before + message)[-self.context :] for before, message in pairs]
        start = self.tokenizer.encode("")  # the tokens that begin a text, if the tokenizer has any
        alone = [(start + message)[-self.context :] for _, message in pairs]
        lengths = [min(len(message), self.context) for _, message in pairs]  # of the messages, at the end of both
        states = np.zeros((len(self.layers), 3, len(items), self.hidden_size), dtype=np.float32)
        with torch.inference_mode(), tqdm(total=2 * len(items), desc="hidden states", unit=" texts", delay=1) as bar:
            for sequences, is_alone in ((in_context, False), (alone, True)):
                for batch in batches_by_length([len(sequence) for sequence in sequences]):
                    tokens = [torch.tensor(sequences[i]) for i in batch]
                    rows = torch.nn.utils.rnn.pad_sequence(tokens, batch_first=True)
                    # Padding stands on the right, where a causal model never looks.
                    outputs = self.model.base_model(rows.to(self.model.device), output_hidden_states=True)
                    for place, layer in enumerate(self.layers):
                        for row, i in enumerate(batch):
                            end = len(sequences[i])
                            of_message = outputs.hidden_states[layer][row, end - lengths[i] : end].float()
                            states[place, int(is_alone), i] = of_message.mean(0).cpu().numpy()
                            if is_alone:
                                states[place, 2, i] = of_message[-1].cpu().numpy()
                    bar.update(len(batch))
        return HiddenStates(np.array([item["id"] for item in items], dtype=np.int64), np.array(self.layers), states)


def before_and_message(item: dict[str, Any], window: int, tokenizer: Any) -> tuple[list[int], list[int]]:
    """The tokens of the last `window` turns before an item, a line each, and those of its own line."""
    *before, message = prompts.lines(item, window)
    before_ids = tokenizer.encode("".join(f"{line}\n" for line in before), split_special_tokens=True)
    return before_ids, tokenizer.encode(message, split_special_tokens=True, add_special_tokens=False)


def batches_by_length(lengths: Sequence[int]) -> Iterator[list[int]]:
    """Indices of sequences in batches of at most BATCH_TOKENS tokens with padding, the longest sequences first."""
    order = sorted(range(len(lengths)), key=lambda i: lengths[i], reverse=True)
    while order:
        size = max(1, BATCH_TOKENS // lengths[order[0]])
        yield order[:size]
        order = order[size:]
