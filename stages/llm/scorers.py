"""Question scorers, which rate from 0 to 10 whether a text is a question (paper, section 2, "Filter").

The functions `rules`, `mark`, `choose`, `rate`, `probe` and `tuned` are named after the kinds of scorers in
params.yaml. The last two have learnt from labels of the question is_question.
"""

import math
import re
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from string import Template
from typing import Any

from tqdm import tqdm

from stages.llm import Prompt, answer_cache, catalogue
from stages.llm.answer_cache import Engine
from stages.llm.answer_parsing import parse_rating
from stages.llm.filter_probe import FilterProbe, read_probe
from stages.llm.no_answers import NoAnswer
from stages.llm.predictions import predict
from stages.llm.prompts import OPTIONS, FilterTemplate, load, load_filter, render
from stages.llm.states import StateReader
from stages.pipeline.definition import IS_QUESTION
from stages.pipeline.params import Params, Scorer
from stages.pipeline.pseudonym import PSEUDONYM

INTERJECTIONS = (
    r"(?:(?:and|but|so|or|then|ok|okay|oh|well|hey|hi|hello|also|btw|wow|cool|nice|lol|haha|yeah|yes|no|just|guys|um+|hmm+"
    r"|actually|sorry|please)[,.!]* +)*"
)
AUXILIARY = (
    r"(?:do|does|did|is|are|was|were|am|can|could|will|would|should|shall|may|might|must|has|have|had)(?:n'?t)?"
)
# "when I boot it, it hangs" and "which is why I asked" ask nothing.
QUESTION_WORD = (
    r"(?:what|who|whom|whose|where|why|how|which(?! is why| means)"
    rf"|when(?='?s\b| +(?:{AUXILIARY}|exactly|else)\b|\W*$)|(?:wh?at|who|where|how)'?s|wbu|hbu|wyd"
    r"|any(?:one|body|1)|any (?:other )?(?:ideas?|clues?|thoughts|suggestions?))\b"
)
PLURAL_SUBJECT = (  # of "do the others work"; "do it" is no question
    r"(?:i|you|u|ya|we|they|these|those|there|the|your|my|his|her|our|their|(?:any|some)(?:one|body|thing|1)?)"
)
INVERSION = (
    rf"(?:do(?:n'?t)? +{PLURAL_SUBJECT}"
    r"|(?:(?:does|did|is|are|was|were|could|would|should|have|has|had)(?:n'?t)?|can(?:'?t)?|will|won'?t|may|might|am)"
    rf" +(?:he|she|it|this|that|{PLURAL_SUBJECT}))\b"
)
ENGLISH_QUESTION = re.compile(rf"^\W*{INTERJECTIONS}(?:{QUESTION_WORD}|{INVERSION})", re.IGNORECASE)
CHINESE_FINAL_PARTICLE = re.compile(r"[吗嘛呢么吧][\s。.!！~～]*$")
CHINESE_QUESTION_WORD = re.compile(
    r"什么|怎么|怎样|为什么|为何|如何|哪|谁|几|多少|多久|是否|是不是|有没有|能不能|可不可以|会不会|请问|咋|啥"
)
LINK = re.compile(r"(?:https?://|ftp://|www\.)\S*[\w/=&%#+-]", re.IGNORECASE)  # a mark inside asks nothing
ADDRESS = re.compile(  # `ann: what version?`, and with pseudonyms `hi ann and bob - what version?`
    rf"^(?:(?:(?:hi|hey|hello|thanks|and|und|y|et) )?[ \t]*[@<(\[]?{PSEUDONYM.pattern}[^\w\n]*)+"
    r"|^(?:[ \t]*@?[^\s:：]{1,40} ?(?:[:：]\s|：)\s*)+",
    re.MULTILINE | re.IGNORECASE,
)
CLAUSE_END = re.compile(r"(?<=[.!,;。！，；])\s+|\n")
QUESTION_MARKS = ("?", "？")
OTHER_MARKS = (".", "!", "。", "！")
FINAL_MARKS = " \t\r\n?.!？。！…~"
PROBES = "filter_probes.safetensors"  # beside data/base, of the stage filter_probes
RATING_TOKENS = 16  # limit of an answer

Rating = float | NoAnswer  # from 0 to 10
RateTexts = Callable[[Sequence[str]], Sequence[Rating]]


