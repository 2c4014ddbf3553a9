"""The model card of an adapter: what it does, how well, what it was made of."""

from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from stages.llm import prompts
from stages.llm.training_settings import hyperparameters, missing_sequences
from stages.pipeline.definition import POSITIVE
from stages.pipeline.files import read_yaml
from stages.pipeline.markdown import markdown_table
from stages.pipeline.params import Model, Params, Question, Wheel
from stages.reporting.few_labels import few_labels_in_words, has_few_labels
from stages.reporting.run import Run, Scores
from stages.reporting.tables import bounded, f1_over_seeds, has_seeds

KINDS = ("precision", "recall", "f1", "auc")
TEMPLATES = {  # by whose chat template a model has
    "model": "the base's own chat template",
    "params.yaml": "the chat template that params.yaml gives",
    "plain": "a plain chat template of this project, since the base has none",
}
PACKAGES = ("torch", "transformers", "peft", "trl")
Stages = Mapping[str, Any]  # of dvc.lock, by name


def hashes(stage: Mapping[str, Any]) -> dict[str, str]:
    """The hashes of the data that a stage in dvc.lock read and wrote, by path. Its code is the commit's."""
    files = (*stage["deps"], *stage["outs"])
    return {file["path"]: f"md5 {file['md5']}" for file in files if not file["path"].startswith("stages/")}


def of_the_labels(locked: Stages, p: Params) -> dict[str, str]:
    """The hashes of the chat, its labels and the alpaca files that came of them."""
    hash_by_path = hashes(locked["ingest"]) | hashes(locked["annotate"]) | hashes(locked["export"])
    [export] = (
        path for path in hash_by_path if Path(path).resolve() == Path(p.ingest.path).resolve()
    )  # ./ or absolute
    return {path: hash_by_path[path] for path in (export, f"data/annotations/{p.question.name}", "data/alpaca")}


def settings(stage: Mapping[str, Any], name: str) -> dict[str, Any]:
    """What a model was trained with, by its stage in dvc.lock; its own values go before those of all models."""
    values = dict(stage["params"]["params.yaml"])
    general, model_values = values.pop("train"), values.pop(f"models.{name}")
    return values | general | model_values.get("train", {})


def versions() -> dict[str, str]:
    """Of the packages that train and answer, as they are installed."""
    return {package: version(package) for package in PACKAGES}


def source(model: Model, base: Wheel, sha256: str | None = None) -> str:
    """Where a base model is from, pinned; `sha256` is that of a model in a folder."""
    if model.path:
        return f"{model.path}, sha256 {sha256}" if sha256 else model.path
    if model.endpoint:  # pinned as far as its owner does
        return f"{model.endpoint.model} at {model.endpoint.url}, options by its {model.endpoint.choose_by} answers"
    if model.hub:
        return f"{model.hub}, revision {model.revision}"
    return f"the first {model.layers} layers of {base.file} in {base.requirement}, sha256 {base.sha256}"


def asked(how: Question) -> str:
    """The question that a model is asked, with `$history` and `$message` still in it."""
    prompt = prompts.load(how.definition, how.prompt)
    return prompt.task.replace("$options", prompts.option_list(prompt, prompts.OPTIONS))


def made_of(locked: Stages, fetched: Mapping[str, Any], names: Sequence[str], p: Params) -> str:
    """What the tables' models were made of, in Markdown: data and adapters by hash, the filter's models and bases by
    revision, packages. `fetched` is data/models.json.
    """
    sources = of_the_labels(locked, p)
    for scorer in p.score.scorers:
        sources[scorer.name] = f"{scorer.kind}, at least {p.filter.throttles[scorer.name]:g}"
        if scorer.model:
            sources[scorer.name] += f", by {source(p.models[scorer.model], p.fetch.base)}"
    for name in names:
        sources[name] = source(p.models[name], p.fetch.base, fetched[name].get("sha256"))
        if name in p.finetune:
            adapter = f"data/adapters/{name}"
            sources[adapter] = hashes(locked[f"train@{name}"])[adapter]
    table = markdown_table(["", ""], list((sources | versions()).items()))
    return f"**Data, models and packages.** Hashes are those of dvc.lock.\n\n{table}\n"


def locked_stages(lock: Path) -> Stages:
    """The stages of dvc.lock, which says what each of them read and wrote."""
    return read_yaml(lock)["stages"]


def cards_of_run(
    run: Run, counts: Mapping[str, Any], fetched: Mapping[str, Any], locked: Stages, p: Params
) -> dict[str, str]:
    """The card of each adapter by its model's name; `counts` are the metrics of export and pseudo_label, `fetched` is
    data/models.json.
    """
    cards = {}
    for name, scores in run.tuned.items():
        tuned = f"mean of {scores['seeds']} seeds" if has_seeds(scores) else "this adapter"
        rows = {tuned: scores, "the base alone": run.vanilla[name], **run.floors}
        cards[name] = card(name, rows, counts, fetched[name], locked, p)
    return cards


def score_in_percent(scores: Scores, name: str) -> str:
    """A score with its bounds; F1 over several seeds with its least and largest."""
    return f1_over_seeds(scores) if name == "f1" else bounded(scores, name)


def card(
    name: str,
    rows: Mapping[str, Scores],
    counts: Mapping[str, Any],
    fetched: Mapping[str, Any],
    locked: Stages,
    p: Params,
) -> str:
    """The card of a model's adapter, Markdown with the hub's head.

    `rows` are scores by what they are of, the adapter's first; `counts` those of export and pseudo_label, `fetched`
    is the model's entry in data/models.json, `locked` are the stages of dvc.lock. With too few items of a label the
    card has no scores.
    """
    from huggingface_hub import EvalResult, ModelCard, ModelCardData

    tuned = next(iter(rows.values()))
    model = p.models[name]
    how = p.question
    few_labels = few_labels_in_words(p.evaluate.split, tuned, how.definition) if has_few_labels(tuned) else ""
    results = [
        EvalResult(
            task_type="text-classification",
            dataset_type="chat",
            dataset_name=f"{p.ingest.format}, {p.evaluate.split}",
            metric_type=kind,
            metric_value=tuned[kind],
        )
        for kind in KINDS
    ]
    missing = missing_sequences(counts["train"]["n"], hyperparameters(name, p).batch_size, p)
    head = ModelCardData(
        model_name=name,
        base_model=model.hub,
        library_name="peft",
        pipeline_tag="text-generation",
        tags=["lora"],
        eval_results=None if few_labels else results,
    )
    card = ModelCard.from_template(
        head,
        template_path=str(Path(__file__).with_suffix(".md")),
        name=name,
        base=source(model, p.fetch.base, fetched.get("sha256")),
        template=TEMPLATES[fetched["template"]],
        split=p.evaluate.split,
        few_labels=few_labels,
        tuned=tuned,
        rows=rows.items(),
        kinds=KINDS,
        has_seeds=has_seeds(tuned),
        score_in_percent=score_in_percent,
        counts=counts,
        pseudo_labelled=min(counts["pseudo_label"]["labelled"], missing),
        hashes=of_the_labels(locked, p) | hashes(locked[f"train@{name}"]),
        settings=settings(locked[f"train@{name}"], name),
        versions=versions(),
        how=how,
        asks=how.definition.asks,
        positive=how.definition.words(POSITIVE),
        history=how.definition.history,
        question=asked(how),
    )
    return str(card)
