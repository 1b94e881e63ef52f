"""Verified claims over many cases, counted."""

from __future__ import annotations

import json

import numpy as np
import pytest

from innerview.alignment.prose import checked_claims
from innerview.data.tables import Catalogue
from innerview.errors import RecordError
from innerview.evaluation._counts import driver_tables
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


def test_tables_show_what_was_counted() -> None:
    shown = driver_tables(overview(told(scripted()), scripted()).to_dict())
    assert shown is not None and shown.n_cases == 3
    assert shown.facts[0] == ("First place is lost without one part", "0.67", "1.00", "0.50")
    assert shown.parts[0] == ("A", 2, 0, 2, 100.0, 0.0)
    assert len(shown.parts) == 3, "d decides nothing"
    assert shown.outcomes[0] == ("X", 2, "A (2)")
    assert driver_tables({}) is None
