"""A surrogate in its target's place."""

from __future__ import annotations

import numpy as np
import pytest

from innerview.alignment.records import FORMS, Form, Record
from innerview.errors import CaseError, SurrogateError, TargetQueryError
from innerview.evaluation.rewording import RewordedTarget
from innerview.explanation.evidence import measure
from innerview.surrogate.stand_in import StandIn, own_claims
from innerview.surrogate.surrogate import Surrogate
from innerview.targets.protocol import Case
from innerview.testing import ScriptedTarget

from .test_memory import _deep, _records, _rows
from .test_memory import _fit as write


@pytest.fixture(scope="module")
def remembering() -> Surrogate:
    groups: list[list[Record]] = _records(40)
    surrogate = _deep()
    surrogate.memory = write(surrogate, _rows(surrogate, groups))
    return surrogate


CASES = [Case("a", ("i0", "i1", "i2", "i3")), Case("b", ("i4", "i5"))]


@pytest.mark.parametrize("form", FORMS)
def test_scores_are_the_fits_that_its_answers_come_from(remembering: Surrogate, form: Form) -> None:
    stand_in = remembering.stand_in(form)
    scores = stand_in.score(CASES)
    assert scores.shape == (2, len(remembering.target.outcomes))
    assert scores.dtype == np.float32
    assert np.isfinite(scores).all()
    alone = remembering.stand_in(form)
    np.testing.assert_allclose(scores[1:], alone.score(CASES[1:]), rtol=1e-3, atol=1e-3)
    # What was asked lately is the same to the last digit, whatever else is asked.
    np.testing.assert_array_equal(stand_in.score([*CASES[1:], *CASES[1:]]), scores[[1, 1]])
    assert (stand_in.queries.used, alone.queries.used) == (2, 1)
    assert remembering.stand_in(form).fingerprint == stand_in.fingerprint
    assert stand_in.score([]).shape == (0, len(remembering.target.outcomes))


def test_what_it_claims_is_true_of_itself_and_costs_the_target_nothing(
    remembering: Surrogate,
) -> None:
    before = remembering.target.queries.used
    stand_in = remembering.stand_in("hybrid")
    scores = stand_in.score(CASES)
    allowed = [[o not in c.parts for o in stand_in.outcomes.ids] for c in CASES]
    best = np.where(allowed, scores, -np.inf).argmax(1)
    pairs = [(c, stand_in.outcomes.ids[row]) for c, row in zip(CASES, best, strict=True)]
    found = own_claims(stand_in, pairs)
    assert remembering.target.queries.used == before
    for (evidence, claims), (case, outcome) in zip(found, pairs, strict=True):
        assert {claim.source for claim in claims} <= {"surrogate_hybrid"}
        assert {claim.outcome for claim in claims} <= {outcome}
        assert evidence.rank == 1
        alone = measure(case, outcome, stand_in)
        assert [e.part for e in alone.strongest()] == [e.part for e in evidence.strongest()]
    assert any(claims for _, claims in found)


def test_it_refuses_what_it_cannot_understand(remembering: Surrogate) -> None:
    stand_in = remembering.stand_in("behavior")
    with pytest.raises(CaseError, match="empty"):
        stand_in.score([Case("c", ())])
    with pytest.raises(CaseError, match="nowhere"):
        stand_in.score([Case("c", ("nowhere",))])
    for ask in (lambda: stand_in.case_vectors(CASES), lambda: stand_in.part_vectors,
                lambda: stand_in.outcome_vectors):  # fmt: skip
        with pytest.raises(TargetQueryError, match="no vectors"):
            ask()
    with pytest.raises(SurrogateError, match="no memory"):
        StandIn(_deep().respondent, "behavior")


def test_forms_with_vectors_need_a_target_that_has_them(
    remembering: Surrogate, monkeypatch: pytest.MonkeyPatch
) -> None:
    blind = ScriptedTarget(np.eye(12, dtype=np.float32), vectors=False)
    monkeypatch.setattr(remembering.respondent, "target", blind)
    with pytest.raises(SurrogateError, match="no vectors"):
        remembering.stand_in("hybrid")
    assert not remembering.stand_in("behavior").capabilities.vectors


def test_other_titles_are_read_only_where_titles_are(remembering: Surrogate) -> None:
    told = RewordedTarget(remembering.target)
    assert told.outcomes.titles != remembering.target.outcomes.titles
    for form in FORMS:
        usual = remembering.stand_in(form).score(CASES)
        reworded = remembering.stand_in(form, told=told)
        assert reworded.outcomes is told.outcomes
        same = np.allclose(reworded.score(CASES), usual, rtol=1e-3, atol=1e-3)
        assert same == (form == "intention"), form
        again = remembering.stand_in(form, told=remembering.target)
        np.testing.assert_allclose(again.score(CASES), usual, rtol=1e-3, atol=1e-3)


def test_no_more_scores_are_kept_than_set(
    remembering: Surrogate, monkeypatch: pytest.MonkeyPatch
) -> None:
    stand_in = remembering.stand_in("behavior")
    monkeypatch.setattr(stand_in, "_most_kept", 1)
    scores = stand_in.score(CASES)
    assert list(stand_in._kept) == [CASES[1].parts]
    assert scores.shape == (2, len(stand_in.outcomes))
