"""Hidden states of a vanilla model, computed in this process."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

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
        pairs = [before_and_message(item, window, self.tokenizer) for item in items]
        messages = [message for _, message in pairs]
        in_context = self._means_and_last([before + message for before, message in pairs], messages, "in context")
        start = self.tokenizer.encode("")  # the tokens that begin a text, if the tokenizer has any
        alone = self._means_and_last([start + message for message in messages], messages, "alone")
        states = np.concatenate([in_context[:, :1], alone], axis=1)
        return HiddenStates(np.array([item["id"] for item in items], dtype=np.int64), np.array(self.layers), states)

    def read_alone(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """The states of texts by themselves, the mean over the tokens and the last one, [layers, 2, texts, hidden]."""
        tokens = [self.tokenizer.encode(text, split_special_tokens=True) for text in texts]
        return self._means_and_last(tokens, tokens, "alone")

    def _means_and_last(
        self, sequences: Sequence[list[int]], messages: Sequence[list[int]], what: str
    ) -> NDArray[np.float32]:
        """The mean over the tokens of each message, which ends its sequence, and the last one, [layers, 2, items,
        hidden].
        """
        import torch
        from tqdm import tqdm

        shown = [sequence[-self.context :] for sequence in sequences]
        states = np.zeros((len(self.layers), 2, len(shown), self.hidden_size), dtype=np.float32)
        title = f"hidden states, {what}"
        with torch.inference_mode(), tqdm(total=len(shown), desc=title, unit=" texts", delay=1) as bar:
            for batch in batches_by_length([len(sequence) for sequence in shown]):
                tokens = [torch.tensor(shown[i]) for i in batch]
                rows = torch.nn.utils.rnn.pad_sequence(tokens, batch_first=True)
                # Padding stands on the right, where a causal model never looks.
                outputs = self.model.base_model(rows.to(self.model.device), output_hidden_states=True)
                for place, layer in enumerate(self.layers):
                    for row, i in enumerate(batch):
                        end = len(shown[i])
                        of_message = outputs.hidden_states[layer][row, max(0, end - len(messages[i])) : end].float()
                        states[place, 0, i] = of_message.mean(0).cpu().numpy()
                        states[place, 1, i] = of_message[-1].cpu().numpy()
                bar.update(len(batch))
        return states


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
