"""Label Studio: inquiries as its tasks, and the labels in its exports."""

import math
from collections.abc import Iterable, Mapping
from typing import Any

from stages.llm.prompts import lettered

LABELING_CONFIG = """<View>
  <Paragraphs name="chat" value="$chat" layout="dialogue" nameKey="author" textKey="text"/>
  <Header value="$question" size="5"/>
  <Choices name="label" toName="chat" choice="single-radio" required="true" showInline="true">
    <Choice value="needed" hotkey="j"/>
    <Choice value="not_needed" hotkey="k"/>
    <Choice value="not_question" hotkey="i"/>
  </Choices>
</View>
"""


def suggestion(source: str, label: str, score: float) -> dict[str, Any]:
    """A prediction in Label Studio's format; annotators see the label as already chosen."""
    choice = {"from_name": "label", "to_name": "chat", "type": "choices", "value": {"choices": [label]}}
    return {"model_version": source, "score": round(score, 4), "result": [choice]}


def suggestions(scores: Mapping[str, float], predictions: Mapping[str, Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Labels that models and scorers suggest for an inquiry.

    `predictions` are models' answers to it, by model: the likelier of needed and not_needed is suggested. `scores` are
    the filter's, from 0 to 10, by scorer: a score below 5 suggests not_question.
    """
    suggested = []
    for model, prediction in predictions.items():
        if prediction["needed"] is not None:
            label = max(("needed", "not_needed"), key=lambda option: prediction[option])
            suggested.append(suggestion(model, label, math.exp(prediction[label])))
        elif prediction["answer"] in ("needed", "not_needed"):  # the protocol generate gives no probabilities
            suggested.append(suggestion(model, prediction["answer"], 1))
    for scorer, score in scores.items():
        if score < 5:
            suggested.append(suggestion(scorer, "not_question", 1 - score / 10))
    return suggested


def task(
    inquiry: Mapping[str, Any], scores: Mapping[str, float], predictions: Mapping[str, Mapping[str, Any]]
) -> dict[str, Any]:
    """An inquiry as a task. The task's field `inquiry` is the id, since Label Studio has an `id` of its own."""
    turns = lettered([*inquiry["cr_window"], inquiry])
    asker, question = turns[-1]
    return {
        "data": {
            "inquiry": inquiry["id"],
            "chat": [{"author": letter, "text": text} for letter, text in turns],
            "question": f"{asker}: {question}",
            "scores": dict(scores),
        },
        "predictions": suggestions(scores, predictions),
    }


def flat_annotations(tasks: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The annotations of Label Studio's JSON export, with the columns of its JSON-MIN and CSV exports."""
    annotations = []
    for task in tasks:
        for annotation in task["annotations"]:
            if annotation["was_cancelled"]:
                continue
            annotations.append(
                {
                    "inquiry": task.get("data", {}).get("inquiry"),
                    "label": _chosen_label(annotation["result"]),
                    "annotator": annotation["completed_by"],
                    "updated_at": annotation["updated_at"],
                    "lead_time": annotation["lead_time"],
                }
            )
    return annotations


def _chosen_label(result: Iterable[Mapping[str, Any]]) -> str | None:
    for part in result:
        if part["type"] == "choices":
            return part["value"]["choices"][0]
    return None
