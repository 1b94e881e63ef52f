"""Pairs that matter together, on targets whose answers are known."""

from __future__ import annotations

from dataclasses import replace

import pytest

from innerview.errors import CaseError
from innerview.explanation.pairs import pair_effects
from innerview.targets.protocol import Case

from .conftest import PaperTarget, able, additive, either_or, paper_catalogue


def test_parts_of_an_additive_target_do_nothing_together() -> None:
    target = additive({"p0": 5, "p1": 3, "p2": 1}, {})
    case = Case("c", ("p0", "p1", "p2"))
    found = pair_effects(case, "o0", target)
    assert found.complete
    assert found.queries == target.queries.used == 1 + 3 + 3
    assert {e.parts: e.score_change for e in found.effects} == {
        ("p0", "p1"): -8, ("p0", "p2"): -6, ("p1", "p2"): -4,
    }  # fmt: skip
    assert [e.beyond for e in found.effects] == [0, 0, 0]


def test_those_that_stand_in_for_one_another_come_first() -> None:
    found = pair_effects(Case("c", ("p0", "p1", "p2")), "o0", either_or())
    first = found.effects[0]
    assert first.parts == ("p0", "p1")
    assert first.beyond < 0 and first.score_change < 0


def test_those_that_only_work_together_are_told_apart() -> None:
    def rule(parts: frozenset[str], outcome: str) -> float:
        return 4.0 * ({"p0", "p1"} <= parts) + ("p2" in parts) if outcome == "o0" else 0.0

    catalogue = paper_catalogue(3, 2)
    target = PaperTarget(catalogue, catalogue, rule)
    first = pair_effects(Case("c", ("p0", "p1", "p2")), "o0", target).effects[0]
    assert first.parts == ("p0", "p1")
    assert (first.score_change, first.beyond) == (-4, 4)


def test_a_budget_goes_to_the_pairs_whose_parts_do_most() -> None:
    target = additive({"p0": 5, "p1": 3, "p2": 1, "p3": 4}, {})
    case = Case("c", ("p0", "p1", "p2", "p3"))
    found = pair_effects(case, "o0", target, budget=7)
    assert {e.parts for e in found.effects} == {("p0", "p3"), ("p0", "p1")}
    assert not found.complete
    assert found.queries == target.queries.used == 7
    with pytest.raises(CaseError, match="a budget of 5 queries does not pay for each of 4 parts"):
        pair_effects(case, "o0", target, budget=5)


def test_two_parts_alone_are_no_pair_to_leave_out() -> None:
    target = additive({"p0": 5, "p1": 3, "p2": 1}, {})
    with pytest.raises(CaseError, match="no two parts can be left out together"):
        pair_effects(Case("c", ("p0", "p1")), "o0", target)
    with pytest.raises(CaseError, match="no two parts"):
        pair_effects(Case("c", ("p0", "p1", "p2")), "o0", able(replace(target), rescoring=False))
