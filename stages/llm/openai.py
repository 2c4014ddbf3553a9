"""The engine for OpenAI-compatible servers: KIMI, or a cluster of `vllm serve`."""

import asyncio
import hashlib
import json
import os
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import cached_property
from typing import Any, cast

import click
from tqdm import tqdm

from stages.llm import Prompt, SaveAnswers
from stages.llm.answer_cache import is_logprob, is_text
from stages.llm.control_tokens import INSIDE_CONTROL_TOKEN, WORD_JOINER
from stages.llm.openai_client import (
    INVALID_ANSWER,
    BudgetSpentError,
    open_client,
    retrying,
    run_requests,
    total_tokens,
)
from stages.pipeline.params import Endpoint

# Raise this by hand with a change of this module or control_tokens.py that may change an answer.
ANSWER_VERSION = 1
TOP_LOGPROBS = 20  # log-probabilities of a token, as many as the protocol allows
TEMPLATE_BYTES = 64  # limit of what a server's chat template puts around a message
OPTION_TOKENS = 32  # limit of a structured answer
LOGPROB_NOT_CHOSEN = -100.0  # of the options that a structured answer doesn't name
WEIGHTS_FIELDS = ("root", "parent", "max_model_len", "meta")  # of a model in vLLM's, SGLang's and llama.cpp's lists

RequestAnswer = Callable[[Any, Prompt], Awaitable[tuple[Any, int]]]  # (client, prompt) to (answer, tokens charged)


