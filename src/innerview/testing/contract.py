"""What every target must keep; inherit it and say how to make yours.

    class TestMyTarget(TargetContract):
        def make_target(self) -> Target:
            return MyTarget(...)

        def make_cases(self, target: Target) -> list[Case]:
            return [Case("a", ("i1", "i2")), ...]      # at least 3, with at least 2 parts each

Runs under pytest, and needs nothing of it.
"""

from __future__ import annotations

from collections.abc import Callable
from inspect import getattr_static
from typing import Any

import numpy as np

from innerview.errors import CaseError
from innerview.targets.protocol import Case, Target, ranks_of, top_outcomes

__all__ = ["TargetContract"]

MEMBERS = [
    "name",
    "fingerprint",
    "capabilities",
    "outcomes",
    "parts",
    "queries",
    "score",
    "case_vectors",
    "part_vectors",
    "outcome_vectors",
]
TOLERANCE = 1e-5
"""Relative to the largest score: float32 sums in another order."""


def _refuses(act: Callable[[], Any], error: type[Exception], what: str) -> None:
    try:
        act()
    except error as raised:
        text = str(raised)
        assert text and "\n" not in text, f"{what}: the message must be one line, was {text!r}"
        return
    raise AssertionError(f"{what}: expected {error.__name__}, nothing was raised")


def _close(one: Any, other: Any, what: str) -> None:
    scale = max(1e-12, float(np.abs(other).max()))
    worst = float(np.abs(one - other).max()) / scale
    assert worst <= TOLERANCE, f"{what}: scores differ by {worst:.3g}, more than {TOLERANCE:g}"


class TargetContract:
    """Inherit, define ``make_target`` and ``make_cases``, and let pytest collect the class."""

    def make_target(self) -> Target:
        """A fresh target."""
        raise NotImplementedError

    def make_cases(self, target: Target) -> list[Case]:
        """At least 3 cases of at least 2 parts each, none longer than ``max_parts``."""
        raise NotImplementedError

    def test_is_a_target(self) -> None:
        """It has every member of the protocol, and a name and a fingerprint."""
        target = self.make_target()
        # Static, for asking a property may rightly raise (vectors where there are none).
        missing = [m for m in MEMBERS if getattr_static(target, m, None) is None]
        assert not missing, f"the target lacks {missing}"
        assert target.name
        assert target.fingerprint == self.make_target().fingerprint != ""

    def test_scores_have_one_row_per_case_and_one_column_per_outcome(self) -> None:
        """(N, O) float32, finite."""
        target = self.make_target()
        cases = self.make_cases(target)
        scores = target.score(cases)
        assert scores.shape == (len(cases), len(target.outcomes))
        assert scores.dtype == np.float32
        assert np.isfinite(scores).all()

    def test_no_case_gives_an_empty_answer(self) -> None:
        """(0, O), not an error, and no query."""
        target = self.make_target()
        assert target.score([]).shape == (0, len(target.outcomes))
        assert target.queries.used == 0

    def test_same_case_scores_the_same(self) -> None:
        """Twice in a row; unless the target says it is not deterministic."""
        target = self.make_target()
        cases = self.make_cases(target)
        if target.capabilities.deterministic:
            assert np.array_equal(target.score(cases), target.score(cases))

    def test_batching_changes_nothing(self) -> None:
        """Alone, in a batch of 32, and in another order of the batch."""
        target = self.make_target()
        if not target.capabilities.deterministic:
            return
        cases = self.make_cases(target)
        many = (cases * 32)[:32]
        batched = target.score(many)
        alone = np.concatenate([target.score([case]) for case in many])
        _close(alone, batched, "alone or in a batch of 32")
        turned = target.score(many[::-1])[::-1]
        _close(turned, batched, "in another order of the batch")

    def test_order_of_parts_matters_only_where_declared(self) -> None:
        """Reversed parts change no score of an order-free target."""
        target = self.make_target()
        able = target.capabilities
        if able.order_sensitive or not able.deterministic:
            return
        cases = self.make_cases(target)
        turned = [Case(case.case_id, case.parts[::-1]) for case in cases]
        _close(target.score(turned), target.score(cases), "with reversed parts")

    def test_the_case_id_changes_nothing(self) -> None:
        """Only the parts are looked at."""
        target = self.make_target()
        if target.capabilities.deterministic:
            cases = self.make_cases(target)
            renamed = [Case(f"other-{case.case_id}", case.parts) for case in cases]
            assert np.array_equal(target.score(renamed), target.score(cases))

    def test_parts_beyond_max_parts_are_not_seen(self) -> None:
        """The oldest parts of a longer case change nothing."""
        target = self.make_target()
        able = target.capabilities
        if not able.deterministic or len(target.parts) <= able.max_parts:
            return
        ids = target.parts.ids[: able.max_parts + 1]
        longer, seen = Case("long", ids), Case("seen", ids[1:])
        _close(target.score([longer]), target.score([seen]), "a case that is too long")

    def test_every_case_scored_is_one_query(self) -> None:
        """However it was batched; vectors cost none."""
        target = self.make_target()
        cases = self.make_cases(target)
        target.score(cases)
        assert target.queries.used == len(cases)
        target.score(cases[:1])
        assert target.queries.used == len(cases) + 1
        if target.capabilities.vectors:
            target.case_vectors(cases)
            assert target.queries.used == len(cases) + 1

    def test_case_without_parts_is_refused(self) -> None:
        """Removing all parts leaves nothing to score."""
        target = self.make_target()
        case = self.make_cases(target)[0]
        empty = case.without(case.parts)
        _refuses(lambda: target.score([empty]), CaseError, "an empty case")

    def test_unknown_part_is_refused(self) -> None:
        """With its id in the message."""
        target = self.make_target()
        case = Case("stranger", ("no such part \x00",))
        _refuses(lambda: target.score([case]), CaseError, "an unknown part")

    def test_vectors_have_one_row_per_id_and_one_width(self) -> None:
        """(P, d), (O, d) and (N, d), float32, finite; where there are vectors."""
        target = self.make_target()
        if not target.capabilities.vectors:
            return
        cases = self.make_cases(target)
        vectors = (
            (target.part_vectors, len(target.parts)),
            (target.outcome_vectors, len(target.outcomes)),
            (target.case_vectors(cases), len(cases)),
        )
        width = target.outcome_vectors.shape[1]
        for vector, n in vectors:
            assert vector.shape == (n, width)
            assert vector.dtype == np.float32
            assert np.isfinite(vector).all()

    def test_own_parts_are_never_an_answer_where_excluded(self) -> None:
        """And every answer has the rank of its place."""
        target = self.make_target()
        case = self.make_cases(target)[0]
        scores = target.score([case])[0]
        top = top_outcomes(target, case, scores, 5)
        if target.capabilities.excludes_parts:
            assert not set(top) & set(case.parts)
        rows = np.repeat(scores[None], len(top), axis=0)
        assert ranks_of(target, case, rows, top) == list(range(1, len(top) + 1))
