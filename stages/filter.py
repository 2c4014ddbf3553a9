"""Keep the turns that ask something, each with the turns before it (paper, section 2, "Filter", and section 3).

    python -m stages.filter data/turns.jsonl data/base data/annotations/filter data/scores.jsonl
        data/inquiries.jsonl data/rejects/filter.jsonl metrics/filter.json metrics/plots/throttle.json

Each scorer of params.yaml rates what survived the one before it. How good they are is measured on turns that were
drawn at random from the whole log and labelled as question or not (data/annotations/filter/), so the figures hold at
any throttle.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import click
import ibis
import pyarrow
import pyarrow.compute
from ibis import _

from stages.labels.agreement import majority
from stages.labels.store import load, votes
from stages.llm.scorers import rater
from stages.params import Scorer, params
from stages.schemas import Inquiry, QuestionLabel, Reject, Score, Turn
from stages.scoring import DIGITS, proportion
from stages.tables import batches, compute_on, hold, in_memory, parts, read, rows, write, write_json

THROTTLES = [0, 0.02, 0.05, 0.1, 0.2, 0.5, *range(1, 11)]
RATED = 1_000_000  # texts that are in memory at a time
PART = 2**28  # characters of turns that windows are cut from at a time
SCORES = pyarrow.schema({"id": pyarrow.int64(), "score": pyarrow.float64()})
Given = Mapping[str, Any]  # a turn, with what each scorer gave it; None where its answer couldn't be read
Labels = Mapping[int, bool]  # which turns are questions


def rated(turns: ibis.Table, rate: Callable[[Sequence[str]], Sequence[float | None]]) -> pyarrow.Table:
    """The id and score of each turn, null where the answer couldn't be read."""
    texts = batches(turns.select("id", "text", "group", "position").order_by("group", "position"), RATED)
    scores = (pyarrow.record_batch([some["id"], rate(some["text"].to_pylist())], schema=SCORES) for some in texts)
    return pyarrow.Table.from_batches(scores, schema=SCORES)


def judged(turns: ibis.Table, scores: Mapping[str, ibis.Table], scorers: list[Scorer], min_chars: int) -> ibis.Table:
    """Turns without their text, with each scorer's score and the `reason` why one is no inquiry: the first scorer that
    it fell at, or its length; null for an inquiry.
    """
    found, fell = turns.select("id", "messages", chars=_.text.length()), []
    for scorer in scorers:
        name = scorer.name
        found = found.left_join(scores[name].select("id", _.score.name(name)), "id").drop("id_right")
        fell += [(_[name].isnull(), f"unreadable_{name}"), (_[name] < scorer.throttle, f"not_{name}")]
    return found.mutate(reason=ibis.cases(*fell, (_.chars < min_chars, "too_short")))


def windows(turns: ibis.Table, size: int) -> ibis.Table:
    """The turns that are kept, with `cr_window`: up to `size` turns before each in its group, oldest first.

    Lags, since they are far faster than a list collected over each turn's window.
    """
    turn = ibis.struct({"sender": _.sender, "text": _.text, "timestamp": _.timestamp})
    before = ibis.window(group_by="group", order_by="position")
    lags = {f"before_{n}": _.turn.lag(n).over(before) for n in range(size, 0, -1)}
    return (
        turns.mutate(turn=turn)
        .mutate(**lags)
        .filter(_.kept)
        .mutate(cr_window=ibis.array([_[name] for name in lags]).filter(lambda turn: turn.notnull()))
        .drop("turn", "kept", *lags)
    )


def inquiries_of(turns: ibis.Table, kept: ibis.Table, size: int, folder: Path) -> Iterator[ibis.Table]:
    """The turns whose ids are kept, with their windows, in parts, one after the other, cut from a copy in `folder`."""
    marked = turns.left_join(kept.select("id", kept=ibis.literal(True)), "id").drop("id_right")
    return (windows(part, size) for part in parts(marked, folder, PART))


def settled(folder: Path) -> Labels:
    """The random turns that a majority of their annotators calls a question, or none."""
    given = votes(load(sorted(folder.glob("*.jsonl")), QuestionLabel))
    labels = {id: majority(by.values()) for id, by in given.items()}
    return {id: label == "question" for id, label in labels.items() if label}


def passes(turn: Given, scorer: Scorer) -> bool:
    score = turn[scorer.name]
    return score is not None and score >= scorer.throttle


