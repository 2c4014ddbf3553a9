"""Read a chat export into messages (paper, section 3), with pseudonyms for people and without their secrets.

    python -m stages.ingest data/messages.jsonl data/imported.jsonl data/rejects/ingest.jsonl metrics/ingest.json
        metrics/details/ingest.json

The export is `ingest.path` of params.yaml, or a path that is given before the outputs.
Labels that the export holds go to data/imported.jsonl in the form of data/annotations/, where `annotate` reads them.
Memory stays at some hundred megabytes for exports of any size: masked rows wait in a temporary folder.
"""

from collections import Counter
from pathlib import Path
from typing import Any

import click
import ibis
from ibis import _

from stages.chat.detection import detect_format, reader
from stages.chat.exports import split_pattern
from stages.chat.fingerprint import secret_key
from stages.chat.ingestion import MENTIONS, check_complete, check_usable, imported_labels, ingest
from stages.chat.screening import OVER_LIMIT
from stages.chat.spill import workspace
from stages.pipeline.command import Command
from stages.pipeline.files import write_metrics
from stages.pipeline.params import Ingest, params
from stages.pipeline.schemas import Label, Message, Reject
from stages.pipeline.tables import count_reasons, rows, write

MASKS = (MENTIONS, "email", "phone", "secret", "iban", "card", "ip", "path")  # in the order of the metrics


def find_export(exports: tuple[Path, ...], p: Ingest) -> tuple[Path, Ingest]:
    """The export, and the parameters with the pattern of its files where the path holds one."""
    if len(exports) > 1:
        raise click.UsageError(f"{len(exports)} exports, and at most one is read")
    export, pattern = split_pattern(exports[0] if exports else Path(p.path))
    if not export.exists():
        raise click.ClickException(f"{export} is missing: set ingest.path in params.yaml to your chat export")
    return export, p.model_copy(update={"files": pattern}) if pattern else p


def totals(messages: ibis.Table) -> dict[str, Any]:
    return rows(messages.agg(messages=_.count(), groups=_.group.nunique(), senders=_.sender.nunique()))[0]


def ingest_metrics(total: dict[str, Any], reasons: Counter[str], counts: Counter[str]) -> dict[str, Any]:
    return {
        "messages_in": total["messages"] + reasons.total(),
        **total,
        "over_limit": counts[OVER_LIMIT],
        "masked": {kind: counts[kind] for kind in MASKS},
        "rejected": dict(sorted(reasons.items())),
    }


@click.command(cls=Command, help=__doc__)
@click.argument("exports", type=click.Path(path_type=Path), nargs=-1, metavar="[EXPORT]")
@click.argument("messages", type=click.Path())
@click.argument("labels", type=click.Path())
@click.argument("rejects", type=click.Path())
@click.argument("metrics", type=click.Path())
@click.argument("details", type=click.Path())
def main(exports: tuple[Path, ...], messages: str, labels: str, rejects: str, metrics: str, details: str) -> None:
    export, p = find_export(exports, params().ingest)
    if p.format == "auto":
        p = detect_format(export, p)
    read = reader(export, p)
    key = secret_key(p.format)
    with workspace():
        ingested = ingest(read, key, p.limit, p.min_senders, p.min_messages, p.max_chars, p.phone_regions)
        reject_count = write(rejects, ingested.rejects.mutate(id=ibis.null("int64")), Reject)
        reasons, total = count_reasons(ingested.rejects), totals(ingested.messages)
        check_usable(total["messages"], reasons, export, p.format, rejects)
        message_count = write(messages, ingested.messages, Message)
        check_complete(export, ingested.counts, message_count, reject_count)
        write(labels, imported_labels(ingested.messages), Label)
    for proposal in ingested.proposals:
        click.echo(proposal, err=True)
    write_metrics(metrics, details, ingest_metrics(total, reasons, ingested.counts), "n=messages")


if __name__ == "__main__":
    main()
