"""Table 1, Table 2, what the figures draw (paper, sections 2 and 4), and a card for each adapter.

    python -m stages.report metrics data dvc.lock metrics/tables metrics/plots metrics/cards

Writes metrics/tables.md and metrics/tables.json. dvc.lock says what the adapters were made of; it has been written
when training ended.
"""

from pathlib import Path

import click

from stages.pipeline.command import Command
from stages.pipeline.files import read_json, write_json, write_text
from stages.pipeline.model_sizes import with_sizes
from stages.pipeline.params import params
from stages.pipeline.schemas import Score
from stages.pipeline.tables import read
from stages.pipeline.window import with_window
from stages.reporting.figures import figures_of_run
from stages.reporting.model_card import cards_of_run, locked_stages, made_of
from stages.reporting.run import load_run
from stages.reporting.tables import tables_in_markdown, tables_of_run


@click.command(cls=Command, help=__doc__)
@click.argument("metrics", type=click.Path(exists=True, path_type=Path))
@click.argument("data", type=click.Path(exists=True, path_type=Path))
@click.argument("lock", type=click.Path(exists=True, path_type=Path))
@click.argument("tables", type=click.Path(path_type=Path))
@click.argument("plots", type=click.Path(path_type=Path))
@click.argument("cards", type=click.Path(path_type=Path))
def main(metrics: Path, data: Path, lock: Path, tables: Path, plots: Path, cards: Path) -> None:
    p = with_sizes(with_window(params()))
    run = load_run(metrics, data, p)
    stages, fetched = locked_stages(lock), read_json(data / "models.json")
    paper_tables = tables_of_run(run, p)
    write_json(tables.with_suffix(".json"), paper_tables)
    words = tables_in_markdown(paper_tables, run, p) + "\n" + made_of(stages, fetched, list(run.vanilla), p)
    write_text(tables.with_suffix(".md"), words)
    for name, points in figures_of_run(run, read(data / "scores.jsonl", Score), p).items():
        write_json(plots / f"{name}.json", points)
    counts = {name: read_json(metrics / "details" / f"{name}.json") for name in ("export", "pseudo_label")}
    for name, card in cards_of_run(run, counts["export"] | counts, fetched, stages, p).items():
        write_text(cards / f"{name}.md", card)


if __name__ == "__main__":
    main()
