"""Table 1, Table 2, what the figures draw (paper, sections 2 and 4), and a card for each adapter.

    python -m stages.report metrics data dvc.lock metrics/tables metrics/plots metrics/cards

Writes metrics/tables.md and metrics/tables.json. dvc.lock says what the adapters were made of; it has been written
when training ended.
"""

import json
from pathlib import Path

import click
from ruamel.yaml import YAML

from stages.cards.model import card, made_of
from stages.params import params
from stages.results import figures
from stages.results.scores import (
    Rows,
    Scores,
    improvements,
    markdown_1,
    markdown_2,
    percent,
    split,
    table_1,
    table_2,
)
from stages.schemas import Prediction, Score
from stages.tables import read, rows, split_ids, write_json

FLOORS = ["always_needed", "tfidf_lr"]


@click.command(help=__doc__)
@click.argument("metrics", type=click.Path(exists=True, path_type=Path))
@click.argument("data", type=click.Path(exists=True, path_type=Path))
@click.argument("lock", type=click.Path(exists=True, path_type=Path))
@click.argument("tables", type=click.Path(path_type=Path))
@click.argument("plots", type=click.Path(path_type=Path))
@click.argument("cards", type=click.Path(path_type=Path))
def main(metrics: Path, data: Path, lock: Path, tables: Path, plots: Path, cards: Path) -> None:
    p = params()

    def scores(folder: str, names: list[str]) -> dict[str, Scores]:
        return {name: json.loads((metrics / folder / f"{name}.json").read_text(encoding="utf-8")) for name in names}

    ids = split_ids(data / "alpaca", p.evaluate.split)

    def answers(folder: str, names: list[str]) -> dict[str, Rows]:
        found = {name: rows(read(data / "predictions" / folder / f"{name}.jsonl", Prediction)) for name in names}
        return split(found, p.export.prompt, ids)

    names = sorted(p.ladder, key=lambda name: p.models[name].size)
    trained = [name for name in names if name in p.finetune]
    vanilla, tuned, floors = scores("baseline", names), scores("tuned", trained), scores("floor", FLOORS)
    asked = {figures.VANILLA: answers("baseline", names), figures.TUNED: answers("tuned", trained)}

    gains = improvements(asked[figures.VANILLA], asked[figures.TUNED], p.evaluate.bootstrap, p.seed)
    one, two = table_1(vanilla, floors, p.models), table_2(vanilla, tuned, gains, floors, p.models)
    write_json(tables.with_suffix(".json"), {"table_1": one, "table_2": two})
    first = next(iter(vanilla.values()))
    tables.with_suffix(".md").write_text(
        f"n = {first['n']} items of {p.evaluate.split}, {percent(first['needed_share'])}% of them needed; 95% bounds"
        " by bootstrap, of improvements by paired bootstrap. In bold: the best model. In italics: what needs no"
        f" language model.\n\n**Table 1.** Vanilla models.\n\n{markdown_1(one)}\n\n"
        f"**Table 2.** Tuned models.\n\n{markdown_2(two)}\n",
        encoding="utf-8",
    )

    write_json(plots / "size.json", figures.size(vanilla, tuned, floors, p.models))
    write_json(plots / "confusion.json", figures.confusion(asked))
    write_json(plots / "reliability.json", figures.reliability(asked))
    write_json(plots / "precision_recall.json", figures.precision_recall(asked))
    write_json(plots / "scores.json", figures.histogram(read(data / "scores.jsonl", Score), p.filter.scorers))

    counts = json.loads((metrics / "export.json").read_text(encoding="utf-8"))
    locked = YAML(typ="safe", pure=True).load(lock.read_text(encoding="utf-8"))["stages"]
    cards.mkdir(exist_ok=True)
    for name, own in tuned.items():
        compared = {"this adapter": own, "the base alone": vanilla[name]} | floors
        text = card(name, compared, counts, locked, p)
        (cards / f"{name}.md").write_text(text, encoding="utf-8")
    with tables.with_suffix(".md").open("a", encoding="utf-8") as file:
        file.write(f"\n{made_of(locked, names, p)}")


if __name__ == "__main__":
    main()
