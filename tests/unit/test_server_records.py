"""What the engine makes of answers of real servers. tests/fixtures/servers/ has an answer of each kind, and README.md
there says how it was recorded or which documentation it follows.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import click
import pytest
from aiohttp import web

from stages.llm import Prompt, answer_cache
from stages.llm.no_answers import NoAnswer
from stages.llm.openai import OpenAI
from stages.pipeline.params import Endpoint
from tests.conftest import ROOT
from tests.server import Server, endpoint, serving

RECORDS = ROOT / "tests" / "fixtures" / "servers"
OPTIONS = ["A", "B", "C"]
TEXT = "The letter after A is"


class Outcome(NamedTuple):
    """What the engine makes of an answer: `answer`, or an error with `words` in it. `by` is what it asked for."""

    by: str
    answer: Any = None
    words: str = ""


ANY_LETTER = object()  # a log-probability for A at least
ANY_TEXT = object()
CHOSEN_A, CHOSEN_B = [0.0, -100.0, -100.0], [-100.0, 0.0, -100.0]
NO_LOGPROBS = Outcome("logprobs", words="endpoint.choose_by: structured")
NO_SCHEMA = Outcome("structured", words="another endpoint.response_format")
MORE_ROOM = Outcome("text", words="endpoint.thinking_tokens")
REFUSED = Outcome("text", NoAnswer.REFUSED)
KINDS = {
    "logprobs": Outcome("logprobs", [-1.75, pytest.approx(-0.23584, abs=1e-5), -5]),  # B as "B" and as " B"
    "logprobs_5": Outcome("logprobs", ANY_LETTER),
    "logprobs_20": Outcome("logprobs", ANY_LETTER),
    "logprobs_21": Outcome("logprobs", ANY_LETTER),
    "completion_logprobs_5": Outcome("completion", NoAnswer.UNREADABLE),  # no letter among five words
    "completion_logprobs_20": Outcome("completion", ANY_LETTER),
    "logprobs_ignored": NO_LOGPROBS,
    "unsupported_logprobs": NO_LOGPROBS,
    "logprobs_sentinel": Outcome("logprobs", [-1.75, -0.25, None]),
    "too_many_logprobs": Outcome("logprobs", words="endpoint.top_logprobs"),
    "thinking_logprobs": Outcome("logprobs", words="the model begins with a thought"),
    "json_schema": Outcome("structured", CHOSEN_B),
    "json_schema_cut": NO_SCHEMA,
    "json_object": NO_SCHEMA,  # the recorded ones have no option, since their requests name none
    "json_object_blank": NO_SCHEMA,
    "json_object_without_the_word": NO_SCHEMA,
    "json_schema_failed": Outcome("structured", CHOSEN_B),  # the text is an option, though no JSON
    "unsupported_json_schema": NO_SCHEMA,
    "unsupported_json_object": NO_SCHEMA,
    "text": Outcome("text", ANY_TEXT),
    "text_cut": Outcome("text", ANY_TEXT),
    "max_completion_tokens": Outcome("text", ANY_TEXT),
    "usage_total_only": Outcome("text", "B"),
    "unsupported_max_tokens": Outcome("text", words="endpoint.token_limit"),
    "unsupported_temperature": Outcome("text", words="endpoint.temperature: null"),
    "unsupported_temperature_without_thought": Outcome("text", words="endpoint.temperature: null"),
    "thinking": Outcome("text", "B"),
    "thinking_in_text": Outcome("text", "B"),
    "thinking_split": Outcome("text", "B"),
    "thinking_cut": MORE_ROOM,
    "thought_took_all": MORE_ROOM,
    "thinking_json_schema": Outcome("structured", words="endpoint.thinking_tokens"),
    "thinking_switched_off": Outcome("text", ANY_TEXT),
    "thinking_effort_none": Outcome("text", ANY_TEXT),
    "thinking_needs_a_stream": Outcome("text", words="endpoint.extra_body"),
    "refused_prompt": REFUSED,
    "refused_prompt_2026": REFUSED,
    "refused_answer": REFUSED,
    "filtered_answer": REFUSED,
    "filtered_answer_without_content": REFUSED,
    "wrong_key": Outcome("text", words="key"),
    "unknown_model": Outcome("text", words="no-such-model"),
    "unknown_field": Outcome("text", words="field"),
    "unknown_path_in_200": Outcome("text", words="Unexpected endpoint"),
    "invalid_parameter": Outcome("text", words="invalid params"),
    "too_long": Outcome("text", words="endpoint.context"),
    "context_full": Outcome("text", "The letter"),
    "error_in_200": Outcome("text", words="ServerError"),
    "error_in_choice": Outcome("text", words="the connection broke off"),
    "rate_limit_in_200": Outcome("text", words="Provider returned error"),
    "network_error": Outcome("text", words="network_error"),
    "out_of_resources": Outcome("text", words="insufficient_system_resource"),
    "blank_with_no_usage": Outcome("text", words="the server sends no text"),
    "rate_limit": Outcome("text", words="limit"),
    "overloaded": Outcome("text", words="overloaded"),
    "over_capacity": Outcome("text", words="capacity"),
    "upstream_dead": Outcome("text", words="Connection error"),
    "no_quota": Outcome("text", words="quota"),
    "no_balance": Outcome("text", words="Insufficient Balance"),
    "no_credits": Outcome("text", words="Insufficient credits"),
    "no_provider": Outcome("text", words="No endpoints found"),
}
DIFFERENT = {
    # SmolLM2 names A when it is held to a schema.
    **{f"{server}/json_schema": Outcome("structured", CHOSEN_A) for server in ("llama_cpp", "litellm", "vllm")},
    "llama_cpp_python/json_schema": NO_SCHEMA,
    "zhipu/json_object": Outcome("structured", CHOSEN_B),
    "vllm/logprobs_21": Outcome("logprobs", words="endpoint.top_logprobs"),
    # Its parser of thoughts takes an answer without one for a thought.
    **{f"vllm/{kind}": MORE_ROOM for kind in ("thinking_switched_off", "thinking_effort_none")},
    "vllm/thinking_json_schema": NO_SCHEMA,
    # What a server takes or leaves out without a word.
    **{f"transformers_serve/logprobs_{n}": NO_LOGPROBS for n in (5, 20, 21)},
    **{
        f"transformers_serve/completion_logprobs_{n}": Outcome("completion", words="choose_by: structured")
        for n in (5, 20)
    },
    "transformers_serve/json_schema": NO_SCHEMA,
    "transformers_serve/too_long": Outcome("text", ANY_TEXT),
    "transformers_serve/wrong_key": Outcome("text", ANY_TEXT),
    **{f"{server}/unknown_model": Outcome("text", ANY_TEXT) for server in ("llama_cpp", "llama_cpp_python")},
    **{
        f"{server}/unknown_field": Outcome("text", ANY_TEXT)
        for server in ("llama_cpp", "llama_cpp_python", "litellm", "vllm")
    },
    "litellm/wrong_key": Outcome("text", words="No connected db"),  # without a database it looks no key up
    "vllm/wrong_key": Outcome("text", words="Unauthorized"),
    "llama_cpp/wrong_key": Outcome("text", words="API Key"),
    "moonshot/rate_limit": Outcome("text", words="reached max request"),
    "moonshot/wrong_key": Outcome("text", words="Invalid Authentication"),
    "moonshot/too_long": Outcome("text", words="token limit"),
    "zhipu/rate_limit": Outcome("text", words="速率限制"),
    "gemini/unknown_field": Outcome("text", words="repetition_penalty"),
    "gemini/rate_limit": Outcome("text", words="quota"),
}
NOT_REPLAYED = {"models", "temperature_null", "reasoning_effort", "thinking_off"}  # answers like others, or no answers
FILES = {
    f"{path.parent.name}/{path.stem}": path
    for path in sorted(RECORDS.glob("*/*.json"))
    if path.stem not in NOT_REPLAYED
}


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with serving(Server(delay=0)) as running_server:
        yield running_server


@pytest.fixture(autouse=True)
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LABELS_CACHE", str(tmp_path))
    monkeypatch.setenv("TEST_KEY", "secret")
    monkeypatch.setattr("stages.llm.openai_client.RETRIES", 1)


@pytest.mark.parametrize("name", FILES)
def test_what_the_engine_makes_of_an_answer(server: Server, name: str) -> None:
    record = json.loads(FILES[name].read_text(encoding="utf-8"))
    headers = {key: value for key, value in record["headers"].items() if key != "Content-Type"}
    server.reply = lambda body: web.json_response(record["body"], status=record["status"], headers=headers)
    outcome = DIFFERENT.get(name) or KINDS[FILES[name].stem]
    if outcome.words:
        with pytest.raises(click.ClickException, match=f"(?s).*{outcome.words}") as raised:
            answer(server.url, outcome.by)
        assert "\n" not in raised.value.message
    else:
        said = answer(server.url, outcome.by)
        if outcome.answer is ANY_LETTER:
            assert said[0] < 0
        elif outcome.answer is ANY_TEXT:
            assert isinstance(said, str) and not isinstance(said, NoAnswer) and said
        else:
            assert (said.strip() if type(said) is str else said) == outcome.answer


def answer(url: str, by: str) -> Any:
    """The engine's answer to one prompt."""
    choose_by = "structured" if by == "structured" else "logprobs"
    engine = OpenAI(Endpoint(**endpoint(url, choose_by=choose_by)))
    prompt: Prompt = TEXT if by == "completion" else [{"role": "user", "content": TEXT}]
    if by == "text":
        return answer_cache.generate(engine, [prompt], 4, "test")[0]
    return answer_cache.choose(engine, [prompt], OPTIONS, "test")[0]
