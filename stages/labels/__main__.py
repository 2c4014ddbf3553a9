"""From inquiries to labels.

\b
    python -m stages.labels label ann                 label in this terminal
    python -m stages.labels questions ann             random turns, by which the filter is judged
    python -m stages.labels tasks data/label_studio   tasks for Label Studio
    python -m stages.labels import export.json        labels from Label Studio or a table
    python -m stages.labels agreement                 how far annotators agree
"""

import re
import sys
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import click

from stages.labels import agreement as agreement_
from stages.labels import incoming, store, studio
from stages.params import params
from stages.schemas import Inquiry, Prediction, QuestionLabel, Queue, Score, Turn
from stages.tables import read, rows, write_json

ANNOTATIONS = click.option(
    "--annotations", type=click.Path(exists=True, path_type=Path), default=Path("data/annotations"), show_default=True
)
INQUIRIES = click.option(
    "--inquiries",
    type=click.Path(exists=True, path_type=Path),
    default=Path("data/inquiries.jsonl"),
    show_default=True,
)
QUEUE = click.option(
    "--queue",
    type=click.Path(exists=True, path_type=Path),
    help="Items in this file's order: label shows them first, tasks has them alone.",
)

FIRST = click.option("--first", type=click.IntRange(min=1), help="Only so many of the queue, and nothing after them.")


def queued(
    inquiries: list[dict[str, Any]], queue: Path | None, first: int | None = None
) -> tuple[list[dict[str, Any]], dict[int, int]]:
    """The inquiries, a queue's first and in its order, and by id when the last label of a queued one was made. With
    `first` only so many of the queue.
    """
    if queue is None:
        return inquiries, {}
    since = {row["id"]: row["at"] for row in rows(read(queue, Queue))[:first]}
    by_id = {item["id"]: item for item in inquiries}
    rest = [] if first else [item for item in inquiries if item["id"] not in since]
    return [*(by_id[id] for id in since if id in by_id), *rest], since


@click.group(help=__doc__)
def main() -> None:
    pass


def name(context: click.Context, parameter: click.Parameter, value: str | None) -> str | None:
    if value is not None and not re.fullmatch(incoming.ANNOTATOR, value):
        raise click.BadParameter(f"{value!r} must be lower case letters, digits and _, since a file is named by it")
    return value


@main.command()
@click.argument("annotator", callback=name)
@ANNOTATIONS
@INQUIRIES
@QUEUE
@FIRST
@click.option("--like", metavar="ANNOTATOR", callback=name, help="Only what they have labelled, for agreement.")
@click.option("--keys", default="jki", show_default=True, help="For needed, not_needed and not_question.")
def label(
    annotator: str,
    annotations: Path,
    inquiries: Path,
    queue: Path | None,
    first: int | None,
    like: str | None,
    keys: str,
) -> None:
    """Label in this terminal, as ANNOTATOR; goes on where you left off."""
    from stages.labels.terminal import Annotator
    from stages.schemas import LABELS

    if len(set(keys)) != len(LABELS) or set(keys) & set("sunq/"):
        raise click.ClickException(f"--keys wants {len(LABELS)} letters other than s, u, n and q, got {keys!r}")
    in_a_terminal()
    items, since = queued(rows(read(inquiries, Inquiry)), queue, first)
    with store.opened(annotations, annotator) as mine:
        if like:
            if not (theirs := annotations / f"{like}.jsonl").exists():
                raise click.ClickException(f"--like: there is no {theirs}")
            wanted = store.votes(store.load([theirs]))
            items = [item for item in items if item["id"] in wanted]
        done = {id for id, line in mine.lines.items() if line["label"] and store.when_given(line) > since.get(id, 0)}
        Annotator(items, done, mine, dict(zip(LABELS, keys, strict=True))).run()
    click.echo(f"{sum(item['id'] in done for item in items)} of {len(items)} labelled by {annotator}")


def in_a_terminal() -> None:
    if not sys.stdin.isatty():
        raise click.ClickException("this needs a terminal; for labels made elsewhere: python -m stages.labels import")


@main.command()
@click.argument("annotator", callback=name)
@ANNOTATIONS
@click.option("--turns", type=click.Path(exists=True), default="data/turns.jsonl", show_default=True)
@click.option("--sample", type=click.IntRange(min=1), default=300, show_default=True, help="How many turns.")
def questions(annotator: str, annotations: Path, turns: str, sample: int) -> None:
    """Say of random turns of the whole log whether they are questions, as ANNOTATOR: metrics/filter.json then has each
    scorer's precision and recall.
    """
    from stages.labels.terminal import Annotator

    in_a_terminal()
    drawn = read(turns, Turn).order_by("id").limit(sample)  # ids are hashes: the first ones are as good as any
    items = [turn | {"cr_window": []} for turn in rows(drawn)]
    with store.opened(annotations, annotator, QuestionLabel) as mine:
        done = {id for id, line in mine.lines.items() if line["label"]}
        Annotator(items, done, mine, {"question": "j", "not_question": "k"}).run()
    click.echo(f"{sum(item['id'] in done for item in items)} of {len(items)} labelled by {annotator}")


