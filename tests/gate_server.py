"""The gate's server as a process of its own, and a small project whose adapter it can load."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from tests.conftest import ROOT

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
    (folder / "data" / "gate.json").write_text(json.dumps({name: {"log_odds": 0.0, "temperature": 1.0}}))
    shutil.copy(ROOT / "params.yaml", folder)
    return adapter


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
