"""Prompts are pinned: a change of one changes every number."""

from collections import Counter
from pathlib import Path

import click
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.llm import prompts
from tests.conftest import inquiry, sender

EN = """Can the last message be understood by itself, or must pronouns or a missing topic be filled in from the chat \
before it?
A. not needed
B. needed
C. don't know

Chat:
A: Can mmpose be deployed on mobile phones? / Please
B: Sure $message {x}

Last message:
A: BTW, how to deploy it on TX2 ?"""

ITEM = inquiry(5, "BTW, how to deploy it on TX2 ?") | {
    "sender": sender("alice"),
    "cr_window": [
        {"sender": sender("alice"), "text": "Can mmpose be deployed on mobile phones?\nPlease", "timestamp": 1},
        {"sender": sender("bob"), "text": "Sure $message {x}", "timestamp": 2},
    ],
}


def test_english_is_pinned() -> None:
    assert prompts.render(ITEM, prompts.load("en"), prompts.OPTIONS, 12) == EN


def test_the_window_keeps_its_latest_turns() -> None:
    assert "Chat:\nB: Sure $message {x}\n" in prompts.render(ITEM, prompts.load("en"), prompts.OPTIONS, 1)
    assert "Chat:\n\n\nLast message:\nA: BTW" in prompts.render(ITEM, prompts.load("en"), prompts.OPTIONS, 0)


def test_chinese_has_all_parts() -> None:
    text = prompts.render(ITEM, prompts.load("zh"), ["needed", "dont_know", "not_needed"], 12)
    assert "\nA. 需要\nB. 不知道\nC. 不需要\n" in text
    assert "B: Sure $message {x}" in text
    assert text.endswith("A: BTW, how to deploy it on TX2 ?")


def test_an_unknown_prompt_names_the_known() -> None:
    with pytest.raises(click.ClickException, match=r"there is no prompt .fr.; .* holds en, zh"):
        prompts.load("fr")


def test_orders_are_seeded_by_item_and_even() -> None:
    orders = [tuple(prompts.option_order(id, "shuffled", 0)) for id in range(3000)]
    assert orders == [tuple(prompts.option_order(id, "shuffled", 0)) for id in range(3000)]
    assert orders != [tuple(prompts.option_order(id, "shuffled", 1)) for id in range(3000)]
    assert len(Counter(orders)) == 6
    assert min(Counter(orders).values()) > 400
    assert prompts.option_order(1, "fixed", 0) == list(prompts.OPTIONS)


def test_letter_and_text_are_bound() -> None:
    prompt = prompts.load("en")
    for id in range(20):
        order = prompts.option_order(id, "shuffled", 0)
        letter, text = prompts.answer("needed", prompt, order).split(":")
        assert f"\n{letter}. {text}" in prompts.render(ITEM, prompt, order, 12)


def test_many_senders_have_names() -> None:
    window = [{"sender": sender(str(i)), "text": "x", "timestamp": i} for i in range(30)]
    text = prompts.render(ITEM | {"cr_window": window}, prompts.load("en"), prompts.OPTIONS, 30)
    assert "\nAB: x\nAA: x\nZ: x" in text


def test_people_in_texts_have_the_letters_of_speakers() -> None:
    """And somebody who doesn't speak has the next free one. What is stored stays as it is."""
    ann, bob, eve, kim = (sender(name) for name in ("ann", "bob", "zoe", "kim"))
    turns = [
        {"sender": ann, "text": f"{kim}: hello"},
        {"sender": bob, "text": f"{ann}, squid does not, ask @{eve}"},
        {"sender": eve, "text": f"{bob}: which version? commit {ann}0, card 1234567890123456"},
    ]
    stored = [dict(turn) for turn in turns]
    assert prompts.lettered(turns) == [
        ("C", "D: hello"),
        ("B", "C, squid does not, ask @A"),
        ("A", f"B: which version? commit {ann}0, card 1234567890123456"),
    ]
    assert turns == stored


@given(st.lists(st.tuples(st.sampled_from("jklmno"), st.sampled_from(["x", *"jklmno"])), min_size=1, max_size=13))
def test_letters_are_the_same_in_every_window(chat: list[tuple[str, str]]) -> None:
    """So the terminal, the prompt and the page call people alike, however many turns they show."""
    turns = [{"sender": sender(who), "text": sender(named) if named != "x" else "x"} for who, named in chat]
    whole = prompts.lettered(turns)
    assert whole[-1][0] == "A"
    for start in range(len(turns)):
        assert prompts.lettered(turns[start:]) == whole[start:]


def test_letters_are_single_tokens(base: Path) -> None:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(base / "smollm2_135m", trust_remote_code=False)
    ids_by_letter = {letter: tokenizer.encode(letter, add_special_tokens=False) for letter in prompts.LETTERS}
    assert all(len(ids) == 1 for ids in ids_by_letter.values())
    # and an answer begins with that very token, so what is trained is what is asked
    for option in prompts.OPTIONS:
        answer = prompts.answer(option, prompts.load("en"), prompts.OPTIONS)
        assert tokenizer.encode(answer, add_special_tokens=False)[0] == ids_by_letter[answer[0]][0]
