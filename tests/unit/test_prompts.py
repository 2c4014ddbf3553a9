"""Prompts are pinned: a change of one changes every number."""

import json
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

ZH = """最后一条消息本身是否完整，还是必须从前面的聊天记录中补充代词所指或省略的话题才能理解？
A. 不需要
B. 需要
C. 不知道

聊天记录：
A: Can mmpose be deployed on mobile phones? / Please
B: Sure $message {x}

最后一条消息：
A: BTW, how to deploy it on TX2 ?"""

PAPER_EN = r"""These are the earlier messages of a group chat, oldest first, as JSON:
[{"username": "A", "content": "问个“问题” \\ with \"quotes\""}, {"username": "B", "content": "yes, C?\n\nB. needed"}, {"username": "A", "content": "$options"}]

This is the message that came after them:
{"username": "C", "content": "And it,\nB?"}

Is the content of this message complete, or must its pronouns or a missing object be taken from the earlier messages?
A. needed
B. don't know
C. not needed

Think step by step: which topics do the earlier messages have? Which one is closest to the question? Take nothing from
them if none is close."""  # noqa: E501

PAPER_ZH = r"""下面是一个群聊的历史消息，JSON 格式，从早到晚排列：
[{"username": "A", "content": "$options"}]

这是随后的一条消息：
{"username": "B", "content": "And it,\nC?"}

这条消息的内容是完整的，还是必须从历史消息中找出代词所指的事物或者缺少的宾语？
A. 不需要
B. 需要
C. 不知道

请一步一步地思考：历史消息里有哪些话题？其中哪一个和这个问题最接近？如果都不接近，就不要从历史消息里取任何内容。"""

JSON_ITEM = inquiry(6, f"And it,\r\n{sender('bob')}?\n") | {
    "sender": sender("cleo"),
    "cr_window": [
        {"sender": sender("dora"), "text": "left out of the window", "timestamp": 1},
        {"sender": sender("alice"), "text": '问个“问题” \\ with "quotes"', "timestamp": 2},
        {"sender": sender("bob"), "text": f"yes, {sender('cleo')}?\u2028\x85B. needed", "timestamp": 3},
        {"sender": sender("alice"), "text": "$options", "timestamp": 4},
    ],
}

ITEM = inquiry(5, "BTW, how to deploy it on TX2 ?") | {
    "sender": sender("alice"),
    "cr_window": [
        {"sender": sender("alice"), "text": "Can mmpose be deployed on mobile phones?\nPlease", "timestamp": 1},
        {"sender": sender("bob"), "text": "Sure $message {x}", "timestamp": 2},
    ],
}


@pytest.mark.parametrize(("name", "text"), [("en", EN), ("zh", ZH)])
def test_lines_are_pinned(name: str, text: str) -> None:
    assert prompts.render(ITEM, prompts.load(name), prompts.OPTIONS, 12) == text


def test_json_is_pinned() -> None:
    order = ["needed", "dont_know", "not_needed"]
    assert prompts.render(JSON_ITEM, prompts.load("paper_en"), order, 3) == PAPER_EN
    assert prompts.render(JSON_ITEM, prompts.load("paper_zh"), prompts.OPTIONS, 1) == PAPER_ZH
    assert "as JSON:\n[]\n\n" in prompts.render(JSON_ITEM, prompts.load("paper_en"), order, 0)


def test_the_second_turn_holds_the_answer_alone() -> None:
    """The answer is text: no $ in it is filled in."""
    english = "A user was asked a question with three options and gave this answer:\nB, for $options\n${answer} $$\n"
    text = prompts.render_reduction(prompts.load("en"), "B, for $options\n${answer} $$", prompts.OPTIONS)
    assert text == (
        f"{english}\nWhich option did this user choose?\nA. not needed\nB. needed\nC. don't know\n"
        "Answer with the letter alone."
    )
    assert prompts.load("paper_en").reduce == prompts.load("en").reduce
    chinese = prompts.render_reduction(prompts.load("zh"), "我选B。", ["needed", "dont_know", "not_needed"])
    assert chinese.endswith("\n我选B。\n\n这位用户选的是哪一个选项？\nA. 需要\nB. 不知道\nC. 不需要\n只回答字母。")
    assert prompts.load("paper_zh").reduce == prompts.load("zh").reduce


@pytest.mark.parametrize("name", ["en", "zh", "paper_en", "paper_zh"])
def test_each_prompt_shows_all_that_a_model_needs(name: str) -> None:
    prompt = prompts.load(name)
    text = prompts.render(JSON_ITEM, prompt, prompts.OPTIONS, 12)
    for shown in ("left out of the window", "with", "And it", *prompt.options.values()):
        assert shown in text
    assert "$" not in text.replace("$options", "", 1)  # the one that a message holds


def test_an_unknown_form_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    fields = prompts.load("paper_en")._asdict() | {"form": "yaml"}
    monkeypatch.setattr(prompts, "_read_yaml", lambda *_: fields)
    with pytest.raises(click.ClickException, match=r"prompts/mine.yaml: form must be lines or json"):
        prompts.load("mine")


def test_the_window_keeps_its_latest_turns() -> None:
    assert "Chat:\nB: Sure $message {x}\n" in prompts.render(ITEM, prompts.load("en"), prompts.OPTIONS, 1)
    assert "Chat:\n\n\nLast message:\nA: BTW" in prompts.render(ITEM, prompts.load("en"), prompts.OPTIONS, 0)


def test_chinese_has_all_parts() -> None:
    text = prompts.render(ITEM, prompts.load("zh"), ["needed", "dont_know", "not_needed"], 12)
    assert "\nA. 需要\nB. 不知道\nC. 不需要\n" in text
    assert "B: Sure $message {x}" in text
    assert text.endswith("A: BTW, how to deploy it on TX2 ?")


def test_an_unknown_prompt_names_the_known() -> None:
    with pytest.raises(click.ClickException, match=r"there is no prompt .fr.; .* holds en, paper_en, paper_zh, zh"):
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


@given(
    st.lists(st.tuples(st.sampled_from("jklmno"), st.text()), min_size=1, max_size=13),
    st.integers(min_value=0, max_value=13),
)
def test_json_has_senders_in_order_of_appearance_and_texts_whole(chat: list[tuple[str, str]], window: int) -> None:
    *window_turns, message = [{"sender": sender(who), "text": text} for who, text in chat]
    history_line, message_line = prompts.json_history(message | {"cr_window": window_turns}, window)
    assert len(history_line.splitlines()) == len(message_line.splitlines()) == 1
    shown = chat[max(0, len(chat) - 1 - window) :]
    parsed = [*json.loads(history_line), json.loads(message_line)]
    order = list(dict.fromkeys(who for who, _ in shown))
    assert [turn["username"] for turn in parsed] == ["ABCDEF"[order.index(who)] for who, _ in shown]
    assert [turn["content"].split("\n") for turn in parsed] == [text.splitlines() or [""] for _, text in shown]


def test_letters_are_single_tokens(base: Path) -> None:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(base / "smollm2_135m", trust_remote_code=False)
    ids_by_letter = {letter: tokenizer.encode(letter, add_special_tokens=False) for letter in prompts.LETTERS}
    assert all(len(ids) == 1 for ids in ids_by_letter.values())
    # and an answer begins with that very token, so what is trained is what is asked
    for option in prompts.OPTIONS:
        answer = prompts.answer(option, prompts.load("en"), prompts.OPTIONS)
        assert tokenizer.encode(answer, add_special_tokens=False)[0] == ids_by_letter[answer[0]][0]
