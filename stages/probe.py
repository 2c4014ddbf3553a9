"""What can be read off a vanilla model of an item whose own label is kept from it: probabilities by cross-validation.

Logistic regression reads the model's hidden states (a linear probe; Alain and Bengio, 2016) and the words of the
message. It costs seconds where a fine-tuned model for each fold would cost an hour.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stages.llm import prompts
from stages.scoring import Bools, Floats

FOLDS = 5
DEPTHS = (
    0.5,
    0.65,
)  # of the model's layers: in the middle its states tell most of meaning, at the end of the next token
BATCH_TOKENS = 2048
STRENGTH = 0.01  # C of the regression on states: 576 numbers and more against some hundred labels
SUSPECTS = 0.1  # share of each label's items that the second round doesn't learn from
Items = Sequence[dict[str, Any]]


def hidden_states(base: Path, items: Items, window: int) -> list[Floats]:
    """The model's hidden states [items, hidden] after the last token of each item, at each of DEPTHS."""
    import torch
    from tqdm import tqdm

    from stages.llm.weights import load

    model, tokenizer = load(base, torch.float32)
    model.to("cuda" if torch.cuda.is_available() else "cpu").eval()
    layers = [round(depth * model.config.num_hidden_layers) for depth in DEPTHS]
    model.base_model.layers = model.base_model.layers[: max(layers) + 1]  # the last one's state is normed
    most = model.config.max_position_embeddings
    encoded = [tokenizer.encode(chat(item, window), split_special_tokens=True)[-most:] for item in items]
    order = sorted(range(len(encoded)), key=lambda i: len(encoded[i]), reverse=True)
    found = np.zeros((len(layers), len(items), model.config.hidden_size))
    with torch.inference_mode(), tqdm(total=len(items), desc="hidden states", unit=" items", delay=1) as bar:
        while order:
            size = max(1, BATCH_TOKENS // len(encoded[order[0]]))
            batch, order = order[:size], order[size:]
            padded = torch.zeros((len(batch), len(encoded[batch[0]])), dtype=torch.long)
            for row, i in enumerate(batch):  # padding stands on the right, where a causal model never looks
                padded[row, : len(encoded[i])] = torch.tensor(encoded[i])
            last = torch.tensor([len(encoded[i]) - 1 for i in batch])
            states = model.base_model(padded.to(model.device), output_hidden_states=True).hidden_states
            for place, layer in enumerate(layers):
                found[place, batch] = states[layer][torch.arange(len(batch)), last].float().cpu().numpy()
            bar.update(len(batch))
    return list(found)


def chat(item: dict[str, Any], window: int) -> str:
    """The item's last `window` turns before it and itself, a line each."""
    return "\n".join(prompts.lines(item, window))


def folds(items: Items, labels: Bools, seed: int) -> list[tuple[NDArray[Any], NDArray[Any]]]:
    """Places to learn from and places to ask, whole conversations on one side; a log of few conversations is cut
    anywhere.
    """
    from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

    groups = [item["group"] for item in items]
    if len(set(groups)) >= 2 * FOLDS:
        return list(StratifiedGroupKFold(FOLDS, shuffle=True, random_state=seed).split(groups, labels, groups))
    return list(StratifiedKFold(FOLDS, shuffle=True, random_state=seed).split(groups, labels))


def by_states(states: Floats, labels: Bools, learn: NDArray[Any], ask: NDArray[Any]) -> Floats:
    """Log-odds of needed for the items at `ask`, as read off their hidden states."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    reader = make_pipeline(StandardScaler(), LogisticRegression(C=STRENGTH, max_iter=1000))
    return reader.fit(states[learn], labels[learn]).decision_function(states[ask])


def by_words(texts: Sequence[str], truth: Sequence[bool], asked: Sequence[str]) -> list[float]:
    """Log-odds of needed for each asked text, from words and pairs of words of the messages alone (TF-IDF)."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    words = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, token_pattern=r"(?u)\w+|[?!]")
    return list(
        make_pipeline(words, LogisticRegression(C=10, max_iter=1000)).fit(texts, truth).decision_function(asked)
    )


def suspects(doubt: Floats, labels: Bools) -> Bools:
    """Which items [items] are doubted most among those of their label; of all together they would be the rarer
    label's, which readers doubt more, and little of it would be left to learn from.
    """
    found = np.zeros(len(labels), dtype=bool)
    for label in np.unique(labels):
        own = labels == label
        found |= own & (doubt >= np.quantile(doubt[own], 1 - SUSPECTS))
    return found


def out_of_sample(items: Items, states: Sequence[Floats], labels: Bools, seed: int) -> dict[str, Floats]:
    """The probability of needed [items] by readers that saw neither the item's label nor, where the log has enough of
    them, its conversation.

    `words` and `states` read one thing each, once. `all` is the mean of their log-odds over two rounds, the second
    of which learns without what the first doubts most (Northcutt et al., 2021).
    """
    from threadpoolctl import threadpool_limits

    texts, cuts = np.array([item["text"] for item in items], dtype=object), folds(items, labels, seed)

    def read(learn_from: Bools) -> Floats:
        """Log-odds [1 + layers, items], of words first."""
        odds = np.zeros((1 + len(states), len(items)))
        for rest, ask in cuts:
            learn = rest[learn_from[rest]]
            if len(set(labels[learn])) < 2:
                continue  # nothing to tell apart: even odds
            odds[0, ask] = by_words(texts[learn].tolist(), labels[learn].tolist(), texts[ask].tolist())
            for place, view in enumerate(states, start=1):
                odds[place, ask] = by_states(view, labels, learn, ask)
        return odds

    with threadpool_limits(1):  # matrices this small only wait for more threads
        first = read(np.ones(len(items), dtype=bool))
        doubt = np.where(labels, -1, 1) * first.mean(0)
        second = read(~suspects(doubt, labels))
    views = {"words": first[0], "states": first[1:].mean(0), "all": (first + second).mean(0) / 2}
    return {name: 1 / (1 + np.exp(-odds)) for name, odds in views.items()}
