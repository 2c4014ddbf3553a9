"""Ask a model, vanilla or tuned, the question of each item (paper, section 2, "LLM Evaluation", and section 4).

    python -m stages.evaluate NAME data/base/NAME data/items.jsonl data/predictions/baseline/NAME.jsonl
        metrics/baseline/NAME.json metrics/details/baseline/NAME.json
        [--adapter data/adapters/NAME --gate data/predictions/gate/NAME.jsonl]

How it is asked is said by `evaluate` in params.yaml. For the law a vanilla model is asked every labelled item, with
each of `law.prompts` too; a tuned one is asked those of `evaluate.split` alone, since it has learnt others. The
metrics are of that split. With several `seeds` the adapter of each is asked: predictions have the mean probability,
metrics are means over the seeds. `--gate` names a file for the answers of data/adapters/NAME alone, the first seed's,
to the split and to dev, on which the stage gate chooses a threshold.
"""

import gc
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import click

from stages.judging.metrics import HEADLINES
from stages.llm.catalogue import engine
from stages.llm.no_answers import warn_of_no_answers
from stages.llm.predictions import predict, summary
from stages.llm.seeds import mean_predictions
from stages.llm.weights import adapter_folders
from stages.pipeline.command import Command
from stages.pipeline.files import write_metrics
from stages.pipeline.params import Params, params
from stages.pipeline.schemas import Item, Prediction
from stages.pipeline.tables import Rows, from_rows, read, rows, split_items, write
from stages.pipeline.window import with_window


def ask(
    name: str, base: Path, adapter: Path | None, questions: Rows, prompts: Sequence[str], title: str, p: Params
) -> Rows:
    """A model's answers to each question with each prompt, beside the labels; `title` is that of the progress."""
    model = engine(name, base, p, adapter)
    answers: Rows = []
    for prompt in prompts:
        with_prompt = p.model_copy(update={"question": p.question.model_copy(update={"prompt": prompt})})
        prompt_answers = predict(questions, model, with_prompt, f"{title}, {prompt}")
        answers += [row | {"label": item["label"]} for item, row in zip(questions, prompt_answers, strict=True)]
    return answers


def ask_seeds(name: str, base: Path, adapter: Path, questions: Rows, p: Params) -> dict[int, Rows]:
    """The answers of each seed's adapter, one after the other."""
    answers_by_seed = {}
    for number, (seed, folder) in enumerate(adapter_folders(adapter, p.seeds).items(), start=1):
        title = f"{name}, seed {seed} ({number} of {len(p.seeds)})" if len(p.seeds) > 1 else name
        answers_by_seed[seed] = ask(name, base, folder, questions, [p.question.prompt], title, p)
        gc.collect()  # ends vLLM's processes before the next ones need their memory
    return answers_by_seed


def of_split(answers: Rows, in_split: Rows, prompt: str) -> Rows:
    """The answers with a prompt to the items of a split, in the order of these items, so that one seed draws the same
    resamples everywhere.
    """
    by_id = {row["id"]: row for row in answers if row["prompt"] == prompt}
    return [by_id[item["id"]] for item in in_split]


@click.command(cls=Command, help=__doc__)
@click.argument("name")
@click.argument("base", type=click.Path(exists=True, path_type=Path))
@click.argument("items", type=click.Path(exists=True))
@click.argument("predictions", type=click.Path())
@click.argument("metrics", type=click.Path())
@click.argument("details", type=click.Path())
@click.option("--adapter", type=click.Path(exists=True, path_type=Path), help="LoRA adapter of the tuned model.")
@click.option("--gate", type=click.Path(), help="Where this adapter's answers to dev and the split go.")
def main(
    name: str,
    base: Path,
    items: str,
    predictions: str,
    metrics: str,
    details: str,
    adapter: Path | None,
    gate: str | None,
) -> None:
    from stages.judging.seeds import means, measure_seeds

    p = with_window(params())
    in_split = split_items(items, p.evaluate.split)
    if adapter:
        of_gate = {item["id"]: item for item in in_split + (split_items(items, "dev") if gate else [])}
        answers_by_seed = ask_seeds(name, base, adapter, [of_gate[id] for id in sorted(of_gate)], p)
        if gate:
            write(gate, from_rows(answers_by_seed[p.seeds[0]], Prediction), Prediction)
        answers_by_seed = {seed: of_split(rows, in_split, p.question.prompt) for seed, rows in answers_by_seed.items()}
    else:
        prompts = list(dict.fromkeys([p.question.prompt, *p.law.prompts]))
        answers_by_seed = {0: ask(name, base, None, rows(read(items, Item)), prompts, name, p)}
    answers = mean_predictions(answers_by_seed)
    write(predictions, from_rows(answers, Prediction), Prediction)
    all_answers = [row["answer"] for of_seed in answers_by_seed.values() for row in of_seed]
    warn_of_no_answers(name, Counter(all_answers), len(all_answers))
    split_answers = {seed: of_split(of_seed, in_split, p.question.prompt) for seed, of_seed in answers_by_seed.items()}
    mean_answers = of_split(answers, in_split, p.question.prompt)
    scores = measure_seeds(split_answers, mean_answers, p.evaluate.bootstrap, p.seed)
    summaries = [summary(of_seed, p) for of_seed in split_answers.values()]
    write_metrics(metrics, details, scores | means(summaries), *HEADLINES)


if __name__ == "__main__":
    main()
