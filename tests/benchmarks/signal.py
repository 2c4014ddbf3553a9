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

from stages.llm import kept, prompts
from stages.llm.chats import encode
from stages.llm.transformers import Transformers
from stages.metric import measure
from stages.params import params
from stages.tables import items_of
from tests.conftest import ROOT

NOTHING: dict[str, Any] = {"text": "N/A", "sender": "a", "cr_window": [{"text": "N/A", "sender": "b"}]}
LISTED = prompts.load("en")
UNLISTED = LISTED._replace(task=LISTED.task.replace("$options", "Answer: not needed, needed or don't know."))


def by_letter(engine: Transformers, items: list[Any], order: list[str], window: int) -> Any:
    """Log-probability of each option, [items][options], the last row for a chat that says nothing."""
    chats: Any = [
        [{"role": "user", "content": prompts.render(item, LISTED, order, window)}] for item in [*items, NOTHING]
    ]
    found = np.array(kept.choose(engine, chats, list(prompts.LETTERS), "letters"))
    return found[:, [order.index(option) for option in prompts.OPTIONS]]


def by_text(engine: Transformers, items: list[Any], window: int) -> Any:
    """The same for the options' texts."""
    import torch

    found = []
    for item in [*items, NOTHING]:
        content = prompts.render(item, UNLISTED, prompts.OPTIONS, window)
        ids = encode(engine.tokenizer, [{"role": "user", "content": content}])
        row = []
        for option in prompts.OPTIONS:
            said = engine.tokenizer.encode(LISTED.options[option], add_special_tokens=False)
            with torch.inference_mode():
                logits = engine.model(input_ids=torch.tensor([ids + said])).logits[0, len(ids) - 1 : -1]
            row.append(float(torch.log_softmax(logits.float(), -1)[range(len(said)), said].sum()))
        found.append(row)
    return np.array(found)


@click.command(help=__doc__)
def main() -> None:
    p = params(ROOT / "params.yaml")
    items = items_of(ROOT / "data" / "valid.jsonl", ROOT / "data" / "alpaca", "dev")
    truth = [item["cr_need_gt"] for item in items]
    click.echo(f"n = {len(items)} items of dev, vanilla models, window {p.export.window}, 95% bounds by bootstrap\n")
    click.echo("| model | scored | AUC | F1 (%) | commonest answer (%) |\n|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        os.environ["LABELS_CACHE"] = folder
        for name in p.ladder:
            engine = Transformers(ROOT / "data" / "base" / name, p.evaluate.batch_tokens)
            orders = [
                by_letter(engine, items, order, p.export.window) for order in prompts.reordered(prompts.OPTIONS, 6)
            ]
            rotated = [orders[i] for i in (0, 3, 4)]  # of all 6, those of 3
            ways = {
                "letters, one order": orders[0],
                "letters, 3 orders": np.mean(rotated, axis=0),
                "letters, 6 orders": np.mean(orders, axis=0),
                "texts": by_text(engine, items, p.export.window),
            }
            for way, logprobs in ways.items():
                for label, scored in ((way, logprobs[:-1]), (f"{way}, calibrated", logprobs[:-1] - logprobs[-1])):
                    answers = [prompts.OPTIONS[i] for i in scored.argmax(1)]
                    odds = (scored[:, 1] - scored[:, 0]).tolist()
                    m = measure(answers, truth, odds, p.evaluate.bootstrap, p.seed)
                    most = max(map(answers.count, set(answers))) / len(answers)
                    click.echo(
                        f"| {name} | {label} | {m['auc']:.3f} ({m['auc_low']:.3f} to {m['auc_high']:.3f}) |"
                        f" {100 * m['f1']:.2f} ({100 * m['f1_low']:.2f} to {100 * m['f1_high']:.2f}) |"
                        f" {100 * most:.2f} |"
                    )


if __name__ == "__main__":
    main()
