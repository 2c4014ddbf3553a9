"""The whole run on one page that needs no network: the findings first, then the evidence.

    python -m stages.reporting.page report.html

    python -m stages.reporting.page report.html --revision main --revision slow     # figures over experiments

The page shows texts of the chat: it is as private as the chat. What a stage that has not run would show is left out.
"""

import os
import platform
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import click

from stages.judging.predictions import has_probability, load_predictions, log_odds_of, share_of_positive
from stages.llm import prompts
from stages.pipeline.command import Command
from stages.pipeline.definition import NEGATIVE, POSITIVE
from stages.pipeline.files import read_json, read_yaml, write_text
from stages.pipeline.markdown import plural
from stages.pipeline.model_sizes import with_sizes
from stages.pipeline.params import Params, params
from stages.pipeline.schemas import SPLITS
from stages.pipeline.shell import output_of
from stages.pipeline.tables import split_items
from stages.pipeline.window import with_window
from stages.reporting.model_card import made_of
from stages.reporting.rendering import WIDER, figures, svg
from stages.reporting.run import FLOORS, Rows, Run, Scores
from stages.reporting.summary import findings, next_steps, picture_points, reached
from stages.reporting.tables import tables_in_markdown

EXAMPLES = 10  # of wrong answers
PACKAGES = ("torch", "transformers", "peft", "trl", "datasets", "ibis-framework", "duckdb", "dvc")
PLOTS = {  # the plots of each section, by how their paths begin; "rows" has those of the filter's scores
    "law": ("metrics/plots/size",),
    "scores": ("metrics/plots/confusion", "metrics/plots/precision_recall", "metrics/plots/reliability"),
    "rows": ("metrics/plots/scores", "metrics/plots/throttle"),
    "training": ("metrics/training/", "metrics/plots/rank/"),
}
OTHER_PLOTS = "studies"  # the section of the plots of no other


class CountedStage(NamedTuple):
    """A stage that rows go through: its name, and the metrics that count rows in and out."""

    stage: str
    into: str
    out: str


COUNTED_STAGES = (
    CountedStage("ingest", "messages_in", "messages"),
    CountedStage("concat", "messages", "turns"),
    CountedStage("filter", "turns", "inquiries"),
    CountedStage("annotate", "inquiries", "labelled"),
)


class Figure(NamedTuple):
    """A figure as two drawings, for the column of a page and for a phone."""

    title: str
    wide: str
    narrow: str


def figure(spec: dict[str, Any], title: str, prefix: str) -> Figure:
    return Figure(title, svg(spec, f"{prefix}-wide", WIDER), svg(spec, f"{prefix}-narrow"))


def by_section(specs: Mapping[str, dict[str, Any]]) -> dict[str, list[Figure]]:
    """The figures of each section of the page; `specs` are Vega-Lite's by the file that they draw."""
    sections: dict[str, list[Figure]] = {section: [] for section in (*PLOTS, OTHER_PLOTS)}
    for number, (path, spec) in enumerate(specs.items()):
        matching_sections = [section for section, beginnings in PLOTS.items() if path.startswith(beginnings)]
        section = matching_sections[0] if matching_sections else OTHER_PLOTS
        sections[section].append(figure(spec, spec["title"]["text"], f"figure-{number}"))
    return sections


def row_counts(metrics_by_stage: Mapping[str, Mapping[str, Any]]) -> Rows:
    """Rows in, rows out, and how many each stage left out for which reason."""
    counts = []
    for stage, into, out in COUNTED_STAGES:
        metrics = metrics_by_stage[stage]
        rejected = metrics.get("rejected", {})
        counts.append({"stage": stage, "into": metrics[into], "out": metrics[out], "rejected": rejected})
    export = metrics_by_stage["export"]
    splits = ", ".join(f"{export[name]['n']} {name}" for name in SPLITS)
    labelled = counts[-1]["out"]
    return [*counts, {"stage": "export", "into": labelled, "out": splits, "rejected": export["rejected"]}]


