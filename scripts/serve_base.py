"""An OpenAI-compatible endpoint over a base language model, to try `innerview judge` offline.

    python scripts/serve_base.py --port 8000
    innerview judge --run RUN --explanations FILE --endpoint http://127.0.0.1:8000/v1 --model base

Answers /v1/chat/completions, always with the likeliest token. Where an answer is asked for by a
JSON schema, it is written field by field: text freely up to its closing quote, and what can only be
one of a few values by which is the likeliest. One request is answered at a time.
"""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Mapping, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock
from typing import Any

import torch
from transformers import DynamicCache

from innerview.surrogate.base import DEFAULT_BASE, BaseModel, load_base

MOST_TOKENS = 60
"""Of a text; without a schema, of the answer."""


class UnknownFormError(ValueError):
    """A request that this server has no answer to."""


class Writer:
    """Continues one conversation; what has been read is not read again."""

    def __init__(self, base: BaseModel, messages: Sequence[Mapping[str, str]]) -> None:
        self.base, self.cache = base, DynamicCache()
        prompt = base.tokenizer.apply_chat_template(
            list(messages), tokenize=False, add_generation_prompt=True
        )
        self.read(prompt)

    def tokens(self, text: str) -> list[int]:
        found: list[int] = self.base.tokenizer(text, add_special_tokens=False)["input_ids"]
        return found

    def read(self, text: str) -> None:
        self.after = self.log_odds(self.tokens(text))[-1]

    @torch.inference_mode()
    def log_odds(self, tokens: Sequence[int]) -> torch.Tensor:
        """(T, V) of what follows each of these tokens, which are read."""
        ids = torch.tensor([tokens], device=self.base.model.device)
        logits = self.base.model(ids, past_key_values=self.cache, use_cache=True).logits
        return logits[0].float().log_softmax(-1)

    def free(self, end: str | None) -> str:
        """The likeliest text, up to where the end stands in it without a backslash."""
        written = ""
        for _ in range(MOST_TOKENS):
            token = int(self.after.argmax())
            piece = self.base.tokenizer.decode([token])
            if token == self.base.tokenizer.eos_token_id:
                break
            written += piece
            if end is not None and (found := re.search(rf"(?<!\\){end}", written)):
                return written[: found.start()].replace(f"\\{end}", end)
            self.after = self.log_odds([token])[-1]
        return written

    def likeliest(self, options: Sequence[Any]) -> Any:
        """The option whose JSON is the likeliest here."""
        after, odds = self.after, []
        for option in options:
            tokens = self.tokens(json.dumps(option))
            found = torch.cat([after[None], self.log_odds(tokens)[:-1]])
            odds.append(float(found[range(len(tokens)), tokens].sum()))
            self.cache.crop(-len(tokens))
        return options[odds.index(max(odds))]

    def value(self, schema: Mapping[str, Any]) -> Any:
        """What a schema allows, written as JSON.

        Raises:
            UnknownFormError: it is none of those that are known here.
        """
        if "properties" in schema:
            found = {}
            for name, own in schema["properties"].items():
                self.read(f"{', ' if found else '{'}{json.dumps(name)}: ")
                found[name] = self.value(own)
            return found
        if "enum" in schema:
            chosen = self.likeliest(schema["enum"])
            self.read(json.dumps(chosen))
            return chosen
        if schema.get("type") != "string":
            raise UnknownFormError(f"a schema of type {schema.get('type')!r} is not known here")
        self.read('"')
        text = self.free(end='"')
        self.read('"')
        return text


def answer(base: BaseModel, body: Mapping[str, Any]) -> str:
    """To a request's messages, in its form if it asks for one."""
    form = body.get("response_format", {"type": "text"})
    if form["type"] not in ("text", "json_schema"):
        raise UnknownFormError(f"response_format {form['type']!r} is not known here")
    writer = Writer(base, body["messages"])
    if form["type"] == "text":
        return writer.free(end=None)
    return json.dumps(writer.value(form["json_schema"]["schema"]), ensure_ascii=False)


def handler(base: BaseModel) -> type[BaseHTTPRequestHandler]:
    lock = Lock()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            if self.path != "/v1/chat/completions":
                return self.say(404, {"error": {"message": f"{self.path} is not served here"}})
            try:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                with lock:
                    content = answer(base, body)
            except (UnknownFormError, KeyError, TypeError, json.JSONDecodeError) as error:
                return self.say(400, {"error": {"message": f"{type(error).__name__}: {error}"}})
            message = {"role": "assistant", "content": content}
            choice = {"index": 0, "message": message, "finish_reason": "stop"}
            return self.say(
                200, {"object": "chat.completion", "model": base.name, "choices": [choice]}
            )

        def say(self, status: int, told: Mapping[str, Any]) -> None:
            data = json.dumps(told).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

    return Handler


def main() -> None:
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n")[0])
    parser.add_argument("--base", default=DEFAULT_BASE)
    parser.add_argument("--port", type=int, default=8000)
    options = parser.parse_args()
    server = ThreadingHTTPServer(("127.0.0.1", options.port), handler(load_base(options.base)))
    print(f"http://127.0.0.1:{server.server_port}/v1", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
