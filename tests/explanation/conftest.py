"""Targets whose answers are known on paper."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pytest

from innerview.data.tables import Catalogue
from innerview.errors import CaseError, TargetQueryError
from innerview.targets.protocol import Capabilities, Case, FloatArray, QueryCounter

CAPABILITIES = Capabilities(
    vectors=False,
    rescoring=True,
    order_sensitive=False,
    deterministic=True,
    excludes_parts=True,
    max_parts=50,
)


@dataclass
class PaperTarget:
    """Scores an outcome by a rule on the set of parts that is short enough to follow by hand."""

    outcomes: Catalogue
    parts: Catalogue
    rule: Callable[[frozenset[str], str], float]
    capabilities: Capabilities = CAPABILITIES
    name: str = "paper"
    fingerprint: str = "paper"
    queries: QueryCounter = field(default_factory=QueryCounter)
    batches: list[int] = field(default_factory=list)
    broken_without: str | None = None

    def score(self, cases: Sequence[Case]) -> FloatArray:
        self.queries.add(len(cases))
        self.batches.append(len(cases))
        for case in cases:
            if not case.parts:
                raise CaseError(f"case {case.case_id!r} is empty")
            self.parts.rows(case.parts)
            if self.broken_without is not None and self.broken_without not in case.parts:
                raise TargetQueryError("the target fell over")
        rows = [[self.rule(frozenset(c.parts), o) for o in self.outcomes.ids] for c in cases]
        return np.asarray(rows, dtype=np.float32)

    def case_vectors(self, cases: Sequence[Case]) -> FloatArray:
        raise NotImplementedError

    @property
    def part_vectors(self) -> FloatArray:
        raise NotImplementedError

    @property
    def outcome_vectors(self) -> FloatArray:
        raise NotImplementedError


def paper_catalogue(n_parts: int, n_outcomes: int) -> Catalogue:
    """Parts p0, p1, … (kind: even or odd) and outcomes o0, o1, …"""
    parts = [f"p{i}" for i in range(n_parts)]
    outcomes = [f"o{i}" for i in range(n_outcomes)]
    kinds = [("even",) if i % 2 == 0 else ("odd",) for i in range(n_parts)]
    return Catalogue(
        ids=(*parts, *outcomes),
        titles=(*(f"Part Number {i}" for i in range(n_parts)),
                *(f"Outcome Number {i}" for i in range(n_outcomes))),
        attributes={"kind": (*kinds, *[()] * n_outcomes)},
        noun="film",
    )  # fmt: skip


def additive(
    weights: Mapping[str, float], rivals: Mapping[str, float], *, n_outcomes: int = 30
) -> PaperTarget:
    """o0 scores the sum of its parts' weights; rival oK a constant, others -100 - K."""
    catalogue = paper_catalogue(len(weights), n_outcomes)

    def rule(parts: frozenset[str], outcome: str) -> float:
        if outcome == "o0":
            return sum(weights[p] for p in parts)
        return rivals.get(outcome, -100.0 - catalogue.index[outcome])

    return PaperTarget(catalogue, catalogue, rule)


def either_or(n_parts: int = 4, *, n_outcomes: int = 30) -> PaperTarget:
    """o0 scores 1 if p0 or p1 is there, else -1; o1 always 0: two redundant parts."""
    catalogue = paper_catalogue(n_parts, n_outcomes)

    def rule(parts: frozenset[str], outcome: str) -> float:
        if outcome == "o0":
            return 1.0 if parts & {"p0", "p1"} else -1.0
        return 0.0 if outcome == "o1" else -100.0 - catalogue.index[outcome]

    return PaperTarget(catalogue, catalogue, rule)


def able(target: PaperTarget, **changes: bool) -> PaperTarget:
    """The target with other capabilities."""
    return replace(target, capabilities=replace(target.capabilities, **changes))


@pytest.fixture
def films() -> PaperTarget:
    """Four parts with weights 5, 3, 1, -2 for o0 (score 7), beside rivals at 4 and 1.5."""
    return additive({"p0": 5, "p1": 3, "p2": 1, "p3": -2}, {"o1": 4.0, "o2": 1.5})


@pytest.fixture
def case() -> Case:
    return Case("user-1", ("p0", "p1", "p2", "p3"))
