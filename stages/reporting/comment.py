"""What a reviewer reads below a pull request: verdicts, each model's scores and params before and after, Figure 4, and
a warning where data changed although no param did.

    python -m stages.reporting.comment main metrics/size.png > comment.md

Compares the workspace with a branch or commit. The predictions of both, which pair a model's answers item by item, are
taken from data/ and through DVC; without them the bounds in metrics decide.
"""

import json
import subprocess
import tempfile
from collections.abc import Mapping
from itertools import starmap
from pathlib import Path
from typing import Any

import click
from ruamel.yaml import YAML

from stages.judging.metrics import FEWEST
from stages.judging.predictions import load_predictions
from stages.pipeline.command import Command
from stages.pipeline.markdown import markdown_table
from stages.pipeline.model_sizes import with_sizes
from stages.pipeline.params import Params, params
from stages.pipeline.shell import output_of
from stages.pipeline.tables import split_items
from stages.reporting.comparison import (
    COMPARISON_HEAD,
    Comparison,
    compare_answers,
    compare_bounds,
    comparison_row,
    new_model,
)
from stages.reporting.law_text import VERDICTS
from stages.reporting.rendering import dvc, figures, png
from stages.reporting.run import Answers, Scores
from stages.reporting.tables import f1_over_seeds, has_seeds

FIGURE_4 = "metrics/plots/size.json"
STATES = {"vanilla": "baseline", "tuned": "tuned"}  # and how their folders are called
Stage = Mapping[str, Any]


def at(commit: str, path: str) -> str:
    """A file as a commit has it; nothing where it has none."""
    process = subprocess.run(["git", "show", f"{commit}:{path}"], capture_output=True, text=True)
    return process.stdout if process.returncode == 0 else ""


def here(path: str) -> str:
    """A file of the workspace; nothing where there is none."""
    return Path(path).read_text(encoding="utf-8") if Path(path).exists() else ""


def verdict(law: str) -> str:
    """A law's metrics as the verdict in words."""
    return VERDICTS[json.loads(law)["verdict"]] if law else "none"


def stages(lock: str) -> dict[str, Stage]:
    return YAML(typ="safe", pure=True).load(lock)["stages"] if lock else {}


def diff(what: str, base: str) -> str:
    """What `dvc params diff` or `dvc metrics diff` says, as Markdown, by path and name, which DVC leaves to chance;
    nothing where it is a head without rows.
    """
    head, rule, *rows = dvc(what, "diff", base, "--md").strip().splitlines()
    return "\n".join([head, rule, *sorted(rows)]) if rows else ""


def hashes(stage: Stage, kind: str) -> dict[str, str]:
    return {file["path"]: file["md5"] for file in stage.get(kind, [])}


def unexplained(before: Mapping[str, Stage], after: Mapping[str, Stage]) -> list[tuple[str, str]]:
    """Outputs under data/ whose hash changed though no param of their stage, or of one before it, did: what changed
    instead, and the outputs.
    """
    stage_by_output = {path: name for name, stage in after.items() for path in hashes(stage, "outs")}

    def causes(name: str) -> set[str]:
        """Changed params, as `param`, and changed files that no stage makes, of a stage and all before it."""
        old, new = before.get(name, {}), after[name]
        reasons = {"param"} if old.get("params") != new.get("params") else set()
        old_hashes = hashes(old, "deps")
        for path, hash in hashes(new, "deps").items():
            if old_hashes.get(path) == hash:
                continue
            makers = {stage for out, stage in stage_by_output.items() if out == path or out.startswith(f"{path}/")}
            reasons |= set().union(*map(causes, makers)) if makers else {path}
        return reasons

    groups: dict[str, list[str]] = {}
    for name, stage in after.items():
        old_hashes = hashes(before.get(name, {}), "outs")
        changed = [
            path
            for path, hash in hashes(stage, "outs").items()
            if path.startswith("data/") and old_hashes.get(path) != hash
        ]
        why = causes(name)
        if changed and "param" not in why:
            reason = ", ".join(f"`{path}`" for path in sorted(why)) or "nothing that DVC knows of"
            groups.setdefault(reason, []).extend(changed)
    return [(reason, ", ".join(f"`{path}`" for path in sorted(paths))) for reason, paths in sorted(groups.items())]


def models_of(p: Params) -> list[tuple[str, str]]:
    """The models that are judged, vanilla and then tuned, by size: each with its state."""
    names = sorted(p.ladder, key=lambda name: p.models[name].size)
    return [("vanilla", name) for name in names] + [("tuned", name) for name in names if name in p.finetune]


def predictions(folder: Path, prompt: str, ids: set[int], p: Params) -> dict[str, Answers]:
    """Those of each state's models that the folder has, on these items."""
    by_state: dict[str, Answers] = {}
    for state, name in STATES.items():
        names = [model for of, model in models_of(p) if of == state and (folder / name / f"{model}.jsonl").exists()]
        by_state[state] = load_predictions(folder / name, names, prompt, ids)
    return by_state


