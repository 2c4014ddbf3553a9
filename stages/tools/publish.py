"""Publish an adapter with its card, and the alpaca files that it was made from, on a model hub (paper, section 5).

    python -m stages.tools.publish smollm2_135m you/needs-context [--push]

Without --push it only says what would go where. A card whose hashes aren't those of dvc.lock is refused: it is of
another chat or of another training. Both repositories are made private: whoever may read the chat decides who else
may. The token is the hub's own, HF_TOKEN or `hf auth login`; HF_ENDPOINT names another hub.
"""

import re
from collections.abc import Mapping
from pathlib import Path

import click

from stages.pipeline.command import Command
from stages.pipeline.params import params
from stages.reporting.model_card import hashes, locked_stages, of_the_labels

LOCK = Path("dvc.lock")
HASH = re.compile(r"^\| (.+) \| (md5 [0-9a-f]{32}(?:\.dir)?) \|$", re.MULTILINE)  # a line of a card's table
Files = dict[str, Path]


def contents(adapter: Path, card: Path, data: Path, guideline: Path) -> dict[str, Files]:
    """The files of the model's repository and of the dataset's, by their path there; the latter is laid out as `data`
    is, which the head of its card counts on.
    """
    adapter_files = [path for path in sorted(adapter.iterdir()) if path.is_file()]  # folders are other seeds' adapters
    weights = {path.name: path for path in adapter_files if path.name != "README.md"}  # peft's, empty
    shared = ["README.md", "dataset_info.json"]
    shared += [f"alpaca/{path.name}" for path in sorted((data / "alpaca").glob("*.json"))]
    dataset = {place: data / place for place in shared} | {"GUIDELINE.md": guideline}
    return {"model": {"README.md": card} | weights, "dataset": dataset}


def stale(card: Path, locked: Mapping[str, str]) -> list[str]:
    """What a card has other hashes of than dvc.lock, or none."""
    card_hashes = dict(HASH.findall(card.read_text(encoding="utf-8")))
    return [path for path, md5 in locked.items() if card_hashes.get(path) != md5]


def check_cards(name: str, card: Path, data_card: Path) -> None:
    """Raises click.ClickException where a card is of something else than what dvc.lock has."""
    locked = locked_stages(LOCK)
    try:
        labels = of_the_labels(locked, params())
        training = hashes(locked[f"train@{name}"])
    except (KeyError, ValueError) as error:
        raise click.ClickException(
            f"{LOCK} has no run of {params().ingest.path} with a training of {name}: dvc repro"
        ) from error
    for file, expected, command in (
        (card, labels | training, "dvc repro report"),
        (data_card, labels, "make figures"),
    ):
        if paths := stale(file, expected):
            raise click.ClickException(
                f"{file} has other hashes than {LOCK} of {', '.join(paths)}: `{command}` makes it anew"
            )


@click.command(cls=Command, help=__doc__)
@click.argument("name")
@click.argument("repository")
@click.option("--push", is_flag=True, help="Do it.")
def main(name: str, repository: str, push: bool) -> None:
    from huggingface_hub import CommitOperationAdd, HfApi

    guideline = params().question.definition.guideline
    uploads = contents(Path("data/adapters") / name, Path(f"metrics/cards/{name}.md"), Path("data"), guideline)
    needed = [path for files in uploads.values() for path in files.values()]
    if missing := [str(path) for path in (*needed, LOCK) if not path.exists()]:
        raise click.ClickException(f"{', '.join(missing)} is missing: dvc repro, or make figures, makes it")
    check_cards(name, uploads["model"]["README.md"], uploads["dataset"]["README.md"])
    for kind, files in uploads.items():
        click.echo(f"{kind} {repository}, private:")
        for place, path in files.items():
            click.echo(f"  {place} ({path.stat().st_size:,} bytes) from {path}")
        if push:
            hub = HfApi()
            hub.create_repo(repository, repo_type=kind, private=True, exist_ok=True)
            if not hub.repo_info(repository, repo_type=kind).private:
                raise click.ClickException(
                    f"the {kind} {repository} is there and public: make it private, or name another"
                )
            added = [CommitOperationAdd(place, str(path)) for place, path in files.items()]
            commit = hub.create_commit(
                repository, added, commit_message=f"{name} and what it was made of", repo_type=kind
            )
            click.echo(f"  {commit.commit_url}")
    if not push:
        click.echo("nothing was sent; --push does it")


if __name__ == "__main__":
    main()
