"""Record what a real server answers to what the openai engine may ask, for tests/fixtures/servers/.

    TEST_KEY=secret python -m tests.server_answers http://127.0.0.1:8080/v1 MODEL FOLDER

A server that was started with a template that opens a thought takes a fourth argument: the JSON fields that make its
model think `THOUGHT`. The answers are then about thoughts.
"""

import json
import os
import sys
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import requests

QUESTION = [{"role": "user", "content": "Which letter comes after A in the alphabet? Answer with one letter."}]
TOO_LONG = [{"role": "user", "content": "word " * 3000}]  # for a context of 2,048 tokens
THOUGHT = "A is the first letter.\n</think>\n\nB"
SHOWN = 600  # characters of a text that a record keeps
PATIENCE = 600  # seconds for an answer
OPTION_SCHEMA = {
    "type": "object",
    "properties": {"option": {"type": "string", "enum": ["A", "B", "C"]}},
    "required": ["option"],
    "additionalProperties": False,
}
JSON_SCHEMA = {"type": "json_schema", "json_schema": {"name": "answer", "schema": OPTION_SCHEMA, "strict": True}}
THINKING_OFF = {"chat_template_kwargs": {"enable_thinking": False}}
Fields = dict[str, Any]

CHATS: dict[str, Fields] = {
    "logprobs_20": {"max_tokens": 1, "logprobs": True, "top_logprobs": 20},
    "logprobs_5": {"max_tokens": 1, "logprobs": True, "top_logprobs": 5},
    "logprobs_21": {"max_tokens": 1, "logprobs": True, "top_logprobs": 21},
    "json_schema": {"max_tokens": 64, "response_format": JSON_SCHEMA},
    "json_schema_cut": {"max_tokens": 1, "response_format": JSON_SCHEMA},
    "json_object": {"max_tokens": 64, "response_format": {"type": "json_object"}},
    "text": {"max_tokens": 64},
    "text_cut": {"max_tokens": 4},
    "temperature_null": {"max_tokens": 4, "temperature": None},
    "max_completion_tokens": {"max_completion_tokens": 4},
    "unknown_field": {"max_tokens": 4, "no_such_field": {"a": 1}},
    "thinking_off": {"max_tokens": 4} | THINKING_OFF,
    "reasoning_effort": {"max_tokens": 4, "reasoning_effort": "low"},
    "unknown_model": {"max_tokens": 4, "model": "no-such-model"},
    "too_long": {"max_tokens": 4, "messages": TOO_LONG},
}
COMPLETIONS: dict[str, Fields] = {
    "completion_logprobs_20": {"max_tokens": 1, "prompt": "The letter after A is", "logprobs": 20},
    "completion_logprobs_5": {"max_tokens": 1, "prompt": "The letter after A is", "logprobs": 5},
}


def thoughts(guide: Fields) -> dict[str, Fields]:
    """Requests about thoughts; `guide` makes the model say THOUGHT."""
    return {
        "thinking": {"max_tokens": 64} | guide,
        "thinking_cut": {"max_tokens": 5} | guide,
        "thinking_logprobs": {"max_tokens": 1, "logprobs": True, "top_logprobs": 5} | guide,
        "thinking_json_schema": {"max_tokens": 64, "response_format": JSON_SCHEMA},
        "thinking_switched_off": {"max_tokens": 4} | THINKING_OFF,
        "thinking_effort_none": {"max_tokens": 4, "reasoning_effort": "none"},
    }


def answers(url: str, model: str, without: Collection[str] = ()) -> dict[str, Fields]:
    """Each kind of request with its answer, but for the kinds in `without`."""
    chats = {kind: fields for kind, fields in CHATS.items() if kind not in without}
    records = chat_answers(url, model, chats)
    for kind, fields in COMPLETIONS.items():
        records[kind] = record("POST", url, "/completions", {"model": model, "temperature": 0} | fields)
    records["wrong_key"] = record("POST", url, "/chat/completions", chat(model) | {"max_tokens": 1}, key="wrong")
    records["models"] = record("GET", url, "/models")
    return records


def chat_answers(url: str, model: str, chats: Mapping[str, Fields]) -> dict[str, Fields]:
    """Requests for chat completions with their answers; `chats` has the fields by which they differ."""
    return {kind: record("POST", url, "/chat/completions", chat(model) | fields) for kind, fields in chats.items()}


def chat(model: str) -> Fields:
    return {"model": model, "messages": QUESTION, "temperature": 0}


def record(method: str, url: str, path: str, body: Fields | None = None, key: str | None = None) -> Fields:
    """A request and its answer. A body that is no JSON is kept as text."""
    headers = {"Authorization": f"Bearer {key or os.environ['TEST_KEY']}"}
    response = requests.request(method, url + path, json=body, headers=headers, timeout=PATIENCE)
    try:
        answer = response.json()
    except ValueError:
        answer = response.text
    headers = {name: response.headers[name] for name in ("Content-Type", "Retry-After") if name in response.headers}
    request = {"method": method, "path": path, "body": body}
    records: Fields = shortened(
        {"request": request, "status": response.status_code, "headers": headers, "body": answer}
    )
    return records


def shortened(value: Any) -> Any:
    """The value with long texts cut."""
    if isinstance(value, dict):
        return {key: shortened(member) for key, member in value.items()}
    if isinstance(value, list):
        return [shortened(member) for member in value]
    if isinstance(value, str) and len(value) > SHOWN:
        return f"{value[:SHOWN]}… ({len(value)} characters)"
    return value


def main(url: str, model: str, folder: str, guide: str | None = None) -> None:
    Path(folder).mkdir(parents=True, exist_ok=True)
    records = chat_answers(url, model, thoughts(json.loads(guide))) if guide else answers(url, model)
    for kind, answer in records.items():
        text = json.dumps(answer, ensure_ascii=False, indent=1) + "\n"
        Path(folder, f"{kind}.json").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
