"""From inquiries to labels.

\b
    python -m stages.labels label ann                 label in this terminal
    python -m stages.labels label ann --next          those first that a model is least sure of
    python -m stages.labels label ann --question is_question   random turns, by which the filter is judged
    python -m stages.labels tasks data/label_studio   tasks for Label Studio
    python -m stages.labels import export.json        labels from other tools or a table
    python -m stages.labels export data/exported --to csv   labels for other tools
    python -m stages.labels agreement                 how far annotators agree
"""

import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from operator import itemgetter
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import click
import ibis
from ibis import _

from stages.chat import fingerprint
from stages.labels import exporting, importing, label_studio, store
from stages.labels.agreement import agreement_table, agreement_without_adjudicator
from stages.labels.annotator_file import AnnotatorFile, open_for, write_error
from stages.labels.early import early_inquiries, sample_inquiries
from stages.labels.next_items import NextItems
from stages.labels.progress import in_words, progress
from stages.labels.selection import Items, in_queue_order, is_done, labelled_by, lines_of_others, rows_by_id
from stages.llm import prompts
from stages.pipeline.command import Group
from stages.pipeline.definition import Definition
from stages.pipeline.files import write_json
from stages.pipeline.markdown import plural
from stages.pipeline.params import Params, params
from stages.pipeline.schemas import Inquiry, Prediction, Score
from stages.pipeline.tables import read, rows
from stages.pipeline.text import printable

ORDER_OF_LOG = ("group", "position")  # by id it is random: ids are hashes


def adopt_key(context: click.Context, parameter: click.Parameter, folder: Path) -> Path:
    fingerprint.bind_labels(folder, params().ingest.format)
    return folder


def params_asking(context: click.Context, parameter: click.Parameter, name: str | None) -> Params:
    """The parameters with the question of this name, which needs no inquiries of its own: those on the disk are of
    `question.name`.
    """
    p = params()
    if name is None or name == p.question.name:
        return p
    asking = p.asking(name)
    if asking.question.definition.asked_of != "turns":
        raise click.ClickException(
            f"data/inquiries.jsonl is of the question {p.question.name}: set question.name to {name} in params.yaml,"
            " and run dvc repro filter"
        )
    return asking


def check_name(context: click.Context, parameter: click.Parameter, name: str | None) -> str | None:
    if name is not None and not re.fullmatch(importing.ANNOTATOR, name):
        raise click.BadParameter(f"{name!r} {importing.ANNOTATOR_RULE}; a file is named by it")
    return name


ANNOTATIONS = click.option(
    "--annotations",
    type=click.Path(exists=True, path_type=Path),
    default=fingerprint.ANNOTATIONS,
    show_default=True,
    callback=adopt_key,
)
QUESTION = click.option(
    "--question",
    "p",
    metavar="NAME",
    callback=params_asking,
    help="A folder in questions/.  [default: question.name of params.yaml]",
)
INQUIRIES = click.option(
    "--inquiries", type=click.Path(path_type=Path), default=Path("data/inquiries.jsonl"), show_default=True
)
QUEUE = click.option(
    "--queue", type=click.Path(exists=True, path_type=Path), help="Only the items of this file, in its order."
)
FIRST = click.option("--first", type=click.IntRange(min=1), help="Only so many, of the queue if there is one.")
IN_ORDER = click.option(
    "--in-order", is_flag=True, help="In the order of the log, not in a random one that stays the same."
)


@click.group(cls=Group, help=__doc__)
def main() -> None:
    pass


