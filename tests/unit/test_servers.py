"""What servers really send, by kind: good answers in odd shapes, refusals, errors, thoughts, and requests that a
server doesn't take.
"""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click
import pytest
from aiohttp import web

from stages.filter import main as filter_turns
from stages.llm import answer_cache
from stages.llm.no_answers import NoAnswer
from stages.llm.openai import OpenAI
from stages.pipeline.params import Endpoint
from stages.pipeline.schemas import Turn
from stages.pipeline.tables import from_rows, write
from stages.score import main as score
from tests.conftest import messages, run
from tests.server import PROBE, Server, endpoint, serving

OPTIONS = ["A", "B", "C"]
REFUSED, CUT_OFF, UNREADABLE = NoAnswer.REFUSED, NoAnswer.CUT_OFF, NoAnswer.UNREADABLE
Body = dict[str, Any]


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("LABELS_CACHE", str(tmp_path))
    monkeypatch.setenv("TEST_KEY", "secret")
    monkeypatch.setattr("stages.llm.openai_client.RETRIES", 2)
    with serving(Server(delay=0)) as running_server:
        yield running_server


def engine(server: Server, **settings: Any) -> OpenAI:
    return OpenAI(Endpoint(**endpoint(server.url, **settings)))


def chats(count: int) -> list[Any]:
    return [[{"role": "user", "content": f"question {i}"}] for i in range(count)]


def recorded(server: Server, reply: Callable[[Body, int], Any]) -> list[Body]:
    """The bodies of the requests that the server gets from now on; `reply` takes a body and its number, from 1."""
    bodies: list[Body] = []

    def answer(body: Body) -> Any:
        bodies.append(body)
        return reply(body, len(bodies))

    server.reply = answer
    return bodies


def number_of(body: Body) -> int | None:
    """The number of a chat; None for the probe."""
    text = body["messages"][-1]["content"]
    return None if text.startswith(PROBE) else int(text.split()[1])


def completion(choice: Body | None = None, **fields: Any) -> Body:
    """A completion as OpenAI documents it, whose parts the arguments replace."""
    message = {"role": "assistant", "content": "B", "refusal": None}
    logprob = {"token": "B", "logprob": -0.25, "bytes": [66], "top_logprobs": tokens(B=-0.25, A=-2, C=-5)}
    full = {"index": 0, "finish_reason": "stop", "message": message, "logprobs": {"content": [logprob]}}
    usage = {"prompt_tokens": 9, "completion_tokens": 1, "total_tokens": 10}
    body = {"id": "1", "object": "chat.completion", "created": 1, "model": "m", "usage": usage}
    return body | {"choices": [full | (choice or {})]} | fields


def tokens(**logprob_by_token: float) -> list[Body]:
    return [{"token": token, "logprob": logprob, "bytes": None} for token, logprob in logprob_by_token.items()]


def with_tokens(logprob_by_token: dict[str, float]) -> Body:
    top = tokens(**logprob_by_token)
    return completion({"logprobs": {"content": [top[0] | {"top_logprobs": top}]}})


def text(content: Any, finish: Any = "stop", **message: Any) -> Body:
    return completion({"finish_reason": finish, "message": {"role": "assistant", "content": content} | message})


def error(status: int, **fields: Any) -> web.Response:
    return web.json_response({"error": fields}, status=status)


def without(body: Body, *keys: str) -> Body:
    return {key: value for key, value in body.items() if key not in keys}


GOOD_SHAPES = {
    "OpenAI": completion(),
    "usage null": completion(usage=None),
    "usage absent": without(completion(), "usage"),
    "usage with strings": completion(usage={"total_tokens": "10"}),
    "usage below 0": completion(usage={"total_tokens": -5}),
    "no id, object, created": without(completion(), "id", "object", "created", "model"),
    "error null": completion(error=None),
    "llama.cpp: timings": completion(timings={"prompt_n": 9}, system_fingerprint="b1", __verbose={}),
    "OpenRouter: provider": completion({"native_finish_reason": "STOP"}, provider="X", created="2026"),
    "MiniMax: base_resp": completion(base_resp={"status_code": 0, "status_msg": ""}),
    "finish eos": completion({"finish_reason": "eos"}),
    "finish null": completion({"finish_reason": None}),
    "finish absent": completion({"finish_reason": "end_turn", "stop_reason": 5}),
    "no role": completion({"message": {"content": "B"}}),
    "index as text": completion({"index": "0"}),
    "content in parts": text([{"type": "text", "text": "B"}]),
}


