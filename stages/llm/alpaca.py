"""Labelled items as training examples in alpaca's fields (paper, section 3)."""

from collections.abc import Iterable, Mapping
from typing import Any

from stages.llm import prompts
from stages.pipeline.definition import NEGATIVE, POSITIVE
from stages.pipeline.params import Question


def alpaca_rows(items: Iterable[Mapping[str, Any]], question: Question) -> list[dict[str, Any]]:
    """A row for each item, by id: `instruction` is the question as params.yaml has it, `output` the right option."""
    template = prompts.load(question.definition, question.prompt)
    rows = []
    for item in sorted(items, key=lambda item: item["id"]):
        order = prompts.option_order(item["id"], question.option_order.training, question.seed)
        label = POSITIVE if item["label"] else NEGATIVE
        rows.append(
            {
                "id": item["id"],
                "instruction": prompts.render(item, template, order, question.turns),
                "input": "",
                "output": prompts.answer(label, template, order),
            }
        )
    return rows
