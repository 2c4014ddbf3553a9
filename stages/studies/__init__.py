"""Questions about the method itself. Each is a command that calls the stages and is no stage: `dvc repro` doesn't run
it, since it takes many trainings; what it finds is committed under metrics/.
"""

import hashlib
from importlib.metadata import version
from pathlib import Path

from stages.params import Params

LIBRARIES = ("torch", "transformers", "peft", "trl")


def training(base: Path, labels: Path, p: Params) -> str:
    """A hash of what decides what trainings come to: base, labels, params, code and libraries."""
    from stages.llm.weights import fingerprint

    stages = Path(__file__).parent.parent
    code = [fingerprint(stages / file) for file in ("train.py", "llm/trainer.py", "llm/loss.py")]
    decides = [fingerprint(base), fingerprint(labels), p.model_dump_json(), *code, *map(version, LIBRARIES)]
    return hashlib.sha256("\n".join(decides).encode()).hexdigest()
