"""The engine for OpenAI-compatible servers: KIMI, or a cluster of `vllm serve`."""

import asyncio
import hashlib
import json
import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from copy import copy
from functools import cached_property, partial
from typing import Any, cast

import click
from tqdm import tqdm

from stages.llm import Answers, Prompt, Prompts, SaveAnswers
from stages.llm.no_answers import NoAnswer
from stages.llm.openai_answers import (
    Choice,
    RefusedError,
    charged_tokens,
    failed_choice,
    first_choice,
    is_refusal,
    parsed,
)
from stages.llm.openai_client import INVALID_ANSWER, BudgetSpentError, open_client, retrying, run_requests
from stages.llm.openai_requests import LogprobsRequest, Request, StructuredRequest, TextRequest
from stages.pipeline.params import Endpoint
from stages.pipeline.text import quoted

# Raise one by hand with a change of this module, openai_answers.py, openai_requests.py or control_tokens.py that may
# change an answer; by choose_by.
ANSWER_VERSIONS = {"logprobs": 2, "structured": 1}
TEMPLATE_BYTES = 64  # limit of what a server's chat template puts around a message
PROBE_TOKENS = 32  # least limit of the probe's answer, so that a thought shows
PROBE_TEXT = "Which of these is a fruit? Answer with the letter alone.\nA. stone\nB. apple\nC. chair"
WEIGHTS_FIELDS = ("root", "parent", "max_model_len", "meta")  # of a model in vLLM's, SGLang's and llama.cpp's lists
# Of a request, by the owner in the server's list of models. vLLM and SGLang take a repetition penalty from the model's
# generation_config.json. With llama.cpp's cache of prompts an answer depends on the prompts before it.
SERVER_FIELDS: dict[str, dict[str, Any]] = {
    "vllm": {"repetition_penalty": 1.0},
    "sglang": {"repetition_penalty": 1.0},
    "llamacpp": {"cache_prompt": False},
}
IDENTITY_SETTINGS = {"temperature", "top_logprobs", "response_format", "thinking_tokens", "extra_body"}


