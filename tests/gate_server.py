"""The gate's server as a process of its own, a small project whose adapter it can load, and the page about it."""

import itertools
import json
import math
import os
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from stages.gating.gate import Gate, Turn
from tests.conftest import ROOT, copy_settings

PATIENCE = 300  # seconds until the server takes requests, and until it has ended
SMALL = "smollm2_135m_10"


class Server(NamedTuple):
    url: str
    process: subprocess.Popen[str]
    log: Path  # what it says on stderr


def write_project(folder: Path, base: Path, name: str) -> Path:
    """A folder in which a model `name` has been tuned, the embedded one's first ten layers with an adapter of random
    weights; returns the adapter's folder.
    """
    import torch
    from peft import LoraConfig, get_peft_model

    from stages.llm.weights import load

    torch.manual_seed(0)
    config = LoraConfig(r=1, target_modules=["q_proj", "v_proj"], init_lora_weights=False)
    adapter = folder / "data" / "adapters" / name
    get_peft_model(load(base / SMALL, torch.float32)[0], config).save_pretrained(str(adapter))
    (folder / "data" / "base").mkdir()
    (folder / "data" / "base" / name).symlink_to(base / SMALL, target_is_directory=True)
    write_threshold(folder, name, {"log_odds": 0.0, "temperature": 1.0})
    copy_settings(folder)
    return adapter


def write_threshold(project: Path, name: str, threshold: Mapping[str, float], question: str = "needs_context") -> None:
    """data/gate.json of a project with a threshold, as the stage gate writes it."""
    thresholds = {"question": question, "thresholds": {name: threshold}}
    (project / "data" / "gate.json").write_text(json.dumps(thresholds))


def divide(adapter: Path, chats: Sequence[tuple[list[Turn], str, str | None]]) -> list[bool]:
    """Set a project's threshold so that it divides questions, each a history, a message and its speaker, and say which
    of them then need their history.
    """
    gate = Gate.load(adapter)
    probabilities = [decision.probability for decision in itertools.starmap(gate, chats)]
    assert all(probabilities) and len(set(probabilities)) == len(probabilities)
    log_odds = [math.log(probability / (1 - probability)) for probability in probabilities if probability]
    middle = sum(sorted(log_odds)[len(log_odds) // 2 - 1 :][:2]) / 2
    write_threshold(adapter.parents[2], adapter.name, {"log_odds": middle, "temperature": 1.0})
    return [value >= middle for value in log_odds]


def code(heading: str) -> str:
    """The Python under a heading of docs/assistant.md."""
    text = (ROOT / "docs" / "assistant.md").read_text(encoding="utf-8")
    [section] = re.findall(rf"^## {heading}\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)
    [block] = re.findall(r"^```python\n(.*?)^```", section, re.MULTILINE | re.DOTALL)
    return block


@contextmanager
def serving(adapter: Path, variables: Mapping[str, str] = {}) -> Iterator[Server]:
    """`python -m stages.tools.serve` on a free port of this machine, until the block ends or the server does."""
    command = [sys.executable, "-m", "stages.tools.serve", str(adapter), "--port", "0"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), **variables}
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "stderr"
        with log.open("w") as file:
            process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=file, text=True)
        try:
            assert process.stdout
            line = process.stdout.readline()
            address = re.match(r"http://[\d.]+:\d+", line)
            assert address, line + log.read_text()
            yield Server(address[0], process, log)
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGINT)
            process.communicate(timeout=PATIENCE)
