"""The figures that README.md and docs/ print, as Markdown made from metrics/.

    python -m stages.reporting.doc_figures README.md docs/*.md

Each function is called by a block in those pages, and its result replaces the block's text. `make figures` runs this
for all pages. A test fails on a page whose figures are out of date. Shares are in percent, with 95% bounds. The pages
describe the sample: with another chat or question they stay as they are.
"""

from collections.abc import Iterable, Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Any

import click

from stages.judging.metrics import wilson
from stages.pipeline.command import Command
from stages.pipeline.files import read_json
from stages.pipeline.markdown import markdown_table
from stages.pipeline.params import params
from stages.reporting.gate_text import HEAD as GATE_HEAD
from stages.reporting.gate_text import gate_rows
from stages.reporting.law_text import VERDICTS
from stages.reporting.tables import FLOOR, bounded, f1_over_seeds, gain, has_seeds, shown

METRICS = Path("metrics")
SAMPLE, QUESTION = "data/raw/chitchat.json", "needs_context"
FLOOR_NAMES = {
    "always_positive": 'always "needed"',
    "tfidf_lr": "TF-IDF, logistic regression",
    "probe": "a probe of hidden states",
}
NOISES = {
    "random_5": "5% flipped at random",
    "random_10": "10% at random",
    "random_20": "20% at random",
    "random_40": "40% at random",
    "tired_10": "10%, short messages called complete",
}
RANKINGS = {
    "queue": "re-annotation queue",
    "cleanlab": "cleanlab on hidden states",
    "lr": "cleanlab on TF-IDF",
    "paper_rule": "the paper's rule",
    "chance": "chance",
}
LADDERS = {
    "paper": "the paper's Table 1",
    "nearly_flat": "6 models, 0.1 points apart",
    "steps_of_5": "3 models, 5 points apart",
    "steps_of_10": "3 models, 10 points apart",
}
WORTHLESS_LABELS = {
    "random_50": "drawn by lot (50% flipped)",
    "random_100": "inverted (100% flipped)",
    "length": "by the length of the message",
}
NOISY_LABELS = {
    "random_10": "10% flipped at random",
    "random_25": "half of them drawn by lot (25% flipped)",
    "random_40": "40% flipped at random",
    "hardest_10": "the hardest 10% flipped",
    "length_related": "by the length, which is related to the truth",
}
LADDER_SIZES = (500, 2302, 5000)  # items; 2,302 are the paper's
OUTCOMES = {
    "holds": "holds",
    "holds_and_every_step_rises": "holds, and every step rises",
    "violated": "violated",
    "no_signal": "no signal",
}


def metric(name: str) -> Any:
    """A file of metrics/details/, or one of metrics/ that a study or the report wrote."""
    details = METRICS / "details" / name
    return read_json(details if details.exists() else METRICS / name)


def model_needs() -> str:
    """What the paper's models need of a machine, by preflight's arithmetic and without a hub."""
    from stages.pipeline.experiments import params_of_experiment, recipe
    from stages.tools.footprint import footprint, model_config
    from stages.tools.preflight import BASE, GB, PAPER_ITEMS, REFERENCE, hours, work_of

    p = params_of_experiment(recipe(Path("recipes/paper.yaml")))
    lines = []
    for name in p.ladder:
        config = model_config(name, p.models[name], BASE, ask_hub=False)
        needs = footprint(name, config, p, work_of(name, p, PAPER_ITEMS), on_gpu=True)
        billions = [f"{count / 1e9:.1f}" for count in (needs.shape.parameters, needs.shape.active_parameters)]
        sizes = [f"{size / GB:.0f}" for size in (needs.inference, needs.training, needs.ram, needs.download)]
        lines.append([f"`{name}`", *billions, *sizes, f"{hours(needs.flops, REFERENCE):.1f}"])
    head = ["model", "parameters", "active", "inference", "training", "RAM", "download", "hours"]
    return markdown_table(head, lines)


