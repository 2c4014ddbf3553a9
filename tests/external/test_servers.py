"""The openai engine and real servers with the embedded model: `make test-servers`.

llama.cpp's own server and transformers' take seconds to install. `make .venv-litellm/.ready` and `make
.venv-llama-cpp-python/.ready` add LiteLLM's proxy and llama-cpp-python's server, whose tests are skipped otherwise.
"""

import json
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, NamedTuple

import click
import numpy as np
import pytest

from stages.llm import Prompt, answer_cache, prompts
from stages.llm.no_answers import NoAnswer
from stages.llm.openai import OpenAI
from stages.llm.openai_requests import TextRequest
from stages.llm.transformers import Transformers
from stages.pipeline.params import Endpoint, params
from stages.pipeline.wheels import unpack
from tests import real_servers, server_answers
from tests.conftest import ROOT
from tests.real_servers import KEY, Served
from tests.server import endpoint
from tests.synthetic_chat import questions

N = 24  # prompts
GENERATED, TOKENS = 4, 12
LETTERS = list(prompts.LETTERS)
TOLERANCE = 0.03  # of a letter's log-probability; llama.cpp keeps keys and values in 16 bits
CHOICES = [[0, -100, -100], [-100, 0, -100], [-100, -100, 0]]  # a letter without probabilities
RECORDS = ROOT / "tests" / "fixtures" / "servers"
# A template that opens a thought, as that of DeepSeek-R1 and of Qwen3 does; and an answer that begins with one.
TEMPLATE = (
    "{%- for message in messages %}"
    "{%- if message.role == 'assistant' and '</think>' in message.content %}"
    "{{ '<|im_start|>assistant\n' + message.content.split('</think>')[-1] + '<|im_end|>\n' }}"
    "{%- else %}{{ '<|im_start|>' + message.role + '\n' + message.content + '<|im_end|>\n' }}{%- endif %}"
    "{%- endfor %}"
    "{%- if add_generation_prompt %}{{ '<|im_start|>assistant\n<think>\n' }}"
    "{%- if enable_thinking is defined and enable_thinking is false %}{{ '\n</think>\n\n' }}{%- endif %}{%- endif %}"
)
THINKS = {"grammar": f"root ::= {json.dumps(server_answers.THOUGHT)}"}
THINKS_NOT = server_answers.THINKING_OFF


class Reference(NamedTuple):
    """What the transformers engine says with the same weights: log-probabilities [prompts, letters], and texts."""

    logprobs: Any
    texts: list[str]


@pytest.fixture(autouse=True)
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LABELS_CACHE", str(tmp_path))
    monkeypatch.setenv("TEST_KEY", KEY)


