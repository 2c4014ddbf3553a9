"""What gives the small vanilla models a signal? Ways to ask and to score, on dev.

    python -m tests.benchmarks.signal > metrics/signal.md

Small models answer one letter whatever they are asked. Tried against it: answers averaged over orders of the options;
calibration, which subtracts what the model answers where the chat says nothing (Zhao et al., 2021); options scored by
the log-probability of their text instead of a letter. AUC tells whether there is a signal at all, F1 whether answers
can be had from it.
"""

import os
import tempfile
from typing import Any

import click
import numpy as np

from stages.judging.evaluate_metric import measure
from stages.llm import answer_cache, prompts
from stages.llm.tokenization import encode
from stages.llm.transformers import Transformers
from stages.pipeline.params import params
from stages.pipeline.tables import split_items
from tests.conftest import QUESTION, ROOT

NOTHING: dict[str, Any] = {"text": "N/A", "sender": "a", "cr_window": [{"text": "N/A", "sender": "b"}]}
LISTING_PROMPT = prompts.load(QUESTION, "en")
UNLISTED = LISTING_PROMPT.model_copy(
    update={"task": LISTING_PROMPT.task.replace("$options", "Answer: not needed, needed or don't know.")}
)


def by_letter(engine: Transformers, items: list[Any], order: list[str], window: int) -> Any:
    """Log-probability of each option, [items][options], the last row for a chat that says nothing."""
    chats: Any = [
        [{"role": "user", "content": prompts.render(item, LISTING_PROMPT, order, window)}]
        for item in [*items, NOTHING]
    ]
    logprobs = np.array(answer_cache.choose(engine, chats, list(prompts.LETTERS), "letters"))
    return logprobs[:, [order.index(option) for option in prompts.OPTIONS]]


def by_text(engine: Transformers, items: list[Any], window: int) -> Any:
    """The same for the options' texts."""
    import torch

    rows = []
    for item in [*items, NOTHING]:
        content = prompts.render(item, UNLISTED, prompts.OPTIONS, window)
        ids = encode(engine.tokenizer, [{"role": "user", "content": content}])
        row = []
        for option in prompts.OPTIONS:
            tokens = engine.tokenizer.encode(LISTING_PROMPT.options[option], add_special_tokens=False)
            with torch.inference_mode():
                logits = engine.model(input_ids=torch.tensor([ids + tokens])).logits[0, len(ids) - 1 : -1]
            row.append(float(torch.log_softmax(logits.float(), -1)[range(len(tokens)), tokens].sum()))
        rows.append(row)
    return np.array(rows)


@click.command(help=__doc__)
def main() -> None:
    p = params(ROOT / "params.yaml")
    items = split_items(ROOT / "data" / "items.jsonl", "dev")
    truth = [item["label"] for item in items]
    click.echo(f"n = {len(items)} items of dev, vanilla models, window {p.question.turns}, 95% bounds by bootstrap\n")
    click.echo("| model | scored | AUC | F1 (%) | commonest answer (%) |\n|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        os.environ["LABELS_CACHE"] = folder
        for name in p.ladder:
            engine = Transformers(ROOT / "data" / "base" / name, p.evaluate.batch_tokens)
            orders = [
                by_letter(engine, items, order, p.question.turns)
                for order in prompts.option_permutations(prompts.OPTIONS, 6)
            ]
            rotated = [orders[i] for i in (0, 3, 4)]  # of all 6, those of 3
            ways = {
                "letters, one order": orders[0],
                "letters, 3 orders": np.mean(rotated, axis=0),
                "letters, 6 orders": np.mean(orders, axis=0),
                "texts": by_text(engine, items, p.question.turns),
            }
            for way, logprobs in ways.items():
                for label, scored in ((way, logprobs[:-1]), (f"{way}, calibrated", logprobs[:-1] - logprobs[-1])):
                    answers = [prompts.OPTIONS[i] for i in scored.argmax(1)]
                    odds = (scored[:, 1] - scored[:, 0]).tolist()
                    m = measure(answers, truth, odds, p.evaluate.bootstrap, p.seed)
                    largest_share = max(map(answers.count, set(answers))) / len(answers)
                    click.echo(
                        f"| {name} | {label} | {m['auc']:.3f} ({m['auc_low']:.3f} to {m['auc_high']:.3f}) |"
                        f" {100 * m['f1']:.2f} ({100 * m['f1_low']:.2f} to {100 * m['f1_high']:.2f}) |"
                        f" {100 * largest_share:.2f} |"
                    )


if __name__ == "__main__":
    main()
