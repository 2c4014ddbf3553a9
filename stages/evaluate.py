"""Ask a model, vanilla or tuned, whether each item needs its context (paper, section 2, "LLM Evaluation", and section
4).

    python -m stages.evaluate NAME data/base/NAME data/items.jsonl data/predictions/baseline/NAME.jsonl
        metrics/baseline/NAME.json metrics/details/baseline/NAME.json [--adapter data/adapters/NAME]

How it is asked is said by `evaluate` in params.yaml. For the law a vanilla model is asked every labelled item, with
each of `law.prompts` too; a tuned one is asked those of `evaluate.split` alone, since it has learnt others. The
metrics are of that split.
"""

from collections import Counter
from pathlib import Path

import click

from stages.judging.metrics import HEADLINES
from stages.judging.predictions import log_odds_of
from stages.llm.catalogue import engine
from stages.llm.no_answers import warn_of_no_answers
from stages.llm.predictions import predict, summary
from stages.pipeline.command import Command
from stages.pipeline.files import write_metrics
from stages.pipeline.params import params
from stages.pipeline.schemas import Item, Prediction
from stages.pipeline.tables import from_rows, read, rows, split_items, write
from stages.pipeline.window import with_window


@click.command(cls=Command, help=__doc__)
@click.argument("name")
@click.argument("base", type=click.Path(exists=True, path_type=Path))
@click.argument("items", type=click.Path(exists=True))
@click.argument("predictions", type=click.Path())
@click.argument("metrics", type=click.Path())
@click.argument("details", type=click.Path())
@click.option("--adapter", type=click.Path(exists=True, path_type=Path), help="LoRA adapter of the tuned model.")
def main(
    name: str, base: Path, items: str, predictions: str, metrics: str, details: str, adapter: Path | None
) -> None:
    from stages.judging.evaluate_metric import measure

    p = with_window(params())
    in_split = split_items(items, p.evaluate.split)
    questions = in_split if adapter else rows(read(items, Item))
    model = engine(name, base, p, adapter)
    answers = []
    for prompt in dict.fromkeys([p.question.prompt, *([] if adapter else p.law.prompts)]):
        with_prompt = p.model_copy(update={"question": p.question.model_copy(update={"prompt": prompt})})
        prompt_answers = predict(questions, model, with_prompt, f"{name}, {prompt}")
        answers += [
            row | {"cr_need_gt": item["cr_need_gt"]} for item, row in zip(questions, prompt_answers, strict=True)
        ]
    write(predictions, from_rows(answers, Prediction), Prediction)
    by_id = {row["id"]: row for row in answers if row["prompt"] == p.question.prompt}
    # in the order of the items, so that one seed draws the same resamples everywhere
    split_answers = [by_id[item["id"]] for item in in_split]
    scores = measure(
        [row["answer"] for row in split_answers],
        [row["cr_need_gt"] for row in split_answers],
        [log_odds_of(row) for row in split_answers],
        p.evaluate.bootstrap,
        p.seed,
    )
    warn_of_no_answers(name, Counter(row["answer"] for row in answers), len(answers))
    write_metrics(metrics, details, scores | summary(split_answers, p), *HEADLINES)


if __name__ == "__main__":
    main()
