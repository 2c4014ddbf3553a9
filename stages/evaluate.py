"""Ask a model, vanilla or tuned, whether each item needs its context (paper, section 2, "LLM Evaluation", and section
4).

    python -m stages.evaluate NAME data/base/NAME data/valid.jsonl data/alpaca data/predictions/baseline/NAME.jsonl
        metrics/baseline/NAME.json [--adapter data/adapters/NAME]

How it is asked is said by `evaluate` in params.yaml. For the law a vanilla model is asked every labelled item, with
each of `law.prompts` too; a tuned one is asked those of `evaluate.split` alone, since it has learnt others. The
metrics are of that split.
"""

from pathlib import Path

import click

from stages.llm.asking import odds, predict, summary
from stages.llm.engines import engine
from stages.params import params
from stages.schemas import Labelled, Prediction
from stages.tables import from_rows, read, rows, split_ids, write, write_json


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
    from stages.metric import measure

    p = params()
    ids = split_ids(alpaca, p.evaluate.split)
    items = [item for item in rows(read(valid, Labelled)) if not adapter or item["id"] in ids]
    model = engine(name, base, p, adapter)
    found = []
    for prompt in dict.fromkeys([p.export.prompt, *([] if adapter else p.law.prompts)]):
        asked = p.model_copy(update={"export": p.export.model_copy(update={"prompt": prompt})})
        answers = predict(items, model, asked, f"{name}, {prompt}")
        found += [row | {"cr_need_gt": item["cr_need_gt"]} for item, row in zip(items, answers, strict=True)]
    write(predictions, from_rows(found, Prediction), Prediction)
    own = [row for row in found if row["id"] in ids and row["prompt"] == p.export.prompt]
    own.sort(key=lambda row: row["id"])  # as everywhere, so that one seed draws the same resamples
    scores = measure(
        [row["answer"] for row in own],
        [row["cr_need_gt"] for row in own],
        [odds(row) for row in own],
        p.evaluate.bootstrap,
        p.seed,
    )
    write_json(metrics, scores | summary(own, p))


if __name__ == "__main__":
    main()
