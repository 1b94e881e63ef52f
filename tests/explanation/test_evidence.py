"""Evidence is what the target says, no more, and asked for in few batches."""

from __future__ import annotations

import json
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from innerview.errors import CaseError, TargetQueryError
from innerview.explanation.evidence import Evidence, Thresholds, measure, measure_many
from innerview.explanation.grounded import claims_from
from innerview.explanation.verify import verify_many
from innerview.targets.protocol import Case, FloatArray

from .conftest import PaperTarget, able, additive, either_or, paper_catalogue

NARROW = Thresholds(sufficient_top=2)


def test_leave_out_of_an_additive_target_is_minus_the_weights(
    films: PaperTarget, case: Case
) -> None:
    evidence = measure(case, "o0", films)
    assert (evidence.score, evidence.rank) == (7.0, 1)
    assert [(e.part, e.score_change, e.rank_after) for e in evidence.leave_out] == [
        ("p0", -5.0, 2), ("p1", -3.0, 1), ("p2", -1.0, 1), ("p3", 2.0, 1),
    ]  # fmt: skip
    assert [e.part for e in evidence.strongest()] == ["p0", "p1", "p2", "p3"]


def test_necessary_is_the_single_part_whose_loss_costs_most(films: PaperTarget, case: Case) -> None:
    evidence = measure(case, "o0", films)
    assert evidence.leaves_top == 1
    assert evidence.necessary is not None and evidence.necessary.parts == ("p0",)


def test_necessary_grows_to_a_set_where_no_single_part_is_decisive() -> None:
    target = additive({"p0": 3, "p1": 3, "p2": 1}, {"o1": 3.5})
    evidence = measure(Case("c", ("p0", "p1", "p2")), "o0", target)
    assert evidence.necessary is not None
    assert set(evidence.necessary.parts) == {"p0", "p1"}
    assert evidence.necessary.rank_after == 2


def test_keep_only_is_the_fewest_strongest_parts_that_stay_in_the_top() -> None:
    target = additive({"p0": 3, "p1": 3, "p2": 1, "p3": 1}, {"o1": 5.0, "o2": 4.5})
    evidence = measure(Case("c", ("p0", "p1", "p2", "p3")), "o0", target, thresholds=NARROW)
    assert [(e.parts, e.rank_after) for e in evidence.kept][:2] == [
        (("p0",), 3), (("p0", "p1"), 1),
    ]  # fmt: skip
    assert evidence.keep_only is not None and evidence.keep_only.parts == ("p0", "p1")


def test_attribute_effects_stand_beside_random_groups_of_the_same_size() -> None:
    weights = {f"p{i}": (4.0 if i % 2 == 0 else -1.0) for i in range(8)}
    target = additive(weights, {"o1": 1.0})
    evidence = measure(Case("c", tuple(weights)), "o0", target)
    effects = {a.value: a for a in evidence.attributes}
    assert effects["even"].score_change == -16.0 and effects["even"].control_change == 4.0
    assert effects["odd"].score_change == 4.0
    claims = [c for c in claims_from(evidence, target) if c.type == "ATTRIBUTE"]
    assert [(c.stated["value"], c.stated["direction"]) for c in claims] == [
        ("even", "for"), ("odd", "against"),
    ]  # fmt: skip


def test_case_of_one_part_has_untestable_effects_and_no_claims(films: PaperTarget) -> None:
    evidence = measure(Case("c", ("p0",)), "o0", films)
    assert evidence.leave_out[0].score_change is None and evidence.leave_out[0].rank_after is None
    assert evidence.necessary is None and evidence.keep_only is None
    assert claims_from(evidence, films) == []
    assert evidence.queries == films.queries.used == 1


def test_target_that_cannot_rescore_is_asked_once(films: PaperTarget, case: Case) -> None:
    target = able(films, rescoring=False)
    evidence = measure(case, "o0", target)
    assert target.queries.used == 1 and evidence.rank == 1
    assert claims_from(evidence, target) == []


def test_removed_part_does_not_return_as_a_rival() -> None:
    catalogue = paper_catalogue(2, 5)
    target = PaperTarget(catalogue, catalogue, lambda parts, o: 9.0 if o == "p0" else 1.0)
    evidence = measure(Case("c", ("p0", "p1")), "o0", target)
    assert [e.rank_after for e in evidence.leave_out] == [1, 1]


def test_outcome_that_is_part_of_the_case_is_an_error(films: PaperTarget, case: Case) -> None:
    with pytest.raises(CaseError, match="'p0' is part of case"):
        measure(case, "p0", films)


def test_thresholds_below_one_are_refused() -> None:
    with pytest.raises(CaseError, match="max_set is 0"):
        Thresholds(max_set=0)


@pytest.mark.parametrize(
    ("rank", "tops"), [(1, (1, 10)), (2, (10, 10)), (11, (100, 100)), (400, (None, None))]
)
def test_tops_widen_with_the_rank_and_vanish_where_they_hold_everything(
    rank: int, tops: tuple[int | None, int | None]
) -> None:
    assert Thresholds().tops(rank, 500) == tops


