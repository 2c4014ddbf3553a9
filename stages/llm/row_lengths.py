"""The lengths of training rows in tokens, checked before any model is asked or trained."""

from collections.abc import Sequence
from pathlib import Path

import click

from stages.llm.training_examples import Row, encode_row
from stages.llm.weights import load_tokenizer


def check_row_lengths(file: Path, rows: Sequence[Row], base: Path, names: Sequence[str], max_length: int) -> None:
    """Raises click.ClickException for a model whose training would refuse a row, with the longest row of `file`.

    `names` are the models in `base` that are trained. One that isn't there is left to training, which checks again.
    """
    for name in names:
        if not (base / name).exists():
            continue
        tokenizer = load_tokenizer(base / name)
        lengths = [sum(map(len, encode_row(row, tokenizer))) for row in rows]
        longest = max(lengths, default=0)
        if longest > max_length:
            row = rows[lengths.index(longest)]
            too_long = sum(length > max_length for length in lengths)
            raise click.ClickException(
                f"{file}: the row with id {row['id']} has {longest} tokens for {name}, and max_length is {max_length};"
                f" rows that are longer: {too_long}. Raise max_length to {longest}, or lower question.window"
            )
