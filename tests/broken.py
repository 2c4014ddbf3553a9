"""More than 200 broken exports, made from whole ones of every format, and what became of each.

    python -m tests.broken FOLDER   # writes the exports there one after the other, a line of JSON for each outcome

This runs in a process of its own, so that its memory can be measured.
"""

import json
import os
import random
import resource
import stat
import struct
import sys
import time
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import click

from stages.chat.ingestion import ingest
from stages.chat.keys import PUBLIC_KEY
from stages.pipeline.tables import rows
from tests.chat_exports import FORMATS, Utterance, export, read_export, write

START = 1499990400  # 2017-07-14 00:00
CHAT = [Utterance("ann" if n % 2 else "bob", f"Does it run, número {n}? 可以吗", START + 600 * n) for n in range(40)]
NEEDLE = "número 20".encode()  # in the middle of a message
DEEP = b"[" * 10_000

Damage = Callable[[bytes], bytes]


def at(needle: bytes, replacement: bytes) -> Damage:
    return lambda whole: whole.replace(needle, replacement, 1)


def shuffled_lines(whole: bytes) -> bytes:
    lines = whole.splitlines(keepends=True)
    random.Random(0).shuffle(lines)
    return b"".join(lines)


DAMAGES: dict[str, Damage] = {
    "cut after 1 byte": lambda whole: whole[:1],
    "cut in the first tenth": lambda whole: whole[: len(whole) // 10],
    "cut in the middle": lambda whole: whole[: len(whole) // 2],
    "cut inside a character": lambda whole: whole[: whole.index("可".encode()) + 1],
    "cut at the end": lambda whole: whole[:-2],
    "without its start": lambda whole: whole[len(whole) // 3 :],
    "empty": lambda whole: b"",
    "blank": lambda whole: b"\n \n\t\n" * 100,
    "marked as UTF-8": lambda whole: b"\xef\xbb\xbf" + whole,
    "marked as UTF-8 twice": lambda whole: b"\xef\xbb\xbf" * 2 + whole,
    "UTF-16": lambda whole: whole.decode().encode("utf-16"),
    "UTF-16 without a mark": lambda whole: whole.decode().encode("utf-16-be"),
    "UTF-32": lambda whole: whole.decode().encode("utf-32"),
    "Latin-1": lambda whole: whole.decode().encode("latin-1", "replace"),
    "GB18030": lambda whole: whole.decode().encode("gb18030"),
    "a byte that is no UTF-8": at(NEEDLE, b"\xff"),
    "half a surrogate pair as bytes": at(NEEDLE, b"\xed\xa0\x80"),
    "half a surrogate pair as an escape": at(NEEDLE, rb"\ud800"),
    "a null byte": at(NEEDLE, b"\0"),
    "null bytes at the end": lambda whole: whole + bytes(1000),
    "nothing but null bytes": lambda whole: bytes(5000),
    "nothing but noise": lambda whole: random.Random(0).randbytes(20_000),
    "lines that end in CR LF": lambda whole: whole.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n"),
    "lines that end in CR": lambda whole: whole.replace(b"\r\n", b"\n").replace(b"\n", b"\r"),
    "lines that end in all ways": lambda whole: whole.replace(b"\n", b"\r\n", 7).replace(b"\r\n", b"\r", 3),
    "lines out of order": shuffled_lines,
    "twice": lambda whole: whole + whole,
    "nested 10,000 deep": at(NEEDLE, b'", "x": ' + DEEP),
    "nothing but brackets": lambda whole: DEEP * 100,
    "objects in objects": lambda whole: b'{"messages":' * 10_000,
    "a quote that never ends": at(NEEDLE, b'",\n"'),
    "a number of 5,000 digits": lambda whole: whole.replace(str(START).encode(), b"9" * 5000),
    "a leap second": lambda whole: whole.replace(b":00", b":60", 2),
    "a day that isn't one": lambda whole: whole.replace(b"14", b"31").replace(b"07", b"02").replace(b"Jul", b"Feb"),
    "times in milliseconds": lambda whole: whole.replace(b"1499", b"1499000"),
    "times in another zone": lambda whole: whole.replace(b"+00:00", b"+25:00").replace(b"Z", b"+99:99"),
    "the year 0": lambda whole: whole.replace(b"2017", b"0000"),
    "no times": lambda whole: whole.replace(b"time", b"tame").replace(b":", b";"),
    "a sender that is a list": lambda whole: whole.replace(b'"ann"', b"[]"),
    "a sender that is null": lambda whole: whole.replace(b'"ann"', b"null"),
    "no texts": lambda whole: whole.replace(b'"text"', b'"taxt"').replace(b'"content"', b'"cantent"'),
    "numbers for texts": lambda whole: whole.replace(b'"text": "', b'"text": 5, "x": "'),
    "a picture": lambda whole: b"\x89PNG\r\n\x1a\n" + random.Random(1).randbytes(3000),
    "a web page": lambda whole: b"<!doctype html>\n<title>Log in</title>\n",
}


def large(folder: Path, format: str) -> Path:
    """A line of 100 MB, or a text of that size in a document."""

    def pieces() -> Iterator[bytes]:
        before, after = b"".join(piece.encode() for piece in FORMATS[format][2](CHAT)).split(NEEDLE)
        yield before
        for _ in range(100):
            yield b"x" * 1_000_000
        yield after

    return write(folder, format, pieces())


def repeated(folder: Path, format: str) -> Path:
    return export(folder, format, [*CHAT[:20], *CHAT[:20]])


def backwards(folder: Path, format: str) -> Path:
    return export(folder, format, CHAT[::-1])


def zips(folder: Path) -> Iterator[tuple[str, Path]]:
    """Slack exports that attack whoever unpacks them, or are damaged."""
    path, day = folder / "export.zip", "general/2017-07-14.json"
    content = "".join(FORMATS["slack"][2](CHAT)).encode()

    def packed(*entries: tuple[str | zipfile.ZipInfo, bytes], how: int = zipfile.ZIP_DEFLATED) -> bytes:
        with zipfile.ZipFile(path, "w", how) as archive:
            for name, data in entries:
                archive.writestr(name, data)
        return path.read_bytes()

    for name in (f"../../{day}", f"/etc/{day}", f"..\\{day}", f"general/../../../{day}", f"\\\\host\\{day}"):
        packed((day, content), (name, content))
        yield f"entry {name}", path
    link = zipfile.ZipInfo("general/2017-07-15.json")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    packed((day, content), (link, b"/etc/passwd"))
    yield "an entry that is a link", path
    packed((day, content), (day, content))
    yield "two entries of one name", path
    packed((day, b" " * 30_000_000))
    yield "a bomb of blanks", path
    packed((day, b"[" + b'{"type": "message", "user": "U1", "text": "hi", "ts": "1"},' * 500_000 + b"{}]"))
    yield "a bomb of messages", path
    whole = packed((day, content))
    path.write_bytes(packed((day, whole), how=zipfile.ZIP_STORED))
    yield "a zip in a zip", path
    path.write_bytes(packed((day, b" " * 30_000_000)).replace(struct.pack("<L", 30_000_000), struct.pack("<L", 999)))
    yield "a bomb that lies about its size", path
    for place in (0, 6, 8, 14, 18, 22, 26, 40, len(whole) // 2, len(whole) - 90, len(whole) - 60, len(whole) - 20):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0xFF]) + whole[place + 1 :])
        yield f"byte {place} of a zip changed", path
    for size in (4, 30, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:size])
        yield f"a zip cut after {size} bytes", path
    encrypted = bytearray(whole)
    encrypted[6] |= 1
    encrypted[whole.index(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(encrypted)
    yield "an encrypted entry", path
    unknown = bytearray(whole)
    unknown[8] = unknown[whole.index(b"PK\x01\x02") + 10] = 99
    path.write_bytes(unknown)
    yield "an unknown compression", path
    packed(*((f"c{n}/2017-07-14.json", b"[]") for n in range(5000)))
    yield "5,000 entries", path
    packed(("readme.txt", b"hello"))
    yield "a zip of something else", path


def folders(folder: Path) -> Iterator[tuple[str, Path]]:
    """Slack exports as folders with what is no file in them."""
    root = folder / "slack"
    channel = root / "general"
    channel.mkdir(parents=True)
    (channel / "2017-07-14.json").write_text("".join(FORMATS["slack"][2](CHAT)))
    day = channel / "2017-07-15.json"
    for name, target in (("a link to nowhere", "nowhere"), ("a link to itself", day.name), ("endless", "/dev/zero")):
        day.symlink_to(target)
        yield name, root
        day.unlink()
    day.mkdir()
    yield "a folder with a day's name", root
    day.rmdir()
    os.mkfifo(day)
    yield "a pipe with a day's name", root
    day.unlink()
    (root / "loop").symlink_to(root)
    yield "a link to the folder above", root
    (root / "loop").unlink()
    day.write_bytes(b'[1, null, [], {}, "x"]')
    yield "an array of anything", root


def exports(folder: Path) -> Iterator[tuple[str, str, str, Path]]:
    """Format, reader, what is wrong, and the file, which the next one overwrites."""
    for format, (reader, _, writer, _step) in FORMATS.items():
        whole = "".join(writer(CHAT)).encode()
        for name, damage in DAMAGES.items():
            if (damaged := damage(whole)) != whole:
                yield format, reader, name, write(folder, format, [damaged])
        if format != "chitchat":  # a dataset of a known size, which is read whole
            yield format, reader, "a text of 100 MB", large(folder, format)
        yield format, reader, "every message twice", repeated(folder, format)
        yield format, reader, "a clock that runs backwards", backwards(folder, format)
        (folder / FORMATS[format][1]).unlink()
        (folder / FORMATS[format][1]).mkdir()
        yield format, reader, "an empty folder", folder / FORMATS[format][1]
        (folder / FORMATS[format][1]).rmdir()
    for name, path in zips(folder):
        yield "slack", "slack", name, path
    for name, path in folders(folder):
        yield "slack", "slack", name, path


def outcome(reader: str, path: Path) -> dict[str, Any]:
    """Numbers of messages and rejects, or the error that was said, or the exception that escaped."""
    try:
        read = partial(read_export, reader, path)
        messages, rejects, *_ = ingest(read, PUBLIC_KEY, None, 1, 1, 20_000)
    except click.ClickException as error:
        return {"error": error.message}
    except Exception as error:
        return {"escaped": repr(error)}
    return {"messages": int(messages.count().execute()), "rejects": Counter(row["reason"] for row in rows(rejects))}


if __name__ == "__main__":
    os.environ["TQDM_DISABLE"] = "1"
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for format, reader, name, path in exports(Path(sys.argv[1])):
        start = time.monotonic()
        row = {"format": format, "name": name, "path": str(path)} | outcome(reader, path)
        row["seconds"] = time.monotonic() - start
        row["megabytes"] = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024
        print(json.dumps(row), flush=True)
