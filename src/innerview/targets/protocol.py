"""What Innerview asks of the model being explained: cases in, scores of outcomes out.

Nothing here knows a recommender library. A case is one input made of parts; an outcome is
something the target scores. In a recommender: a history of items, and a catalogue item.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from innerview.data.tables import Catalogue
from innerview.errors import CaseError

__all__ = [
    "Capabilities",
    "Case",
    "FloatArray",
    "QueryCounter",
    "Target",
    "ranks_of",
    "top_outcomes",
]

FloatArray = npt.NDArray[np.float32]
IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Case:
    """One input of the target: an id and its parts, in the order the target takes them.

    ``marks`` tells what a part is in this case alone, such as the user's own rating of it: by
    attribute, the value of each part that has one. No target sees them: cases of the same parts
    are the same.
    """

    case_id: str
    parts: tuple[str, ...]
    marks: Mapping[str, Mapping[str, str]] = field(default_factory=dict, compare=False, repr=False)

    def without(self, parts: Iterable[str]) -> Case:
        """The case with these parts removed."""
        gone = set(parts)
        return Case(self.case_id, tuple([p for p in self.parts if p not in gone]), self.marks)

    def last(self, n: int) -> Case:
        """The case with its last ``n`` parts: as a target sees it that looks at no more."""
        return Case(self.case_id, self.parts[-n:], self.marks)

    def keep(self, parts: Iterable[str]) -> Case:
        """The case with only these parts left, in their order."""
        kept = set(parts)
        return Case(self.case_id, tuple([p for p in self.parts if p in kept]), self.marks)


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a target can do; decides which claims are testable and which forms are offered."""

    vectors: bool
    """Vectors of cases, parts and outcomes can be read."""
    rescoring: bool
    """A changed case can be scored."""
    order_sensitive: bool
    """The order of the parts matters to the score."""
    deterministic: bool
    """The same case gives the same scores."""
    excludes_parts: bool
    """An outcome that is already a part of the case is never an answer (recommenders)."""
    max_parts: int
    """Parts the target looks at; longer cases lose their oldest."""


@dataclass(slots=True)
class QueryCounter:
    """How many cases a target has scored. One case is one query, however it was batched."""

    used: int = 0

    def add(self, n: int) -> None:
        """Count ``n`` more."""
        self.used += n


@runtime_checkable
class Target(Protocol):
    """The frozen model being explained.

    Axes: N cases, O outcomes, P parts, d width of the target's vectors.
    """

    @property
    def name(self) -> str:
        """Short name for reports, e.g. ``als``."""
        ...

    @property
    def fingerprint(self) -> str:
        """Hash of everything that determines the scores."""
        ...

    @property
    def capabilities(self) -> Capabilities:
        """What can be asked."""
        ...

    @property
    def outcomes(self) -> Catalogue:
        """What can be scored; its row order is the order of the score columns."""
        ...

    @property
    def parts(self) -> Catalogue:
        """What cases are made of; the very ``outcomes`` where they do not differ."""
        ...

    @property
    def queries(self) -> QueryCounter:
        """Counts every case scored."""
        ...

    def score(self, cases: Sequence[Case]) -> FloatArray:
        """Score every outcome for every case: (N, O) float32, finite.

        Raises:
            CaseError: a case is empty or holds an unknown part.
            TargetQueryError: the target failed, or answered NaN or infinity.
        """
        ...

    def case_vectors(self, cases: Sequence[Case]) -> FloatArray:
        """(N, d) float32. Not counted as queries: no score is asked.

        Raises:
            CaseError: a case is empty or holds an unknown part.
            TargetQueryError: the target has no vectors; so with the vectors below.
        """
        ...

    @property
    def part_vectors(self) -> FloatArray:
        """(P, d) float32, in the order of ``parts``."""
        ...

    @property
    def outcome_vectors(self) -> FloatArray:
        """(O, d) float32, in the order of ``outcomes``."""
        ...


def blocked_rows(target: Target, case: Case) -> list[int]:
    """Columns of outcomes that cannot be an answer for this case (its own parts)."""
    if not target.capabilities.excludes_parts:
        return []
    index = target.outcomes.index
    return [index[p] for p in case.parts if p in index]


def top_outcomes(target: Target, case: Case, scores: FloatArray, k: int) -> list[str]:
    """The ``k`` best outcomes of one row of scores, best first, the case's own parts left out.

    Ties go to the lower row, so that the order is the same everywhere.
    """
    row = scores.astype(np.float32, copy=True)
    row[blocked_rows(target, case)] = -np.inf
    order = np.argsort(-row, kind="stable")[:k]
    return [target.outcomes.ids[i] for i in order if np.isfinite(row[i])]


def ranks_of(target: Target, case: Case, scores: FloatArray, outcomes: Sequence[str]) -> list[int]:
    """Rank (1 = best) of outcomes within rows of scores for variants of one case.

    Args:
        target: whose scores these are.
        case: the *original* case: its parts stay out of the ranking even where a variant
            lacks them, or removing a part would let it return as its own rival.
        scores: (N, O), one row per variant.
        outcomes: N ids, one per row.

    Raises:
        CaseError: an outcome is a part of the case and so cannot be ranked.
    """
    rows = target.outcomes.rows(outcomes)
    taken = set(blocked_rows(target, case))
    for outcome, row in zip(outcomes, rows, strict=True):
        if row in taken:
            raise CaseError(f"outcome {outcome!r} is part of case {case.case_id!r}; it has no rank")
    own = scores[np.arange(len(rows)), rows][:, None]
    ahead = np.count_nonzero(scores > own, axis=1)
    ahead -= np.count_nonzero(scores[:, sorted(taken)] > own, axis=1)
    # Few rows hold a tie, so only those are looked at twice.
    for at in np.flatnonzero(np.count_nonzero(scores == own, axis=1) > 1):
        equal = np.flatnonzero(scores[at] == own[at])
        ahead[at] += sum(row < rows[at] and row not in taken for row in equal.tolist())
    return [int(n) + 1 for n in ahead]
