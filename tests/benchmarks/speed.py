"""How fast the model stages run on this machine, against a plain loop: `make bench`.

    python -m tests.benchmarks.speed

Prompts are the dev set's, or made ones where the pipeline has not run. Tokens are real ones, padding not counted.
"""

import time
from collections.abc import Callable
from typing import Any

import click
import torch

from stages.llm.transformers import Engine, compute_dtype
from tests.conftest import ROOT

PROMPTS = 48


def peak(dtype: Any) -> float:
    """The machine's own matrix product, in GFLOP/s."""
    a, b = torch.randn(2048, 2048).to(dtype), torch.randn(2048, 2048).to(dtype)
    seconds = timed(lambda: a @ b)
    return 2 * 2048**3 / seconds / 1e9


def timed(work: Callable[[], Any]) -> float:
    work()
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


@click.command(help=__doc__)
def main() -> None:
    engine = Engine(ROOT / "data" / "base" / "smollm2_135m", 8192)
    texts = ["A: " + "I tried it today and it works well for me / " * (4 + i % 20) for i in range(PROMPTS)]
    chats: list[Any] = [[{"role": "user", "content": text}] for text in texts]
    encoded = [engine._encode(chat) for chat in chats]
    tokens = sum(map(len, encoded))

    def one_by_one() -> None:
        with torch.inference_mode():
            for ids in encoded:
                torch.log_softmax(engine.model(input_ids=torch.tensor([ids])).logits[0, -1].float(), -1)

    ours = timed(lambda: engine.choose(chats, ["A", "B", "C"], "ours"))
    plain = timed(one_by_one)
    product = peak(engine.model.dtype)
    body = sum(p.numel() for n, p in engine.model.named_parameters() if "embed" not in n)
    reached = 2 * body * tokens / ours / 1e9
    click.echo(f"matrix product, {compute_dtype()}: {product:.0f} GFLOP/s")
    click.echo(f"choose, {PROMPTS} prompts, {tokens} tokens: {tokens / ours:.0f} tokens/s")
    click.echo(f"plain loop, one by one: {tokens / plain:.0f} tokens/s; ratio {plain / ours:.2f}")
    click.echo(f"share of the matrix product's speed: {reached / product:.2f}")


if __name__ == "__main__":
    main()
