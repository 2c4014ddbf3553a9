"""Studies of the method itself. Each is a command and not a stage: `dvc repro` doesn't run it, since it takes many
trainings. Its results are committed under metrics/.
"""

import hashlib
from importlib.metadata import version
from pathlib import Path

from stages.llm.training import FORMAT
from stages.pipeline.params import Params

LIBRARIES = ("torch", "transformers", "peft", "trl")


def training_fingerprint(base: Path, labels: Path, p: Params) -> str:
    """A hash of all that decides a training's result: base, labels, params, the code's number and libraries."""
    from stages.llm.weights import fingerprint

    inputs = [fingerprint(base), fingerprint(labels), p.model_dump_json(), str(FORMAT), *map(version, LIBRARIES)]
    return hashlib.sha256("\n".join(inputs).encode()).hexdigest()