def rater(scorer: Scorer, base: Path, p: Params) -> RateTexts:
    """The function that rates each text.

    The embedded engine computes in float32 here, since the scores decide which rows pass the filter.
    """
    if scorer.kind == "rules":
        return lambda texts: [
            rules(text) for text in tqdm(texts, desc=scorer.name, unit=" turns", delay=1, leave=None)
        ]
    if scorer.kind == "probe":
        return partial(
            probe,
            reader=StateReader(base / str(scorer.model)),
            filter_probe=read_probe(base.with_name(PROBES), scorer.name),
        )
    adapter = Path(scorer.adapter) if scorer.adapter else None
    engine = catalogue.engine(str(scorer.model), base / str(scorer.model), p, adapter, exact=True)
    if scorer.kind == "tuned":
        return partial(tuned, engine=engine, p=p, prompt=str(scorer.prompt), progress_title=scorer.name)
    if scorer.kind == "mark":
        return partial(mark, engine=engine, progress_title=scorer.name)
    rate_with_prompt = choose if scorer.kind == "choose" else rate
    prompt = load_filter(str(scorer.prompt))
    return partial(rate_with_prompt, engine=engine, prompt=prompt, progress_title=scorer.name)


def rules(text: str) -> float:
    """10 for a question mark outside a link, 6 for a clause built as a question (English and Chinese), else 0."""
    text = LINK.sub("", text)
    if any(character in text for character in QUESTION_MARKS):
        return 10.0
    if any(ENGLISH_QUESTION.search(clause) for clause in CLAUSE_END.split(ADDRESS.sub("", text))):
        return 6.0
    if CHINESE_FINAL_PARTICLE.search(text) or CHINESE_QUESTION_WORD.search(text):
        return 6.0
    return 0.0


def mark(texts: Sequence[str], engine: Engine, progress_title: str) -> list[Rating]:
    """10 times the probability that the model ends the text with a question mark rather than with a full stop or an
    exclamation mark. Small models are good at this.

    The text's own final marks are removed first. A turn of several lines is asked at the end of each line, and the
    highest score counts, since people ask and then go on. UNREADABLE where not even the first line fits into the
    context.
    """
    question_marks = [character for character in QUESTION_MARKS if engine.is_single_token(character)]
    other_marks = [character for character in OTHER_MARKS if engine.is_single_token(character)]
    beginnings_by_text = [_fitting_beginnings(text, engine) for text in texts]
    prompts: list[Prompt] = []
    for beginnings in beginnings_by_text:
        prompts += beginnings
    remaining_logprobs = iter(answer_cache.choose(engine, prompts, [*question_marks, *other_marks], progress_title))
    scores = []
    for beginnings in beginnings_by_text:
        ratings = [_share(next(remaining_logprobs), len(question_marks)) for _ in beginnings]
        line_scores = [rating for rating in ratings if not isinstance(rating, NoAnswer)]
        scores.append(max(line_scores) if line_scores else next(iter(ratings), NoAnswer.UNREADABLE))
    return scores


def choose(texts: Sequence[str], engine: Engine, prompt: FilterTemplate, progress_title: str) -> list[Rating]:
    """10 times the probability of yes against no. UNREADABLE for a text that doesn't fit into the model's context."""
    prompts = _fitting_prompts(prompt.choose, prompt.system, texts, engine, 1)
    logprobs = answer_cache.choose(engine, list(prompts.values()), prompt.words, progress_title)
    scores = {i: _share(logprobs_of_words, 1) for i, logprobs_of_words in zip(prompts, logprobs, strict=True)}
    return [scores.get(i, NoAnswer.UNREADABLE) for i in range(len(texts))]


def rate(texts: Sequence[str], engine: Engine, prompt: FilterTemplate, progress_title: str) -> list[Rating]:
    """The number from 0 to 10 that the model answers. UNREADABLE where it answers anything else, and for a text that
    doesn't fit into its context.
    """
    prompts = _fitting_prompts(prompt.rate, prompt.system, texts, engine, RATING_TOKENS)
    answers = answer_cache.generate(engine, list(prompts.values()), RATING_TOKENS, progress_title)
    scores = {i: _rating(answer) for i, answer in zip(prompts, answers, strict=True)}
    return [scores.get(i, NoAnswer.UNREADABLE) for i in range(len(texts))]


