"""How fast options are compared: the embedded engine, lm-evaluation-harness and a plain loop, on the same prompts.

    python -m tests.benchmarks.engines

`make bench` installs the harness and runs this. Each candidate runs in a process of its own, one after the other; of
its settings the fastest counts. Prompts are the log's own questions as the pipeline renders them. Peak is this
machine's own matrix product in the same dtype.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import click

from stages.llm import prompts
from stages.pipeline.params import params
from stages.pipeline.schemas import Labelled
from stages.pipeline.tables import read, rows
from tests.conftest import ROOT

N = 200
BASE = ROOT / "data" / "base" / "smollm2_135m"
LETTERS = list(prompts.LETTERS)
BATCHES = (1, 4, 16, 64)


def peak(dtype: str) -> float:
    """The machine's own matrix product of 2048 by 2048, in GFLOP/s."""
    import torch

    a, b = (torch.randn(2048, 2048).to(getattr(torch, dtype)) for _ in range(2))
    best = float("inf")
    for _ in range(5):
        start = time.perf_counter()
        a @ b
        best = min(best, time.perf_counter() - start)
    return 2 * 2048**3 / best / 1e9


def ours(chats: list[Any], dtype: str, batch: int) -> dict[str, Any]:
    from stages.llm import answer_cache
    from stages.llm.tokenization import common_prefix_length, encode
    from stages.llm.transformers import Transformers

    engine = Transformers(BASE, batch or params(ROOT / "params.yaml").evaluate.batch_tokens, dtype=dtype)
    with tempfile.TemporaryDirectory() as folder:
        os.environ["LABELS_CACHE"] = folder
        start = time.perf_counter()
        answers = answer_cache.choose(engine, chats, LETTERS, "ours")
        seconds = time.perf_counter() - start
    encoded = [encode(engine.tokenizer, chat) for chat in chats]
    shared = common_prefix_length(encoded)
    tokens = sum(map(len, encoded))
    computed = tokens - shared * (len(chats) - 1)
    config = engine.model.config
    body = sum(weights.numel() for name, weights in engine.model.named_parameters() if "embed" not in name)
    work = 2 * body * computed + 2 * config.vocab_size * config.hidden_size * len(chats)
    return {"seconds": seconds, "answers": answers, "tokens": tokens, "computed": computed, "gflop": work / 1e9}


def plain(chats: list[Any], dtype: str, batch: int) -> dict[str, Any]:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    model = AutoModelForCausalLM.from_pretrained(BASE, dtype=getattr(torch, dtype), trust_remote_code=False).eval()
    tokenizer = AutoTokenizer.from_pretrained(BASE, trust_remote_code=False)
    letters = [tokenizer.encode(letter)[0] for letter in LETTERS]
    answers = []
    start = time.perf_counter()
    with torch.inference_mode():
        for chat in chats:
            inputs: Any = tokenizer.apply_chat_template(
                chat, add_generation_prompt=True, return_tensors="pt", return_dict=True
            )
            logits = model(**inputs).logits[0, -1].float()
            answers.append(torch.log_softmax(logits, -1)[letters].tolist())
    return {"seconds": time.perf_counter() - start, "answers": answers}


def harness(chats: list[Any], dtype: str, batch: int) -> dict[str, Any]:
    from lm_eval.api.instance import Instance
    from lm_eval.models.huggingface import HFLM

    model = HFLM(pretrained=str(BASE), dtype=dtype, batch_size=batch, device="cpu", trust_remote_code=False)
    start = time.perf_counter()
    texts = [model.tokenizer.apply_chat_template(chat, add_generation_prompt=True, tokenize=False) for chat in chats]
    instances = [
        Instance("loglikelihood", {}, (text, letter), i) for i, text in enumerate(texts) for letter in LETTERS
    ]
    logprobs = [value for value, _ in model.loglikelihood(instances, disable_tqdm=True)]
    seconds = time.perf_counter() - start
    return {"seconds": seconds, "answers": [logprobs[i : i + 3] for i in range(0, len(logprobs), 3)]}


CANDIDATES = {"ours": ours, "lm-evaluation-harness": harness, "plain loop": plain}


