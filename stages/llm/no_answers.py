"""Why a model's answer to a prompt can't be used."""

from collections.abc import Mapping
from enum import StrEnum

import click


class NoAnswer(StrEnum):
    """Why a prompt has no answer that can be used. It is kept like an answer: the prompt isn't sent again."""

    UNREADABLE = "unreadable"  # names no option, or several
    REFUSED = "refused"  # by the server's content filter
    CUT_OFF = "cut_off"  # in the middle of the model's thought


REMEDIES = {
    NoAnswer.UNREADABLE: "they name no option, or several",
    NoAnswer.REFUSED: "the server's content filter stops them",
    NoAnswer.CUT_OFF: "raise evaluate.max_tokens, or the server's endpoint.thinking_tokens",
}


def warn_of_no_answers(name: str, counts: Mapping[str, int], total: int) -> None:
    """Print a line for each reason why some of a model's answers can't be used."""
    for reason, remedy in REMEDIES.items():
        if counts[reason]:
            click.echo(f"warning: {name}: {counts[reason]} of {total} answers are {reason}: {remedy}", err=True)
