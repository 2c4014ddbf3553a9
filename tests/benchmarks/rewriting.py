"""Rewrites of GECOR's turns beside people's own: by a vanilla model, and by one that is tuned on people's.

    python -m tests.benchmarks.rewriting CamRest676_annotated.json --models smollm2_135m

Whole dialogues are train (60%), dev (10%) or test. A model learns the rewrites of train as `stages.train` would. Then
it rewrites the turns of test, as `gate.resolve` has it: where a rewrite is refused, the turn stays as it is. There are
four ways to choose the turns: none, all, those that a gate finds needed, and those whose label says so. The gate is
TF-IDF with logistic regression that has learnt from train, or the tuned model of --gate. Its threshold keeps
`gate.recall` of the needed turns of dev. The adapter of --gate must not have learnt from GECOR.

Exact match is that of letters and digits, whatever their case. BLEU and chrF are sacrebleu's, over the whole corpus.
Bounds are 95%, by bootstrap over the turns. A run that was killed goes on where it was. --turns 20 and --steps 20 make
a short try of it.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click
import numpy as np
from numpy.typing import NDArray

from stages.gating.resolution import Resolution, count_fallbacks, render, resolution, resolve_all, training_row
from stages.gating.threshold import measure_gate, threshold_for
from stages.judging.bootstrap import bounds, resample_counts
from stages.judging.classifiers import log_odds_from_words
from stages.judging.metrics import Bools, Floats
from stages.judging.probe import truth_of
from stages.labels.splitting import split
from stages.llm.catalogue import engine
from stages.llm.training import train
from stages.llm.training_cache import train_once, training_fingerprint
from stages.llm.training_examples import TrainingRows
from stages.pipeline.files import write_json
from stages.pipeline.markdown import in_percent, markdown_table, plural
from stages.pipeline.params import Params, cache_directory, params
from stages.pipeline.schemas import SPLITS
from stages.pipeline.window import with_window
from tests.benchmarks import gecor
from tests.benchmarks.gates import tuned_log_odds

Items = list[dict[str, Any]]
DEV, TEST = 0.1, 0.3  # shares of the items
HEAD = ("model", "rewritten turns", "share of turns", "exact match", "BLEU", "chrF")


def items_with_rewrites(dialogues: list[dict[str, Any]]) -> Items:
    """The users' turns as labelled items, each with what a person made of it (`rewrite`) and the system's `reply`."""
    turns = [turn for dialogue in dialogues for turn in dialogue["dial"]]
    return [
        item | {"rewrite": " ".join(turn["usr"]["transcript_complete"].split()), "reply": turn["sys"]["sent"]}
        for item, turn in zip(gecor.items(dialogues), turns, strict=True)
    ]


def refused_texts(items: Items, field: str, window: int) -> int:
    """How many items' texts in a field would be refused as rewrites of the items' turns."""
    renderings = [render(item, window) for item in items]
    return sum(
        resolution(item["text"], rendering, item[field]).reason is not None
        for item, rendering in zip(items, renderings, strict=True)
    )


def tuned_adapter(name: str, learnt: Items, dev: Items, p: Params) -> Path:
    """The folder of an adapter that has learnt people's rewrites, in the cache directory. Turns without a history have
    none that a model is asked for.
    """
    folder = cache_directory("rewriting")
    files = {part: folder / f"{part}.json" for part in ("train", "dev")}
    for file, part in zip(files.values(), (learnt, dev), strict=True):
        rows = [training_row(item, item["rewrite"], p.filter.window) for item in part if item["cr_window"]]
        write_json(file, rows)
    base = Path("data/base") / name
    work = folder / training_fingerprint(name, base, p, *files.values())

    def train_on_rewrites(adapter: Path, curve: Path) -> None:
        train(name, base, TrainingRows(files["train"], files["dev"]), p, p.seeds[0], adapter, curve)

    train_once(work, train_on_rewrites)
    return work / "adapter"


def decisions_of_gate(adapter: Path | None, learnt: Items, dev: Items, test: Items, p: Params) -> tuple[Bools, str]:
    """The gate's decisions on test [items], and what it is and does in words."""
    if adapter:
        title, log_odds = f"{adapter.name}, tuned", tuned_log_odds(adapter.name, adapter, dev + test, p)
    else:
        texts, labels = [item["text"] for item in learnt], [item["label"] for item in learnt]
        title = "TF-IDF, logistic regression"
        log_odds = np.array(log_odds_from_words(texts, labels, [item["text"] for item in dev + test]))
    of_dev, of_test = log_odds[: len(dev)], log_odds[len(dev) :]
    is_needed = of_test >= threshold_for(p.gate.recall, of_dev, truth_of(dev))
    scores = measure_gate(is_needed, of_test, truth_of(test), p.evaluate.bootstrap, p.seed)
    shares = [
        f"{name} {in_percent(scores[name], scores[f'{name}_low'], scores[f'{name}_high'])}"
        for name in ("recall", "precision", "saved")
    ]
    return is_needed, f"{title}: {', '.join(shares)}"