def probe(texts: Sequence[str], reader: StateReader, filter_probe: FilterProbe) -> list[Rating]:
    """10 times the probability of a question by logistic regression on the model's hidden states of the text alone."""
    if not texts:
        return []
    place = reader.layers.index(int(filter_probe.layer))
    return [round(float(rating), 4) for rating in filter_probe.rate(reader.read_alone(texts)[place])]


def tuned(texts: Sequence[str], engine: Engine, p: Params, prompt: str, progress_title: str) -> list[Rating]:
    """10 times the probability of a question, against none, by a model that was tuned on the question is_question.
    UNREADABLE for a text that doesn't fit into the model's context.
    """
    p = _asking_alike(prompt, p)
    template = load(p.question.definition, prompt)
    items = [{"id": i, "sender": "", "text": text, "cr_window": []} for i, text in enumerate(texts)]
    chats = [[{"role": "user", "content": render(item, template, OPTIONS, 0)}] for item in items]
    fitting = [item for item, chat in zip(items, chats, strict=True) if engine.fits(chat, 1)]
    predictions = predict(fitting, engine, p, progress_title)
    scores = {item["id"]: _rating_of(prediction) for item, prediction in zip(fitting, predictions, strict=True)}
    return [scores.get(i, NoAnswer.UNREADABLE) for i in range(len(texts))]


def _asking_alike(prompt: str, p: Params) -> Params:
    """The parameters with the question is_question, asked of each text in one way: without history, its options in the
    fixed order, by their log-probabilities.
    """
    p = p.asking(IS_QUESTION)
    order = p.question.option_order.model_copy(update={"evaluation": "fixed"})
    question = p.question.model_copy(update={"prompt": prompt, "window": 0, "option_order": order})
    evaluate = p.evaluate.model_copy(update={"protocol": "choice", "permutations": 1})
    return p.model_copy(update={"question": question, "evaluate": evaluate})


def _rating_of(prediction: Mapping[str, Any]) -> Rating:
    logprobs = [prediction["positive"], prediction["negative"]]
    if any(logprob is not None for logprob in logprobs):
        return _share(logprobs, 1)
    return NoAnswer(prediction["answer"]) if prediction["answer"] in set(NoAnswer) else NoAnswer.UNREADABLE


def _fitting_prompts(
    task: str, system: str | None, texts: Sequence[str], engine: Engine, answer_tokens: int
) -> dict[int, Prompt]:
    """The task for each text that fits into the model's context with its answer, by the index of the text; under the
    system prompt, if there is one.
    """
    introduction = [] if system is None else [{"role": "system", "content": system}]
    prompts: dict[int, Prompt] = {}
    for i, text in enumerate(texts):
        prompt: Prompt = [*introduction, {"role": "user", "content": Template(task).substitute(text=text)}]
        if engine.fits(prompt, answer_tokens):
            prompts[i] = prompt
    return prompts


def _fitting_beginnings(text: str, engine: Engine) -> list[str]:
    beginnings = _without_final_marks(text)
    if engine.fits(beginnings[-1], 1):  # the longest
        return beginnings
    return [beginning for beginning in beginnings if engine.fits(beginning, 1)]


def _without_final_marks(text: str) -> list[str]:
    """The text up to the end of each of its lines, without the marks there; lines of marks alone are left out."""
    lines = text.split("\n")
    beginnings = [
        "\n".join(lines[: number + 1]).rstrip(FINAL_MARKS)
        for number, line in enumerate(lines)
        if line.strip(FINAL_MARKS)
    ]
    return beginnings or [text]


def _rating(answer: str | NoAnswer) -> Rating:
    if isinstance(answer, NoAnswer):
        return answer
    rating = parse_rating(answer)
    return NoAnswer.UNREADABLE if rating is None else rating


def _share(logprobs: Sequence[float | None] | NoAnswer, count: int) -> Rating:
    """10 times the share of the first `count` options in the probability of all; those without one count as 0."""
    if isinstance(logprobs, NoAnswer):
        return logprobs
    highest = max(logprob for logprob in logprobs if logprob is not None)
    probabilities = [0.0 if logprob is None else math.exp(logprob - highest) for logprob in logprobs]
    return round(10 * sum(probabilities[:count]) / sum(probabilities), 4)
