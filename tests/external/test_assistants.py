"""The blocks of docs/assistant.md for LangChain and LlamaIndex, in an environment that has both: make test-all.

No language model is asked: what stands in its place numbers its answers, or says what it was asked. The gate is real.
"""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from stages.gating.gate import Gate
from tests.conftest import ROOT
from tests.gate_server import code, divide, write_project

PYTHON = ROOT / ".venv-assistants" / "bin" / "python"
pytestmark = pytest.mark.skipif(not PYTHON.exists(), reason="make .venv-assistants/.ready")

NAME = "smollm2_135m"
TURNS = [("human", "My board arrived."), ("ai", "Nice! Which one is it?"), ("human", "The one with the camera.")]
MESSAGES = [
    "How do I flash it?",
    "What is the capital of Portugal?",
    "Does anyone know when the library opens on Sunday?",
    "And on Monday?",
    "why not",
    "Where did you find the file?",
]
START = """
import json, sys
from stages.gating.gate import Gate
gate = Gate.load("data/adapters/smollm2_135m")
block, turns, messages, first_message = json.loads(sys.argv[1])
queries, results = [], []
"""
LANGCHAIN = """
from langchain_classic.chains.history_aware_retriever import create_history_aware_retriever
from langchain_core.documents import Document
from langchain_core.language_models.fake_chat_models import FakeListChatModel
from langchain_core.prompts import ChatPromptTemplate, MessagesPlaceholder
from langchain_core.runnables import RunnableLambda

def retrieve(query):
    queries.append(query)
    return [Document(query)]

prompt = ChatPromptTemplate([("system", "Rewrite."), MessagesPlaceholder("chat_history"), ("human", "{input}")])
llm = FakeListChatModel(responses=[f"rewritten {i}" for i in range(99)])
retriever = RunnableLambda(retrieve)
exec(block)
history = prompt.invoke({"chat_history": turns, "input": ""}).to_messages()[1:-1]
inputs = [{"input": message, "chat_history": history} for message in messages]
documents = [history_aware_retriever.invoke(value) for value in inputs]
first = history_aware_retriever.invoke({"input": first_message, "chat_history": []})
import asyncio
llm.i = 0
later = [asyncio.run(history_aware_retriever.ainvoke(value)) for value in inputs]
llm.i = 0
theirs = create_history_aware_retriever(llm, retriever, prompt)
always = [theirs.invoke(value) for value in inputs]
print(json.dumps([[text.page_content for [text] in found] for found in (documents, later, always, [first])]))
"""
LLAMA_INDEX = """
import asyncio
from llama_index.core.base.llms.types import ChatMessage
from llama_index.core.llms import MockLLM
from llama_index.core.query_engine import CustomQueryEngine
from llama_index.core.retrievers import BaseRetriever

class Engine(CustomQueryEngine):
    def custom_query(self, query_str):
        queries.append(query_str)
        return "ok"

class Retriever(BaseRetriever):
    def _retrieve(self, query_bundle):
        queries.append(query_bundle.query_str)
        return []

roles = {"human": "user", "ai": "assistant"}
history = [ChatMessage(role=roles[speaker], content=text) for speaker, text in turns]
base = sys.argv[2]
exec(block.replace("CondenseQuestionChatEngine", base))
searched = {"query_engine": Engine()} if base == "CondenseQuestionChatEngine" else {"retriever": Retriever()}
engine = GatedChatEngine.from_defaults(**searched, llm=MockLLM())
for message in messages:
    engine.chat(message, chat_history=history)
for message in messages:
    asyncio.run(engine.achat(message, chat_history=history))
fresh = GatedChatEngine.from_defaults(**searched, llm=MockLLM())
fresh.chat(first_message)
theirs = globals()[base].from_defaults(**searched, llm=MockLLM())
for message in messages:
    theirs.chat(message, chat_history=history)
print(json.dumps(queries))
"""


@pytest.fixture(scope="module")
def adapter(base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_project(tmp_path_factory.mktemp("project"), base, NAME)


def needed_message(adapter: Path) -> str:
    """One that the gate finds to need its history even where there is none."""
    gate = Gate.load(adapter)
    return next(message for message in MESSAGES if gate([], message).needed)


def run(adapter: Path, script: str, heading: str, first_message: str, *more: str) -> Any:
    """What a script prints last as JSON, run in the project with the block under a heading of the page."""
    arguments = json.dumps([code(heading), TURNS, MESSAGES, first_message])
    result = subprocess.run(
        [PYTHON, "-c", START + script, arguments, *more],
        cwd=adapter.parents[2],
        env={**os.environ, "PYTHONPATH": str(ROOT), "HF_HUB_OFFLINE": "1"},
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout.splitlines()[-1])


def test_langchain_asks_the_model_where_the_gate_says_so(adapter: Path) -> None:
    """With the documents that LangChain's own chain finds for the questions that are rewritten."""
    needed = divide(adapter, [(TURNS, message, "human") for message in MESSAGES])
    assert set(needed) == {True, False}
    documents, later, always, first = run(adapter, LANGCHAIN, "LangChain", needed_message(adapter))
    numbers = iter(range(99))
    expected = [
        f"rewritten {next(numbers)}" if is_needed else message
        for message, is_needed in zip(MESSAGES, needed, strict=True)
    ]
    assert documents == later == expected
    assert always == [f"rewritten {i}" for i in range(len(MESSAGES))]
    assert first == [needed_message(adapter)]


@pytest.mark.parametrize("engine", ["CondenseQuestionChatEngine", "CondensePlusContextChatEngine"])
def test_llama_index_condenses_where_the_gate_says_so(adapter: Path, engine: str) -> None:
    """As LlamaIndex' own engine condenses every question; both ask a model that repeats its prompt."""
    roles = {"human": "user", "ai": "assistant"}
    turns = [(roles[speaker], text) for speaker, text in TURNS]
    needed = divide(adapter, [(turns, message, "user") for message in MESSAGES])
    assert set(needed) == {True, False}
    queries = run(adapter, LLAMA_INDEX, "LlamaIndex", needed_message(adapter), engine)
    n = len(MESSAGES)
    now, later, first, always = queries[:n], queries[n : 2 * n], queries[2 * n], queries[2 * n + 1 :]
    assert len(always) == n
    assert all(message in prompt and TURNS[0][1] in prompt for message, prompt in zip(MESSAGES, always, strict=True))
    expected = [
        prompt if is_needed else message for message, prompt, is_needed in zip(MESSAGES, always, needed, strict=True)
    ]
    assert now == later == expected
    assert first == needed_message(adapter)
