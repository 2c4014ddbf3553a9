"""Rewrites of messages: what a model is asked, what is taken off its answer, and which answers are refused."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.gating.gate import Decision, Gate
from stages.gating.resolution import (
    Resolution,
    count_fallbacks,
    request_for,
    resolve,
    resolve_all,
    training_row,
)
from stages.gating.rewrite_checks import LEAST_KEPT, Fallback, cleaned, most_bytes, problem
from stages.gating.threshold import Threshold
from stages.llm.no_answers import NoAnswer
from stages.pipeline.params import params
from tests.conftest import ROOT, Row, sender
from tests.rule_engine import RuleEngine

EN = """Rewrite the last message so that a reader who hasn't seen the chat understands it. Put what a pronoun stands \
for in its
place, and add what is left out, in the words of the chat. Keep all else as it is, in the same language. A question
stays a question: don't answer it. If nothing is missing, repeat the message. Write the rewritten message and nothing
else.

Chat:
bob: Thanks $message
ann: My new board arrived. / It is green.

Last message:
cleo: How do I flash it?"""

ZH = """请改写最后一条消息，让没有看过聊天记录的人也能看懂。把代词换成它所指的内容，补上省略的部分，用词取自聊天记录；\
其余部分保持不变，语言也不变。
如果是问题，改写后仍然是问题，不要回答。如果没有缺少内容，就照原样重复。只写改写后的消息，不要写别的内容。

聊天记录：
用户1: mmpose 1.3 昨天发布了
用户2: 用户1，我在电脑上试过了

