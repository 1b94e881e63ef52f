"""From pieces to token ids: built piece by piece, so that masks are right by construction.

The chat template is rendered once around sentinels and cut at them. Its own pieces may hold
special tokens; everything that comes from us or from data is encoded with special tokens
switched off, so a title that spells one out stays text.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from innerview.alignment.records import Form, Piece, Record, Slot, Task, Text
from innerview.alignment.templates import LIST_SEPARATOR, mention
from innerview.data.tables import Catalogue
from innerview.errors import RecordError, SurrogateError

__all__ = ["ChatFrame", "Encoded", "PromptEncoder", "SlotRef"]

_SENTINELS = ("\u2402system\u2403", "\u2402user\u2403", "\u2402assistant\u2403")


@dataclass(frozen=True, slots=True)
class SlotRef:
    """A slot at a token position, with the id of the vector it takes."""

    position: int
    kind: str
    ref: str


@dataclass(frozen=True, slots=True)
class Encoded:
    """Token ids with slots, and which of the ids are an answer (an id is predicted there).

    Attributes:
        ids: token ids; slots hold the tokenizer's end token, which nothing ever reads.
        slots: where vectors go, in reading order.
        n_answer: how many of the last ids are the answer.
        anchors: the last id of each mention of a part or outcome, by title or by slot: where the
            surrogate has been told which one is meant.
        n_stem: how many of the first ids come before the assistant's turn.
        shares: per answer id, the ids that may stand there and their shares of the truth; empty
            where there is but one truth.
    """

    ids: tuple[int, ...]
    slots: tuple[SlotRef, ...] = ()
    n_answer: int = 0
    anchors: tuple[SlotRef, ...] = ()
    n_stem: int = 0
    shares: tuple[tuple[tuple[int, float], ...], ...] = ()


@dataclass(frozen=True, slots=True)
class ChatFrame:
    """The fixed pieces of a chat template around system, user and assistant text, as ids."""

    before_system: tuple[int, ...]
    before_user: tuple[int, ...]
    before_assistant: tuple[int, ...]
    end_of_answer: tuple[int, ...]

    @classmethod
    def of(cls, tokenizer: Any) -> ChatFrame:
        """Read the frame off a tokenizer's chat template.

        Templates that refuse a system message get ours at the head of the user's turn. A BOS
        is put in front exactly where the tokenizer would put one and the template does not.

        Raises:
            SurrogateError: the template drops or reorders the messages.
        """
        texts = _render(tokenizer)
        pieces = [_special(tokenizer, text) for text in texts]
        bos = tokenizer.bos_token_id
        adds_bos = bos is not None and bos in tokenizer("a").input_ids[:1]
        if adds_bos and (not pieces[0] or pieces[0][0] != bos):
            pieces[0] = (bos, *pieces[0])
        end = pieces[3][:1] if pieces[3] else (tokenizer.eos_token_id,)
        return cls(pieces[0], pieces[1], pieces[2], end)


def _render(tokenizer: Any) -> tuple[str, str, str, str]:
    """The template's text before, between and after the three sentinels."""
    system, user, assistant = _SENTINELS
    turns = [{"role": "user", "content": user}, {"role": "assistant", "content": assistant}]
    for messages in (
        [{"role": "system", "content": system}, *turns],
        [{"role": "user", "content": f"{system}\n\n{user}"}, turns[1]],
    ):
        text = _rendered(tokenizer, messages)
        spots = [text.find(s) for s in _SENTINELS]
        if min(spots) >= 0 and spots == sorted(spots):
            a, b, c = spots
            return (
                text[:a],
                text[a + len(system) : b],
                text[b + len(user) : c],
                text[c + len(assistant) :],
            )
    raise SurrogateError("the chat template does not keep a system, user and assistant turn")


def _next_turn(tokenizer: Any) -> tuple[int, ...]:
    """What the template puts between an answer and the question after it.

    Raises:
        SurrogateError: the template does not keep several turns.
    """
    question, answer, again = _SENTINELS
    turns = (("user", question), ("assistant", answer), ("user", again))
    text = _rendered(tokenizer, [{"role": role, "content": content} for role, content in turns])
    start, end = text.find(answer), text.find(again)
    if not 0 <= start < end:
        raise SurrogateError("the chat template does not keep a question behind an answer")
    return _special(tokenizer, text[start + len(answer) : end])


def _rendered(tokenizer: Any, messages: list[dict[str, str]]) -> str:
    """The rendered messages; empty where the template refuses one of the roles."""
    from jinja2 import TemplateError

    try:
        text: str = tokenizer.apply_chat_template(messages, tokenize=False)
    except TemplateError:
        return ""
    return text


def _special(tokenizer: Any, text: str) -> tuple[int, ...]:
    return tuple(tokenizer(text, add_special_tokens=False).input_ids) if text else ()


