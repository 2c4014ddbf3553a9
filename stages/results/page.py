"""The whole run on one page that needs no network: what ran, what became of the rows, verdicts, tables, figures, and
what the best tuned model gets wrong.

    python -m stages.results.page report.html
    python -m stages.results.page report.html --revision main --revision slow     # figures over experiments

Texts of the chat stand in it: it is as private as the chat.
"""

import json
import os
import platform
import subprocess
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import click
from ruamel.yaml import YAML

from stages.llm import prompts
from stages.llm.asking import odds
from stages.params import Params, params
from stages.results.drawn import figures, svg
from stages.results.figures import probability
from stages.results.scores import Rows, split
from stages.schemas import Labelled, Prediction
from stages.tables import read, rows, split_ids

WRONG = 10  # examples
PACKAGES = ("torch", "transformers", "peft", "trl", "datasets", "ibis-framework", "duckdb", "dvc")
DOCUMENTS = ("law", "law_tuned", "tables", "ablation")  # Markdown that stages wrote, in the page's order


class Step(NamedTuple):
    """A stage on the way of the rows: its name, and the metrics that count rows in and out."""

    stage: str
    into: str
    out: str


WAY = (
    Step("ingest", "messages_in", "messages"),
    Step("concat", "messages", "turns"),
    Step("filter", "turns", "inquiries"),
    Step("annotate", "inquiries", "labelled"),
)


def way(metrics: dict[str, dict[str, Any]]) -> Rows:
    """Rows in, rows out, and how many were left out for which reason."""
    steps = [
        {"stage": s.stage, "into": metrics[s.stage][s.into], "out": metrics[s.stage][s.out]}
        | {"rejected": metrics[s.stage].get("rejected", {})}
        for s in WAY
    ]
    parts = {name: metrics["export"][name]["n"] for name in ("train", "dev", "test")}
    out = ", ".join(f"{n} {name}" for name, n in parts.items())
    return [
        *steps,
        {"stage": "export", "into": steps[-1]["out"], "out": out, "rejected": metrics["export"]["rejected"]},
    ]


def wrong(metrics: Path, data: Path, p: Params) -> dict[str, Any]:
    """The best tuned model, by F1, and the items of the split that it gets wrong, those first that it is surest of."""
    scores = {
        name: json.loads((metrics / "tuned" / f"{name}.json").read_text(encoding="utf-8")) for name in p.finetune
    }
    best = max(scores, key=lambda name: scores[name]["f1"])
    ids = split_ids(data / "alpaca", p.evaluate.split)
    found = rows(read(data / "predictions" / "tuned" / f"{best}.jsonl", Prediction))
    answers = split({best: found}, p.export.prompt, ids)[best]
    misses = [row for row in answers if row["answer"] != ("needed" if row["cr_need_gt"] else "not_needed")]
    misses.sort(key=lambda row: (-abs(odds(row)), row["id"]))
    items = {item["id"]: item for item in rows(read(data / "valid.jsonl", Labelled))}
    examples = []
    for row in misses[:WRONG]:
        item = items[row["id"]]
        turns = [*item["cr_window"], item]
        said = [(name, turn["text"]) for name, turn in zip(prompts.speakers(turns), turns, strict=True)]
        sure = None if row["needed"] is None else probability(row)
        examples.append({"row": row, "said": said, "probability": sure})
    return {"model": best, "examples": examples, "count": len(misses), "n": len(answers)}


def table(document: str) -> str:
    """Markdown as HTML, with raw HTML shown as text. Each cell says the head of its column, for narrow screens."""
    from markdown_it import MarkdownIt

    markdown = MarkdownIt("commonmark", {"html": False}).enable("table")
    tokens = markdown.parse(document)
    heads: list[str] = []
    column = 0
    for token, after in zip(tokens, [*tokens[1:], None], strict=True):
        if token.type == "thead_open":
            heads = []
        elif token.type == "th_open" and after:
            heads.append(after.content)
        elif token.type == "tr_open":
            column = 0
        elif token.type == "td_open":
            token.attrSet("data-head", heads[column])
            column += 1
    return markdown.renderer.render(tokens, markdown.options, {})


def machine() -> dict[str, str]:
    """What the page was made on, which is where the run was unless data was pulled."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    told = {"system": platform.platform(), "Python": platform.python_version(), "cores": str(os.cpu_count())}
    return told | {"memory": f"{memory:.0f} GiB"} | {name: version(name) for name in PACKAGES}


def hashes(lock: dict[str, Any]) -> Rows:
    """Everything under data/ that the lock names, with its hash and size."""
    found = {
        one["path"]: {"path": one["path"], "md5": one["md5"], "size": one["size"]}
        for stage in lock["stages"].values()
        for one in (*stage.get("deps", []), *stage.get("outs", []))
        if one["path"].startswith("data/")
    }
    return [found[path] for path in sorted(found)]


def git(*command: str) -> str:
    return subprocess.run(["git", *command], capture_output=True, text=True, check=True).stdout.strip()


@click.command(help=__doc__)
@click.argument("page", type=click.Path(path_type=Path))
@click.option("--revision", "revisions", multiple=True, help="A revision or an experiment that the figures show.")
def main(page: Path, revisions: tuple[str, ...]) -> None:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    p = params()
    metrics, data = Path("metrics"), Path("data")
    if not (data / "valid.jsonl").exists():
        raise click.ClickException("data/valid.jsonl is missing: run dvc repro or dvc pull first")
    read_json = {
        name: json.loads((metrics / f"{name}.json").read_text(encoding="utf-8"))
        for name in ("ingest", "concat", "filter", "annotate", "agreement", "export")
    }
    documents = {name: metrics / f"{name}.md" for name in DOCUMENTS}
    yaml = YAML(typ="safe", pure=True)
    lock = yaml.load(Path("dvc.lock").read_text(encoding="utf-8"))
    studies = {name for plot in yaml.load(Path("dvc.yaml").read_text(encoding="utf-8"))["plots"] for name in plot}
    drawn = sorted(figures(revisions).items(), key=lambda figure: figure[0] in studies)  # after the run's own
    jinja = Environment(loader=FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=StrictUndefined)
    text = jinja.get_template("page.html").render(
        revision=git("describe", "--always", "--dirty", "--abbrev=12"),
        date=git("log", "-1", "--format=%cs"),
        way=way(read_json),
        limit=read_json["ingest"].get("over_limit", 0),
        pairs=read_json["agreement"].get("pairs", {}),
        documents={name: table(file.read_text(encoding="utf-8")) for name, file in documents.items() if file.exists()},
        figures=[svg(spec, number) for number, (_, spec) in enumerate(drawn)],
        wrong=wrong(metrics, data, p),
        window=p.export.window,
        params=Path("params.yaml").read_text(encoding="utf-8"),
        hashes=hashes(lock),
        machine=machine(),
    )
    page.write_text(text, encoding="utf-8")
    click.echo(f"{page}: {page.stat().st_size / 2**20:.1f} MiB, to open in any browser")


if __name__ == "__main__":
    main()
