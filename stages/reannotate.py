"""Which labels are likeliest wrong? (Paper, section 2, "Check": what the big models get wrong is looked at again.)

    python -m stages.reannotate data/valid.jsonl data/predictions/baseline data/annotations data/imported.jsonl
        data/base/NAME data/reannotate.jsonl metrics/reannotate.json

Every labelled item is ranked by the evidence: a model that has not seen its label (stages/probe.py), the ladder's
models that show a signal, and the annotators' own votes. `python -m stages.labels label NAME --queue
data/reannotate.jsonl` shows the first ones again.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click
import numpy as np

from stages.labels.store import latest, load
from stages.ladder import ladder_of, sample, telling
from stages.llm.asking import odds
from stages.params import Params, params
from stages.probe import hidden_states, out_of_sample
from stages.schemas import Labelled, Prediction, Reannotate
from stages.scoring import Bools, Floats
from stages.tables import from_rows, read, rows, write, write_json

BIGGEST = 2  # models that the paper's rule asks
LABEL = ("not_needed", "needed")
Votes = Sequence[Mapping[str, str]]


def doubt(labels: Bools, probabilities: Sequence[Floats], votes: Votes) -> Floats:
    """How likely each label [items] is wrong, by models' probabilities of needed, [items] each, and annotators' votes.

    Models count by their mean log-odds. Where items have votes of several annotators, CROWDLAB (Goh et al., 2022)
    weighs them against each other and against the models.
    """
    import pandas as pd
    from cleanlab.multiannotator import get_label_quality_multiannotator
    from cleanlab.rank import get_label_quality_scores

    clipped = np.clip(probabilities, 1e-6, 1 - 1e-6)
    needed = 1 / (1 + np.exp(-np.log(clipped / (1 - clipped)).mean(0)))
    both = np.stack([1 - needed, needed], axis=1)
    quality = get_label_quality_scores(labels.astype(int), both)
    given = pd.DataFrame([{who: LABEL.index(one) for who, one in by.items() if one in LABEL} for by in votes])
    several = given.notna().sum(axis=1).to_numpy() > 0
    if (given.notna().sum(axis=1) > 1).any():
        found = get_label_quality_multiannotator(
            given[several].reset_index(drop=True), both[several], verbose=False, return_annotator_stats=False
        )["label_quality"]
        agrees = found["consensus_label"].to_numpy() == labels[several]
        score = found["consensus_quality_score"].to_numpy()
        quality[several] = np.where(agrees, score, 1 - score)
    return 1 - quality


def evidence(
    items: Sequence[dict[str, Any]],
    answers: Mapping[str, list[dict[str, Any]]],
    unseen: Floats,
    given: Votes,
    p: Params,
) -> list[dict[str, Any]]:
    """A row for each item, the likeliest wrong first. `answers` are the ladder's, by model, in the items' order;
    `unseen` what a model that hasn't seen the label says, the probability of needed [items].
    """
    ladder = ladder_of(list(answers), answers, p.models)
    drawn = sample(ladder, p.evaluate.bootstrap, p.seed)
    speaks = telling(ladder, drawn, p.law.letter_share) & (drawn.whole["auc"] > 0.5)
    probabilities = [unseen, *(1 / (1 + np.exp(-ladder.odds[speaks])))]
    wrong = doubt(ladder.truth, probabilities, given)
    right_answer = np.where(ladder.truth, "needed", "not_needed")
    biggest_wrong = (ladder.answers[-BIGGEST:] != right_answer).all(0)
    found = []
    for rank, i in enumerate(np.argsort(-wrong, kind="stable").tolist(), start=1):
        label = str(right_answer[i])
        against = sum(vote != label for vote in given[i].values())
        reasons = {
            "annotators_disagree": against > 0,
            "biggest_models_disagree": bool(biggest_wrong[i]),
            "model_disagrees": (unseen[i] > 0.5) != ladder.truth[i],
            "nothing_against": True,
        }
        row = {
            "id": items[i]["id"],
            "rank": rank,
            "reason": next(reason for reason, applies in reasons.items() if applies),
            "doubt": round(float(wrong[i]), 4),
            "label": label,
            "biggest_wrong": bool(biggest_wrong[i]),
            "votes": len(given[i]) - against,
            "against": against,
            "cross_validated": round(float(unseen[i]), 4),
        }
        for name, own in answers.items():
            spoke = own[i]["needed"] is not None
            row[f"needed_by_{name}"] = round(float(1 / (1 + np.exp(-odds(own[i])))), 4) if spoke else None
        found.append(row)
    return found


@click.command(help=__doc__)
@click.argument("valid", type=click.Path(exists=True))
@click.argument("predictions", type=click.Path(exists=True, path_type=Path))
@click.argument("annotations", type=click.Path(exists=True, path_type=Path))
@click.argument("imported", type=click.Path(exists=True, path_type=Path))
@click.argument("base", type=click.Path(exists=True, path_type=Path))
@click.argument("queue", type=click.Path())
@click.argument("metrics", type=click.Path())
def main(
    valid: str, predictions: Path, annotations: Path, imported: Path, base: Path, queue: str, metrics: str
) -> None:
    from stages.metric import measure

    p = params()
    items = rows(read(valid, Labelled))
    labels = np.array([item["cr_need_gt"] for item in items])
    place = {item["id"]: i for i, item in enumerate(items)}
    answers = {
        name: sorted(
            (row for row in rows(read(predictions / f"{name}.jsonl", Prediction)) if row["prompt"] == p.export.prompt),
            key=lambda row: place[row["id"]],
        )
        for name in p.ladder
    }
    lines = latest(load([*sorted(annotations.glob("*.jsonl")), imported]))
    votes = [
        {
            who: line["label"]
            for who, line in lines[item["id"]].items()
            if line["label"] and who != p.annotate.adjudicator
        }
        for item in items
    ]
    unseen = out_of_sample(items, hidden_states(base, items, p.export.window), labels, p.seed)["all"]
    found = evidence(items, answers, unseen, votes, p)
    for row in found:
        own = lines[row["id"]]
        others = [line["at"] for who, line in own.items() if who != p.annotate.adjudicator]
        row["at"] = max(others or [line["at"] for line in own.values()])  # the adjudicator's answer comes after it
    write(queue, from_rows(found, Reannotate), Reannotate)
    said = ["needed" if one > 0.5 else "not_needed" for one in unseen]
    scores = measure(said, labels.tolist(), unseen.tolist(), p.evaluate.bootstrap, p.seed)
    write_json(
        metrics,
        {f"cross_validated_{name}": scores[name] for name in ("auc", "auc_low", "auc_high")}
        | {"n": len(items)}
        | {
            reason: sum(row["reason"] == reason for row in found)
            for reason in ("annotators_disagree", "biggest_models_disagree", "model_disagrees", "nothing_against")
        },
    )


if __name__ == "__main__":
    main()