def headline() -> str:
    """The largest tuned model beside the better trivial baseline, in a sentence."""
    rows = metric("tables.json")["table_2"]
    model = [row for row in rows if row["kind"] != FLOOR][-1]
    floor = max((row for row in rows if row["kind"] == FLOOR), key=lambda row: row["f1"])
    split, labels = params().evaluate.split, metric("export.json")["train"]["n"]
    seeds = f", the mean over {model['seeds']} seeds" if has_seeds(model) else ""
    return (
        f"On the sample's {model['n']} {split} questions `{model['model']}`, tuned on {labels} labels,"
        f" reaches an F1 score of\n**{percent_with_bounds(model, 'f1')}**{seeds}."
        f" The best baseline that learns in seconds ({FLOOR_NAMES[floor['model']]}) reaches"
        f" {percent_with_bounds(floor, 'f1')}."
    )


def percent_with_bounds(scores: Mapping[str, float], name: str) -> str:
    """A score in a sentence, as in 80.40% (74.23 to 85.59)."""
    return bounded(scores, name).replace(" (", "% (")


def results() -> str:
    """F1 of each model before and after tuning, and of the trivial baselines."""
    tables = metric("tables.json")
    vanilla = {row["model"]: row for row in tables["table_1"]}
    lines = []
    for row in tables["table_2"]:
        name = FLOOR_NAMES.get(row["model"], row["model"])
        if row["kind"] == FLOOR:
            lines.append([f"*{name}*", "", bounded(row, "f1"), ""])
        else:
            lines.append([shown(row), bounded(vanilla[row["model"]], "f1"), f1_over_seeds(row), gain(row)])
    head = ["", "vanilla F1 (%)", "F1 (%)", "improvement (points)"]
    n, split = tables["table_2"][0]["n"], params().evaluate.split
    return f"n = {n} {split} questions; 95% confidence intervals by bootstrap.\n\n{markdown_table(head, lines)}"


def gate() -> str:
    """What the largest tuned model keeps and saves as a gate, beside the rule by pronouns, in a sentence."""
    gates, p = metric("gate.json"), params()
    name = p.finetune[-1]
    model, rule = gates[name], gates["pointing_words"]
    return (
        f"With the threshold that keeps {100 * p.gate.recall:g}% of the needed questions of dev, `{name}` has"
        f" {percent_with_bounds(model, 'recall')}\nof those of {p.evaluate.split} rewritten, and saves"
        f" {percent_with_bounds(model, 'saved')} of the rewrites. A regular expression for\npronouns and the like has"
        f" {percent_with_bounds(rule, 'recall')} rewritten and saves {percent_with_bounds(rule, 'saved')}."
        f" n = {model['n']}."
    )


def gates() -> str:
    """All gates on the evaluated split."""
    rows = metric("gate.json")
    head = f"n = {rows['always']['n']} {params().evaluate.split} questions; percent, 95% bounds by bootstrap."
    return f"{head}\n\n{markdown_table(GATE_HEAD, gate_rows(rows))}"


def verdicts() -> str:
    """The law's verdict on the labels, from the vanilla and from the tuned models."""
    parts = []
    for models, law in (("vanilla (untuned) models", metric("law.json")), ("tuned ones", metric("law_tuned.json"))):
        parts.append(f"**{VERDICTS[law['verdict']]}** from the {models} (n = {law['n']:,} items)")
    return f"Verdict on the sample's labels: {parts[0]},\n{parts[1]}."


def document(name: str) -> str:
    """A Markdown file of metrics/ without its heading."""
    lines = (METRICS / f"{name}.md").read_text(encoding="utf-8").strip().split("\n")
    return "\n".join(line for line in lines if not line.startswith("# "))