def test_many_cases_travel_in_few_batches_and_match_one_by_one() -> None:
    generator = np.random.default_rng(0)
    weights = {f"p{i}": float(w) for i, w in enumerate(generator.normal(size=20))}
    target = additive(weights, {"o1": 1.0, "o2": 0.2})
    names = list(weights)
    cases = [Case(f"c{i}", tuple(generator.permutation(names)[: i % 9 + 1])) for i in range(40)]
    pairs = [(case, outcome) for case in cases for outcome in ("o0", "o1")]
    together = list(measure_many(pairs, target))
    assert len(target.batches) <= 4
    assert target.queries.used < sum(e.queries for e in together)
    assert together == [measure(case, outcome, target) for case, outcome in pairs]


def test_queries_of_one_case_are_those_the_target_counted(films: PaperTarget, case: Case) -> None:
    evidence = measure(case, "o0", films)
    assert evidence.queries == films.queries.used


@pytest.mark.parametrize("budget", range(1, 40))
def test_a_budget_is_kept_and_what_it_buys_is_the_same(
    budget: int, films: PaperTarget, case: Case
) -> None:
    whole = measure(case, "o0", films)
    before = films.queries.used
    some = measure(case, "o0", films, thresholds=Thresholds(budget=budget))
    assert films.queries.used - before == some.queries <= budget
    if budget > 35:  # without counting on variants that are the same
        assert some == whole
    # The oldest parts go first.
    n = min(len(case.parts), budget - 1)
    known = some.leave_out[len(case.parts) - n :]
    assert known == whole.leave_out[len(case.parts) - n :]
    assert all(e.score_change is None for e in some.leave_out[: len(case.parts) - n])
    if n == len(case.parts):
        assert some.removed == whole.removed[: len(some.removed)]
        assert some.kept == whole.kept[: len(some.kept)]
        assert set(some.attributes) <= set(whole.attributes)
    else:
        assert not some.attributes
    claims = claims_from(some, films)
    assert {c.verdict for c in verify_many([(c, case) for c in claims], films)} <= {"verified"}
    if n < len(case.parts):
        assert not {c.type for c in claims} & {"EVIDENCE", "UNDECIDED"}


def test_evidence_survives_json(films: PaperTarget, case: Case) -> None:
    evidence = measure(case, "o0", films)
    assert Evidence.from_dict(json.loads(json.dumps(evidence.to_dict()))) == evidence


def test_redundant_parts_give_undecided_and_not_evidence() -> None:
    target = either_or()
    claims = claims_from(measure(Case("c", ("p0", "p1", "p2")), "o0", target), target)
    assert "EVIDENCE" not in [c.type for c in claims]
    assert [c for c in claims if c.type == "NECESSARY" and len(c.parts) == 1] == []


@given(
    weights=st.lists(st.integers(-8, 8), min_size=2, max_size=8),
    rivals=st.lists(st.integers(-10, 10), min_size=1, max_size=12),
    seed=st.integers(0, 3),
)
def test_every_claim_read_off_the_evidence_is_verified(
    weights: list[int], rivals: list[int], seed: int
) -> None:
    target = additive(
        {f"p{i}": float(w) for i, w in enumerate(weights)},
        {f"o{i}": r + 0.5 for i, r in enumerate(rivals, start=1)},
    )
    case = Case("c", tuple(f"p{i}" for i in range(len(weights))))
    evidence = measure(case, "o0", target, thresholds=Thresholds(seed=seed, sufficient_top=3))
    checked = verify_many([(claim, case) for claim in claims_from(evidence, target)], target)
    assert [c for c in checked if c.verdict != "verified"] == []


class FailingTarget(PaperTarget):
    """Fails so many times at each of some batches before it answers it."""

    failures: dict[int, int]

    def score(self, cases: Sequence[Case]) -> FloatArray:
        at = len(self.batches)
        if self.failures.get(at, 0):
            self.failures[at] -= 1
            raise TargetQueryError("connection lost")
        return super().score(cases)


def test_a_batch_that_failed_is_asked_again_as_often_as_the_thresholds_say(
    films: PaperTarget, case: Case
) -> None:
    def measured(failures: dict[int, int], **settings: int) -> Evidence:
        target = FailingTarget(films.outcomes, films.parts, films.rule)
        target.failures = failures
        return measure(case, "o0", target, thresholds=Thresholds(**settings))

    expected = measure(case, "o0", films)
    assert measured({0: 1, 1: 1, 2: 1}) == expected
    assert measured({1: 2}, retries=2) == expected
    with pytest.raises(TargetQueryError, match="connection lost"):
        measured({1: 2})
    with pytest.raises(TargetQueryError, match="connection lost"):
        measured({0: 1}, retries=0)
    with pytest.raises(CaseError, match="retries is -1"):
        Thresholds(retries=-1)
