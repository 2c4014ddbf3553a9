"""The HTTP client for a server that isn't trusted: a complete answer within limits of bytes and of time, or an error
that says why there is none.
"""

import asyncio
import re
import socket
import ssl
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import click
from openai import DefaultAsyncHttpxClient

MAX_ANSWER_BYTES = 2**23  # of an answer, unpacked
OUT_OF_QUOTA = re.compile(rb"insufficient_quota|exceeded_current_quota|[Ii]nsufficient [Bb]alance")  # as error codes


class AnswerTimeoutError(Exception):
    """The server didn't send a complete answer in time."""


class LimitedClient(DefaultAsyncHttpxClient):
    """Awaits `rate_limit` before each request, retries of the OpenAI client included, and reads each answer within
    `timeout` seconds.

    Raises AnswerTimeoutError. Raises click.ClickException for what no retry would mend: a redirect, which would send
    the key elsewhere; an answer without end; a host that doesn't exist or has no valid certificate.
    """

    def __init__(self, url: str, timeout: float, rate_limit: Callable[[Any], Awaitable[None]]):
        super().__init__(follow_redirects=False)
        self.url = url
        self.answer_timeout = timeout
        self.rate_limit = rate_limit

    async def send(self, request: Any, *, stream: bool = False, **kwargs: Any) -> Any:
        await self.rate_limit(request)
        try:
            async with asyncio.timeout(self.answer_timeout):
                return await self._complete_answer(request, **kwargs | {"follow_redirects": False})
        except TimeoutError as error:
            raise AnswerTimeoutError(f"no whole answer within {self.answer_timeout:g} s (endpoint.timeout)") from error
        except Exception as error:
            if any(is_permanent(cause) for cause in causes(error)):
                raise click.ClickException(f"{self.url}: {failure_reason(error)}") from error
            raise

    async def _complete_answer(self, request: Any, **kwargs: Any) -> Any:
        response = await super().send(request, stream=True, **kwargs)
        try:
            if response.is_redirect:
                raise click.ClickException(
                    f"{self.url}: redirects to another address; endpoint.url must be the last one"
                )
            content = bytearray()
            async for chunk in response.aiter_bytes():
                content += chunk
                if len(content) > MAX_ANSWER_BYTES:
                    raise click.ClickException(f"{self.url}: an answer of more than {MAX_ANSWER_BYTES:,} bytes")
        finally:
            await response.aclose()
        headers = [
            (name, value)
            for name, value in response.headers.multi_items()
            if name.lower() not in ("content-encoding", "content-length", "transfer-encoding")
        ]
        is_out_of_quota = response.status_code == 429 and OUT_OF_QUOTA.search(content)
        if response.status_code == 501 or is_out_of_quota:  # both stay so, however often they are asked
            headers.append(("x-should-retry", "false"))
        return type(response)(response.status_code, headers=headers, content=bytes(content), request=request)


def causes(error: BaseException | None) -> Iterator[BaseException]:
    """An error and the errors that led to it, the last one first."""
    while error:
        yield error
        if isinstance(error, BaseExceptionGroup):
            for member in error.exceptions:
                yield from causes(member)
        error = error.__cause__ or error.__context__


def is_permanent(cause: BaseException) -> bool:
    """Whether a retry would fail too: the host doesn't exist or has no valid certificate."""
    if isinstance(cause, socket.gaierror):
        return cause.errno == socket.EAI_NONAME
    return isinstance(cause, ssl.SSLError) and not isinstance(cause, ssl.SSLEOFError)


def failure_reason(error: BaseException) -> str:
    """Why the connection failed, as far as the operating system says."""
    for cause in causes(error):
        if isinstance(cause, socket.gaierror):
            return "there is no host of that name; is endpoint.url right, and the network there?"
        if isinstance(cause, ssl.SSLCertVerificationError):
            return f"its certificate isn't trusted: {cause.verify_message}"
        if isinstance(cause, ssl.SSLError):
            return f"no TLS (https) is spoken there: {cause.reason or 'it broke off'}"
        if isinstance(cause, ConnectionRefusedError):
            return "nothing listens at that port (connection refused)"
    return f"the connection broke off, or no HTTP is spoken there ({type(error.__cause__ or error).__name__})"
