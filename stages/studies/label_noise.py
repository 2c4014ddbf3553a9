"""Does the method find bad labels? Labels that are taken for good are spoilt, and looked for again.

    python -m stages.studies.label_noise data/valid.jsonl metrics/label_noise.json metrics/plots/label_noise.json

Five times over, 5 to 40% of the labels are flipped at random, or 10% the way tired annotators err: a short message is
called complete. Then (a) the law judges the spoilt labels by the vanilla ladder, and (b) five rankings look for them:
the queue (stages/reannotate.py), cleanlab alone on what the language model's hidden states say, cleanlab on TF-IDF
with logistic regression, the paper's rule (wrong by both of the two biggest), and chance.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click
import numpy as np

from stages.ladder import Ladder, judge, ladder_of, sample
from stages.params import Params, params
from stages.probe import Items, hidden_states, out_of_sample
from stages.reannotate import BIGGEST, doubt
from stages.schemas import Labelled
from stages.scoring import Bools, Floats
from stages.studies.simulated import power
from stages.tables import read, rows, write_json

NOISES = {"random_5": 0.05, "random_10": 0.1, "random_20": 0.2, "random_40": 0.4, "tired_10": 0.1}
SEEDS = range(5)
SHARES = (0.05, 0.1, 0.2)  # of the items, which somebody looks at again
RANKINGS = ("queue", "cleanlab", "lr", "paper_rule", "chance")


def spoilt(items: Items, labels: Bools, noise: str, seed: int) -> Bools:
    """Which labels [items] are flipped: any, or those of needed messages, the shorter the likelier."""
    rng = np.random.default_rng(seed)
    weights = np.ones(len(items))
    if noise.startswith("tired"):
        weights = labels / np.array([len(item["text"]) for item in items])
    flipped = np.zeros(len(items), dtype=bool)
    chosen = rng.choice(len(items), round(NOISES[noise] * len(items)), replace=False, p=weights / weights.sum())
    flipped[chosen] = True
    return flipped


def rankings(items: Items, states: Sequence[Floats], labels: Bools, ladder: Ladder, seed: int) -> dict[str, Floats]:
    """How much each ranking doubts each label [items]; ties are broken by chance."""
    unseen = out_of_sample(items, states, labels, seed)
    nobody: list[Mapping[str, str]] = [{} for _ in items]
    said = np.where(labels, "needed", "not_needed")
    chance = np.random.default_rng(seed + 1000).random(len(items))
    return {
        "queue": doubt(labels, [unseen["all"]], nobody),
        "cleanlab": doubt(labels, [unseen["states"]], nobody),
        "lr": doubt(labels, [unseen["words"]], nobody),
        "paper_rule": (ladder.answers[-BIGGEST:] != said).all(0) + chance,
        "chance": chance,
    }


def found(doubts: Floats, flipped: Bools, share: float) -> tuple[float, float]:
    """Precision and recall of the most doubted share of the items for the flipped ones."""
    first = np.argsort(-doubts, kind="stable")[: round(share * len(flipped))]
    return float(flipped[first].mean()), float(flipped[first].sum() / flipped.sum())


def bounded(name: str, values: Sequence[float]) -> dict[str, float]:
    """The mean over the seeds with its 95% bounds (Student's t)."""
    from scipy.stats import t

    mean, half = np.mean(values), t.ppf(0.975, len(values) - 1) * np.std(values, ddof=1) / np.sqrt(len(values))
    return {name: round(float(mean), 4), f"{name}_low": round(mean - half, 4), f"{name}_high": round(mean + half, 4)}


def vanilla(items: Items, p: Params) -> Ladder:
    """The ladder's answers to the items; what has been answered once is not asked again."""
    from stages.llm.asking import predict
    from stages.llm.engines import engine

    answers = {}
    for name in p.ladder:
        given = predict(items, engine(name, Path("data/base") / name, p), p, name)
        answers[name] = [row | {"cr_need_gt": item["cr_need_gt"]} for item, row in zip(items, given, strict=True)]
    return ladder_of(p.ladder, answers, p.models)


@click.command(help=__doc__)
@click.argument("labelled", type=click.Path(exists=True))
@click.argument("metrics", type=click.Path())
@click.argument("plot", type=click.Path())
def main(labelled: str, metrics: str, plot: str) -> None:
    from tqdm import tqdm

    p = params()
    items = rows(read(labelled, Labelled))
    ladder = vanilla(items, p)
    states = hidden_states(Path("data/base") / p.law.reader, items, p.export.window)

    def verdict(labels: Bools) -> int:
        spoilt_ladder = ladder._replace(truth=labels)
        drawn = sample(spoilt_ladder, p.evaluate.bootstrap, p.seed)
        return int(judge(spoilt_ladder, drawn, p.law.letter_share)["verdict"])

    result: dict[str, Any] = {"n": len(items), "seeds": len(SEEDS), "verdict_clean": verdict(ladder.truth)}
    points = []
    bar = tqdm(total=len(NOISES) * len(SEEDS), desc="spoilt labels", unit=" sets")
    for noise in NOISES:
        scores: dict[str, list[float]] = {}
        verdicts = []
        for seed in SEEDS:
            flipped = spoilt(items, ladder.truth, noise, seed)
            labels = ladder.truth ^ flipped
            verdicts.append(verdict(labels))
            for name, doubts in rankings(items, states, labels, ladder, seed).items():
                for share in SHARES:
                    precision, recall = found(doubts, flipped, share)
                    scores.setdefault(f"{name}_precision_{share:.0%}".strip("%"), []).append(precision)
                    scores.setdefault(f"{name}_recall_{share:.0%}".strip("%"), []).append(recall)
            bar.update()
        own: dict[str, float] = {}
        for name, values in scores.items():
            own |= bounded(name, values)
        for other in ("cleanlab", "lr"):
            pairs = zip(scores["queue_recall_20"], scores[f"{other}_recall_20"], strict=True)
            own |= bounded(f"queue_over_{other}_20", [queue - one for queue, one in pairs])
        own |= power(verdicts, [result["verdict_clean"]])
        result[noise] = own
        points += [
            {"noise": noise, "ranking": name, "share": share, "recall": own[f"{name}_recall_{share:.0%}".strip("%")]}
            for name in RANKINGS
            for share in SHARES
        ]
    bar.close()
    write_json(metrics, result)
    write_json(plot, points)


if __name__ == "__main__":
    main()
