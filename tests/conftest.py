"""Hand-made rows, and the real embedded model, fetched once for all tests that need it."""

import os
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import ibis
import pytest
from click.testing import CliRunner, Result
from ruamel.yaml import YAML

from stages import chat
from stages.chat.keys import PUBLIC_KEY
from stages.ingest import ingest
from stages.schemas import Inquiry, Message
from stages.tables import from_rows
from stages.tables import rows as to_rows

ROOT = Path(__file__).parent.parent
SHARED = ROOT.parent / "shared" / "data"
Row = dict[str, Any]


def sender(name: str) -> str:
    """A sender as ingest makes them: 16 hexadecimal digits."""
    return name.encode().hex().ljust(16, "0")[:16]


def messages(*said: tuple[str, int, str], group: str = "g", first_id: int = 1) -> list[Row]:
    """Rows of (sender, seconds, text) in the order of the log."""
    return [
        {
            "id": first_id + i,
            "group": group,
            "position": i,
            "sender": sender(who),
            "text": text,
            "timestamp": 1_700_000_000 + at,
        }
        for i, (who, at, text) in enumerate(said)
    ]


def table(rows: list[Row]) -> ibis.Table:
    return from_rows(rows, Message)


def inquiry(id: int, text: str = "And it?", group: str = "g", at: int = 0, window: int = 2, **more: Any) -> Row:
    """An inquiry with `window` turns before it, 100 s apart."""
    before = [
        {"sender": sender("ab"[i % 2]), "text": f"turn {i}", "timestamp": 1_700_000_000 + at - 100 * (window - i)}
        for i in range(window)
    ]
    return {
        "id": id,
        "group": group,
        "position": at // 100,
        "sender": sender("b"),
        "text": text,
        "timestamp": 1_700_000_000 + at,
        "messages": 1,
        "is_question": True,
        "cr_window": before,
    } | more


def inquiries(rows: list[Row]) -> ibis.Table:
    return from_rows(rows, Inquiry)


def ingested(
    said: Iterable[chat.Message | chat.Broken], key: bytes = PUBLIC_KEY, limit: int | None = None, min_senders: int = 1
) -> tuple[list[Row], list[Row], Counter[str]]:
    """What ingest makes of a reader's entries: messages in order, rejects by place, and its counts."""
    kept, left, counts = ingest(lambda: said, key, limit, min_senders, max_chars=20_000)
    return to_rows(kept.order_by("group", "position")), to_rows(left.order_by("at")), counts


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty project folder with the repository's params.yaml, as the working directory."""
    shutil.copy(ROOT / "params.yaml", tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def change_params(folder: Path, values: dict[str, Any]) -> None:
    """Change values of a folder's params.yaml, named by their keys with dots between."""
    yaml = YAML()
    everything = yaml.load((folder / "params.yaml").read_text())
    for key, value in values.items():
        *sections, last = key.split(".")
        place = everything
        for section in sections:
            place = place[section]
        place[last] = value
    with (folder / "params.yaml").open("w") as file:
        yaml.dump(everything, file)


@pytest.fixture
def set_params(project: Path) -> Callable[..., None]:
    """Change values of the project's params.yaml: `set_params(**{"ingest.format": "paper"})`."""
    return lambda **values: change_params(project, values)


def run(main: Any, *arguments: str | Path) -> Result:
    """Call a stage's command as a user would."""
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


@pytest.fixture(scope="session")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """data/base of the embedded ladder: the project's own if it is there, otherwise fetched."""
    if (ROOT / "data" / "base" / "smollm2_135m" / "model.safetensors").exists():
        return ROOT / "data" / "base"
    folder = tmp_path_factory.mktemp("base")
    subprocess.run(
        [sys.executable, "-m", "stages.fetch", folder / "chitchat.json", folder / "base"],
        cwd=ROOT,
        check=True,
        env=os.environ | {"TQDM_DISABLE": "1"},
    )
    return folder / "base"
