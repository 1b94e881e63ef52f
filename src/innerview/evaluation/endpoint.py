"""A language model behind an OpenAI-compatible endpoint: one question, and what is answered.

Knows messages and the JSON schema of an answer, and nothing of what they are about.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from threading import Event
from typing import Any, NamedTuple

from innerview.errors import EndpointError
from innerview.web import (
    AgainError,
    WebError,
    host_of,
    is_address,
    is_bare,
    is_key,
    post,
    repeated,
)

__all__ = ["API_KEY", "SETTINGS", "Completion", "Connection", "Endpoint", "Message"]

API_KEY = "INNERVIEW_API_KEY"
"""The environment variable that holds the key, if the endpoint wants one."""

SETTINGS: Mapping[str, Any] = {"temperature": 0, "max_tokens": 400}
"""Of every request; an answer, which is a short sentence and a word, takes far fewer tokens."""

_MOST_BYTES = 2**20
_REFUSED = frozenset({400, 422})

Message = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a model answers.

    Attributes:
        url: the base of the API, such as ``http://localhost:8000/v1``.
        model: its name there.
        key: sent as a bearer token; shown nowhere.
        timeout_s: without a byte, after which a request has failed.
        tries: of a request that fails in passing, and of an answer that is not in its form.
        pause_s: before the second try; each further one waits twice as long, up to a minute.
        at_once: requests under way together.

    Raises:
        EndpointError: the address or the key cannot be used.
    """

    url: str
    model: str
    key: str | None = field(default=None, repr=False)
    timeout_s: float = 120.0
    tries: int = 5
    pause_s: float = 1.0
    at_once: int = 4

    def __post_init__(self) -> None:
        # What is refused is not shown: it may hold a password.
        if not is_address(self.url):
            raise EndpointError(
                "the endpoint is no address of the web; write http://HOST/v1 or https://HOST/v1"
            )
        if not is_bare(self.url):
            raise EndpointError(
                "the endpoint's address holds more than host and path; "
                f"write http://HOST/v1, and put a key into the environment variable {API_KEY}"
            )
        if self.key is not None and not is_key(self.key):
            raise EndpointError(
                f"the key in {API_KEY} is empty or holds a character that no key has; set it again"
            )

    @property
    def host(self) -> str:
        """Name and port."""
        return host_of(self.url)


class Completion(NamedTuple):
    """What a model says.

    Attributes:
        said: its words; none where it refused.
        requests: that it took.
        by_words: whether the words of the messages alone held it to the schema, as the server does
            not take one.
    """

    said: str
    requests: int
    by_words: bool


class Connection:
    """Requests to an endpoint, repeated where they fail in passing.

    Args:
        endpoint: where they go.

    Attributes:
        stopped: once it is set, no more is repeated.
    """

    def __init__(self, endpoint: Endpoint) -> None:
        self.endpoint, self.stopped = endpoint, Event()
        self._formless = False
        """Whether the endpoint has turned out not to know ``response_format``."""

    def complete(self, messages: Sequence[Message], schema: Mapping[str, Any]) -> Completion:
        """What the model says.

        Args:
            messages: in the API's form.
            schema: that the server is asked to hold the answer to; it may not know how.

        Raises:
            EndpointError: the server refuses, or fails again and again.
        """
        own = self.endpoint
        try:
            (said, by_words, refused), sent = repeated(
                lambda: self._held(messages, schema),
                tries=own.tries,
                pause_s=own.pause_s,
                stopped=self.stopped,
            )
        except AgainError as again:
            raise EndpointError(
                f"{own.host}: {again}, {again.sent} times in a row; what was answered "
                "is kept: the same command goes on"
            ) from None
        return Completion(said, sent + refused, by_words)

    def _held(
        self, messages: Sequence[Message], schema: Mapping[str, Any]
    ) -> tuple[str, bool, bool]:
        """What is said, whether the words of the messages alone held it to the schema and not the
        server, and whether that took a second request."""
        body = {"model": self.endpoint.model, "messages": list(messages), **SETTINGS}
        form = {"name": schema["title"], "strict": True, "schema": schema}
        held = {**body, "response_format": {"type": "json_schema", "json_schema": form}}
        if self._formless:
            return self._post(body), True, False
        try:
            return self._post(held), False, False
        except _RefusedError:
            said = self._post(body)
            self._formless = True
            return said, True, True

    def _post(self, body: Mapping[str, Any]) -> str:
        """One request.

        Raises:
            AgainError: it may go better next time.
            EndpointError: it will not.
        """
        own = self.endpoint
        try:
            data = post(
                own.url.rstrip("/") + "/chat/completions",
                body,
                key=own.key,
                timeout_s=own.timeout_s,
                most_bytes=_MOST_BYTES,
            )
        except WebError as error:
            advice = f"check --endpoint, --model and {API_KEY}"
            if error.is_moved:
                advice = "give the address that answers"
            kind = _RefusedError if error.status in _REFUSED else EndpointError
            raise kind(f"{own.host}: {error}; {advice}") from None
        return _content(data)


class _RefusedError(EndpointError):
    """A request that the server does not take, maybe for its ``response_format``."""


def _content(data: bytes) -> str:
    """The words of a chat completion; none where the model refused."""
    try:
        content = json.loads(data)["choices"][0]["message"].get("content")
    except (ValueError, TypeError, KeyError, IndexError, AttributeError, RecursionError):
        raise AgainError("an answer that is no chat completion") from None
    return content if isinstance(content, str) else ""