最后一条消息：
用户3: 它支持手机吗？"""


def chat(*utterances: tuple[str, str]) -> Row:
    """An item whose message is the last utterance, of pairs of speaker and text."""
    turns = [{"sender": name, "text": text} for name, text in utterances]
    return {"id": 7} | turns[-1] | {"cr_window": turns[:-1]}


BOARD = chat(
    ("bob", "Thanks $message"), ("ann", "My new board arrived.\nIt is green."), ("cleo", "How do I\n flash it?")
)
MMPOSE = chat(
    (sender("wang"), "mmpose 1.3 昨天发布了"),
    (sender("zhang"), f"{sender('wang')}，我在电脑上试过了"),
    (sender("li"), "它支持手机吗？"),
)


def answered(item: Row, answer: Any, window: int = 12) -> Resolution:
    return resolve(item, RuleEngine(lambda prompt: answer), window)


def test_what_is_asked_is_pinned() -> None:
    engine = RuleEngine(lambda prompt: "")
    for item in (BOARD, MMPOSE):
        resolve(item, engine, 12)
    assert [prompt[0]["content"] for prompt in engine.prompts] == [EN, ZH]


def test_the_window_keeps_its_latest_turns_as_many_as_fit() -> None:
    def shown(window: int, context: int = 10_000) -> str:
        request = request_for(BOARD, RuleEngine(str, context), window)
        return request if isinstance(request, Fallback) else request.chat[0]["content"]

    whole = shown(12)
    assert "bob" not in shown(1) and "green" in shown(1)
    assert shown(2) == whole
    tokens = len(whole) + request_for(BOARD, RuleEngine(str), 2).max_tokens  # type: ignore[union-attr]
    assert shown(12, tokens) == whole
    assert shown(12, tokens - 1) == shown(1)
    assert shown(12, 300) == Fallback.DOES_NOT_FIT
    assert shown(0) == Fallback.NO_HISTORY


@pytest.mark.parametrize(
    ("message", "language"),
    [
        ("How do I flash it?", "en"),
        ("它支持手机吗？", "zh"),
        ("TX2 上怎么部署？", "zh"),
        ("docker 呢？", "zh"),
        ("What does 你好 mean?", "en"),
        ("Und wie geht das?", "en"),
        ("それは何ですか？", "en"),
        ("？？", "zh"),  # as the chat is
        ("2.5?", "zh"),
    ],
)
def test_the_prompt_is_in_the_messages_language(message: str, language: str) -> None:
    row = training_row(chat(("小王", "mmpose 昨天发布了"), ("小李", message)), "?", 12)
    assert ("聊天记录" in row["instruction"]) == (language == "zh")


REFUSED = [
    (BOARD, NoAnswer.REFUSED, Fallback.NO_ANSWER),
    (BOARD, "<think>What is it", Fallback.NO_ANSWER),
    (BOARD, "<think>It is the board</think>", Fallback.EMPTY),
    (BOARD, "", Fallback.EMPTY),
    (BOARD, " \n\"'\n", Fallback.EMPTY),
    (BOARD, "Rewritten message:\n", Fallback.EMPTY),
    (BOARD, "cleo: ", Fallback.EMPTY),
    (BOARD, "How do I flash the board? " * 10, Fallback.TOO_LONG),
    (BOARD, "Wie flashe ich ein neues Gerät?", Fallback.INVENTED),
    (BOARD, "如何刷写新的开发板？", Fallback.OTHER_LANGUAGE),
    (BOARD, "How do I flash 新的绿色的开发板上的固件?", Fallback.OTHER_LANGUAGE),
    (BOARD, "You flash the new board with a cable.", Fallback.NO_QUESTION),
    (BOARD, "bob: Thanks $message", Fallback.NO_QUESTION),
    (BOARD, "Is the new board green?", Fallback.WORDS_LOST),
    (BOARD, "Did my new board arrive?", Fallback.WORDS_LOST),
    (BOARD, "How do I flash it? Hold both buttons while a cable is plugged in.", Fallback.INVENTED),
    (BOARD, "How do I flash the Pixel?", Fallback.INVENTED),
    (BOARD, "How do I flash User1's board?", Fallback.UNKNOWN_PERSON),
    (MMPOSE, "用户1 说 mmpose 支持手机。", Fallback.NO_QUESTION),
    (MMPOSE, "支持。", Fallback.NO_QUESTION),
    (MMPOSE, "Does mmpose support mobile phones?", Fallback.OTHER_LANGUAGE),
    (MMPOSE, "mmpose はスマホで動きますか？", Fallback.OTHER_LANGUAGE),
    (MMPOSE, "mmpose 是什么？", Fallback.WORDS_LOST),
    (MMPOSE, "它支持用户4的手机吗？", Fallback.UNKNOWN_PERSON),
    (MMPOSE, "mmpose 支持手机吗？请先安装最新版本并阅读官方文档", Fallback.INVENTED),
    (MMPOSE, "苹果支持手机吗？", Fallback.INVENTED),
    (MMPOSE, "mmpose 支持手机吗？" * 20, Fallback.TOO_LONG),
    (MMPOSE, "改写后的消息：", Fallback.EMPTY),
]


@pytest.mark.parametrize(("item", "answer", "reason"), REFUSED)
def test_what_cannot_take_the_messages_place_is_refused(item: Row, answer: Any, reason: Fallback) -> None:
    assert answered(item, answer) == (item["text"], reason)


@pytest.mark.parametrize(
    ("item", "answer", "text"),
    [
        (BOARD, "How do I flash my new board?", None),
        (BOARD, "How do I flash the green board?\n\nNote: it is the board.", "How do I flash the green board?"),
        (BOARD, "<think>it?</think>\n\n How  do I flash the board?", "How do I flash the board?"),
        (BOARD, 'Rewritten question: "How do I flash the board?"', "How do I flash the board?"),
        (BOARD, "**Rewritten message:** How do I flash the board?", "How do I flash the board?"),
        (BOARD, "Sure! Here is the message:\n> cleo: “How do I flash ann's board?”", "How do I flash ann's board?"),
        (BOARD, "How do I flash it?", None),
        (MMPOSE, "mmpose 1.3 支持手机吗？", None),
        (MMPOSE, "改写后的消息：“mmpose 支持手机吗？”", "mmpose 支持手机吗？"),
        (MMPOSE, "用户3：「mmpose 支持手机吗？」", "mmpose 支持手机吗？"),
        (MMPOSE, "mmpose 支不支持手机", None),
        (MMPOSE, "用户 1的mmpose支持手机吗？", f"{sender('wang')}的mmpose支持手机吗？"),
        (chat(("ann", "Chinese or Thai food?"), ("bob", "Yes, Thai.")), "Yes, I would like Thai food.", None),
        (chat(("ann", "微信输入法 is out"), ("bob", "How do I install it?")), "How do I install 微信输入法?", None),
        (chat(("ann", "Fairphone 5 は良い"), ("bob", "どこで買えますか？")), "Fairphone 5 はどこで買えますか？", None),
        (chat(("ann", "Fedora 42 is out"), ("bob", "??")), "Is Fedora 42 out?", None),
        (chat(("ann", "ok"), ("bob", "why?")), "why is it ok?", None),
    ],
)  # fmt: skip
def test_a_rewrite_takes_the_messages_place(item: Row, answer: str, text: str | None) -> None:
    assert answered(item, answer) == (answer if text is None else text, None)


@pytest.mark.parametrize(
    ("message", "answer"),
    [
        ("Question: is it out?", "Question: is it out?"),
        ('"it" is what?', '"it" is what?'),
        ("“它”和“她”", "“它”和“她”"),
        ("- is it out?", "- is it out?"),
        ("bob: is it out?", "bob: is it out?"),
        ("问题：它出了吗？", "问题：它出了吗？"),
    ],
)
def test_what_the_message_itself_has_stays(message: str, answer: str) -> None:
    assert cleaned(answer, message, ["ann", "bob"]) == message
    assert cleaned(f"ann: {answer}", message, ["ann", "bob"]) == message


def test_pseudonyms_come_back_and_no_number_or_letter_stands_for_a_person() -> None:
    """Numbers that the chat has are left alone, and a pseudonym of somebody who doesn't speak has one too."""
    item = chat(
        (sender("ann"), f"{sender('lee')} says that user 1 and User3 are gone"),
        (sender("bob"), "A is the board"),
        (sender("ann"), "Did she flash it?"),
    )
    engine = RuleEngine(lambda prompt: "Did user4 flash A, the board of User 2 and User5, as user 1 and User3 did?")
    resolution = resolve(item, engine, 12)
    [[message]] = engine.prompts
    assert message["content"].endswith(
        "User2: User5 says that user 1 and User3 are gone\nUser4: A is the board\n\nLast message:\nUser2: "
        "Did she flash it?"
    )
    pseudonyms = (sender(name) for name in ("bob", "ann", "lee"))
    assert resolution == (
        "Did {} flash A, the board of {} and {}, as user 1 and User3 did?".format(*pseudonyms),
        None,
    )