@pytest.mark.parametrize("shape", GOOD_SHAPES.values(), ids=GOOD_SHAPES)
def test_a_good_answer_is_taken_whatever_stands_beside_it(server: Server, shape: Body) -> None:
    server.reply = lambda body: shape
    if "logprobs" in shape["choices"][0]:
        assert answer_cache.choose(engine(server), chats(2), OPTIONS, "test") == [[-2, -0.25, -5]] * 2
    assert answer_cache.generate(engine(server), chats(2), 5, "test") == ["B"] * 2


def test_a_json_answer_of_another_content_type_is_taken(server: Server) -> None:
    server.reply = lambda body: web.Response(text=json.dumps(completion()), content_type="text/plain")
    assert answer_cache.generate(engine(server), chats(1), 5, "test") == ["B"]


LETTERS = {
    "a blank before": ({" B": -0.1, " A": -3.0, " C": -5.0}, [-3.0, -0.1, -5.0]),
    "SentencePiece": ({"▁B": -0.1, "▁A": -3.0, "▁C": -5.0}, [-3.0, -0.1, -5.0]),
    "byte-level BPE": ({"ĠB": -0.1, "ĊA": -3.0, "C": -5.0}, [-3.0, -0.1, -5.0]),
    "a line break before": ({"\nB": -0.1, "A": -3.0, "C": -5.0}, [-3.0, -0.1, -5.0]),
    "one of three": ({"B": -0.1, "The": -3.0}, [None, -0.1, None]),
    "none": ({"The": -0.1, "I": -3.0, "Be": -4.0}, UNREADABLE),
}


@pytest.mark.parametrize(("top", "logprobs"), LETTERS.values(), ids=LETTERS)
def test_letters_among_the_likeliest_tokens(server: Server, top: dict[str, float], logprobs: Any) -> None:
    server.reply = lambda body: with_tokens(top)
    assert answer_cache.choose(engine(server), chats(1), OPTIONS, "test") == [logprobs]


def test_a_letter_in_two_spellings_has_the_probability_of_both(server: Server) -> None:
    from math import exp

    server.reply = lambda body: with_tokens({"B": -1.0, " B": -1.5, "A": -2.0})
    [answer] = answer_cache.choose(engine(server), chats(1), OPTIONS, "test")
    assert not isinstance(answer, NoAnswer)
    assert answer[0] == -2 and answer[2] is None and answer[1] is not None
    assert exp(answer[1]) == pytest.approx(exp(-1.0) + exp(-1.5))


def test_log_probabilities_in_the_form_of_text_completions(server: Server) -> None:
    """As llama-cpp-python's older chats have them, and every server for a text that is to be completed."""
    top = {"logprobs": {"tokens": ["B"], "token_logprobs": [-0.1], "top_logprobs": [{"B": -0.1, " A": -2.0}]}}
    server.reply = lambda body: completion(top | ({"text": "B"} if "prompt" in body else {}))
    assert answer_cache.choose(engine(server), [*chats(1), "It is"], OPTIONS, "test") == [[-2.0, -0.1, None]] * 2
    assert (server.last_request["prompt"], server.last_request["logprobs"]) == ("It is", 20)


STRUCTURED = {
    "plain": '{"option": "B"}',
    "blanks": ' {"option": " B "}\n',
    "a full stop": '{"option": "B."}',
    "a fence": '```json\n{"option": "B"}\n```',
    "a fence without a language": '```\n{\n  "option": "B"\n}\n```',
    "after a thought": '<think>\nCould be A. {"option": "A"}\n</think>\n\n{"option": "B"}',
    "with words around": 'Here is the JSON:\n{"option": "B"}\nI hope this helps.',
    "more keys": '{"reason": "it is open", "option": "B"}',
    "alone": "B",
    "alone, marked up": "**B**.",
    "twice": '{"option": "B"}{"option": "B"}',
}


