"""Two versions of a target: which answers changed, and which reasons."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from innerview.data.tables import Catalogue
from innerview.errors import RunError
from innerview.evaluation.versions import compare_targets
from innerview.targets.protocol import Case
from innerview.testing.fakes import ScriptedTarget

PARTS = ["a", "b", "c"]
OUTCOMES = ["x", "y", "z"]
CASES = [Case(f"c{n}", ("a", "b", "c")) for n in range(4)]


def scripted(
    weights: Sequence[Sequence[float]],
    parts: Sequence[str] = PARTS,
    outcomes: Sequence[str] = OUTCOMES,
) -> ScriptedTarget:
    return ScriptedTarget(
        np.array(weights, dtype=np.float32),
        Catalogue(tuple(outcomes), tuple(o.upper() for o in outcomes)),
        parts=Catalogue(tuple(parts), tuple(p.upper() for p in parts)),
    )


BECAUSE_OF_A = [[3.0, 0.0, 0.0], [1.0, 0.0, 0.5], [0.0, 2.0, 0.0]]
BECAUSE_OF_B = [[1.0, 0.0, 0.0], [3.0, 0.0, 0.5], [0.0, 2.0, 0.0]]
ANOTHER_FIRST = [[0.0, 3.0, 0.0], [0.0, 1.0, 0.5], [0.0, 2.0, 0.0]]


def test_a_target_holds_all_of_its_own_reasons(target: ScriptedTarget, cases: list[Case]) -> None:
    figures, found = compare_targets(target, target, cases)
    assert {"first_same", "overlap5", "rbo5", "claims_hold", "strongest_part_same"} <= set(figures)
    assert figures["claims_untestable"].value == 0.0
    holds = {name: f.value for name, f in figures.items() if name != "claims_untestable"}
    assert set(holds.values()) == {1.0}
    assert [one.case.case_id for one in found] == [case.case_id for case in cases]
    assert not any(one.lost for one in found)


def test_the_same_answer_for_another_reason_is_told_from_another_answer() -> None:
    old = scripted(BECAUSE_OF_A)
    figures, found = compare_targets(old, scripted(BECAUSE_OF_B), CASES)
    assert figures["first_same"].value == 1.0
    assert figures["strongest_part_same"].value == 0.0
    assert figures["claims_hold_necessary"].value == 0.0
    assert figures["claims_hold"].value == figures["claims_hold_same_first"].value < 1.0
    necessary = [c.claim for c in found[0].lost if c.claim.type == "NECESSARY"]
    assert [claim.parts for claim in necessary] == [("a",)], "it is b now"
    figures, found = compare_targets(old, scripted(ANOTHER_FIRST), CASES)
    assert figures["first_same"].value == 0.0
    assert "strongest_part_same" not in figures and "claims_hold_same_first" not in figures
    assert (found[0].before[0], found[0].after[0]) == ("x", "y")


def test_cases_that_one_of_them_does_not_know_are_left_out() -> None:
    old = scripted(BECAUSE_OF_A)
    new = scripted(BECAUSE_OF_A, ["a", "b", "d"])
    some = [*CASES, Case("known", ("a", "b")), Case("short", ("a",))]
    figures, found = compare_targets(old, new, some)
    assert [one.case.case_id for one in found] == ["known"]
    assert figures["first_same"].n == 1
    with pytest.raises(RunError, match="scripted and scripted know no case in common"):
        compare_targets(old, new, CASES)


def test_claims_about_what_is_gone_are_counted_as_such() -> None:
    old, new = scripted(BECAUSE_OF_A), scripted(ANOTHER_FIRST, outcomes=["w", "y", "z"])
    figures, _ = compare_targets(old, new, CASES)
    assert figures["first_same"].value == 0.0
    assert figures["claims_untestable"].value == 1.0
    assert "claims_hold" not in figures


def test_so_many_cases_are_taken_of_those_that_both_know() -> None:
    old, new = scripted(BECAUSE_OF_A), scripted(BECAUSE_OF_A, ["a", "b", "d"])
    known = [Case(f"k{n}", ("a", "b")) for n in range(3)]
    _, found = compare_targets(old, new, [*CASES, *known], n_cases=2)
    assert [one.case.case_id for one in found] == ["k0", "k1"]


def test_a_case_that_leaves_nothing_to_recommend_is_left_out() -> None:
    both = Catalogue(("a", "b", "c"), ("A", "B", "C"))
    target = ScriptedTarget(np.eye(3, dtype=np.float32), both)
    _, found = compare_targets(
        target, target, [Case("all", ("a", "b", "c")), Case("1", ("a", "b"))]
    )
    assert [one.case.case_id for one in found] == ["1"]


def test_a_target_that_cannot_rescore_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    old, new = scripted(BECAUSE_OF_A), scripted(BECAUSE_OF_B)
    fixed = replace(new.capabilities, rescoring=False)
    monkeypatch.setattr(ScriptedTarget, "capabilities", property(lambda _: fixed))
    with pytest.raises(RunError, match="scripted cannot score a changed case"):
        compare_targets(old, new, CASES)
