"""Split the labelled items into train, dev and test, and write them as alpaca files (paper, section 3).

    python -m stages.export data/valid.jsonl data/inquiries.jsonl data/base data/items.jsonl data/alpaca
        data/rejects/export.jsonl metrics/export.json metrics/details/export.json

data/items.jsonl says which item is in which split. Where readers chose some of the items (stages/labels/readers.py),
the split is one of all inquiries, so that it was settled before they chose.

The alpaca files are for training and other tools: `instruction` holds the task, the window, the message and three
options; `input` is empty; `output` is letter and text of the right option. All three have the options in the order
that `question.option_order.training` gives. `id` stands beside them, since everything is joined by it. A row that is
too long for a model that is trained ends the stage: no model is asked.
"""

import math
from pathlib import Path
from typing import Any

import click

from stages.judging.metrics import FEWEST
from stages.labels.splitting import assign, has_chosen, many_and_small, sides
from stages.llm.alpaca import alpaca_rows
from stages.llm.row_lengths import check_row_lengths
from stages.pipeline.command import Command
from stages.pipeline.definition import NEGATIVE, POSITIVE, Definition
from stages.pipeline.files import write_json, write_metrics
from stages.pipeline.markdown import plural
from stages.pipeline.params import params
from stages.pipeline.schemas import SPLITS, Inquiry, Item, Labelled, Reject
from stages.pipeline.tables import from_rows, read, rows, write, write_rejects
from stages.pipeline.window import with_window

Items = list[dict[str, Any]]


def split_counts(items: Items) -> dict[str, float]:
    """The size of a split and its share of positive items."""
    positives = sum(item["label"] for item in items)
    share = round(positives / len(items), 4) if items else 0.0
    return {"n": len(items), "positive": positives, "positive_share": share}


def check_labels(splits: dict[str, Items], labelled: Items, by_time: bool, valid: str, question: Definition) -> None:
    """Raise click.ClickException where a split lacks one of the labels: training and every score need both."""
    for name in SPLITS:
        counts = split_counts(splits[name])
        if not 0 < counts["positive"] < counts["n"]:
            count = f"{counts['positive']} with the label {question.words(POSITIVE)}"
            raise click.ClickException(
                f"{valid}: {name} would have {plural(len(splits[name]), 'item')}, {count}, and every"
                f" score needs both labels: {remedy(name, labelled, by_time)}"
            )


def remedy(name: str, labelled: Items, by_time: bool) -> str:
    """What gives a split both labels; the seed plays no part in a split by time."""
    if len({item["label"] for item in labelled}) < 2:
        return "no labelled item has the other label, so label more, in a random order"
    share = "lower export.dev or export.test" if name == "train" else f"raise export.{name}"
    if by_time:
        return (
            f"label more, in a random order (not with --in-order), or {share} in params.yaml. Conversations are few or"
            " large, so the log is cut by time, and export.seed changes nothing"
        )
    return f"label more, change export.seed, or {share} in params.yaml"


def few_labels_warnings(name: str, items: Items, labelled: Items, share: float, question: Definition) -> list[str]:
    """A warning for each label of which a split, a share of the labelled items, has fewer than scores take. It has the
    number of labels that brings enough where labels go on as they are.
    """
    warnings = []
    for label, words in ((True, question.words(POSITIVE)), (False, question.words(NEGATIVE))):
        count = sum(item["label"] is label for item in items)
        if count < FEWEST:
            rate = sum(item["label"] is label for item in labelled) / len(labelled)
            more = math.ceil((FEWEST - count) / (share * rate))
            warnings.append(
                f"warning: {name} has {plural(count, 'item')} with the label {words}, and nothing can be read off"
                f" fewer than {FEWEST}: about {plural(more, 'more label')} would bring them"
            )
    return warnings


@click.command(cls=Command, help=__doc__)
@click.argument("valid", type=click.Path(exists=True))
@click.argument("inquiries", type=click.Path(exists=True))
@click.argument("base", type=click.Path(path_type=Path))
@click.argument("items", type=click.Path())
@click.argument("folder", type=click.Path(path_type=Path))
@click.argument("rejects", type=click.Path())
@click.argument("metrics", type=click.Path())
@click.argument("details", type=click.Path())
def main(
    valid: str, inquiries: str, base: Path, items: str, folder: Path, rejects: str, metrics: str, details: str
) -> None:
    everything = with_window(params())
    p, question = everything.export, everything.question.definition
    labelled = rows(read(valid, Labelled))
    divided = rows(read(inquiries, Inquiry)) if has_chosen(labelled) else labelled
    split_by_id, rejected = assign(labelled, sides(divided, p))
    splits = {name: [item for item in labelled if split_by_id.get(item["id"]) == name] for name in SPLITS}
    by_time = not many_and_small(divided, p.dev, p.test)
    check_labels(splits, labelled, by_time, valid, question)
    for name, share in (("dev", p.dev), ("test", p.test)):
        for warning in few_labels_warnings(name, splits[name], labelled, share, question):
            click.echo(warning, err=True)
    result: dict[str, Any] = {"by_time": int(by_time)}
    examples: dict[str, Items] = {}
    for name in SPLITS:
        result[name] = split_counts(splits[name])
        examples[name] = alpaca_rows(splits[name], everything.question)
    check_row_lengths(folder / "train.json", examples["train"], base, everything.finetune, everything.max_length)
    for name in SPLITS:
        write_json(folder / f"{name}.json", examples[name])
    write(items, from_rows([item | {"split": split_by_id.get(item["id"])} for item in labelled], Item), Item)
    reasons = write_rejects(rejects, rejected, Reject)
    result |= {"items": len(split_by_id), "rejected": dict(reasons)}
    write_metrics(metrics, details, result, "n=items")


if __name__ == "__main__":
    main()
