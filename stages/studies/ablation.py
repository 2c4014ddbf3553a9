"""The paper's Table 3 on a model of one's choice: learning rate, rank, LoRA+, each an experiment of DVC.

    python -m stages.studies.ablation smollm2_135m metrics/ablation.md metrics/ablation.json
    python -m stages.studies.ablation smollm2_135m metrics/ablation.md metrics/ablation.json --grid lr_2e_5 --seeds 0,1

What a method of the grid doesn't set stays as params.yaml has it. Each is judged on dev and on test: two experiments,
the second of which takes its adapter from DVC's cache. An experiment of this commit that exists isn't run again, and
a training that was killed goes on from its last checkpoint. They run beside the workspace, which stays as it is.
"""

import json
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from stages.params import params
from stages.results.scores import markdown
from stages.scoring import in_percent
from stages.tables import write_json

SPLITS = ("dev", "test")
PLAIN = {"lr": "2e-4", "epochs": "1", "lora_rank": "64", "loraplus_ratio": "0"}  # paper, section 4
PLUS = PLAIN | {"lr": "5e-5", "loraplus_ratio": "16"}
GRID = {  # in the order of Table 3; lr_2e_4 and rank_64 are one training
    "lr_2e_5": PLAIN | {"lr": "2e-5"},
    "lr_2e_4": PLAIN,
    "rank_16": PLAIN | {"lora_rank": "16"},
    "rank_32": PLAIN | {"lora_rank": "32"},
    "rank_64": PLAIN,
    "rank_128": PLAIN | {"lora_rank": "128"},
    "lora_plus_1": PLUS,
    "lora_plus_2": PLUS | {"epochs": "2"},
    "lora_plus_4": PLUS | {"epochs": "4"},
}
KEPT = ("f1", "f1_low", "f1_high", "n")
Runs = dict[str, dict[str, list[Mapping[str, Any]]]]  # metrics by method and split, one for each seed


def dvc(*arguments: str) -> str:
    """What DVC says; its progress goes to the terminal."""
    done = subprocess.run(["dvc", *arguments], stdout=subprocess.PIPE, text=True)
    if done.returncode:
        raise click.ClickException(f"dvc {' '.join(arguments)} failed; type the same command again to go on from here")
    return done.stdout


def experiment(model: str, method: str, split: str, seed: int) -> str:
    """A name that says what it is; methods with the same settings share the first one's."""
    first = next(name for name in GRID if GRID[name] == GRID[method])
    return f"{model}-{first}-seed_{seed}-{split}".replace("_", "-")


def settings(model: str, method: str, split: str, seed: int) -> list[str]:
    """The arguments of `dvc exp run` for one experiment."""
    own = params().models[model].train.model_dump(exclude_none=True)  # what goes before the params of all models
    changed = {f"models.{model}.train.{key}" if key in own else key: value for key, value in GRID[method].items()}
    values = changed | {
        "seed": str(seed),
        "evaluate.split": split,
        "ladder": f"[{model}]",
        "finetune": f"[{model}]",
    }
    return [part for key, value in values.items() for part in ("-S", f"{key}={value}")]


def results(shown: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """The metrics files of each experiment of the commit, by its name, out of `dvc exp show --json`."""
    found = {}
    for commit in shown:
        for one in commit["experiments"] or []:
            revision = one["revs"][-1]
            found[one["name"] or revision["name"]] = {
                file: content["data"] for file, content in revision["data"]["metrics"].items() if "data" in content
            }
    return found


def mean(runs: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """Means over seeds of F1 and its bounds, n, and the least and the largest F1 where there are several seeds."""
    found = {key: round(sum(run[key] for run in runs) / len(runs), 6) for key in KEPT}
    found |= {"n": runs[0]["n"], "seeds": len(runs)}
    return found | {"f1_least": min(run["f1"] for run in runs), "f1_most": max(run["f1"] for run in runs)}


def f1(scores: Mapping[str, Any]) -> str:
    """As in 80.40 (74.23 to 85.59), in percent; with more than one seed the least and the largest too."""
    seeds = f"; seeds {100 * scores['f1_least']:.2f} to {100 * scores['f1_most']:.2f}" if scores["seeds"] > 1 else ""
    return in_percent(scores["f1"], scores["f1_low"], scores["f1_high"], seeds)


def table(methods: Mapping[str, Mapping[str, Any]]) -> str:
    """Table 3, with F1 on each split."""
    lines = [[name, *(f1(scores[split]) for split in SPLITS)] for name, scores in methods.items()]
    return markdown(["Method", *(f"F1 score on {split} (%)" for split in SPLITS)], lines)


@click.command(help=__doc__)
@click.argument("model")
@click.argument("words", type=click.Path(path_type=Path))
@click.argument("metrics", type=click.Path(path_type=Path))
@click.option("--grid", default=",".join(GRID), show_default=True, help="Methods, with commas between.")
@click.option("--seeds", default="0", show_default=True, help="Seeds of training, with commas between.")
def main(model: str, words: Path, metrics: Path, grid: str, seeds: str) -> None:
    methods, numbers = grid.split(","), [int(seed) for seed in seeds.split(",")]
    if unknown := set(methods) - set(GRID):
        raise click.ClickException(f"no such method: {', '.join(sorted(unknown))}; known: {', '.join(GRID)}")
    params().named(model)
    wanted = {
        (m, split, seed): experiment(model, m, split, seed) for m in methods for seed in numbers for split in SPLITS
    }
    there = set(dvc("exp", "list", "--name-only").split())
    for (method, split, seed), name in wanted.items():
        if name not in there:
            click.echo(
                f"{name}: {len(there & set(wanted.values()))} of {len(set(wanted.values()))} are there", err=True
            )
            dvc("exp", "run", "--temp", "--name", name, *settings(model, method, split, seed))
            there.add(name)
    found = results(json.loads(dvc("exp", "show", "--json", "--no-pager")))
    runs: Runs = {method: {split: [] for split in SPLITS} for method in ("vanilla", *methods)}
    for (method, split, _), name in wanted.items():
        runs[method][split].append(found[name][f"metrics/tuned/{model}.json"])
        if not runs["vanilla"][split]:  # which no seed of training changes
            runs["vanilla"][split].append(found[name][f"metrics/baseline/{model}.json"])
    scores = {method: {split: mean(own) for split, own in by.items()} for method, by in runs.items()}
    write_json(metrics, {"model": model, "seeds": numbers, "methods": scores})
    sizes = ", ".join(f"{scores['vanilla'][split]['n']} on {split}" for split in SPLITS)
    words.write_text(
        f"**Table 3.** {model} tuned with different methods; n = {sizes}; seeds {seeds}; 95% bounds by bootstrap over"
        f" items.\n\n{table(scores)}\n",
        encoding="utf-8",
    )
    click.echo(words.read_text(encoding="utf-8"))


if __name__ == "__main__":
    main()