@pytest.mark.parametrize("content", STRUCTURED.values(), ids=STRUCTURED)
def test_an_option_as_json(server: Server, content: str) -> None:
    server.reply = lambda body: text(content)
    structured = engine(server, choose_by="structured", thinking_tokens=100)
    assert answer_cache.choose(structured, chats(1), OPTIONS, "test") == [[-100, 0, -100]]


@pytest.mark.parametrize(
    "content",
    ['{"option": "D"}', '{"option": "A"} {"option": "B"}', '{"option": ["B"]}', "{}", '{"option": ', "I say B"],
)
def test_no_option_in_a_structured_answer_is_unreadable_and_sent_once(server: Server, content: str) -> None:
    server.reply = lambda body: text('{"option": "C"}' if number_of(body) != 3 else content)
    answers = answer_cache.choose(engine(server, choose_by="structured"), chats(5), OPTIONS, "test")
    assert answers == [[-100, -100, 0]] * 3 + [UNREADABLE] + [[-100, -100, 0]]
    assert server.request_counts["question 3"] == 1


REFUSALS = {
    "Azure": lambda: error(400, code="content_filter", message="The response was filtered", innererror={"code": "X"}),
    "Moonshot": lambda: error(400, type="content_filter", message="The request was rejected: considered high risk"),
    "OpenAI": lambda: error(400, code="invalid_prompt", message="Invalid prompt: flagged as potentially violating"),
    "DeepSeek": lambda: error(400, code="invalid_request_error", message="Content Exists Risk"),
    "DashScope": lambda: error(400, code="data_inspection_failed", message="Input data may contain inappropriate"),
    "Zhipu": lambda: error(400, code="1301", message="系统检测到输入或生成内容可能包含不安全或敏感内容"),
    "Volcengine": lambda: error(400, code="SensitiveContentDetected", message="The request failed"),
    "OpenRouter": lambda: error(
        403, code=403, message="Your chosen model requires moderation and your input was flagged for x"
    ),
    "451": lambda: error(451, message="content_filter"),
    "MiniMax in a 200": lambda: {"choices": None, "base_resp": {"status_code": 1026, "status_msg": "new_sensitive"}},
    "in a 200": lambda: {"error": {"code": "content_filter", "message": "blocked"}},
    "finish content_filter": lambda: text("", "content_filter"),
    "finish content_filter, half a text": lambda: text("B because", "content_filter"),
    "finish sensitive": lambda: text("B", "sensitive"),
    "finish of Gemini": lambda: completion({"finish_reason": "content_filter: PROHIBITED_CONTENT", "message": None}),
    "a refusal field": lambda: text(None, "stop", refusal="I can't help with that."),
}


@pytest.mark.parametrize("refusal", REFUSALS.values(), ids=REFUSALS)
@pytest.mark.parametrize("ask", ["choose", "structured", "generate"])
def test_a_refused_prompt_does_not_stop_the_rest_and_is_not_sent_again(
    server: Server, refusal: Callable[[], Any], ask: str
) -> None:
    good = {"choose": completion(), "structured": text('{"option": "B"}'), "generate": text("B")}[ask]
    answer = {"choose": [-2, -0.25, -5], "structured": [-100, 0, -100], "generate": "B"}[ask]
    server.reply = lambda body: refusal() if number_of(body) in (1, 4) else good

    def answers() -> list[Any]:
        if ask == "generate":
            return list(answer_cache.generate(engine(server), chats(7), 5, "test"))
        by = "structured" if ask == "structured" else "logprobs"
        return answer_cache.choose(engine(server, choose_by=by), chats(7), OPTIONS, "test")

    expected = [REFUSED if i in (1, 4) else answer for i in range(7)]
    assert answers() == expected
    assert server.request_counts.total() == 7
    assert answers() == expected
    assert server.request_counts.total() == 7