def label_noise() -> str:
    """The share of wrong labels among the first 20% of each ranking."""
    study = metric("label_noise.json")
    lines = []
    for noise, words in NOISES.items():
        cells = [words]
        for ranking in RANKINGS:
            share, low, high = (100 * study[noise][f"{ranking}_recall_20{end}"] for end in ("", "_low", "_high"))
            cells.append(f"{share:.0f} ({low:.0f} to {high:.0f})")
        lines.append(cells)
    table = markdown_table(["wrong labels", *RANKINGS.values()], lines)
    return f"n = {study['n']:,} items, {study['seeds']} seeds; percent, 95% bounds over seeds.\n\n{table}"


def law_power() -> str:
    """How often each verdict comes out on simulated ladders with correct labels, and the strict rule's prospects."""
    study = metric("law_power.json")
    rows = [
        [words, f"{size:,}", *outcomes(study, ladder, size, "clean")]
        for ladder, words in LADDERS.items()
        for size in LADDER_SIZES
    ]
    table = markdown_table(["ladder", "items", *OUTCOMES.values()], rows)
    clean = {size: study["paper"][f"items_{size}"]["clean"] for size in LADDER_SIZES}
    rises = with_wilson(round(study["runs"] * clean[2302]["strictly_rising_probability"]), study["runs"])
    items = sorted(round(shares["strictly_rising_items"], -4) for shares in clean.values())
    return (
        f"Runs with each verdict (%); n = {study['runs']} simulated runs per row, 95% bounds by Wilson.\n\n{table}\n\n"
        f"Data sets of 2,302 items in which precision rises at every step, with Table 1 as the truth (%): {rises}.\n"
        f"For 95% it takes {items[0]:,} to {items[-1]:,} items, by the three rows."
    )


def law_power_wrong_labels() -> str:
    """How often each verdict comes out on the paper's ladder with wrong labels, and how often the law holds at most
    on the other ladders.
    """
    study = metric("law_power.json")
    rows = [
        [words, f"{size:,}", *outcomes(study, "paper", size, kind)]
        for kind, words in (WORTHLESS_LABELS | NOISY_LABELS).items()
        for size in LADDER_SIZES
    ]
    table = markdown_table(["labels", "items", *OUTCOMES.values()], rows)
    return (
        f"Runs with each verdict (%); n = {study['runs']} simulated runs per row, 95% bounds by Wilson.\n\n{table}\n\n"
        f"The most runs in which the law holds, on any ladder and any number of items above (%):"
        f" {most_holds(study, WORTHLESS_LABELS)} with the first three\nkinds of labels,"
        f" {most_holds(study, ['length_related'])} with the last."
    )


def most_holds(study: Mapping[str, Any], kinds: Iterable[str]) -> str:
    """The largest share of runs in which the law holds, over all ladders and numbers of items, with its bounds."""
    settings = product(LADDERS, LADDER_SIZES, kinds)
    most = max(study[ladder][f"items_{size}"][kind]["holds"] for ladder, size, kind in settings)
    return with_wilson(round(study["runs"] * most), study["runs"])


def outcomes(study: Mapping[str, Any], ladder: str, size: int, kind: str) -> list[str]:
    """The shares of the verdicts of a simulated setting with their bounds, a cell for each of OUTCOMES."""
    shares, runs = study[ladder][f"items_{size}"][kind], study["runs"]
    return [with_wilson(round(runs * shares[outcome]), runs) for outcome in OUTCOMES]


def with_wilson(count: int, n: int) -> str:
    """A share in percent with its bounds, as in 13 (8 to 21)."""
    low, high = wilson(count, n)
    return f"{100 * count / n:.0f} ({100 * low:.0f} to {100 * high:.0f})"


def probe() -> str:
    """How well the re-annotation queue's probe predicts labels that it has not seen."""
    scores = metric("reannotate.json")
    auc = percent_with_bounds(scores, "cross_validated_auc")
    return f"The probe's cross-validated AUC is {auc} (n = {scores['n']:,} labelled items)."