@main.command()
@click.argument("annotator", callback=check_name)
@ANNOTATIONS
@INQUIRIES
@QUEUE
@FIRST
@click.option("--like", metavar="ANNOTATOR", callback=check_name, help="Only what they have labelled, for agreement.")
@IN_ORDER
@click.option("--next", "choose_next", is_flag=True, help="Those that readers of all labels are least sure of.")
@QUESTION
def label(
    annotator: str,
    annotations: Path,
    inquiries: Path,
    queue: Path | None,
    first: int | None,
    like: str | None,
    in_order: bool,
    choose_next: bool,
    p: Params,
) -> None:
    """Label in this terminal, as ANNOTATOR; goes on where you left off.

    While a long log is scored, the inquiries are those among the turns that are scored so far. The keys are those of
    question.yaml.
    """
    conflicts = {"--queue": queue, "--first": first, "--like": like, "--in-order": in_order}
    if choose_next and any(conflicts.values()):
        names = ", ".join(name for name, value in conflicts.items() if value)
        raise click.ClickException(
            f"--next chooses the items itself and has no use for {names}: leave one of them out"
        )
    require_terminal()
    question, question_of_run = p.question.definition, params().question.name
    if question.name == question_of_run:
        prompts.load(question, p.question.prompt)  # a wrong one is said before anybody labels
    elif choose_next:
        raise click.ClickException(
            f"--next reads data/states.safetensors, which is of the question {question_of_run}: set question.name to"
            f" {question.name} in params.yaml, and run dvc repro states"
        )
    if choose_next:
        label_next(annotator, annotations, inquiries_in(inquiries, False, annotations, p), p)
        return
    early = early_inquiries(inquiries, p)
    all_inquiries = ordered(early.table, in_order) if early else inquiries_in(inquiries, in_order, annotations, p)
    candidates = labelled_by(like, annotations, question, all_inquiries) if like else all_inquiries
    chosen = "queue" if queue else "like" if like else "in_order" if in_order else "random"
    items = [item | {"chosen": chosen} for item in selected_items(candidates, queue, first, in_order)]
    queue_rows = rows_by_id(queue) if queue else {}
    adjudicator = p.annotate.adjudicator
    for message in queue_messages(queue_rows, {item["id"] for item in all_inquiries}, annotator, adjudicator):
        click.echo(f"{queue}: {message}", err=True)
    if early and early.message():
        click.echo(early.message(), err=True)
    if not items:
        empty_file = queue if queue and not queue_rows else inquiries if not all_inquiries else None
        conditions = [f"in {queue}"] * bool(queue) + [f"labelled by {like}"] * bool(like)
        reason = f"{empty_file} is empty" if empty_file else f"no inquiry is {' and '.join(conditions)}"
        click.echo(f"nothing to label: {reason}")
        return
    with open_for(annotator, annotations, question) as label_file:
        standing = store.standing_versions(question.guideline)
        done_ids = {id for id, line in label_file.lines.items() if is_done(line, queue_rows.get(id), standing)}
        label_in_terminal(
            items,
            done_ids,
            label_file,
            is_queue=queue is not None,
            votes_by_id=lines_of_others(annotator, annotations, question) if annotator == adjudicator else None,
        )
    say_progress(all_inquiries, annotations, p)


def label_next(annotator: str, annotations: Path, inquiries: Items, p: Params) -> None:
    """Label what readers choose. Two batches come at the start, so that the next ones are chosen meanwhile."""
    with open_for(annotator, annotations, p.question.definition) as label_file:
        next_items = NextItems(inquiries, annotations, label_file, p)
        items: Items = []
        for _ in range(2):
            items += next_items.batch({item["id"] for item in items})
        if not items:
            click.echo("nothing to label: every inquiry of a split has a label")
            return
        label_in_terminal(items, set(), label_file, next_items=next_items)
    say_progress(inquiries, annotations, p)