MISTAKES = {
    "a wrong key": (lambda: error(401, message="Incorrect API key provided"), "Incorrect API key"),
    "no such model": (lambda: error(404, message="The model `m` does not exist", code="model_not_found"), "`m` does"),
    "no quota": (lambda: error(429, code="insufficient_quota", message="You exceeded your quota"), "exceeded your"),
    "no money": (lambda: error(402, message="Insufficient Balance"), "Insufficient Balance"),
    "a wrong field": (
        lambda: error(400, message="Unknown parameter: 'foo'.", param="foo"),
        "Unknown parameter: 'foo'",
    ),
    "FastAPI": (lambda: web.json_response({"detail": "Not Found"}, status=404), "Not Found"),
    "no model, in a 200": (lambda: {"error": {"code": 404, "message": "no endpoints found for m"}}, "no endpoints"),
    "Ollama's text": (lambda: web.json_response({"error": "model 'm' not found"}, status=404), "model 'm' not found"),
    "a prompt quoted in an error": (
        lambda: error(400, message="bad request", input="sensitive content"),
        "bad request",
    ),
}


@pytest.mark.parametrize(("mistake", "words"), MISTAKES.values(), ids=MISTAKES)
def test_a_users_mistake_stops_at_the_first_answer_with_the_servers_words(
    server: Server, mistake: Callable[[], Any], words: str
) -> None:
    requests = recorded(server, lambda body, number: mistake())
    with pytest.raises(click.ClickException, match=words):
        answer_cache.generate(engine(server), chats(5), 5, "test")
    assert len(requests) == 1


UNSUPPORTED = {
    "logprobs": (
        {},
        "logprobs",
        lambda body: error(400, message="logprobs is not supported with this model"),
        "endpoint.choose_by: structured",
    ),
    "top_logprobs of vLLM": (
        {},
        "logprobs",
        lambda body: error(400, message="Requested sample logprobs of 20, which is greater than max allowed: 5"),
        "endpoint.top_logprobs: 5",
    ),
    "top_logprobs of OpenAI": (
        {},
        "logprobs",
        lambda body: error(400, message="Invalid value for 'top_logprobs': must be less than or equal to 5."),
        "endpoint.top_logprobs: 5",
    ),
    "max_tokens": (
        {},
        "generate",
        lambda body: error(
            400,
            message="Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead.",
            param="max_tokens",
        ),
        "endpoint.token_limit",
    ),
    "temperature": (
        {},
        "generate",
        lambda body: error(400, message="Unsupported value: 'temperature' does not support 0 with this model."),
        "endpoint.temperature: null",
    ),
    "temperature of Kimi": (
        {},
        "generate",
        lambda body: error(400, message="invalid temperature: only 1 is allowed for this model"),
        "endpoint.temperature: null",
    ),
    "response_format": (
        {"choose_by": "structured"},
        "structured",
        lambda body: error(400, message="This response_format type is unavailable now"),
        "another endpoint.response_format",
    ),
    "a thinking field": (
        {"extra_body": {"reasoning_effort": "none"}},
        "generate",
        lambda body: error(400, message="Unrecognized request argument supplied: reasoning_effort"),
        "endpoint.extra_body",
    ),
    "logprobs null": (
        {},
        "logprobs",
        lambda body: completion({"logprobs": None}),
        "gives no log-probabilities: endpoint.choose_by: structured",
    ),
    "logprobs empty": (
        {},
        "logprobs",
        lambda body: completion({"logprobs": {"content": []}}),
        "gives no log-probabilities: endpoint.choose_by: structured",
    ),
    "the first token is a thought": (
        {},
        "logprobs",
        lambda body: completion(
            {"message": {"content": "", "reasoning_content": "The user"}, "finish_reason": "length"}
        ),
        "begins with a thought: endpoint.choose_by: structured",
    ),
    "structure ignored": (
        {"choose_by": "structured"},
        "structured",
        lambda body: text("I think B."),
        "is none of A, B, C: another endpoint.response_format",
    ),
    "no room for a thought": (
        {},
        "generate",
        lambda body: text("<think>The user wants", "length"),
        "thought is cut off: endpoint.thinking_tokens",
    ),
    "no room, in a field": (
        {"choose_by": "structured"},
        "structured",
        lambda body: text(None, "length", reasoning_content="The user wants"),
        "thought is cut off: endpoint.thinking_tokens",
    ),
    "no text": ({}, "generate", lambda body: text(""), r"sends no text \(finish_reason stop\)"),
}