@pytest.fixture(scope="module")
def gguf(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The embedded model, with the weights that the transformers engine reads, in float32: 540 MB."""
    folder = tmp_path_factory.mktemp("gguf")
    unpack(params(ROOT / "params.yaml").fetch.base, folder / "4_bits.gguf")
    real_servers.write_float32(folder / "4_bits.gguf", folder / "float32.gguf")
    yield folder / "float32.gguf"
    (folder / "float32.gguf").unlink()


@pytest.fixture(scope="module")
def reference(base: Path) -> Reference:
    engine = Transformers(base / "smollm2_135m", 8192)
    logprobs: dict[int, Any] = {}
    engine.choose(questions(N), LETTERS, {}, logprobs.update, "transformers")
    texts: dict[int, Any] = {}
    engine.generate(questions(N)[:GENERATED], TOKENS, {}, texts.update, "transformers")
    return Reference(np.array([logprobs[i] for i in range(N)]), [texts[i] for i in range(GENERATED)])


Start = Callable[[Path, Path, Path], AbstractContextManager[Served]]  # (GGUF, base models, an empty folder)
SERVERS: dict[str, Start] = {
    "llama_cpp": lambda gguf, base, folder: real_servers.llama_cpp(gguf),
    "llama_cpp_python": lambda gguf, base, folder: real_servers.llama_cpp_python(gguf),
    "litellm": lambda gguf, base, folder: real_servers.litellm(gguf, folder),
    "transformers_serve": lambda gguf, base, folder: real_servers.transformers_serve(base / "smollm2_135m", folder),
}
GIVES_LOGPROBS = {"llama_cpp", "llama_cpp_python", "litellm"}
KEEPS_A_SCHEMA = {"llama_cpp", "litellm"}


@pytest.fixture(scope="module", params=SERVERS)
def server(
    request: pytest.FixtureRequest, gguf: Path, base: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[str, Served]]:
    """Each server, with its name."""
    with SERVERS[request.param](gguf, base, tmp_path_factory.mktemp("server")) as served:
        yield request.param, served


@pytest.fixture(scope="module")
def thinking_server(gguf: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """llama.cpp's server whose template opens a thought."""
    template = tmp_path_factory.mktemp("template") / "thinking.jinja"
    template.write_text(TEMPLATE, encoding="utf-8")
    with real_servers.llama_cpp(gguf, template) as served:
        yield served


def remote(served: Served, **settings: Any) -> OpenAI:
    return OpenAI(Endpoint(**endpoint(served.url, model=served.model, timeout=300, concurrency=2, **settings)))


def test_letters_by_log_probabilities(
    server: tuple[str, Served], reference: Reference, capsys: pytest.CaptureFixture[str]
) -> None:
    name, served = server
    if name not in GIVES_LOGPROBS:
        with pytest.raises(click.ClickException, match=r"endpoint\.choose_by: structured"):
            answer_cache.choose(remote(served), questions(N), LETTERS, name)
        return
    exact = {"extra_body": {"cache_prompt": False}} if name == "litellm" else {}  # which hides that it is llama.cpp's
    logprobs = np.array(answer_cache.choose(remote(served, **exact), questions(N), LETTERS, name))
    difference = np.abs(logprobs - reference.logprobs)
    changed = int((logprobs.argmax(1) != reference.logprobs.argmax(1)).sum())
    with capsys.disabled():
        print(
            f"\n{name}: {N} prompts, largest difference {difference.max():.1e}, mean {difference.mean():.1e},"
            f" {changed} choices changed"
        )
    assert difference.max() < TOLERANCE and changed <= 1


def test_llama_cpp_repeats_itself(gguf: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its cache of prompts, with which answers depend on the order of the prompts, is not used."""
    chats = questions(N)[:8]
    with real_servers.llama_cpp(gguf) as served:
        engine = remote(served)
        forwards = answer_cache.choose(engine, chats, LETTERS, "forwards")
        monkeypatch.setenv("LABELS_CACHE", str(tmp_path / "another"))
        backwards = answer_cache.choose(engine, chats[::-1], LETTERS, "backwards")
    assert backwards[::-1] == forwards


def test_letters_by_a_json_schema(server: tuple[str, Served]) -> None:
    name, served = server
    structured = remote(served, choose_by="structured")
    if name not in KEEPS_A_SCHEMA:
        with pytest.raises(click.ClickException, match=r"another endpoint\.response_format"):
            answer_cache.choose(structured, questions(N), LETTERS, name)
        return
    answers = answer_cache.choose(structured, questions(N)[:8], LETTERS, name)
    assert all(row in CHOICES for row in answers)


def test_text(server: tuple[str, Served], reference: Reference) -> None:
    name, served = server
    texts = answer_cache.generate(remote(served), questions(N)[:GENERATED], TOKENS, name)
    assert texts == reference.texts


def test_a_text_is_completed(server: tuple[str, Served], base: Path) -> None:
    """What the filter's scorer `mark` asks: the next token of a text, without a chat."""
    name, served = server
    texts: list[Prompt] = ["What time is it", "I went home and slept", "So you mean the one from last week"]
    marks = ["?", ".", "!"]
    if name not in GIVES_LOGPROBS:
        with pytest.raises(click.ClickException, match=r"endpoint\.choose_by: structured"):
            answer_cache.choose(remote(served), texts, marks, name)
        return
    engine = Transformers(base / "smollm2_135m", 8192)
    expected: dict[int, Any] = {}
    engine.choose(texts, marks, {}, expected.update, "transformers")
    answers = answer_cache.choose(remote(served), texts, marks, name)
    for i, row in enumerate(answers):
        assert not isinstance(row, NoAnswer)
        known = [(value, expected[i][j]) for j, value in enumerate(row) if value is not None]
        assert known and all(abs(ours - theirs) < TOLERANCE for ours, theirs in known)


def test_a_users_mistakes_are_said_in_one_line(server: tuple[str, Served], monkeypatch: pytest.MonkeyPatch) -> None:
    name, served = server
    chat: list[Prompt] = [[{"role": "user", "content": "word " * 3000}]]
    if name != "transformers_serve":  # which has neither a limit nor keys
        with pytest.raises(click.ClickException, match=r"2048|context") as raised:
            answer_cache.generate(remote(served), chat, 4, name)
        assert "\n" not in raised.value.message
        monkeypatch.setenv("TEST_KEY", "sk-another")
        with pytest.raises(click.ClickException, match=r"(?i)api key|No connected db"):
            answer_cache.generate(remote(served), questions(N)[:1], 4, name)
        monkeypatch.setenv("TEST_KEY", KEY)
    if name in ("litellm", "transformers_serve"):  # the others answer to any name
        with pytest.raises(click.ClickException, match="no-such-model"):
            answer_cache.generate(remote(served._replace(model="no-such-model")), questions(N)[:1], 4, name)


def test_settings_of_the_endpoint(server: tuple[str, Served]) -> None:
    name, served = server
    if name == "llama_cpp_python":  # which ignores the field, and so the limit
        return
    engine = remote(served, token_limit="max_completion_tokens", temperature=None)
    (text,) = answer_cache.generate(engine, questions(N)[:1], 2, name)
    assert isinstance(text, str) and len(text) < 40


def test_a_thought(thinking_server: Served) -> None:
    chats = questions(N)[:2]
    thinks = remote(thinking_server, thinking_tokens=32, extra_body=THINKS)
    assert [text.strip() for text in answer_cache.generate(thinks, chats, 4, "thinks")] == ["B", "B"]
    for settings in ({}, {"thinking_tokens": 1}):
        cut = remote(thinking_server, extra_body=THINKS, **settings)
        cut.probed.add(TextRequest)  # whose answer would stop the run
        assert answer_cache.generate(cut, chats, 4, f"cut {settings}") == [NoAnswer.CUT_OFF] * 2
    with pytest.raises(click.ClickException, match=r"endpoint\.extra_body"):
        answer_cache.choose(remote(thinking_server), chats, LETTERS, "logprobs")


def test_a_thought_is_switched_off(thinking_server: Served) -> None:
    off = remote(thinking_server, extra_body=THINKS_NOT)
    answers = answer_cache.choose(off, questions(N)[:2], LETTERS, "off")
    assert all(not isinstance(row, NoAnswer) and row.count(None) < 3 for row in answers)
    structured = remote(thinking_server, choose_by="structured", extra_body=THINKS_NOT)
    rows = answer_cache.choose(structured, questions(N)[:2], LETTERS, "off")
    assert all(row in CHOICES for row in rows), rows


def test_recorded_answers_are_still_sent(server: tuple[str, Served]) -> None:
    """The files that tests/unit/test_server_records.py replays."""
    name, served = server
    unlimited = name == "transformers_serve"  # which would read a prompt of any length for a minute
    without = {"too_long"} if unlimited else set()
    for kind, answer in server_answers.answers(served.url, served.model, without).items():
        recorded = json.loads((RECORDS / name / f"{kind}.json").read_text(encoding="utf-8"))
        assert answer["status"] == recorded["status"], kind
        assert shape(answer["body"]) == shape(recorded["body"]), kind


def shape(value: Any) -> Any:
    """The fields of an answer and their types."""
    if isinstance(value, dict):
        has_tokens_as_keys = bool(value) and all(isinstance(member, float) for member in value.values())
        return "tokens" if has_tokens_as_keys else {key: shape(member) for key, member in value.items()}
    if isinstance(value, list):
        return [shape(member) for member in value[:1]]
    return "number" if isinstance(value, int | float) and not isinstance(value, bool) else type(value).__name__
