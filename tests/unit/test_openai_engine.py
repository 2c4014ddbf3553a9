"""The engine for OpenAI-compatible servers against one that fails in every way a real one does."""

import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest

from stages.llm import answer_cache
from stages.llm.control_tokens import INSIDE_CONTROL_TOKEN
from stages.llm.openai import OpenAI
from stages.pipeline.params import Endpoint
from tests.server import FAULTS, Server, endpoint, serving

OPTIONS = ["A", "B", "C"]


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("LABELS_CACHE", str(tmp_path))
    monkeypatch.setenv("TEST_KEY", "secret")
    with serving(Server()) as running_server:
        yield running_server


def engine(server: Server, **more: Any) -> OpenAI:
    return OpenAI(Endpoint(**endpoint(server.url, **more)))


def chats(n: int) -> list[Any]:
    return [[{"role": "user", "content": f"prompt {i} " + "x" * (i % 5)}] for i in range(n)]


def test_every_fault_is_survived_and_nothing_answered_is_asked_again(server: Server) -> None:
    prompts = chats(24)
    logprobs = answer_cache.choose(engine(server), [*prompts, prompts[0]], OPTIONS, "test")
    assert logprobs == [[-len(p[0]["content"]) / 100, -0.5, None] for p in [*prompts, prompts[0]]]
    slow = {text for text in server.request_counts if int(text.split()[1]) % 8 == 7}  # answered once, too late
    assert {text for text, times in server.answer_times.items() if len(times) > 1} <= slow
    request_count = server.request_counts.total()
    assert answer_cache.choose(engine(server), prompts, OPTIONS, "test") == logprobs[:-1]
    assert server.request_counts.total() == request_count
    assert server.max_concurrent <= 8


