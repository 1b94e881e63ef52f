"""Whether an explanation stays as it is while nothing that matters changes.

The same case is explained twice: its titles in other words, its parts in another order where the
target looks at none, by another surrogate of the same target, or by other random numbers. What
the two name, and claim, should agree. Chance agrees too, now and then, and so do explanations of
unlike cases, where some parts matter to everybody; so both stand beside.

Axes: N cases.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from innerview.alignment.labels import case_seed
from innerview.evaluation.bootstrap import Figure, bootstrap_mean
from innerview.evaluation.metrics import jaccard, rank_biased_overlap
from innerview.evaluation.orders import Order, named_first
from innerview.explanation._ask import negligible
from innerview.explanation.claims import Claim
from innerview.targets.protocol import Case, Target

__all__ = ["Said", "agreement", "ignores_order", "in_another_order", "of_another_case"]

_FIRST = 3


@dataclass(frozen=True, slots=True)
class Said:
    """What an explainer says of one case and outcome.

    Attributes:
        order: the case's distinct parts, those that matter most first.
        claims: none of an explainer that makes none.
    """

    order: Order
    claims: tuple[Claim, ...] = ()


def agreement(
    ones: Sequence[Said], others: Sequence[Said], cases: Sequence[str], *, seed: int = 0
) -> dict[str, Figure]:
    """How far what is said twice of the same cases and outcomes agrees; it is the same whichever
    comes first.

    ``first_same``
        cases in which the same part comes first;
    ``overlap3``
        how much of the first three parts of either are among both (Jaccard);
    ``rbo5``
        rank-biased overlap of the first five;
    ``claims_recur``
        claims of either that the other makes too: of the same type, about the same parts. Left out
        where nobody claims anything.

    Args:
        ones, others: N each.
        cases: (N,) names of the cases.
        seed: of the intervals.
    """
    both = list(zip(ones, others, strict=True))
    worth = {
        "first_same": [float(one.order[0] == other.order[0]) for one, other in both],
        "overlap3": [jaccard(one.order[:_FIRST], other.order[:_FIRST]) for one, other in both],
        "rbo5": [rank_biased_overlap(one.order, other.order) for one, other in both],
    }
    figures = {name: bootstrap_mean(own, cases, seed=seed) for name, own in worth.items()}
    recurring = [
        (float(claim in made), case)
        for (one, other), case in zip(both, cases, strict=True)
        for mine, made in ((_made(one), _made(other)), (_made(other), _made(one)))
        for claim in mine
    ]
    if recurring:
        flags, owners = zip(*recurring, strict=True)
        figures["claims_recur"] = bootstrap_mean(flags, owners, seed=seed)
    return figures


def _made(said: Said) -> list[tuple[str, frozenset[str]]]:
    return [(claim.type, frozenset(claim.parts)) for claim in said.claims]


def in_another_order(cases: Sequence[Case], *, seed: int = 0) -> list[Case]:
    """The cases with their parts shuffled."""
    found: list[Case] = []
    for case in cases:
        drawn = case_seed(seed, case, "another order").permutation(len(case.parts))
        found.append(Case(case.case_id, tuple(case.parts[at] for at in drawn), case.marks))
    return found


def ignores_order(target: Target, cases: Sequence[Case], shuffled: Sequence[Case]) -> bool:
    """Whether a target scores cases alike in another order, up to rounding: it is asked, whatever
    it declares.

    Args:
        target: whom to ask; two queries a case, until one differs.
        cases: N, as the target sees them.
        shuffled: the same with their parts in another order.
    """

    def alike(case: Case, other: Case) -> bool:
        one, two = target.score([case, other])
        return negligible(float(np.abs(one - two).max()), float(np.abs(one).max()))

    return all(alike(*both) for both in zip(cases, shuffled, strict=True))


def of_another_case(
    cases: Sequence[Case], said: Sequence[Said], *, seed: int = 0
) -> list[tuple[int, Said]]:
    """A control: each case with what is said of the one that shares most parts with it.

    What is said of parts that it lacks does not count; the rest of its own come by chance.

    Args:
        cases: N; those that share no part with any other are left out.
        said: of each.
        seed: of chance.

    Returns:
        By place of the case.
    """
    parts = [frozenset(case.parts) for case in cases]
    found: list[tuple[int, Said]] = []
    for at, (case, own) in enumerate(zip(cases, parts, strict=True)):
        shared = [-1 if other == at else len(own & theirs) for other, theirs in enumerate(parts)]
        nearest = int(np.argmax(shared))
        if shared[nearest] > 0:
            order = named_first(case, said[nearest].order, seed=seed)
            found.append((at, Said(order, said[nearest].claims)))
    return found
