"""A cache of models' answers in the user's cache directory: an interrupted run resumes, and valid answers aren't asked
for twice.

The key of an answer is the hash of what decides it: the engine's identity (kind, model, revision or hash of the
weights, adapter, number type), the parameters of the call, and the prompt. `LABELS_CACHE` moves the directory. With
`LABELS_FRESH=1` every answer is asked for again, and the new ones replace the old.
"""

import hashlib
import json
import math
import os
import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from typing import Any, Protocol

import click

from stages.llm import Answers, Prompt, Prompts, SaveAnswers
from stages.llm.answer_parsing import after_thought
from stages.llm.answer_store import AnswerStore
from stages.llm.no_answers import NoAnswer
from stages.pipeline.params import cache_directory
from stages.pipeline.text import quoted

NO_ANSWER = "no_answer"  # in the store, the key of a NoAnswer
LOGPROB_TOLERANCE = 1e-6  # rounding may put a log-probability this much above 0
LONE_SURROGATE = re.compile("[\ud800-\udfff]")  # half of a UTF-16 pair, which UTF-8 can't encode


class Engine(Protocol):
    """Asks a model many prompts.

    `choose` and `generate` skip prompts that have an answer in `stored_answers`, by the index of the prompt. They pass
    each new answer, or NoAnswer, to `save` as soon as it exists, and return nothing. They plan batches over all
    prompts, stored or not, so that a run that resumes after a crash computes the same batches as an undisturbed one.

    `identity` holds everything that decides an answer. Its `format`, the engine's ANSWER_VERSION, stands for the code:
    it is raised by hand with each change after which the same call may give another answer.
    """

    identity: Mapping[str, Any]
    context: int  # tokens of prompt and answer together

    def fits(self, prompt: Prompt, answer_tokens: int) -> bool:
        """Whether the prompt and an answer of so many tokens fit into the context."""
        ...

    def is_single_token(self, option: str) -> bool:
        """Whether the option is one token for this model, as `choose` needs it."""
        ...

    def choose(
        self, prompts: Prompts, options: Sequence[str], stored_answers: Answers, save: SaveAnswers, progress_title: str
    ) -> None:
        """Save the natural log-probability of each option as the next token, in the order of the options; None for an
        option that the engine has no log-probability of.
        """
        ...

    def generate(
        self, prompts: Prompts, max_tokens: int, stored_answers: Answers, save: SaveAnswers, progress_title: str
    ) -> None:
        """Save the text of greedy decoding, of up to `max_tokens` tokens."""
        ...


def choose(
    engine: Engine, prompts: Prompts, options: Sequence[str], progress_title: str
) -> list[list[float | None] | NoAnswer]:
    """The natural log-probability of each option as the next token after each prompt; [prompts][options].

    Raises click.ClickException where the model's numbers are no log-probabilities; valid answers are saved before.
    """

    def ask_engine(unique_prompts: Prompts, stored_answers: Answers, save: SaveAnswers) -> None:
        def save_and_check(answers: Answers) -> None:
            save(answers)
            for answer in answers.values():
                _check_logprobs(answer, options)

        engine.choose(unique_prompts, options, stored_answers, save_and_check, progress_title)

    call_parameters = {"choose": list(options)}
    return _cached_answers(engine, call_parameters, prompts, ask_engine, lambda answer: are_logprobs(answer, options))


def generate(engine: Engine, prompts: Prompts, max_tokens: int, progress_title: str) -> list[str | NoAnswer]:
    """The text of greedy decoding after each prompt, of up to `max_tokens` tokens, without the model's thought.

    An empty text is an answer, but it isn't cached. Lone surrogates are replaced, since a text with one can be neither
    stored nor hashed where it is part of the next prompt.
    """

    def ask_engine(unique_prompts: Prompts, stored_answers: Answers, save: SaveAnswers) -> None:
        def save_encodable(answers: Mapping[int, str | NoAnswer]) -> None:
            save({index: _encodable(answer) for index, answer in answers.items()})

        engine.generate(unique_prompts, max_tokens, stored_answers, save_encodable, progress_title)

    answers = _cached_answers(engine, {"generate": max_tokens}, prompts, ask_engine, is_text)
    return [_without_thought(answer) for answer in answers]


def generate_unstored(engine: Engine, prompts: Prompts, max_tokens: int, progress_title: str) -> list[str | NoAnswer]:
    """As `generate`, without the store: the engine is asked each time."""
    answers: dict[int, str | NoAnswer] = {}
    engine.generate(prompts, max_tokens, {}, answers.update, progress_title)
    return [_without_thought(_encodable(answers[index])) for index in range(len(prompts))]


