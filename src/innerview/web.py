"""JSON sent to one address of the web, and all that may befall it.

Knows bytes and statuses, and nothing of what they are about. The standard library does the HTTP:
one kind of request to one address needs no more, and nothing on the way may follow a redirect with
a key.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from http.client import HTTPException
from threading import Event
from typing import Any, TypeVar
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener

__all__ = [
    "AgainError",
    "WebError",
    "host_of",
    "is_address",
    "is_bare",
    "is_key",
    "post",
    "repeated",
]

_LONGEST_PAUSE_S = 60.0
_AGAIN = frozenset({408, 409, 425, 429})
_MOST_BYTES_OF_ERRORS = 2**20
T = TypeVar("T")


class AgainError(Exception):
    """A request that failed in passing; it may go better next time.

    Attributes:
        after_s: how long the server wants to be left alone.
        sent: requests that were sent in a row.
    """

    def __init__(self, what: str, after_s: float = 0.0) -> None:
        super().__init__(what)
        self.after_s, self.sent = after_s, 1


class WebError(Exception):
    """A request that will not do, however often it is sent.

    Attributes:
        status: that the server answered.
    """

    def __init__(self, what: str, status: int) -> None:
        super().__init__(what)
        self.status = status

    @property
    def is_moved(self) -> bool:
        """Whether the answer is to be had elsewhere, where nothing follows."""
        return self.status < 400


class _Staying(HTTPRedirectHandler):
    """Follows no redirect: a key is for the host that it was given for."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        """None: the redirect is an error like any other."""


_OPENER = build_opener(_Staying)


def is_address(url: str) -> bool:
    """Whether this is an address of the web, with a host."""
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname)
        return usable and (parts.port is None or parts.port > 0) and _is_visible(url)
    except ValueError:
        return False


def is_bare(url: str) -> bool:
    """Whether an address holds host and path alone: no password, no query."""
    parts = urlsplit(url)
    return not ("@" in parts.netloc or parts.query or parts.fragment)


def is_key(text: str) -> bool:
    """Whether this can be sent as a key."""
    return bool(text) and _is_visible(text)


def host_of(url: str) -> str:
    """Name and port."""
    return urlsplit(url).netloc


def post(
    url: str, body: Mapping[str, Any], *, key: str | None, timeout_s: float, most_bytes: int
) -> bytes:
    """Send one request; what is answered.

    Args:
        url: a checked address.
        body: sent as JSON.
        key: sent as a bearer token; in no message.
        timeout_s: without a byte, after which the request has failed.
        most_bytes: of an answer.

    Raises:
        AgainError, WebError: in one line, without the host.
    """
    request = Request(  # noqa: S310 (the scheme was checked)
        url,
        json.dumps(body).encode(),
        {"Content-Type": "application/json", "User-Agent": "innerview"},
    )
    if key is not None:
        request.add_unredirected_header("Authorization", f"Bearer {key}")
    try:
        with _OPENER.open(request, timeout=timeout_s) as response:
            data: bytes = response.read(most_bytes + 1)
    except HTTPError as error:
        with error:
            raise _failure(error, key) from None
    except (OSError, HTTPException) as error:
        reason = str(getattr(error, "reason", error)) or type(error).__name__
        raise AgainError(f"no answer ({reason})") from None
    if len(data) > most_bytes:
        raise AgainError(f"an answer of more than {most_bytes:,} bytes")
    return data


def repeated(act: Callable[[], T], *, tries: int, pause_s: float, stopped: Event) -> tuple[T, int]:
    """Do what may fail in passing until it does not; and how often it was tried.

    Args:
        act: raises AgainError where it failed.
        tries: at most.
        pause_s: before the second try; each further one waits twice as long, up to a minute.
        stopped: once it is set, nothing is repeated.

    Raises:
        AgainError: it failed at every try.
    """
    for sent in range(1, tries + 1):
        try:
            return act(), sent
        except AgainError as again:
            again.sent = sent
            if sent == tries or stopped.wait(min(max(pause_s, again.after_s), _LONGEST_PAUSE_S)):
                raise
        pause_s *= 2
    raise AssertionError("tries are one or more")


def _failure(error: HTTPError, key: str | None) -> AgainError | WebError:
    """What a status other than success comes to."""
    if error.code in _AGAIN or error.code >= 500:
        return AgainError(f"status {error.code}", _seconds(error.headers.get("Retry-After")))
    if error.code < 400:
        where = _plain(urlsplit(error.headers.get("Location") or "").netloc) or "the same host"
        return WebError(f"sends requests elsewhere ({where}), and nothing follows", error.code)
    return WebError(f"status {error.code}{_words(error, key)}", error.code)


def _words(error: HTTPError, key: str | None) -> str:
    """The server's own, on one line, and without the key should it repeat it."""
    try:
        text = error.read(_MOST_BYTES_OF_ERRORS).decode(errors="replace")
    except (OSError, HTTPException):
        return ""
    with suppress(ValueError, TypeError, KeyError, RecursionError):
        text = str(json.loads(text)["error"]["message"])
    if key:
        text = text.replace(key, "…")
    return f" ({_plain(text)})" if text.strip() else ""


def _is_visible(text: str) -> bool:
    return text.isascii() and text.isprintable() and " " not in text


def _seconds(told: str | None) -> float:
    return float(told) if told and told.isascii() and told.isdigit() else 0.0


def _plain(text: str) -> str:
    text = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return text if len(text) <= 200 else text[:199] + "…"
