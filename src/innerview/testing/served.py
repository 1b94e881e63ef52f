"""A server on this machine that answers as it is told: for tests of what is asked over HTTP."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from socketserver import ThreadingTCPServer
from threading import Lock, Thread
from typing import Any

from innerview.errors import CaseError
from innerview.targets.protocol import Case, Target

__all__ = ["Answering", "Reply", "Served", "answers_of", "serving", "serving_target"]


@dataclass(frozen=True, slots=True)
class Reply:
    """What the server sends.

    Attributes:
        body: text, or what becomes JSON.
        status: of HTTP.
        headers: besides the usual ones.
        after_s: how long it takes.
    """

    body: object = ""
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    after_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Served:
    """A server at work, and what it was sent."""

    url: str
    bodies: list[dict[str, Any]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)


Answering = Callable[[dict[str, Any], int], Reply]
"""Given the body of a request, and how many came before."""


def answers_of(target: Target) -> Answering:
    """What ``HttpTarget`` asks for, answered by a target; a case that it refuses is status 422."""

    def answer(body: dict[str, Any], n: int) -> Reply:
        cases = [Case(str(at), tuple(parts)) for at, parts in enumerate(body["cases"])]
        try:
            scores = target.score(cases).tolist()
        except CaseError as error:
            return Reply({"error": {"message": str(error)}}, status=422)
        return Reply({"outcomes": list(target.outcomes.ids), "scores": scores})

    return answer


@contextmanager
def serving_target(target: Target) -> Iterator[Served]:
    """A target behind an address of this machine: ``HttpTarget(served.url, ...)`` asks it."""
    with serving(answers_of(target)) as served:
        yield served


@contextmanager
def serving(answer: Answering, *, path: str = "/v1") -> Iterator[Served]:
    """A server on a free port of this machine."""
    lock = Lock()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            """Answer as told."""
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            with lock:
                n = len(served.bodies)
                served.bodies.append(body)
                served.headers.append(dict(self.headers.items()))
            reply = answer(body, n)
            time.sleep(reply.after_s)
            text = reply.body if isinstance(reply.body, str) else json.dumps(reply.body)
            try:
                self.send_response(reply.status)
                for name, value in reply.headers.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(text.encode())
            except ConnectionError:
                pass  # whoever asked had no patience

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    # Not HTTPServer, which asks for the machine's name first; that can take long.
    server = ThreadingTCPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    served = Served(f"http://127.0.0.1:{server.server_address[1]}{path}")
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield served
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
