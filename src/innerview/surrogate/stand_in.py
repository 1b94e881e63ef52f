"""A surrogate in its target's place: cases in, scores of outcomes out, as it has understood them.

So whatever can be asked of a target (evidence, smallest sets, Shapley values, claims) can be asked
of the surrogate instead, by the same code. What it claims then is its own: the target is not
asked for it, and can be asked afterwards whether it is so.

Axes: N cases, O outcomes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from innerview.alignment.records import Form
from innerview.alignment.tasks import Asker
from innerview.errors import CaseError, SurrogateError, TargetQueryError
from innerview.explanation.claims import Claim
from innerview.explanation.evidence import Evidence, Thresholds, measure_many
from innerview.explanation.grounded import claims_from
from innerview.surrogate.answering import Respondent
from innerview.targets.derived import DerivedTarget
from innerview.targets.protocol import Capabilities, Case, FloatArray, QueryCounter

__all__ = ["StandIn", "own_claims"]

_FEWEST_KEPT, _MOST_VALUES = 256, 16 * 1024 * 1024
"""Rows of scores that are kept at least, and values at most: 64 MiB."""

_THRESHOLDS = Thresholds(max_groups=1)
"""Each random group costs a prompt, and one attribute is what an explanation states."""


class StandIn(DerivedTarget):
    """A target whose scores are how well outcomes fit what a surrogate understands of a case.

    In the forms that have vectors, a changed case has its own: the target is asked for it, but for
    no score. ``queries`` counts the cases that the surrogate was asked about. Scores move by some
    thousandths with the cases that are asked about together, so those given lately are kept.

    Args:
        respondent: whose understanding it is.
        form: in which cases are put to it.
        fingerprint: of the surrogate.

    Raises:
        SurrogateError: the surrogate has no memory that could be read, or the target no vectors
            for a form that needs them.
    """

    def __init__(self, respondent: Respondent, form: Form, *, fingerprint: str = "") -> None:
        target = respondent.target
        if not respondent.memory.edits:
            raise SurrogateError(
                "this surrogate has no memory to read scores in; align it anew, on more records"
            )
        if form != "behavior" and not target.capabilities.vectors:
            raise SurrogateError(f"the target has no vectors, and {form} form needs them")
        self.form = form
        super().__init__(target)
        self._respondent = respondent
        self._asker = Asker(target.outcomes, target.parts)
        self._fingerprint = hashlib.sha256(f"{fingerprint} {form}".encode()).hexdigest()
        self._queries = QueryCounter()
        self._kept: dict[tuple[str, ...], FloatArray] = {}
        self._most_kept = max(_FEWEST_KEPT, _MOST_VALUES // len(target.outcomes))
        own = target.capabilities
        self._capabilities = Capabilities(
            vectors=False,
            rescoring=form == "behavior" or own.rescoring,
            order_sensitive=True,
            deterministic=True,
            excludes_parts=own.excludes_parts,
            max_parts=own.max_parts,
        )

    @property
    def name(self) -> str:
        """Of the target, and the form."""
        return f"{self._target.name}, as understood in {self.form} form"

    @property
    def fingerprint(self) -> str:
        """Hash of surrogate and form."""
        return self._fingerprint

    @property
    def capabilities(self) -> Capabilities:
        """A changed case can be scored, unless a vector is needed that the target cannot make."""
        return self._capabilities

    @property
    def queries(self) -> QueryCounter:
        """Counts every case that the surrogate was asked about."""
        return self._queries

    def score(self, cases: Sequence[Case]) -> FloatArray:
        """(N, O) float32: how well each outcome fits each case, beside the others.

        What a case adds to the scores of all outcomes alike is not known, and nearly without
        bearing: measured on the shipped target, the part that matters most is the same without it
        for 98 % of cases.

        Raises:
            CaseError: a case is empty or holds an unknown part.
        """
        for case in cases:
            if not case.parts:
                raise CaseError(f"case {case.case_id!r} is empty; there is nothing to understand")
            self._target.parts.rows(case.parts)
        if not cases:
            return np.zeros((0, len(self.outcomes)), np.float32)
        new = {case.parts: case for case in cases if case.parts not in self._kept}
        if new:
            fits = self._understood(list(new.values()))
            self._kept |= dict(zip(new, fits, strict=True))
        found = np.stack([self._kept[case.parts] for case in cases])
        for oldest in list(self._kept)[: max(0, len(self._kept) - self._most_kept)]:
            del self._kept[oldest]
        return found

    def _understood(self, cases: Sequence[Case]) -> FloatArray:
        """(N, O) of cases that were not asked about lately."""
        if self.form != "behavior":
            self._respondent.vectors.add_cases(case.parts for case in cases)
        self._queries.add(len(cases))
        asked = [self._asker.expectation(case, self.form) for case in cases]
        return self._respondent.understanding.fits(asked)

    def case_vectors(self, cases: Sequence[Case]) -> FloatArray:
        """None can be read."""
        raise TargetQueryError(f"{self.name}: a stand-in has no vectors")

    @property
    def part_vectors(self) -> FloatArray:
        """None can be read."""
        raise TargetQueryError(f"{self.name}: a stand-in has no vectors")

    @property
    def outcome_vectors(self) -> FloatArray:
        """None can be read."""
        raise TargetQueryError(f"{self.name}: a stand-in has no vectors")


def own_claims(
    stand_in: StandIn, pairs: Sequence[tuple[Case, str]], *, about: str | None = None
) -> list[tuple[Evidence, list[Claim]]]:
    """What a surrogate claims of cases and outcomes, while its target scores nothing.

    It is asked all that the target would be asked: about the case without each part, without some
    and with some alone. Evidence is in its own units; every claim is true of the surrogate, and
    may be false of the target. Claims about an attribute come before others, if one is given.
    """
    source = f"surrogate_{stand_in.form}"
    thresholds = replace(_THRESHOLDS, about=about)
    return [
        (evidence, claims_from(evidence, stand_in, source=source, about=about))
        for evidence in measure_many(pairs, stand_in, thresholds=thresholds)
    ]