def quality(scorers: list[Scorer], drawn: Mapping[int, Given], labels: Labels) -> dict[str, float]:
    """Precision and recall of each scorer on what reached it, and of the whole filter, over the labelled turns, which
    are a random sample.
    """
    kept = {id for id, turn in drawn.items() if turn["reason"] is None}
    found: dict[str, float] = {"labelled_kept": len(kept), "labelled_rejected": len(drawn) - len(kept)}
    questions = {id for id in drawn if labels[id]}
    reached = set(drawn)
    for scorer in scorers:
        passed = {id for id in reached if passes(drawn[id], scorer)}
        found |= proportion(f"{scorer.name}_precision", len(passed & questions), len(passed))
        found |= proportion(f"{scorer.name}_recall", len(passed & questions), len(reached & questions))
        reached = passed
    found |= proportion("precision", len(kept & questions), len(kept))
    found |= proportion("recall", len(kept & questions), len(questions))
    return found


def sweep(scores: Mapping[str, pyarrow.Table], drawn: Mapping[int, Given], labels: Labels) -> list[dict[str, Any]]:
    """What each scorer would keep of the turns that reached it, and how good that would be, at other throttles."""
    points = []
    for name, table in scores.items():
        given = table["score"].drop_null()
        labelled = {id: turn[name] for id, turn in drawn.items() if turn[name] is not None}
        questions = sum(labels[id] for id in labelled)
        for throttle in THROTTLES:
            passed = pyarrow.compute.sum(pyarrow.compute.greater_equal(given, throttle)).as_py()
            hits = [labels[id] for id, score in labelled.items() if score >= throttle]
            shares = {"kept": (passed, len(given)), "recall": (sum(hits), questions)}
            shares["precision"] = (sum(hits), len(hits))
            points += [
                {"scorer": name, "throttle": throttle, "measure": measure, "share": round(part / n, DIGITS)}
                for measure, (part, n) in shares.items()
                if n
            ]
    return points


@click.command(help=__doc__)
@click.argument("turns", type=click.Path())
@click.argument("base", type=click.Path(path_type=Path))
@click.argument("labels", type=click.Path(exists=True, path_type=Path))
@click.argument("scores", type=click.Path())
@click.argument("inquiries", type=click.Path())
@click.argument("rejects", type=click.Path())
@click.argument("metrics", type=click.Path())
@click.argument("plot", type=click.Path())
def main(
    turns: str, base: Path, labels: Path, scores: str, inquiries: str, rejects: str, metrics: str, plot: str
) -> None:
    everything = params()
    p = everything.filter
    compute_on(everything.backend)
    asked = said = read(turns, Turn)
    found: dict[str, pyarrow.Table] = {}
    tables: dict[str, ibis.Table] = {}
    for scorer in p.scorers:
        found[scorer.name] = rated(asked, rater(scorer, base, everything))
        tables[scorer.name] = in_memory(found[scorer.name])
        asked = asked.semi_join(tables[scorer.name].filter(_.score >= scorer.throttle), "id")
    reasons = hold(judged(said, tables, p.scorers, p.min_chars))
    kept = reasons.filter(_.reason.isnull())
    if not (count := kept.count().execute()):
        raise click.ClickException(f"{turns}: no turn passed the filter; lower the throttles in params.yaml")

    readable = [table.filter(_.score.notnull()).mutate(scorer=ibis.literal(name)) for name, table in tables.items()]
    write(scores, ibis.union(*readable), Score)
    passed = {scorer.name: ibis.literal(True) for scorer in p.scorers}
    with TemporaryDirectory() as folder:
        asking = inquiries_of(said, kept, p.window, Path(folder))
        written = write(inquiries, (part.mutate(**passed) for part in asking), Inquiry)
    left = reasons.filter(_.reason.notnull())
    rejected = write(rejects, left.select("id", "reason", at=ibis.null("string")), Reject)
    total = said.count().execute()
    if written != count or written + rejected != total:
        raise click.ClickException(
            f"of {total} turns {written} are inquiries and {rejected} are not: one was lost or doubled"
        )

    labelled = settled(labels)
    drawn = {row["id"]: row for row in rows(reasons.filter(_.id.isin(list(labelled))))}
    if gone := len(labelled) - len(drawn):
        click.echo(f"warning: {labels}: {gone} labelled turns are not in {turns}", err=True)
    write_json(
        metrics,
        {
            "turns": total,
            "inquiries": count,
            "labels_without_turn": gone,
            "messages_per_inquiry": round(kept.messages.mean().execute(), DIGITS),
            "rejected": {
                row["reason"]: row["n"] for row in rows(left.group_by("reason").agg(n=_.count()).order_by("reason"))
            },
        }
        | quality(p.scorers, drawn, labelled),
    )
    write_json(plot, sweep(found, drawn, labelled))


if __name__ == "__main__":
    main()
