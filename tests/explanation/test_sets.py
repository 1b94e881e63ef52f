"""Smallest sets and Shapley values on targets where both are known on paper."""

from __future__ import annotations

from itertools import combinations, permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from innerview.errors import CaseError
from innerview.explanation.sets import smallest_set
from innerview.explanation.shapley import shapley_values
from innerview.targets.protocol import Case

from .conftest import PaperTarget, able, additive, either_or, paper_catalogue


def _votes(needed: int, n: int) -> PaperTarget:
    """o0 scores 1 where so many parts are left, else -1; o1 always 0."""
    catalogue = paper_catalogue(n, 5)

    def rule(parts: frozenset[str], outcome: str) -> float:
        if outcome == "o0":
            return 1.0 if len(parts) >= needed else -1.0
        return 0.0 if outcome == "o1" else -100.0

    return PaperTarget(catalogue, catalogue, rule)


def _case(n: int) -> Case:
    return Case("c", tuple(f"p{i}" for i in range(n)))


@given(
    weights=st.lists(st.integers(-9, 9), min_size=2, max_size=7),
    rival=st.integers(-12, 12),
    keep=st.booleans(),
)
@settings(deadline=None)
def test_no_smaller_set_does_it(weights: list[int], rival: int, keep: bool) -> None:
    names = [f"p{i}" for i in range(len(weights))]
    weight = dict(zip(names, map(float, weights), strict=True))
    target = additive(weight, {"o1": rival + 0.5})

    def does_it(chosen: tuple[str, ...]) -> bool:
        left = chosen if keep else [p for p in names if p not in chosen]
        return (sum(weight[p] for p in left) > rival + 0.5) == keep

    sizes = [size for size in range(1, len(names)) if any(map(does_it, combinations(names, size)))]
    found = smallest_set(_case(len(names)), "o0", target, top=1, keep=keep)
    assert found.proved and found.queries == target.queries.used
    if not sizes:
        assert found.found is None and found.at_least == len(names)
    else:
        assert found.found is not None and does_it(found.found.parts)
        assert len(found.found.parts) == sizes[0] == found.at_least


def test_redundant_parts_have_to_go_together() -> None:
    found = smallest_set(_case(4), "o0", either_or(), top=1)
    assert found.found is not None and set(found.found.parts) == {"p0", "p1"}
    assert found.found.score_change == -2.0 and found.found.rank_after == 2


def test_beyond_its_budget_the_search_is_greedy_and_says_what_it_proved() -> None:
    target = _votes(12, 20)  # nine of twenty must go: 167,960 sets of that size
    found = smallest_set(_case(20), "o0", target, top=1, budget=400)
    assert found.found is not None and len(found.found.parts) == 9
    assert (found.at_least, found.proved) == (3, False)
    assert found.queries == target.queries.used <= 400


def test_what_greed_takes_too_much_of_is_dropped_again() -> None:
    # Alone p0 and p1 do most; but p2 to p4 together do it without them.
    catalogue = paper_catalogue(14, 5)

    def rule(parts: frozenset[str], outcome: str) -> float:
        if outcome == "o0":
            own = 10.0 * bool(parts & {"p2", "p3", "p4"})
            return own - 1.0 + sum(0.01 * (14 - int(p[1:])) for p in parts)
        return 5.0 if outcome == "o1" else -100.0

    target = PaperTarget(catalogue, catalogue, rule)
    found = smallest_set(_case(14), "o0", target, top=1, budget=60)
    assert found.found is not None and set(found.found.parts) == {"p2", "p3", "p4"}
    assert found.at_least == 2 and found.queries <= 60


def test_shapley_values_of_an_additive_target_are_its_weights(films: PaperTarget) -> None:
    case = Case("c", ("p0", "p1", "p2", "p3"))
    found = shapley_values(case, "o0", films)
    # Nothing scores what parts score on average, 7 / 4, so each is less by a quarter of that.
    assert found.base == pytest.approx(1.75)
    expected = np.array([5.0, 3.0, 1.0, -2.0]) - 1.75 / 4
    np.testing.assert_allclose(found.values, expected, atol=1e-5)
    assert found.base + sum(found.values) == pytest.approx(7.0, abs=1e-5)
    assert found.queries == films.queries.used <= 15


@given(
    n=st.integers(2, 6),
    scores=st.data(),
)
@settings(deadline=None, max_examples=30)
def test_with_all_sets_scored_they_are_the_mean_over_all_orders(
    n: int, scores: st.DataObject
) -> None:
    known = scores.draw(st.lists(st.integers(-9, 9), min_size=2**n, max_size=2**n))
    names = [f"p{i}" for i in range(n)]
    catalogue = paper_catalogue(n, 2)

    def value(parts: frozenset[str]) -> float:
        return float(known[sum(1 << i for i, name in enumerate(names) if name in parts)])

    target = PaperTarget(catalogue, catalogue, lambda parts, o: value(parts) if o == "o0" else 0.0)
    base = sum(value(frozenset([name])) for name in names) / n
    exact = np.zeros(n)
    orders = list(permutations(range(n)))
    for order in orders:
        before = base
        for at, part in enumerate(order):
            after = value(frozenset(names[i] for i in order[: at + 1]))
            exact[part] += (after - before) / len(orders)
            before = after
    found = shapley_values(_case(n), "o0", target)
    np.testing.assert_allclose(found.values, exact, atol=1e-5)
    assert found.errors == (0.0,) * n and found.queries == target.queries.used == 2**n - 1


def test_else_they_are_estimated_within_their_errors_and_the_budget() -> None:
    # A part adds its weight, and more beside its neighbour: half of that is each one's.
    n = 14
    catalogue = paper_catalogue(n, 2)
    weights = np.array([float((i * 7) % 11 - 4) for i in range(n)])

    def rule(parts: frozenset[str], outcome: str) -> float:
        own = {int(part[1:]) for part in parts}
        together = sum(3.0 for i in own if i % 2 == 0 and i + 1 in own)
        return float(weights[list(own)].sum() + together) if outcome == "o0" else 0.0

    target = PaperTarget(catalogue, catalogue, rule)
    expected = weights + 1.5 - weights.mean() / n
    errors = []
    for budget in (400, 700, 6000):
        before = target.queries.used
        found = shapley_values(_case(n), "o0", target, budget=budget, tolerance=0.01)
        assert found.queries == target.queries.used - before <= budget
        off = np.abs(np.array(found.values) - expected)
        assert np.mean(off <= np.array(found.errors)) >= 0.75
        assert found.base + sum(found.values) == pytest.approx(weights.sum() + 21.0, abs=1e-4)
        errors.append(max(found.errors))
    assert errors == sorted(errors, reverse=True)
    again = [shapley_values(_case(n), "o0", target, budget=400, seed=seed) for seed in (0, 0, 1)]
    assert again[0] == again[1] != again[2]


def test_what_cannot_be_asked_is_refused(films: PaperTarget) -> None:
    one, case = Case("c", ("p0",)), Case("c", ("p0", "p1", "p2", "p3"))
    for search in (
        lambda c, t, b: smallest_set(c, "o0", t, top=1, budget=b),
        lambda c, t, b: shapley_values(c, "o0", t, budget=b),
    ):
        with pytest.raises(CaseError, match="nothing can be left out"):
            search(one, films, 99)
        with pytest.raises(CaseError, match="nothing can be left out"):
            search(case, able(films, rescoring=False), 99)
        with pytest.raises(CaseError, match="a budget of 4 queries"):
            search(case, films, 4)
