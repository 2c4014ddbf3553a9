"""Chats as tokens with several families' templates: what is asked, what is learnt, whose control tokens count."""

from typing import Any

import click
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stages.llm.tokenization import (
    TokenizerMixin,
    answer_tokens,
    encode,
    model_turn,
    option_tokens,
    rows_of_beginnings,
)
from tests.small_models import CONTROL_TOKENS, NOT_CALLED_SPECIAL, TEMPLATES, THINKING, tokenizer

QUESTION = {"role": "user", "content": "Can the last message be understood?\nA. not needed\nB. needed\n\nA: how 吗"}
SYSTEM = {"role": "system", "content": "You judge."}
KINDS = [(kind, template) for kind in ("bytes", "blanks") for template in TEMPLATES]


@pytest.fixture(scope="module")
def tokenizers() -> dict[tuple[str, str], Any]:
    return {(kind, template): tokenizer(kind, TEMPLATES[template]) for kind, template in KINDS}


def by_the_library(fast: Any, chat: list[dict[str, str]]) -> list[int]:
    is_question = chat[-1]["role"] == "user"
    variables = {"enable_thinking": False}
    return list(fast.apply_chat_template(chat, add_generation_prompt=is_question, return_dict=False, **variables))


@pytest.mark.parametrize("pair", KINDS, ids="-".join)
@given(text=st.text(st.characters(exclude_categories=["Cs", "Co", "Cc"])), reply=st.text("abc 吗.", min_size=1))
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_chat_is_encoded_as_the_library_does_it(
    tokenizers: dict[tuple[str, str], Any], pair: tuple[str, str], text: str, reply: str
) -> None:
    fast = tokenizers[pair]
    if any(token in text for token in CONTROL_TOKENS + NOT_CALLED_SPECIAL):
        return
    question = {"role": "user", "content": text}
    assert encode(fast, [question]) == by_the_library(fast, [question])
    answered = [question, {"role": "assistant", "content": reply}]
    assert encode(fast, answered) == by_the_library(fast, answered)


@pytest.mark.parametrize("pair", KINDS, ids="-".join)
def test_the_letter_that_is_learnt_is_the_letter_that_is_compared(
    tokenizers: dict[tuple[str, str], Any], pair: tuple[str, str]
) -> None:
    fast = tokenizers[pair]
    before, letters = option_tokens(fast, list("ABC"), in_chat=True)
    assert len(set(letters)) == 3
    for letter, token in zip("ABC", letters, strict=True):
        assert answer_tokens(fast, f"{letter}:needed")[: len(before) + 1] == [*before, token]


# What the model's turn looks like after its answer, by template, as its family documents it.
ENDS = {
    "chatml": "<|im_start|>assistant\nB:needed<|im_end|>\n",
    "headers": "<|start_header_id|>assistant<|end_header_id|>\n\nB:needed<|eot_id|>",
    "turns": "<start_of_turn>model\nB:needed<end_of_turn>\n",
    "instructions": "[/INST] B:needed</s>",
    "half_opened": "<|assistant|>\n B:needed</s>",
    "rewritten": "<|im_start|>assistant\n<think>\n\n</think>\n\nB:needed<|im_end|>\n",
    "plain": "Assistant: B:needed</s>\n",
}


@pytest.mark.parametrize("template", TEMPLATES)
def test_an_answer_stands_where_the_template_puts_it(tokenizers: dict[tuple[str, str], Any], template: str) -> None:
    fast = tokenizers["bytes", template]
    ids = encode(fast, [QUESTION]) + answer_tokens(fast, "B:needed")
    assert fast.decode(ids).endswith(ENDS[template])
    if template != "rewritten":
        answered = fast.decode(encode(fast, [QUESTION, {"role": "assistant", "content": "B:needed"}]))
        assert fast.decode(ids).startswith(answered.removesuffix("<|start_header_id|>assistant<|end_header_id|>\n\n"))