def wrong_answers(model: str, answers: Rows, items: Rows, window: int) -> dict[str, Any]:
    """The items that a model gets wrong, those first that it is surest of, each with the turns before it."""
    item_by_id = {item["id"]: item for item in items}
    right_answers = {True: POSITIVE, False: NEGATIVE}
    misses = [row for row in answers if row["answer"] != right_answers[row["label"]]]
    misses.sort(key=lambda row: (-abs(log_odds_of(row)), row["id"]))
    examples = []
    for row in misses[:EXAMPLES]:
        item = item_by_id[row["id"]]
        lines = prompts.lettered([*item["cr_window"], item])
        probability_of_positive = share_of_positive(row) if has_probability(row) else None
        examples.append({"row": row, "lines": lines, "probability": probability_of_positive})
    return {"model": model, "examples": examples, "count": len(misses), "n": len(answers), "window": window}


def html(markdown: str) -> str:
    """Markdown as HTML, its headings three levels down, raw HTML as text. Each cell of a table says the head of its
    column, for narrow screens.
    """
    from markdown_it import MarkdownIt

    parser = MarkdownIt("commonmark", {"html": False}).enable("table")
    tokens = parser.parse(markdown)
    heads: list[str] = []
    column = 0
    for token, after in zip(tokens, [*tokens[1:], None], strict=True):
        if token.type in ("heading_open", "heading_close"):
            token.tag = f"h{int(token.tag[1:]) + 3}"
        elif token.type == "thead_open":
            heads = []
        elif token.type == "th_open" and after:
            heads.append(after.content)
        elif token.type == "tr_open":
            column = 0
        elif token.type == "td_open":
            token.attrSet("data-head", heads[column])
            column += 1
    return parser.renderer.render(tokens, parser.options, {})


