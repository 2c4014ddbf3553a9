"""The paper's Table 3 on a model of one's choice: learning rate, rank, LoRA+, each an experiment of DVC.

    python -m stages.studies.ablation smollm2_135m metrics/ablation.md metrics/ablation.json
    python -m stages.studies.ablation smollm2_135m metrics/ablation.md metrics/ablation.json --grid lr_2e_5 --seeds 0,1

recipes/ablation.yaml has the grid; what it doesn't set stays as params.yaml has it. Each method is judged on dev and
on test: two experiments, the second of which takes its adapter from DVC's cache. An experiment of this commit that
exists isn't run again, and a training that was killed goes on from its last checkpoint. They run beside the workspace,
which stays as it is.
"""

import itertools
import json
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from stages.pipeline.command import Command
from stages.pipeline.experiments import overrides, recipe
from stages.pipeline.files import read_yaml, write_json
from stages.pipeline.markdown import markdown_table
from stages.pipeline.params import params
from stages.pipeline.shell import output_of
from stages.reporting.tables import f1_over_seeds

SPLITS = ("dev", "test")
PAPER = Path("recipes/paper.yaml")
ABLATION = Path("recipes/ablation.yaml")
KEPT = ("f1", "f1_low", "f1_high", "n")
Grid = Mapping[str, Mapping[str, Any]]  # settings by the methods' names
Run = tuple[str, str, int]  # method, split and seed


def dvc(*arguments: str) -> str:
    """What DVC says; its progress goes to the terminal."""
    process = subprocess.run(["dvc", *arguments], stdout=subprocess.PIPE, text=True)
    if process.returncode:
        raise click.ClickException(f"dvc {' '.join(arguments)} failed; type the same command again to go on from here")
    return process.stdout


def methods_of(ablation: Path, paper: Path) -> Grid:
    """The settings of each method, whole: its own before the paper's."""
    table, paper_settings = read_yaml(ablation), recipe(paper)
    shared = {key: paper_settings[key] for key in table["from_paper"]}
    return {name: shared | settings for name, settings in table["methods"].items()}


def experiment(model: str, grid: Grid, method: str, split: str, seed: int) -> str:
    """A name that says what it is; methods with the same settings share the first one's."""
    first = next(name for name in grid if grid[name] == grid[method])
    return f"{model}-{first}-seed_{seed}-{split}".replace("_", "-")


def settings(model: str, method: Mapping[str, Any], split: str, seed: int) -> list[str]:
    """The arguments of `dvc exp run` for one experiment."""
    model_settings = params().models[model].train.model_dump(exclude_none=True)  # go before the params of all models
    changed = {f"models.{model}.train.{key}" if key in model_settings else key: value for key, value in method.items()}
    return overrides(changed | {"seeds": [seed], "evaluate.split": split, "ladder": [model], "finetune": [model]})


def scores_of(name: str, state: str, model: str) -> Mapping[str, Any]:
    """What an experiment of this commit has in metrics/details."""
    head = output_of("git", "rev-parse", "HEAD")
    file = f"refs/exps/{head[:2]}/{head[2:]}/{name}:metrics/details/{state}/{model}.json"
    return json.loads(output_of("git", "show", file))


def mean(runs: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """Means over seeds of F1 and its bounds, n, and the least and the largest F1 where there are several seeds."""
    means = {key: round(sum(run[key] for run in runs) / len(runs), 6) for key in KEPT}
    means |= {"n": runs[0]["n"], "seeds": len(runs)}
    return means | {"f1_least": min(run["f1"] for run in runs), "f1_most": max(run["f1"] for run in runs)}


def table(methods: Mapping[str, Mapping[str, Any]]) -> str:
    """Table 3, with F1 on each split."""
    lines = [[name, *(f1_over_seeds(scores[split]) for split in SPLITS)] for name, scores in methods.items()]
    return markdown_table(["Method", *(f"F1 score on {split} (%)" for split in SPLITS)], lines)


def run_missing(experiments: Mapping[Run, str], model: str, grid: Grid) -> None:
    """Run the experiments that this commit hasn't got."""
    names = set(experiments.values())
    finished = set(dvc("exp", "list", "--name-only").split()) & names
    for (method, split, seed), name in experiments.items():
        if name not in finished:
            click.echo(f"{name}: {len(finished)} of {len(names)} are there", err=True)
            dvc("exp", "run", "--temp", "--name", name, *settings(model, grid[method], split, seed))
            finished.add(name)


def scores_by_method(experiments: Mapping[Run, str], model: str) -> dict[str, dict[str, dict[str, float]]]:
    """Each method's scores on each split, over its seeds; `vanilla` is the model that no method has trained."""
    runs: dict[str, dict[str, list[Mapping[str, Any]]]] = {"vanilla": {}}
    for (method, split, _), name in experiments.items():
        runs.setdefault(method, {}).setdefault(split, []).append(scores_of(name, "tuned", model))
        if split not in runs["vanilla"]:  # which no seed of training changes
            runs["vanilla"][split] = [scores_of(name, "baseline", model)]
    return {method: {split: mean(scores) for split, scores in by_split.items()} for method, by_split in runs.items()}


def known_methods(names: str | None, grid: Grid) -> list[str]:
    """The methods named, with commas between, or all. Raises click.ClickException for one that the grid hasn't got."""
    methods = list(grid) if names is None else names.split(",")
    if unknown := set(methods) - set(grid):
        raise click.ClickException(f"no such method: {', '.join(sorted(unknown))}; known: {', '.join(grid)}")
    return methods


@click.command(cls=Command, help=__doc__)
@click.argument("model")
@click.argument("words", type=click.Path(path_type=Path))
@click.argument("metrics", type=click.Path(path_type=Path))
@click.option("--grid", "names", help="Methods of recipes/ablation.yaml, with commas between; all if left out.")
@click.option("--seeds", default="0", show_default=True, help="Seeds of training, with commas between.")
def main(model: str, words: Path, metrics: Path, names: str | None, seeds: str) -> None:
    if not all(seed.isdecimal() and int(seed) < 2**32 for seed in seeds.split(",")):
        raise click.ClickException(f"--seeds {seeds}: numbers from 0 to {2**32 - 1}, with commas between")
    numbers = [int(seed) for seed in seeds.split(",")]
    grid = methods_of(ABLATION, PAPER)
    methods = known_methods(names, grid)
    params().named(model)
    experiments = {run: experiment(model, grid, *run) for run in itertools.product(methods, SPLITS, numbers)}
    run_missing(experiments, model, grid)
    scores = scores_by_method(experiments, model)
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