@pytest.mark.parametrize("pair", KINDS, ids="-".join)
def test_a_system_message_is_never_lost(tokenizers: dict[tuple[str, str], Any], pair: tuple[str, str]) -> None:
    fast = tokenizers[pair]
    text = fast.decode(encode(fast, [SYSTEM, QUESTION]))
    assert text.index("You judge.") < text.index("Can the last message")
    if pair[1] in ("turns", "instructions"):  # which have no such role
        merged = {"role": "user", "content": f"{SYSTEM['content']}\n\n{QUESTION['content']}"}
        assert encode(fast, [SYSTEM, QUESTION]) == by_the_library(fast, [merged])


@pytest.mark.parametrize("pair", KINDS, ids="-".join)
def test_nobody_in_the_chat_speaks_as_the_model(tokenizers: dict[tuple[str, str], Any], pair: tuple[str, str]) -> None:
    fast = tokenizers[pair]
    control_ids = set(fast.convert_tokens_to_ids(CONTROL_TOKENS + NOT_CALLED_SPECIAL))

    def control_tokens(text: str) -> list[int]:
        return [id for id in encode(fast, [{"role": "user", "content": text}]) if id in control_ids]

    assert control_tokens("hi") != [] or pair[1] == "plain"
    for token in CONTROL_TOKENS + NOT_CALLED_SPECIAL:
        assert control_tokens(f"hi {token} B:needed") == control_tokens("hi"), token


@pytest.mark.parametrize("kind", ["bytes", "blanks"])
def test_a_thought_that_a_template_opens_stays_empty(kind: str) -> None:
    fast = tokenizer(kind, THINKING)
    learnt = fast.decode(encode(fast, [QUESTION]) + answer_tokens(fast, "B:needed"))
    assert learnt.replace(" ", "").endswith(ENDS["rewritten"])  # the kind "blanks" decodes some behind control tokens
    before, letters = option_tokens(fast, list("ABC"), in_chat=True)
    assert answer_tokens(fast, "B:needed")[: len(before) + 1] == [*before, letters[1]]
    engine = TokenizerMixin()
    engine.tokenizer = fast
    assert engine.template_identity == {"thought": "closed"}
    engine.tokenizer = tokenizer(kind, TEMPLATES["rewritten"])  # which leaves it empty itself
    assert engine.template_identity == {}


def test_a_letter_of_two_tokens_is_told_by_the_second() -> None:
    fast = tokenizer("blanks", TEMPLATES["half_opened"], corpus=["ABC"])
    before, letters = option_tokens(fast, list("ABC"), in_chat=True)
    assert fast.convert_ids_to_tokens(before) == ["▁", "<0x0A>", "▁"]
    assert fast.convert_ids_to_tokens(letters) == list("ABC")


def test_options_that_begin_alike_are_refused(tokenizers: dict[tuple[str, str], Any]) -> None:
    with pytest.raises(click.ClickException, match="several of A, A with the same token"):
        option_tokens(tokenizers["bytes", "chatml"], ["A", "A"], in_chat=True)


def test_a_chat_that_a_template_refuses_is_named(tokenizers: dict[tuple[str, str], Any]) -> None:
    with pytest.raises(click.ClickException, match=r"a chat of user, user: Roles must alternate; set models.NAME"):
        encode(tokenizers["bytes", "turns"], [QUESTION, QUESTION])


def test_a_template_that_opens_the_turn_by_half(tokenizers: dict[tuple[str, str], Any]) -> None:
    assert model_turn(tokenizers["bytes", "half_opened"]).opening == "\n "
    assert model_turn(tokenizers["bytes", "instructions"]).opening == " "
    assert model_turn(tokenizers["bytes", "chatml"]).opening == ""


@given(st.lists(st.lists(st.integers(1, 3), min_size=1, max_size=5), max_size=20))
@settings(max_examples=300, deadline=None)
def test_a_row_is_a_sequence_with_its_beginnings(encoded: list[list[int]]) -> None:
    rows = rows_of_beginnings(encoded)
    assert sorted(index for row in rows for index in row) == list(range(len(encoded)))
    for row in rows:
        assert all(encoded[row[0]][: len(encoded[index])] == encoded[index] for index in row)
    longest = {tuple(ids) for ids in encoded if not any(other[: len(ids)] == ids != other for other in encoded)}
    assert sorted(tuple(encoded[row[0]]) for row in rows) == sorted(longest)  # and so each is computed once
