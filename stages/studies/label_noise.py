"""Does the method find bad labels? Labels that are taken for correct are flipped, and looked for.

    python -m stages.studies.label_noise data/valid.jsonl metrics/label_noise.json metrics/plots/label_noise.json

For five seeds, 5 to 40% of the labels are flipped at random, or 10% the way tired annotators err: they call a short
message complete. Then (a) the law judges the noisy labels by the vanilla ladder, and (b) five rankings look for the
flipped labels: the queue (stages/reannotate.py), cleanlab alone on the language model's hidden states, cleanlab on
TF-IDF with logistic regression, the paper's rule (both of the two biggest models are wrong), and chance.
"""

from collections.abc import Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Any

import click
import numpy as np

from stages.judging.hidden_states import Items, read_states
from stages.judging.label_doubt import label_doubt, wrong_by_biggest
from stages.judging.ladder import HOLDS, Ladder, bootstrap_ladder, judge, ladder_of
from stages.judging.metrics import Bools, Floats, rounded_bounds
from stages.judging.probe import out_of_sample
from stages.pipeline.command import Command
from stages.pipeline.files import write_json
from stages.pipeline.model_sizes import with_sizes
from stages.pipeline.params import Params, params
from stages.pipeline.schemas import Labelled
from stages.pipeline.tables import read, rows
from stages.pipeline.window import with_window

NOISES = {"random_5": 0.05, "random_10": 0.1, "random_20": 0.2, "random_40": 0.4, "tired_10": 0.1}
SEEDS = range(5)
SHARES = (0.05, 0.1, 0.2)  # of the items, that are looked at again
RANKINGS = ("queue", "cleanlab", "lr", "paper_rule", "chance")


def flip_labels(items: Items, labels: Bools, noise: str, seed: int) -> Bools:
    """Which labels [items] are flipped: any at random, or those of needed messages, the shorter the likelier."""
    rng = np.random.default_rng(seed)
    weights = np.ones(len(items))
    if noise.startswith("tired"):
        weights = labels / np.array([len(item["text"]) for item in items])
    flipped = np.zeros(len(items), dtype=bool)
    count = round(NOISES[noise] * len(items))
    flipped[rng.choice(len(items), count, replace=False, p=weights / weights.sum())] = True
    return flipped


def doubts_by_ranking(
    items: Items, states: Sequence[Floats] | Floats, labels: Bools, ladder: Ladder, seed: int
) -> dict[str, Floats]:
    """How much each ranking doubts each label [items]; ties of the paper's rule are broken by chance."""
    unseen = out_of_sample(items, states, labels, seed)
    no_votes: list[Mapping[str, str]] = [{} for _ in items]
    chance = np.random.default_rng(seed + 1000).random(len(items))
    return {
        "queue": label_doubt(labels, [unseen["all"]], no_votes),
        "cleanlab": label_doubt(labels, [unseen["states"]], no_votes),
        "lr": label_doubt(labels, [unseen["words"]], no_votes),
        "paper_rule": wrong_by_biggest(ladder._replace(truth=labels)) + chance,
        "chance": chance,
    }


def precision_and_recall(doubts: Floats, flipped: Bools, share: float) -> tuple[float, float]:
    """Precision and recall, for flipped labels, of the most doubted share of the items."""
    most_doubted = np.argsort(-doubts, kind="stable")[: round(share * len(flipped))]
    hits = flipped[most_doubted]
    return float(hits.mean()), float(hits.sum() / flipped.sum())


def mean_with_bounds(name: str, values: Sequence[float]) -> dict[str, float]:
    """The mean over the seeds with its 95% bounds (Student's t)."""
    from scipy.stats import t

    mean = float(np.mean(values))
    half = t.ppf(0.975, len(values) - 1) * np.std(values, ddof=1) / np.sqrt(len(values))
    return rounded_bounds(name, mean, mean - half, mean + half)


def key(ranking: str, score: str, share: float) -> str:
    """The name of a score in the metrics, as in queue_recall_20."""
    return f"{ranking}_{score}_{share:.0%}".rstrip("%")