@main.command()
@click.argument("folder", type=click.Path(path_type=Path))
@ANNOTATIONS
@INQUIRIES
@QUEUE
@FIRST
@IN_ORDER
@click.option("--scores", type=click.Path(path_type=Path), default=Path("data/scores.jsonl"), show_default=True)
@click.option(
    "--predictions", type=click.Path(exists=True, path_type=Path), multiple=True, help="A model's answers, to correct."
)
@QUESTION
def tasks(
    folder: Path,
    annotations: Path,
    inquiries: Path,
    queue: Path | None,
    first: int | None,
    in_order: bool,
    scores: Path,
    predictions: tuple[Path, ...],
    p: Params,
) -> None:
    """Write FOLDER/tasks.json and FOLDER/config.xml for Label Studio."""
    question = p.question.definition
    items = selected_items(inquiries_in(inquiries, in_order, annotations, p), queue, first, in_order)
    scores_by_id: dict[int, dict[str, float]] = {}
    has_scores = question.asked_of == "inquiries"  # random turns are shown without
    for row in rows(read(scores, Score).filter(_.score.notnull())) if has_scores else ():
        scores_by_id.setdefault(row["id"], {})[row["scorer"]] = row["score"]
    predictions_by_id: dict[int, dict[str, dict[str, Any]]] = {}
    for file in predictions:
        for row in rows(read(file, Prediction)):
            model = f"{file.parent.name} {file.stem} {row['prompt']}"
            predictions_by_id.setdefault(row["id"], {})[model] = row
    studio_tasks = [
        label_studio.task(item, scores_by_id.get(item["id"], {}), predictions_by_id.get(item["id"], {}), question)
        for item in items
    ]
    tasks_file, config_file = folder / "tasks.json", folder / "config.xml"
    write_json(tasks_file, studio_tasks)
    try:
        config_file.write_text(label_studio.labeling_config(question), encoding="utf-8")
    except OSError as error:
        raise write_error(config_file, error, "make room and write the tasks again") from error
    click.echo(f"{len(studio_tasks)} tasks in {tasks_file}, labelling interface in {config_file}")


@main.command("import")
@click.argument("file", type=click.Path(exists=True, path_type=Path))
@ANNOTATIONS
@INQUIRIES
@click.option(
    "--annotator", metavar="NAME", callback=check_name, help="Whose labels these are, if the file names nobody."
)
@click.option("--rename", "names", multiple=True, metavar="THEIRS=OURS", help="An annotator's name.")
@click.option("--value", "values", multiple=True, metavar="THEIRS=OURS", help="A word for a label: yes=needed.")
@click.option(
    "--column",
    "columns",
    multiple=True,
    metavar="OURS=THEIRS",
    help="A column, control or question: id, label, annotator, at, seconds or note.",
)
@QUESTION
def import_(
    file: Path,
    annotations: Path,
    inquiries: Path,
    annotator: str | None,
    names: tuple[str, ...],
    values: tuple[str, ...],
    columns: tuple[str, ...],
    p: Params,
) -> None:
    """Take the labels of FILE into the label store.

    FILE is an export of Label Studio, doccano, Prodigy or Argilla, a table (CSV, TSV), JSON or JSON Lines of your own,
    or a folder or zip of such files. What is no label is counted and passed over. A wrong row stops the import, and
    then nothing is imported.
    """
    question = p.question.definition
    labels_by_word = label_pairs(values, question)
    options = importing.Options(
        column_pairs(columns), annotator_pairs(names), labels_by_word, annotator, list(question.labels)
    )
    guideline, zone = store.guideline_version(question.guideline), ZoneInfo(p.ingest.timezone)
    labels = importing.read_labels(file, options, guideline, zone)
    for notice in labels.notices:
        click.echo(notice, err=True)
    problems = labels.problems.messages()
    if problems:
        raise click.ClickException("\n".join(["nothing was imported:", *problems]))
    if labels.skipped:
        reasons = ", ".join(f"{reason} {count}" for reason, count in sorted(labels.skipped.items()))
        click.echo(f"{printable(file)}: {labels.skipped.total()} passed over: {reasons}", err=True)
    inquiry_ids = {item["id"] for item in inquiries_in(inquiries, False, annotations, p)}
    unknown_ids = {line["id"] for line in labels.lines.values()} - inquiry_ids
    rounded_ids = importing.rounded_ids(unknown_ids, inquiry_ids)
    if rounded_ids:
        raise click.ClickException(
            f"nothing was imported:\n{printable(file)}: {len(rounded_ids)} ids end in 0 where an inquiry's has another"
            f" digit, first {min(rounded_ids)}: {importing.ROUNDED_MESSAGE}"
        )
    if unknown_ids:
        ids = f"{plural(len(unknown_ids), 'id')} of no inquiry in {inquiries}"
        click.echo(f"{ids}, first {min(unknown_ids)}: the labels are kept", err=True)
    if not labels.lines:
        click.echo(f"{printable(file)}: no labels")
    append_labels(labels.lines.values(), annotations, question)


