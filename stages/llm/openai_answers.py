"""What an OpenAI-compatible server sends. Servers differ in nearly all fields, so only those that are needed are read,
and a field that is missing or null is no error unless the answer is in it.
"""

import json
import math
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from stages.llm.answer_cache import is_logprob
from stages.llm.answer_parsing import after_thought

BYTES_PER_TOKEN = 3  # estimate, where the server doesn't count
# Content filters as servers name them in a finish_reason, and in an error's code, type or message.
FILTERED_FINISH = re.compile(r"filter|sensitive|safety|refus|prohibit|blocklist|moderat|guardrail|recitation", re.I)
FAILED_FINISH = re.compile(r"error|insufficient_system_resource", re.I)
FILTERED_CODE = re.compile(
    r"content[_ -]?(?:filter|policy|management)|data_?inspection|sensitive_?content|responsible_?ai|moderation"
    r"|invalid_prompt|policy_?violation|^(?:1301|1026|1027)$",
    re.I,
)
FILTERED_MESSAGE = re.compile(
    r"content[_ ]filter|content management policy|content exists risk|considered high risk|inappropriate content"
    r"|input was flagged|flagged as|requires moderation|usage polic|sensitive (?:content|words|information)"
    r"|new_sensitive|敏感|违规|不安全|内容审核|安全审核",
    re.I,
)
PERMANENT_CODES = {"400", "401", "402", "403", "404", "405", "413", "415", "422"}  # a retry would fail too
PERMANENT_CODES |= {"1004", "1008", "2013", "2049"}  # MiniMax: a wrong key, no balance, a wrong parameter, no such key
NO_LOGPROB = -9999  # as DeepSeek and vLLM write it; others write null or -Infinity
BLANKS = " \t\r\n▁ĠĊ"  # as tokenizers write a blank and a line break in a token, too
AROUND_OPTION = " \t\r\n.:()\"'`*"
JSON_OBJECT = re.compile(r"\{[^{}]*\}")


Choice = dict[str, Any]  # of a completion, as the server sends it


class RefusedError(Exception):
    """The server's content filter refuses the prompt or the answer."""


class ServerError(Exception):
    """An error that the server sends in place of an answer, in its own words."""

    def __init__(self, words: str, is_temporary: bool):
        super().__init__(words)
        self.is_temporary = is_temporary


def parsed(body: Any) -> dict[str, Any]:
    """The JSON object that a server sent, whatever it says of the content's type. Raises ValueError for another."""
    value = json.loads(body) if isinstance(body, str) else body
    if not isinstance(value, dict):
        raise ValueError(f"no JSON object: {value!r:.100}")
    return value


def charged_tokens(completion: Any, request_body: Mapping[str, Any]) -> int:
    """The tokens that an answer costs: the server's count, or an estimate where it sends none."""
    usage = completion.get("usage") if isinstance(completion, dict) else None
    tokens = usage.get("total_tokens") if isinstance(usage, dict) else None
    if type(tokens) is int and tokens >= 0:
        return tokens
    return math.ceil(len(json.dumps([request_body, completion])) / BYTES_PER_TOKEN)


def first_choice(body: Mapping[str, Any]) -> Choice:
    """The first choice of a completion.

    Raises RefusedError, ServerError for an error in place of an answer, and ValueError where there is neither.
    """
    choices = body.get("choices")
    choice = choices[0] if isinstance(choices, list) and choices and isinstance(choices[0], dict) else {}
    error = body.get("error") or choice.get("error") or body.get("base_resp")
    finish = str(choice.get("finish_reason") or "")
    if FILTERED_FINISH.search(finish) or _message(choice).get("refusal"):
        raise RefusedError
    if not choice or choice.get("error") or FAILED_FINISH.search(finish):
        raise_error(error or body)
        if finish:
            raise ServerError(f"finish_reason {finish}", is_temporary=True)
        raise ValueError(f"no answer: {json.dumps(body, ensure_ascii=False)}")
    return choice


def failed_choice(error: Any) -> Choice | None:
    """The choice with the text that a server's own check of JSON has refused, as Groq's error object has it; None for
    another error.
    """
    fields = error_fields(error)
    if fields.get("code") != "json_validate_failed":
        return None
    return {"message": {"content": str(fields.get("failed_generation") or "")}, "finish_reason": "stop"}


