"""Join the label files in data/annotations/ to the inquiries by id (paper, section 2, Figure 2).

    python -m stages.annotate data/inquiries.jsonl data/annotations data/imported.jsonl data/labelled.jsonl \\
        data/rejects/annotate.jsonl metrics/annotate.json

Of each annotator the latest label counts. An inquiry goes on if its annotators agree, or if the adjudicator has spoken.
"""

from pathlib import Path

import click
import ibis

from stages.params import params
from stages.schemas import Inquiry, Label, Labelled, Reject
from stages.tables import failures, from_rows, read, rows, write, write_json, write_rejects


def votes(labels: ibis.Table) -> dict[int, dict[str, str]]:
    """Labels by id and annotator; of one annotator's labels for one item the latest."""
    found: dict[int, dict[str, str]] = {}
    for label in rows(labels.order_by("at")):
        found.setdefault(label["id"], {})[label["annotator"]] = label["label"]
    return found


def settle(votes: dict[str, str], adjudicator: str | None) -> tuple[str | None, str | None]:
    """The label of an item, or the reason why it has none."""
    if adjudicator in votes:
        return votes[adjudicator], None
    if not votes:
        return None, "unlabelled"
    if len(set(votes.values())) > 1:
        return None, "contradicting_labels"
    return next(iter(votes.values())), None


@click.command(help=__doc__)
@click.argument("inquiries", type=click.Path(exists=True))
@click.argument("annotations", type=click.Path(exists=True, path_type=Path))
@click.argument("imported", type=click.Path(exists=True, path_type=Path))
@click.argument("labelled", type=click.Path())
@click.argument("rejects", type=click.Path())
@click.argument("metrics", type=click.Path())
def main(inquiries: str, annotations: Path, imported: Path, labelled: str, rejects: str, metrics: str) -> None:
    adjudicator = params().annotate.adjudicator
    files = [*sorted(annotations.glob("*.jsonl")), imported]
    tables = {path: read(path, Label) for path in files}
    if wrong := [line for path, table in tables.items() for line in failures(table, Label, str(path))]:
        raise click.ClickException("\n".join(wrong))
    found = votes(ibis.union(*tables.values()))

    asked = rows(read(inquiries, Inquiry))
    settled = {row["id"]: settle(found.get(row["id"], {}), adjudicator) for row in asked}
    reasons = {id: reason or ("not_question" if label == "not_question" else None) for id, (label, reason) in settled.items()}
    kept = [row | {"cr_need_gt": settled[row["id"]][0] == "needed"} for row in asked if reasons[row["id"]] is None]
    if not kept:
        raise click.ClickException(
            f"{annotations} holds no label for any of the {len(asked)} inquiries: label some first (README, \"Your own chat\")"
        )
    orphans = found.keys() - settled.keys()
    if orphans:
        click.echo(f"{len(orphans)} labelled items are no inquiries of this log or at these throttles; their labels are kept", err=True)
    write(labelled, from_rows(kept, Labelled), Labelled)
    counts = write_rejects(rejects, [{"id": id, "reason": reason} for id, reason in reasons.items() if reason], Reject)
    disagreeing = sum(len(set(given.values())) > 1 for id, given in found.items() if id in settled)
    write_json(
        metrics,
        {
            "inquiries": len(asked),
            "labelled": len(kept),
            "needed": sum(row["cr_need_gt"] for row in kept),
            "labels": sum(map(len, found.values())),
            "disagreeing": disagreeing,
            "labels_without_inquiry": len(orphans),
            "rejected": dict(sorted(counts.items())),
        },
    )


if __name__ == "__main__":
    main()
