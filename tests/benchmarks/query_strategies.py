"""Which rule chooses the labels that teach most: the readers' beside others that are in use, on the sample.

    python -m tests.benchmarks.query_strategies

Each rule takes the place of the readers' uncertainty in the replay of stages/studies/label_order.py, with five of its
random orders, and its batches and held-out items. Rules with an asterisk are those of small-text (Schröder et al.,
2023). A line has the mean gain in F1 over as many labels in random order, with its 95% bounds over the orders.
"""

import random
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import click
import numpy as np

from stages.judging.classifiers import log_odds_from_words
from stages.judging.hidden_states import Items, read_states
from stages.judging.metrics import Floats, sigmoid
from stages.labels.next_items import BATCH, STATES, Usefulness
from stages.labels.readers import Readers
from stages.pipeline.markdown import markdown_table
from stages.pipeline.params import params
from stages.pipeline.schemas import Prediction
from stages.pipeline.tables import read, split_items
from stages.pipeline.window import with_window
from stages.studies.label_noise import mean_with_bounds
from stages.studies.label_order import Orders, f1_scores, replay

SEEDS = range(5)
SIZES = (100, 200, 300, 400)  # labels of train
POOL = 5 * BATCH  # least sure items, of which diverse ones are taken


class SmallText:
    """The readers as small-text's strategies take a classifier and a data set."""

    def __init__(self, readers: Readers, items: Items):
        self.readers, self.ids = readers, [item["id"] for item in items]
        self.row_by_id = readers.row_by_id
        self.embeddings = np.concatenate(list(readers.views), axis=1).astype(float)  # [items, views x hidden]
        self.probabilities = np.zeros((len(items), 2))

    def learn(self, labels: Mapping[int, bool]) -> None:
        of_positive = sigmoid(self.readers.log_odds(labels, self.ids))
        self.probabilities = np.stack([1 - of_positive, of_positive], axis=1)

    def embed(self, rows: Any, return_proba: bool = False, pbar: Any = None) -> Any:
        return (self.embeddings[rows], self.probabilities[rows]) if return_proba else self.embeddings[rows]

    def usefulness(self, strategy: Any, pool: Callable[..., Floats] | None = None) -> Usefulness:
        """The items that a strategy asks for before all others, from the POOL most useful ones by `pool` if given."""

        def useful(labels: Mapping[int, bool], ids: Sequence[int]) -> Floats:
            self.learn(labels)
            result = np.zeros(len(ids))
            order = (-pool(labels, ids)).argsort(kind="stable")[:POOL] if pool else np.arange(len(ids))
            candidates: list[int] = order.tolist()
            place_by_row = {self.row_by_id[ids[place]]: place for place in candidates}
            learnt = np.array([self.row_by_id[id] for id in labels])
            chosen = strategy.query(
                self,
                np.arange(len(self.ids)),
                np.array(list(place_by_row)),
                learnt,
                np.array(list(labels.values()), int),
                n=min(BATCH, len(candidates)),
            )
            result[[place_by_row[row] for row in chosen]] = np.arange(len(chosen), 0, -1)
            return result

        return useful


def between_views(readers: Readers, items: Items) -> Usefulness:
    """How far the probabilities of readers of states and of readers of words lie apart."""
    text_by_id = {item["id"]: item["text"] for item in items}

    def useful(labels: Mapping[int, bool], ids: Sequence[int]) -> Floats:
        texts, asked = ([text_by_id[id] for id in part] for part in (labels, ids))
        of_words = sigmoid(np.array(log_odds_from_words(texts, list(labels.values()), asked)))
        return np.abs(of_words - sigmoid(readers.log_odds(labels, ids)))

    return useful


def of_ladder(names: Sequence[str]) -> Usefulness:
    """The spread of the vanilla models' probabilities, each of which has its own level."""
    tables = [read(f"data/predictions/baseline/{name}.jsonl", Prediction).to_pyarrow().to_pylist() for name in names]
    log_odds = np.array([[row["positive"] - row["negative"] for row in table] for table in tables])  # [models, items]
    spread = sigmoid(log_odds - np.median(log_odds, axis=1, keepdims=True)).std(axis=0)
    spread_by_id = dict(zip([row["id"] for row in tables[0]], spread.tolist(), strict=True))
    return lambda _, asked: np.array([spread_by_id[id] for id in asked])


@click.command(help=__doc__)
def main() -> None:
    from small_text import ContrastiveActiveLearning, EmbeddingKMeans, GreedyCoreset, LightweightCoreset
    from tqdm import tqdm

    p = with_window(params())
    np.random.seed(p.seed)
    items = split_items("data/items.jsonl", "all")
    states = read_states(STATES)
    readers = Readers(states, items)
    wrapped = SmallText(readers, items)
    rules: dict[str, Usefulness] = {
        "uncertainty of the readers (`--next`)": readers.uncertainty,
        "readers of states and of words disagree": between_views(readers, items),
        "the vanilla ladder disagrees": of_ladder(p.ladder),
        "contrastive*": wrapped.usefulness(ContrastiveActiveLearning(pbar=None)),
        "clusters of states*": wrapped.usefulness(EmbeddingKMeans()),
        "greedy coreset of states*": wrapped.usefulness(GreedyCoreset()),
        "lightweight coreset of states*": wrapped.usefulness(LightweightCoreset()),
        f"clusters* of the {POOL} least sure": wrapped.usefulness(EmbeddingKMeans(), readers.uncertainty),
    }
    orders_by_seed: dict[int, Orders] = {}
    for seed in tqdm(SEEDS, "orders", unit=" seeds"):
        shuffled = random.Random(seed).sample(items, len(items))
        orders_by_seed[seed] = {"random": [item["id"] for item in shuffled if item["split"] == "train"]} | {
            rule: replay(shuffled, usefulness, p.export) for rule, usefulness in rules.items()
        }
    scores = f1_scores(orders_by_seed, SIZES, items, readers, states, p)
    for model in ("readers", "probe"):
        lines = []
        for rule in rules:
            line = [rule]
            for place in range(len(SIZES)):
                gains = scores[model, rule][place] - scores[model, "random"][place]
                gain = mean_with_bounds("gain", gains.tolist())
                line.append(
                    "{gain:+.1f} ({gain_low:+.1f} to {gain_high:+.1f})".format(
                        **{name: 100 * value for name, value in gain.items()}
                    )
                )
            lines.append(line)
        click.echo(markdown_table((model, *(f"{size} labels" for size in SIZES)), lines) + "\n")


if __name__ == "__main__":
    main()
