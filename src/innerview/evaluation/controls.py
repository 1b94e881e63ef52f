"""Explainers that know nothing of a case: if one of them shows skill, the measure is broken."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np

from innerview.targets.derived import DerivedTarget
from innerview.targets.protocol import Case, FloatArray, Target

__all__ = ["PermutedTarget", "counterparts", "of_other_cases", "shuffled_orders"]


class PermutedTarget(DerivedTarget):
    """A target that sees every part as another, and all parts in another order.

    Explanations of it are sound, and say nothing of the target that it was made from.

    Args:
        target: that is asked.
        seed: of the permutation; the same parts always trade places.
    """

    def __init__(self, target: Target, *, seed: int = 0) -> None:
        super().__init__(target)
        self._seed = seed
        # Around a circle, so that no part stays itself.
        circle = np.random.default_rng(seed).permutation(np.array(target.parts.ids)).tolist()
        self._other = dict(zip(circle, [*circle[1:], circle[0]], strict=True))

    @property
    def name(self) -> str:
        """Says what it is."""
        return f"{self._target.name}, permuted"

    @property
    def fingerprint(self) -> str:
        """Hash of the target's and the seed."""
        return hashlib.sha256(f"{self._target.fingerprint} {self._seed}".encode()).hexdigest()

    def score(self, cases: Sequence[Case]) -> FloatArray:
        """(N, O) scores of other cases than those given."""
        return self._target.score([self._permuted(case) for case in cases])

    def case_vectors(self, cases: Sequence[Case]) -> FloatArray:
        """(N, d) vectors of other cases than those given."""
        return self._target.case_vectors([self._permuted(case) for case in cases])

    @property
    def part_vectors(self) -> FloatArray:
        """The target's, in another order."""
        return self._target.part_vectors[self.parts.rows([self._other[p] for p in self.parts.ids])]

    def _permuted(self, case: Case) -> Case:
        """In an order that is the same for all variants of a case, and has nothing to do with the
        one they came in."""
        others = [self._other[part] for part in case.parts]
        return Case(case.case_id, tuple(sorted(others, key=lambda p: self._place(case, p))))

    def _place(self, case: Case, part: str) -> bytes:
        return _hash(f"{self._seed}\x1f{case.case_id}\x1f{part}")


def shuffled_orders(
    cases: Sequence[Case], orders: Sequence[Sequence[str]], *, seed: int = 0
) -> list[tuple[str, ...]]:
    """Each case with the explanation of another.

    What another case's explanation says of parts that both have is true of the target, and what it
    says of the last part may be. So places are handed over, not parts: those in an arbitrary order
    of each case's parts, which has nothing to do with how they came, nor with the order in which
    another case has the same parts: or what many cases hold and none hangs on, as "the" in queries,
    would come last in all of them.

    Args:
        cases: N, two or more.
        orders: the explanation of each.
        seed: of who gets whose, and of the arbitrary orders.
    """
    drawn = np.random.default_rng(seed).permutation(len(cases))
    other = dict(zip(drawn.tolist(), np.roll(drawn, 1).tolist(), strict=True))
    salts = [f"{seed}\x1f{at}\x1f{case.case_id}" for at, case in enumerate(cases)]
    return [
        _handed_over(
            _arbitrarily(case.parts, salts[at]),
            _arbitrarily(orders[other[at]], salts[other[at]]),
            orders[other[at]],
        )
        for at, case in enumerate(cases)
    ]


def of_other_cases(cases: Sequence[str], *, seed: int = 0) -> list[int]:
    """For each explanation one of another case; each case's go to the next in a random order.

    Args:
        cases: (N,) which case each explanation is of; two or more different ones.
        seed: of the order.
    """
    names = sorted(set(cases))
    order = [names[at] for at in np.random.default_rng(seed).permutation(len(names))]
    following = dict(zip(order, [*order[1:], order[0]], strict=True))
    first = {case: at for at, case in reversed(list(enumerate(cases)))}
    return [first[following[case]] for case in cases]


def counterparts(theirs: Case, mine: Case, *, seed: int = 0) -> dict[str, str]:
    """For parts of one case parts of another, each for one at most, by chance."""
    one, other = (_arbitrarily(case.parts, f"{seed}\x1f{case.case_id}") for case in (theirs, mine))
    return dict(zip(one, other, strict=False))


def _handed_over(
    mine: Sequence[str], theirs: Sequence[str], order: Sequence[str]
) -> tuple[str, ...]:
    """Parts in the order that another case's parts are in."""
    place = {part: at for at, part in enumerate(order)}
    n, m = len(mine), len(theirs)
    return tuple(sorted(mine, key=lambda part: place[theirs[mine.index(part) * m // n]]))


def _arbitrarily(parts: Sequence[str], salt: str) -> list[str]:
    """Distinct parts, always in the same order, whatever order they come in."""
    return sorted(set(parts), key=lambda part: _hash(f"{salt}\x1f{part}"))


def _hash(text: str) -> bytes:
    return hashlib.blake2b(text.encode(), digest_size=8).digest()