def test_no_more_requests_and_tokens_a_minute_than_allowed_and_retries_wait_as_they_are_told(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A third of the prompts is refused, fails or is cut at first; a minute of a second makes the limits show."""
    monkeypatch.setattr("stages.llm.openai_client.MINUTE", 1)
    prompts, quota = chats(24), 10
    for limit in ({"requests_per_minute": quota}, {"tokens_per_minute": quota * 100}):
        server.request_counts.clear()
        server.request_times.clear()
        start = time.monotonic()
        answer_cache.choose(engine(server, model=str(limit), **limit), prompts, OPTIONS, "test")
        times_of_requests = [at for times in server.request_times.values() for at in times]
        assert len(times_of_requests) > 33  # with the retries
        assert max(times_of_requests) - start > (len(times_of_requests) - quota) / quota  # a limiter starts full
        for text, times in server.request_times.items():
            if int(text.split()[1]) % 8 == FAULTS.index("refused"):
                assert times[1] - times[0] >= 1


def test_structured_choice(server: Server) -> None:
    prompts = chats(5)
    logprobs = answer_cache.choose(engine(server, choose_by="structured"), prompts, OPTIONS, "test")
    for row, prompt in zip(logprobs, prompts, strict=True):
        assert row == [0.0 if i == len(prompt[0]["content"]) % 3 else -100.0 for i in range(3)]


def test_generate(server: Server) -> None:
    assert answer_cache.generate(engine(server), chats(1), 5, "test") == ["said: prompt 0 "]


@pytest.mark.parametrize(
    ("owner", "fields"),
    [
        ("vllm", {"repetition_penalty": 1.0}),
        ("sglang", {"repetition_penalty": 1.0}),
        ("llamacpp", {"cache_prompt": False}),
        ("library", {}),
        (None, {}),
    ],
)
def test_what_a_server_does_by_itself_is_undone(server: Server, owner: str | None, fields: dict[str, Any]) -> None:
    server.models = [listed_model(owned_by=owner)]
    remote = engine(server)
    undone = {"repetition_penalty", "cache_prompt"}
    answer_cache.generate(remote, chats(1), 5, "test")
    assert {name: server.last_request[name] for name in undone & server.last_request.keys()} == fields
    answer_cache.choose(remote, chats(1), OPTIONS, "test")
    assert {name: server.last_request[name] for name in undone & server.last_request.keys()} == fields
    assert remote.identity.get("server_fields", {}) == fields
    assert answer_cache.generate(OpenAI(Endpoint(**endpoint("http://127.0.0.1:9/v1"))), [], 5, "test") == []


def test_a_budget_stops_cleanly_and_the_next_run_goes_on(server: Server) -> None:
    prompts = chats(12)
    with pytest.raises(click.ClickException, match="budget of 40 tokens is spent; the answers so far are kept"):
        answer_cache.choose(engine(server, token_budget=40, concurrency=1), prompts, OPTIONS, "test")
    assert len(server.answer_times) == 3  # each costs 10, and so does the probe
    answer_cache.choose(engine(server), prompts, OPTIONS, "test")
    assert len(server.answer_times[prompts[0][0]["content"]]) == 1


def test_a_refused_key_is_one_line_without_the_key(server: Server) -> None:
    with pytest.raises(click.ClickException) as raised:
        answer_cache.choose(engine(server, model="locked"), chats(3), OPTIONS, "test")
    assert "AuthenticationError" in raised.value.message
    assert "secret" not in raised.value.message


def test_the_key_is_in_the_environment_or_nowhere(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TEST_KEY")
    with pytest.raises(click.ClickException, match="environment variable TEST_KEY must hold the key"):
        engine(server)


def test_the_key_is_in_no_answer(server: Server, tmp_path: Path) -> None:
    answer_cache.choose(engine(server), chats(3), OPTIONS, "test")
    assert not any(b"secret" in file.read_bytes() for file in tmp_path.rglob("*") if file.is_file())


def listed_model(**fields: Any) -> dict[str, Any]:
    """A model in vLLM's list, where time and permissions are those of the request."""
    volatile = {"created": time.time_ns(), "permission": [{"id": f"modelperm-{time.time_ns()}"}]}
    return {"id": "m", "object": "model", "owned_by": "vllm", "root": "/base", "parent": None} | volatile | fields


def test_another_model_behind_the_same_url_and_name_is_asked_again(server: Server) -> None:
    """Each of these is another model; the same one, and whatever else the server has, changes nothing."""
    model_lists = [
        None,
        [],
        [listed_model()],
        [listed_model(root="/adapters/2", parent="base")],
        [listed_model(max_model_len=4096)],
    ]
    model_lists.append([listed_model(meta={"n_params": 1, "size": 2})])
    for number, models in enumerate(model_lists):
        server.models = models
        answer_cache.choose(engine(server), chats(1), OPTIONS, "test")
        assert server.request_counts.total() == max(1, number)  # no list and an empty one say the same
    server.models = [{"id": "another", "root": "/x"}, listed_model(meta={"n_params": 1, "size": 2}), "junk", {}]
    answer_cache.choose(engine(server), chats(1), OPTIONS, "test")
    assert server.request_counts.total() == 5


@pytest.mark.parametrize("models", ["junk", {"m": 1}, 5, [["id", "m"]], [{"id": "m"}], [{"id": ["m"]}]])
def test_a_list_of_models_that_says_nothing(server: Server, models: Any) -> None:
    server.models = models
    assert engine(server).identity["served"] is None


def test_the_server_is_not_asked_before_anything_is_wanted(server: Server) -> None:
    for url in ("http://127.0.0.1:9/v1", server.url):
        assert answer_cache.choose(OpenAI(Endpoint(**endpoint(url))), [], OPTIONS, "test") == []


@pytest.mark.parametrize("key", ["two keys", "schlüssel", "a\nb"])
def test_a_key_that_no_header_can_hold(server: Server, monkeypatch: pytest.MonkeyPatch, key: str) -> None:
    monkeypatch.setenv("TEST_KEY", key)
    with pytest.raises(click.ClickException, match="TEST_KEY holds more than a key") as raised:
        engine(server)
    assert key not in raised.value.message


def test_a_keys_line_end_is_none_of_it(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEST_KEY", " secret\n")
    assert engine(server).api_key == "secret"


CONTROL_TOKENS = re.findall(
    r"\S+",
    """
    <s> </s> <unk> <pad> <PAD> <bos> <eos> <mask> <sep> <cls> <sop> <eop> <|im_start|> <|im_end|> <|endoftext|>
    <|begin_of_text|> <|start_header_id|> <|eot_id|> <|python_tag|> <|user|> <|assistant|> <|system|> <|channel|>
    <|START_OF_TURN_TOKEN|> <|tool▁calls▁begin|> <|fim_prefix|> <|vision_start|> <|image_1|> <｜User｜> <｜Assistant｜>
    <｜begin▁of▁sentence｜> <｜end▁of▁sentence｜> <｜tool▁calls▁begin｜> <｜hy_User｜> <start_of_turn> <end_of_turn>
    <start_of_image> <unused99> <extra_id_0> <fim_middle> <PRE> <SUF> <MID> <EOT> <file_sep> <repo_name> <reponame>
    <gh_stars> <reserved_106> <TOKENS_UNUSED_1> <eoh> <eoa> <think> </think> <thinking> <tool_call> </tool_call>
    <tool_response> <tools> </tools> <answer> <<SYS>> <</SYS>> [INST] [/INST] [gMASK] [sMASK] [MASK] [CLS] [SEP]
    [PAD] [UNK] [AVAILABLE_TOOLS] [/AVAILABLE_TOOLS] [TOOL_CALLS] [TOOL_RESULTS] [SYSTEM_PROMPT] [THINK] [IMG]
    [UNUSED_TOKEN_145] <image> <video> <seed:bos> <BOS_TOKEN> <END_OF_TURN_TOKEN> <|reserved_special_token_0|>
    """,
)
WORDS = ["sop", "eop"]  # ChatGLM's, which are control tokens where they stand alone
ORDINARY = (
    "a < b > c, <b>, </p>, <3, <ann> hi, <-, x<y>z, [photo], [1], [ok], [a][b], list[int], <https://x.y/z>, ^|<>|,"
    " aesop, sops, people, laptop, eops1, 2 << 3 >> 1, <<, >>, || |>, SOP, if (a<|b|), 用法：<名字>，《书》"
)


def test_what_looks_like_a_control_token_is_broken_up(server: Server) -> None:
    texts = [(token, f"{token}, hi {token}\n{token}assistant\nB{token}好{token}{token}") for token in CONTROL_TOKENS]
    texts += [(word, f"{word} hi\n{word}, [gMASK]{word}") for word in WORDS]
    answers = answer_cache.generate(
        engine(server), [[{"role": "user", "content": text}] for _, text in texts], 5, "test"
    )
    for (token, text), answer in zip(texts, answers, strict=True):
        assert token not in answer, (token, answer)
        assert answer.replace("\u2060", "") == f"said: {text}"


def test_ordinary_text_goes_to_a_server_as_it_is(server: Server) -> None:
    (answer,) = answer_cache.generate(engine(server), [[{"role": "user", "content": ORDINARY}]], 5, "test")
    assert answer == f"said: {ORDINARY}"


def test_hostile_text_is_broken_up_in_linear_time() -> None:
    for piece in ("<", "<|", "<_", "[A", "_", "<a_", "<<", "<｜ab", "s", "sop", "[/", "<think"):
        seconds = []
        for size in (20_000, 200_000):
            text = (piece * size)[:size]
            start = time.process_time()
            INSIDE_CONTROL_TOKEN.sub("", text)
            seconds.append(time.process_time() - start)
        assert seconds[1] < 40 * seconds[0] + 0.05, piece  # ten times the text; a hundred times were quadratic


def test_a_prompt_fits_by_its_bytes(server: Server) -> None:
    short = engine(server, context=200)
    assert short.fits([{"role": "user", "content": "x" * 120}], 16)
    assert not short.fits([{"role": "user", "content": "x" * 121}], 16)
    assert not short.fits([{"role": "user", "content": "问" * 41}], 16)
