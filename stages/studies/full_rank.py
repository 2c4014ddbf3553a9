"""What rank does the task need? (The paper's open question: does the data meet LoRA's assumption of a low rank?)

    python -m stages.studies.full_rank smollm2_135m metrics/full_rank.json metrics/plots/full_rank.json

Trains all linear matrices in full, those that LoRA updates by default, and asks the dev set of the base plus the best
approximation of that update for each rank (its largest singular values; Eckart and Young, 1936): what a LoRA of this
rank could at best hold of it. Killed, it goes on from the last checkpoint, and asks nothing twice.
"""

from pathlib import Path
from typing import Any

import click

from stages.llm.asking import odds, predict
from stages.params import cache_directory, params
from stages.rank import ranks
from stages.studies import training
from stages.tables import items_of, write_json
from stages.train import train

RANKS = (1, 2, 4, 8, 16, 32, 64, 128)


@click.command(help=__doc__)
@click.argument("name")
@click.argument("metrics", type=click.Path())
@click.argument("plot", type=click.Path())
@click.option(
    "--lr", default=2e-5, show_default=True, help="Learning rate; full training wants a smaller one than LoRA."
)
def main(name: str, metrics: str, plot: str, lr: float) -> None:
    import torch
    from safetensors.torch import load_file
    from tqdm import tqdm

    from stages.llm.transformers import Transformers
    from stages.llm.weights import fingerprint, matrices
    from stages.metric import measure

    p = params()  # with the rest of the recipe as it is for adapters
    model = p.named(name)
    model = model.model_copy(update={"train": model.train.model_copy(update={"lr": lr})})
    p = p.model_copy(update={"models": p.models | {name: model}})
    base, alpaca = Path("data/base") / name, Path("data/alpaca")
    items = items_of("data/valid.jsonl", alpaca, "dev")
    tuned = cache_directory("full_rank") / training(base, alpaca, p)
    if not (tuned / "done").exists():
        train(name, base, alpaca / "train.json", p, tuned, tuned / "curve", full=True)
        (tuned / "done").touch()
    engine = Transformers(base, p.evaluate.batch_tokens)
    full = load_file(tuned / "model.safetensors", device=engine.device)
    own = {key: weight.detach().clone() for key, weight in matrices(engine.model).items()}
    parts = {
        key: torch.linalg.svd(full[f"{key}.weight"].float() - before, full_matrices=False)
        for key, before in tqdm(own.items(), "singular values", unit=" matrices")
    }
    spectra = [ranks(values.double()) for _, values, _ in parts.values()]
    found: dict[str, Any] = {key: round(sum(one[key] for one in spectra) / len(spectra), 4) for key in spectra[0]}
    curve = []
    for rank in (0, *RANKS, engine.model.config.hidden_size):  # the last is the update itself
        for key, weight in matrices(engine.model).items():
            u, values, v = parts[key]
            weight.data.copy_(own[key] + u[:, :rank] * values[:rank] @ v[:rank])
        engine.identity = {**engine.identity, "update": fingerprint(tuned), "rank": rank}
        answers = predict(items, engine, p, f"rank {rank}")
        truth = [item["cr_need_gt"] for item in items]
        scores = measure(
            [row["answer"] for row in answers], truth, list(map(odds, answers)), p.evaluate.bootstrap, p.seed
        )
        kept = {key: scores[key] for key in ("f1", "f1_low", "f1_high", "auc", "auc_low", "auc_high", "n")}
        found[f"rank_{rank}"] = kept
        curve.append({"rank": rank} | kept)
    write_json(metrics, found)
    write_json(plot, curve)


if __name__ == "__main__":
    main()