def predictions_at(commit: str, ids: set[int], p: Params) -> dict[str, Answers]:
    """The predictions of a commit, from DVC's cache or remote.

    Raises click.ClickException where neither has them.
    """
    old_params = YAML(typ="safe", pure=True).load(at(commit, "params.yaml")) or {}
    prompt = old_params.get("question", {}).get("prompt", p.question.prompt)
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "predictions"
        dvc("get", ".", "data/predictions", "--rev", commit, "--out", str(target))
        return predictions(target, prompt, ids, p)


def both_predictions(base: str, commit: str, p: Params) -> tuple[dict[str, Answers], dict[str, Answers], str]:
    """Predictions of the base and of the workspace, and which of them aren't available."""
    data = Path("data")
    nothing: dict[str, Answers] = {state: {} for state in STATES}
    if not (data / "items.jsonl").exists() or not (data / "predictions").exists():
        return nothing, nothing, "this branch"
    ids = {item["id"] for item in split_items(data / "items.jsonl", p.evaluate.split)}
    after = predictions(data / "predictions", p.question.prompt, ids, p)
    try:
        return predictions_at(commit, ids, p), after, ""
    except click.ClickException as error:
        click.echo(f"predictions of {base}: {error.message}", err=True)
        return nothing, after, base


def compare(
    before: Mapping[str, Answers],
    after: Mapping[str, Answers],
    metrics_before: Mapping[tuple[str, str], Scores],
    metrics_after: Mapping[tuple[str, str], Scores],
    p: Params,
) -> dict[str, Comparison]:
    """Each model of this branch: by its answers where both sides have them, otherwise by the bounds in metrics."""
    comparisons = {}
    for state, model in models_of(p):
        comparison = None
        if model in before[state] and model in after[state]:
            comparison = compare_answers(before[state][model], after[state][model], p.evaluate.bootstrap, p.seed)
        earlier, later = metrics_before.get((state, model)), metrics_after.get((state, model))
        if comparison is None and later:
            comparison = compare_bounds(earlier, later) if earlier else new_model(later)
        if comparison:
            comparisons[f"{model}, {state}"] = comparison
    return comparisons


def seeds_table(
    base: str, before: Mapping[tuple[str, str], Scores], after: Mapping[tuple[str, str], Scores], p: Params
) -> str:
    """F1 of the tuned models that have several seeds of training on a side, by the metrics of both; else nothing."""
    lines = []
    for key in models_of(p):
        sides = [before.get(key), after.get(key)]
        if any(scores and has_seeds(scores) for scores in sides):
            lines.append([key[1], *(f1_over_seeds(scores) if scores else "" for scores in sides)])
    return markdown_table(["model", base, "this branch"], lines) if lines else ""


@click.command(cls=Command, help=__doc__)
@click.argument("base")
@click.argument("picture", type=click.Path(path_type=Path))
def main(base: str, picture: Path) -> None:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    p = with_sizes(params())
    commit = output_of("git", "rev-parse", "--verify", f"{base}^{{commit}}")
    paths = {(state, model): f"metrics/details/{STATES[state]}/{model}.json" for state, model in models_of(p)}
    before, after, unavailable = both_predictions(base, commit, p)
    metrics_before = {key: json.loads(text) for key, path in paths.items() if (text := at(commit, path))}
    metrics_after = {key: json.loads(text) for key, path in paths.items() if (text := here(path))}
    comparisons = compare(before, after, metrics_before, metrics_after, p)
    few_labels = any(comparison.few_labels for comparison in comparisons.values())
    has_picture = Path(FIGURE_4).exists()
    if has_picture:
        picture.write_bytes(png(figures([base, "workspace"], [FIGURE_4])[FIGURE_4]))
    loader = FileSystemLoader(Path(__file__).parent)
    jinja = Environment(loader=loader, undefined=StrictUndefined, autoescape=False)  # it renders Markdown
    comparison_rows = list(starmap(comparison_row, comparisons.items()))
    text = jinja.get_template("comment.md").render(
        base=base,
        verdicts=[
            (models, verdict(at(commit, path)), verdict(here(path)))
            for models, path in (("vanilla", "metrics/law.json"), ("tuned", "metrics/law_tuned.json"))
        ],
        models=markdown_table(COMPARISON_HEAD, comparison_rows) if comparison_rows else "",
        seeds="" if few_labels else seeds_table(base, metrics_before, metrics_after, p),
        unavailable=unavailable,
        few_labels=few_labels,
        fewest=FEWEST,
        unpaired=any(comparison.before and comparison.other_answers is None for comparison in comparisons.values()),
        other_labels=max((comparison.other_labels or 0 for comparison in comparisons.values()), default=0),
        unexplained=unexplained(stages(at(commit, "dvc.lock")), stages(here("dvc.lock"))),
        params=diff("params", base),
        metrics=diff("metrics", base),
        picture=picture if has_picture else None,
    )
    click.echo(text)


if __name__ == "__main__":
    main()