class OpenAI:
    """A model behind a URL. The key comes from the environment variable that params.yaml names, never from a file."""

    def __init__(self, endpoint: Endpoint):
        self.endpoint = endpoint
        self.context = endpoint.context
        self.tokens_spent = 0
        self.probed: set[type[Request]] = set()  # kinds of requests whose settings were probed
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
        by = self.endpoint.choose_by
        return {
            "engine": "openai",
            "format": ANSWER_VERSIONS[by],
            "url": self.endpoint.url,
            "model": self.endpoint.model,
            "by": by,
            "served": _weights_sha256(self._listed_models),
            **({"server_fields": self._server_fields} if self._server_fields else {}),
            **self.endpoint.model_dump(include=IDENTITY_SETTINGS, exclude_defaults=True),
        }

    # Cached: the first access asks the server. Cast: Engine's `identity` is an attribute, and mypy takes a
    # cached_property for read-only.
    identity: Mapping[str, Any] = cast(Any, cached_property(_identity))

    @cached_property
    def _listed_models(self) -> list[dict[str, Any]]:
        """What the server lists under the model's name."""
        return run_requests(self._list_models(), self.endpoint, self.api_key)

    @property
    def _server_fields(self) -> dict[str, Any]:
        """Fields of a request that undo what a server does by itself; other servers may refuse them."""
        owners = {entry.get("owned_by") for entry in self._listed_models}
        return next((fields for owner, fields in SERVER_FIELDS.items() if owner in owners), {})

    async def _list_models(self) -> list[dict[str, Any]]:
        from openai import APIStatusError

        try:
            async with open_client(self.endpoint, self.api_key) as client:
                listing: Any = await retrying()(client.get, "/models", cast_to=object)
        except APIStatusError as error:
            is_temporary = error.status_code == 429 or (error.status_code >= 500 and error.status_code != 501)
            if is_temporary:
                raise
            return []  # the server has no list, or not for this key
        except INVALID_ANSWER:
            return []
        models = listing.get("data") if isinstance(listing, dict) else None
        entries = models if isinstance(models, list) else []
        return [entry for entry in entries if isinstance(entry, dict) and entry.get("id") == self.endpoint.model]

    def fits(self, prompt: Prompt, answer_tokens: int) -> bool:
        """Counts bytes, since the server's tokenizer is unknown and every token has at least one byte."""
        texts = [prompt] if isinstance(prompt, str) else [message["content"] for message in prompt]
        prompt_bytes = sum(len(text.encode()) + TEMPLATE_BYTES for text in texts)
        return prompt_bytes + answer_tokens + self.endpoint.thinking_tokens <= self.context

    def is_single_token(self, option: str) -> bool:
        """True, since the server's tokenizer is unknown. An option of several tokens is never among the likeliest
        tokens, and so has no log-probability.
        """
        return True

    def choose(
        self, prompts: Prompts, options: Sequence[str], stored_answers: Answers, save: SaveAnswers, progress_title: str
    ) -> None:
        """Save the natural log-probability of each option as the next token.

        With `choose_by: logprobs` an option that is not among the server's likeliest tokens gets None. With
        `choose_by: structured` the server must name an option, which gets 0; the others get -100.
        """
        kind = StructuredRequest if self.endpoint.choose_by == "structured" else LogprobsRequest
        self._answer_prompts(partial(kind, options=options), prompts, stored_answers, save, progress_title)

    def generate(
        self, prompts: Prompts, max_tokens: int, stored_answers: Answers, save: SaveAnswers, progress_title: str
    ) -> None:
        """Save the text of greedy decoding, of up to `max_tokens` tokens after the model's thought."""
        kind = partial(TextRequest, answer_tokens=max_tokens)
        self._answer_prompts(kind, prompts, stored_answers, save, progress_title)

    def _answer_prompts(
        self,
        kind: Callable[..., Request],
        prompts: Prompts,
        stored_answers: Answers,
        save: SaveAnswers,
        progress_title: str,
    ) -> None:
        """Send each prompt without a stored answer, after a probe, and save its answer when it arrives."""
        unanswered = {i: prompt for i, prompt in enumerate(prompts) if i not in stored_answers}
        stored_count = len(prompts) - len(unanswered)
        with tqdm(
            total=len(prompts), initial=stored_count, desc=progress_title, unit=" prompts", delay=1, leave=None
        ) as bar:

            def save_and_show(i: int, answer: Any) -> None:
                save({i: answer})
                bar.update(1)

            if unanswered:  # a server is asked only if it must be
                request = kind(self.endpoint, self._server_fields)
                run_requests(self._run_concurrently(request, unanswered, save_and_show), self.endpoint, self.api_key)

    async def _run_concurrently(
        self, request: Request, prompts: Mapping[int, Prompt], save: Callable[[int, Any], None]
    ) -> None:
        """Probe the settings, then send all prompts, up to `concurrency` at the same time.

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
                    save(i, await retrying()(self._answer, client, request, prompt))
                except Exception as error:  # of any kind: it is raised once the other answers are saved
                    failures.append(error)

        async with open_client(self.endpoint, self.api_key) as client:
            await self._probe(client, request, next(iter(prompts.values())))
            await asyncio.gather(*(answer_prompt(i, prompt) for i, prompt in prompts.items()))
        if failures:
            raise failures[0]

    async def _probe(self, client: Any, request: Request, prompt: Prompt) -> None:
        """Send a plain question in the form of a prompt, once for each kind of request.

        Raises click.ClickException that says what to change where the answer is of no use. A refusal says nothing of
        the settings.
        """
        if type(request) in self.probed:
            return
        question: Prompt = PROBE_TEXT if isinstance(prompt, str) else [{"role": "user", "content": PROBE_TEXT}]
        probe = copy(request)
        probe.answer_tokens = max(PROBE_TOKENS, request.answer_tokens)
        with suppress(RefusedError):
            choice = await retrying()(self._choice, client, probe, question)
            fault = probe.fault(choice)
            if fault:
                raise click.ClickException(f"{self.endpoint.url}: {quoted(fault, self.api_key, length=400)}")
            if probe.read(choice) == NoAnswer.UNREADABLE:
                click.echo(f"warning: {self.endpoint.url}: a plain question gets no readable answer", err=True)
        self.probed.add(type(request))

    async def _answer(self, client: Any, request: Request, prompt: Prompt) -> Any:
        try:
            return request.read(await self._choice(client, request, prompt))
        except RefusedError:
            return NoAnswer.REFUSED

    async def _choice(self, client: Any, request: Request, prompt: Prompt) -> Choice:
        """The first choice of a completion. The tokens of each answer count, whether it can be used or not.

        Raises BudgetSpentError before anything is sent, and RefusedError.
        """
        from openai import APIStatusError

        self._check_budget()
        body = request.body(prompt)
        try:
            completion = await client.post(request.path(prompt), body=body, cast_to=object)
        except APIStatusError as error:
            if is_refusal(error.body):
                raise RefusedError from error
            choice = failed_choice(error.body)
            if choice:
                return choice
            raise
        self.tokens_spent += charged_tokens(completion, body)
        return first_choice(parsed(completion))

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
