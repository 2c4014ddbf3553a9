"""Combines several annotators' labels of an item into one, by `annotate.policy`."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence, Set
from typing import Any, NamedTuple

from stages.judging.metrics import proportion
from stages.labels.agreement import majority
from stages.labels.store import Line, labelled_at, latest_lines
from stages.pipeline.definition import LEFT_OUT, NOT_QUESTION, POSITIVE, Definition
from stages.pipeline.params import Annotate


def settle(votes: Mapping[str, str], p: Annotate) -> tuple[str | None, str | None]:
    """The label of an item, or the reason why it has none.

    Policy `majority`: the label of more than half of the annotators. `unanimous`: the label that all of them gave.
    `adjudicator`: the adjudicator's label where there is one, otherwise as `unanimous`.
    """
    if not votes:
        return None, "unlabelled"
    label = majority(votes.values())
    if p.policy == "adjudicator" and p.adjudicator and p.adjudicator in votes:
        label = votes[p.adjudicator]
    elif p.policy != "majority" and len(set(votes.values())) > 1:
        label = None
    return (label, None) if label else (None, "contradicting_labels")


class Settlement(NamedTuple):
    """The inquiries, by id: the votes of those that have any, by annotator; whether the label of the settled ones is
    positive; the reasons why the others are rejected.
    """

    votes_by_id: dict[int, dict[str, str]]
    labels_by_id: dict[int, bool]
    reject_reason_by_id: dict[int, str]

    @property
    def reason_counts(self) -> Counter[str]:
        """How many inquiries have each reason."""
        return Counter(self.reject_reason_by_id.values())


def settle_inquiries(
    ids: Sequence[int], votes_by_id: Mapping[int, dict[str, str]], p: Annotate, question: Definition
) -> Settlement:
    """Settle the label of each inquiry. One whose label leaves it out is rejected, with the label as the reason."""
    labels_by_id, reject_reason_by_id = {}, {}
    for id in ids:
        label, reason = settle(votes_by_id.get(id, {}), p)
        meaning = question.labels[label].means if label else LEFT_OUT
        if meaning == LEFT_OUT:
            reject_reason_by_id[id] = reason or str(label)
        else:
            labels_by_id[id] = meaning == POSITIVE
    votes_of_inquiries = {id: votes_by_id[id] for id in ids if id in votes_by_id}
    return Settlement(votes_of_inquiries, labels_by_id, reject_reason_by_id)


def nothing_settled_error(settlement: Settlement, question: Definition) -> str:
    """The message for labels that settle no inquiry as positive or negative."""
    counts = ", ".join(f"{reason} {count}" for reason, count in settlement.reason_counts.most_common())
    return (
        f"settles none of the {len(settlement.reject_reason_by_id)} inquiries as {question.positive} or"
        f" {question.negative} ({counts}): label more, or resolve contradicting labels"
        " (python -m stages.labels --help)"
    )


def annotation_queue(lines: Sequence[Line], settlement: Settlement, standing: Collection[str]) -> list[dict[str, Any]]:
    """The inquiries to look at again: for contradicting labels, or else for a label under a version of the guideline
    that isn't among the `standing` ones. `at` is when the last of their labels was made.
    """
    lines_by_id = labelled_lines(lines, settlement)
    outdated_ids = ids_under_another_guideline(lines_by_id, standing)
    queue = []
    for id, lines_of_item in lines_by_id.items():
        if settlement.reject_reason_by_id.get(id) == "contradicting_labels":
            reason = "contradicting_labels"
        elif id in outdated_ids:
            reason = "older_guideline"
        else:
            continue
        queue.append({"id": id, "reason": reason, "at": max(map(labelled_at, lines_of_item))})
    return queue


def coverage_of(
    lines: Sequence[Line], settlement: Settlement, votes_by_id: Mapping[int, dict[str, str]], standing: Collection[str]
) -> dict[str, int]:
    """Counts of inquiries without a label, of labelled items that are no inquiries, and of inquiries with a label
    under a version of the guideline that isn't among the `standing` ones, contradicting labels or not.
    """
    return {
        "unlabelled": settlement.reason_counts["unlabelled"],
        "labels_without_inquiry": len(votes_by_id) - len(settlement.votes_by_id),
        "older_guideline": len(ids_under_another_guideline(labelled_lines(lines, settlement), standing)),
    }


def labelled_lines(lines: Sequence[Line], settlement: Settlement) -> dict[int, list[Line]]:
    """The lines that count and have a label, by inquiry; inquiries without such a line are left out."""
    return {
        id: [line for line in lines_by_annotator.values() if line["label"]]
        for id, lines_by_annotator in latest_lines(lines).items()
        if id in settlement.votes_by_id
    }


def ids_under_another_guideline(lines_by_id: Mapping[int, list[Line]], standing: Collection[str]) -> set[int]:
    return {id for id, lines in lines_by_id.items() if any(line["guideline"] not in standing for line in lines)}


def summary(settlement: Settlement, chosen_ids: Set[int], question: Definition) -> dict[str, Any]:
    """The counts of metrics/details/annotate.json. Where annotators may say that an inquiry is none, the share of the
    others is the filter's precision, over all settled items but `chosen_ids`, those that readers chose, which are no
    random sample.
    """
    labelled = len(settlement.labels_by_id)
    votes = settlement.votes_by_id.values()
    counts: dict[str, Any] = {
        "inquiries": labelled + len(settlement.reject_reason_by_id),
        "labelled": labelled,
        "positive": sum(settlement.labels_by_id.values()),
        "labels": sum(len(votes_by_annotator) for votes_by_annotator in votes),
        "disagreeing": sum(len(set(votes_by_annotator.values())) > 1 for votes_by_annotator in votes),
        "rejected": dict(sorted(settlement.reason_counts.items())),
    }
    if not question.judges_filter:
        return counts
    questions = len(settlement.labels_by_id.keys() - chosen_ids)
    others = {id for id, reason in settlement.reject_reason_by_id.items() if reason == NOT_QUESTION} - chosen_ids
    return counts | proportion("filter_precision", questions, questions + len(others))
