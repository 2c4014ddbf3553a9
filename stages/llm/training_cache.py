"""Trainings in the cache directory, where those that have ended outlive a run that is killed."""

import hashlib
import shutil
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

from stages.llm.training import FORMAT
from stages.llm.weights import fingerprint
from stages.pipeline.params import Params

LIBRARIES = ("torch", "transformers", "peft", "trl")


def training_fingerprint(name: str, base: Path, p: Params, *labels: Path) -> str:
    """A hash of all that decides a training's result but its seed: the model, files or folders of labels, params, the
    code's number and libraries.
    """
    settings = p.model_dump_json(exclude={"seeds"})
    inputs = [name, fingerprint(base), *map(fingerprint, labels), settings, str(FORMAT), *map(version, LIBRARIES)]
    return hashlib.sha256("\n".join(inputs).encode()).hexdigest()


def train_once(work: Path, train: Callable[[Path, Path], None]) -> None:
    """Have a training write its adapter to `work`/adapter and its curve to `work`/curve, unless it has done so."""
    if (work / "done").exists():
        return
    shutil.rmtree(work / "adapter", ignore_errors=True)
    work.mkdir(parents=True, exist_ok=True)
    train(work / "adapter", work / "curve")
    (work / "done").touch()