def append_labels(lines: Iterable[store.Line], annotations: Path, question: Definition) -> None:
    """Append labels to the annotators' files, to all of them or, where one refuses its lines, to none."""
    lines_by_annotator: dict[str, list[store.Line]] = {}
    for line in lines:
        lines_by_annotator.setdefault(line["annotator"], []).append(line)
    with ExitStack() as stack:
        label_files = [
            stack.enter_context(open_for(name, annotations, question)) for name in sorted(lines_by_annotator)
        ]
        for label_file in label_files:
            label_file.refuse_contradictions(lines_by_annotator[label_file.annotator])
        for label_file in label_files:
            annotator_lines = lines_by_annotator[label_file.annotator]
            new_count = label_file.extend(annotator_lines)
            click.echo(f"{label_file.annotator}: {new_count} of {plural(len(annotator_lines), 'label')} new")


@main.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--to", "tool", type=click.Choice(exporting.TOOLS), required=True, help="Who reads it.")
@ANNOTATIONS
@INQUIRIES
@click.option(
    "--rename", "names", multiple=True, metavar="OURS=THEIRS", help="An annotator's e-mail address in Label Studio."
)
@QUESTION
def export(folder: Path, tool: str, annotations: Path, inquiries: Path, names: tuple[str, ...], p: Params) -> None:
    """Write the current labels and the texts of their inquiries into FOLDER.

    These are each annotator's latest labels: FOLDER/tasks.json and config.xml for Label Studio, FOLDER/ANNOTATOR.jsonl
    for doccano, or FOLDER/labels.csv. `import` reads each of them back.
    """
    exporting.refuse_label_files(folder, annotations)
    question = p.question.definition
    lines = exporting.current_lines(store.load_files(store.label_files(annotations, question), question))
    labels = [line for line in lines if line["label"]]
    if not labels:
        raise click.ClickException(f"{annotations / question.name}: nothing to export: there are no labels")
    annotators = {line["annotator"] for line in labels}
    emails = pairs(names, "--rename")
    if emails and (tool != "label-studio" or emails.keys() - annotators):
        raise click.ClickException(f"--rename is for Label Studio's accounts of {', '.join(sorted(annotators))}")
    inquiries_by_id = {item["id"]: item for item in inquiries_in(inquiries, False, annotations, p)}
    exporting.write_labels(folder, tool, labels, inquiries_by_id, emails, question)
    if len(labels) < len(lines):
        unlabelled = plural(len(lines) - len(labels), "item")
        click.echo(f"{unlabelled} without a label, with a note or an undo: not exported", err=True)
    without_text = {line["id"] for line in labels} - inquiries_by_id.keys()
    if without_text:
        strangers = plural(len(without_text), "label")
        click.echo(f"{strangers} of no inquiry in {inquiries}: exported without text", err=True)
    click.echo(f"{plural(len(labels), 'label')} by {plural(len(annotators), 'annotator')} in {folder}")


@main.command()
@ANNOTATIONS
@QUESTION
def agreement(annotations: Path, p: Params) -> None:
    """Say how far the annotators agree in all labels, those of questions that the filter rejects now included, without
    the adjudicator, who has seen the others' labels.
    """
    lines = store.load(annotations, p.question.definition)
    click.echo(agreement_table(agreement_without_adjudicator(store.votes(lines), p)))


def inquiries_in(file: Path, in_order: bool, annotations: Path, p: Params) -> Items:
    """The inquiries, in the order of the log or in a random one: ids are hashes. Of a question that is asked of turns
    the random ones among the turns beside the file.

    Raises click.ClickException where there is no such file.
    """
    question = p.question.definition
    source = file.with_name("turns.jsonl") if question.asked_of == "turns" else file
    if not source.exists():
        raise click.ClickException(f"{source} doesn't exist: `dvc repro filter` makes it")
    if question.asked_of == "turns":
        labelled_ids = store.votes(store.load(annotations, question))
        return ordered(sample_inquiries(source, labelled_ids, p), in_order)
    inquiries = read(file, Inquiry)
    if file.stat().st_size and not any(name.endswith("is_question") for name in inquiries.columns):  # no scorer's
        raise click.ClickException(
            f"{file} is of a question of turns: `dvc repro filter` makes that of {question.name}"
        )
    return ordered(inquiries, in_order)