class OpenAI:
    """A model behind a URL. The key comes from the environment variable that params.yaml names, never from a file."""

    def __init__(self, endpoint: Endpoint):
        self.endpoint = endpoint
        self.context = endpoint.context
        self.tokens_spent = 0
        api_key_variable = endpoint.key
        self.api_key = os.environ.get(api_key_variable, "").strip()
        if not self.api_key:
            raise click.ClickException(
                f"the environment variable {api_key_variable} must hold the key for {endpoint.url}"
            )
        if not self.api_key.isascii() or not self.api_key.isprintable() or " " in self.api_key:
            raise click.ClickException(f"the environment variable {api_key_variable} holds more than a key, or none")

    def _identity(self) -> Mapping[str, Any]:
        """Holds what the server lists of the model, since another model may come to answer under the same URL and
        name. A list that holds the name alone doesn't tell the two apart.
        """
        return {
            "engine": "openai",
            "format": ANSWER_VERSION,
            "url": self.endpoint.url,
            "model": self.endpoint.model,
            "by": self.endpoint.choose_by,
            "served": _weights_sha256(self._listed_models),
        } | self._sampling

    # Cached: the first access asks the server. Cast: Engine's `identity` is an attribute, and mypy takes a
    # cached_property for read-only.
    identity: Mapping[str, Any] = cast(Any, cached_property(_identity))

    @cached_property
    def _listed_models(self) -> list[dict[str, Any]]:
        """What the server lists under the model's name."""
        return run_requests(self._list_models(), self.endpoint, self.api_key)

    @property
    def _sampling(self) -> dict[str, Any]:
        """Fields of a request that undo what a server adds to greedy decoding by itself: vLLM's and SGLang's take a
        repetition penalty from the model's generation_config.json. Other servers may refuse the field.
        """
        adds_penalty = any(entry.get("owned_by") in ("vllm", "sglang") for entry in self._listed_models)
        return {"repetition_penalty": 1.0} if adds_penalty else {}

    async def _list_models(self) -> list[dict[str, Any]]:
        from openai import APIResponseValidationError, APIStatusError

        try:
            async with open_client(self.endpoint, self.api_key) as client:
                listing: Any = await retrying()(client.get, "/models", cast_to=object)
        except APIStatusError as error:
            is_temporary = error.status_code == 429 or (error.status_code >= 500 and error.status_code != 501)
            if is_temporary:
                raise
            return []  # the server has no list, or not for this key
        except (APIResponseValidationError, *INVALID_ANSWER):
            return []
        models = listing.get("data") if isinstance(listing, dict) else None
        entries = models if isinstance(models, list) else []
        return [entry for entry in entries if isinstance(entry, dict) and entry.get("id") == self.endpoint.model]

    def fits(self, prompt: Prompt, answer_tokens: int) -> bool:
        """Counts bytes, since the server's tokenizer is unknown and every token has at least one byte."""
        texts = [prompt] if isinstance(prompt, str) else [message["content"] for message in prompt]
        prompt_bytes = sum(len(text.encode()) + TEMPLATE_BYTES for text in texts)
        return prompt_bytes + answer_tokens <= self.context

    def is_single_token(self, option: str) -> bool:
        """True, since the server's tokenizer is unknown. An option of several tokens is never among the likeliest
        tokens, and so gets the lowest log-probability.
        """
        return True

    def choose(
        self,
        prompts: Sequence[Prompt],
        options: Sequence[str],
        stored_answers: Mapping[int, Any],
        save: SaveAnswers,
        progress_title: str,
    ) -> None:
        """Save the natural log-probability of each option as the next token.

        With `choose_by: logprobs` an option that is not among the server's 20 likeliest tokens gets the lowest
        returned log-probability, an upper bound. With `choose_by: structured` the server must name an option, which
        gets 0; the others get -100.
        """

        async def request_structured(client: Any, prompt: Prompt) -> tuple[list[float], int]:
            choice, tokens = await self._chat(
                client, prompt, max_tokens=OPTION_TOKENS, response_format=_option_response_format(options)
            )
            option = json.loads(choice.message.content)["option"]
            if option not in options:
                raise ValueError(f"the answer {option!r} is none of {', '.join(options)}")
            return [0.0 if other == option else LOGPROB_NOT_CHOSEN for other in options], tokens

        async def request_logprobs(client: Any, prompt: Prompt) -> tuple[list[float], int]:
            logprob_by_token, tokens = await self._top_logprobs(client, prompt)
            logprobs = list(logprob_by_token.values())
            if not logprobs or not all(map(is_logprob, logprobs)):
                raise ValueError(f"no log-probabilities: {logprobs}")
            lowest = min(logprobs)
            return [min(0.0, logprob_by_token.get(option, lowest)) for option in options], tokens

        request_answer = request_structured if self.endpoint.choose_by == "structured" else request_logprobs
        self._request_unanswered(request_answer, prompts, stored_answers, save, progress_title)

    def generate(
        self,
        prompts: Sequence[Prompt],
        max_tokens: int,
        stored_answers: Mapping[int, Any],
        save: SaveAnswers,
        progress_title: str,
    ) -> None:
        """Save the text of greedy decoding, of up to `max_tokens` tokens. An empty text counts as no answer."""
        sampling = self._sampling if len(stored_answers) < len(prompts) else {}  # a server is asked only if it must be

        async def request_text(client: Any, prompt: Prompt) -> tuple[str, int]:
            choice, tokens = await self._chat(client, prompt, max_tokens=max_tokens, extra_body=sampling or None)
            if not is_text(choice.message.content):
                raise ValueError(f"no text (finish_reason {choice.finish_reason})")
            return choice.message.content, tokens

        self._request_unanswered(request_text, prompts, stored_answers, save, progress_title)

    async def _top_logprobs(self, client: Any, prompt: Prompt) -> tuple[dict[str, float], int]:
        """The log-probability of each of the likeliest next tokens, and the number of tokens charged."""
        if not isinstance(prompt, str):
            choice, tokens = await self._chat(client, prompt, max_tokens=1, logprobs=True, top_logprobs=TOP_LOGPROBS)
            return {token.token: token.logprob for token in choice.logprobs.content[0].top_logprobs}, tokens
        completion = await client.completions.create(
            model=self.endpoint.model,
            prompt=_with_split_control_tokens(prompt),
            max_tokens=1,
            temperature=0,
            logprobs=TOP_LOGPROBS,
        )
        return completion.choices[0].logprobs.top_logprobs[0], total_tokens(completion)

    async def _chat(self, client: Any, prompt: Prompt, **settings: Any) -> tuple[Any, int]:
        """The first choice of a chat completion, and the number of tokens charged."""
        chat = [{"role": "user", "content": prompt}] if isinstance(prompt, str) else prompt
        messages = [message | {"content": _with_split_control_tokens(message["content"])} for message in chat]
        completion = await client.chat.completions.create(
            model=self.endpoint.model, messages=messages, temperature=0, **settings
        )
        return completion.choices[0], total_tokens(completion)

    def _request_unanswered(
        self,
        request_answer: RequestAnswer,
        prompts: Sequence[Prompt],
        stored_answers: Mapping[int, Any],
        save: SaveAnswers,
        progress_title: str,
    ) -> None:
        """Request an answer to each prompt without a stored one, and save it when it arrives."""
        unanswered = {i: prompt for i, prompt in enumerate(prompts) if i not in stored_answers}
        stored_count = len(prompts) - len(unanswered)
        with tqdm(total=len(prompts), initial=stored_count, desc=progress_title, unit=" prompts", delay=1) as bar:

            def save_and_show(i: int, answer: Any) -> None:
                save({i: answer})
                bar.update(1)

            run_requests(
                self._run_concurrently(request_answer, unanswered, save_and_show), self.endpoint, self.api_key
            )

    async def _run_concurrently(
        self, request_answer: RequestAnswer, prompts: Mapping[int, Prompt], save: Callable[[int, Any], None]
    ) -> None:
        """Send the requests for all prompts, up to `concurrency` at the same time.

        After a failure no request is started, and those under way are awaited, so that no answer that was paid for is
        lost. Then the first failure is raised.
        """
        slots = asyncio.Semaphore(self.endpoint.concurrency)
        failures: list[Exception] = []

        async def answer_prompt(i: int, prompt: Prompt) -> None:
            async with slots:
                if failures:
                    return
                try:
                    self._check_budget()
                    answer, tokens = await retrying()(request_answer, client, prompt)
                    self.tokens_spent += tokens
                    save(i, answer)
                except Exception as error:  # of any kind: it is raised once the other answers are saved
                    failures.append(error)

        async with open_client(self.endpoint, self.api_key) as client:
            await asyncio.gather(*(answer_prompt(i, prompt) for i, prompt in prompts.items()))
        if failures:
            raise failures[0]

    def _check_budget(self) -> None:
        budget = self.endpoint.token_budget
        if budget is not None and self.tokens_spent >= budget:
            raise BudgetSpentError


def _weights_sha256(listed_models: Sequence[Mapping[str, Any]]) -> str | None:
    """The hash of what a server lists of a model's weights; None where it lists no more than the name."""
    entries = [
        {field: entry[field] for field in WEIGHTS_FIELDS if entry.get(field) is not None} for entry in listed_models
    ]
    about_weights = [entry for entry in entries if entry]
    return hashlib.sha256(json.dumps(about_weights, sort_keys=True).encode()).hexdigest() if about_weights else None


def _option_response_format(options: Sequence[str]) -> dict[str, Any]:
    """The response format that allows nothing but an object with one of the options."""
    schema = {
        "type": "object",
        "properties": {"option": {"type": "string", "enum": list(options)}},
        "required": ["option"],
        "additionalProperties": False,
    }
    return {"type": "json_schema", "json_schema": {"name": "answer", "schema": schema, "strict": True}}


def _with_split_control_tokens(text: str) -> str:
    """The text with control tokens broken by an invisible character, which the server's tokenizer reads as text."""
    return INSIDE_CONTROL_TOKEN.sub(WORD_JOINER, text)
