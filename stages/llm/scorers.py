"""Is a text a question? Scorers that rate texts from 0 to 10 (paper, section 2, "Filter")."""

import math
import re
from pathlib import Path

from stages.params import Scorer

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


def mark(texts: list[str], model: Path, batch_tokens: int) -> list[float]:
    """How much likelier the model would end the text with a question mark than with a full stop or exclamation mark,
    times 10.

    The text's own final marks are taken off first. A turn of several lines is asked at the end of each, and the
    highest counts, since people ask and then go on. In float32, since the scores decide which rows go on.
    """
    import torch

    from stages.llm.transformers import Engine

    engine = Engine(model, batch_tokens, dtype=torch.float32)
    asks = [option for option in ("?", "？") if engine.token(option) is not None]
    ends = [option for option in (".", "!", "。", "！") if engine.token(option) is not None]
    beginnings = [_without_final_marks(text) for text in texts]
    answers = iter(engine.choose([one for several in beginnings for one in several], asks + ends, "mark"))
    scores = []
    for several in beginnings:
        odds = [[math.exp(value) for value in next(answers)] for _ in several]
        scores.append(round(10 * max(sum(o[: len(asks)]) / sum(o) for o in odds), 4))
    return scores


def _without_final_marks(text: str) -> list[str]:
    """The text up to the end of each of its lines, less the marks there."""
    lines = text.split("\n")
    upto = ["\n".join(lines[: n + 1]).rstrip(FINAL_MARKS) for n, line in enumerate(lines) if line.strip(FINAL_MARKS)]
    return upto or [text]


def score(scorer: Scorer, texts: list[str], base: Path, batch_tokens: int) -> list[float]:
    """A score from 0 to 10 for each text."""
    if scorer.kind == "rules":
        return [rules(text) for text in texts]
    return mark(texts, base / str(scorer.model), batch_tokens)
