"""The three kinds of requests to an OpenAI-compatible server: log-probabilities of options, an option as JSON, and
free text. Each builds the body of a request, reads an answer, and says of a probe's answer what is wrong with the
endpoint's settings.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from stages.llm import Prompt
from stages.llm.answer_parsing import after_thought
from stages.llm.control_tokens import INSIDE_CONTROL_TOKEN, WORD_JOINER
from stages.llm.no_answers import NoAnswer
from stages.llm.openai_answers import Choice, has_thought, option_in_json, option_logprobs, text_of, top_logprobs
from stages.pipeline.params import Endpoint

OPTION_TOKENS = 128  # limit of a structured answer: some servers put line breaks between all its parts
LOGPROB_NOT_CHOSEN = -100.0  # of the options that a structured answer doesn't name
CUT_AT_LIMIT = "length"  # the finish_reason of an answer that reached the limit of its tokens
WITHOUT_THOUGHT = (
    "endpoint.extra_body asks without one, as {chat_template_kwargs: {enable_thinking: false}} does for vLLM and"
    " llama.cpp"
)


class Request:
    """Sends prompts as chats. `server_fields` are fields of a request that undo what the server does by itself."""

    def __init__(self, endpoint: Endpoint, server_fields: Mapping[str, Any], answer_tokens: int):
        self.endpoint, self.server_fields, self.answer_tokens = endpoint, server_fields, answer_tokens

    def path(self, prompt: Prompt) -> str:
        return "/chat/completions"

    def body(self, prompt: Prompt) -> dict[str, Any]:
        chat = [{"role": "user", "content": prompt}] if isinstance(prompt, str) else prompt
        return self.settings() | {
            "messages": [message | {"content": with_split_control_tokens(message["content"])} for message in chat]
        }

    def settings(self) -> dict[str, Any]:
        """The fields of a body that are the same for all prompts."""
        temperature = self.endpoint.temperature
        return {
            "model": self.endpoint.model,
            self.endpoint.token_limit: self.answer_tokens + self.endpoint.thinking_tokens,
            **({} if temperature is None else {"temperature": temperature}),
            **self.server_fields,
            **self.endpoint.extra_body,
        }

    def read(self, choice: Choice) -> Any:
        """The answer in a choice. Raises ValueError where it breaks the protocol."""
        raise NotImplementedError

    def fault(self, choice: Choice) -> str | None:
        """What the settings lack, by the answer to a plain question; None for an answer that can be read."""
        answer = self.read(choice)
        if answer == NoAnswer.CUT_OFF:
            return f"the model's thought is cut off: endpoint.thinking_tokens gives it more room, or {WITHOUT_THOUGHT}"
        return None


class TextRequest(Request):
    """Asks for free text."""

    def read(self, choice: Choice) -> str | NoAnswer:
        """The text after the model's thought.

        Some servers hide a thought: no text at the limit is one. Some templates open it in the prompt, so that nothing
        in the text shows it: an answer without a thought at the limit is one where the model has `thinking_tokens`.
        """
        text = after_thought(text_of(choice))
        if text is None:
            return NoAnswer.CUT_OFF
        is_unmarked_thought = self.endpoint.thinking_tokens > 0 and not has_thought(choice)
        if choice.get("finish_reason") == CUT_AT_LIMIT and (is_unmarked_thought or not text.strip()):
            return NoAnswer.CUT_OFF
        return text if text.strip() else NoAnswer.UNREADABLE

    def fault(self, choice: Choice) -> str | None:
        if self.read(choice) == NoAnswer.UNREADABLE:
            return f"the server sends no text (finish_reason {choice.get('finish_reason')})"
        return super().fault(choice)


class StructuredRequest(TextRequest):
    """Asks for a JSON object with one of the options, which gets 0; the other options get -100."""

    def __init__(self, endpoint: Endpoint, server_fields: Mapping[str, Any], options: Sequence[str]):
        super().__init__(endpoint, server_fields, OPTION_TOKENS)
        self.options = list(options)

    def body(self, prompt: Prompt) -> dict[str, Any]:
        """With an instruction where the server gets no JSON schema."""
        body = super().body(prompt)
        if self.endpoint.response_format != "json_schema":
            last = body["messages"][-1]
            last["content"] += (
                f'\n\nAnswer with a JSON object and nothing else: {{"option": "{self.options[0]}"}}, with one of'
                f" {', '.join(self.options)}."
            )
        return body

    def settings(self) -> dict[str, Any]:
        form = self.endpoint.response_format
        if form == "none":
            return super().settings()
        response_format = option_schema(self.options) if form == "json_schema" else {"type": form}
        return super().settings() | {"response_format": response_format}

    def read(self, choice: Choice) -> Any:
        text = super().read(choice)
        if isinstance(text, NoAnswer):
            return text
        option = option_in_json(text, self.options)
        if option is None:
            return NoAnswer.UNREADABLE
        return [0.0 if other == option else LOGPROB_NOT_CHOSEN for other in self.options]

    def fault(self, choice: Choice) -> str | None:
        if self.read(choice) == NoAnswer.UNREADABLE:
            return (
                f"the answer {text_of(choice)!r:.60} to response_format {self.endpoint.response_format} is none of"
                f" {', '.join(self.options)}: another endpoint.response_format, or endpoint.choose_by: logprobs"
            )
        return super().fault(choice)


class LogprobsRequest(Request):
    """Asks for the log-probability of each option as the next token. A text is completed, not put into a chat."""

    def __init__(self, endpoint: Endpoint, server_fields: Mapping[str, Any], options: Sequence[str]):
        super().__init__(endpoint, server_fields, answer_tokens=1)
        self.options = list(options)

    def path(self, prompt: Prompt) -> str:
        return "/completions" if isinstance(prompt, str) else super().path(prompt)

    def body(self, prompt: Prompt) -> dict[str, Any]:
        count = self.endpoint.top_logprobs
        if isinstance(prompt, str):
            return self.settings() | {"prompt": with_split_control_tokens(prompt), "logprobs": count}
        return super().body(prompt) | {"logprobs": True, "top_logprobs": count}

    def read(self, choice: Choice) -> list[float | None] | NoAnswer:
        """None for an option that is not among the likeliest tokens, and no answer where none is."""
        logprobs = option_logprobs(top_logprobs(choice), self.options)
        return NoAnswer.UNREADABLE if logprobs.count(None) == len(self.options) else logprobs

    def fault(self, choice: Choice) -> str | None:
        if not top_logprobs(choice):
            return "the server gives no log-probabilities: endpoint.choose_by: structured asks without them"
        if has_thought(choice):
            return f"the model begins with a thought: endpoint.choose_by: structured, or {WITHOUT_THOUGHT}"
        return None


def option_schema(options: Sequence[str]) -> dict[str, Any]:
    """The response format that allows nothing but an object with one of the options."""
    schema = {
        "type": "object",
        "properties": {"option": {"type": "string", "enum": list(options)}},
        "required": ["option"],
        "additionalProperties": False,
    }
    return {"type": "json_schema", "json_schema": {"name": "answer", "schema": schema, "strict": True}}


def with_split_control_tokens(text: str) -> str:
    """The text with control tokens broken by an invisible character, which the server's tokenizer reads as text."""
    return INSIDE_CONTROL_TOKEN.sub(WORD_JOINER, text)
