"""Publish an adapter with its card, and the alpaca files that it was made from, on a model hub (paper, section 5).

    python -m stages.cards.publish smollm2_135m you/needs-context [--push]

Without --push it only says what would go where. Both repositories are made private: whoever may read the chat decides
who else may. The token is the hub's own, HF_TOKEN or `hf auth login`; HF_ENDPOINT names another hub.
"""

from pathlib import Path

import click

Files = dict[str, Path]


def contents(adapter: Path, card: Path, data: Path) -> dict[str, Files]:
    """The files of the model's repository and of the dataset's, by their path there; the latter is laid out as `data`
    is, which the head of its card counts on.
    """
    weights = {path.name: path for path in sorted(adapter.iterdir()) if path.name != "README.md"}  # peft's, empty
    shared = ["README.md", "dataset_info.json", "annotations/GUIDELINE.md"]
    shared += [f"alpaca/{path.name}" for path in sorted((data / "alpaca").glob("*.json"))]
    return {"model": {"README.md": card} | weights, "dataset": {place: data / place for place in shared}}


@click.command(help=__doc__)
@click.argument("name")
@click.argument("repository")
@click.option("--push", is_flag=True, help="Do it.")
def main(name: str, repository: str, push: bool) -> None:
    from huggingface_hub import CommitOperationAdd, HfApi

    found = contents(Path("data/adapters") / name, Path(f"metrics/cards/{name}.md"), Path("data"))
    if missing := [str(path) for files in found.values() for path in files.values() if not path.exists()]:
        raise click.ClickException(f"{', '.join(missing)} is missing: dvc repro makes it")
    for kind, files in found.items():
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
            done = hub.create_commit(
                repository, added, commit_message=f"{name} and what it was made of", repo_type=kind
            )
            click.echo(f"  {done.commit_url}")
    if not push:
        click.echo("nothing was sent; --push does it")


if __name__ == "__main__":
    main()
