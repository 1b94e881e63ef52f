"""Shapley values of a case's parts, by permutations, with their error and within a budget.

A part's value is what it adds to the outcome's score, averaged over all orders in which the parts
could have come (Shapley 1953): computed from all sets of parts where the budget pays for them, and
else estimated from random orders, each also backwards (antithetic sampling, Mitchell et al., JMLR
2022), but for what each part adds as the first, which is known exactly. A target cannot score a
case without parts, so the score of nothing is taken to be the mean of the scores of each part
alone.

Axes: n parts, M orders, counted in pairs of one and its reverse.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import comb

import numpy as np
import numpy.typing as npt

from innerview.errors import CaseError
from innerview.explanation._ask import BATCH_SIZE, Question, ask
from innerview.targets.protocol import Case, Target

__all__ = ["Shapley", "shapley_values"]

_FloatArray = npt.NDArray[np.float64]
_LEAST_PAIRS, _Z = 8, 1.96
_PAIRS_AT_ONCE = 16


@dataclass(frozen=True, slots=True)
class Shapley:
    """Values of a case's parts for one outcome, in the target's units.

    Attributes:
        parts: ids, in the order of the case.
        values: (n,) as a tuple; with ``base`` they sum to the score of the whole case.
        errors: (n,) half widths of 95 % intervals; zeros where all sets were scored.
        base: the score of nothing.
        queries: how many cases were scored.
    """

    parts: tuple[str, ...]
    values: tuple[float, ...]
    errors: tuple[float, ...]
    base: float
    queries: int


def shapley_values(
    case: Case,
    outcome: str,
    target: Target,
    *,
    budget: int = 2000,
    tolerance: float = 0.05,
    seed: int = 0,
    batch_size: int = BATCH_SIZE,
) -> Shapley:
    """Estimate the values until they are known well enough, or the budget is spent.

    Args:
        case: as the target sees it.
        outcome: its id.
        target: whom to ask.
        budget: most cases to score; a variant that comes up again is not scored again.
        tolerance: error at which to stop, as a share of the largest value.
        seed: of the orders.
        batch_size: most cases sent to the target at once.

    Raises:
        CaseError: the case has no two parts, the target cannot score a changed case, or the
            budget does not pay for the first orders.
        TargetQueryError: the target failed to answer.
    """
    parts = tuple(dict.fromkeys(case.parts))
    n = len(parts)
    if n < 2 or not target.capabilities.rescoring:
        raise CaseError(f"case {case.case_id!r}: nothing can be left out or kept alone")
    game = _Game(case, outcome, target, parts, batch_size)
    game.learn([1 << i for i in range(n)] + [(1 << n) - 1])
    base = float(np.mean([game.score[1 << i] for i in range(n)]))
    if 2**n - 1 <= budget:
        game.learn([chosen for chosen in range(1, 2**n) if chosen not in game.score])
        return Shapley(parts, game.exact(base), (0.0,) * n, base, game.queries)
    rng = np.random.default_rng(seed)
    pairs: list[tuple[_FloatArray, _FloatArray]] = []
    estimate = _Estimate(game, base, pairs)
    while not estimate.is_good(tolerance):
        orders = [rng.permutation(n) for _ in range(_PAIRS_AT_ONCE)]
        room = budget - game.queries
        while orders and len(game.new(orders)) > room:
            orders.pop()
        if not orders:
            break
        game.learn(game.new(orders))
        pairs += map(game.gains, orders)
        estimate = _Estimate(game, base, pairs)
    if len(pairs) < _LEAST_PAIRS:
        raise CaseError(
            f"a budget of {budget} queries does not pay for {_LEAST_PAIRS} orders of {n} parts"
        )
    values, errors = tuple(map(float, estimate.values)), tuple(map(float, estimate.errors))
    return Shapley(parts, values, errors, base, game.queries)


class _Estimate:
    """Values and their errors from pairs of orders: for each, what every part gained where it was
    not the first, and how often that was."""

    def __init__(
        self, game: _Game, base: float, pairs: Sequence[tuple[_FloatArray, _FloatArray]]
    ) -> None:
        n = len(game.parts)
        self.n_pairs = len(pairs)
        if self.n_pairs < _LEAST_PAIRS:
            return
        gained, counts = (np.array([pair[i] for pair in pairs]) for i in range(2))
        mean = gained.sum(0) / counts.sum(0)
        first = np.array([game.score[1 << i] for i in range(n)]) - base
        values = first / n + mean * (n - 1) / n
        # They must sum to what there is to share.
        self.values = values + (game.score[(1 << n) - 1] - base - values.sum()) / n
        # Of a ratio of two means, by its first order.
        spread = np.std(gained - mean * counts, axis=0, ddof=1) / counts.mean(0)
        self.errors = _Z * (n - 1) / n * spread / self.n_pairs**0.5

    def is_good(self, tolerance: float) -> bool:
        """Whether no error is more than a share of the largest value."""
        if self.n_pairs < _LEAST_PAIRS:
            return False
        return bool(self.errors.max() <= tolerance * np.abs(self.values).max())


class _Game:
    """Scores of sets of parts; a set is a number whose bits are its parts."""

    def __init__(
        self, case: Case, outcome: str, target: Target, parts: Sequence[str], batch_size: int
    ) -> None:
        self.case, self.outcome, self.target = case, outcome, target
        self.parts, self.batch_size = parts, batch_size
        self.score: dict[int, float] = {}

    @property
    def queries(self) -> int:
        return len(self.score)

    def learn(self, sets: Sequence[int]) -> None:
        variants = [
            self.case.keep(part for i, part in enumerate(self.parts) if chosen >> i & 1)
            for chosen in sets
        ]
        asked = [Question(self.case, variant, self.outcome) for variant in variants]
        answers = ask(self.target, asked, batch_size=self.batch_size)
        self.score |= {s: a.score for s, a in zip(sets, answers, strict=True)}

    def new(self, orders: Sequence[npt.NDArray[np.int64]]) -> list[int]:
        """Sets that some orders and their reverses pass through and that are not known yet."""
        passed = (s for o in orders for order in (o, o[::-1]) for s in _passed(order))
        return [chosen for chosen in dict.fromkeys(passed) if chosen not in self.score]

    def exact(self, base: float) -> tuple[float, ...]:
        """Each part's value, from the scores of all sets."""
        n = len(self.parts)
        sets = np.arange(2**n)
        scores = np.array([base, *(self.score[chosen] for chosen in range(1, 2**n))])
        sizes = np.array([chosen.bit_count() for chosen in range(2**n)])
        # Of all orders, the share in which just these parts come before another.
        shares = np.array([1 / (n * comb(n - 1, size)) for size in range(n)])
        values = []
        for part in range(n):
            without = sets[sets >> part & 1 == 0]
            gained = scores[without | 1 << part] - scores[without]
            values.append(float(shares[sizes[without]] @ gained))
        return tuple(values)

    def gains(self, order: npt.NDArray[np.int64]) -> tuple[_FloatArray, _FloatArray]:
        """(n,) what each part adds in an order and its reverse where it is not the first, and how
        often it is not."""
        gained, counts = np.zeros(len(order)), np.zeros(len(order))
        for way in (order, order[::-1]):
            scores = np.array([self.score[chosen] for chosen in _passed(way)])
            gained[way[1:]] += np.diff(scores)
            counts[way[1:]] += 1
        return gained, counts


def _passed(order: npt.NDArray[np.int64]) -> list[int]:
    """The sets that an order passes through, from its first part alone to all."""
    chosen, passed = 0, []
    for part in order.tolist():
        chosen |= 1 << part
        passed.append(chosen)
    return passed
