"""How likely is each label wrong: a probe that has not seen it, the ladder, and the annotators' votes."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from stages.judging.ladder import Ladder, bootstrap_ladder, has_signal, ladder_of
from stages.judging.metrics import Bools, Floats, sigmoid
from stages.judging.predictions import probability_of
from stages.pipeline.definition import NEGATIVE, POSITIVE
from stages.pipeline.params import Params
from stages.pipeline.tables import Rows

BIGGEST = 2  # models that the paper's rule asks
REASONS = ("annotators_disagree", "biggest_models_disagree", "model_disagrees", "nothing_against")
CLASSES = (NEGATIVE, POSITIVE)  # by their numbers
Votes = Sequence[Mapping[str, str]]  # of each item, by annotator: what the label means


def label_doubt(labels: Bools, probabilities: Sequence[Floats], votes: Votes) -> Floats:
    """The probability that each label [items] is wrong.

    It follows from models' probabilities of positive, [items] each, by their mean log-odds, and from annotators'
    votes. Where items have votes of several annotators, CROWDLAB (Goh et al., 2022) weighs votes and models.
    """
    import pandas as pd
    from cleanlab.multiannotator import get_label_quality_multiannotator
    from cleanlab.rank import get_label_quality_scores

    clipped = np.clip(probabilities, 1e-6, 1 - 1e-6)
    positive = sigmoid(np.log(clipped / (1 - clipped)).mean(0))
    class_probabilities = np.stack([1 - positive, positive], axis=1)
    quality = get_label_quality_scores(labels.astype(int), class_probabilities)

    vote_table = pd.DataFrame(
        [
            {annotator: CLASSES.index(vote) for annotator, vote in item_votes.items() if vote in CLASSES}
            for item_votes in votes
        ]
    )
    vote_counts = vote_table.notna().sum(axis=1).to_numpy()
    if (vote_counts > 1).any():
        has_vote = vote_counts > 0
        consensus = get_label_quality_multiannotator(
            vote_table[has_vote].reset_index(drop=True),
            class_probabilities[has_vote],
            verbose=False,
            return_annotator_stats=False,
        )["label_quality"]
        agrees = consensus["consensus_label"].to_numpy() == labels[has_vote]
        consensus_quality = consensus["consensus_quality_score"].to_numpy()
        quality[has_vote] = np.where(agrees, consensus_quality, 1 - consensus_quality)
    return 1 - quality


def wrong_by_biggest(ladder: Ladder) -> Bools:
    """Which labels [items] the biggest models all answer otherwise (the paper's rule)."""
    labels = np.where(ladder.truth, POSITIVE, NEGATIVE)
    return (ladder.answers[-BIGGEST:] != labels).all(0)


def evidence(
    items: Sequence[dict[str, Any]], answers: Mapping[str, Rows], unseen: Floats, votes: Votes, p: Params
) -> Rows:
    """A row for each item without its `at`, the likeliest wrong label first.

    `answers` are the ladder's predictions by model, in the items' order. `unseen` has the probability of positive
    [items] by a model that hasn't seen the label.
    """
    ladder = ladder_of(list(answers), answers, p.models)
    scores = bootstrap_ladder(ladder, p.evaluate.bootstrap, p.seed)
    informative = has_signal(ladder, scores, p.law.letter_share) & (scores.observed["auc"] > 0.5)
    doubts = label_doubt(ladder.truth, [unseen, *sigmoid(ladder.log_odds[informative])], votes)
    biggest_wrong = wrong_by_biggest(ladder)
    biggest_contradict = biggest_wrong & informative[-BIGGEST:].all()  # constant answers contradict nothing
    rows = []
    for rank, i in enumerate(np.argsort(-doubts, kind="stable").tolist(), start=1):
        label = POSITIVE if ladder.truth[i] else NEGATIVE
        votes_against = sum(vote != label for vote in votes[i].values())
        against = (votes_against > 0, biggest_contradict[i], (unseen[i] > 0.5) != ladder.truth[i], True)
        row = {
            "id": items[i]["id"],
            "rank": rank,
            "reason": REASONS[against.index(True)],
            "doubt": round(float(doubts[i]), 4),
            "label": label,
            "biggest_wrong": bool(biggest_wrong[i]),
            "votes": len(votes[i]) - votes_against,
            "against": votes_against,
            "cross_validated": round(float(unseen[i]), 4),
        }
        for model, predictions in answers.items():
            row[f"positive_by_{model}"] = probability_of(predictions[i])
        rows.append(row)
    return rows
