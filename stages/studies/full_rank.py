"""The rank that the task needs (the paper's open question: does the data meet LoRA's assumption of a low rank?).

    python -m stages.studies.full_rank smollm2_135m metrics/full_rank.json metrics/plots/full_rank.json

Trains in full all linear matrices that LoRA updates by default, truncates the update to each rank by SVD (Eckart and
Young, 1936) and evaluates the base plus the truncated update on dev: an upper bound for what LoRA could hold of this
update at that rank. The training has the first of `seeds`. A run that was killed goes on from the last checkpoint, and
asks nothing twice.
"""

from pathlib import Path
from typing import Any, NamedTuple

import click

from stages.judging.predictions import log_odds_of
from stages.judging.update_rank import mean_ranks, ranks
from stages.llm.predictions import predict
from stages.llm.training import train
from stages.llm.training_cache import training_fingerprint
from stages.llm.training_examples import TrainingRows
from stages.llm.weights import fingerprint, linear_weights
from stages.pipeline.command import Command
from stages.pipeline.files import write_json
from stages.pipeline.params import Params, cache_directory, params
from stages.pipeline.tables import split_items

RANKS = (1, 2, 4, 8, 16, 32, 64, 128)
SCORES = ("f1", "f1_low", "f1_high", "auc", "auc_low", "auc_high", "n")


class Update(NamedTuple):
    """The SVD of a matrix's update, and the matrix before it."""

    before: Any  # [out, in]
    u: Any
    singular_values: Any
    v: Any

    def truncated(self, rank: int) -> Any:
        """The matrix plus the best approximation of its update of this rank."""
        return self.before + self.u[:, :rank] * self.singular_values[:rank] @ self.v[:rank]


def with_learning_rate(p: Params, name: str, lr: float) -> Params:
    """The params with another learning rate for a model; the rest of its recipe stays as it is for adapters."""
    model = p.named(name)
    model = model.model_copy(update={"train": model.train.model_copy(update={"lr": lr})})
    return p.model_copy(update={"models": p.models | {name: model}})


def updates(base: Any, tuned: Path, device: Any) -> dict[str, Update]:
    """The update of each linear matrix of the base model, from it to the weights in the folder `tuned`."""
    import torch
    from safetensors.torch import load_file
    from tqdm import tqdm

    weights = load_file(tuned / "model.safetensors", device=device)
    by_matrix = {}
    for key, weight in tqdm(linear_weights(base).items(), "singular values", unit=" matrices"):
        before = weight.detach().clone()
        svd = torch.linalg.svd(weights[f"{key}.weight"].float() - before, full_matrices=False)
        by_matrix[key] = Update(before, *svd)
    return by_matrix


@click.command(cls=Command, help=__doc__)
@click.argument("name")
@click.argument("metrics", type=click.Path())
@click.argument("plot", type=click.Path())
@click.option(
    "--lr", default=2e-5, show_default=True, help="Learning rate; full training wants a smaller one than LoRA."
)
def main(name: str, metrics: str, plot: str, lr: float) -> None:
    from stages.judging.evaluate_metric import measure
    from stages.llm.transformers import Transformers

    p = with_learning_rate(params(), name, lr)
    base, alpaca = Path("data/base") / name, Path("data/alpaca")
    items = split_items("data/items.jsonl", "dev")
    truth = [item["label"] for item in items]
    seed = p.seeds[0]
    tuned = cache_directory("full_rank") / f"{training_fingerprint(name, base, p, alpaca)}_{seed}"
    if not (tuned / "done").exists():
        rows, dev_rows = alpaca / "train.json", alpaca / "dev.json"
        train(name, base, TrainingRows(rows, dev_rows), p, seed, tuned, tuned / "curve", full=True)
        (tuned / "done").touch()
    engine = Transformers(base, p.evaluate.batch_tokens)
    by_matrix = updates(engine.model, tuned, engine.device)
    result: dict[str, Any] = {}
    result |= mean_ranks([ranks(update.singular_values.double()) for update in by_matrix.values()])
    tuned_fingerprint = fingerprint(tuned)
    curve = []
    for rank in (0, *RANKS, engine.model.config.hidden_size):  # the last is the update itself
        for key, weight in linear_weights(engine.model).items():
            weight.data.copy_(by_matrix[key].truncated(rank))
        engine.identity = {**engine.identity, "update": tuned_fingerprint, "rank": rank}
        predictions = predict(items, engine, p, f"rank {rank}")
        answers, log_odds = [row["answer"] for row in predictions], [log_odds_of(row) for row in predictions]
        scores = measure(answers, truth, log_odds, p.evaluate.bootstrap, p.seed)
        headlines = {key: scores[key] for key in SCORES}
        result[f"rank_{rank}"] = headlines
        curve.append({"rank": rank} | headlines)
    write_json(metrics, result)
    write_json(plot, curve)


if __name__ == "__main__":
    main()