@pytest.mark.parametrize(("settings", "ask", "reply", "remedy"), UNSUPPORTED.values(), ids=UNSUPPORTED)
def test_one_question_before_a_run_says_what_to_change(
    server: Server, settings: Body, ask: str, reply: Callable[[Body], Any], remedy: str
) -> None:
    requests = recorded(server, lambda body, number: reply(body))
    with pytest.raises(click.ClickException, match=remedy) as raised:
        if ask == "generate":
            answer_cache.generate(engine(server, **settings), chats(5), 5, "test")
        else:
            answer_cache.choose(engine(server, **settings), chats(5), OPTIONS, "test")
    assert len(requests) == 1
    assert raised.value.message.startswith(f"{server.url}: ")
    assert "\n" not in raised.value.message


def test_settings_of_the_endpoint_are_in_the_request(server: Server) -> None:
    chosen = {"temperature": None, "token_limit": "max_completion_tokens", "top_logprobs": 5, "thinking_tokens": 100}
    server.reply = lambda body: completion()
    answer_cache.choose(engine(server, **chosen, extra_body={"seed": 1}), chats(1), OPTIONS, "test")
    request = server.last_request
    assert (request["max_completion_tokens"], request["top_logprobs"], request["seed"]) == (101, 5, 1)
    assert not request.keys() & {"temperature", "max_tokens"}
    answer_cache.generate(engine(server, **chosen), chats(1), 5, "test")
    assert server.last_request["max_completion_tokens"] == 105


@pytest.mark.parametrize("form", ["json_object", "none"])
def test_an_option_without_a_schema_is_asked_for_in_words(server: Server, form: str) -> None:
    server.reply = lambda body: text('{"option": "A"}')
    structured = engine(server, choose_by="structured", response_format=form)
    assert answer_cache.choose(structured, chats(1), OPTIONS, "test") == [[0, -100, -100]]
    request = server.last_request
    assert request.get("response_format") == ({"type": "json_object"} if form == "json_object" else None)
    assert request["messages"][-1]["content"].startswith("question 0\n\nAnswer with a JSON object")


@pytest.mark.parametrize("field", ["model", "messages", "temperature", "max_tokens", "stream"])
def test_extra_fields_leave_the_engines_alone(server: Server, field: str) -> None:
    with pytest.raises(ValueError, match=f"{field}: set by the engine"):
        engine(server, extra_body={field: 1})


def test_a_setting_that_changes_answers_has_answers_of_its_own(server: Server) -> None:
    identities = [
        engine(server, **settings).identity
        for settings in (
            {},
            {"temperature": None},
            {"top_logprobs": 5},
            {"thinking_tokens": 9},
            {"extra_body": {"seed": 1}},
            {"response_format": "none"},
        )
    ]
    assert len({json.dumps(identity, sort_keys=True) for identity in identities}) == len(identities)


def test_answers_of_a_structured_choice_keep_their_key(server: Server) -> None:
    """Paid answers under the defaults stay valid: the identity is that of the first release."""
    first_release = {"engine": "openai", "format": 1, "url": server.url, "model": "m", "by": "structured"}
    assert engine(server, choose_by="structured").identity == first_release | {"served": None}


THOUGHTS = {
    "in the text": text("<think>\nIt could be B.\n</think>\n\nA"),
    "in a field": text("A", reasoning_content="It could be B."),
    "in OpenRouter's field": text("A", reasoning="It could be B."),
    "in parts": text(
        [{"type": "thinking", "thinking": [{"type": "text", "text": "B"}]}, {"type": "text", "text": "A"}]
    ),
    "opened by the template": text("It could be B.\n</think>\n\nA"),
}


@pytest.mark.parametrize("thought", THOUGHTS.values(), ids=THOUGHTS)
def test_a_thought_is_not_the_answer(server: Server, thought: Body) -> None:
    server.reply = lambda body: thought
    [answer] = answer_cache.generate(engine(server, thinking_tokens=100), chats(1), 5, "test")
    assert str(answer).strip() == "A"


CUT_OFF_THOUGHTS = {
    "in the text": text("<think>\nIt could be B. needed", "length"),
    "without a finish_reason": text("<think>\nIt could be B. needed", None),
    "in a field": text("", "length", reasoning_content="It could be B."),
    "content null": text(None, "length", reasoning="It could be B."),
    "opened by the template": text("It could be B. needed", "length"),
}


