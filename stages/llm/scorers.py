"""Is a text a question? Scorers that rate texts from 0 to 10 (paper, section 2, "Filter")."""

import math
import re
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from string import Template

from tqdm import tqdm

from stages.llm import Prompt, kept
from stages.llm.answers import rating
from stages.llm.engines import engine
from stages.llm.kept import Engine
from stages.llm.prompts import FilterPrompt, load_filter
from stages.params import Params, Scorer

OPENING = r"(?:(?:and|but|so|or|then|ok|okay|oh|well|hey|also|btw|wow|cool|nice|lol|haha|yeah|yes|no)[,.!]* +)*"
ASKING = r"(?:what|who|whom|whose|which|when|where|why|how|(?:wh?at|who|where|how)'?s|wbu|hbu|wyd|any(?:one|body))\b"
INVERTED = (
    r"(?:(?:do|does|did|is|are|was|were|could|would|should|have|has|had)(?:n'?t)?|can(?:'?t)?|will|won'?t|may|might|am)"
    r" +(?:i|you|u|ya|he|she|it|we|they|this|that|these|those|there|the|your|my|his|her|our|their"
    r"|(?:any|some)(?:one|body|thing)?)\b"
)
CLAUSE_ASKS = re.compile(rf"^\W*{OPENING}(?:{ASKING}|{INVERTED})", re.IGNORECASE)
CHINESE_ENDS = re.compile(r"[吗嘛呢么吧][\s。.!！~～]*$")
CHINESE_ASKS = re.compile(
    r"什么|怎么|怎样|为什么|为何|如何|哪|谁|几|多少|多久|是否|是不是|有没有|能不能|可不可以|会不会|请问|咋|啥"
)
QUESTION_MARKS = ("?", "？")
OTHER_MARKS = (".", "!", "。", "！")
RATING_TOKENS = 16
FINAL_MARKS = " \t\r\n?.!？。！…~"
CLAUSES = re.compile(r"(?<=[.!,;。！，；])\s+|\n")


def rules(text: str) -> float:
    """Interrogative marks and words, English and Chinese: 10 for a mark, 6 for a clause built as a question, else
    0.
    """
    if "?" in text or "？" in text:
        return 10.0
    if any(CLAUSE_ASKS.search(clause) for clause in CLAUSES.split(text)):
        return 6.0
    if CHINESE_ENDS.search(text) or CHINESE_ASKS.search(text):
        return 6.0
    return 0.0


def mark(texts: Sequence[str], engine: Engine, label: str) -> list[float | None]:
    """How much likelier the model would end the text with a question mark than with a full stop or exclamation mark,
    times 10: what small models are good at.

    The text's own final marks are taken off first. A turn of several lines is asked at the end of each, and the
    highest counts, since people ask and then go on. None where not even the first line fits into the model's context.
    """
    asks, others = ([mark for mark in marks if engine.single(mark)] for marks in (QUESTION_MARKS, OTHER_MARKS))
    beginnings = [[part for part in _without_final_marks(text) if engine.fits(part, 1)] for text in texts]
    asked = [beginning for several in beginnings for beginning in several]
    answers = iter(kept.choose(engine, asked, [*asks, *others], label))
    return [max((_share(next(answers), len(asks)) for _ in several), default=None) for several in beginnings]


def choose(texts: Sequence[str], engine: Engine, prompt: FilterPrompt, label: str) -> list[float | None]:
    """The probability of yes against no, times 10; None for a text that doesn't fit into the model's context."""
    asked = _fitting(prompt.choose, texts, engine, 1)
    answers = iter(kept.choose(engine, [one for one in asked if one], prompt.words, label))
    return [_share(next(answers), 1) if one else None for one in asked]


def rate(texts: Sequence[str], engine: Engine, prompt: FilterPrompt, label: str) -> list[float | None]:
    """The number from 0 to 10 that the model answers with; None where it says no such number, or the text doesn't fit
    into its context.
    """
    asked = _fitting(prompt.rate, texts, engine, RATING_TOKENS)
    answers = iter(kept.generate(engine, [one for one in asked if one], RATING_TOKENS, label))
    return [rating(next(answers)) if one else None for one in asked]


def _fitting(task: str, texts: Sequence[str], engine: Engine, room: int) -> list[Prompt | None]:
    """The task for each text; None where it and `room` tokens of answer don't fit into the model's context."""
    asked: list[Prompt] = [[{"role": "user", "content": Template(task).substitute(text=text)}] for text in texts]
    return [one if engine.fits(one, room) else None for one in asked]


def _share(logprobs: Sequence[float], first: int) -> float:
    """The first options' share of the probability of all, times 10."""
    odds = [math.exp(value - max(logprobs)) for value in logprobs]
    return round(10 * sum(odds[:first]) / sum(odds), 4)


def _without_final_marks(text: str) -> list[str]:
    """The text up to the end of each of its lines, less the marks there."""
    lines = text.split("\n")
    upto = ["\n".join(lines[: n + 1]).rstrip(FINAL_MARKS) for n, line in enumerate(lines) if line.strip(FINAL_MARKS)]
    return upto or [text]


def rater(scorer: Scorer, base: Path, p: Params) -> Callable[[Sequence[str]], Sequence[float | None]]:
    """What gives each text a score from 0 to 10; None where an answer can't be read as one.

    The embedded engine computes in float32 here, since the scores decide which rows go on.
    """
    if scorer.kind == "rules":
        return lambda texts: [rules(text) for text in tqdm(texts, desc=scorer.name, unit=" turns", delay=1)]
    answers = engine(str(scorer.model), base / str(scorer.model), p, exact=True)
    if scorer.kind == "mark":
        return partial(mark, engine=answers, label=scorer.name)
    asks = choose if scorer.kind == "choose" else rate
    return partial(asks, engine=answers, prompt=load_filter(str(scorer.prompt)), label=scorer.name)
