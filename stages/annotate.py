"""Join the label files of the question, data/annotations/QUESTION/, to the inquiries by id (paper, section 2, Figure
2).

    python -m stages.annotate data/inquiries.jsonl data/annotations data/imported.jsonl data/labelled.jsonl
        data/queue.jsonl data/rejects/annotate.jsonl metrics/annotate.json metrics/details/annotate.json
        metrics/agreement.json metrics/details/agreement.json

Of each annotator the latest label counts. An inquiry goes on if `annotate.policy` settles its label. Inquiries with
contradicting labels go to the queue for annotators to look at again, and so do those labelled under an earlier version
of the guideline, unless the guideline names that version. Where a label says that an inquiry is no question, the share
of the others is the filter's precision, over all labelled inquiries but for those that readers chose.
"""

from pathlib import Path

import click
import pyarrow

from stages.chat.fingerprint import check_key
from stages.labels.agreement import agreement_without_adjudicator
from stages.labels.settling import annotation_queue, coverage_of, nothing_settled_error, settle_inquiries, summary
from stages.labels.store import ids_chosen_by_readers, load, standing_versions, votes
from stages.pipeline.command import Command
from stages.pipeline.files import write_metrics
from stages.pipeline.params import params
from stages.pipeline.schemas import CHOSEN_BY_READERS, Inquiry, Labelled, Queue, Reject
from stages.pipeline.tables import compute_on, from_rows, in_memory, read, rows, write, write_rejects


@click.command(cls=Command, help=__doc__)
@click.argument("inquiries", type=click.Path(exists=True))
@click.argument("annotations", type=click.Path(exists=True, path_type=Path))
@click.argument("imported", type=click.Path(exists=True, path_type=Path))
@click.argument("labelled", type=click.Path())
@click.argument("queue", type=click.Path())
@click.argument("rejects", type=click.Path())
@click.argument("metrics", type=click.Path())
@click.argument("details", type=click.Path())
@click.argument("agreement", type=click.Path())
@click.argument("agreement_details", type=click.Path())
def main(
    inquiries: str,
    annotations: Path,
    imported: Path,
    labelled: str,
    queue: str,
    rejects: str,
    metrics: str,
    details: str,
    agreement: str,
    agreement_details: str,
) -> None:
    p = params()
    compute_on("duckdb")
    check_key(annotations, p.ingest.format)
    question = p.question.definition
    lines = load(annotations, question, imported)
    votes_by_id = votes(lines)
    inquiry_table = read(inquiries, Inquiry)
    ids = [row["id"] for row in rows(inquiry_table.select("id"))]
    settlement = settle_inquiries(ids, votes_by_id, p.annotate, question)
    labels_by_id = settlement.labels_by_id
    if not labels_by_id:
        raise click.ClickException(f"{annotations / question.name} {nothing_settled_error(settlement, question)}")
    columns = {"id": list(labels_by_id), "label": list(labels_by_id.values())}
    chosen_ids = ids_chosen_by_readers(lines)
    if not chosen_ids.isdisjoint(labels_by_id):
        columns[CHOSEN_BY_READERS] = [id in chosen_ids for id in labels_by_id]
    labels = pyarrow.table(columns)
    row_count = write(labelled, inquiry_table.join(in_memory(labels), "id"), Labelled)
    if row_count != len(labels_by_id):
        raise click.ClickException(f"{inquiries}: an inquiry was lost or doubled on the way to {labelled}")
    rejected = [{"id": id, "reason": reason} for id, reason in settlement.reject_reason_by_id.items()]
    write_rejects(rejects, rejected, Reject)
    standing = standing_versions(question.guideline)
    write(queue, from_rows(annotation_queue(lines, settlement, standing), Queue), Queue)
    coverage = coverage_of(lines, settlement, votes_by_id, standing)
    for problem, count in coverage.items():
        if count:
            click.echo(f"warning: {problem.replace('_', ' ')}: {count}", err=True)
    write_metrics(metrics, details, summary(settlement, chosen_ids, question) | coverage, "n=labelled")
    agreement_values = agreement_without_adjudicator(settlement.votes_by_id, p)
    write_metrics(agreement, agreement_details, agreement_values, "agreement", "n")


if __name__ == "__main__":
    main()
