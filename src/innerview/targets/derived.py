"""Targets that are made from another one."""

from __future__ import annotations

from collections.abc import Sequence

from innerview.data.tables import Catalogue
from innerview.targets.protocol import Capabilities, Case, FloatArray, QueryCounter, Target

__all__ = ["DerivedTarget"]


class DerivedTarget:
    """Another target; what is not as there, a subclass says.

    Args:
        target: that is asked.
    """

    def __init__(self, target: Target) -> None:
        self._target = target

    @property
    def name(self) -> str:
        """The other target's."""
        return self._target.name

    @property
    def fingerprint(self) -> str:
        """The other target's."""
        return self._target.fingerprint

    @property
    def capabilities(self) -> Capabilities:
        """The other target's."""
        return self._target.capabilities

    @property
    def outcomes(self) -> Catalogue:
        """The other target's."""
        return self._target.outcomes

    @property
    def parts(self) -> Catalogue:
        """The other target's."""
        return self._target.parts

    @property
    def queries(self) -> QueryCounter:
        """The other target's."""
        return self._target.queries

    def score(self, cases: Sequence[Case]) -> FloatArray:
        """(N, O) scores, the other target's."""
        return self._target.score(cases)

    def case_vectors(self, cases: Sequence[Case]) -> FloatArray:
        """(N, d) vectors, the other target's."""
        return self._target.case_vectors(cases)

    @property
    def part_vectors(self) -> FloatArray:
        """(P, d), the other target's."""
        return self._target.part_vectors

    @property
    def outcome_vectors(self) -> FloatArray:
        """(O, d), the other target's."""
        return self._target.outcome_vectors
