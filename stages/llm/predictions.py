"""Predictions of a model: its answers to the question of each item (paper, section 2, "LLM Evaluation").

Protocol `choice` compares the log-probabilities of the options' letters. Protocol `generate` is the paper's: the model
reasons freely, and a second chat, which holds its own answer alone, reduces this answer to a letter.
"""

from collections import Counter
from collections.abc import Sequence
from itertools import chain, islice
from typing import Any, NamedTuple

import click

from stages.llm import answer_cache, prompts
from stages.llm.answer_cache import Engine
from stages.llm.answer_parsing import parse_choice
from stages.llm.no_answers import NoAnswer
from stages.pipeline.params import Params

LETTER_TOKENS = 16  # limit of the second turn's answer
NO_LETTER = "-"  # in `letters`, for an answer that is none of the options


class Question(NamedTuple):
    """An item's question in one order of its options, and how many turns of its history didn't fit."""

    order: list[str]
    chat: list[dict[str, str]]
    turns_lost: int


class Answer(NamedTuple):
    """The answer to a question, an option or NoAnswer, with its source."""

    option: str
    logprobs: dict[str, float]  # of the options that have one; empty by protocol `generate`
    text: str  # of the second turn; empty by protocol `choice`


def predict(items: Sequence[dict[str, Any]], engine: Engine, p: Params, progress_title: str) -> list[dict[str, Any]]:
    """A prediction for each item over all orders of its options, asked as `question` and `evaluate` say.

    Raises click.ClickException for an item whose question alone doesn't fit into the model's context, and where the
    second turn of protocol `generate` doesn't.
    """
    template = prompts.load(p.question.definition, p.question.prompt)
    if p.evaluate.protocol == "generate":
        check_reduction_fits(template, p.evaluate.max_tokens, engine)
    questions_by_item = [questions_in_all_orders(item, template, p, engine) for item in items]
    questions = list(chain.from_iterable(questions_by_item))
    if p.evaluate.protocol == "choice":
        answers = answer_by_choice(questions, engine, progress_title)
        combine = combine_logprobs
    else:
        answers = answer_by_generation(questions, engine, template, p.evaluate.max_tokens, progress_title)
        combine = combine_texts
    remaining = iter(answers)
    predictions = []
    for item, item_questions in zip(items, questions_by_item, strict=True):
        item_answers = list(islice(remaining, len(item_questions)))
        about_item = {
            "id": item["id"],
            "prompt": p.question.prompt,
            "letters": "".join(map(answer_letter, item_questions, item_answers)),
            "turns_lost": max(question.turns_lost for question in item_questions),
        }
        predictions.append(combine(item_answers) | about_item)
    return predictions


def option_orders(id: int, p: Params) -> list[list[str]]:
    """The orders of the options in which an item is asked."""
    first = prompts.option_order(id, p.question.option_order.evaluation, p.question.seed)
    return prompts.option_permutations(first, p.evaluate.permutations)


def questions_in_all_orders(
    item: dict[str, Any], template: prompts.PromptTemplate, p: Params, engine: Engine
) -> list[Question]:
    return [fitting_question(item, order, template, p, engine) for order in option_orders(item["id"], p)]


def fitting_question(
    item: dict[str, Any], order: list[str], template: prompts.PromptTemplate, p: Params, engine: Engine
) -> Question:
    """An item's question with as many turns of its history as fit.

    The oldest turns are left out first, the question and the options never. Raises click.ClickException where the
    question alone doesn't fit.
    """
    answer_tokens = 1 if p.evaluate.protocol == "choice" else p.evaluate.max_tokens
    history = min(p.question.turns, len(item["cr_window"]))
    for turns in range(history, -1, -1):
        chat = [{"role": "user", "content": prompts.render(item, template, order, turns)}]
        if engine.fits(chat, answer_tokens):
            return Question(order, chat, turns_lost=history - turns)
    raise click.ClickException(
        f"id {item['id']}: the question alone and {answer_tokens} tokens of answer don't fit into the model's"
        f" {engine.context} tokens; lower evaluate.max_tokens, or ingest.max_chars, which leaves such messages out"
    )


def check_reduction_fits(template: prompts.PromptTemplate, max_tokens: int, engine: Engine) -> None:
    """Raises click.ClickException where an answer of `max_tokens` tokens is too long for the second turn."""
    without_answer = reduction_chat(template, "", prompts.OPTIONS)
    if not engine.fits(without_answer, max_tokens + LETTER_TOKENS):
        raise click.ClickException(
            f"evaluate.max_tokens {max_tokens}: the second turn with an answer of that length doesn't fit into the"
            f" model's {engine.context} tokens; lower it"
        )


def reduction_chat(template: prompts.PromptTemplate, answer: str, order: Sequence[str]) -> list[dict[str, str]]:
    """The second turn of protocol `generate`: a chat that holds the model's own answer and no question before it."""
    return [{"role": "user", "content": prompts.render_reduction(template, answer, order)}]


def answer_by_choice(questions: Sequence[Question], engine: Engine, progress_title: str) -> list[Answer]:
    """The option whose letter is likeliest as the next token."""
    chats = [question.chat for question in questions]
    return chosen_answers(questions, answer_cache.choose(engine, chats, list(prompts.LETTERS), progress_title))