def vanilla_ladder(items: Items, p: Params) -> Ladder:
    """The ladder's answers to the items; what has been answered once is not asked again."""
    from stages.llm.catalogue import engine
    from stages.llm.predictions import predict

    answers = {}
    for name in p.ladder:
        predictions = predict(items, engine(name, Path("data/base") / name, p), p, name)
        answers[name] = [row | {"label": item["label"]} for item, row in zip(items, predictions, strict=True)]
    return ladder_of(p.ladder, answers, p.models)


def verdict(ladder: Ladder, labels: Bools, p: Params) -> int:
    """The law's verdict if the items had these labels."""
    relabelled = ladder._replace(truth=labels)
    scores = bootstrap_ladder(relabelled, p.evaluate.bootstrap, p.seed)
    return int(judge(relabelled, scores, p.law.letter_share)["verdict"])


def power(noisy: Sequence[int], clean: Sequence[int]) -> dict[str, float]:
    """By how much less often the law holds on noisy labels than on clean ones, with 95% bounds (Newcombe's).

    The arguments are verdicts. 1 tells the labels apart every time, 0 never.
    """
    from statsmodels.stats.proportion import confint_proportions_2indep

    clean_holds, noisy_holds = list(clean).count(HOLDS), list(noisy).count(HOLDS)
    low, high = confint_proportions_2indep(clean_holds, len(clean), noisy_holds, len(noisy), method="newcomb")
    return rounded_bounds("verdict_power", clean_holds / len(clean) - noisy_holds / len(noisy), low, high)


def scores_of_noise(
    noise: str, items: Items, states: Sequence[Floats] | Floats, ladder: Ladder, p: Params
) -> tuple[dict[str, list[float]], list[int]]:
    """Precision and recall of each ranking and share, and the law's verdicts, both over the seeds."""
    from tqdm import tqdm

    scores: dict[str, list[float]] = {}
    verdicts = []
    for seed in tqdm(SEEDS, noise, unit=" seeds"):
        flipped = flip_labels(items, ladder.truth, noise, seed)
        labels = ladder.truth ^ flipped
        verdicts.append(verdict(ladder, labels, p))
        for (ranking, doubts), share in product(
            doubts_by_ranking(items, states, labels, ladder, seed).items(), SHARES
        ):
            precision, recall = precision_and_recall(doubts, flipped, share)
            scores.setdefault(key(ranking, "precision", share), []).append(precision)
            scores.setdefault(key(ranking, "recall", share), []).append(recall)
    return scores, verdicts


def summary(scores: Mapping[str, Sequence[float]], verdicts: Sequence[int], clean_verdict: int) -> dict[str, float]:
    """The metrics of one kind of noise: means over the seeds, the queue's lead in recall, and the law's power."""
    metrics: dict[str, float] = {}
    for name, values in scores.items():
        metrics |= mean_with_bounds(name, values)
    for other in ("cleanlab", "lr"):
        recalls = zip(scores["queue_recall_20"], scores[f"{other}_recall_20"], strict=True)
        leads = [queue_recall - other_recall for queue_recall, other_recall in recalls]
        metrics |= mean_with_bounds(f"queue_over_{other}_20", leads)
    return metrics | power(verdicts, [clean_verdict])


@click.command(cls=Command, help=__doc__)
@click.argument("labelled", type=click.Path(exists=True))
@click.argument("metrics", type=click.Path())
@click.argument("plot", type=click.Path())
def main(labelled: str, metrics: str, plot: str) -> None:
    p = with_sizes(with_window(params()))
    items = rows(read(labelled, Labelled))
    ladder = vanilla_ladder(items, p)
    states = read_states("data/states.safetensors").of_middle_layer(items)
    clean_verdict = verdict(ladder, ladder.truth, p)
    result: dict[str, Any] = {"n": len(items), "seeds": len(SEEDS), "verdict_clean": clean_verdict}
    points = []
    for noise in NOISES:
        scores, verdicts = scores_of_noise(noise, items, states, ladder, p)
        result[noise] = summary(scores, verdicts, clean_verdict)
        for ranking, share in product(RANKINGS, SHARES):
            recall = result[noise][key(ranking, "recall", share)]
            points.append({"noise": noise, "ranking": ranking, "share": share, "recall": recall})
    write_json(metrics, result)
    write_json(plot, points)


if __name__ == "__main__":
    main()
