"""The engine for any OpenAI-compatible server: KIMI, or a cluster of `vllm serve`.

The official client retries refused, failed and cut requests with backoff and honours Retry-After; answers that are no
answers (broken JSON, a page of HTML) are asked for again here.
"""

import asyncio
import json
import os
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

import click
from tqdm import tqdm

from stages.llm import Keep, Prompt
from stages.params import Endpoint

MINUTE = 60  # seconds
RETRIES = 8
TOP = 20  # the most log-probabilities that the protocol gives for a token
TEMPLATE = 64  # bytes that a server's chat template may put around a message
# where what looks like a control token begins; the server would read it as one
CONTROL = re.compile(r"(?<=<)(?=\|\w+\|>|/?s>|(?:start|end)_of_\w+>)|(?<=\[)(?=/?INST\])")
WORD_JOINER = "\u2060"  # shows nothing, and keeps the text from being one
UNLIKELY = -100.0  # the log-probability of options that a server didn't choose, where it gives none


def one_of(options: Sequence[str]) -> dict[str, Any]:
    """The response format that holds a server to an object with one of the options."""
    schema = {
        "type": "object",
        "properties": {"option": {"type": "string", "enum": list(options)}},
        "required": ["option"],
        "additionalProperties": False,
    }
    return {"type": "json_schema", "json_schema": {"name": "answer", "schema": schema, "strict": True}}


class BudgetSpentError(Exception):
    """The budget of tokens is used up."""