def chosen_answers(
    questions: Sequence[Question], letter_logprobs: Sequence[Sequence[float | None] | NoAnswer]
) -> list[Answer]:
    """The answers that the log-probabilities of the letters stand for; [questions][letters]."""
    answers = []
    for question, logprobs in zip(questions, letter_logprobs, strict=True):
        if isinstance(logprobs, NoAnswer):
            answers.append(Answer(logprobs, {}, text=""))
            continue
        pairs = zip(question.order, logprobs, strict=True)
        logprob_by_option = {option: logprob for option, logprob in pairs if logprob is not None}
        answers.append(Answer(likeliest(logprob_by_option), logprob_by_option, text=""))
    return answers


def answer_by_generation(
    questions: Sequence[Question],
    engine: Engine,
    template: prompts.PromptTemplate,
    max_tokens: int,
    progress_title: str,
) -> list[Answer]:
    """The option that the model names in a second turn, after it has reasoned with up to `max_tokens` tokens.

    The options have the letters that they had in the question, since the reasoning may name a letter alone. A question
    without reasoning, refused or cut off, has no second turn.
    """
    first_turns = [question.chat for question in questions]
    reasonings = answer_cache.generate(engine, first_turns, max_tokens, f"{progress_title}, reasons")
    second_turns = {
        i: reduction_chat(template, reasoning, questions[i].order)
        for i, reasoning in enumerate(reasonings)
        if not isinstance(reasoning, NoAnswer)
    }
    replies = answer_cache.generate(engine, list(second_turns.values()), LETTER_TOKENS, f"{progress_title}, decides")
    reply_by_index = dict(enumerate(reasonings)) | dict(zip(second_turns, replies, strict=True))
    return [_answer_in(reply_by_index[i], question, template) for i, question in enumerate(questions)]


def _answer_in(reply: str | NoAnswer, question: Question, template: prompts.PromptTemplate) -> Answer:
    if isinstance(reply, NoAnswer):
        return Answer(reply, {}, text="")
    return Answer(parse_choice(reply, template, question.order), {}, reply)


def combine_logprobs(answers: Sequence[Answer]) -> dict[str, Any]:
    """An item's mean log-probability of each option over its answered orders, and the likeliest option.

    An option that lacks a log-probability in one of these orders has none. Where all options lack one, the orders'
    answers are counted.
    """
    answered = [answer.logprobs for answer in answers if answer.logprobs]
    means = {
        option: round(sum(logprobs[option] for logprobs in answered) / len(answered), 6)
        for option in prompts.OPTIONS
        if answered and all(option in logprobs for logprobs in answered)
    }
    answer = likeliest(means) if means else majority([answer.option for answer in answers])
    return dict.fromkeys(prompts.OPTIONS) | means | {"said": None, "answer": answer}


def combine_texts(answers: Sequence[Answer]) -> dict[str, Any]:
    """An item's texts over its orders, each in a line, and the option that most of them name."""
    texts = "\n".join(answer.text for answer in answers)
    return dict.fromkeys(prompts.OPTIONS) | {"said": texts, "answer": majority([answer.option for answer in answers])}


def likeliest(logprobs: dict[str, float]) -> str:
    """The option with the highest log-probability; UNREADABLE where two have it, or there is none."""
    ranking = sorted(logprobs, key=lambda option: logprobs[option], reverse=True)
    is_tied = len(ranking) > 1 and logprobs[ranking[0]] == logprobs[ranking[1]]
    return ranking[0] if ranking and not is_tied else NoAnswer.UNREADABLE


def majority(votes: Sequence[str]) -> str:
    """The option with the most votes, UNREADABLE where the first two are tied.

    Where no vote is an option, the reason that all have in common, or UNREADABLE.
    """
    ranking = Counter(vote for vote in votes if vote in prompts.OPTIONS).most_common(2)
    if not ranking:
        return votes[0] if len(set(votes)) == 1 else NoAnswer.UNREADABLE
    is_tied = len(ranking) == 2 and ranking[0][1] == ranking[1][1]
    return NoAnswer.UNREADABLE if is_tied else ranking[0][0]


def answer_letter(question: Question, answer: Answer) -> str:
    """The letter that the answer's option has in the question, or NO_LETTER."""
    return prompts.LETTERS[question.order.index(answer.option)] if answer.option in question.order else NO_LETTER


def summary(predictions: Sequence[dict[str, Any]], p: Params) -> dict[str, float]:
    """Figures over all predictions.

    `letter_share`: the share of the commonest letter. `shortened`: items that lost turns of their history, since they
    didn't fit. `turns_lost`: these turns. `order_changes`, with several orders: the share of items whose answer
    depends on the order of the options.
    """
    letter_counts = Counter("".join(prediction["letters"] for prediction in predictions))
    figures = {
        "letter_share": round(max(letter_counts.values()) / letter_counts.total(), 6),
        "shortened": sum(prediction["turns_lost"] > 0 for prediction in predictions),
        "turns_lost": sum(prediction["turns_lost"] for prediction in predictions),
    }
    if p.evaluate.permutations > 1:
        changes = sum(len(distinct_answers(prediction, p)) > 1 for prediction in predictions)
        figures["order_changes"] = round(changes / len(predictions), 6)
    return figures


def distinct_answers(prediction: dict[str, Any], p: Params) -> set[str]:
    """The different answers to an item over the orders of its options."""
    orders = option_orders(prediction["id"], p)
    return {
        NoAnswer.UNREADABLE if letter == NO_LETTER else order[prompts.LETTERS.index(letter)]
        for letter, order in zip(prediction["letters"], orders, strict=True)
    }
