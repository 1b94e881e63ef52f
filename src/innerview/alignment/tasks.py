"""The tasks: from a label of the target to a record, one builder per task.

RecExplainer's six (paper section 2.2; facts in its own words: next-item retrieval, ranking,
interest classification, item discrimination, chat, history reconstruction), plus evidence
attribution and prose. History reconstruction and item titles ask the vectors alone, in every
form that has vectors, because with the titles in the prompt there would be nothing to recover.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from innerview.alignment.labels import case_seed
from innerview.alignment.records import Form, Piece, Record, Task, Text
from innerview.alignment.templates import LIST_SEPARATOR, mention, phrase_pieces, phrases
from innerview.data.tables import Catalogue
from innerview.targets.protocol import Case

__all__ = ["NO", "YES", "Asker", "Context", "title_list"]

YES, NO = "Yes", "No"


@dataclass(frozen=True, slots=True)
class Context:
    """The case a question is about, and how much of it the question may see."""

    case_id: str
    parts: tuple[str, ...]
    visible: int


def title_list(titles: Sequence[str]) -> str:
    """Titles as an answer: each after a space, separated; the inverse is by ids, never by text."""
    return LIST_SEPARATOR.join(f" {title}" for title in titles)


class Asker:
    """Builds records for one target's catalogue; draws phrases from a generator."""

    def __init__(self, outcomes: Catalogue, parts: Catalogue, *, heldout: bool = False) -> None:
        self.outcomes, self.parts, self.heldout = outcomes, parts, heldout

    def retrieval(
        self, context: Context, form: Form, top: Sequence[str], rng: np.random.Generator
    ) -> Record:
        """Which outcome does the target put first?"""
        return self._ask(
            "retrieval", form, context, rng,
            answer=f" {self.outcomes.title(top[0])}",
            label={"top": list(top)},
            alternatives=() if self.heldout else self._alternatives(top),
        )  # fmt: skip

    def ranking(
        self, context: Context, form: Form, ranked: Sequence[str], rng: np.random.Generator
    ) -> Record:
        """Which of some outcomes, shown in random order, does the target rank first?

        The others are alternatives, each with its share, so one short answer teaches the order
        that a list would spell out at length.
        """
        shown = [ranked[i] for i in rng.permutation(len(ranked))]
        listed: list[Piece] = []
        for outcome in shown:
            listed.extend(self._outcome(form, outcome))
            listed.append(Text(LIST_SEPARATOR))
        return self._ask(
            "ranking", form, context, rng,
            listed=listed,
            answer=f" {self.outcomes.title(ranked[0])}",
            label={"ranked": list(ranked), "shown": shown},
            alternatives=() if self.heldout else self._alternatives(ranked),
        )  # fmt: skip

    def interest(
        self,
        context: Context,
        form: Form,
        judged: Sequence[tuple[str, bool]],
        rng: np.random.Generator,
    ) -> list[Record]:
        """Does the target rank an outcome among its best or its worst? One record for each.

        They are worded alike, and the outcome opens the answer, so the surrogate encodes the
        question once, and what is to be judged lies right before the judgement.
        """
        phrase = self._phrase("interest", rng)
        return [
            self._ask(
                "interest", form, context, rng,
                phrase=phrase,
                lead=(*self._outcome(form, outcome), Text(":")),
                answer=f" {YES if liked else NO}",
                label={"outcome": outcome, "liked": liked},
            )
            for outcome, liked in judged
        ]  # fmt: skip

    def expectation(self, case: Case, form: Form) -> Record:
        """Which outcome does the target put first for a case? For asking, not for training.

        All cases are asked about in the same words.
        """
        context = Context(case.case_id, case.parts, len(case.parts))
        return self.retrieval(context, form, self.outcomes.ids[:1], np.random.default_rng(0))

    def judgements(
        self, record: Record, outcomes: Sequence[str], *, parts: Sequence[str] | None = None
    ) -> list[Record]:
        """Interest questions in the form of another question, about its case or, with ``parts``,
        about a case of only these parts.

        Their answers are unknown: they are for asking, not for training.
        """
        seen = record.parts[: record.visible] if parts is None else tuple(parts)
        rng = case_seed(0, Case(record.case_id, record.parts), f"judge-{record.form}")
        context = Context(record.case_id, seen, len(seen))
        return self.interest(context, record.form, [(o, True) for o in outcomes], rng)

    def attribution(
        self, context: Context, form: Form, outcome: str, part: str, rng: np.random.Generator
    ) -> Record:
        """Which part, when left out, lowers the outcome's score the most?"""
        return self._ask(
            "attribution", form, context, rng,
            subject=self._outcome(form, outcome),
            answer=f" {self.parts.title(part)}",
            label={"outcome": outcome, "part": part},
        )  # fmt: skip

    def reconstruction(self, context: Context, rng: np.random.Generator) -> Record:
        """Name every part from the parts' vectors and the case's; opens with the first."""
        seen = context.parts[: context.visible]
        return self._ask(
            "history", "intention", context, rng,
            lead=self._part(seen[0]),
            answer=f" {self.parts.title(seen[0])}",
            label={"parts": list(seen)},
        )  # fmt: skip

    def namings(self, record: Record, parts: Sequence[str]) -> list[Record]:
        """A question about a history as one question for each of some parts, worded alike."""
        return [
            replace(record, lead=self._part(part), answer=f" {self.parts.title(part)}")
            for part in parts
        ]

    def titles(self, outcomes: Sequence[str], rng: np.random.Generator) -> list[Record]:
        """Name outcomes, each from its vector alone. They are worded alike, and the vector opens
        the answer, as in the interest task."""
        phrase = self._phrase("item_title", rng)
        return [
            self._ask(
                "item_title", "intention", None, rng,
                phrase=phrase,
                lead=(*self._outcome("intention", outcome), Text(":")),
                answer=f" {self.outcomes.title(outcome)}",
                label={"outcome": outcome},
            )
            for outcome in outcomes
        ]  # fmt: skip

    def attribute(
        self, outcome: str, form: Form, attribute: str, rng: np.random.Generator
    ) -> Record:
        """Name an attribute's values of an outcome."""
        values = self.outcomes.values(outcome, attribute)
        return self._ask(
            "item_attribute", form, None, rng,
            subject=self._outcome(form, outcome),
            attribute=attribute,
            answer=title_list(values),
            label={"outcome": outcome, "attribute": attribute, "values": list(values)},
        )  # fmt: skip

    def nearest(self, outcome: str, form: Form, nearest: str, rng: np.random.Generator) -> Record:
        """Name the outcome whose vector is nearest by cosine."""
        return self._ask(
            "item_similar", form, None, rng,
            subject=self._outcome(form, outcome),
            answer=f" {self.outcomes.title(nearest)}",
            label={"outcome": outcome, "nearest": nearest},
        )  # fmt: skip

    def prose(
        self, facts: Sequence[str], outcome: str, text: str, rng: np.random.Generator
    ) -> Record:
        """Put checked claims into words: ``facts`` are their compact descriptions."""
        listed = [Text("".join(f"\n- {fact}" for fact in facts) + "\n")]
        return self._ask(
            "prose", "behavior", None, rng,
            subject=(Text(f' "{self.outcomes.title(outcome)}"'),),
            listed=listed,
            answer=text,
            label={"outcome": outcome},
        )  # fmt: skip

    def chat(self, prompt: str, answer: str) -> Record:
        """Ordinary speech, so that the language model keeps it."""
        return Record("chat", "behavior", "", (), 0, (Text(prompt),), answer)

    def _alternatives(self, top: Sequence[str]) -> tuple[tuple[str, float], ...]:
        """The outcomes behind the first, with shares that fall as one over the rank.

        By rank and not by score, because targets' scores have no scale in common.
        """
        total = sum(1.0 / rank for rank in range(1, len(top) + 1))
        return tuple(
            (f" {self.outcomes.title(outcome)}", 1.0 / rank / total)
            for rank, outcome in enumerate(top[1:], start=2)
        )

    def _part(self, part: str) -> tuple[Piece, ...]:
        return (*mention("intention", "part", part, self.parts.title(part)), Text(":"))

    def _outcome(self, form: Form, outcome: str) -> tuple[Piece, ...]:
        return mention(form, "outcome", outcome, self.outcomes.title(outcome))

    def _phrase(self, task: Task, rng: np.random.Generator) -> str:
        choices = phrases(task, self.outcomes.domain, heldout=self.heldout)
        return choices[int(rng.integers(len(choices)))]

    def _ask(
        self,
        task: Task,
        form: Form,
        context: Context | None,
        rng: np.random.Generator,
        *,
        answer: str,
        label: dict[str, object],
        subject: Sequence[Piece] = (),
        listed: Sequence[Piece] = (),
        attribute: str = "",
        alternatives: tuple[tuple[str, float], ...] = (),
        lead: tuple[Piece, ...] = (),
        phrase: str | None = None,
    ) -> Record:
        question = phrase_pieces(
            phrase or self._phrase(task, rng),
            (self.parts if task == "history" else self.outcomes).noun,
            subject=subject,
            listed=listed,
            attribute=attribute,
        )
        context = context or Context("", (), 0)
        return Record(
            task, form, context.case_id, context.parts, context.visible,
            question, answer, label, self.heldout, alternatives, lead,
        )  # fmt: skip