def update_rank() -> str:
    """How many directions each adapter's update uses."""
    files = sorted((METRICS / "details" / "rank").glob("*.json"), key=lambda path: read_json(path)["matrices"])
    lines = []
    for path in files:
        update = read_json(path)
        ranks = [f"{update[key]:.1f}" for key in ("effective_rank", "directions_90")]
        lines.append([path.stem, str(update["matrices"]), str(update["rank"]), *ranks])
    return markdown_table(
        ["adapter", "matrices", "LoRA rank", "effective rank", "directions with 90% of the energy"], lines
    )


def full_rank() -> str:
    """F1 on dev of the full update, truncated to each rank."""
    study = metric("full_rank.json")
    ranks = {int(key.removeprefix("rank_")): row for key, row in study.items() if key.startswith("rank_")}
    largest = max(ranks)
    names = {0: "0 (vanilla)", largest: f"{largest} (whole update)"}
    lines = [[names.get(rank, str(rank)), bounded(row, "f1"), bounded(row, "auc")] for rank, row in ranks.items()]
    n, dev = ranks[0]["n"], metric("export.json")["dev"]["n"]
    return (
        f"n = {n} items of dev{'' if n == dev else ', of another split of the same labels'}, one seed, 95% bounds by"
        f" bootstrap.\n\n{markdown_table(['rank', 'F1 (%)', 'AUC (%)'], lines)}\n\n"
        f"The effective rank of the full update is {study['effective_rank']:.0f} on average over the matrices;"
        f" {study['directions_90']:.0f} directions hold 90% of its energy."
    )


def learning_curve() -> str:
    """F1 by the number of labels, and the power law's prediction for twice as many."""
    study = metric("curve.json")
    counts = sorted(int(key.removeprefix("labels_")) for key in study if key.startswith("labels_"))
    lines = []
    for count in counts:
        row = study[f"labels_{count}"]
        lines.append([f"{count:,}", *_mean_and_range(row), *_mean_and_range(row["probe"])])
    lines.append([f"{2 * counts[-1]:,}, predicted", bounded(study, "f1_at_twice"), "", "", ""])
    exponent = [study[f"exponent{end}"] for end in ("", "_low", "_high")]
    head = ["labels", "mean F1 (%)", "lowest and highest seed", "probe: mean F1 (%)", "its range"]
    return (
        f"n = {study['n']} test questions. Bounds are 95% over items and trainings.\n\n"
        f"{markdown_table(head, lines)}\n\n"
        f"The fitted exponent b is {exponent[0]:.2f} ({exponent[1]:.2f} to {exponent[2]:.2f})."
    )


def label_order() -> str:
    """F1 by the number of labels in random order and as readers choose, and the labels that the choice saves."""
    study = metric("label_order.json")
    sizes = sorted(int(key.removeprefix("readers_chosen_")) for key in study if key.startswith("readers_chosen_"))
    columns = [f"{model}_{order}" for model in ("readers", "probe") for order in ("random", "chosen")]
    lines = [[f"{size:,}", *(bounded(study[f"{column}_{size}"], "f1") for column in columns)] for size in sizes]
    head = [
        "labels of train",
        "readers, random (%)",
        "readers, `--next` (%)",
        "probe, random (%)",
        "probe, `--next` (%)",
    ]
    savings = "\n".join(f"- {saving(study, 'readers', count)}" for count in sizes if f"readers_gain_{count}" in study)
    return (
        f"n = {study['n']} test questions, {study['seeds']} random orders; means with 95% bounds over the orders.\n\n"
        f"{markdown_table(head, lines)}\n\n{savings}{label_order_tuned(study['tuned'])}"
    )


