"""Question filters side by side on labelled random turns: rules, a vanilla model's mark, and two that learn.

    python -m tests.benchmarks.question_filters smollm2_135m [--tuned]

The turns and labels are those of the project: data/turns.jsonl and the question is_question. What learns is judged by
cross-validation, with whole conversations on one side. Turns a second are those of a filter alone on all labelled
turns, answers from the cache left out: set LABELS_CACHE to an empty folder. `--tuned` also tunes the model, once for
each fold.
"""

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import click
import numpy as np
from ibis import _

from stages.chat.fingerprint import ANNOTATIONS
from stages.judging.filter_probes import learn
from stages.judging.metrics import Bools, Floats, proportion
from stages.judging.probe import folds
from stages.labels.filter_labels import random_questions
from stages.llm.alpaca import alpaca_rows
from stages.llm.catalogue import engine
from stages.llm.no_answers import NoAnswer
from stages.llm.scorers import Rating, mark, rules, tuned
from stages.llm.states import StateReader
from stages.llm.training import train
from stages.llm.training_cache import train_once, training_fingerprint
from stages.llm.training_examples import TrainingRows
from stages.pipeline.definition import IS_QUESTION
from stages.pipeline.files import write_json
from stages.pipeline.markdown import in_percent, markdown_table
from stages.pipeline.params import Params, cache_directory, params
from stages.pipeline.schemas import Turn
from stages.pipeline.tables import read, rows

Items = list[dict[str, Any]]
RULES_FROM, MARK_FROM, LEARNING_FROM = 5, 0.1, 5  # thresholds


class Filter(NamedTuple):
    """Whether each turn passes [items], and how many turns it rates in a second."""

    passes: Bools
    turns_per_second: float


def timed(rate: Callable[[], Sequence[Rating]], threshold: float) -> Filter:
    start = time.perf_counter()
    ratings = rate()
    seconds = time.perf_counter() - start
    passes = np.array([not isinstance(rating, NoAnswer) and rating >= threshold for rating in ratings])
    return Filter(passes, len(ratings) / seconds)


def probe_filter(name: str, items: Items, labels: Bools, p: Params) -> Filter:
    """By probes that haven't seen a turn's conversation."""
    reader = StateReader(Path("data/base") / name)
    start = time.perf_counter()
    states = reader.read_alone([item["text"] for item in items]).astype(float)
    seconds = time.perf_counter() - start
    ratings: Floats = learn(items, states, labels, reader.layers, p.seed).held_out
    return Filter(ratings >= LEARNING_FROM, len(items) / seconds)


def tuned_filter(name: str, items: Items, labels: Bools, p: Params) -> Filter:
    """By models that were tuned on the other folds. A training that finished is not repeated."""
    base = Path("data/base") / name
    passes, seconds = np.zeros(len(items), dtype=bool), 0.0
    for fold, (train_rows, test_rows) in enumerate(folds(items, labels, p.seed)):
        examples = alpaca_rows([items[i] | {"label": bool(labels[i])} for i in train_rows], p.question)
        work = cache_directory("question_filters") / training_fingerprint(name, base, p, Path("data/turns.jsonl"))
        work = work.with_name(f"{work.name}_{fold}")

        def train_on_fold(
            adapter: Path, curve: Path, work: Path = work, examples: list[dict[str, Any]] = examples
        ) -> None:
            write_json(work / "train.json", examples)
            train(name, base, TrainingRows(work / "train.json"), p, p.seeds[0], adapter, curve)

        train_once(work, train_on_fold)
        model = engine(name, base, p, work / "adapter", exact=True)
        start = time.perf_counter()
        ratings = tuned([items[i]["text"] for i in test_rows], model, p, p.question.prompt, f"fold {fold}")
        seconds += time.perf_counter() - start
        passes[test_rows] = [not isinstance(rating, NoAnswer) and rating >= LEARNING_FROM for rating in ratings]
    return Filter(passes, len(items) / seconds)


def row(name: str, passes: Bools, labels: Bools, turns_per_second: float | None = None) -> list[str]:
    quality = proportion("precision", int((passes & labels).sum()), int(passes.sum()))
    quality |= proportion("recall", int((passes & labels).sum()), int(labels.sum()))
    cells = [in_percent(quality[s], quality[f"{s}_low"], quality[f"{s}_high"]) for s in ("precision", "recall")]
    return [name, *cells, f"{turns_per_second:,.0f}" if turns_per_second else ""]


@click.command(help=__doc__)
@click.argument("name")
@click.option("--tuned", "with_tuned", is_flag=True, help="Tune the model as well, five times.")
def main(name: str, with_tuned: bool) -> None:
    p = params().asking(IS_QUESTION)
    questions = random_questions(ANNOTATIONS, p)
    items = [
        turn | {"cr_window": []} for turn in rows(read("data/turns.jsonl", Turn).filter(_.id.isin(list(questions))))
    ]
    items.sort(key=lambda item: item["id"])
    labels = np.array([questions[item["id"]] for item in items], dtype=bool)
    texts = [item["text"] for item in items]
    vanilla = engine(name, Path("data/base") / name, p, exact=True)
    filters = {
        "rules": timed(lambda: [rules(text) for text in texts], RULES_FROM),
        "mark": timed(lambda: mark(texts, vanilla, "mark"), MARK_FROM),
        "probe": probe_filter(name, items, labels, p),
    }
    if with_tuned:
        filters["tuned"] = tuned_filter(name, items, labels, p)
    by_rules = filters["rules"].passes
    lines = [row(f"`{kind}`", scorer.passes, labels, scorer.turns_per_second) for kind, scorer in filters.items()]
    lines += [row(f"`rules`, `{kind}`", by_rules & f.passes, labels) for kind, f in filters.items() if kind != "rules"]
    click.echo(f"n = {len(items)} random turns, {labels.sum()} of them questions; 95% bounds by Wilson.\n")
    click.echo(markdown_table(["scorers", "precision (%)", "recall (%)", "turns a second"], lines))


if __name__ == "__main__":
    main()
