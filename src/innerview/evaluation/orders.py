"""Explainers as orders of a case's parts: those that look at the target, and those that do not.

Every function gives the distinct parts of a case, those that matter most first. What has no
opinion on two parts leaves their order to chance, by the case's own seed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np

from innerview.alignment.labels import case_seed
from innerview.explanation.evidence import Evidence
from innerview.explanation.shapley import shapley_values
from innerview.targets.protocol import Case, Target

__all__ = [
    "Order",
    "best_first",
    "by_attributes",
    "by_chance",
    "by_explanation",
    "by_habit",
    "by_leaving_out",
    "by_popularity",
    "by_shapley",
    "by_similarity",
    "named_first",
]

Order = tuple[str, ...]
"""The distinct parts of a case, those that matter most first."""


def by_chance(case: Case, *, seed: int = 0) -> Order:
    """Any order is as likely as any other."""
    parts = tuple(dict.fromkeys(case.parts))
    drawn = case_seed(seed, case, "order").permutation(len(parts))
    return tuple(parts[i] for i in drawn)


def by_leaving_out(evidence: Evidence) -> Order:
    """By how far the score falls without each part: the ceiling."""
    return tuple(effect.part for effect in evidence.strongest())


def by_explanation(evidence: Evidence) -> Order:
    """As an explanation puts them: what is decisive first, then by how far the score falls."""
    first = evidence.necessary.parts if evidence.necessary is not None else ()
    return (*first, *(part for part in by_leaving_out(evidence) if part not in first))


def by_shapley(case: Case, outcome: str, target: Target, *, budget: int, seed: int = 0) -> Order:
    """By Shapley value, within a budget of queries.

    Raises:
        CaseError: the budget does not pay for an estimate.
    """
    found = shapley_values(case, outcome, target, budget=budget, seed=seed)
    return best_first(case, dict(zip(found.parts, found.values, strict=True)), seed=seed)


def by_similarity(case: Case, outcome: str, target: Target, *, seed: int = 0) -> Order:
    """By the angle between each part's vector and the outcome's; the target scores nothing."""
    own = target.outcome_vectors[target.outcomes.rows([outcome])[0]]
    parts = tuple(dict.fromkeys(case.parts))
    rows = target.part_vectors[target.parts.rows(parts)]
    lengths = np.linalg.norm(rows, axis=1) * np.linalg.norm(own)
    cosines = (rows @ own / np.maximum(lengths, 1e-12)).tolist()
    return best_first(case, dict(zip(parts, cosines, strict=True)), seed=seed)


def by_popularity(case: Case, popularity: Mapping[str, float], *, seed: int = 0) -> Order:
    """The most popular first."""
    return best_first(case, {p: popularity.get(p, 0.0) for p in case.parts}, seed=seed)


def by_habit(cases: Sequence[Case], own: Sequence[Order], *, seed: int = 0) -> list[Order]:
    """By how often each part comes first for other cases: what a constant surrogate says.

    Args:
        cases: N.
        own: (N,) an order of each.
        seed: of the order of equals.
    """
    times = Counter(order[0] for order in own)
    return [
        best_first(case, {p: times[p] - (p == order[0]) for p in case.parts}, seed=seed)
        for case, order in zip(cases, own, strict=True)
    ]


def by_attributes(case: Case, outcome: str, target: Target, *, seed: int = 0) -> Order:
    """By how many attribute values a part shares with the outcome: what sounds plausible."""
    both = [name for name in target.parts.attributes if name in target.outcomes.attributes]

    def shared(part: str) -> int:
        return sum(
            len({*target.parts.values(part, name)} & {*target.outcomes.values(outcome, name)})
            for name in both
        )

    return best_first(case, {part: float(shared(part)) for part in case.parts}, seed=seed)


def named_first(case: Case, named: Sequence[str], *, seed: int = 0) -> Order:
    """What was named, in that order, then the rest by chance; no part, no count."""
    first = tuple(dict.fromkeys(part for part in named if part in case.parts))
    return (*first, *(part for part in by_chance(case, seed=seed) if part not in first))


def best_first(case: Case, weights: Mapping[str, float], *, seed: int) -> Order:
    """By falling weight; equals by chance."""
    return tuple(sorted(by_chance(case, seed=seed), key=lambda part: -weights[part]))
