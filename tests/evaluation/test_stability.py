"""Explanations made twice: how far they agree."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from innerview.evaluation._tables import stability_table
from innerview.evaluation.metrics import jaccard
from innerview.evaluation.orders import by_chance, by_explanation
from innerview.evaluation.rewording import RewordedTarget
from innerview.evaluation.stability import (
    Said,
    agreement,
    ignores_order,
    in_another_order,
    of_another_case,
)
from innerview.explanation.claims import Claim
from innerview.explanation.evidence import measure_many
from innerview.explanation.grounded import claims_from
from innerview.targets.protocol import Case, Target, top_outcomes
from innerview.testing import ScriptedTarget


def _evidence(part: str, rank: int = 1) -> Claim:
    return Claim("EVIDENCE", "o", (part,), {"rank": rank})


def _values(ones: list[Said], others: list[Said]) -> dict[str, float]:
    names = [str(n) for n in range(len(ones))]
    return {name: figure.value for name, figure in agreement(ones, others, names).items()}


def test_agreement_is_that_worked_out_on_paper() -> None:
    needs = {"leaves_top": 1}
    one = Said(
        ("a", "b", "c", "d"),
        (_evidence("a"), _evidence("b", 2), Claim("NECESSARY", "o", ("a", "b"), needs)),
    )
    other = Said(
        ("b", "a", "d", "c"),
        (_evidence("b"), Claim("NECESSARY", "o", ("b", "a"), needs)),
    )
    found = _values([one], [other])
    assert found["first_same"] == 0.0
    assert found["overlap3"] == pytest.approx(2 / 4)  # a and b, of a, b, c and d
    weights = [1, 0.8, 0.64, 0.512]  # down to depth 4: nothing, both, two of three, all
    assert found["rbo5"] == pytest.approx((0.8 + 0.64 * 2 / 3 + 0.512) / sum(weights))
    assert found["claims_recur"] == pytest.approx(4 / 5)  # all but what one says of a


def test_who_claims_nothing_has_no_figure_of_claims() -> None:
    said = [Said(("a", "b"))]
    assert set(_values(said, said)) == {"first_same", "overlap3", "rbo5"}


@st.composite
def _told(draw: st.DrawFn) -> list[tuple[Said, Said]]:
    def one(parts: list[str]) -> Said:
        named = draw(st.lists(st.sampled_from(parts), max_size=3))
        return Said(tuple(draw(st.permutations(parts))), tuple(map(_evidence, named)))

    sizes = draw(st.lists(st.integers(2, 7), min_size=1, max_size=4))
    cases = [[f"p{n}" for n in range(size)] for size in sizes]
    return [(one(parts), one(parts)) for parts in cases]


@given(_told())
def test_agreement_with_oneself_is_whole_and_with_others_goes_both_ways(
    told: list[tuple[Said, Said]],
) -> None:
    ones, others = [one for one, _ in told], [other for _, other in told]
    assert _values(ones, others) == _values(others, ones)
    assert all(value == pytest.approx(1.0) for value in _values(ones, ones).values())
    assert all(-1e-9 <= value <= 1 + 1e-9 for value in _values(ones, others).values())


def test_chance_agrees_as_often_as_it_should() -> None:
    cases = [Case(f"c{n}", tuple(f"p{i}" for i in range(6))) for n in range(2000)]
    drawn = [[Said(by_chance(case, seed=seed)) for case in cases] for seed in (0, 1)]
    found = _values(*drawn)
    assert found["first_same"] == pytest.approx(1 / 6, abs=0.03)  # four standard errors
    # Three of six twice: 0 to 3 shared in 1, 9, 9 and 1 of 20.
    expected = (9 * 1 / 5 + 9 * 2 / 4 + 1) / 20
    assert found["overlap3"] == pytest.approx(expected, abs=0.02)


def test_jaccard_of_lists() -> None:
    assert jaccard(["a", "b"], ["b", "c"]) == pytest.approx(1 / 3)
    assert jaccard([], []) == 1.0
    assert jaccard(["a"], []) == 0.0


def test_a_target_is_asked_whether_it_minds_the_order() -> None:
    weights = np.random.default_rng(0).normal(size=(12, 12)).astype(np.float32)
    free, minding = ScriptedTarget(weights), ScriptedTarget(weights, positions=0.5)
    cases = [Case(f"c{n}", tuple(f"i{(n + k) % 12}" for k in range(5))) for n in range(4)]
    shuffled = in_another_order(cases)
    assert shuffled == in_another_order(cases) != cases
    assert [sorted(case.parts) for case in shuffled] == [sorted(case.parts) for case in cases]
    assert ignores_order(free, cases, shuffled)
    assert not ignores_order(minding, cases, shuffled)
    assert ignores_order(minding, cases, cases)


def test_evidence_reads_no_titles_and_minds_no_order(
    target: ScriptedTarget, cases: list[Case]
) -> None:
    def said(asked: Target, own: list[Case]) -> list[Said]:
        scores = target.score(own)
        pairs = [
            (case, top_outcomes(target, case, row, 1)[0])
            for case, row in zip(own, scores, strict=True)
        ]
        return [
            Said(by_explanation(e), tuple(claims_from(e, asked)))
            for e in measure_many(pairs, asked)
        ]

    usual = said(target, cases)
    assert set(_values(usual, said(RewordedTarget(target), cases)).values()) == {1.0}
    shuffled = said(target, in_another_order(cases))
    assert set(_values(usual, shuffled).values()) == {1.0}


def test_the_control_takes_over_what_is_said_of_shared_parts_only() -> None:
    cases = [Case("0", ("a", "b", "c")), Case("1", ("b", "c", "d")), Case("2", ("x", "y"))]
    claims = (_evidence("d"),)
    said = [Said(("a", "b", "c")), Said(("d", "c", "b"), claims), Said(("x", "y"))]
    found = dict(of_another_case(cases, said))
    assert set(found) == {0, 1}, "the last shares nothing"
    assert found[0] == Said(("c", "b", "a"), claims)
    assert found[1] == Said(("b", "c", "d"))


def test_the_table_has_a_row_for_each_explainer_and_change() -> None:
    figures = agreement([Said(("a", "b"))], [Said(("a", "b"))], ["c"])
    tree = {"chance": {"random": figures}, "titles": {"surrogate_hybrid": figures}}
    headings, rows = stability_table({"stability": tree})
    assert len(headings) == 4
    assert [row.label for row in rows] == ["titles reworded: surrogate hybrid", "floor: random"]
    assert [cell.value if cell else None for cell in rows[0].cells] == ["1.000"] * 3 + [None]
    assert stability_table({})[1] == []
