"""Verified claims over many cases, counted."""

from __future__ import annotations

import json

import numpy as np
import pytest

from innerview.alignment.prose import checked_claims
from innerview.data.tables import Catalogue
from innerview.errors import RecordError
from innerview.evaluation._counts import driver_sheets, driver_tables
from innerview.evaluation.overview import Told, overview
from innerview.explanation.claims import CheckedClaim, Claim
from innerview.targets.protocol import Case
from innerview.testing.fakes import ScriptedTarget


def scripted() -> ScriptedTarget:
    """x hangs on a wherever a is there; y on b and c together elsewhere."""
    outcomes = Catalogue(("x", "y", "z"), ("X", "Y", "Z"))
    colours = {"colour": (("red",), ("blue",), ("blue",), ("red",))}
    parts = Catalogue(("a", "b", "c", "d"), ("A", "B", "C", "D"), colours)
    weights = np.array([[9, 0, 0], [0, 2, 0], [0, 2, 0], [0, 0, 1]], dtype=np.float32)
    return ScriptedTarget(weights, outcomes, parts=parts, max_parts=4)


CASES = [Case("1", ("a", "d")), Case("2", ("a", "b", "c", "d")), Case("3", ("b", "c", "d"))]


def told(target: ScriptedTarget) -> list[Told]:
    pairs = list(zip(CASES, ("x", "x", "y"), strict=True))
    found = checked_claims(target, pairs)
    return [Told(case, *own) for case, own in zip(CASES, found, strict=True)]


def test_parts_and_outcomes_are_counted_by_what_hangs_on_them() -> None:
    found = overview(told(scripted()), scripted())
    assert found.n_cases == 3
    assert found.figures["one_part"].value == pytest.approx(2 / 3)
    assert found.figures["several_parts"].value == pytest.approx(1 / 3)
    assert found.figures["no_part"].value == 0.0
    first, *others = found.parts
    assert (first.part, first.title, first.present, first.decides) == ("a", "A", 2, 2)
    assert {one.part: (one.decides, one.helps_decide) for one in others} == {
        "b": (0, 1), "c": (0, 1), "d": (0, 0),
    }  # fmt: skip
    assert [(o.outcome, o.cases) for o in found.outcomes] == [("x", 2), ("y", 1)]
    assert found.outcomes[0].parts == (("a", "A", 2),)
    assert found.few_parts["one_part"].n == 1 and found.many_parts["one_part"].n == 2
    json.dumps(found.to_dict())


def counted(weights: list[list[float]], parts: tuple[str, ...]) -> dict[str, tuple[int, int]]:
    """How often each part decides alone and with others, over one case."""
    names = tuple("abcd"[: len(weights)])
    outcomes = Catalogue(("x", "y"), ("X", "Y"))
    target = ScriptedTarget(
        np.array(weights, dtype=np.float32), outcomes, parts=Catalogue(names, names), max_parts=4
    )
    case = Case("1", parts)
    found = overview([Told(case, *checked_claims(target, [(case, "x")])[0])], target)
    return {one.part: (one.decides, one.helps_decide) for one in found.parts}


def test_every_part_that_decides_alone_counts_and_two_that_do_the_same_do_not() -> None:
    # Either takes first place along with it.
    assert counted([[3, 0], [2.9, 0], [0, 5]], ("a", "b", "c")) == {
        "a": (1, 0), "b": (1, 0), "c": (0, 0),
    }  # fmt: skip
    # Only both together.
    assert counted([[3, 0], [3, 0], [0, 2]], ("a", "b", "c")) == {
        "a": (0, 1), "b": (0, 1), "c": (0, 0),
    }  # fmt: skip


def claim(kind: str, parts: tuple[str, ...], verdict: str, **stated: str | int) -> CheckedClaim:
    return CheckedClaim(Claim(kind, "x", parts, stated), verdict)  # type: ignore[arg-type]


def test_values_count_where_they_were_tried_and_only_by_verified_claims() -> None:
    blue = {"attribute": "colour", "value": "blue"}
    evidence = [own.evidence for own in told(scripted())]
    tried = [any(a.value == "blue" for a in e.attributes) for e in evidence]
    assert tried == [False, True, True], "no case of one colour, or of none that is blue"
    said = {
        1: [claim("ATTRIBUTE", ("b", "c"), "verified", direction="for", **blue)],
        2: [claim("ATTRIBUTE", ("b", "c"), "refuted", direction="against", **blue)],
    }
    cases = [Told(CASES[at], evidence[at], said.get(at, [])) for at in range(3)]
    (found,) = overview(cases, scripted()).groups
    assert (found.value, found.tried, found.speaks_for, found.speaks_against) == ("blue", 2, 1, 0)


def test_cases_of_one_length_are_not_told_apart_by_it() -> None:
    target = scripted()
    cases = [Case(f"{n}", ("a", "d")) for n in range(8)]
    found = checked_claims(target, [(case, "x") for case in cases])
    alike = [Told(case, *own) for case, own in zip(cases, found, strict=True)]
    shown = overview(alike, target)
    assert shown.few_parts == shown.many_parts == {}
    with pytest.raises(RecordError, match="0 answers about 0 cases"):
        overview([], target)


def test_verified_claims_count_by_the_share_of_the_score_that_they_carry() -> None:
    found = overview(told(scripted()), scripted())
    weights = {one.part: one.weight for one in found.parts}
    # a carries all of x, twice; b and c carry half of y each.
    assert weights == pytest.approx({"a": 2.0, "b": 0.5, "c": 0.5, "d": 0.0})
    (blue,) = (one for one in found.groups if one.value == "blue")
    assert blue.speaks_for == 1 and 0.0 < blue.weight <= 1.0
    refuted = [Told(t.case, t.evidence, [claim("EVIDENCE", ("a",), "refuted", rank=1)])
               for t in told(scripted())]  # fmt: skip
    assert not any(one.weight for one in overview(refuted, scripted()).parts)


def test_cases_whose_outcome_is_rare_stand_apart() -> None:
    cases, target = told(scripted()), scripted()
    found = overview(cases, target, popularity={"x": 3, "y": 1})
    assert found.rare_outcomes["one_part"].n == 1 and found.rare_outcomes["one_part"].value == 0.0
    assert found.other_outcomes["one_part"].n == 2
    assert overview(cases, target).rare_outcomes == {}, "nothing is known of how often they are met"


def test_tables_show_what_was_counted() -> None:
    shown = driver_tables(overview(told(scripted()), scripted()).to_dict())
    assert shown.n_cases == 3 and shown.segment == ""
    assert [row[:3] for row in shown.facts] == [
        ("All", 3, 66.7), ("Fewest parts", 1, 100.0), ("More parts", 2, 50.0),
    ]  # fmt: skip
    assert shown.parts[0] == ("A", 2, 0, 2, "2.0", 100.0, 0.0)
    assert len(shown.parts) == 3, "d decides nothing"
    assert shown.outcomes[0] == ("X", 2, "A (2)")
    assert driver_sheets([]) == []
    twice = [overview(told(scripted()), scripted()).to_dict()] * 2
    names = [sheet.name for sheet in driver_sheets(twice)]
    assert names[:2] == ["drivers", "drivers_parts"]
    assert names[4:6] == ["drivers1", "drivers1_parts"]
