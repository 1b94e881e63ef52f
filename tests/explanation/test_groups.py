"""Groups of parts: by attribute, by decade, and by what a case marks its own parts with."""

from __future__ import annotations

import pytest

from innerview.data.tables import Catalogue
from innerview.explanation._groups import attributes_of, random_groups, shared_values, with_value
from innerview.explanation.claims import Claim
from innerview.explanation.evidence import Thresholds, measure
from innerview.explanation.grounded import claims_from
from innerview.explanation.verify import verify
from innerview.targets.protocol import Case
from innerview.testing.fakes import ScriptedTarget

PARTS = tuple(f"p{i}" for i in range(6))
YEARS = ("1994", "1999", "2003", "2004", "2010", "1968")
RATINGS = {"p0": "9", "p1": "9", "p2": "4", "p3": "4", "p4": "9"}
CASE = Case("c", PARTS, {"rating": RATINGS})


def catalogue(**attributes: tuple[tuple[str, ...], ...]) -> Catalogue:
    years = {"year": tuple((y,) for y in YEARS)}
    return Catalogue(PARTS, tuple(f"Title {p}" for p in PARTS), years | attributes)


def groups(case: Case, parts: Catalogue) -> dict[tuple[str, str], tuple[str, ...]]:
    return {(g.attribute, g.value): g.parts for g in shared_values(case, parts)}


def test_years_make_decades_and_ratings_make_groups_of_their_own() -> None:
    assert groups(CASE, catalogue()) == {
        ("decade", "1990s"): ("p0", "p1"),
        ("decade", "2000s"): ("p2", "p3"),
        ("rating", "9"): ("p0", "p1", "p4"),
        ("rating", "4"): ("p2", "p3"),
    }


def test_what_the_catalogue_calls_a_decade_or_a_rating_goes_first() -> None:
    own = (("old",), ("old",), (), (), (), ())
    found = groups(CASE, catalogue(decade=own, rating=own))
    assert found == {("decade", "old"): ("p0", "p1"), ("rating", "old"): ("p0", "p1")}
    assert with_value(CASE, catalogue(rating=own), "rating", "9") == ()


def test_years_that_are_no_years_make_no_decades() -> None:
    odd = Catalogue(PARTS, PARTS, {"year": tuple((y,) for y in (*YEARS[:5], "about 1968"))})
    assert attributes_of(CASE, odd) == ("year", "rating")


def test_random_groups_hang_on_which_parts_there_are_and_not_on_their_order() -> None:
    parts = [f"p{n}" for n in range(12)]
    drawn = random_groups(parts, parts[:4], 5, key="seed")
    assert drawn == random_groups(parts[::-1], [parts[n] for n in (2, 0, 3, 1)], 5, key="seed")
    assert len(set(drawn)) > 1 and all(len(set(one) - set(parts[:4])) == 4 for one in drawn)
    assert drawn != random_groups(parts, parts[:4], 5, key="another")
    assert drawn != random_groups(parts[:11], parts[:4], 5, key="seed")


def test_random_groups_borrow_from_the_group_what_the_others_lack() -> None:
    (first, *_) = random_groups(("a", "b", "c", "d", "e"), ("e", "a", "c"), 5, key="seed")
    assert len(first) == 3 and {"b", "d"} < set(first)


def test_of_values_with_the_same_parts_the_same_comes_first_in_any_order() -> None:
    both = Catalogue(("p0", "p1", "p2"), ("A", "B", "C"), {"kind": (("x", "y"), ("y", "x"), ())})
    orders = (("p0", "p1", "p2"), ("p1", "p0", "p2"))
    assert [[g.value for g in shared_values(Case("c", o), both)] for o in orders] == [
        ["x", "y"]
    ] * 2


def test_a_case_that_lost_parts_keeps_what_marks_the_others() -> None:
    left = CASE.without(["p4"]).last(4).keep(["p1", "p2", "p3"])
    assert groups(left, catalogue())["rating", "4"] == ("p2", "p3")
    assert left == Case("c", ("p1", "p2", "p3"))


@pytest.mark.parametrize(
    ("weights", "stated"),
    [
        ((4, 4, 0.1, 0.2, 0, 0), {"attribute": "decade", "value": "1990s", "direction": "for"}),
        ((3, 3, 0, 0.1, 3, 0.2), {"attribute": "rating", "value": "9", "direction": "for"}),
        ((1, 1, -2, -2, 1, 1), {"attribute": "rating", "value": "4", "direction": "against"}),
    ],
)
def test_claims_about_decades_and_ratings_are_made_and_verified(
    weights: tuple[float, ...], stated: dict[str, str]
) -> None:
    target = ScriptedTarget(
        [[w, 0, 0] for w in weights], Catalogue(("a", "b", "z"), ("A", "B", "Z")),
        parts=catalogue(), bias=[1, 0, 0],
    )  # fmt: skip
    settings = Thresholds(about=stated["attribute"])
    evidence = measure(CASE, "a", target, thresholds=settings)
    claims = claims_from(evidence, target, about=stated["attribute"])
    (told,) = [c for c in claims if c.type == "ATTRIBUTE" and c.stated == stated]
    assert verify(told, CASE, target).verdict == "verified"
    wrong = Claim("ATTRIBUTE", "a", told.parts[:1], told.stated)
    assert verify(wrong, CASE, target).verdict == "refuted"
    if stated["attribute"] == "rating":
        assert verify(told, Case("c", PARTS), target).verdict == "untestable"