def _encodable(answer: str | NoAnswer) -> str | NoAnswer:
    return answer if isinstance(answer, NoAnswer) else LONE_SURROGATE.sub("\ufffd", answer)


def _without_thought(answer: str | NoAnswer) -> str | NoAnswer:
    if isinstance(answer, NoAnswer):
        return answer
    text = after_thought(answer)
    return NoAnswer.CUT_OFF if text is None else text


def are_logprobs(answer: Any, options: Sequence[str]) -> bool:
    """Whether the answer is a log-probability, or None, for each option."""
    return (
        isinstance(answer, list)
        and len(answer) == len(options)
        and all(value is None or is_logprob(value) for value in answer)
    )


def is_logprob(value: Any) -> bool:
    """Whether the value is a finite number up to 0.

    `type`, since a bool is an int for isinstance. The comparison is false for NaN, which an overflow gives.
    """
    return type(value) in (int, float) and -math.inf < value <= LOGPROB_TOLERANCE


def is_text(answer: Any) -> bool:
    """Whether the answer is a text that isn't empty and can be encoded."""
    return isinstance(answer, str) and answer != "" and not LONE_SURROGATE.search(answer)


def _check_logprobs(answer: Any, options: Sequence[str]) -> None:
    if not isinstance(answer, NoAnswer) and not are_logprobs(answer, options):
        raise click.ClickException(
            f"the model gives {quoted(answer)} as log-probabilities of {', '.join(options)}; nan or inf means that its"
            " numbers overflow: try dtype float32, or check the adapter"
        )


def _cached_answers(
    engine: Engine,
    call_parameters: Mapping[str, Any],
    prompts: Prompts,
    ask_engine: Callable[[Prompts, Answers, SaveAnswers], None],
    is_valid: Callable[[Any], bool],
) -> list[Any]:
    """The answer to each prompt, from the store or from the engine.

    Answers are validated before they are written and when they are read. An invalid one in the store is asked for
    again; a NoAnswer is kept.
    """

    def keeps(answer: Any) -> bool:
        return isinstance(answer, NoAnswer) or is_valid(answer)

    # 1. A key for each prompt. Equal prompts have one key, and from here to step 5 an index is that of a unique key.
    key_by_position = [_key(engine, call_parameters, prompt) for prompt in prompts]
    prompt_by_key = dict(zip(key_by_position, prompts, strict=True))
    unique_keys = list(prompt_by_key)
    with closing(AnswerStore(cache_directory("answers"))) as store:
        # 2. The valid answers that are stored.
        is_fresh_run = os.environ.get("LABELS_FRESH") == "1"
        stored_answers = {} if is_fresh_run else _stored_answers(store, unique_keys, keeps)
        answer_by_index = dict(stored_answers)

        # 3. Each new answer is stored as soon as it exists.
        def save(new_answers: Answers) -> None:
            store.put({unique_keys[i]: _to_json(answer) for i, answer in new_answers.items() if keeps(answer)})
            answer_by_index.update(new_answers)

        # 4. The engine answers the other prompts.
        ask_engine(list(prompt_by_key.values()), stored_answers, save)
    # 5. The answers in the order of the prompts.
    answer_by_key = {key: answer_by_index[index] for index, key in enumerate(unique_keys)}
    return [answer_by_key[key] for key in key_by_position]


def _key(engine: Engine, call_parameters: Mapping[str, Any], prompt: Prompt) -> str:
    text = json.dumps([engine.identity, call_parameters, prompt], sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def _to_json(answer: Any) -> Any:
    """An answer as the store holds it, where a NoAnswer must not be taken for a text."""
    return {NO_ANSWER: answer.value} if isinstance(answer, NoAnswer) else answer


def _from_json(value: Any) -> Any:
    if isinstance(value, dict) and value.get(NO_ANSWER) in list(NoAnswer):
        return NoAnswer(value[NO_ANSWER])
    return value


def _stored_answers(store: AnswerStore, unique_keys: Sequence[str], keeps: Callable[[Any], bool]) -> dict[int, Any]:
    """The answers in the store that may be kept, by the index of their key."""
    answers = {index: _from_json(store.get(key)) for index, key in enumerate(unique_keys)}
    return {index: answer for index, answer in answers.items() if keeps(answer)}
