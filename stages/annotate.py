"""Join the label files in data/annotations/ to the inquiries by id (paper, section 2, Figure 2).

    python -m stages.annotate data/inquiries.jsonl data/annotations data/imported.jsonl data/labelled.jsonl \\
        data/rejects/annotate.jsonl metrics/annotate.json

Of each annotator the latest label counts. An inquiry goes on if its annotators agree, or if the adjudicator has
spoken.
"""

from itertools import combinations
from pathlib import Path
from typing import Any

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


def kappa(votes: dict[int, dict[str, str]], adjudicator: str | None, resamples: int, seed: int) -> dict[str, Any]:
    """Cohen's kappa of each two annotators over the items that both labelled, with n and 95% bounds by bootstrap.

    The adjudicator, who has seen the others' labels, is left out.
    """
    import numpy as np
    from sklearn.metrics import cohen_kappa_score

    rng = np.random.default_rng(seed)
    annotators = sorted({name for given in votes.values() for name in given} - {adjudicator})
    found: dict[str, Any] = {}
    for one, other in combinations(annotators, 2):
        pairs = np.array([(given[one], given[other]) for given in votes.values() if {one, other} <= given.keys()])
        if len({label for pair in pairs.tolist() for label in pair}) < 2:
            continue  # kappa is not defined
        drawn = [cohen_kappa_score(*pairs[i].T) for i in rng.integers(0, len(pairs), (resamples, len(pairs)))]
        low, high = np.nanpercentile(drawn, [2.5, 97.5])
        value = cohen_kappa_score(*pairs.T)
        found[f"{one}_{other}"] = {"kappa": value, "kappa_low": low, "kappa_high": high, "n": len(pairs)}
    return {pair: {name: round(float(value), 4) for name, value in one.items()} for pair, one in found.items()}


@click.command(help=__doc__)
@click.argument("inquiries", type=click.Path(exists=True))
@click.argument("annotations", type=click.Path(exists=True, path_type=Path))
@click.argument("imported", type=click.Path(exists=True, path_type=Path))
@click.argument("labelled", type=click.Path())
@click.argument("rejects", type=click.Path())
@click.argument("metrics", type=click.Path())
def main(inquiries: str, annotations: Path, imported: Path, labelled: str, rejects: str, metrics: str) -> None:
    p = params()
    adjudicator = p.annotate.adjudicator
    files = [*sorted(annotations.glob("*.jsonl")), imported]
    tables = {path: read(path, Label) for path in files}
    if wrong := [line for path, table in tables.items() for line in failures(table, Label, str(path))]:
        raise click.ClickException("\n".join(wrong))
    found = votes(ibis.union(*tables.values()))

    asked = rows(read(inquiries, Inquiry))
    settled = {row["id"]: settle(found.get(row["id"], {}), adjudicator) for row in asked}
    reasons = {
        id: reason or ("not_question" if label == "not_question" else None) for id, (label, reason) in settled.items()
    }
    kept = [row | {"cr_need_gt": settled[row["id"]][0] == "needed"} for row in asked if reasons[row["id"]] is None]
    if not kept:
        raise click.ClickException(
            f"{annotations} holds no label for any of the {len(asked)} inquiries: label some first"
            ' (README, "Your own chat")'
        )
    orphans = found.keys() - settled.keys()
    if orphans:
        click.echo(
            f"{len(orphans)} labelled items are no inquiries of this log or at these throttles; their labels are kept",
            err=True,
        )
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
            "agreement": kappa(found, adjudicator, p.evaluate.bootstrap, p.seed),
            "rejected": dict(sorted(counts.items())),
        },
    )


if __name__ == "__main__":
    main()
