"""Keep the turns that ask something, each with the turns before it (paper, section 2, "Filter", and section 3).

    python -m stages.filter data/turns.jsonl data/base data/annotations/filter data/scores.jsonl
        data/inquiries.jsonl data/rejects/filter.jsonl metrics/filter.json metrics/plots/throttle.json

Each scorer of params.yaml rates what survived the one before it. How good they are is measured on turns that were
drawn at random from the whole log and labelled as question or not (data/annotations/filter/), so the figures hold at
any throttle.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click
import ibis
import pyarrow
from ibis import _

from stages.llm.scorers import score
from stages.params import Scorer, params
from stages.schemas import Inquiry, QuestionLabel, Reject, Score, Turn
from stages.tables import compute_on, from_rows, in_memory, read, rows, write, write_json, write_rejects

ROUND = 4
THROTTLES = [0, 0.02, 0.05, 0.1, 0.2, 0.5, *range(1, 11)]


def windows(turns: ibis.Table, kept: ibis.Table, size: int) -> ibis.Table:
    """The turns whose ids are kept, with `cr_window`: up to `size` turns before each in its group, oldest first.

    Lags, since they are far faster than a list collected over each turn's window.
    """
    turn = ibis.struct({"sender": _.sender, "text": _.text, "timestamp": _.timestamp})
    before = ibis.window(group_by="group", order_by="position")
    lags = {f"before_{n}": _.turn.lag(n).over(before) for n in range(size, 0, -1)}
    return (
        turns.mutate(turn=turn)
        .mutate(**lags)
        .semi_join(kept, "id")
        .mutate(cr_window=ibis.array([_[name] for name in lags]).filter(lambda turn: turn.notnull()))
        .drop("turn", *lags)
    )


Given = Mapping[str, float | None]  # what each scorer gave; None where its answer couldn't be read


def passes(scores: Given, scorer: Scorer) -> bool:
    score = scores.get(scorer.name)
    return score is not None and score >= scorer.throttle


def why_not(turn: Mapping[str, Any], scores: Given, scorers: list[Scorer], min_chars: int) -> str | None:
    """The reason why a turn is no inquiry, if there is one: the first scorer that it fell at, or its length."""
    for scorer in scorers:
        if scores[scorer.name] is None:
            return f"unreadable_{scorer.name}"
        if not passes(scores, scorer):
            return f"not_{scorer.name}"
    return "too_short" if len(turn["text"]) < min_chars else None


def rate(name: str, hits: int, n: int) -> dict[str, float]:
    """A share of n with its 95% bounds (Wilson); nothing where there is nothing to divide by."""
    from scipy.stats import binomtest

    if not n:
        return {}
    low, high = binomtest(hits, n).proportion_ci(method="wilson")
    return {
        name: round(hits / n, ROUND),
        f"{name}_low": round(low, ROUND),
        f"{name}_high": round(high, ROUND),
        f"{name}_n": n,
    }


def quality(
    scorers: list[Scorer], scores: Mapping[int, Given], labels: dict[int, bool], kept: set[int]
) -> dict[str, float]:
    """Precision and recall of each scorer on what reached it, and of the whole filter, over a random sample of
    labelled turns.
    """
    found: dict[str, float] = {
        "labelled_kept": len(labels.keys() & kept),
        "labelled_rejected": len(labels.keys() - kept),
    }
    questions = {id for id, question in labels.items() if question}
    reached = set(labels)
    for scorer in scorers:
        passed = {id for id in reached if passes(scores[id], scorer)}
        found |= rate(f"{scorer.name}_precision", len(passed & questions), len(passed))
        found |= rate(f"{scorer.name}_recall", len(passed & questions), len(reached & questions))
        reached = passed
    found |= rate("precision", len(kept & questions), len(labels.keys() & kept))
    found |= rate("recall", len(kept & questions), len(questions))
    return found


def sweep(scorers: list[Scorer], scores: Mapping[int, Given], labels: dict[int, bool]) -> list[dict[str, Any]]:
    """What each scorer would keep of the turns that reached it, and how good that would be, at other throttles."""
    points = []
    for scorer in scorers:
        given = {id: score for id, found in scores.items() if (score := found.get(scorer.name)) is not None}
        labelled = labels.keys() & given.keys()
        questions = {id for id in labelled if labels[id]}
        for throttle in THROTTLES:
            passed = {id for id, score in given.items() if score >= throttle}
            shares = {"kept": (len(passed), len(given)), "recall": (len(passed & questions), len(questions))}
            shares["precision"] = (len(passed & questions), len(passed & labelled))
            points += [
                {"scorer": scorer.name, "throttle": throttle, "measure": name, "share": round(part / n, ROUND)}
                for name, (part, n) in shares.items()
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
    table = read(turns, Turn)
    said = rows(table)
    found: dict[int, dict[str, float | None]] = {turn["id"]: {} for turn in said}
    surviving = said
    for scorer in p.scorers:
        given = score(scorer, [turn["text"] for turn in surviving], base, everything)
        for turn, value in zip(surviving, given, strict=True):
            found[turn["id"]][scorer.name] = value
        surviving = [turn for turn in surviving if passes(found[turn["id"]], scorer)]
    reasons = {turn["id"]: why_not(turn, found[turn["id"]], p.scorers, p.min_chars) for turn in said}
    kept = {id for id, reason in reasons.items() if reason is None}
    if not kept:
        raise click.ClickException(f"{turns}: no turn passed the filter; lower the throttles in params.yaml")

    flat = [
        {"id": id, "scorer": name, "score": value}
        for id, given in found.items()
        for name, value in given.items()
        if value is not None
    ]
    write(scores, from_rows(flat, Score), Score)
    passed = {scorer.name: ibis.literal(True) for scorer in p.scorers}
    asking = in_memory(pyarrow.table({"id": sorted(kept)}))
    write(inquiries, windows(table, asking, p.window).mutate(**passed), Inquiry)
    counts = write_rejects(rejects, [{"id": id, "reason": reason} for id, reason in reasons.items() if reason], Reject)
    labelled = {
        row["id"]: row["label"] == "question"
        for path in sorted(labels.glob("*.jsonl"))
        for row in rows(read(path, QuestionLabel))
        if row["id"] in found
    }
    asked = sum(turn["messages"] for turn in said if turn["id"] in kept)
    write_json(
        metrics,
        {
            "turns": len(said),
            "inquiries": len(kept),
            "messages_per_inquiry": round(asked / len(kept), ROUND),
            "rejected": dict(sorted(counts.items())),
        }
        | quality(p.scorers, found, labelled, kept),
    )
    write_json(plot, sweep(p.scorers, found, labelled))


if __name__ == "__main__":
    main()