@main.command()
@click.argument("folder", type=click.Path(path_type=Path))
@INQUIRIES
@QUEUE
@FIRST
@click.option(
    "--scores", type=click.Path(exists=True, path_type=Path), default=Path("data/scores.jsonl"), show_default=True
)
@click.option(
    "--predictions", type=click.Path(exists=True, path_type=Path), multiple=True, help="A model's answers, to correct."
)
def tasks(
    folder: Path,
    inquiries: Path,
    queue: Path | None,
    first: int | None,
    scores: Path,
    predictions: tuple[Path, ...],
) -> None:
    """Write FOLDER/tasks.json and FOLDER/config.xml for Label Studio."""
    items, since = queued(rows(read(inquiries, Inquiry)), queue, first)
    items = [item for item in items if queue is None or item["id"] in since]
    by_scorer: dict[int, dict[str, float]] = {}
    for row in rows(read(scores, Score)):
        by_scorer.setdefault(row["id"], {})[row["scorer"]] = row["score"]
    answers: dict[int, dict[str, dict[str, Any]]] = {}
    for file in predictions:
        for row in rows(read(file, Prediction)):
            answers.setdefault(row["id"], {})[f"{file.parent.name} {file.stem} {row['prompt']}"] = row
    made = [studio.task(item, by_scorer.get(item["id"], {}), answers.get(item["id"], {})) for item in items]
    write_json(folder / "tasks.json", made)
    (folder / "config.xml").write_text(studio.LABELING_CONFIG, encoding="utf-8")
    click.echo(f"{len(made)} tasks in {folder / 'tasks.json'}, labelling interface in {folder / 'config.xml'}")


def pairs(given: tuple[str, ...], option: str) -> dict[str, str]:
    """Values of the form ONE=OTHER as a dictionary."""
    if wrong := [pair for pair in given if "=" not in pair]:
        raise click.ClickException(f"{option} wants two names with = between, got {', '.join(wrong)}")
    return dict(pair.split("=", 1) for pair in given)


@main.command("import")
@click.argument("file", type=click.Path(exists=True, path_type=Path))
@ANNOTATIONS
@INQUIRIES
@click.option(
    "--column", "columns", multiple=True, metavar="OURS=THEIRS", help="id, label, annotator, at, seconds or note."
)
@click.option("--rename", "names", multiple=True, metavar="THEIRS=OURS", help="An annotator's name.")
def import_(file: Path, annotations: Path, inquiries: Path, columns: tuple[str, ...], names: tuple[str, ...]) -> None:
    """Take the labels of FILE: Label Studio's JSON, JSON-MIN or CSV, or CSV, JSON or JSON Lines of your own."""
    own = pairs(columns, "--column")
    if unknown := own.keys() - incoming.OURS.keys():
        raise click.ClickException(f"--column: {', '.join(sorted(unknown))} is none of {', '.join(incoming.OURS)}")
    zone = ZoneInfo(params().ingest.timezone)
    lines = incoming.label_lines(
        file, incoming.OURS | own, pairs(names, "--rename"), store.guideline(annotations), zone
    )
    known = {item["id"] for item in rows(read(inquiries, Inquiry))}
    if strangers := {line["id"] for line in lines} - known:
        click.echo(f"{len(strangers)} ids are no inquiries of {inquiries}; their labels are kept", err=True)
    for annotator in sorted({line["annotator"] for line in lines}):
        theirs = [line for line in lines if line["annotator"] == annotator]
        with store.opened(annotations, annotator) as mine:
            click.echo(f"{annotator}: {mine.extend(theirs)} of {len(theirs)} labels are new")


@main.command()
@ANNOTATIONS
def agreement(annotations: Path) -> None:
    """Say how far the annotators agree in all labels, those of questions that the filter no longer keeps among them;
    the adjudicator left out, who has seen the others' labels.
    """
    p = params()
    imported = annotations.parent.glob("imported.jsonl")  # ingest's, labels that stood in the export
    votes = store.votes(store.load([*sorted(annotations.glob("*.jsonl")), *imported]))
    click.echo(agreement_.table(agreement_.agreed(votes, p)))


if __name__ == "__main__":
    main(prog_name="python -m stages.labels")