def corpus_statistics(metric: Any, texts: Sequence[str], references: Sequence[str]) -> NDArray[Any]:
    """What sacrebleu counts for each text, [texts, counts]. A corpus has the score of their sum."""
    return np.array(metric._extract_corpus_statistics(list(texts), [list(references)]), dtype=float)


def corpus_scores(metric: Any, statistics: NDArray[Any], counts: NDArray[Any]) -> Floats:
    """The score [samples], from 0 to 1, of samples that have each text as often as `counts` [samples, texts] says."""
    sums = counts @ statistics
    return np.array([metric._compute_score_from_stats(list(row)).score / 100 for row in sums])


def cells(texts: Sequence[str], references: Sequence[str], resamples: int, seed: int) -> list[str]:
    """Exact match, BLEU and chrF in percent with their bounds."""
    from sacrebleu.metrics import BLEU, CHRF

    n = len(texts)
    counts = np.vstack([np.ones((1, n), int), resample_counts(n, resamples, seed)])  # the turns themselves first
    matches = np.array(
        [gecor.bare(text) == gecor.bare(reference) for text, reference in zip(texts, references, strict=True)]
    )
    scores = [counts @ matches / n]
    for metric in (BLEU(), CHRF()):
        scores.append(corpus_scores(metric, corpus_statistics(metric, texts, references), counts))
    texts_of_scores = []
    for score in scores:
        low, high = bounds(score[1:])
        texts_of_scores.append(in_percent(score[0], low, high))
    return texts_of_scores


def lines_of(
    title: str, items: Items, resolutions: Sequence[Resolution], ways: Mapping[str, Bools], p: Params
) -> list[list[str]]:
    """A line of the table for each way of choosing the turns that are rewritten."""
    references = [item["rewrite"] for item in items]
    lines = []
    for way, is_chosen in ways.items():
        texts = [
            resolved.text if chosen else item["text"]
            for item, resolved, chosen in zip(items, resolutions, is_chosen, strict=True)
        ]
        share = f"{100 * is_chosen.mean():.2f}"
        lines.append([title, way, share, *cells(texts, references, p.evaluate.bootstrap, p.seed)])
    return lines


@click.command(help=__doc__)
@click.argument("dialogues", type=click.Path(exists=True, path_type=Path))
@click.option("--models", multiple=True, default=["smollm2_135m"], show_default=True, help="May be given repeatedly.")
@click.option("--gate", type=click.Path(exists=True, path_type=Path), help="Adapter of a gate, data/adapters/NAME.")
@click.option("--steps", type=click.IntRange(min=1), help="Training steps, in place of `epochs`.")
@click.option("--turns", type=click.IntRange(min=1), help="Turns of test that are asked, the first ones.")
def main(dialogues: Path, models: tuple[str, ...], gate: Path | None, steps: int | None, turns: int | None) -> None:
    p = with_window(params())
    for name in models:
        p.named(name)
    to_train = p.model_copy(update={"epochs": 1e-6, "min_steps": steps}) if steps else p
    items = items_with_rewrites(json.loads(dialogues.read_text("utf-8")))
    splits, _ = split(items, DEV, TEST, p.export.seed)
    learnt, dev, test = (splits[part] for part in SPLITS)
    test = test[:turns]
    is_needed, gate_in_words = decisions_of_gate(gate, learnt, dev, test, p)
    none, everything = np.zeros(len(test), bool), np.ones(len(test), bool)
    ways = {"all": everything, "needed by the gate": is_needed, "needed by the labels": truth_of(test)}

    lines = lines_of("none", test, [Resolution(item["text"], None) for item in test], {"none": none}, p)
    with_history = [item for item in items if item["cr_window"]]
    by_people, replies = (refused_texts(with_history, field, p.filter.window) for field in ("rewrite", "reply"))
    notes = [
        f"Gate, {gate_in_words}.",
        f"Of {plural(len(with_history), 'turn')} with a history, {by_people:,} of people's rewrites are refused, and"
        f" {replies:,} of the system's replies, taken for rewrites.",
    ]
    for name in models:
        for title in (f"{name}, vanilla", f"{name}, tuned"):
            adapter = tuned_adapter(name, learnt, dev, to_train) if title.endswith("tuned") else None
            if adapter:
                click.echo(f"{title}: {adapter}", err=True)
            resolver = engine(name, Path("data/base") / name, p, adapter)
            resolutions = resolve_all(test, resolver, p.filter.window, title)
            lines += lines_of(title, test, resolutions, ways, p)
            refused = ", ".join(f"{count} {reason}" for reason, count in count_fallbacks(resolutions).items())
            notes.append(f"{title}: of {plural(len(test), 'turn')} as they are: {refused or 'none'}.")
    counts = [
        f"{part} {plural(len(chosen), 'turn')} of {plural(len({item['group'] for item in chosen}), 'dialogue')}"
        for part, chosen in zip(SPLITS, (learnt, dev, test), strict=True)
    ]
    click.echo(f"{'; '.join(counts)}. In percent, with 95% bounds, n = {len(test)}.\n")
    click.echo(markdown_table(HEAD, lines) + "\n")
    click.echo("\n".join(notes))


if __name__ == "__main__":
    main()
