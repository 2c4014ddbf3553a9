"""Hand-made rows, and the real embedded model, fetched once for all tests that need it."""

import json
import os
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import ibis
import numpy as np
import pytest
from click.testing import CliRunner, Result
from hypothesis import settings
from ruamel.yaml import YAML

from stages import chat
from stages.chat.ingestion import ingest
from stages.chat.keys import PUBLIC_KEY
from stages.judging.hidden_states import HiddenStates, write_states
from stages.pipeline.definition import load_definition
from stages.pipeline.schemas import Inquiry, Message
from stages.pipeline.tables import from_rows
from stages.pipeline.tables import rows as to_rows

settings.register_profile("untimed", deadline=None)  # a busy machine is no fault of the code
settings.load_profile("untimed")

ROOT = Path(__file__).parent.parent
RULES_ALONE: dict[str, Any] = {  # a filter that asks no model
    "score.scorers": [{"name": "is_question", "kind": "rules"}],
    "filter.throttles": {"is_question": 5},
}
QUESTION = load_definition(ROOT, "needs_context")
SAMPLE = "data/raw/chitchat.json"
ONLY_THE_SAMPLE = pytest.mark.skipif(
    YAML(typ="safe", pure=True).load((ROOT / "params.yaml").read_text(encoding="utf-8"))["ingest"]["path"] != SAMPLE
    or not (ROOT / "metrics" / "tables.json").exists(),
    reason="needs the results of the sample: ingest.path is another chat, or metrics/ has no tables",
)
Row = dict[str, Any]


ROOMS = {"model": "model", "pipeline": "dvc", "external": "external", "gpu": "gpu"}  # markers of the tests in a folder


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark tests by their folder, and those that use the embedded model wherever they are."""
    for item in items:
        room = item.path.relative_to(ROOT / "tests").parts[0]
        if room in ROOMS:
            item.add_marker(ROOMS[room])
        if "base" in getattr(item, "fixturenames", ()) and room != "gpu":
            item.add_marker("model")


def sender(name: str) -> str:
    """A sender as ingest makes them: 16 hexadecimal digits."""
    return name.encode().hex().ljust(16, "0")[:16]


def messages(*utterances: tuple[str, int, str], group: str = "g", first_id: int = 1) -> list[Row]:
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
        for i, (who, at, text) in enumerate(utterances)
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


def write_random_states(items: Path, states: Path) -> None:
    """Hidden states of no model for each item, at two layers, for tests of what reads them."""
    ids = [json.loads(line)["id"] for line in items.read_text("utf-8").splitlines()]
    values = np.random.default_rng(0).normal(size=(2, 3, len(ids), 8)).astype(np.float32)
    write_states(states, HiddenStates(np.array(ids), np.array([1, 2]), values))


def ingested(
    entries: Iterable[chat.Message | chat.Reject],
    key: bytes = PUBLIC_KEY,
    limit: int | None = None,
    min_senders: int = 1,
    min_messages: int = 1,
) -> tuple[list[Row], list[Row], Counter[str]]:
    """What ingest makes of a reader's entries: messages in order, rejects by place, and its counts."""
    message_table, reject_table, counts, _ = ingest(
        lambda: entries, key, limit, min_senders, min_messages, max_chars=20_000
    )
    return to_rows(message_table.order_by("group", "position")), to_rows(reject_table.order_by("at")), counts


def copy_settings(folder: Path) -> None:
    """The repository's params.yaml and questions/ into a project folder."""
    shutil.copy(ROOT / "params.yaml", folder)
    shutil.copytree(ROOT / "questions", folder / "questions", dirs_exist_ok=True)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty project folder with the repository's settings, as the working directory."""
    copy_settings(tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def change_params(folder: Path, values: dict[str, Any]) -> None:
    """Change values of a folder's params.yaml, named by their keys with dots between. A test that sets `epochs` has so
    many and no more.
    """
    yaml = YAML()
    values = {"min_steps": 0} | values if "epochs" in values else values
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
    outputs = [folder / name for name in ("base", "models.json", "scorers.json")]
    subprocess.run(
        [sys.executable, "-m", "stages.fetch_models", *outputs],
        cwd=ROOT,
        check=True,
        env=os.environ | {"TQDM_DISABLE": "1"},
    )
    return folder / "base"
