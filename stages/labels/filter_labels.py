"""The labels that the question filter is judged by and learns from: those of the question is_question."""

from pathlib import Path

from stages.labels.agreement import majority
from stages.labels.store import ids_chosen_by_readers, load, votes
from stages.pipeline.definition import IS_QUESTION
from stages.pipeline.params import Params


def random_questions(annotations: Path, p: Params) -> dict[int, bool]:
    """Whether a labelled turn is a question, by id, by the majority of its annotators where there is one. Turns that
    readers chose are left out, so that the others are a random sample of the log.
    """
    question = p.asking(IS_QUESTION).question.definition
    lines = load(annotations, question)
    chosen_ids = ids_chosen_by_readers(lines)
    labels = {id: majority(by_annotator.values()) for id, by_annotator in votes(lines).items() if id not in chosen_ids}
    return {id: label == question.positive for id, label in labels.items() if label}
