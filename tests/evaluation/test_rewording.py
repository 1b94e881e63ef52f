"""Titles as other people would write them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from innerview.data.tables import Catalogue
from innerview.evaluation.rewording import (
    RULES,
    RewordedTarget,
    reworded_catalogue,
    unchanged_titles,
)
from innerview.targets.protocol import Case
from innerview.testing import ScriptedTarget, small_catalogue


def _catalogue(*titles: str) -> Catalogue:
    return Catalogue(tuple(f"i{n}" for n in range(len(titles))), titles)


@pytest.mark.parametrize(
    ("rule", "title", "told"),
    [
        (0, "Alien: Covenant", "Alien"),
        (0, "Alien", "Alien"),
        (0, ": Alien", ": Alien"),
        (1, "Harold and Maude", "Harold & Maude"),
        (1, "Thelma & Louise", "Thelma and Louise"),
        (1, "Andromeda", "Andromeda"),
        (2, "Rocky III", "Rocky 3"),
        (2, "Rocky 3", "Rocky 3"),
        (2, "Rocky III: The Eye", "Rocky 3: The Eye"),
        (2, "III Rocks", "III Rocks"),
        (2, "Malcolm X", "Malcolm X"),
        (2, "Boeing VII-b", "Boeing VII-b"),
        (3, "The Matrix", "Matrix"),
        (3, "Matrix, The", "Matrix"),
        (3, "Theory", "Theory"),
        (3, "A", "A"),
        (4, "The Matrix", "Matrix, The"),
        (4, "Matrix, The", "The Matrix"),
        (4, "An Education", "Education, An"),
        (4, "Anna", "Anna"),
        (5, "The Matrix", "the matrix"),
    ],
)
def test_a_rule_rewords_what_it_fits_and_leaves_the_rest(rule: int, title: str, told: str) -> None:
    assert RULES[rule](title) == told


def test_titles_are_reworded_by_chance_and_by_the_same_chance_each_time() -> None:
    catalogue = _catalogue(*(f"The Thing and I, No. {n}: Alone" for n in range(200)))
    told = reworded_catalogue(catalogue, seed=1)
    assert told == reworded_catalogue(catalogue, seed=1)
    assert told.titles != reworded_catalogue(catalogue, seed=2).titles
    assert not set(told.titles) & set(catalogue.titles)
    assert any("&" in title for title in told.titles) and any("and" in t for t in told.titles)


def test_no_title_is_taken_for_another() -> None:
    # "star wars" would be taken for the first of them, "fallout" for either of two.
    catalogue = _catalogue(
        "Star Wars", "Star Wars: Hope", "300", "Fallout", "FALLOUT", "The Island"
    )
    for seed in range(20):
        told = reworded_catalogue(catalogue, seed=seed).titles
        assert len(set(told)) == len(told)
        assert told[0] == "star wars" and told[1] == "star wars: hope"
        assert told[2] == "300"
        assert told[3:5] == ("fallout", "FALLOUT")
        assert "sland" in told[5]


@given(st.lists(st.text("TtheanA :,&IVXd12", min_size=1, max_size=12), unique=True, max_size=12))
def test_ids_stay_and_titles_stay_distinct_and_are_never_empty(titles: list[str]) -> None:
    catalogue = _catalogue(*titles)
    told = reworded_catalogue(catalogue, seed=3)
    assert (told.ids, told.attributes, told.noun) == (
        catalogue.ids, catalogue.attributes, catalogue.noun,
    )  # fmt: skip
    assert len(set(told.titles)) == len(titles)
    assert all(told.titles)
    swapped = [a for n, a in enumerate(told.titles) if a in titles and titles[n] != a]
    assert not swapped, "nobody's title becomes another's"


def test_a_reworded_target_scores_as_before_and_only_its_titles_are_others() -> None:
    target = ScriptedTarget(np.eye(5, dtype=np.float32), small_catalogue(5))
    told = RewordedTarget(target)
    assert told.parts is told.outcomes, "as in the target"
    assert told.outcomes.ids == target.outcomes.ids
    assert told.outcomes.titles == tuple(f"item {n}" for n in range(5))
    assert told.fingerprint == target.fingerprint
    assert told.capabilities == target.capabilities
    case = Case("c", ("i0", "i1"))
    np.testing.assert_array_equal(told.score([case]), target.score([case]))
    np.testing.assert_array_equal(told.case_vectors([case]), target.case_vectors([case]))
    np.testing.assert_array_equal(told.part_vectors, target.part_vectors)
    np.testing.assert_array_equal(told.outcome_vectors, target.outcome_vectors)
    assert unchanged_titles(target, told, [(case, "i3")]) == 0.0
    assert unchanged_titles(target, target, [(case, "i3")]) == 1.0
    apart = RewordedTarget(ScriptedTarget(np.ones((2, 3), dtype=np.float32)))
    assert apart.parts is not apart.outcomes
    assert apart.parts.titles == ("part 0", "part 1")
