"""What vLLM answers, in an environment of its own: prompts and options in, log-probabilities out.

python -m tests.vllm_answers MODEL PROMPTS.json ANSWERS.json [ADAPTER]
"""

import json
import sys
from pathlib import Path
from typing import Any

from stages.llm.vllm import VLLM


def main(model: str, prompts: str, answers: str, adapter: str | None = None) -> None:
    asked = json.loads(Path(prompts).read_text())
    engine_args = {"dtype": "float32", "max_model_len": 2048, "enforce_eager": True}
    engine = VLLM(model, None, Path(adapter) if adapter else None, 16, engine_args, {"model": model})
    found: dict[int, Any] = {}
    engine.choose(asked["prompts"], asked["options"], {}, found.update, "vllm")
    Path(answers).write_text(json.dumps([found[i] for i in range(len(asked["prompts"]))]))


if __name__ == "__main__":
    main(*sys.argv[1:])