def ordered(inquiries: ibis.Table, in_order: bool) -> Items:
    return rows(inquiries.order_by(ORDER_OF_LOG if in_order else "id"))


def selected_items(inquiries: Items, queue: Path | None, first: int | None, in_order: bool) -> Items:
    """The first of the inquiries, or of a queue's, in their order or in that of the log."""
    items = in_queue_order(inquiries, queue, first)
    return sorted(items, key=itemgetter(*ORDER_OF_LOG)) if in_order else items


def queue_messages(
    queue_rows: Mapping[int, Mapping[str, Any]], inquiry_ids: set[int], annotator: str, adjudicator: str | None
) -> list[str]:
    """What an annotator should know of a queue, its rows by id."""
    messages = []
    missing_count = len(queue_rows.keys() - inquiry_ids)
    if missing_count:
        messages.append(f"{missing_count} of {len(queue_rows)} ids are no inquiries any more and are left out")
    contradicting_ids = {id for id, row in queue_rows.items() if row["reason"] == "contradicting_labels"}
    contradiction_count = len(contradicting_ids & inquiry_ids)
    if contradiction_count and annotator != adjudicator:
        messages.append(
            f"{contradiction_count} inquiries have contradicting labels; the terminal shows these labels to the"
            f" adjudicator alone (annotate.adjudicator in params.yaml: {adjudicator or 'nobody'})"
        )
    return messages


def require_terminal() -> None:
    import textual  # noqa: F401  # so that a missing extra is reported first

    if not sys.stdin.isatty():
        raise click.ClickException("this needs a terminal; for labels made elsewhere: python -m stages.labels import")


def label_in_terminal(
    items: Items,
    labelled_ids: set[int],
    label_file: AnnotatorFile,
    is_queue: bool = False,
    votes_by_id: Mapping[int, Sequence[store.Line]] | None = None,
    next_items: NextItems | None = None,
) -> None:
    """Let the annotator label the items, then print how many are labelled.

    Raises click.ClickException where a label can't be written.
    """
    from stages.labels.terminal import Annotator

    app = Annotator(items, labelled_ids, label_file, is_queue, votes_by_id, next_items)
    write_failure = app.run()
    if app.failure:
        click.echo(app.failure, err=True)
    if write_failure:
        raise write_failure
    click.echo(f"{app.progress()} labelled by {label_file.annotator}")


def say_progress(inquiries: Items, annotations: Path, p: Params) -> None:
    """Print how far the labels are, or why that can't be said: the session is over and has its labels."""
    try:
        click.echo(in_words(progress(inquiries, annotations, p)))
    except click.ClickException as error:
        click.echo(f"how far the labels are can't be said: {error.message}", err=True)


def pairs(options: tuple[str, ...], name: str) -> dict[str, str]:
    """The values of an option of the form KEY=VALUE as a dictionary."""
    malformed = [value for value in options if "=" not in value]
    if malformed:
        raise click.ClickException(f"{name} wants two names with = between, got {', '.join(malformed)}")
    return dict(value.split("=", 1) for value in options)


def column_pairs(options: tuple[str, ...]) -> dict[str, str]:
    columns = pairs(options, "--column")
    unknown = columns.keys() - set(importing.FIELDS)
    if unknown:
        raise click.ClickException(f"--column: {', '.join(sorted(unknown))} is none of {', '.join(importing.FIELDS)}")
    return columns


def annotator_pairs(options: tuple[str, ...]) -> dict[str, str]:
    names = {printable(theirs): ours for theirs, ours in pairs(options, "--rename").items()}
    for name in names.values():
        if not re.fullmatch(importing.ANNOTATOR, name):
            raise click.ClickException(f"--rename: {name!r} {importing.ANNOTATOR_RULE}")
    return names


def label_pairs(options: tuple[str, ...], question: Definition) -> dict[str, str]:
    values = {printable(theirs): ours for theirs, ours in pairs(options, "--value").items()}
    unknown = set(values.values()) - set(question.labels)
    if unknown:
        raise click.ClickException(f"--value: {', '.join(sorted(unknown))} is none of {', '.join(question.labels)}")
    return values


if __name__ == "__main__":
    main(prog_name="python -m stages.labels")