def raise_error(error: Any) -> None:
    """Raise RefusedError or ServerError for an error object of a server; nothing where it has no words."""
    if is_refusal(error):
        raise RefusedError
    words = words_of(error)
    if words:
        fields = error_fields(error)
        codes = {str(fields.get("code")), str(fields.get("status_code"))}
        raise ServerError(words, is_temporary=not codes & PERMANENT_CODES)


def error_fields(error: Any) -> dict[str, Any]:
    """The fields of an error object, which may stand in a list, or under `error`, or be a text."""
    if isinstance(error, list):
        error = error[0] if error else {}
    if isinstance(error, dict):
        return error_fields(error["error"]) if error.get("error") else error
    return {"message": error} if isinstance(error, str) else {}


def words_of(error: Any) -> str:
    """What an error object of a server says; empty where it says nothing."""
    fields = error_fields(error)
    return next((str(fields[key]) for key in ("message", "status_msg", "detail", "msg") if fields.get(key)), "")


def is_refusal(error: Any) -> bool:
    """Whether a server's error object is that of a content filter. Only its code, type and message are read: the rest
    may quote the prompt.
    """
    fields = error_fields(error)
    codes = [str(fields.get(key)) for key in ("code", "type", "status_code")]
    messages = [str(fields.get(key)) for key in ("message", "status_msg", "msg")]
    return any(map(FILTERED_CODE.search, codes)) or any(map(FILTERED_MESSAGE.search, messages))


def text_of(choice: Choice) -> str:
    """The text of a choice, empty where there is none. Of a message in parts those that are text."""
    content = choice["text"] if "text" in choice else _message(choice).get("content")
    if isinstance(content, list):
        parts = [part for part in content if isinstance(part, dict) and part.get("type") == "text"]
        return "".join(str(part.get("text", "")) for part in parts)
    return content if isinstance(content, str) else ""


def has_thought(choice: Choice) -> bool:
    """Whether the model thought before its answer, in a field of its own or in the text."""
    message = _message(choice)
    content = message.get("content")
    in_parts = isinstance(content, list) and any(
        isinstance(part, dict) and part.get("type") in ("thinking", "reasoning") for part in content
    )
    text = text_of(choice)
    return (
        bool(message.get("reasoning_content") or message.get("reasoning") or in_parts) or after_thought(text) != text
    )


def _message(choice: Choice) -> dict[str, Any]:
    message = choice.get("message")
    return message if isinstance(message, dict) else {}


def top_logprobs(choice: Choice) -> dict[str, float]:
    """The log-probabilities of the likeliest first tokens, by token; empty where the server gives none.

    Chat completions have a list of tokens, text completions (and llama.cpp's older servers) a dictionary.
    Raises ValueError for numbers that are no log-probabilities.
    """
    logprobs = choice.get("logprobs") or {}
    tokens = logprobs.get("content") or logprobs.get("top_logprobs") or []
    first = tokens[0] if tokens else {}
    top = first.get("top_logprobs") if "token" in first else first
    entries = [first, *(top if isinstance(top, list) else [])]
    pairs = [(entry.get("token"), entry.get("logprob")) for entry in entries]
    pairs += top.items() if isinstance(top, dict) else []
    logprob_by_token = {
        token: logprob
        for token, logprob in pairs
        if isinstance(token, str) and logprob is not None and not logprob <= NO_LOGPROB
    }
    if not all(map(is_logprob, logprob_by_token.values())):
        raise ValueError(f"no log-probabilities: {list(logprob_by_token.values())}")
    return logprob_by_token


def option_logprobs(logprob_by_token: Mapping[str, float], options: Sequence[str]) -> list[float | None]:
    """The log-probability of each option: of all tokens that are the option but for blanks around it.

    None for an option that no token is.
    """
    import numpy as np

    by_option = [[value for token, value in logprob_by_token.items() if token.strip(BLANKS) == o] for o in options]
    return [min(0.0, float(np.logaddexp.reduce(values))) if values else None for values in by_option]


def option_in_json(text: str, options: Sequence[str]) -> str | None:
    """The option in a structured answer, which may stand in a fence or among other text, or alone without JSON; None
    for no option or several.
    """
    in_objects = []
    for match in JSON_OBJECT.finditer(text):
        with suppress(ValueError):
            in_objects.append(str(json.loads(match.group()).get("option")))
    names = {name.strip(AROUND_OPTION) for name in in_objects or [text]}
    return names.pop() if len(names) == 1 and names <= set(options) else None