def label_order_tuned(tuned: Mapping[str, Any]) -> str:
    """F1 of a model that is tuned on as many labels, at random and chosen."""
    counts = sorted(int(key.removeprefix("chosen_")) for key in tuned if key.startswith("chosen_"))
    lines = []
    for count in counts:
        gain = [100 * tuned[f"gain_{count}{end}"] for end in ("", "_low", "_high")]
        f1s = [bounded(tuned[f"{order}_{count}"], "f1") for order in ("random", "chosen")]
        lines.append([str(count), *f1s, f"{gain[0]:+.2f} ({gain[1]:+.2f} to {gain[2]:+.2f})"])
    head = ["labels of train", "tuned, random (%)", "tuned, `--next` (%)", "gain (points)"]
    caption = f"The named model, tuned, {tuned['seeds']} of the orders, a training each:"
    return f"\n\n{caption}\n\n{markdown_table(head, lines)}"


def saving(study: Mapping[str, Any], model: str, count: int) -> str:
    """How many labels in random order do what `count` chosen ones do."""
    gain = [100 * study[f"{model}_gain_{count}{end}"] for end in ("", "_low", "_high")]
    more = f"{gain[0]:+.2f} points ({gain[1]:+.2f} to {gain[2]:+.2f}) over as many in random order"
    same = study.get(f"{model}_random_labels_for_{count}")
    labels = f"{same:,} labels in random order" if same else f"no number up to all {study['labels']:,} in random order"
    return f"{count} labels by `--next`: {more}; {labels} reach{'' if same else 'es'} the same F1."


def _mean_and_range(row: Mapping[str, float]) -> Sequence[str]:
    return f"{100 * row['f1']:.2f}", f"{100 * row['f1_least']:.2f} to {100 * row['f1_most']:.2f}"


def prompts_per_message() -> str:
    """The prompts of the filter's second scorer, for each message."""
    turns, messages = metric("concat.json")["turns"], metric("concat.json")["messages"]
    prompt_count = turns - metric("filter.json")["rejected"]["not_is_question"]
    return (
        f"On the sample {prompt_count:,} of {turns:,} turns pass the scorer `rules`:"
        f" {prompt_count / messages:.2f} prompts per message."
    )


def filter_by_scorers() -> str:
    """Precision and recall of the filter's first scorer alone and of both."""
    quality = metric("judge_filter.json")
    rows = [
        ["`rules`", *(bounded(quality, f"is_question_{name}") for name in ("precision", "recall"))],
        ["`rules`, `mark`", *(bounded(quality, name) for name in ("precision", "recall"))],
    ]
    labelled = quality["labelled_kept"] + quality["labelled_rejected"]
    table = markdown_table(["scorers", "precision (%)", "recall (%)"], rows)
    return f"n = {labelled} random turns of the sample; 95% Wilson intervals.\n\n{table}"


def gpu_tests() -> str:
    """What `make test-gpu` measured, where somebody has run it on a GPU."""
    file = METRICS / "gpu.json"
    return gpu_table(read_json(file)) if file.exists() else "**Nobody has run these tests on a GPU yet.**"


def gpu_table(run: Mapping[str, Any]) -> str:
    """The outcome, the time and the figures of each test of a run of tests/gpu/."""
    lines = []
    for name, test in run["tests"].items():
        figures = "; ".join(f"{key}: {value}" for key, value in test["figures"].items())
        words = name.removeprefix("test_").replace("_", " ")
        lines.append([words, test["outcome"], f"{test['seconds']:.0f}", str(test["budget"]), figures])
    card = run["tests"].get("test_packages_and_card", {"figures": {}})["figures"].get("card", "no GPU")
    head = ["test", "outcome", "seconds", "budget", "measured"]
    return f"{card}, {run['day']}, n = 1 run.\n\n{markdown_table(head, lines)}"


@click.command(cls=Command, help=__doc__)
@click.argument("pages", nargs=-1, required=True, type=click.Path(exists=True))
def main(pages: tuple[str, ...]) -> None:
    from cogapp import Cog

    p = params()
    if p.ingest.path != SAMPLE or p.question.name != QUESTION:
        click.echo(f"{', '.join(pages)} keep the figures of the sample: params.yaml has another chat or question")
        return
    if status := Cog().main(["cog", "-r", *pages]):
        raise SystemExit(status)


if __name__ == "__main__":
    main()
