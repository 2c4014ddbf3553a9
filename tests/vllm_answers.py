"""What vLLM answers, in an environment of its own.

    python -m tests.vllm_answers BASE ADAPTER QUESTIONS.json ANSWERS.json

QUESTIONS.json holds prompts and options, ADAPTER is "-" for none. ANSWERS.json gets log-probabilities
[prompts][options], and the text that each of the first prompts is continued with.
"""

import json
import sys
from pathlib import Path
from typing import Any

from stages.llm.vllm import VLLM

ENGINE_ARGS = {"dtype": "float32", "max_model_len": 2048, "enforce_eager": True}
GENERATED, TOKENS = 8, 12
RANK = 1  # on a CPU vLLM copies an adapter's weights for every token: with rank 16 it takes minutes


def main(base: str, adapter: str, questions: str, answers: str) -> None:
    asked = json.loads(Path(questions).read_text(encoding="utf-8"))
    engine = VLLM(Path(base), None if adapter == "-" else Path(adapter), RANK, ENGINE_ARGS)
    chosen: dict[int, Any] = {}
    engine.choose(asked["prompts"], asked["options"], {}, chosen.update, "vllm")
    said: dict[int, Any] = {}
    engine.generate(asked["prompts"][:GENERATED], TOKENS, {}, said.update, "vllm")
    found = {"chosen": [chosen[i] for i in sorted(chosen)], "said": [said[i] for i in sorted(said)]}
    Path(answers).write_text(json.dumps(found), encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
