"""Questions to a language model, answered in a form that was asked for, and never put twice.

Knows prompts and forms, and nothing of what they are about.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Generic, TypeVar

from pydantic import BaseModel, ValidationError

from innerview.errors import EndpointError
from innerview.evaluation.endpoint import SETTINGS, Connection, Endpoint, Message
from innerview.files import write_whole

__all__ = ["Asked", "Judge", "Prompt"]

Form = TypeVar("Form", bound=BaseModel)
Form_co = TypeVar("Form_co", bound=BaseModel, covariant=True)


@dataclass(frozen=True, slots=True)
class Prompt(Generic[Form_co]):
    """Messages, and the form that an answer to them must have."""

    messages: tuple[Message, ...]
    form: type[Form_co]


@dataclass(frozen=True, slots=True)
class Asked:
    """What answers took.

    Attributes:
        questions: that were put to the model.
        from_cache: that were answered before.
        requests: sent, those that had to be repeated among them.
        unanswered: questions to which every answer was out of form.
        by_words: answers, also from before, that the words of the prompt alone held to their form,
            as the server takes no schema.
    """

    questions: int = 0
    from_cache: int = 0
    requests: int = 0
    unanswered: int = 0
    by_words: int = 0


class Judge:
    """A model that answers prompts in their form.

    Answers are kept by a hash of model, messages and settings, one file each, as soon as they are
    there: what was asked once costs nothing again, also after a kill.

    Args:
        endpoint: where it answers.
        cache: a folder; it is made.
    """

    def __init__(self, endpoint: Endpoint, cache: Path) -> None:
        self.endpoint, self.cache = endpoint, cache
        self.asked = Asked()
        self._connection = Connection(endpoint)
        self._said: dict[str, str] = {}
        self._by_words: set[str] = set()

    def ask(
        self,
        prompts: Sequence[Prompt[BaseModel]],
        *,
        at_most: int,
        tell: Callable[[int, int], None] = lambda done, total: None,
    ) -> None:
        """Get an answer to each; ``answer`` says what it is.

        Args:
            prompts: those that are alike are asked once.
            at_most: questions that are put to the model; what is answered already is free.
            tell: told how many of how many questions are answered.

        Raises:
            EndpointError: there are more to ask, or the endpoint fails. What was answered is kept.
        """
        wanted = {self._key(prompt): prompt for prompt in prompts}
        unknown = {key: one for key, one in wanted.items() if not self._remembered(key, one)}
        if len(unknown) > at_most:
            raise EndpointError(
                f"{len(unknown):,} questions to ask, more than the {at_most:,} that are allowed; "
                "take fewer cases, or allow more"
            )
        requests, stopped = 0, self._connection.stopped
        stopped.clear()
        with ThreadPoolExecutor(self.endpoint.at_once) as pool:
            waiting = [pool.submit(self._unless_stopped, key, one) for key, one in unknown.items()]
            try:
                for done, one in enumerate(as_completed(waiting), start=1):
                    requests += one.result()
                    tell(done, len(unknown))
            except BaseException:  # Ctrl-C as well
                stopped.set()
                raise
        self.asked = Asked(
            self.asked.questions + len(unknown),
            self.asked.from_cache + len(wanted) - len(unknown),
            self.asked.requests + requests,
            self.asked.unanswered + len(wanted.keys() - self._said.keys()),
            self.asked.by_words + len(wanted.keys() & self._by_words),
        )

    def answer(self, prompt: Prompt[Form]) -> Form | None:
        """What was answered; None where every answer was out of form."""
        said = self._said.get(self._key(prompt))
        return None if said is None else prompt.form.model_validate_json(said)

    def _key(self, prompt: Prompt[BaseModel]) -> str:
        told = [self.endpoint.model, prompt.messages, SETTINGS, _schema(prompt.form)]
        return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()

    def _remembered(self, key: str, prompt: Prompt[BaseModel]) -> bool:
        """Whether there is an answer, here or on disk; what is on disk is checked before use."""
        if key in self._said:
            return True
        try:
            kept = json.loads(self._file(key).read_text(encoding="utf-8"))
            said = kept["answer"]
        except (OSError, ValueError, TypeError, KeyError):
            return False
        if not isinstance(said, str) or _fault(said, prompt.form):
            return False
        self._remember(key, said, by_words=kept.get("by_words") is True)
        return True

    def _file(self, key: str) -> Path:
        return self.cache / f"{key}.json"

    def _unless_stopped(self, key: str, prompt: Prompt[BaseModel]) -> int:
        """``_put``, and nothing once one has failed: the next would too."""
        stopped = self._connection.stopped
        try:
            return 0 if stopped.is_set() else self._put(key, prompt)
        except BaseException:
            stopped.set()
            raise

    def _put(self, key: str, prompt: Prompt[BaseModel]) -> int:
        """Ask until an answer is in its form, and keep it; how many requests that took."""
        messages, requests = prompt.messages, 0
        for _ in range(self.endpoint.tries):
            said, sent, by_words = self._connection.complete(messages, _schema(prompt.form))
            requests += sent
            if not (fault := _fault(said, prompt.form)):
                self._keep(key, said, by_words=by_words)
                break
            # The same again would be answered the same: it is temperature 0.
            messages = (
                *prompt.messages,
                {"role": "assistant", "content": said},
                {"role": "user", "content": f"{fault}. Answer with the JSON object alone."},
            )
        return requests

    def _keep(self, key: str, said: str, *, by_words: bool) -> None:
        told = {"model": self.endpoint.model, "answer": said, "by_words": by_words}
        kept = json.dumps(told).encode()
        write_whole(self._file(key), lambda beside: beside.write_bytes(kept))
        self._remember(key, said, by_words=by_words)

    def _remember(self, key: str, said: str, *, by_words: bool) -> None:
        self._said[key] = said
        if by_words:
            self._by_words.add(key)


@cache
def _schema(form: type[BaseModel]) -> dict[str, Any]:
    return form.model_json_schema()


def _fault(said: str, form: type[BaseModel]) -> str:
    """What keeps an answer from its form; empty where nothing does."""
    try:
        form.model_validate_json(said)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        return " ".join(map(str, ["Not in the form:", *first["loc"], first["msg"]]))
    return ""