def measured(name: str, dtype: str, batch: int, chats: Path, **environment: str) -> dict[str, Any]:
    """What a candidate reports, and the seconds of its whole process. Ours takes tokens for its batch, 0 for the
    params'; the others prompts.
    """
    command = [sys.executable, "-m", "tests.benchmarks.engines", name, dtype, str(batch), str(chats)]
    start = time.perf_counter()
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, env=os.environ | environment)
    if result.returncode:
        raise click.ClickException(f"{name}: {result.stderr}")
    return json.loads(result.stdout.splitlines()[-1]) | {"whole": time.perf_counter() - start}


def compare(dtype: str) -> None:
    p = params(ROOT / "params.yaml")
    window = p.question.turns
    items = rows(read(ROOT / "data" / "valid.jsonl", Labelled))[:N]
    prompt = prompts.load(p.question.definition, p.question.prompt)
    chats = [[{"role": "user", "content": prompts.render(item, prompt, prompts.OPTIONS, window)}] for item in items]
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump(chats, file)
        file.flush()
        path = Path(file.name)
        first = measured("ours", dtype, 0, path)
        loop = measured("plain loop", dtype, 1, path)
        malloc = measured("ours", dtype, 0, path, MALLOC_TRIM_THRESHOLD_=str(2**30), MALLOC_MMAP_THRESHOLD_=str(2**30))
        one_thread = measured("ours", dtype, 0, path, OMP_NUM_THREADS="1")
        half = {tokens: measured("ours", "bfloat16", tokens, path) for tokens in (0, 1)}
        exact = measured("ours", "float32", 0, path) if dtype != "float32" else first
        harness_runs = {batch: measured("lm-evaluation-harness", dtype, batch, path) for batch in BATCHES}
    batch = min(harness_runs, key=lambda size: harness_runs[size]["seconds"])
    share = first["gflop"] / first["seconds"] / peak(dtype)
    click.echo(
        f"\n{len(items)} prompts of {first['tokens'] / len(items):.0f} tokens, window {window}, {dtype};"
        f" {1 - first['computed'] / first['tokens']:.0%} of the tokens are the common beginning\n"
    )
    click.echo("| | items/s | ours is faster by | whole process, s | ours is faster by | largest difference |")
    click.echo("|---|---|---|---|---|---|")
    for name, run in (
        ("ours", first),
        ("plain loop", loop),
        (f"lm-evaluation-harness, batch {batch}", harness_runs[batch]),
    ):
        pairs = zip(first["answers"], run["answers"], strict=True)
        off = max(abs(a - b) for mine, theirs in pairs for a, b in zip(mine, theirs, strict=True))
        click.echo(
            f"| {name} | {len(items) / run['seconds']:.1f} | {run['seconds'] / first['seconds']:.2f} |"
            f" {run['whole']:.1f} | {run['whole'] / first['whole']:.2f} | {off:.0e} |"
        )
    sizes = ", ".join(f"{size}: {len(items) / run['seconds']:.1f}" for size, run in harness_runs.items())
    changed = changes(half[0], exact), changes(half[0], half[1])
    click.echo(f"\nharness, items/s by batch size: {sizes}. Ours: {share:.0%} of the matrix product's peak.")
    click.echo(
        f"ours with malloc's thresholds raised: {first['seconds'] / malloc['seconds']:.2f} times as fast;"
        f" with one thread: {first['seconds'] / one_thread['seconds']:.2f}"
    )
    click.echo(f"bfloat16: {changed[0]:.1%} of the choices differ from float32's, {changed[1]:.1%} from one by one")


def changes(first: dict[str, Any], second: dict[str, Any]) -> float:
    """The share of prompts whose likeliest option differs."""
    pairs = list(zip(first["answers"], second["answers"], strict=True))
    return sum(a.index(max(a)) != b.index(max(b)) for a, b in pairs) / len(pairs)


@click.command(help=__doc__)
@click.argument("worker", nargs=-1)
def main(worker: tuple[str, ...]) -> None:
    if worker:
        name, dtype, batch, path = worker
        chats = json.loads(Path(path).read_text())
        click.echo(json.dumps(CANDIDATES[name](chats, dtype, int(batch))))
        return
    from stages.llm.weights import compute_dtype

    for dtype in dict.fromkeys(("float32", str(compute_dtype("auto")).removeprefix("torch."))):
        compare(dtype)


if __name__ == "__main__":
    main()
