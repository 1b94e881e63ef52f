"""What a surrogate gives as its target's reasons, unasked; and what texts name that are written
freely. Kept as it comes in, as it takes long."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import cache, partial
from typing import TYPE_CHECKING, Any

from innerview.alignment.prose import checked_claims, named_titles
from innerview.alignment.records import Form, Record
from innerview.evaluation.free_prose import Answering, free_prose_orders, solved
from innerview.evaluation.orders import by_explanation
from innerview.explanation._ask import first_outcomes
from innerview.explanation.claims import CheckedClaim
from innerview.explanation.render import render
from innerview.explanation.verify import verify_many
from innerview.pipeline._found import Found
from innerview.pipeline._kept import Kept
from innerview.pipeline._measured import forms_of
from innerview.pipeline._stage import Event, Say, digest
from innerview.targets import Case, Target

if TYPE_CHECKING:
    from innerview.surrogate.stand_in import StandIn
    from innerview.surrogate.surrogate import Surrogate

__all__ = ["KeptReader", "OwnReasons"]

_AT_ONCE, _TEXTS_AT_ONCE = 8, 64
_EXAMPLES = 2
"""As RecExplainer's rival by in-context learning is shown (paper, table 1)."""
_EXAMPLE_PARTS = 5
"""Of an example's case, so that two of them leave room for the question."""

Pairs = Sequence[tuple[Case, str]]


class OwnReasons:
    """Asks about cases and outcomes, and keeps what is said.

    Args:
        target: checks what is claimed.
        pairs: cases as the target sees them, with an outcome each.
        kept: what was said before.
        say: told how far it is.
    """

    def __init__(self, target: Target, pairs: Pairs, kept: Kept, say: Say) -> None:
        self.target, self.pairs, self.kept, self.say = target, pairs, kept, say
        self.found = Found()

    def of_surrogate(self, surrogate: Surrogate) -> None:
        """What it claims in every form, while the target scores nothing; then checked. And what it
        writes freely in each."""
        for form in forms_of(self.target):
            name, stand_in = f"surrogate_{form}", surrogate.stand_in(form)
            said = self._said(name, _AT_ONCE, partial(_claimed, stand_in, self.target))
            self.found.claims[name] = [
                [CheckedClaim.from_dict(claim) for claim in claims]
                for own in said
                for claims in own["claims"]
            ]
            if form != "behavior":
                vectors = sum(own["vectors"] for own in said)
                self.found.cost[name]["vectors"] = round(vectors / len(self.pairs), 1)
        for form in forms_of(self.target):
            name = "free_prose" if form == "behavior" else f"free_prose_{form}"
            self._of_prose(name, lambda: surrogate, form=form)

    def of_base(self, name: str, others: Sequence[Case], *, seed: int) -> None:
        """What a base language model writes before training: as it is, and shown two explanations
        of other cases that are grounded in evidence."""
        from innerview.surrogate.base import load_base
        from innerview.surrogate.surrogate import Surrogate

        @cache
        def base() -> Surrogate:
            return Surrogate(load_base(name), self.target, seed=seed)

        @cache
        def shown() -> Surrogate:
            base().encoder.show({"chat": _examples(self.target, others)})
            return base()

        self._of_prose("unaligned", base)
        self._of_prose("in_context", shown)

    def _of_prose(
        self, name: str, writer: Callable[[], Answering], *, form: Form = "behavior"
    ) -> None:
        """The orders in which texts name parts; ``writer`` is called where one is wanted."""

        def write(pairs: Pairs) -> dict[str, Any]:
            model = writer()
            began = time.perf_counter()
            named = free_prose_orders(model, self.target, pairs, form=form)
            return {"orders": named, "milliseconds": 1000 * (time.perf_counter() - began)}

        self._said(name, _TEXTS_AT_ONCE, write)

    def _said(
        self, name: str, at_once: int, ask: Callable[[Pairs], dict[str, Any]]
    ) -> list[dict[str, Any]]:
        """What was found of some pairs at a time; notes orders, and the cost of each case."""
        said = []
        for start in range(0, len(self.pairs), at_once):
            chunk = self.pairs[start : start + at_once]
            text = f"{name.replace('_', ' ')}: {start} of {len(self.pairs)} cases"
            self.say(Event("fidelity", text, start / len(self.pairs)))
            about = digest([(case.case_id, case.parts, outcome) for case, outcome in chunk])
            said.append(self.kept.get(f"{name} {about}", partial(ask, chunk)))
        took = sum(own["milliseconds"] for own in said) / len(self.pairs)
        self.found.orders[name] = [[order for own in said for order in own["orders"]]]
        self.found.cost[name] = {"queries": 0.0, "milliseconds": round(took, 2)}
        return said


class KeptReader:
    """A base language model, as it is, that judges; what it has said is kept.

    Args:
        name: of the base.
        target: whose titles it is told.
        kept: what was said before.
        say: told how far it is.
        seed: of nothing that it says; a surrogate has one.
    """

    def __init__(self, name: str, target: Target, kept: Kept, say: Say, *, seed: int) -> None:
        self.name, self.target, self.kept, self.say, self.seed = name, target, kept, say, seed
        self._model: Surrogate | None = None

    def answer(self, records: Sequence[Record]) -> list[Any]:
        """The probability of yes to each."""
        said: list[Any] = []
        for start in range(0, len(records), _TEXTS_AT_ONCE):
            chunk = records[start : start + _TEXTS_AT_ONCE]
            text = f"{self.name} reads: {start} of {len(records)} questions"
            self.say(Event("fidelity", text, start / len(records)))
            about = digest([self.name, [repr(record) for record in chunk]])
            said += self.kept.get(f"read {about}", partial(self._ask, chunk))
        return said

    def _ask(self, records: Sequence[Record]) -> list[Any]:
        if self._model is None:
            from innerview.surrogate.base import load_base
            from innerview.surrogate.surrogate import Surrogate

            self._model = Surrogate(load_base(self.name), self.target, seed=self.seed)
        return self._model.answer(records)


def _claimed(stand_in: StandIn, target: Target, pairs: Pairs) -> dict[str, Any]:
    """What a surrogate claims of some cases, in the wire form, and what it took."""
    from innerview.surrogate.stand_in import own_claims

    began, before = time.perf_counter(), stand_in.queries.used
    own = own_claims(stand_in, pairs)
    took = 1000 * (time.perf_counter() - began)
    flat = [
        (claim, case) for (_, claims), (case, _) in zip(own, pairs, strict=True) for claim in claims
    ]
    checked = iter(verify_many(flat, target))
    return {
        "orders": [by_explanation(evidence) for evidence, _ in own],
        "claims": [[next(checked).to_dict() for _ in claims] for _, claims in own],
        "milliseconds": took,
        "vectors": stand_in.queries.used - before,
    }


def _examples(target: Target, cases: Sequence[Case]) -> list[Record]:
    """A question and its answer about each of the first cases, grounded in evidence."""
    short = [case.last(_EXAMPLE_PARTS) for case in cases]
    usable = [case for case in short if len(set(case.parts)) > 1][:_EXAMPLES]
    outcomes = first_outcomes(target, [(case, case) for case in usable])
    pairs = list(zip(usable, outcomes, strict=True))
    return [
        solved(
            case, outcome, target,
            render(
                claims, outcome=outcome, rank=evidence.rank, noun=target.parts.noun,
                titles=named_titles(target, case, outcome, claims),
            ),
        )
        for (case, outcome), (evidence, claims) in zip(
            pairs, checked_claims(target, pairs), strict=True
        )
    ]  # fmt: skip
