"""A language model behind an OpenAI-compatible endpoint: one request, and all that may befall it.

Knows messages and the JSON schema of an answer, and nothing of what they are about. The standard
library does the HTTP: one kind of request to one address needs no more, and nothing on the way may
follow a redirect with the key.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from http.client import HTTPException
from threading import Event
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener

from innerview.errors import EndpointError

__all__ = ["API_KEY", "SETTINGS", "Connection", "Endpoint", "Message"]

API_KEY = "INNERVIEW_API_KEY"
"""The environment variable that holds the key, if the endpoint wants one."""

SETTINGS: Mapping[str, Any] = {"temperature": 0, "max_tokens": 400}
"""Of every request; an answer, which is a short sentence and a word, takes far fewer tokens."""

_MOST_BYTES = 2**20
_LONGEST_PAUSE_S = 60.0
_AGAIN = frozenset({408, 409, 425, 429})
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
        try:
            parts = urlsplit(self.url)
            usable = parts.scheme in ("http", "https") and bool(parts.hostname)
            usable &= parts.port is None or parts.port > 0
        except ValueError:
            usable = False
        if not usable or not _visible(self.url):
            raise EndpointError(
                "the endpoint is no address of the web; write http://HOST/v1 or https://HOST/v1"
            )
        if "@" in parts.netloc or parts.query or parts.fragment:
            raise EndpointError(
                "the endpoint's address holds more than host and path; "
                f"write http://HOST/v1, and put a key into the environment variable {API_KEY}"
            )
        if self.key is not None and not (self.key and _visible(self.key)):
            raise EndpointError(
                f"the key in {API_KEY} is empty or holds a character that no key has; set it again"
            )

    @property
    def host(self) -> str:
        """Name and port."""
        return urlsplit(self.url).netloc


def _visible(text: str) -> bool:
    return text.isascii() and text.isprintable() and " " not in text


class Connection:
    """Requests to an endpoint, repeated where they fail in passing.

    Args:
        endpoint: where they go.

    Attributes:
        stopped: once it is set, no more is repeated.
    """

    def __init__(self, endpoint: Endpoint) -> None:
        self.endpoint, self.stopped = endpoint, Event()
        self._opener = build_opener(_Staying)
        self._formless = False
        """Whether the endpoint has turned out not to know ``response_format``."""

    def complete(self, messages: Sequence[Message], schema: Mapping[str, Any]) -> tuple[str, int]:
        """What the model says, and how many requests that took.

        Args:
            messages: in the API's form.
            schema: that the server is asked to hold the answer to; it may not know how.

        Raises:
            EndpointError: the server refuses, or fails again and again.
        """
        pause_s, sent = self.endpoint.pause_s, 0
        while True:
            sent += 1
            try:
                said, refused = self._held(messages, schema)
                return said, sent + refused
            except _AgainError as again:
                wait_s = min(max(pause_s, again.after_s), _LONGEST_PAUSE_S)
                if sent >= self.endpoint.tries or self.stopped.wait(wait_s):
                    raise EndpointError(
                        f"{self.endpoint.host}: {again}, {sent} times in a row; what was answered "
                        "is kept: the same command goes on"
                    ) from None
                pause_s *= 2

    def _held(self, messages: Sequence[Message], schema: Mapping[str, Any]) -> tuple[str, bool]:
        """What is said, held to the schema by the server or else by the words of the messages
        alone; and whether that took a second request."""
        body = {"model": self.endpoint.model, "messages": list(messages), **SETTINGS}
        form = {"name": schema["title"], "strict": True, "schema": schema}
        held = {**body, "response_format": {"type": "json_schema", "json_schema": form}}
        if self._formless:
            return self._post(body), False
        try:
            return self._post(held), False
        except _RefusedError:
            said = self._post(body)
            self._formless = True
            return said, True

    def _post(self, body: Mapping[str, Any]) -> str:
        """One request.

        Raises:
            _AgainError: it may go better next time.
            EndpointError: it will not.
        """
        request = Request(  # noqa: S310 (the scheme was checked)
            self.endpoint.url.rstrip("/") + "/chat/completions",
            json.dumps(body).encode(),
            {"Content-Type": "application/json", "User-Agent": "innerview"},
        )
        if self.endpoint.key is not None:
            request.add_unredirected_header("Authorization", f"Bearer {self.endpoint.key}")
        try:
            with self._opener.open(request, timeout=self.endpoint.timeout_s) as response:
                return _content(response.read(_MOST_BYTES))
        except HTTPError as error:
            with error:
                raise self._failure(error) from None
        except (OSError, HTTPException) as error:
            reason = str(getattr(error, "reason", error)) or type(error).__name__
            raise _AgainError(f"no answer ({reason})") from None

    def _failure(self, error: HTTPError) -> EndpointError | _AgainError:
        """What a status other than success comes to."""
        if error.code in _AGAIN or error.code >= 500:
            return _AgainError(f"status {error.code}", _seconds(error.headers.get("Retry-After")))
        if error.code < 400:
            where = _plain(urlsplit(error.headers.get("Location") or "").netloc)
            problem = f"sends requests elsewhere ({where or 'the same host'}), and nothing follows"
            advice = "give the address that answers"
        else:
            problem = f"status {error.code}{self._words(error)}"
            advice = f"check --endpoint, --model and {API_KEY}"
        kind = _RefusedError if error.code in _REFUSED else EndpointError
        return kind(f"{self.endpoint.host}: {problem}; {advice}")

    def _words(self, error: HTTPError) -> str:
        """The server's own, on one line, and without the key should it repeat it."""
        try:
            text = error.read(_MOST_BYTES).decode(errors="replace")
        except (OSError, HTTPException):
            return ""
        with suppress(ValueError, TypeError, KeyError, RecursionError):
            text = str(json.loads(text)["error"]["message"])
        if self.endpoint.key:
            text = text.replace(self.endpoint.key, "…")
        return f" ({_plain(text)})" if text.strip() else ""


class _Staying(HTTPRedirectHandler):
    """Follows no redirect: a key is for the host that it was given for."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        """None: the redirect is an error like any other."""


class _AgainError(Exception):
    """A request that failed in passing."""

    def __init__(self, what: str, after_s: float = 0.0) -> None:
        super().__init__(what)
        self.after_s = after_s


class _RefusedError(EndpointError):
    """A request that the server does not take, maybe for its ``response_format``."""


def _content(data: bytes) -> str:
    """The words of a chat completion; none where the model refused."""
    try:
        content = json.loads(data)["choices"][0]["message"].get("content")
    except (ValueError, TypeError, KeyError, IndexError, AttributeError, RecursionError):
        raise _AgainError("an answer that is no chat completion") from None
    return content if isinstance(content, str) else ""


def _seconds(told: str | None) -> float:
    return float(told) if told and told.isascii() and told.isdigit() else 0.0


def _plain(text: str) -> str:
    text = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return text if len(text) <= 200 else text[:199] + "…"
