"""Smallest sets of parts: whose removal throws an outcome out of a top, or which alone keep it in.

Knows the target protocol only. All sets of one size are tried before any of the next, as far as a
budget of queries goes, so what is found within it is the smallest; beyond it the search is greedy,
and says up to which size it has proved that there is none.

Axes: n parts of a case.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from math import comb

from innerview.errors import CaseError
from innerview.explanation._ask import BATCH_SIZE, Answer, Question, ask
from innerview.explanation._values import SetEffect
from innerview.targets.protocol import Case, Target

__all__ = ["Smallest", "smallest_set"]

_AT_ONCE = 256
"""Sets that are asked about together; the search ends within them."""


@dataclass(frozen=True, slots=True)
class Smallest:
    """The outcome of a search.

    Attributes:
        found: the set and its effect; None where no set does it, or none was found.
        at_least: no set of fewer parts does it; for ``found`` with as many it is the smallest.
        queries: how many cases were scored for it.
    """

    found: SetEffect | None
    at_least: int
    queries: int

    @property
    def proved(self) -> bool:
        """Whether no smaller set exists, or none at all."""
        return self.found is None or len(self.found.parts) == self.at_least


def smallest_set(
    case: Case,
    outcome: str,
    target: Target,
    *,
    top: int,
    keep: bool = False,
    budget: int = 2000,
    batch_size: int = BATCH_SIZE,
) -> Smallest:
    """The smallest set whose removal takes an outcome out of a top, or that alone keeps it in.

    Args:
        case: as the target sees it.
        outcome: its id.
        target: whom to ask.
        top: the rank that must be left, or held.
        keep: whether parts are kept alone instead of removed.
        budget: most cases to score.
        batch_size: most cases sent to the target at once.

    Returns:
        Of several sets of the smallest size, the one whose parts weigh most one by one.
        ``found`` is None with ``at_least`` n where there is none.

    Raises:
        CaseError: the case has no two parts, the target cannot score a changed case, or the
            budget does not even pay for each part alone.
        TargetQueryError: the target failed to answer.
    """
    parts = tuple(dict.fromkeys(case.parts))
    if len(parts) < 2 or not target.capabilities.rescoring:
        raise CaseError(f"case {case.case_id!r}: nothing can be left out or kept alone")
    if budget < 1 + len(parts):
        raise CaseError(
            f"a budget of {budget} queries is less than the {1 + len(parts)} for each part alone"
        )
    search = _Search(Question(case, case, outcome), target, batch_size, top=top, keep=keep)
    search.weigh(parts)
    for size in range(1, len(parts)):
        left = budget - search.queries
        if size > 1 and comb(len(parts), size) > left:
            return search.greedy(size, left)
        found = search.first(combinations(search.order, size))
        if found is not None:
            return Smallest(found, size, search.queries)
    return Smallest(None, len(parts), search.queries)


class _Search:
    """Sets of one case's parts, and what the target says of them."""

    def __init__(
        self, whole: Question, target: Target, batch_size: int, *, top: int, keep: bool
    ) -> None:
        self.whole, self.case, self.target = whole, whole.case, target
        self.top, self.keep, self.batch_size = top, keep, batch_size
        self.queries = 0
        self.order: tuple[str, ...] = ()
        self._known: dict[frozenset[str], Answer] = {}

    def weigh(self, parts: Sequence[str]) -> None:
        """Order the parts by what each does alone, those that do most first."""
        self.before = self._ask([self.case])[0]
        self.queries += 1
        effects = self._effects([(part,) for part in parts])
        changes = {e.parts[0]: e.score_change for e in effects}
        self.order = tuple(sorted(parts, key=lambda p: -changes[p] if self.keep else changes[p]))

    def first(self, sets: Iterator[tuple[str, ...]]) -> SetEffect | None:
        """The first set that does it."""
        while chunk := [chosen for _, chosen in zip(range(_AT_ONCE), sets, strict=False)]:
            for effect in self._effects(chunk):
                if self._does_it(effect):
                    return effect
        return None

    def greedy(self, at_least: int, left: int) -> Smallest:
        """Grow a set by the parts that do most alone, then drop what it does not need."""
        sizes = range(at_least, len(self.order))
        grown = None
        for size in list(sizes)[: max(0, left)]:
            (effect,) = self._effects([self.order[:size]])
            if self._does_it(effect):
                grown = effect
                break
        left -= sum(1 for size in sizes if grown is None or size <= len(grown.parts))
        while grown is not None and len(grown.parts) > at_least and left >= len(grown.parts):
            smaller = [tuple(p for p in grown.parts if p != part) for part in grown.parts]
            left -= len(smaller)
            better = [e for e in self._effects(smaller) if self._does_it(e)]
            if not better:
                break
            grown = better[-1]  # without the part that does least alone
        return Smallest(grown, at_least, self.queries)

    def _does_it(self, effect: SetEffect) -> bool:
        return (effect.rank_after <= self.top) == self.keep

    def _effects(self, sets: Sequence[tuple[str, ...]]) -> list[SetEffect]:
        new = [chosen for chosen in sets if frozenset(chosen) not in self._known]
        variants = [self.case.keep(s) if self.keep else self.case.without(s) for s in new]
        for chosen, answer in zip(new, self._ask(variants), strict=True):
            self._known[frozenset(chosen)] = answer
        self.queries += len(new)
        answers = [self._known[frozenset(chosen)] for chosen in sets]
        return [
            SetEffect(chosen, answer.score - self.before.score, answer.rank)
            for chosen, answer in zip(sets, answers, strict=True)
        ]

    def _ask(self, variants: Sequence[Case]) -> list[Answer]:
        asked = [replace(self.whole, variant=variant) for variant in variants]
        return ask(self.target, asked, batch_size=self.batch_size)
