"""Ask a model, vanilla or tuned, whether each item needs its context (paper, section 2, "LLM Evaluation", and section
4).

    python -m stages.evaluate NAME data/base/NAME data/valid.jsonl data/alpaca data/predictions/baseline/NAME.jsonl \\
        metrics/baseline/NAME.json [--adapter data/adapters/NAME]
"""

from collections import Counter
from pathlib import Path
from typing import Any

import click

from stages.llm import prompts
from stages.params import Export, params
from stages.schemas import Labelled, Prediction
from stages.tables import from_rows, read, rows, split_ids, write, write_json


def predict(items: list[dict[str, Any]], engine: Any, p: Export, label: str) -> list[dict[str, Any]]:
    """The model's log-probability of each option's letter for each item, and the likeliest letter's option as the
    answer.
    """
    prompt = prompts.load(p.prompt)
    orders = [prompts.option_order(item["id"], p.option_order, p.seed) for item in items]
    chats = [
        [{"role": "user", "content": prompts.render(item, prompt, order, p.window)}]
        for item, order in zip(items, orders, strict=True)
    ]
    found = []
    for item, order, answer in zip(items, orders, engine.choose(chats, list(prompts.LETTERS), label), strict=True):
        by_option = {option: round(value, 6) for option, value in zip(order, answer, strict=True)}
        best = max(range(len(answer)), key=answer.__getitem__)
        found.append(
            {
                "id": item["id"],
                "cr_need_gt": item["cr_need_gt"],
                "letter": prompts.LETTERS[best],
                "answer": order[best],
            }
            | by_option
        )
    return found


@click.command(help=__doc__)
@click.argument("name")
@click.argument("base", type=click.Path(exists=True, path_type=Path))
@click.argument("valid", type=click.Path(exists=True))
@click.argument("alpaca", type=click.Path(exists=True, path_type=Path))
@click.argument("predictions", type=click.Path())
@click.argument("metrics", type=click.Path())
@click.option("--adapter", type=click.Path(exists=True, path_type=Path), help="LoRA adapter of the tuned model.")
def main(
    name: str, base: Path, valid: str, alpaca: Path, predictions: str, metrics: str, adapter: Path | None
) -> None:
    from stages.llm.transformers import Engine
    from stages.metric import measure

    p = params()
    ids = split_ids(alpaca, p.evaluate.split)
    items = [item for item in rows(read(valid, Labelled)) if item["id"] in ids]
    found = predict(items, Engine(base, p.evaluate.batch_tokens, adapter), p.export, name)
    write(predictions, from_rows(found, Prediction), Prediction)
    letters = Counter(row["letter"] for row in found)
    scores = measure(
        [row["answer"] for row in found],
        [row["cr_need_gt"] for row in found],
        [row["needed"] - row["not_needed"] for row in found],
        p.evaluate.bootstrap,
        p.seed,
    )
    write_json(metrics, scores | {"letter_share": round(max(letters.values()) / len(found), 6)})


if __name__ == "__main__":
    main()