class OpenAI:
    """A model behind a URL. The key comes from the environment variable that params.yaml names, never from a file."""

    def __init__(self, endpoint: Endpoint):
        self.endpoint = endpoint
        self.context = endpoint.context
        self.spent = 0
        self.identity: Mapping[str, Any] = {
            "engine": "openai",
            "url": endpoint.url,
            "model": endpoint.model,
            "by": endpoint.choose_by,
        }
        self.key = os.environ.get(endpoint.key, "")
        if not self.key:
            raise click.ClickException(f"the environment variable {endpoint.key} must hold the key for {endpoint.url}")

    def fits(self, prompt: Prompt, room: int) -> bool:
        """Counted in bytes, since the server's tokenizer is unknown and every token has at least one."""
        texts = [prompt] if isinstance(prompt, str) else [message["content"] for message in prompt]
        return sum(len(text.encode()) + TEMPLATE for text in texts) + room <= self.context

    def single(self, option: str) -> bool:
        """Unknown: an option that is none never is among the likeliest tokens, which says the same."""
        return True

    def choose(
        self, prompts: Sequence[Prompt], options: Sequence[str], known: Mapping[int, Any], keep: Keep, label: str
    ) -> None:
        """The log-probability (natural) of each option as the next token.

        With `choose_by: logprobs` an option that is not among the server's 20 likeliest tokens gets the last of them,
        an upper bound. With `choose_by: structured` the server is held to the options, and the chosen one gets 0, the
        others -100.
        """

        async def ask(client: Any, prompt: Prompt) -> tuple[list[float], int]:
            if self.endpoint.choose_by == "structured":
                said, used = await self._chat(client, prompt, max_tokens=32, response_format=one_of(options))
                chosen = json.loads(said.message.content)["option"]
                if chosen not in options:
                    raise ValueError(f"the answer {chosen!r} is none of {', '.join(options)}")
                return [0.0 if option == chosen else UNLIKELY for option in options], used
            if isinstance(prompt, str):
                done = await client.completions.create(
                    model=self.endpoint.model,
                    prompt=CONTROL.sub(WORD_JOINER, prompt),
                    max_tokens=1,
                    temperature=0,
                    logprobs=TOP,
                )
                top = done.choices[0].logprobs.top_logprobs[0]
                used = done.usage.total_tokens
            else:
                said, used = await self._chat(client, prompt, max_tokens=1, logprobs=True, top_logprobs=TOP)
                top = {token.token: token.logprob for token in said.logprobs.content[0].top_logprobs}
            return [top.get(option, min(top.values())) for option in options], used

        self._run(ask, prompts, known, keep, label)

    def generate(
        self, prompts: Sequence[Prompt], max_tokens: int, known: Mapping[int, Any], keep: Keep, label: str
    ) -> None:
        """The likeliest text, up to `max_tokens` tokens."""

        async def ask(client: Any, prompt: Prompt) -> tuple[str, int]:
            said, used = await self._chat(client, prompt, max_tokens=max_tokens)
            return said.message.content or "", used

        self._run(ask, prompts, known, keep, label)

    async def _chat(self, client: Any, prompt: Prompt, **more: Any) -> tuple[Any, int]:
        chat = [{"role": "user", "content": prompt}] if isinstance(prompt, str) else prompt
        messages = [message | {"content": CONTROL.sub(WORD_JOINER, message["content"])} for message in chat]
        done = await client.chat.completions.create(
            model=self.endpoint.model, messages=messages, temperature=0, **more
        )
        return done.choices[0], done.usage.total_tokens

    def _run(
        self,
        ask: Callable[[Any, Prompt], Awaitable[tuple[Any, int]]],
        prompts: Sequence[Prompt],
        known: Mapping[int, Any],
        keep: Keep,
        label: str,
    ) -> None:
        """Ask what is not known. Each answer is kept when it arrives; after a failure what is under way is waited for,
        so that no answer that was paid for is thrown away.
        """
        from openai import OpenAIError

        missing = [i for i in range(len(prompts)) if i not in known]
        failures = asyncio.run(self._ask_all(ask, prompts, missing, keep, label))
        for failure in failures:
            if isinstance(failure, BudgetSpentError):
                raise click.ClickException(
                    f"{self.endpoint.model}: the budget of {self.endpoint.token_budget} tokens is spent; the answers"
                    " so far are kept: run again to spend as many more, or raise token_budget"
                )
            if isinstance(failure, OpenAIError | ValueError | AttributeError | TypeError | LookupError):
                raise click.ClickException(f"{self.endpoint.url}: {type(failure).__name__}: {failure}") from failure
            raise failure

    async def _ask_all(
        self,
        ask: Callable[[Any, Prompt], Awaitable[tuple[Any, int]]],
        prompts: Sequence[Prompt],
        missing: Sequence[int],
        keep: Keep,
        label: str,
    ) -> list[BaseException]:
        from aiolimiter import AsyncLimiter
        from openai import APIResponseValidationError, AsyncOpenAI, DefaultAsyncHttpxClient
        from tenacity import AsyncRetrying, retry_if_exception_type, stop_after_attempt, wait_random_exponential

        places = asyncio.Semaphore(self.endpoint.concurrency)
        requests = AsyncLimiter(self.endpoint.requests_per_minute, MINUTE)
        tokens = AsyncLimiter(self.endpoint.tokens_per_minute, MINUTE)
        broken = (APIResponseValidationError, ValueError, AttributeError, TypeError, LookupError)
        failures: list[BaseException] = []

        async def within_limits(request: Any) -> None:
            """Each request waits for its turn, the client's own retries too. Three bytes count as a token."""
            most = len(request.content) / 3 + json.loads(request.content)["max_tokens"]
            await requests.acquire()
            await tokens.acquire(min(most, self.endpoint.tokens_per_minute))

        async def one(i: int) -> None:
            async with places:
                if failures:
                    return
                try:
                    if self.endpoint.token_budget is not None and self.spent >= self.endpoint.token_budget:
                        raise BudgetSpentError
                    async for attempt in AsyncRetrying(
                        retry=retry_if_exception_type(broken),
                        stop=stop_after_attempt(RETRIES),
                        wait=wait_random_exponential(0.5, 30),
                        reraise=True,
                    ):
                        with attempt:
                            answer, used = await ask(client, prompts[i])
                    self.spent += used
                    keep({i: answer})
                    bar.update(1)
                except Exception as error:  # whatever it is, the others' answers are kept first; then it is raised
                    failures.append(error)

        with tqdm(
            total=len(prompts), initial=len(prompts) - len(missing), desc=label, unit=" prompts", delay=1
        ) as bar:
            async with AsyncOpenAI(
                base_url=self.endpoint.url,
                api_key=self.key,
                http_client=DefaultAsyncHttpxClient(event_hooks={"request": [within_limits]}),
                max_retries=RETRIES,
                timeout=self.endpoint.timeout,
                _strict_response_validation=True,
            ) as client:
                await asyncio.gather(*(one(i) for i in missing))
        return failures
