"""Make the project yours: take the sample's labels, results and card away, and set params.yaml to a chat of your own.

    python -m stages.tools.own data/room.jsonl

Git keeps what is taken away; nothing is removed that git doesn't have. Templates for the guideline and the data card
take the place of the sample's. `dvc gc --workspace` then frees the sample's space in DVC's cache.
"""

import json
import re
import shutil
from pathlib import Path
from typing import Any

import click

from stages.chat.fingerprint import ANNOTATIONS
from stages.pipeline.command import Command
from stages.pipeline.definition import QUESTIONS
from stages.pipeline.files import read_yaml, write_text
from stages.pipeline.params import params
from stages.pipeline.shell import output_of

TEMPLATES = Path(__file__).parent / "templates"
WRITTEN = {  # templates by the file that they become
    "questions/needs_context/GUIDELINE.md": "needs_context.md",
    "questions/is_question/GUIDELINE.md": "is_question.md",
    "data/card.md": "card.md",
}
SAMPLES = (  # in git
    "data/annotations",
    "data/README.md",
    "data/card.md",
    "metrics",
    "dvc.lock",
    *(file for file in WRITTEN if file.startswith(QUESTIONS)),
)
SETTINGS: tuple[tuple[str, str, Any], ...] = (
    ("ingest", "format", "auto"),
    ("ingest", "limit", None),
    ("ingest", "min_senders", 1),
    ("ingest", "files", None),
    ("ingest", "leave_out", []),
    ("ingest", "bridges", []),
    ("annotate", "policy", "majority"),
    ("annotate", "adjudicator", None),
)


def outputs(lock: Path) -> list[Path]:
    """What the stages of dvc.lock wrote."""
    stages = read_yaml(lock)["stages"].values() if lock.exists() else []
    return [Path(output["path"]) for stage in stages for output in stage.get("outs", [])]


def remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def with_setting(text: str, section: str, key: str, value: Any) -> str:
    """params.yaml with another value of a key; comments and all other lines stay."""
    place = re.compile(rf"(^{section}:\n(?:(?:[ #].*)?\n)*?  {key}: )(.*?)(?=  #|$)", re.MULTILINE)
    changed, count = place.subn(lambda match: match[1] + json.dumps(value, ensure_ascii=False), text)
    if count != 1:
        raise click.ClickException(f"params.yaml: {section}.{key} isn't on a line of its own")
    return changed


@click.command(cls=Command, help=__doc__)
@click.argument("chat", type=click.Path(exists=True, path_type=Path))
def main(chat: Path) -> None:
    sample_paths = [*outputs(Path("dvc.lock")), *map(Path, SAMPLES)]
    if any(path.resolve() in (chat.resolve(), *chat.resolve().parents) for path in sample_paths):
        raise click.ClickException(
            f"{chat} would be taken away with the sample: put your chat elsewhere, as data/room.jsonl"
        )
    if changed := output_of("git", "status", "--porcelain", "--ignored", "--", *SAMPLES):
        raise click.ClickException(
            f"git doesn't have this yet, commit it, move it away or take it back first:\n{changed}"
        )
    text = Path("params.yaml").read_text(encoding="utf-8")
    for section, key, value in [*SETTINGS, ("ingest", "path", str(chat))]:
        text = with_setting(text, section, key, value)
    for path in sample_paths:
        remove(path)
    for target, template in WRITTEN.items():
        write_text(target, (TEMPLATES / template).read_text(encoding="utf-8"))
    for question in Path(QUESTIONS).glob("*/question.yaml"):
        write_text(ANNOTATIONS / question.parent.name / ".gitignore", "")  # so that git and DVC have the folder
    write_text("params.yaml", text)
    guideline = params().question.definition.guideline
    click.echo(f"params.yaml reads {chat}. Next: write {guideline}, and run dvc repro filter.")


if __name__ == "__main__":
    main()
