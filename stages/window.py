"""Measure how far back questions reach, and choose how many turns a prompt shows.

    python -m stages.window data/valid.jsonl data/messages.jsonl data/turns.jsonl data/base data/window.json
        metrics/window.json metrics/details/window.json

`question.window` in params.yaml is the number of turns, or auto: the smallest window that shows whom a question
answers, for 90% of the questions that answer somebody. The metrics have that share for windows of 1 to 12 turns, up to
`filter.window`, and the tokens of their prompts by the tokenizer of the law's probe model.
"""

import math
from collections.abc import Sequence
from pathlib import Path

import click
import ibis
from ibis import _

from stages.judging.reach import Distances, Items, reach, smallest_window, windows_up_to
from stages.llm import prompts
from stages.llm.weights import load_tokenizer
from stages.pipeline.command import Command
from stages.pipeline.files import write_json, write_metrics
from stages.pipeline.params import params
from stages.pipeline.schemas import Labelled, Message, Turn
from stages.pipeline.tables import read, rows

SHARE = 0.95  # of the prompts that have at most so many tokens


def reply_distances(messages: ibis.Table, turns: ibis.Table, items: Items) -> Distances:
    """How many turns before an item stands what it answers, where the export says so: the first reply among the item's
    messages. A reply to oneself is none.
    """
    in_order = ibis.window(group_by="group", order_by="position")
    numbered = turns.select("id", "group", "position", number=ibis.row_number().over(in_order))
    messages_in_turns = messages.asof_join(numbered, on="position", predicates="group").select(
        "id", "reply_to", "group", "sender", "position", item="id_right", turn="number"
    )
    replies = messages_in_turns.filter(_.reply_to.notnull() & _.item.isin([item["id"] for item in items]))
    answered = messages_in_turns.select(reply_to="id", group="group", answered_sender="sender", answered_turn="turn")
    pairs = replies.join(answered, ["reply_to", "group"]).filter(
        (_.answered_turn < _.turn) & (_.answered_sender != _.sender)
    )
    latest_first = rows(pairs.order_by(_.position.desc()))
    return {row["item"]: row["turn"] - row["answered_turn"] for row in latest_first}


def prompt_tokens(items: Items, prompt: prompts.PromptTemplate, base: Path, windows: Sequence[int]) -> dict[str, int]:
    """With each window the tokens that SHARE of the prompts have at most."""
    tokenizer = load_tokenizer(base)
    tokens = {}
    for window in windows:
        texts = [prompts.render(item, prompt, prompts.OPTIONS, window) for item in items]
        lengths = sorted(len(ids) for ids in tokenizer(texts, split_special_tokens=True)["input_ids"])
        tokens[f"tokens_{window}"] = lengths[math.ceil(SHARE * len(lengths)) - 1]
    return tokens


@click.command(cls=Command, help=__doc__)
@click.argument("valid", type=click.Path(exists=True))
@click.argument("messages", type=click.Path(exists=True))
@click.argument("turns", type=click.Path(exists=True))
@click.argument("base", type=click.Path(exists=True, path_type=Path))
@click.argument("window", type=click.Path())
@click.argument("metrics", type=click.Path())
@click.argument("details", type=click.Path())
def main(valid: str, messages: str, turns: str, base: Path, window: str, metrics: str, details: str) -> None:
    p = params()
    items = rows(read(valid, Labelled))
    windows = windows_up_to(p.filter.window)
    reached = reach(items, reply_distances(read(messages, Message), read(turns, Turn), items), windows)
    is_auto = p.question.window == "auto"
    prompt_window = smallest_window(reached, windows) if is_auto else p.question.turns
    tokens = prompt_tokens(
        items, prompts.load(p.question.definition, p.question.prompt), base / p.law.probe_model, windows
    )
    write_json(window, {"turns": prompt_window, "is_auto": is_auto})
    write_metrics(metrics, details, {"turns": prompt_window, "n": len(items)} | reached | tokens, "turns", "addressed")
    if is_auto:
        addressed = reached["addressed"]
        share = f", {reached[f'reach_{prompt_window}']:.0%} of them within it" if addressed else ""
        click.echo(
            f"question.window: auto takes {prompt_window}; questions that answer somebody: {addressed}{share}",
            err=True,
        )


if __name__ == "__main__":
    main()