def machine() -> dict[str, str]:
    """What the page was made on, which is where the run was unless data was pulled."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    system = {"system": platform.platform(), "Python": platform.python_version(), "cores": str(os.cpu_count())}
    return system | {"memory": f"{memory:.0f} GiB"} | {name: version(name) for name in PACKAGES}


def data_files(stages: Mapping[str, Any]) -> Rows:
    """Everything under data/ that the stages of dvc.lock name, with its hash and size."""
    files = {}
    for stage in stages.values():
        for file in (*stage.get("deps", []), *stage.get("outs", [])):
            if file["path"].startswith("data/"):
                files[file["path"]] = {name: file[name] for name in ("path", "md5", "size")}
    return [files[path] for path in sorted(files)]


def read_if_there(file: Path) -> dict[str, Any]:
    """A JSON file of metrics; empty where its stage has not run."""
    return read_json(file) if file.exists() else {}


def read_all(folder: Path, names: Sequence[str]) -> dict[str, Scores]:
    """The metrics of those models that have any."""
    files = {name: folder / f"{name}.json" for name in names}
    return {name: read_json(file) for name, file in files.items() if file.exists()}


def load_unfinished_run(details: Path, data: Path, items: Rows, p: Params) -> Run:
    """Like `load_run`, with what there is so far. Of predictions it has only those of the best tuned model, by F1."""
    names = sorted(p.ladder, key=lambda name: p.models[name].size)
    tuned = read_all(details / "tuned", [name for name in names if name in p.finetune])
    names_with_predictions = [name for name in tuned if (data / f"predictions/tuned/{name}.jsonl").exists()]
    best = max(names_with_predictions, key=lambda name: tuned[name]["f1"], default=None)
    best_names = [best] if best else []
    ids = {item["id"] for item in items}
    return Run(
        vanilla=read_all(details / "baseline", names),
        tuned=tuned,
        floors=read_all(details / "floor", FLOORS),
        vanilla_answers={},
        tuned_answers=load_predictions(data / "predictions" / "tuned", best_names, p.question.prompt, ids),
    )


def tables_and_sources(
    tables: Path, run: Run, stages: Mapping[str, Any], fetched: Mapping[str, Any], p: Params
) -> dict[str, str]:
    """Both tables and what their models are made of, in Markdown; empty where not all of the models have run."""
    is_whole = run.vanilla.keys() == set(p.ladder) and all(f"train@{name}" in stages for name in p.finetune)
    if not tables.exists() or not is_whole:
        return {"tables": "", "made_of": ""}
    return {
        "tables": tables_in_markdown(read_json(tables), run, p),
        "made_of": made_of(stages, fetched, list(run.vanilla), p),
    }


def page_values(metrics: Path, data: Path, revisions: Sequence[str], p: Params) -> dict[str, Any]:
    """What the page shows, by the names in page.html."""
    details, question = metrics / "details", p.question.definition
    items = split_items(data / "items.jsonl", p.evaluate.split)
    run = load_unfinished_run(details, data, items, p)
    stages = read_yaml(Path("dvc.lock"))["stages"]
    models = data / "models.json"
    fetched = read_json(models) if models.exists() else {}
    stage_names = (*(stage.stage for stage in COUNTED_STAGES), "export")
    counts = {name: read_json(details / f"{name}.json") for name in stage_names}
    laws = {"vanilla": read_if_there(details / "law.json"), "tuned": read_if_there(details / "law_tuned.json")}
    agreement = read_if_there(details / "agreement.json")
    markdown_files = {name: metrics / f"{name}.md" for name in ("law", "law_tuned", "ablation")}
    points = picture_points(run, p.models, question)
    summary_spec = read_json(Path(__file__).with_name("summary.json")) | {"data": {"values": points}}
    summary_title = reached(run, p.evaluate.split, question)
    return {
        "revision": output_of("git", "describe", "--always", "--dirty", "--abbrev=12"),
        "date": output_of("git", "log", "-1", "--format=%cs"),
        "question": question,
        "labels": counts["annotate"],
        "findings": findings(laws, counts["annotate"], agreement, question),
        "picture": figure(summary_spec, summary_title, "summary") if run.vanilla else None,
        "next_steps": next_steps(laws, counts["annotate"], read_if_there(details / "reannotate.json")),
        "texts": {name: file.read_text(encoding="utf-8") for name, file in markdown_files.items() if file.exists()},
        "agreement": agreement,
        "row_counts": row_counts(counts),
        "over_limit": counts["ingest"].get("over_limit", 0),
        "figures": by_section(figures(revisions)),
        "wrong": [wrong_answers(model, rows, items, p.question.turns) for model, rows in run.tuned_answers.items()],
        "params": Path("params.yaml").read_text(encoding="utf-8"),
        "data_files": data_files(stages),
        "machine": machine(),
        **tables_and_sources(metrics / "tables.json", run, stages, fetched, p),
    }


@click.command(cls=Command, help=__doc__)
@click.argument("page", type=click.Path(path_type=Path))
@click.option("--revision", "revisions", multiple=True, help="A revision or an experiment that the figures show.")
def main(page: Path, revisions: tuple[str, ...]) -> None:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    data = Path("data")
    if not (data / "items.jsonl").exists():
        raise click.ClickException("data/items.jsonl is missing: run dvc repro or dvc pull first")
    templates = FileSystemLoader(Path(__file__).parent)
    jinja = Environment(loader=templates, autoescape=True, undefined=StrictUndefined)
    jinja.filters |= {"markdown": html}
    jinja.globals |= {"plural": plural}
    values = page_values(Path("metrics"), data, revisions, with_sizes(with_window(params())))
    write_text(page, jinja.get_template("page.html").render(values))
    click.echo(f"{page}: {page.stat().st_size / 2**20:.1f} MiB, to open in any browser")


if __name__ == "__main__":
    main()
