"""Prompts are pinned: a change of one changes every number."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import click
import pytest
from hypothesis import given
from hypothesis import strategies as st
from ruamel.yaml import YAML

from stages.llm import prompts
from stages.pipeline.definition import Definition, LabelValue, load_definition
from tests.conftest import QUESTION, ROOT, inquiry, sender

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
    assert prompts.render(ITEM, prompts.load(QUESTION, name), prompts.OPTIONS, 12) == text


def test_json_is_pinned() -> None:
    order = ["positive", "dont_know", "negative"]
    assert prompts.render(JSON_ITEM, prompts.load(QUESTION, "paper_en"), order, 3) == PAPER_EN
    assert prompts.render(JSON_ITEM, prompts.load(QUESTION, "paper_zh"), prompts.OPTIONS, 1) == PAPER_ZH
    assert "as JSON:\n[]\n\n" in prompts.render(JSON_ITEM, prompts.load(QUESTION, "paper_en"), order, 0)


def test_the_second_turn_holds_the_answer_alone() -> None:
    """The answer is text: no $ in it is filled in."""
    english = "A user was asked a question with three options and gave this answer:\nB, for $options\n${answer} $$\n"
    text = prompts.render_reduction(prompts.load(QUESTION, "en"), "B, for $options\n${answer} $$", prompts.OPTIONS)
    assert text == (
        f"{english}\nWhich option did this user choose?\nA. not needed\nB. needed\nC. don't know\n"
        "Answer with the letter alone."
    )
    assert prompts.load(QUESTION, "paper_en").reduce == prompts.load(QUESTION, "en").reduce
    chinese = prompts.render_reduction(prompts.load(QUESTION, "zh"), "我选B。", ["positive", "dont_know", "negative"])
    assert chinese.endswith("\n我选B。\n\n这位用户选的是哪一个选项？\nA. 需要\nB. 不知道\nC. 不需要\n只回答字母。")
    assert prompts.load(QUESTION, "paper_zh").reduce == prompts.load(QUESTION, "zh").reduce


@pytest.mark.parametrize("name", ["en", "zh", "paper_en", "paper_zh"])
def test_each_prompt_shows_all_that_a_model_needs(name: str) -> None:
    prompt = prompts.load(QUESTION, name)
    text = prompts.render(JSON_ITEM, prompt, prompts.OPTIONS, 12)
    for shown in ("left out of the window", "with", "And it", *prompt.options.values()):
        assert shown in text
    assert "$" not in text.replace("$options", "", 1)  # the one that a message holds


MISSING = object()  # in place of a key's value: the key isn't there
OPTIONS_MUST_BE = ": options must be not_needed, needed, dont_know"
TASK_MUST_HAVE = ": task must have $message and $options, and nothing else but $history with a $"
REDUCE_MUST_HAVE = ": reduce must have $answer and $options, and nothing else with a $"
RIGHT: dict[str, Any] = {  # a prompt of needs_context
    "task": "Does it need the chat?\n$options\n$history\n$message",
    "options": {"not_needed": "no", "needed": "yes", "dont_know": "don't know"},
    "reduce": "Which one is it?\n$answer\n$options",
}


def write_prompt(question: Definition, fields: Any) -> Path:
    file = question.folder / "prompts" / "mine.yaml"
    with file.open("w", encoding="utf-8") as stream:
        YAML(typ="safe", pure=True).dump(fields, stream)
    return file


def test_options_are_the_questions_labels(question: Definition) -> None:
    """By whichever of them is the positive one; their order in the file plays no part."""
    write_prompt(question, RIGHT | {"options": dict(reversed(list(RIGHT["options"].items())))})
    assert prompts.load(question, "mine").options == {"negative": "no", "positive": "yes", "dont_know": "don't know"}
    labels = {"needed": LabelValue(key="j", means="negative"), "not_needed": LabelValue(key="k", means="positive")}
    other_way = question.model_copy(update={"labels": labels})
    assert prompts.load(other_way, "mine").options == {"positive": "no", "negative": "yes", "dont_know": "don't know"}


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"taks": "Is it?"}, ":\n  taks: unknown key; did you mean task?"),
        ({"taks": "Is it?", 7: "x"}, ":\n  taks: unknown key; did you mean task?\n  7: Keys should be strings"),
        ({"task": MISSING}, ":\n  task: Field required"),
        ({"options": MISSING, "reduce": MISSING}, ":\n  options: Field required\n  reduce: Field required"),
        ({"options": {"not_needed": "no", "needed": "yes"}}, OPTIONS_MUST_BE),
        ({"options": RIGHT["options"] | {"maybe": "maybe"}}, OPTIONS_MUST_BE),
        ({"options": {"negative": "no", "positive": "yes", "dont_know": "?"}}, OPTIONS_MUST_BE),
        ({"options": ["no", "yes", "don't know"]}, ":\n  options: Input should be a valid dictionary"),
        ({"options": RIGHT["options"] | {"needed": True}}, ":\n  options.needed: Input should be a valid string"),
        ({"task": ["$message", "$options"]}, ":\n  task: Input should be a valid string"),
        ({"reduce": None}, ":\n  reduce: Input should be a valid string"),
        ({"form": "yaml"}, ":\n  form: Input should be 'lines' or 'json'"),
        ({"task": "Is it worth $5?\n$options\n$message"}, ": task: a dollar sign is written $$"),
        ({"reduce": "$answer $options $"}, ": reduce: a dollar sign is written $$"),
        ({"task": "$options\n$history"}, TASK_MUST_HAVE),
        ({"task": "$message\n$history"}, TASK_MUST_HAVE),
        ({"task": "$options\n$message\n$answer"}, TASK_MUST_HAVE),
        ({"task": "$options\n$message_text"}, TASK_MUST_HAVE),
        ({"task": "$$options\n$message"}, TASK_MUST_HAVE),
        ({"reduce": "$options"}, REDUCE_MUST_HAVE),
        ({"reduce": "$answer\n$options\n$history"}, REDUCE_MUST_HAVE),
    ],
)
def test_a_wrong_prompt_names_file_and_key(question: Definition, fields: dict[Any, Any], problem: str) -> None:
    file = write_prompt(question, {key: value for key, value in (RIGHT | fields).items() if value is not MISSING})
    with pytest.raises(click.ClickException) as error:
        prompts.load(question, "mine")
    assert error.value.message == f"{file}{problem}"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", ":\n  Input should be a valid dictionary"),
        ("- task", ":\n  Input should be a valid dictionary"),
        ("Is it?", ":\n  Input should be a valid dictionary"),
        ("task: [", ", line 1 is not YAML: expected the node content"),
        ("task: a\ntask: b", ', line 2 is not YAML: found duplicate key "task"'),
    ],
)
def test_a_file_that_is_no_prompt(question: Definition, text: str, problem: str) -> None:
    file = question.folder / "prompts" / "mine.yaml"
    file.write_text(text)
    with pytest.raises(click.ClickException) as error:
        prompts.load(question, "mine")
    assert error.value.message.startswith(f"{file}{problem}")


def test_two_options_of_one_text(question: Definition) -> None:
    file = write_prompt(question, RIGHT | {"options": RIGHT["options"] | {"not_needed": "yes"}})
    with pytest.raises(click.ClickException) as error:
        prompts.load(question, "mine")
    assert error.value.message == f"{file}: options: two of them have one text"


def test_a_question_without_history_has_no_place_for_it(question: Definition) -> None:
    without = question.model_copy(update={"history": False})
    file = write_prompt(question, RIGHT)
    with pytest.raises(click.ClickException) as error:
        prompts.load(without, "mine")
    assert error.value.message == f"{file}: task must have $message and $options, and nothing else with a $"
    write_prompt(question, RIGHT | {"task": "$options\n$message"})
    assert prompts.load(without, "mine").task == "$options\n$message"
    assert prompts.load(question, "mine").task == "$options\n$message"  # one with history need not show it


def test_two_dollar_signs_are_shown_as_one(question: Definition) -> None:
    write_prompt(question, RIGHT | {"task": "Is it worth $$5?\n${options}\n${message}"})
    text = prompts.render(ITEM, prompts.load(question, "mine"), prompts.OPTIONS, 0)
    assert text.startswith("Is it worth $5?\nA. no\nB. yes\nC. don't know\nA: BTW")


def test_the_prompts_of_the_other_question() -> None:
    other = load_definition(ROOT, "is_question")
    for name, options in (("en", ["no question", "a question"]), ("zh", None)):
        prompt = prompts.load(other, name)
        text = prompts.render(ITEM, prompt, prompts.OPTIONS, 0)
        assert text.endswith("A: BTW, how to deploy it on TX2 ?")
        assert "$" not in text
        if options:
            assert [prompt.options["negative"], prompt.options["positive"]] == options


def test_the_window_keeps_its_latest_turns() -> None:
    assert "Chat:\nB: Sure $message {x}\n" in prompts.render(ITEM, prompts.load(QUESTION, "en"), prompts.OPTIONS, 1)
    assert "Chat:\n\n\nLast message:\nA: BTW" in prompts.render(ITEM, prompts.load(QUESTION, "en"), prompts.OPTIONS, 0)


def test_chinese_has_all_parts() -> None:
    text = prompts.render(ITEM, prompts.load(QUESTION, "zh"), ["positive", "dont_know", "negative"], 12)
    assert "\nA. 需要\nB. 不知道\nC. 不需要\n" in text
    assert "B: Sure $message {x}" in text
    assert text.endswith("A: BTW, how to deploy it on TX2 ?")


def test_an_unknown_prompt_names_the_known() -> None:
    with pytest.raises(click.ClickException, match=r"there is no prompt .fr.; .* holds en, paper_en, paper_zh, zh"):
        prompts.load(QUESTION, "fr")


def test_orders_are_seeded_by_item_and_even() -> None:
    orders = [tuple(prompts.option_order(id, "shuffled", 0)) for id in range(3000)]
    assert orders == [tuple(prompts.option_order(id, "shuffled", 0)) for id in range(3000)]
    assert orders != [tuple(prompts.option_order(id, "shuffled", 1)) for id in range(3000)]
    assert len(Counter(orders)) == 6
    assert min(Counter(orders).values()) > 400
    assert prompts.option_order(1, "fixed", 0) == list(prompts.OPTIONS)


def test_letter_and_text_are_bound() -> None:
    prompt = prompts.load(QUESTION, "en")
    for id in range(20):
        order = prompts.option_order(id, "shuffled", 0)
        letter, text = prompts.answer("positive", prompt, order).split(":")
        assert f"\n{letter}. {text}" in prompts.render(ITEM, prompt, order, 12)


def test_many_senders_have_names() -> None:
    window = [{"sender": sender(str(i)), "text": "x", "timestamp": i} for i in range(30)]
    text = prompts.render(ITEM | {"cr_window": window}, prompts.load(QUESTION, "en"), prompts.OPTIONS, 30)
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
        answer = prompts.answer(option, prompts.load(QUESTION, "en"), prompts.OPTIONS)
        assert tokenizer.encode(answer, add_special_tokens=False)[0] == ids_by_letter[answer[0]][0]
