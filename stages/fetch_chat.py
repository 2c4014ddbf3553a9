"""Get the sample's chat from its PyPI wheel, where `ingest.path` names it.

    python -m stages.fetch_chat data/raw/chitchat.json

For a chat of your own nothing is downloaded, and the file is empty.
"""

from pathlib import Path

import click

from stages.chat.exports import split_pattern
from stages.pipeline.command import Command
from stages.pipeline.files import write_text
from stages.pipeline.params import params
from stages.pipeline.wheels import unpack


@click.command(cls=Command, help=__doc__)
@click.argument("chat", type=click.Path(path_type=Path))
def main(chat: Path) -> None:
    p = params()
    folder, pattern = split_pattern(Path(p.ingest.path))
    if pattern:
        raise click.ClickException(
            f"ingest.path: {p.ingest.path}: DVC tracks files and folders; set ingest.path: {folder} and"
            f' ingest.files: "{pattern}" in params.yaml'
        )
    if Path(p.ingest.path).resolve() == chat.resolve():
        unpack(p.fetch.chat, chat)
    else:
        write_text(chat, "")


if __name__ == "__main__":
    main()
