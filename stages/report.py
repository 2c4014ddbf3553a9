"""Table 1, Table 2 and the figure of both (paper, sections 2 and 4), and a card for each adapter.

    python -m stages.report metrics dvc.lock metrics/tables.md metrics/plots metrics/cards

dvc.lock says what the adapters were made of; it has been written when training ended.
"""

import json
from pathlib import Path
from typing import Any

import click
from ruamel.yaml import YAML

from stages.cards.model import card, made_of
from stages.params import Model, params
from stages.tables import write_json

Scores = dict[str, Any]


def percent(value: float) -> str:
    """As in the paper: percent with two digits."""
    return f"{100 * value:.2f}"


def bounded(scores: Scores, name: str) -> str:
    return f"{percent(scores[name])} ({percent(scores[name + '_low'])} to {percent(scores[name + '_high'])})"


def improvement(tuned: float, vanilla: float) -> str:
    """The difference of two scores in points, signed, from scores rounded as they are printed (paper, Table 2)."""
    return f"{round(100 * tuned, 2) - round(100 * vanilla, 2):+.2f}"


def row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


def shown(name: str, models: dict[str, Model]) -> str:
    return f"{name} (MoE, for reference)" if models[name].moe else name


def table_1(baseline: dict[str, Scores], floors: dict[str, Scores], models: dict[str, Model]) -> str:
    """Vanilla models: precision and F1 with 95% bounds, and the largest share of one letter."""
    lines = [row("Model", "Precision (%)", "F1 score (%)", "one letter (%)"), "|---|---|---|---|"]
    for name, scores in baseline.items():
        share = percent(scores["letter_share"])
        lines.append(row(shown(name, models), bounded(scores, "precision"), bounded(scores, "f1"), share))
    for name, scores in floors.items():
        lines.append(row(f"*{name}*", bounded(scores, "precision"), bounded(scores, "f1"), ""))
    return "\n".join(lines)


def table_2(
    baseline: dict[str, Scores], tuned: dict[str, Scores], floors: dict[str, Scores], models: dict[str, Model]
) -> str:
    """Tuned models: F1, its improvement on the vanilla model in points, and recall before and after."""
    lines = [row("Model", "F1 score (%)", "improvement", "recall (%) before", "after"), "|---|---|---|---|---|"]
    for name, scores in tuned.items():
        before, gain = baseline[name], improvement(scores["f1"], baseline[name]["f1"])
        recalls = percent(before["recall"]), percent(scores["recall"])
        lines.append(row(shown(name, models), bounded(scores, "f1"), gain, *recalls))
    for name, scores in floors.items():
        lines.append(row(f"*{name}*", bounded(scores, "f1"), "", "", percent(scores["recall"])))
    return "\n".join(lines)


@click.command(help=__doc__)
@click.argument("metrics", type=click.Path(exists=True, path_type=Path))
@click.argument("lock", type=click.Path(exists=True, path_type=Path))
@click.argument("tables", type=click.Path(path_type=Path))
@click.argument("plots", type=click.Path(path_type=Path))
@click.argument("cards", type=click.Path(path_type=Path))
def main(metrics: Path, lock: Path, tables: Path, plots: Path, cards: Path) -> None:
    p = params()

    def load(folder: str, names: list[str]) -> dict[str, Scores]:
        return {name: json.loads((metrics / folder / f"{name}.json").read_text(encoding="utf-8")) for name in names}

    names = sorted(p.ladder, key=lambda name: p.models[name].size)
    baseline, floors = load("baseline", names), load("floor", ["always_needed", "tfidf_lr"])
    tuned = load("tuned", [name for name in names if name in p.finetune])
    one = next(iter(baseline.values()))
    tables.write_text(
        f"n = {one['n']} items of {p.evaluate.split}, {percent(one['needed_share'])}% of them needed; 95% bounds by"
        " bootstrap. In italics: what needs no language model.\n\n"
        f"**Table 1.** Vanilla models.\n\n{table_1(baseline, floors, p.models)}\n\n"
        f"**Table 2.** Tuned models.\n\n{table_2(baseline, tuned, floors, p.models)}\n",
        encoding="utf-8",
    )
    states = (("vanilla", baseline), ("tuned", tuned), ("no model", floors))
    for kind in ("precision", "f1"):
        bars = [
            {"model": f"{name}, {state}", kind: round(100 * scores[kind], 2)}
            for state, found in states
            for name, scores in found.items()
        ]
        write_json(plots / f"{kind}.json", bars)
    counts = json.loads((metrics / "export.json").read_text(encoding="utf-8"))
    locked = YAML(typ="safe", pure=True).load(lock.read_text(encoding="utf-8"))["stages"]
    cards.mkdir(exist_ok=True)
    for name, scores in tuned.items():
        compared = {"this adapter": scores, "the base alone": baseline[name]} | floors
        text = card(name, compared, counts, locked, p)
        (cards / f"{name}.md").write_text(text, encoding="utf-8")
    with tables.open("a", encoding="utf-8") as file:
        file.write(f"\n{made_of(locked, names, p)}")


if __name__ == "__main__":
    main()
