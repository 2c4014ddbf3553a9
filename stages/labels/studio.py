"""Label Studio: inquiries as its tasks, and the labels in its exports."""

from collections.abc import Iterable, Mapping
from typing import Any

from stages.llm.prompts import speakers

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
    """A prediction in Label Studio's format, which annotators see as chosen already."""
    chosen = {"from_name": "label", "to_name": "chat", "type": "choices", "value": {"choices": [label]}}
    return {"model_version": source, "score": round(score, 4), "result": [chosen]}


def task(
    inquiry: Mapping[str, Any], scores: Mapping[str, float], predictions: Mapping[str, Mapping[str, Any]]
) -> dict[str, Any]:
    """An inquiry as a task; `inquiry` is the id, since Label Studio has an `id` of its own.

    `scores` are the filter's, from 0 to 10, by scorer: one that doubts that this is a question suggests so.
    `predictions` are models' answers to this inquiry, by model: the likelier of needed and not_needed is suggested.
    """
    import math

    turns = [*inquiry["cr_window"], inquiry]
    names = speakers(turns)
    chat = [{"author": name, "text": turn["text"]} for name, turn in zip(names, turns, strict=True)]
    suggested = []
    for model, answer in predictions.items():
        if answer["needed"] is not None:
            label = max(("needed", "not_needed"), key=lambda option: answer[option])
            suggested.append(suggestion(model, label, math.exp(answer[label])))
        elif answer["answer"] in ("needed", "not_needed"):  # of the protocol generate, which knows no probabilities
            suggested.append(suggestion(model, answer["answer"], 1))
    suggested += [suggestion(name, "not_question", 1 - score / 10) for name, score in scores.items() if score < 5]
    return {
        "data": {
            "inquiry": inquiry["id"],
            "chat": chat,
            "question": f"{names[-1]}: {inquiry['text']}",
            "scores": dict(scores),
        },
        "predictions": suggested,
    }


def exported(tasks: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The annotations in Label Studio's JSON export, flat, in the columns of its JSON-MIN and CSV exports."""
    return [
        {
            "inquiry": task.get("data", {}).get("inquiry"),
            "label": next(
                (one["value"]["choices"][0] for one in annotation["result"] if one["type"] == "choices"), None
            ),
            "annotator": annotation["completed_by"],
            "updated_at": annotation["updated_at"],
            "lead_time": annotation["lead_time"],
        }
        for task in tasks
        for annotation in task["annotations"]
        if not annotation["was_cancelled"]
    ]
