"""The licences of the default's chat and base model, as the files say that `fetch` takes them from.

    python -m tests.licences

`make licences` runs this after listing those of the installed packages.
"""

import tempfile
from email.parser import Parser
from pathlib import Path

import click

from stages.pipeline.params import Wheel, params
from stages.pipeline.wheels import unpack


def of_wheel(wheel: Wheel, folder: Path) -> str:
    """The licence in the wheel's own metadata."""
    name, version = wheel.requirement.replace("-", "_").split("==")
    unpack(wheel.model_copy(update={"file": f"{name}-{version}.dist-info/METADATA"}), folder / name)
    metadata = Parser().parsestr((folder / name).read_text("utf-8"))
    return metadata["License-Expression"] or metadata["License"]


def of_gguf(wheel: Wheel, folder: Path) -> tuple[str, str]:
    """Name and licence of the model in a wheel's GGUF file, which need not be the wheel's."""
    from gguf import GGUFReader

    unpack(wheel, folder / "base.gguf")
    fields = GGUFReader(folder / "base.gguf").fields
    return fields["general.name"].contents(), fields["general.license"].contents()


@click.command(help=__doc__)
def main() -> None:
    p = params().fetch
    with tempfile.TemporaryDirectory() as folder:
        for wheel in (p.chat, p.base):
            click.echo(f"{wheel.requirement}: {of_wheel(wheel, Path(folder))}")
        model, licence = of_gguf(p.base, Path(folder))
        click.echo(f"the model in it, {model}: {licence}")


if __name__ == "__main__":
    main()
