"""How good a target is at its own job, and whether a table could stand in for it.

Axes: N cases, O outcomes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from innerview.data.tables import Catalogue
from innerview.errors import CaseError
from innerview.targets.protocol import Case, FloatArray, IntArray

__all__ = ["ConstantSurrogate", "HeldOut", "TopMetrics", "constant_surrogate", "evaluate", "ranks"]

Scorer = Callable[[Sequence[Case]], FloatArray]
BATCH_CASES = 512


@dataclass(frozen=True, slots=True)
class HeldOut:
    """Cases, and for each the outcome that was kept from it and really came."""

    cases: tuple[Case, ...]
    outcomes: tuple[str, ...]

    def __post_init__(self) -> None:
        if len(self.cases) != len(self.outcomes):
            raise CaseError(f"{len(self.cases)} cases with {len(self.outcomes)} held-out outcomes")

    def __len__(self) -> int:
        return len(self.cases)


@dataclass(frozen=True, slots=True)
class TopMetrics:
    """Shares over held-out cases, seen items left out of the ranking."""

    hr10: float
    ndcg10: float
    distinct_first: int
    """Number of different outcomes that stand first for some case."""
    first: tuple[str, ...]
    """The first outcome of each case."""


@dataclass(frozen=True, slots=True)
class ConstantSurrogate:
    """How well a table of the most frequent first outcomes imitates a target."""

    hr5: float
    """Share of cases whose first outcome is among the 5 most frequent of *other* cases."""
    distinct_first: int
    most_frequent: tuple[str, ...]


def constant_surrogate(first: Sequence[str]) -> ConstantSurrogate:
    """Imitate a target by its 5 most frequent first outcomes.

    The cases are dealt into two halves (even and odd); each half is judged by the table of the
    other, so that no case votes for itself.

    Args:
        first: the target's first outcome, case by case.
    """
    halves = (first[0::2], first[1::2])
    hits = 0
    for judged, counted in (halves, halves[::-1]):
        table = {outcome for outcome, _ in _most_frequent(counted)}
        hits += sum(outcome in table for outcome in judged)
    return ConstantSurrogate(
        hr5=hits / len(first) if first else 0.0,
        distinct_first=len(set(first)),
        most_frequent=tuple(outcome for outcome, _ in _most_frequent(first)),
    )


def _most_frequent(first: Sequence[str]) -> list[tuple[str, int]]:
    return sorted(Counter(first).items(), key=lambda pair: (-pair[1], pair[0]))[:5]


def mask_parts(scores: FloatArray, cases: Sequence[Case], outcomes: Catalogue) -> None:
    """Set the scores of each case's own parts to minus infinity, in place.

    Args:
        scores: (N, O) float32, changed.
        cases: N cases.
        outcomes: whose row order the columns follow.
    """
    for row, case in zip(scores, cases, strict=True):
        row[[outcomes.index[p] for p in case.parts if p in outcomes.index]] = -np.inf


def ranks(masked: FloatArray, truth: IntArray) -> IntArray:
    """Rank (1 = best) of one outcome per case; ties go to the lower row.

    Args:
        masked: (N, O) scores with seen outcomes at minus infinity.
        truth: (N,) int64 rows of the outcomes to rank.
    """
    own = masked[np.arange(len(truth)), truth][:, None]
    columns = np.arange(masked.shape[1])[None, :]
    ahead = (masked > own) | ((masked == own) & (columns < truth[:, None]))
    return np.asarray(1 + ahead.sum(axis=1), dtype=np.int64)


def evaluate(score: Scorer, held_out: HeldOut, outcomes: Catalogue) -> TopMetrics:
    """HR@10 and NDCG@10 of a scorer on held-out outcomes, seen items excluded.

    Args:
        score: N cases to (N, O).
        held_out: at least one case.
        outcomes: whose row order the columns follow.
    """
    found: list[IntArray] = []
    first: list[str] = []
    for start in range(0, len(held_out), BATCH_CASES):
        cases = held_out.cases[start : start + BATCH_CASES]
        truth = np.array(outcomes.rows(held_out.outcomes[start : start + BATCH_CASES]))
        masked = score(cases).copy()
        mask_parts(masked, cases, outcomes)
        found.append(ranks(masked, truth))
        first.extend(outcomes.ids[i] for i in masked.argmax(axis=1))
    rank = np.concatenate(found)
    gains = np.where(rank <= 10, 1.0 / np.log2(rank + 1.0), 0.0)
    return TopMetrics(
        hr10=float((rank <= 10).mean()),
        ndcg10=float(gains.mean()),
        distinct_first=len(set(first)),
        first=tuple(first),
    )