@dataclass
class PromptEncoder:
    """Encodes records for one tokenizer and the catalogues of one target.

    A prompt has two halves: the *context* (system turn and the parts, shared by all questions
    of a case and form) and the *branch* (case slot, question, answer).
    """

    tokenizer: Any
    parts: Catalogue
    frame: ChatFrame = field(init=False)

    def __post_init__(self) -> None:
        self.frame = ChatFrame.of(self.tokenizer)
        self._plain = lru_cache(maxsize=200_000)(self._encode_plain)
        self._filler = int(self.tokenizer.eos_token_id)
        # A system message is given, because chat templates otherwise add a longer one of their own.
        system = self.text(self.parts.domain.system)
        self._opening = (*self.frame.before_system, *system, *self.frame.before_user)
        self._openings: dict[Task, tuple[int, ...]] = {}

    def show(self, solved: Mapping[Task, Sequence[Record]]) -> None:
        """From now on put solved examples, as earlier turns, before every question of their task.

        In words alone: what an example says, it says by titles.

        Raises:
            RecordError: an example has a slot, or its answer is empty.
            SurrogateError: the chat template does not keep several turns.
        """
        after = _next_turn(self.tokenizer)
        for task, records in solved.items():
            ids = list(self._opening)
            for record in records:
                context, ends = self.context(record.parts, record.form)
                branch = self.branch(record)
                if context.slots or branch.slots:
                    raise RecordError(f"a {record.form} example has slots; show it as behavior")
                ids += context.ids[len(self._opening) : ends[record.visible]]
                ids += (*branch.ids[: -len(self.frame.end_of_answer)], *after)
            self._openings[task] = tuple(ids)

    def opening(self, task: Task | None = None) -> tuple[int, ...]:
        """What comes before a case: the system's turn, and a task's solved examples, if any."""
        return self._openings.get(task, self._opening) if task else self._opening

    def _encode_plain(self, text: str) -> tuple[int, ...]:
        encoded = self.tokenizer(text, add_special_tokens=False, split_special_tokens=True)
        return tuple(encoded.input_ids)

    def text(self, text: str) -> tuple[int, ...]:
        """Ids of plain text, special tokens switched off."""
        return self._plain(text)

    def context(
        self, parts: Sequence[str], form: Form, task: Task | None = None
    ) -> tuple[Encoded, list[int]]:
        """The shared half, and how many of its ids are visible with 0, 1, 2, … parts."""
        ids: list[int] = list(self.opening(task))
        marks = _Marks()
        ends: list[int] = [len(ids)]
        if parts:
            ids += self.text(f"{self.parts.domain.case}:")
            ends = [len(ids)]
        for part in parts:
            pieces = mention(form, "part", part, self.parts.title(part))
            self._append(ids, marks, (*pieces, Text(LIST_SEPARATOR)))
            ends.append(len(ids))
        return Encoded(tuple(ids), tuple(marks.slots), anchors=tuple(marks.anchors)), ends

    def branch(self, record: Record, *, with_answer: bool = True) -> Encoded:
        """The question's half; with the answer and its end for training, else up to the answer."""
        ids: list[int] = []
        marks = _Marks()
        if record.parts:
            ids += self.text("\n")
            if record.form != "behavior":
                self._append(ids, marks, (Slot("case", ""),))
        self._append(ids, marks, record.question)
        ids += self.frame.before_assistant
        n_stem = len(ids)
        self._append(ids, marks, record.lead)
        slots, anchors = tuple(marks.slots), tuple(marks.anchors)
        if not with_answer:
            return Encoded(tuple(ids), slots, anchors=anchors, n_stem=n_stem)
        answer = self.answer_ids(record.answer)
        shares = self._shares(answer, record.alternatives) if record.alternatives else ()
        return Encoded((*ids, *answer), slots, len(answer), anchors, n_stem, shares)

    def _shares(
        self, answer: tuple[int, ...], alternatives: Sequence[tuple[str, float]]
    ) -> tuple[tuple[tuple[int, float], ...], ...]:
        """Per answer id, what follows the ids before it in the answer and in its alternatives."""
        weighed = [(answer, 1.0 - sum(share for _, share in alternatives))]
        weighed += [(self.answer_ids(text), share) for text, share in alternatives]
        found: list[tuple[tuple[int, float], ...]] = []
        for at in range(len(answer)):
            weighed = [(ids, w) for ids, w in weighed if ids[:at] == answer[:at] and len(ids) > at]
            total = sum(w for _, w in weighed)
            mass: dict[int, float] = {}
            for ids, w in weighed:
                mass[ids[at]] = mass.get(ids[at], 0.0) + w / total
            found.append(tuple(mass.items()))
        return tuple(found)

    def answer_ids(self, answer: str) -> tuple[int, ...]:
        """Ids of an answer and its end; lists are encoded title by title, as decoding sees them.

        Raises:
            RecordError: the answer is empty.
        """
        if not answer.strip():
            raise RecordError("a record has an empty answer")
        ids: list[int] = []
        for at, title in enumerate(answer.split(LIST_SEPARATOR)):
            ids += self.text(LIST_SEPARATOR) if at else ()
            ids += self.text(title) if title else ()
        return (*ids, *self.frame.end_of_answer)

    def _append(self, ids: list[int], marks: _Marks, pieces: Sequence[Piece]) -> None:
        for piece in pieces:
            start = len(ids)
            if isinstance(piece, Slot):
                marks.slots.append(SlotRef(start, piece.kind, piece.ref))
                ids.append(self._filler)
            else:
                ids += self.text(piece.text)
            if piece.kind in ("part", "outcome"):
                marks.anchors.append(SlotRef(len(ids) - 1, piece.kind, piece.ref))


@dataclass(slots=True)
class _Marks:
    """Slots and anchors of ids under way."""

    slots: list[SlotRef] = field(default_factory=list)
    anchors: list[SlotRef] = field(default_factory=list)
