"""Which questions of a chat log need their context to be understood, as a tuned model says.

    python -m stages.predict chat.jsonl answers.jsonl smollm2_135m [--adapter data/adapters/smollm2_135m]

The log is read, joined and filtered as params.yaml says; what is left out on the way is counted, and stands with its
reason in a folder beside the answers. Each line of the answers has a question's id, text, the probability that it
needs its context (against that it doesn't; null with protocol generate, which knows none) and the model's answer.
"""

import json
import math
import subprocess
import sys
import tempfile
from pathlib import Path

import click

from stages.llm.asking import odds, predict
from stages.llm.engines import engine
from stages.params import params
from stages.schemas import Inquiry
from stages.tables import read, rows


def inquiries(log: Path, base: Path, folder: Path, rejects: Path) -> Path:
    """The log's questions with their windows, by the stages from ingest to filter, in a folder of their own."""

    def stage(name: str, *inputs: Path, outputs: str) -> None:
        paths = [rejects / f"{name}.jsonl" if output == "rejects" else folder / output for output in outputs.split()]
        files = [*map(str, inputs), *map(str, paths)]
        if subprocess.run([sys.executable, "-m", f"stages.{name}", *files]).returncode:
            raise click.ClickException(f"{log}: {name} failed, see above")

    (folder / "no_labels").mkdir()
    stage("ingest", log, outputs="messages.jsonl imported.jsonl rejects ingest.json")
    stage("concat", folder / "messages.jsonl", outputs="turns.jsonl concat.json")
    outputs = "scores.jsonl inquiries.jsonl rejects filter.json throttle.json"
    stage("filter", folder / "turns.jsonl", base, folder / "no_labels", outputs=outputs)
    for name, whole in (("ingest", "messages_in"), ("filter", "turns")):
        found = json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))
        over = found.get("over_limit", 0)
        left = ({"over ingest.limit": over} if over else {}) | found["rejected"]
        lost = ", ".join(f"{count} {reason}" for reason, count in left.items()) or "none"
        click.echo(f"{name}: of {found[whole] + over} {whole.split('_')[0]} left out: {lost}", err=True)
    return folder / "inquiries.jsonl"


@click.command(help=__doc__)
@click.argument("log", type=click.Path(exists=True, path_type=Path))
@click.argument("answers", type=click.Path(path_type=Path))
@click.argument("name")
@click.option("--adapter", type=click.Path(exists=True, path_type=Path), help="LoRA adapter of the tuned model.")
@click.option("--base", type=click.Path(exists=True, path_type=Path), default=Path("data/base"), show_default=True)
def main(log: Path, answers: Path, name: str, adapter: Path | None, base: Path) -> None:
    p = params()
    p.named(name)
    with tempfile.TemporaryDirectory() as folder:
        items = rows(read(inquiries(log, base, Path(folder), answers.with_suffix(".rejects")), Inquiry))
    found = predict(items, engine(name, base / name, p, adapter), p, name)
    with answers.open("w", encoding="utf-8") as file:
        for item, row in zip(items, found, strict=True):
            said = {
                "id": item["id"],
                "text": item["text"],
                "needed": None if row["needed"] is None else round(1 / (1 + math.exp(-odds(row))), 4),
                "answer": row["answer"],
            }
            file.write(json.dumps(said, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
