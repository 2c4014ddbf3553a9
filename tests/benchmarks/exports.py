"""How fast an export of each format is read, by messages a second, and in what memory a large one goes through ingest.

    python -m tests.benchmarks.exports read 20          # megabytes of each format; nothing but the reader
    python -m tests.benchmarks.exports ingest 1000      # megabytes of a folder, a zip and an array; the whole stage

`make bench BENCH=exports ARGUMENTS="read 20"` runs it. The exports are made up: 40 people write texts of 1 to 20
words. Each export is read in a process of its own, one after the other. Memory is the peak of the
process.
"""

import os
import random
import resource
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator
from itertools import count, islice
from pathlib import Path

import click

from stages.chat import Message
from tests.chat_exports import FORMATS, Utterance, array, export, read_export
from tests.conftest import ROOT, change_params, copy_settings

TEXT = "the ferry runs at nine who has bread for lunch it works on my laptop why not try again later maybe"
START = 1_499_990_400
SAMPLE = 2_000  # messages whose bytes are counted, to know how many make a size
OUTPUTS = ("messages.jsonl", "imported.jsonl", "rejects.jsonl", "metrics.json", "details.json")


def talk(step: int) -> Iterator[Utterance]:
    """Endless talk of 40 people, a message every `step` seconds."""
    dice, words = random.Random(0), TEXT.split()
    for number in range(10**9):
        text = " ".join(dice.choices(words, k=dice.randint(1, 20)))
        yield Utterance(f"ann{dice.randrange(40)}", f"{text}{dice.choice('?.!')}", START + step * number)


def talk_of_size(format: str, size: int) -> Iterator[Utterance]:
    """Talk that fills about `size` bytes in a format."""
    _, _, writer, clock = FORMATS[format]
    sample = sum(len(piece.encode()) for piece in writer(islice(talk(clock), SAMPLE)))
    return islice(talk(clock), size * SAMPLE // sample)


def folder_of_parts(size: int, folder: Path) -> Path:
    """A channel of Discord in files of 100,000 messages."""
    channel = folder / "lab"
    channel.mkdir()
    chat = talk_of_size("discord", size)
    for number in count(1):
        part = list(islice(chat, 100_000))
        if not part:
            break
        with (channel / f"lab [part {number}].json").open("w", encoding="utf-8") as file:
            file.writelines(FORMATS["discord"][2](part))
    return channel


def zip_of_iphone(size: int, folder: Path) -> Path:
    chat = export(folder, "whatsapp", talk_of_size("whatsapp", size))
    with zipfile.ZipFile(folder / "WhatsApp Chat - Lab.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.write(chat, "_chat.txt")
    chat.unlink()
    return folder / "WhatsApp Chat - Lab.zip"


def array_of_rows(size: int, folder: Path) -> Path:
    rows = ({"sender": m.sender, "text": m.text, "timestamp": m.timestamp} for m in talk_of_size("jsonl", size))
    with (folder / "lab.json").open("w", encoding="utf-8") as file:
        file.writelines(array("[", rows, "\n]"))
    return folder / "lab.json"


SHAPES: dict[str, Callable[[int, Path], Path]] = {
    "folder": folder_of_parts,
    "zip": zip_of_iphone,
    "array": array_of_rows,
}


def measured(command: list[str], folder: Path) -> tuple[float, int]:
    """Seconds and megabytes of a command that runs in a folder."""
    start = time.monotonic()
    process = subprocess.Popen(command, cwd=folder, env=os.environ | {"PYTHONPATH": str(ROOT), "TQDM_DISABLE": "1"})
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise click.ClickException(f"{' '.join(command)} ended with {os.waitstatus_to_exitcode(status)}")
    return time.monotonic() - start, usage.ru_maxrss // 1024


@click.group(help=__doc__)
def main() -> None:
    pass


@main.command("read")
@click.argument("megabytes", type=int)
def read_all(megabytes: int) -> None:
    """Read an export of each format."""
    click.echo("| export | messages | messages/s | memory, MB |\n|---|---|---|---|")
    for format in FORMATS:
        with tempfile.TemporaryDirectory() as name:
            path = export(Path(name), format, talk_of_size(format, megabytes * 10**6))
            command = [sys.executable, "-m", "tests.benchmarks.exports", "read-one", FORMATS[format][0], str(path)]
            result = subprocess.run(command, check=True, capture_output=True, text=True, cwd=ROOT)
            messages, seconds, peak = result.stdout.split()
        click.echo(f"| {format} | {int(messages):,} | {int(messages) / float(seconds):,.0f} | {int(peak):,} |")


@main.command("read-one", hidden=True)
@click.argument("format")
@click.argument("path", type=click.Path(path_type=Path))
def read_one(format: str, path: Path) -> None:
    start = time.monotonic()
    messages = sum(isinstance(entry, Message) for entry in read_export(format, path))
    seconds = time.monotonic() - start
    click.echo(f"{messages} {seconds} {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024}")


@main.command("ingest")
@click.argument("megabytes", type=int)
@click.argument("shapes", nargs=-1, type=click.Choice(list(SHAPES)))
def ingest_all(megabytes: int, shapes: tuple[str, ...]) -> None:
    """Put an export of each shape through the stage."""
    click.echo("| export | GB | messages | messages/s | memory, MB |\n|---|---|---|---|---|")
    for shape in shapes or SHAPES:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            path = SHAPES[shape](megabytes * 10**6, folder)
            files = path.iterdir() if path.is_dir() else [path]
            size = sum(file.stat().st_size for file in files) / 10**9
            copy_settings(folder)
            changes = {"path": path.name, "format": "auto", "limit": None, "min_senders": 1}
            change_params(folder, {f"ingest.{key}": value for key, value in changes.items()})
            seconds, peak = measured([sys.executable, "-m", "stages.ingest", *OUTPUTS], folder)
            with (folder / OUTPUTS[0]).open("rb") as file:
                messages = sum(1 for _ in file)
        click.echo(f"| {shape} | {size:.2f} | {messages:,} | {messages / seconds:,.0f} | {peak:,} |")


if __name__ == "__main__":
    main()
