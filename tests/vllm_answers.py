"""What vLLM answers, in an environment of its own.

    python -m tests.vllm_answers BASE ADAPTER QUESTIONS.json ANSWERS.json

QUESTIONS.json holds prompts and options, and may hold settings of the engine; ADAPTER is "-" for none. ANSWERS.json
gets log-probabilities [prompts][options], and the text that each of the first prompts is continued with.
"""

import json
import sys
from pathlib import Path
from typing import Any

from stages.llm.vllm import VLLM

ENGINE_ARGS = {"dtype": "float32", "max_model_len": 2048, "enforce_eager": True}
GENERATED, TOKENS = 8, 12
RANK = 1  # on a CPU vLLM copies an adapter's weights for every token: with rank 16 it takes minutes


def main(base: str, adapter: str, questions_file: str, answers_file: str) -> None:
    questions = json.loads(Path(questions_file).read_text(encoding="utf-8"))
    settings = {"lora_rank": RANK, "engine_args": ENGINE_ARGS} | questions.get("settings", {})
    engine = VLLM(Path(base), None if adapter == "-" else Path(adapter), **settings)
    logprobs: dict[int, Any] = {}
    engine.choose(questions["prompts"], questions["options"], {}, logprobs.update, "vllm")
    texts: dict[int, Any] = {}
    engine.generate(questions["prompts"][:GENERATED], TOKENS, {}, texts.update, "vllm")
    results = {"logprobs": [logprobs[i] for i in sorted(logprobs)], "texts": [texts[i] for i in sorted(texts)]}
    Path(answers_file).write_text(json.dumps(results), encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
