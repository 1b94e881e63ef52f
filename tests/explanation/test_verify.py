"""Planted true claims are verified, planted false ones refuted, the others untestable."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from innerview.errors import CaseError, TargetQueryError
from innerview.explanation.claims import CheckedClaim, Claim
from innerview.explanation.verify import Patience, verify, verify_many
from innerview.targets.protocol import Case, FloatArray

from .conftest import PaperTarget, able, additive, either_or

# On ``films``: o0 scores 7 with weights 5, 3, 1, -2; o1 always 4, o2 always 1.5.
TRUE = [
    Claim("EVIDENCE", "o0", ("p0",), {"rank": 1}),
    Claim("EVIDENCE", "o0", ("p1",), {"rank": 2}),
    Claim("NECESSARY", "o0", ("p0",), {"leaves_top": 1}),
    Claim("NECESSARY", "o0", ("p0", "p1"), {"leaves_top": 2}),
    Claim("SUFFICIENT", "o0", ("p0",), {"stays_in_top": 1}),
    Claim("SUFFICIENT", "o0", ("p1",), {"stays_in_top": 2}),
    Claim("ATTRIBUTE", "o0", ("p0", "p2"),
          {"attribute": "kind", "value": "even", "direction": "for"}),
    Claim("UNDECIDED", "o0", (), {"stays_in_top": 2}),
]  # fmt: skip
MORE_TRUE = [
    Claim("CONTRAST", "o0", ("p0",), {"foil": "o1"}),
    Claim("CONTRAST", "o0", ("p0", "p1"), {"foil": "o2"}),
    Claim("COUNTERFACTUAL", "o0", ("p0",), {"new_rank": 2}),
    Claim("COUNTERFACTUAL", "o0", ("p0", "p1"), {"new_rank": 3}),
    Claim("COUNTERFACTUAL", "o1", ("p0",), {"new_rank": 1}),
]  # fmt: skip
FALSE = [
    Claim("CONTRAST", "o0", ("p2",), {"foil": "o1"}),
    Claim("CONTRAST", "o2", ("p0",), {"foil": "o0"}),
    Claim("COUNTERFACTUAL", "o0", ("p0",), {"new_rank": 1}),
    Claim("COUNTERFACTUAL", "o0", ("p2",), {"new_rank": 2}),
    Claim("EVIDENCE", "o0", ("p1",), {"rank": 1}),
    Claim("EVIDENCE", "o0", ("p0",), {"rank": 3}),
    Claim("EVIDENCE", "o0", ("p3",), {"rank": 4}),
    Claim("NECESSARY", "o0", ("p2",), {"leaves_top": 1}),
    Claim("NECESSARY", "o2", ("p0",), {"leaves_top": 1}),
    Claim("SUFFICIENT", "o0", ("p2",), {"stays_in_top": 1}),
    Claim("SUFFICIENT", "o2", ("p0",), {"stays_in_top": 1}),
    Claim("ATTRIBUTE", "o0", ("p1", "p3"),
          {"attribute": "kind", "value": "odd", "direction": "for"}),
    Claim("ATTRIBUTE", "o0", ("p0", "p2"),
          {"attribute": "kind", "value": "even", "direction": "against"}),
    Claim("ATTRIBUTE", "o0", ("p0", "p1"),
          {"attribute": "kind", "value": "even", "direction": "for"}),
    Claim("UNDECIDED", "o0", (), {"stays_in_top": 1}),
    Claim("UNDECIDED", "o2", (), {"stays_in_top": 1}),
]  # fmt: skip


@pytest.mark.parametrize("claim", TRUE + MORE_TRUE, ids=lambda c: f"{c.type}-{'+'.join(c.parts)}")
def test_true_claim_is_verified(claim: Claim, films: PaperTarget, case: Case) -> None:
    checked = verify(claim, case, films)
    assert (checked.verdict, checked.reason) == ("verified", "")
    assert {"score_change", "rank_before", "rank_after"} <= set(checked.measured)


@pytest.mark.parametrize("claim", FALSE, ids=lambda c: f"{c.type}-{'+'.join(c.parts)}")
def test_false_claim_is_refuted_with_the_number_against_it(
    claim: Claim, films: PaperTarget, case: Case
) -> None:
    checked = verify(claim, case, films)
    assert checked.verdict == "refuted" and checked.reason
    assert {"score_change", "rank_before", "rank_after"} <= set(checked.measured)


def test_measured_numbers_are_those_on_paper(films: PaperTarget, case: Case) -> None:
    evidence, second, needed, pair, enough, alone, kind, undecided = (
        verify(claim, case, films).measured for claim in TRUE
    )
    assert evidence == {"score_change": -5.0, "rank_before": 1, "rank_after": 2, "rank": 1}
    assert second["rank"] == 2
    assert needed["rank_after"] == 2 and pair["rank_after"] == 3
    assert enough["score_change"] == -2.0 and alone["rank_after"] == 2
    assert kind["score_change"] == -6.0 and kind["control_change"] == -1.0
    assert undecided["part"] == "p0" and undecided["rank_after"] == 2


def test_together_gives_what_one_by_one_gives(films: PaperTarget, case: Case) -> None:
    claims = [(claim, case) for claim in TRUE + MORE_TRUE + FALSE]
    together = verify_many(claims, films)
    assert len(films.batches) == 2
    assert together == [verify(claim, one, films) for claim, one in claims]


def test_queries_of_a_claim_are_those_the_target_counted(films: PaperTarget, case: Case) -> None:
    checked = verify(TRUE[0], case, films)
    assert checked.queries == films.queries.used == 6


def test_either_of_two_redundant_parts_is_not_needed_but_both_are() -> None:
    target, case = either_or(), Case("c", ("p0", "p1", "p2"))
    claims = {
        "UNDECIDED": Claim("UNDECIDED", "o0", (), {"stays_in_top": 1}),
        "one": Claim("NECESSARY", "o0", ("p0",), {"leaves_top": 1}),
        "both": Claim("NECESSARY", "o0", ("p0", "p1"), {"leaves_top": 1}),
        "alone": Claim("SUFFICIENT", "o0", ("p1",), {"stays_in_top": 1}),
        "first": Claim("EVIDENCE", "o0", ("p0",), {"rank": 1}),
    }
    verdicts = {name: verify(claim, case, target).verdict for name, claim in claims.items()}
    assert verdicts == {
        "UNDECIDED": "verified", "one": "refuted", "both": "verified",
        "alone": "verified", "first": "refuted",
    }  # fmt: skip


def test_tied_parts_may_be_named_in_either_order() -> None:
    target, case = additive({"p0": 2, "p1": 2, "p2": 1}, {}), Case("c", ("p0", "p1", "p2"))
    for part in ("p0", "p1"):
        for rank in (1, 2):
            claim = Claim("EVIDENCE", "o0", (part,), {"rank": rank})
            assert verify(claim, case, target).verdict == "verified"
    assert verify(Claim("EVIDENCE", "o0", ("p2",), {"rank": 2}), case, target).verdict == "refuted"


class NoisyTarget(PaperTarget):
    """Declares itself deterministic and is not."""

    def score(self, cases):  # type: ignore[no-untyped-def]
        noise = np.random.default_rng(self.queries.used).normal(size=(len(cases), 1))
        return super().score(cases) + noise.astype(np.float32)


def _untestable(checked: CheckedClaim, reason: str) -> None:
    assert checked.verdict == "untestable" and reason in checked.reason
    assert checked.measured == {}


@pytest.mark.parametrize("claim", TRUE + MORE_TRUE, ids=lambda c: c.type)
def test_target_that_cannot_be_replayed_makes_claims_untestable(
    claim: Claim, films: PaperTarget, case: Case
) -> None:
    _untestable(verify(claim, case, able(films, rescoring=False)), "cannot score a changed case")
    _untestable(verify(claim, case, able(films, deterministic=False)), "non-deterministic")
    noisy = NoisyTarget(films.outcomes, films.parts, films.rule)
    _untestable(verify(claim, case, noisy), "answered differently for the same case")
    _untestable(verify(claim, case, replace(films, broken_without="q")), "fell over")


@pytest.mark.parametrize(
    "type_", ["EVIDENCE", "NECESSARY", "ATTRIBUTE", "UNDECIDED", "CONTRAST", "COUNTERFACTUAL"]
)
def test_removal_that_empties_the_case_is_untestable(type_: str, films: PaperTarget) -> None:
    claim = next(c for c in TRUE + MORE_TRUE if c.type == type_)
    parts = claim.parts or ("p0",)
    _untestable(verify(claim, Case("c", parts[:1]), films) if len(parts) == 1 else
                verify(claim, Case("c", parts), films), "empties the case")  # fmt: skip


def test_claims_by_their_form_beyond_test_are_untestable(films: PaperTarget, case: Case) -> None:
    for claim, reason in [
        (Claim("EVIDENCE", "o0", ("p9",), {"rank": 1}), "'p9' is not in the case"),
        (Claim("EVIDENCE", "p1", ("p0",), {"rank": 1}), "'p1' is part of the case"),
        (Claim("EVIDENCE", "zzz", ("p0",), {"rank": 1}), "unknown id 'zzz'"),
        (Claim("SUFFICIENT", "o0", case.parts, {"stays_in_top": 1}), "keeps the whole case"),
        (Claim("UNDECIDED", "o0", (), {"stays_in_top": 99}), "none can leave the top 99"),
        (Claim("ATTRIBUTE", "o0", ("p0",), {"attribute": "era", "value": "old",
               "direction": "for"}), "no attribute 'era'"),
        (Claim("CONTRAST", "o0", ("p0",), {"foil": "p1"}), "'p1' is part of the case"),
        (Claim("CONTRAST", "o0", ("p0",), {"foil": "zzz"}), "unknown id 'zzz'"),
        (Claim("COUNTERFACTUAL", "o0", (), {"added": "p1", "new_rank": 1}), "'p1' is in the case"),
        (Claim("COUNTERFACTUAL", "o0", (), {"added": "zzz", "new_rank": 1}), "unknown id 'zzz'"),
        (Claim("COUNTERFACTUAL", "o0", (), {"added": "o0", "new_rank": 1}), "is what is added"),
        (Claim("SIMILAR", "o0", ("p0",), {"rank": 1}), "gives no vectors"),
    ]:  # fmt: skip
        _untestable(verify(claim, case, films), reason)


def test_failure_of_one_variant_costs_only_the_claims_that_need_it(
    films: PaperTarget, case: Case
) -> None:
    target = replace(films, broken_without="p0")
    claims = [
        Claim("NECESSARY", "o0", ("p0",), {"leaves_top": 1}),
        Claim("NECESSARY", "o0", ("p1",), {"leaves_top": 1}),
    ]
    verdicts = [c.verdict for c in verify_many([(c, case) for c in claims], target)]
    assert verdicts == ["untestable", "refuted"]


@dataclass
class FlakyTarget(PaperTarget):
    """Fails each time its calls come to one of these numbers."""

    fails: frozenset[int] = frozenset()
    calls: int = 0

    def score(self, cases: Sequence[Case]) -> FloatArray:
        self.calls += 1
        if self.calls in self.fails:
            raise TargetQueryError("connection lost")
        return super().score(cases)


def test_what_failed_is_asked_once_more_and_then_given_up(films: PaperTarget, case: Case) -> None:
    def flaky(*fails: int) -> FlakyTarget:
        return FlakyTarget(films.outcomes, films.parts, films.rule, fails=frozenset(fails))

    needed = Claim("NECESSARY", "o0", ("p0", "p1"), {"leaves_top": 1})
    expected = verify(needed, case, films)
    assert verify(needed, case, flaky(1)) == expected
    assert verify(needed, case, flaky(2)) == expected
    _untestable(verify(needed, case, flaky(1, 2)), "connection lost")
    _untestable(verify(needed, case, flaky(1), patience=Patience(retries=0)), "connection lost")
    assert verify(needed, case, flaky(1, 2), patience=Patience(retries=2)) == expected
    # In a batch only what fails alone, and again, is lost.
    many = [(needed, case), (needed, case)]
    assert verify_many(many, flaky(1, 2)) == [expected, expected]
    lost, found = verify_many(many, flaky(1, 2, 3))
    _untestable(lost, "connection lost")
    assert found == expected


def test_beyond_its_patience_nothing_is_asked_and_nothing_verified(
    films: PaperTarget, case: Case
) -> None:
    claims = [(claim, case) for claim in TRUE * 10]
    every = verify_many(claims, films)
    films.queries.used = 0
    for allowed in (0, 1, 3, 7, 40, 100):
        films.queries.used = 0
        some = verify_many(claims, films, patience=Patience(queries=allowed))
        assert films.queries.used <= allowed
        told = [one for one in some if one.verdict != "untestable"]
        assert 0 < len(told) < len(claims) or allowed < 3
        for one, full in zip(some, every, strict=True):
            if one.verdict == "untestable":
                assert f"more than what is left of {allowed}" in one.reason
                assert one.measured == {}
            else:
                assert one == full
    used = films.queries.used
    late = verify_many(claims, films, patience=Patience(seconds=0))
    assert films.queries.used == used
    for one in late:
        _untestable(one, "0 seconds were allowed, and they are over")
    assert verify_many(claims, films, patience=Patience(queries=10**6, seconds=600)) == every


@pytest.mark.parametrize(
    ("name", "value"),
    [("retries", -1), ("retries", 0.5), ("retries", None), ("queries", -1), ("queries", 1.5),
     ("seconds", -1), ("seconds", float("nan")), ("seconds", float("inf"))],
)  # fmt: skip
def test_patience_is_a_number_from_zero_up(name: str, value: object) -> None:
    with pytest.raises(CaseError, match=f"patience has {name} {value}; expected a .*number"):
        Patience(**{name: value})  # type: ignore[arg-type]


def test_no_claims_ask_nothing(films: PaperTarget) -> None:
    assert verify_many([], films) == []
    assert films.queries.used == 0


def test_what_is_added_counts_and_is_no_answer_itself(films: PaperTarget) -> None:
    case = Case("c", ("p1", "p2", "p3"))  # o0 scores 2 there, behind o1 at 4
    added = Claim("COUNTERFACTUAL", "o0", (), {"added": "p0", "new_rank": 1})
    instead = Claim("COUNTERFACTUAL", "o0", ("p1", "p2"), {"added": "p0", "new_rank": 2})
    checked = verify_many([(added, case), (instead, case)], films)
    assert [c.verdict for c in checked] == ["verified", "verified"]
    assert checked[0].measured == {"score_change": 5.0, "rank_before": 2, "rank_after": 1}
    # o1 as a part: it is out of the ranking then, and o0 comes first without scoring more.
    rival = Claim("COUNTERFACTUAL", "o0", (), {"added": "o1", "new_rank": 1})
    target = replace(films, rule=lambda parts, outcome: films.rule(parts - {"o1"}, outcome))
    assert verify(rival, case, target).verdict == "verified"


@dataclass
class VectorTarget(PaperTarget):
    """Parts at some angles to the outcome o0, which lies along the first axis."""

    angles: tuple[float, ...] = ()

    @property
    def part_vectors(self) -> FloatArray:
        rows = np.ones((len(self.parts), 2), np.float32)
        for i, angle in enumerate(self.angles):
            rows[i] = (3 + i) * np.array([np.cos(angle), np.sin(angle)])
        rows[self.parts.index["o0"]] = (2.0, 0.0)
        return rows

    @property
    def outcome_vectors(self) -> FloatArray:
        return self.part_vectors


@given(st.lists(st.integers(-170, 170), min_size=1, max_size=6))
def test_similarity_is_the_order_of_angles_and_asks_nothing(degrees: list[int]) -> None:
    plain = additive({f"p{i}": 1.0 for i in range(len(degrees))}, {})
    able_too = replace(plain.capabilities, vectors=True, rescoring=False)
    target = VectorTarget(
        plain.outcomes, plain.parts, plain.rule, able_too,
        angles=tuple(np.radians(degrees).tolist()),
    )  # fmt: skip
    case = Case("c", tuple(f"p{i}" for i in range(len(degrees))))
    for i, own in enumerate(degrees):
        nearer = sum(abs(d) < abs(own) for d in degrees)
        same = sum(abs(d) == abs(own) for d in degrees)
        for rank in range(1, len(degrees) + 1):
            checked = verify(Claim("SIMILAR", "o0", (f"p{i}",), {"rank": rank}), case, target)
            expected = nearer < rank <= nearer + same
            assert checked.verdict == ("verified" if expected else "refuted")
            assert checked.measured["similarity"] == pytest.approx(
                np.cos(np.radians(own)), abs=1e-6
            )
    assert target.queries.used == 0


def test_claims_that_make_no_sense_are_refused() -> None:
    for parts, stated, message in [
        ((), {"new_rank": 3}, "cannot have 0 parts"),
        (("p0",), {"added": 7, "new_rank": 3}, "expected an id"),
    ]:
        with pytest.raises(CaseError, match=message):
            Claim("COUNTERFACTUAL", "o0", parts, stated)  # type: ignore[arg-type]
    with pytest.raises(CaseError, match="another outcome than its own"):
        Claim("CONTRAST", "o0", ("p0",), {"foil": "o0"})
    with pytest.raises(CaseError, match="a SIMILAR claim is about one part, not 2"):
        Claim("SIMILAR", "o0", ("p0", "p1"), {"rank": 1})


@pytest.mark.parametrize("value", [0, -1, 1.5, True, "1"])
def test_claim_with_a_threshold_that_is_no_rank_is_refused(value: object) -> None:
    with pytest.raises(CaseError, match="expected a whole number from 1 up"):
        Claim("NECESSARY", "o0", ("p0",), {"leaves_top": value})  # type: ignore[dict-item]


def test_claim_that_names_a_part_twice_is_refused() -> None:
    with pytest.raises(CaseError, match="names a part twice"):
        Claim("NECESSARY", "o0", ("p0", "p0"), {"leaves_top": 1})


@given(
    weights=st.lists(st.integers(-9, 9), min_size=3, max_size=7, unique=True),
    rival=st.integers(-12, 12),
    chosen=st.data(),
)
def test_verdicts_on_additive_targets_are_those_of_arithmetic(
    weights: list[int], rival: int, chosen: st.DataObject
) -> None:
    names = [f"p{i}" for i in range(len(weights))]
    weight = dict(zip(names, map(float, weights), strict=True))
    target, case = additive(weight, {"o1": rival + 0.5}), Case("c", tuple(names))
    size = chosen.draw(st.integers(1, len(names) - 1))
    parts = tuple(chosen.draw(st.permutations(names))[:size])

    def leads(kept: set[str]) -> bool:
        return sum(weight[p] for p in kept) > rival + 0.5

    whole = set(names)
    order = sorted(names, key=lambda p: -weight[p])
    truths = [
        (Claim("NECESSARY", "o0", parts, {"leaves_top": 1}),
         leads(whole) and not leads(whole - set(parts))),
        (Claim("SUFFICIENT", "o0", parts, {"stays_in_top": 1}),
         leads(whole) and leads(set(parts))),
        (Claim("UNDECIDED", "o0", (), {"stays_in_top": 1}),
         leads(whole) and all(leads(whole - {p}) for p in names)),
        *((Claim("EVIDENCE", "o0", parts[:1], {"rank": place}),
           order[place - 1] == parts[0] and weight[parts[0]] > 0)
          for place in range(1, len(names) + 1)),
    ]  # fmt: skip
    checked = verify_many([(claim, case) for claim, _ in truths], target)
    expected = ["verified" if truth else "refuted" for _, truth in truths]
    assert [c.verdict for c in checked] == expected
