"""The official client of OpenAI-compatible servers with an endpoint's limits, retries, and errors in one line.

The client itself retries refused, failed and interrupted requests with backoff and honours Retry-After. `retrying`
repeats requests whose answer is invalid (broken JSON, an HTML page).
"""

import asyncio
import json
import re
from collections.abc import Coroutine
from typing import Any, TypeVar

import click

from stages.llm.openai_answers import BYTES_PER_TOKEN, ServerError, words_of
from stages.pipeline.params import Endpoint
from stages.pipeline.text import quoted

Result = TypeVar("Result")

MINUTE = 60  # seconds
RETRIES = 8
NOT_ABOUT_REQUEST = (401, 402, 404, 429)  # a wrong key, no money, no such model, too many requests
MAX_TIMEOUTS = 3  # attempts that may each last for endpoint.timeout
# The exceptions that reading an invalid answer raises.
INVALID_ANSWER = (ValueError, AttributeError, TypeError, LookupError, RecursionError)

WITHOUT_LOGPROBS = "endpoint.choose_by: structured asks without log-probabilities"
# By the words of a server that refuses a field, the first that fit: what to change in params.yaml.
REMEDIES = {
    r"context (?:length|size|window)|too long|token limit": "endpoint.context must not be above the server's",
    r"(?:unsupported|not support).{0,60}\blogprobs|\blogprobs.{0,40}not support": WITHOUT_LOGPROBS,
    r"top_logprobs|logprobs.{0,40}\b(?:must|between|at most|less|max|greater|exceed)": (
        "endpoint.top_logprobs: 5 asks for fewer"
    ),
    "logprobs": WITHOUT_LOGPROBS,
    "response_format|json_schema|json_object|structured|grammar": (
        "another endpoint.response_format (json_schema, json_object, none), or endpoint.choose_by: logprobs"
    ),
    "max_completion_tokens|max_tokens": "endpoint.token_limit names the field: max_tokens or max_completion_tokens",
    "temperature": "endpoint.temperature: null sends none",
    "thinking|reasoning|chat_template_kwargs": "endpoint.extra_body holds the fields that this server takes",
}


class BudgetSpentError(Exception):
    """The budget of tokens is used up."""


def open_client(endpoint: Endpoint, api_key: str) -> Any:
    """A client that keeps the endpoint's limits of requests and tokens a minute and of seconds an answer."""
    from aiolimiter import AsyncLimiter
    from openai import AsyncOpenAI

    from stages.llm.connection import LimitedClient

    request_limiter = AsyncLimiter(endpoint.requests_per_minute, MINUTE)
    token_limiter = AsyncLimiter(endpoint.tokens_per_minute, MINUTE)

    async def rate_limit(request: Any) -> None:
        await request_limiter.acquire()
        if request.content:
            answer_limit = json.loads(request.content)[endpoint.token_limit]
            expected_tokens = len(request.content) / BYTES_PER_TOKEN + answer_limit
            await token_limiter.acquire(min(expected_tokens, endpoint.tokens_per_minute))

    return AsyncOpenAI(
        base_url=endpoint.url,
        api_key=api_key,
        http_client=LimitedClient(endpoint.url, endpoint.timeout, rate_limit),
        max_retries=RETRIES,
        timeout=None,  # LimitedClient limits the time of a complete answer
    )


def retrying() -> Any:
    """A caller that repeats a request whose answer is invalid or an error, after a longer wait each time."""
    from tenacity import AsyncRetrying, RetryCallState, retry_if_exception, wait_random_exponential

    from stages.llm.connection import AnswerTimeoutError

    def is_temporary(error: BaseException) -> bool:
        if isinstance(error, ServerError):
            return error.is_temporary
        return isinstance(error, (AnswerTimeoutError, *INVALID_ANSWER))

    def is_last_attempt(state: RetryCallState) -> bool:
        timed_out = state.outcome is not None and isinstance(state.outcome.exception(), AnswerTimeoutError)
        return state.attempt_number >= (min(MAX_TIMEOUTS, RETRIES) if timed_out else RETRIES)

    return AsyncRetrying(
        retry=retry_if_exception(is_temporary),
        stop=is_last_attempt,
        wait=wait_random_exponential(0.5, 30, min=0.5),
        reraise=True,
    )


def run_requests(requests: Coroutine[Any, Any, Result], endpoint: Endpoint, api_key: str) -> Result:
    """The result of a coroutine that sends requests.

    Raises click.ClickException, in one line without the key, for whatever a server does wrong.
    """
    from openai import APIConnectionError, OpenAIError

    from stages.llm.connection import AnswerTimeoutError, failure_reason

    try:
        return asyncio.run(requests)
    except BudgetSpentError as error:
        raise click.ClickException(
            f"{endpoint.model}: the budget of {endpoint.token_budget} tokens is spent; the answers so"
            " far are kept: run again to spend as many more, or raise token_budget"
        ) from error
    except APIConnectionError as error:
        raise click.ClickException(f"{endpoint.url}: {failure_reason(error)}") from error
    except RecursionError as error:
        raise click.ClickException(f"{endpoint.url}: an answer that is nested too deep") from error
    except AnswerTimeoutError as error:
        raise click.ClickException(f"{endpoint.url}: {error}") from error
    except (OpenAIError, ServerError, *INVALID_ANSWER) as error:
        words = words_of(getattr(error, "body", None))
        description = f"{type(error).__name__}: {quoted(error, api_key)}"
        if words not in str(error):
            description += f" - {quoted(words, api_key)}"
        is_about_request = getattr(error, "status_code", 400) not in NOT_ABOUT_REQUEST
        change = remedy(words or str(error)) if is_about_request else ""
        raise click.ClickException(f"{endpoint.url}: {description}{change}") from error


def remedy(words: str) -> str:
    """What to change in params.yaml where a server says that it refuses a field; empty for other words."""
    for pattern, change in REMEDIES.items():
        if re.search(pattern, words, re.IGNORECASE):
            return f"; {change}"
    return ""
