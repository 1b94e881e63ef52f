"""Vectors in the place of those that a target does not give."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from innerview.alignment.labels import LabelSettings
from innerview.alignment.mixture import MixtureSettings, case_records, settings_for
from innerview.alignment.tasks import Asker
from innerview.errors import SurrogateError
from innerview.surrogate import surrogate as surrogates
from innerview.surrogate.base import BaseModel
from innerview.surrogate.factors import FACTORS, FactoredTarget, Factors, factor_scores
from innerview.surrogate.surrogate import Surrogate
from innerview.targets import CallableTarget, Case
from innerview.targets.protocol import FloatArray
from innerview.testing import ScriptedTarget, small_catalogue

from .test_memory import _fit as write
from .test_memory import _rows
from .tiny import tiny_base

N = 20


def _model(rank: int = 3, *, n: int = N, own: float = 0.0, scale: float = 1.0) -> CallableTarget:
    """Scores of a known rank; what a case holds already is scored something else."""
    rng = np.random.default_rng(0)
    weights: FloatArray = scale * rng.normal(size=(n, rank)) @ rng.normal(size=(rank, n))

    def scores(histories: list[list[str]]) -> FloatArray:
        rows = [[int(one[1:]) for one in history] for history in histories]
        found: FloatArray = np.stack([weights[row].sum(axis=0) for row in rows])
        for line, row in zip(found, rows, strict=True):
            line[row] += own
        return found

    return CallableTarget(scores, small_catalogue(n), name="sums", max_parts=5)


def _cases(n_cases: int, n: int = N, seed: int = 1) -> list[Case]:
    rng = np.random.default_rng(seed)
    drawn = [rng.choice(n, size=4, replace=False) for _ in range(n_cases)]
    return [Case(f"c{at}", tuple(f"i{j}" for j in own)) for at, own in enumerate(drawn)]


@settings(max_examples=20, deadline=None)
@given(rank=st.integers(1, 4), scale=st.floats(0.01, 1000.0), seed=st.integers(0, 5))
def test_scores_of_few_factors_are_all_explained(rank: int, scale: float, seed: int) -> None:
    target = _model(rank, n=200, scale=scale)
    factors = factor_scores(target, _cases(120, 200), seed=seed)
    assert factors.explained == pytest.approx(1.0, abs=0.1)  # own parts are left out
    assert factors.loadings.shape[1] <= 48 and factors.loadings.dtype == np.float32
    d = factors.loadings.shape[1]
    np.testing.assert_allclose(factors.loadings.T @ factors.loadings, np.eye(d), atol=1e-5)
    told = FactoredTarget(target, factors)
    for case in _cases(5, 200, seed=9):
        scored, implied = target.score([case])[0], told.case_vectors([case])[0]
        others = [row for row, one in enumerate(target.outcomes.ids) if one not in case.parts]
        agreed = np.corrcoef(scored[others], (told.outcome_vectors @ implied)[others])[0, 1]
        assert agreed > 0.97


def test_what_a_case_holds_already_may_be_scored_anything() -> None:
    usual, banned = (factor_scores(_model(own=own), _cases(60)) for own in (0.0, -1e9))
    np.testing.assert_allclose(usual.loadings, banned.loadings, atol=1e-4)


def test_the_same_is_found_again_and_other_starts_find_it_too() -> None:
    one, again = (factor_scores(_model(), _cases(60)) for _ in range(2))
    np.testing.assert_array_equal(one.loadings, again.loadings)
    other = factor_scores(_model(), _cases(60), seed=7)
    np.testing.assert_allclose(one.loadings, other.loadings, atol=1e-4)


def test_every_score_is_a_query_and_so_is_a_case_vector() -> None:
    target = _model()
    factors = factor_scores(target, _cases(30))
    assert (factors.queries, target.queries.used) == (30, 30)
    told = FactoredTarget(target, factors)
    assert told.capabilities.vectors and not target.capabilities.vectors
    assert told.fingerprint == target.fingerprint
    told.case_vectors(_cases(3))
    assert target.queries.used == 33
    assert told.part_vectors is told.outcome_vectors


def test_parts_that_are_no_outcomes_have_vectors_of_their_own(tmp_path: Path) -> None:
    words = small_catalogue(7, prefix="w", noun="word")
    weights = np.random.default_rng(3).normal(size=(7, 9)).astype(np.float32)
    target = ScriptedTarget(weights, small_catalogue(9), parts=words, vectors=False, max_parts=4)
    cases = [Case(f"c{at}", (f"w{at % 7}", f"w{(at + 2) % 7}")) for at in range(14)]
    factors = factor_scores(target, cases)
    assert factors.parts is not None and factors.parts.shape == (7, factors.loadings.shape[1])
    told = FactoredTarget(target, factors)
    np.testing.assert_allclose(
        told.part_vectors[2], told.case_vectors([Case("", ("w2",))])[0], atol=1e-6
    )
    (tmp_path / FACTORS).write_bytes(factors.saved())
    again = Factors.read(tmp_path / FACTORS, target)
    assert again.parts is not None
    np.testing.assert_array_equal(again.parts, factors.parts)


def test_what_does_not_go_together_is_refused(tmp_path: Path) -> None:
    file, target = tmp_path / FACTORS, _model()
    file.write_bytes(factor_scores(target, _cases(30)).saved())
    assert Factors.read(file, target).loadings.shape[0] == N
    with pytest.raises(SurrogateError, match=r"factors.safetensors is not of this target"):
        Factors.read(file, _model(n=N + 1))
    file.write_bytes(file.read_bytes()[:40])
    with pytest.raises(SurrogateError, match=r"factors.safetensors: .*align the surrogate anew"):
        Factors.read(file, target)
    for cases in ([], _cases(1)):
        with pytest.raises(SurrogateError, match="nothing to factor"):
            factor_scores(target, cases)


def test_a_black_box_has_a_memory_that_is_saved_and_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def base() -> BaseModel:
        return tiny_base(layers=12, width=128)

    target = _model(n=12)
    mixture = MixtureSettings(ranking_frac=0.2, attribution_frac=0.2, prefixes=1)
    groups = case_records(
        target, _cases(40, 12), settings_for(target, mixture), LabelSettings(n_interest=6)
    )
    assert {record.form for group in groups for record in group} == {"behavior"}
    made = Surrogate(base(), target, lora_rank=4, factors=factor_scores(target, _cases(40, 12)))
    made.memory = write(made, _rows(made, groups))
    assert made.memory.edits and made.memory.recall is not None
    made.save(tmp_path / "it", provenance={})
    monkeypatch.setattr(surrogates, "load_base", lambda *_, **__: base())
    before = target.queries.used
    again = Surrogate.load(tmp_path / "it", target)
    stand_in = again.stand_in("behavior")
    scores = stand_in.score(_cases(4, 12))
    asked = [Asker(target.outcomes, target.parts).expectation(c, "behavior") for c in _cases(4, 12)]
    assert len(again.answer(asked)) == 4
    assert target.queries.used == before, "titles are read, and the target scores nothing"
    made.fold()
    np.testing.assert_allclose(
        scores, made.stand_in("behavior").score(_cases(4, 12)), rtol=0.05, atol=0.05
    )
    with pytest.raises(SurrogateError, match="no vectors"):
        again.stand_in("hybrid")
