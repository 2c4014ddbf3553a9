"""The model card of an adapter: what it does, how well, what it was made of."""

import os
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from stages.llm import prompts
from stages.params import Export, Model, Params, Wheel
from stages.scoring import in_percent

KINDS = ("precision", "recall", "f1", "auc")
PACKAGES = ("torch", "transformers", "peft", "trl")
Scores = Mapping[str, Any]
Stages = Mapping[str, Any]  # of dvc.lock, by name


def bounded(scores: Scores, kind: str) -> str:
    """As in 80.40 (74.23 to 85.59), in percent."""
    return in_percent(scores[kind], scores[f"{kind}_low"], scores[f"{kind}_high"])


def hashes(stage: Mapping[str, Any]) -> dict[str, str]:
    """Of all that a stage in dvc.lock read and wrote, by path."""
    return {one["path"]: f"md5 {one['md5']}" for one in (*stage["deps"], *stage["outs"])}


def of_the_labels(locked: Stages, p: Params) -> dict[str, str]:
    """The hashes of the chat, its labels and the alpaca files that came of them."""
    found = hashes(locked["ingest"]) | hashes(locked["annotate"]) | hashes(locked["export"])
    return {path: found[path] for path in (os.path.normpath(p.ingest.path), "data/annotations", "data/alpaca")}


def settings(stage: Mapping[str, Any], name: str) -> dict[str, Any]:
    """What a model was trained with, by its stage in dvc.lock; its own values go before those of all models."""
    found = dict(stage["params"]["params.yaml"])
    general, own = found.pop("train"), found.pop(f"models.{name}")
    return found | general | own.get("train", {})


def versions() -> dict[str, str]:
    """Of the packages that train and answer, as they are installed."""
    return {package: version(package) for package in PACKAGES}


def source(model: Model, base: Wheel) -> str:
    """Where a base model is from, pinned."""
    if model.endpoint:  # pinned as far as its owner does
        return f"{model.endpoint.model} at {model.endpoint.url}, options by its {model.endpoint.choose_by} answers"
    if model.hub:
        return f"{model.hub}, revision {model.revision}"
    return f"the first {model.layers} layers of {base.file} in {base.requirement}, sha256 {base.sha256}"


def asked(how: Export) -> str:
    """The question that a model is asked, with `$history` and `$message` still in it."""
    prompt = prompts.load(how.prompt)
    return prompt.task.replace("$options", prompts.lettered(prompt, prompts.OPTIONS))


def made_of(locked: Stages, names: Sequence[str], p: Params) -> str:
    """What the tables' models were made of, in Markdown: data and adapters by hash, the filter's models and bases by
    revision, packages.
    """
    found = of_the_labels(locked, p)
    for scorer in p.filter.scorers:
        found[scorer.name] = f"{scorer.kind}, at least {scorer.throttle:g}"
        if scorer.model:
            found[scorer.name] += f", by {source(p.models[scorer.model], p.fetch.base)}"
    for name in names:
        found[name] = source(p.models[name], p.fetch.base)
        if name in p.finetune:
            adapter = f"data/adapters/{name}"
            found[adapter] = hashes(locked[f"train@{name}"])[adapter]
    lines = [f"| {what} | {value} |" for what, value in (found | versions()).items()]
    return "\n".join(["**What they were made of.** Hashes are those of dvc.lock.\n", "| | |", "|---|---|", *lines, ""])


def card(name: str, rows: Mapping[str, Scores], counts: Mapping[str, Any], locked: Stages, p: Params) -> str:
    """The card of a model's adapter, Markdown with the hub's head.

    `rows` are scores by what they are of, the adapter's first; `counts` are export's, `locked` the stages of dvc.lock.
    """
    from huggingface_hub import EvalResult, ModelCard, ModelCardData

    tuned = next(iter(rows.values()))
    model = p.models[name]
    how = p.export
    head = ModelCardData(
        model_name=name,
        base_model=model.hub,
        library_name="peft",
        pipeline_tag="text-generation",
        tags=["lora"],
        eval_results=[
            EvalResult(
                task_type="text-classification",
                dataset_type="chat",
                dataset_name=f"{p.ingest.format}, {p.evaluate.split}",
                metric_type=kind,
                metric_value=tuned[kind],
            )
            for kind in KINDS
        ],
    )
    made = ModelCard.from_template(
        head,
        template_path=str(Path(__file__).with_suffix(".md")),
        name=name,
        base=source(model, p.fetch.base),
        split=p.evaluate.split,
        tuned=tuned,
        rows=rows.items(),
        kinds=KINDS,
        bounded=bounded,
        counts=counts,
        hashes=of_the_labels(locked, p) | hashes(locked[f"train@{name}"]),
        settings=settings(locked[f"train@{name}"], name),
        versions=versions(),
        how=how,
        question=asked(how),
    )
    return str(made)
