"""Verified claims over many cases, counted."""

from __future__ import annotations

import json

import numpy as np
import pytest

from innerview.alignment.prose import checked_claims
from innerview.data.tables import Catalogue
from innerview.errors import RecordError
from innerview.evaluation._tables import driver_tables
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
    return [Told(*pair, claims) for pair, (_, claims) in zip(pairs, found, strict=True)]


def test_parts_and_outcomes_are_counted_by_what_hangs_on_them() -> None:
    found = overview(told(scripted()), scripted())
    assert found.n_cases == 3
    assert found.figures["one_part"].value == pytest.approx(2 / 3)
    assert found.figures["several_parts"].value == pytest.approx(1 / 3)
    assert found.figures["no_part"].value == 0.0
    first, *others = found.parts
    assert (first.part, first.title, first.present, first.decides) == ("a", "A", 2, 2)
    assert {one.part: one.decides for one in others} == {"b": 1, "c": 1, "d": 0}
    assert [(o.outcome, o.cases) for o in found.outcomes] == [("x", 2), ("y", 1)]
    assert found.outcomes[0].parts == (("a", "A", 2),)
    assert found.few_parts["one_part"].n == 1 and found.many_parts["one_part"].n == 2
    json.dumps(found.to_dict())


def claim(kind: str, parts: tuple[str, ...], verdict: str, **stated: str | int) -> CheckedClaim:
    return CheckedClaim(Claim(kind, "x", parts, stated), verdict)  # type: ignore[arg-type]


def test_what_was_not_verified_does_not_count() -> None:
    said = [
        claim("NECESSARY", ("a",), "refuted", leaves_top=1),
        claim("NECESSARY", ("b",), "untestable", leaves_top=1),
        claim("EVIDENCE", ("d",), "verified", rank=1),
        claim("EVIDENCE", ("c",), "verified", rank=2),
    ]
    found = overview([Told(CASES[1], "x", said)], scripted())
    assert all(one.decides == 0 for one in found.parts)
    assert {one.part: one.strongest for one in found.parts} == {"d": 1, "a": 0, "b": 0, "c": 0}
    assert found.groups == () and "enough" not in found.figures
    with pytest.raises(RecordError, match="0 answers about 0 cases"):
        overview([], scripted())


def test_values_count_for_and_against_in_cases_where_they_could_speak() -> None:
    blue = {"attribute": "colour", "value": "blue"}
    said = [
        Told(CASES[1], "x", [claim("ATTRIBUTE", ("b", "c"), "verified", direction="for", **blue)]),
        Told(
            CASES[2], "y", [claim("ATTRIBUTE", ("b", "c"), "verified", direction="against", **blue)]
        ),
        Told(CASES[0], "x", []),
    ]
    (found,) = overview(said, scripted()).groups
    assert (found.value, found.present, found.speaks_for, found.speaks_against) == ("blue", 2, 1, 1)


def test_tables_show_what_was_counted_and_whose() -> None:
    found = overview(told(scripted()), scripted()).to_dict()
    shown = driver_tables({**found, "meta": {"outcome": "x", "part": None}})
    assert shown is not None
    assert (shown.n_cases, shown.about) == (3, "with x first")
    assert shown.facts[0] == ("First place hangs on one part", "0.67", "1.00", "0.50")
    assert shown.parts[0] == ("A", 2, 2, 100.0) and len(shown.parts) == 3, "d decides nothing"
    assert shown.outcomes[0] == ("X", 2, "A (2)")
    assert driver_tables({}) is None