def test_who_has_no_name_is_not_named() -> None:
    row = training_row(chat(("", "My board arrived."), ("\0", "How do I flash it?")), "?", 12)
    assert row["instruction"].endswith("Chat:\nMy board arrived.\n\nLast message:\nHow do I flash it?")


def test_a_training_row_is_what_a_model_is_asked_and_should_answer() -> None:
    engine = RuleEngine(lambda prompt: "")
    resolve(MMPOSE, engine, 12)
    assert training_row(MMPOSE, f"{sender('wang')} 说的 mmpose\n支持手机吗？", 12) == {
        "id": 7,
        "instruction": engine.prompts[0][0]["content"],
        "input": "",
        "output": "用户1 说的 mmpose 支持手机吗？",
    }


def test_a_log_is_answered_from_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LABELS_CACHE", str(tmp_path))
    short, first = chat(("ann", "Tea?"), ("bob", "Green?")), chat(("ann", "Hello?"))
    long = chat(("ann", "word " * 300), ("bob", "it? " * 200))
    rewrites = {"How do I\n flash it?": "How do I flash the board?", "Green?": "Green tea?", long["text"]: ""}
    engine = RuleEngine(
        lambda prompt: next(rewrites[text] for text in rewrites if " ".join(text.split()) in prompt[0]["content"])
    )
    items = [BOARD, first, short, BOARD, long]
    resolutions = resolve_all(items, engine, 12, "test")
    assert resolutions == [
        ("How do I flash the board?", None),
        ("Hello?", Fallback.NO_HISTORY),
        ("Green tea?", None),
        ("How do I flash the board?", None),
        (long["text"], Fallback.EMPTY),
    ]
    assert [resolve(item, engine, 12) for item in items] == resolutions
    assert count_fallbacks(resolutions) == {"no_history": 1, "empty": 1}
    asked = len(engine.prompts)
    assert asked == 3 + 4
    assert resolve_all(items, engine, 12, "test") == resolutions
    assert len(engine.prompts) == asked + 1  # an empty text isn't cached


NEEDED, NOT_NEEDED = [-3.0, -0.1, -5.0], [-0.1, -3.0, -5.0]  # log-probabilities of A, B and C


