"""An OpenAI-compatible endpoint that answers as a test says."""

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


@dataclass
class Reply:
    """What the server sends."""

    body: object = ""
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    after_s: float = 0.0


def said(answer: object) -> Reply:
    """A completion; an object becomes JSON."""
    content = answer if isinstance(answer, str) else json.dumps(answer)
    return Reply({"choices": [{"message": {"role": "assistant", "content": content}}]})


@dataclass
class Served:
    """A server at work, and what it was sent."""

    url: str
    bodies: list[dict[str, Any]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)


Answering = Callable[[dict[str, Any], int], Reply]
"""Given the body of a request, and how many came before."""


@contextmanager
def serving(answer: Answering) -> Iterator[Served]:
    """A server on a free port of this machine."""
    lock = Lock()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
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
            pass

    # Not HTTPServer, which asks for the machine's name first; that can take long.
    server = ThreadingTCPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    served = Served(f"http://127.0.0.1:{server.server_address[1]}/v1")
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield served
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
