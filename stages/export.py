"""Turn valid items into alpaca files for train, dev and test (paper, section 3).

    python -m stages.export data/valid.jsonl data/alpaca data/rejects/export.jsonl metrics/export.json

`instruction` holds the task, the window, the message and three options; `input` is empty; `output` is letter and text
of the right option. `id` stands beside them, since everything is joined by it.
"""

import hashlib
from collections import Counter
from pathlib import Path
from typing import Any

import click

from stages.llm import prompts
from stages.params import params
from stages.schemas import Labelled, Reject
from stages.tables import read, rows, write_json, write_rejects

SPLITS = ("train", "dev", "test")
GROUPS = 50  # conversations
Items = list[dict[str, Any]]


def split(items: Items, dev: float, test: float, seed: int) -> tuple[dict[str, Items], Items]:
    """Items to train, dev and test of about the asked shares, and those left out between them.

    Whole conversations go to one side, which a hash of their name decides: an item stays where it is, whatever is
    labelled otherwise or added, so that versions of the data are judged on the same items. Where conversations are too
    few or too large for that (a user has one group chat), the log is cut into three blocks of time.
    """
    if not many_and_small(items, dev, test):
        return _by_time(items, dev, test)
    splits: dict[str, Items] = {name: [] for name in SPLITS}
    for item in items:
        splits[_side(item["group"], dev, test, seed)].append(item)
    return splits, []


def many_and_small(items: Items, dev: float, test: float) -> bool:
    """Whether the items' conversations are so many and so small that shares drawn by chance come out near."""
    sizes = Counter(item["group"] for item in items)
    return len(sizes) >= GROUPS and max(sizes.values()) / len(items) <= min(dev, test) / 2


def _side(group: str, dev: float, test: float, seed: int) -> str:
    drawn = int.from_bytes(hashlib.sha256(f"{seed} {group}".encode()).digest()[:8]) / 2**64
    return "test" if drawn < test else "dev" if drawn < test + dev else "train"


def _by_time(items: Items, dev: float, test: float) -> tuple[dict[str, Items], Items]:
    """Oldest to train, newest to test. An item whose window reaches back to the block before is left out."""
    ordered = sorted(items, key=lambda item: (item["timestamp"], item["group"], item["position"]))
    first, second = round((1 - dev - test) * len(ordered)), round((1 - test) * len(ordered))
    blocks = {"train": ordered[:first], "dev": ordered[first:second], "test": ordered[second:]}
    last: dict[str, int] = {}
    left = []
    for name, block in blocks.items():
        reaching = [item for item in block if _oldest(item) <= last.get(item["group"], -1)]
        left += reaching
        blocks[name] = [item for item in block if item not in reaching]
        for item in block:
            last[item["group"]] = item["timestamp"]
    return blocks, left


def _oldest(item: dict[str, Any]) -> int:
    return min(turn["timestamp"] for turn in (*item["cr_window"], item))


def alpaca(item: dict[str, Any], prompt: prompts.Prompt, order: list[str], window: int) -> dict[str, Any]:
    """One training example."""
    right = "needed" if item["cr_need_gt"] else "not_needed"
    return {
        "id": item["id"],
        "instruction": prompts.render(item, prompt, order, window),
        "input": "",
        "output": prompts.answer(right, prompt, order),
    }


@click.command(help=__doc__)
@click.argument("valid", type=click.Path(exists=True))
@click.argument("folder", type=click.Path(path_type=Path))
@click.argument("rejects", type=click.Path())
@click.argument("metrics", type=click.Path())
def main(valid: str, folder: Path, rejects: str, metrics: str) -> None:
    p = params().export
    prompt = prompts.load(p.prompt)
    items = rows(read(valid, Labelled))
    splits, left = split(items, p.dev, p.test, p.seed)
    counts: dict[str, Any] = {"by_time": int(not many_and_small(items, p.dev, p.test))}
    for name in SPLITS:
        positives = sum(item["cr_need_gt"] for item in splits[name])
        if not 0 < positives < len(splits[name]):
            raise click.ClickException(
                f"{valid}: {name} would have {len(splits[name])} items, {positives} needed, and every score needs"
                " both labels: label more, or change export.dev, export.test or export.seed in params.yaml"
            )
        examples = [
            alpaca(item, prompt, prompts.option_order(item["id"], p.option_order, p.seed), p.window)
            for item in sorted(splits[name], key=lambda item: item["id"])
        ]
        write_json(folder / f"{name}.json", examples)
        counts[name] = {"n": len(examples), "needed": positives, "needed_share": round(positives / len(examples), 4)}
    reasons = write_rejects(rejects, [{"id": item["id"], "reason": "split_gap"} for item in left], Reject)
    write_json(metrics, counts | {"rejected": dict(reasons)})


if __name__ == "__main__":
    main()
