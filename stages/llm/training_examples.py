"""Alpaca rows as token IDs and labels for training."""

import json
from pathlib import Path
from typing import Any, NamedTuple

import click

from stages.llm.loss import IGNORED
from stages.llm.tokenization import answer_tokens, encode

Row = dict[str, Any]  # in alpaca's fields
Example = dict[str, list[int]]  # input_ids and labels, of the same length


class TrainingRows(NamedTuple):
    """The alpaca files of a training: rows to learn, those of dev by which `train.keep: best` chooses, and those that
    a probe has labelled. The last are read in the place of further repetitions where `min_steps` lifts the training
    above `epochs`.
    """

    labelled: Path
    dev: Path | None = None
    pseudo_labelled: Path | None = None

    @property
    def files(self) -> list[Path]:
        return [file for file in self if file]


def encode_row(row: Row, tokenizer: Any) -> tuple[list[int], list[int]]:
    """The token IDs of a row's question, as evaluation asks it, and of its answer with the answer's end."""
    question = {"role": "user", "content": f"{row['instruction']}\n{row['input']}".strip()}
    return encode(tokenizer, [question]), answer_tokens(tokenizer, row["output"])


def load_examples(path: Path, tokenizer: Any, max_length: int) -> list[Example]:
    """The rows of an alpaca file. Labels are the token IDs of the answer and its end, and IGNORED for the prompt.

    The prompt is that of evaluation, token by token, whatever the template makes of a question once it is answered.

    Raises click.ClickException for a row longer than `max_length` tokens: truncation would take its answer away.
    """
    examples = []
    for number, row in enumerate(json.loads(path.read_text(encoding="utf-8")), start=1):
        prompt_ids, answer_ids = encode_row(row, tokenizer)
        input_ids = prompt_ids + answer_ids
        if len(input_ids) > max_length:
            raise click.ClickException(
                f"{path}: row {number} (id {row['id']}) has {len(input_ids)} tokens, max_length is {max_length}:"
                " raise it"
            )
        examples.append({"input_ids": input_ids, "labels": [IGNORED] * len(prompt_ids) + answer_ids})
    return examples
