"""Join the label files in data/annotations/ to the inquiries by id (paper, section 2, Figure 2).

    python -m stages.annotate data/inquiries.jsonl data/annotations data/imported.jsonl data/labelled.jsonl
        data/queue.jsonl data/rejects/annotate.jsonl metrics/annotate.json metrics/agreement.json

Of each annotator the latest label counts. An inquiry goes on if `annotate.policy` settles on one label. What it
doesn't settle, and what was labelled under an older guideline, goes to the queue for annotators to look at again.
The share of settled inquiries that are questions is the filter's precision once more, over all that was labelled.
"""

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click
import pyarrow

from stages.labels.agreement import agreed, majority
from stages.labels.store import Line, guideline, latest, load, votes
from stages.params import Annotate, params
from stages.schemas import NO_GUIDELINE, Inquiry, Labelled, Queue, Reject
from stages.scoring import proportion
from stages.tables import compute_on, from_rows, in_memory, read, rows, write, write_json, write_rejects


def settle(votes: Mapping[str, str], p: Annotate) -> tuple[str | None, str | None]:
    """The label of an item, or the reason why it has none."""
    if not votes:
        return None, "unlabelled"
    if p.policy == "adjudicator" and p.adjudicator and p.adjudicator in votes:
        return votes[p.adjudicator], None
    label = majority(votes.values())
    if label is None or (p.policy != "majority" and len(set(votes.values())) > 1):
        return None, "contradicting_labels"
    return label, None


def look_again(lines: list[Line], ids: set[int], reasons: Mapping[int, str], version: str) -> list[dict[str, Any]]:
    """The queue: inquiries without a settled label, and those labelled under an older version of the guideline."""
    queue = []
    for id, by in latest(lines).items():
        older = any(line["label"] and line["guideline"] not in (version, NO_GUIDELINE) for line in by.values())
        reason = "contradicting_labels" if reasons.get(id) == "contradicting_labels" else "older_guideline"
        if id in ids and (older or reason == "contradicting_labels"):
            queue.append({"id": id, "reason": reason, "at": max(line["at"] for line in by.values())})
    return queue


@click.command(help=__doc__)
@click.argument("inquiries", type=click.Path(exists=True))
@click.argument("annotations", type=click.Path(exists=True, path_type=Path))
@click.argument("imported", type=click.Path(exists=True, path_type=Path))
@click.argument("labelled", type=click.Path())
@click.argument("queue", type=click.Path())
@click.argument("rejects", type=click.Path())
@click.argument("metrics", type=click.Path())
@click.argument("agreement", type=click.Path())
def main(
    inquiries: str,
    annotations: Path,
    imported: Path,
    labelled: str,
    queue: str,
    rejects: str,
    metrics: str,
    agreement: str,
) -> None:
    p = params()
    compute_on("duckdb")
    lines = load([*sorted(annotations.glob("*.jsonl")), imported])
    table = read(inquiries, Inquiry)
    asked = [row["id"] for row in rows(table.select("id"))]
    everywhere = votes(lines)
    given = {id: everywhere[id] for id in asked if id in everywhere}
    settled = {id: settle(given.get(id, {}), p.annotate) for id in asked}
    reasons = {id: why or "not_question" for id, (label, why) in settled.items() if why or label == "not_question"}
    kept = {id: label == "needed" for id, (label, _) in settled.items() if id not in reasons}
    if not kept:
        raise click.ClickException(
            f"{annotations} settles none of the {len(asked)} inquiries as needed or not"
            f" ({', '.join(f'{reason} {n}' for reason, n in Counter(reasons.values()).most_common())}):"
            " label more (python -m stages.labels --help)"
        )
    answers = in_memory(pyarrow.table({"id": list(kept), "cr_need_gt": list(kept.values())}))
    if write(labelled, table.join(answers, "id"), Labelled) != len(kept):
        raise click.ClickException(f"{inquiries}: an inquiry was lost or doubled on the way to {labelled}")
    counts = write_rejects(rejects, [{"id": id, "reason": reason} for id, reason in reasons.items()], Reject)
    again = look_again(lines, set(settled), reasons, guideline(annotations))
    write(queue, from_rows(again, Queue), Queue)
    coverage = {
        "unlabelled": counts["unlabelled"],
        "labels_without_inquiry": len(everywhere) - len(given),
        "older_guideline": sum(row["reason"] == "older_guideline" for row in again),
    }
    for what, number in coverage.items():
        if number:
            click.echo(f"warning: {what.replace('_', ' ')}: {number}", err=True)
    write_json(
        metrics,
        {
            "inquiries": len(asked),
            "labelled": len(kept),
            "needed": sum(kept.values()),
            "labels": sum(map(len, given.values())),
            "disagreeing": sum(len(set(by.values())) > 1 for by in given.values()),
            "rejected": dict(sorted(counts.items())),
        }
        | coverage
        | proportion("filter_precision", len(kept), len(kept) + counts["not_question"]),
    )
    write_json(agreement, agreed(given, p))


if __name__ == "__main__":
    main()
