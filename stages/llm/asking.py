"""Whether items need their context, as a model says (paper, section 2, "LLM Evaluation").

Protocol `choice` compares the log-probabilities of the options' letters. Protocol `generate` is the paper's: the model
reasons freely, and a second turn brings its own answer down to a letter.
"""

from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple

import click

from stages.llm import kept, prompts
from stages.llm.answers import UNREADABLE
from stages.llm.answers import read as read_answer
from stages.llm.kept import Engine
from stages.params import Params

LETTER_TOKENS = 16  # of the second turn's answer
NO_LETTER = "-"  # where none could be read
SECOND_TURN = 64  # tokens of the second turn's question


class Asked(NamedTuple):
    """A question in one order of its options, and how many turns of its history didn't fit."""

    order: list[str]
    chat: list[dict[str, str]]
    lost: int


def ask(item: dict[str, Any], order: list[str], p: Params, model: Engine) -> Asked:
    """The question with as much of its history as fits: the oldest turns go first, the question and the options never.

    Raises click.ClickException where the question alone doesn't fit.
    """
    prompt = prompts.load(p.export.prompt)
    room = 1 if p.evaluate.protocol == "choice" else p.evaluate.max_tokens + SECOND_TURN + LETTER_TOKENS
    wanted = min(p.export.window, len(item["cr_window"]))
    for turns in range(wanted, -1, -1):
        chat = [{"role": "user", "content": prompts.render(item, prompt, order, turns)}]
        if model.fits(chat, room):
            return Asked(order, chat, wanted - turns)
    raise click.ClickException(
        f"id {item['id']}: the question alone and {room} tokens of answer don't fit into the model's {model.context}"
        " tokens; lower evaluate.max_tokens, or ingest.max_chars, which leaves such messages out"
    )


def choice(asked: Sequence[Asked], model: Engine, label: str) -> list[dict[str, float]]:
    """The log-probability of each option for each question."""
    given = kept.choose(model, [one.chat for one in asked], list(prompts.LETTERS), label)
    return [dict(zip(one.order, answer, strict=True)) for one, answer in zip(asked, given, strict=True)]


def generate(asked: Sequence[Asked], model: Engine, prompt: prompts.Prompt, max_tokens: int, label: str) -> list[str]:
    """What the model says in the end to each question, after it has reasoned."""
    reasoned = kept.generate(model, [one.chat for one in asked], max_tokens, f"{label}, reasons")
    second = [
        [
            *one.chat,
            {"role": "assistant", "content": reasoning},
            {"role": "user", "content": prompts.reduction(prompt, one.order)},
        ]
        for one, reasoning in zip(asked, reasoned, strict=True)
    ]
    return kept.generate(model, second, LETTER_TOKENS, f"{label}, decides")


def runs(flat: Sequence[Any], length: int) -> list[Sequence[Any]]:
    """The sequence in pieces of one length: what belongs to each item."""
    return [flat[start : start + length] for start in range(0, len(flat), length)]


def most(votes: Sequence[str]) -> str:
    """The option that most votes name; unreadable where none does, or two as often."""
    ranked = Counter(vote for vote in votes if vote != UNREADABLE).most_common(2)
    tied = len(ranked) == 2 and ranked[0][1] == ranked[1][1]
    return ranked[0][0] if ranked and not tied else UNREADABLE


def predict(items: Sequence[dict[str, Any]], model: Engine, p: Params, label: str) -> list[dict[str, Any]]:
    """Each item's prediction, asked with the prompt of `export.prompt` as `evaluate` says."""
    e, how = p.evaluate, p.export
    prompt = prompts.load(how.prompt)
    asked = [ask(item, order, p, model) for item in items for order in orders(item["id"], p)]
    if e.protocol == "choice":
        logprobs = choice(asked, model, label)
        answers = [max(row, key=row.__getitem__) for row in logprobs]
        found = [
            {option: round(sum(row[option] for row in own) / len(own), 6) for option in prompts.OPTIONS}
            for own in runs(logprobs, e.permutations)
        ]
        found = [mean | {"said": None, "answer": max(mean, key=mean.__getitem__)} for mean in found]
    else:
        said = generate(asked, model, prompt, e.max_tokens, label)
        answers = [read_answer(text, prompt, one.order) for text, one in zip(said, asked, strict=True)]
        found = [
            dict.fromkeys(prompts.OPTIONS) | {"said": "\n".join(texts), "answer": most(votes)}
            for texts, votes in zip(runs(said, e.permutations), runs(answers, e.permutations), strict=True)
        ]
    letters = [
        NO_LETTER if answer == UNREADABLE else prompts.LETTERS[one.order.index(answer)]
        for one, answer in zip(asked, answers, strict=True)
    ]
    for item, row, own, given in zip(
        items, found, runs(asked, e.permutations), runs(letters, e.permutations), strict=True
    ):
        row |= {"id": item["id"], "prompt": how.prompt, "letters": "".join(given)}
        row |= {"turns_lost": max(one.lost for one in own)}
    return found


def orders(id: int, p: Params) -> list[list[str]]:
    """The orders of the options in which an item is asked."""
    first = prompts.option_order(id, p.export.option_order, p.export.seed)
    return prompts.reordered(first, p.evaluate.permutations)


def summary(predictions: Sequence[dict[str, Any]], p: Params) -> dict[str, float]:
    """What there is to say of all predictions: the share of the commonest letter, how many questions lost turns that
    didn't fit, and the share of items whose answer changes with the order of the options.
    """
    given = Counter("".join(row["letters"] for row in predictions))
    found = {
        "letter_share": round(max(given.values()) / given.total(), 6),
        "shortened": sum(row["turns_lost"] > 0 for row in predictions),
        "turns_lost": sum(row["turns_lost"] for row in predictions),
    }
    if p.evaluate.permutations > 1:
        changing = sum(len(answers(row, p)) > 1 for row in predictions)
        found["order_changes"] = round(changing / len(predictions), 6)
    return found


def answers(row: dict[str, Any], p: Params) -> set[str]:
    """The different answers that were given to an item over the orders of its options."""
    return {
        UNREADABLE if letter == NO_LETTER else order[prompts.LETTERS.index(letter)]
        for letter, order in zip(row["letters"], orders(row["id"], p), strict=True)
    }


def odds(row: dict[str, Any]) -> float:
    """How much the prediction speaks for needed: the log-odds against not needed, or the answer alone."""
    if row["needed"] is None:
        return float((row["answer"] == "needed") - (row["answer"] == "not_needed"))
    return row["needed"] - row["not_needed"]
