"""Pairs of parts that matter together otherwise than one by one.

Without either of two parts that stand in for one another little happens, and without both much;
without either of two that work only together as much happens as without both. Knows the target
protocol only.

Axes: n parts of a case.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

from innerview.errors import CaseError
from innerview.explanation._ask import BATCH_SIZE, Question, ask
from innerview.targets.protocol import Case, Target

__all__ = ["PairEffect", "Pairs", "pair_effects"]


@dataclass(frozen=True, slots=True)
class PairEffect:
    """What leaving out two parts does, beside what leaving out each does.

    Attributes:
        parts: ids of the two, in the order of the case.
        score_change: score without both minus score with both.
        rank_after: rank of the outcome without both.
        beyond: ``score_change`` less the changes by each alone. Of parts that speak for the
            outcome: below 0, each stands in for the other; above 0, they work only together.
    """

    parts: tuple[str, str]
    score_change: float
    rank_after: int
    beyond: float


@dataclass(frozen=True, slots=True)
class Pairs:
    """The pairs that were asked about, those that differ most from their parts first.

    Attributes:
        effects: of the pairs.
        complete: whether these are all pairs of the case.
        queries: how many cases were scored.
    """

    effects: tuple[PairEffect, ...]
    complete: bool
    queries: int


def pair_effects(
    case: Case,
    outcome: str,
    target: Target,
    *,
    budget: int = 500,
    batch_size: int = BATCH_SIZE,
) -> Pairs:
    """Leave out pairs of parts, all of them or as many as the budget pays for.

    Args:
        case: as the target sees it.
        outcome: its id.
        target: whom to ask.
        budget: most cases to score. Where it does not pay for all n (n - 1) / 2 pairs, those come
            first whose parts do most when left out alone.
        batch_size: most cases sent to the target at once.

    Raises:
        CaseError: the case has no three parts, so that leaving out two empties it; the target
            cannot score a changed case; or the budget does not pay for each part and one pair.
        TargetQueryError: the target failed to answer.
    """
    parts = tuple(dict.fromkeys(case.parts))
    if len(parts) < 3 or not target.capabilities.rescoring:
        raise CaseError(f"case {case.case_id!r}: no two parts can be left out together")
    singles = 1 + len(parts)
    if budget <= singles:
        raise CaseError(
            f"a budget of {budget} queries does not pay for each of {len(parts)} parts and a pair"
        )

    def asked(variants: list[Case]) -> list[tuple[float, int]]:
        questions = [Question(case, variant, outcome) for variant in variants]
        return [(a.score, a.rank) for a in ask(target, questions, batch_size=batch_size)]

    (before, _), *alone = asked([case, *(case.without([part]) for part in parts)])
    change = {part: score - before for part, (score, _) in zip(parts, alone, strict=True)}
    pairs = list(combinations(parts, 2))
    chosen = sorted(pairs, key=lambda pair: -sum(abs(change[part]) for part in pair))
    chosen = chosen[: budget - singles]
    effects = [
        PairEffect(pair, score - before, rank, score - before - change[pair[0]] - change[pair[1]])
        for pair, (score, rank) in zip(
            chosen, asked([case.without(pair) for pair in chosen]), strict=True
        )
    ]
    effects.sort(key=lambda effect: -abs(effect.beyond))
    return Pairs(tuple(effects), len(chosen) == len(pairs), singles + len(chosen))