@pytest.mark.parametrize(
    ("logprobs", "rewrite", "question"),
    [
        (NEEDED, "How do I flash the board?", "How do I flash the board?"),
        (NEEDED, "You flash it.", "How do I flash it?"),
        (NOT_NEEDED, "How do I flash the board?", "How do I flash it?"),
        (NoAnswer.REFUSED, "How do I flash the board?", "How do I flash the board?"),
        (NEEDED, None, "How do I flash it?"),  # without a model that resolves
    ],
)
def test_a_gate_goes_on_with_the_rewrite_of_a_needed_message(logprobs: Any, rewrite: Any, question: str) -> None:
    resolver = RuleEngine(lambda prompt: rewrite)
    gate = Gate(
        RuleEngine(lambda prompt: logprobs),
        params(ROOT / "params.yaml"),
        Threshold(0.0, 1.0),
        None if rewrite is None else resolver,
    )
    history = [("dan", "out of the window"), *(("ann", f"turn {number}") for number in range(11)), ("bob", "A board!")]
    decision = gate(history, "How do I flash it?")
    assert decision == Decision(logprobs is not NOT_NEEDED, decision.probability, question)
    assert len(resolver.prompts) == (rewrite is not None and decision.needed)
    for [message] in resolver.prompts:
        assert "Chat:\nann: turn 0\n" in message["content"]
        assert message["content"].endswith("bob: A board!\n\nLast message:\nHow do I flash it?")


def test_a_gate_shows_no_history_where_the_question_has_none() -> None:
    model = RuleEngine(lambda prompt: NEEDED)
    gate = Gate(model, params(ROOT / "params.yaml").asking("is_question"), Threshold(0.0, 1.0))
    assert gate([("ann", "My board arrived.")], "How do I flash it?").needed
    [[message]] = model.prompts
    assert "My board arrived." not in message["content"]
    assert message["content"].endswith("Message:\nA: How do I flash it?")


TEXTS = st.text(st.sampled_from("it它 吗?？是board新开发板flashA1.,\n\"“”':：-"), max_size=60)
MESSAGES = st.one_of(TEXTS, st.text(max_size=60)).filter(lambda text: any(map(str.isalnum, text)))
WINDOWS = st.lists(st.tuples(st.sampled_from(["ann", "bob", "李", "", sender("lee")]), TEXTS), min_size=1, max_size=4)


@given(WINDOWS, MESSAGES, st.one_of(TEXTS, st.text()))
def test_any_answer_gives_the_message_with_a_reason_or_a_sound_rewrite(
    window: list[tuple[str, str]], message: str, answer: str
) -> None:
    item = chat(*window, ("cleo", message))
    text, reason = answered(item, answer)
    if reason:
        assert text == message
    else:
        assert text.strip() and len(text.splitlines()) == 1
        turns = [f"{name}: {text}" for name, text in window]
        room = most_bytes(message, turns) + 16 * text.count(sender("lee"))
        assert len(text.encode()) <= room


@given(WINDOWS, MESSAGES)
def test_a_message_that_is_repeated_is_kept(window: list[tuple[str, str]], message: str) -> None:
    item = chat(*window, ("cleo", message))
    one_line = " ".join(message.split())
    assert answered(item, one_line) == (one_line, None)
    assert problem(one_line, one_line, [text for _, text in window]) is None


@given(
    st.sampled_from(["Rewritten question: {}", '"{}"', "“{}”", "{{}}: {}", "\n改写：\n「{}」", "**{}**\n\nWhy: it"])
)
def test_wrappers_are_taken_off(wrapper: str) -> None:
    for item, name, text in ((BOARD, "cleo", "How do I flash the board?"), (MMPOSE, "用户3", "mmpose 支持手机吗？")):
        assert answered(item, wrapper.format(text).format(name)) == (text, None)


@given(st.integers(1, 8), st.integers(0, 8))
def test_a_rewrite_keeps_at_least_half_of_the_content_words(words: int, kept: int) -> None:
    numbers = [f"{number}000" for number in range(words)]
    kept = min(kept, words)
    rewrite = " ".join(["what of", *numbers[:kept], "?"])
    expected = None if kept >= LEAST_KEPT * words else Fallback.WORDS_LOST
    assert problem(rewrite, " ".join(["what of", *numbers, "?"]), ["ann: 5"]) == expected


@given(WINDOWS, MESSAGES)
def test_an_answer_that_the_limit_cuts_off_would_be_too_long(window: list[tuple[str, str]], message: str) -> None:
    """A token has at least one byte, so the longest rewrite that is taken has no more tokens than the limit."""
    request = request_for(chat(*window, ("cleo", message)), RuleEngine(str, 100_000), 12)
    assert not isinstance(request, Fallback)
    assert request.max_tokens >= most_bytes(request.rendering.message, request.rendering.window)
    assert request.max_tokens & (request.max_tokens - 1) == 0