@pytest.mark.parametrize("thought", CUT_OFF_THOUGHTS.values(), ids=CUT_OFF_THOUGHTS)
def test_a_thought_that_is_cut_off_is_never_a_label(server: Server, thought: Body) -> None:
    server.reply = lambda body: thought if number_of(body) == 1 else text("<think>Short.</think>B")
    thinker = engine(server, thinking_tokens=100)
    assert answer_cache.generate(thinker, chats(3), 5, "test") == ["B", CUT_OFF, "B"]
    assert answer_cache.generate(thinker, chats(3), 5, "test") == ["B", CUT_OFF, "B"]
    assert server.request_counts.total() == 3


def test_unusable_answers_are_paid_from_the_budget(server: Server) -> None:
    server.reply = lambda body: completion(choices=[])
    with pytest.raises(click.ClickException, match="budget of 10 tokens is spent"):
        answer_cache.generate(engine(server, token_budget=10), chats(12), 5, "test")


def test_an_answer_without_usage_is_paid_by_an_estimate(server: Server) -> None:
    server.reply = lambda body: completion(usage=None)
    with pytest.raises(click.ClickException, match="budget of 1000 tokens is spent"):
        answer_cache.generate(engine(server, token_budget=1000, concurrency=1), chats(100), 5, "test")
    assert 2 < server.request_counts.total() < 20


TEMPORARY = {
    "OpenRouter": {"error": {"code": 502, "message": "Provider returned error"}},
    "in the choice": completion({"finish_reason": "error", "error": {"code": 502, "message": "overloaded"}}),
    "MiniMax": {"choices": None, "base_resp": {"status_code": 1002, "status_msg": "rate limit"}},
}


@pytest.mark.parametrize("shape", TEMPORARY.values(), ids=TEMPORARY)
def test_a_temporary_error_in_a_200_is_retried(server: Server, shape: Body) -> None:
    requests = recorded(server, lambda body, number: shape if number == 3 else completion())
    assert answer_cache.generate(engine(server, concurrency=1), chats(3), 5, "test") == ["B"] * 3
    assert len(requests) == 5  # the probe, three questions and one of them again


def test_a_filter_ends_with_the_other_turns_answered(
    server: Server, project: Path, set_params: Callable[..., None]
) -> None:
    """Of 40 turns 4 are refused, and 2 answers are no ratings."""

    def reply(body: Body) -> Any:
        content = body["messages"][-1]["content"]
        if "war" in content:
            return error(400, type="content_filter", message="considered high risk")
        return text("no idea" if "riddle" in content else "9")

    server.reply = reply
    texts = ["is it about the war?"] * 4 + ["a riddle, is it?"] * 2 + [f"is it number {i}?" for i in range(34)]
    chat = messages(*[("ab"[i % 2], 100 * i, content) for i, content in enumerate(texts)])
    write(project / "turns.jsonl", from_rows([row | {"messages": 1} for row in chat], Turn), Turn)
    set_params(
        **{
            "models.remote": {"engine": "openai", "family": "m", "endpoint": endpoint(server.url)},
            "score.scorers": [{"name": "is_question", "kind": "rate", "model": "remote", "prompt": "en"}],
            "filter.throttles": {"is_question": 5},
        }
    )
    result = run(score, "turns.jsonl", "base", "scores.jsonl", "score.json")
    assert result.exit_code == 0, result.output
    assert "warning: is_question: 4 of 40 answers are refused: the server's content filter stops them" in result.output
    counts = json.loads((project / "score.json").read_text())
    assert counts == {"is_question": {"rated": 40, "unreadable": 2, "refused": 4, "cut_off": 0}}
    result = run(filter_turns, "turns.jsonl", "scores.jsonl", "inquiries.jsonl", "rejects.jsonl", "n.json", "m.json")
    assert result.exit_code == 0, result.output
    rejected = json.loads((project / "m.json").read_text())["rejected"]
    assert rejected == {"refused_is_question": 4, "unreadable_is_question": 2}
    assert len((project / "inquiries.jsonl").read_text().splitlines()) == 34
