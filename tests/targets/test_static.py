"""Models of which there are vectors of their own cases alone, and what stands for them."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from innerview import Explainer
from innerview.cli import app
from innerview.errors import BundleError, CaseError
from innerview.explanation.claims import Claim
from innerview.explanation.verify import verify
from innerview.targets import (
    BundleTarget,
    Case,
    check_bundle,
    distinct_cases,
    load_bundle,
    ridge_fold_in,
    save_bundle,
)
from innerview.targets.manifest import MeanOfParts, RidgeFoldIn
from innerview.targets.static import agreement_of, approximation_of, known_cases

from .conftest import als_contents, static_contents


@pytest.fixture
def static_folder(tmp_path: Path) -> Path:
    contents = static_contents()
    save_bundle(tmp_path / "static", contents, check_cases=contents.cases[:10])
    return tmp_path / "static"


def test_its_own_cases_score_as_the_model_did(static_folder: Path) -> None:
    target, model = load_bundle(static_folder), BundleTarget(als_contents())
    cases = known_cases(target)
    np.testing.assert_allclose(target.score(cases), model.score(cases), atol=1e-6)
    renamed = Case("somebody", cases[3].parts[::-1])
    np.testing.assert_array_equal(target.score([renamed]), target.score([cases[3]]))


def test_a_changed_case_is_refused_in_one_line(static_folder: Path) -> None:
    target = load_bundle(static_folder)
    changed = known_cases(target)[2].without(known_cases(target)[2].parts[:1])
    with pytest.raises(CaseError, match=r"case 'c2': no vector of a case of these . parts"):
        target.score([changed])
    with pytest.raises(CaseError, match="scores its 40 cases as they are"):
        target.case_vectors([changed])


def test_claims_about_changed_cases_are_untestable(static_folder: Path) -> None:
    target = load_bundle(static_folder)
    case = known_cases(target)[5]
    explanation = Explainer(target)(case)
    assert explanation.rank == 1 and not explanation.claims
    claim = Claim("NECESSARY", explanation.outcome_id, case.parts[:1], {"leaves_top": 1})
    checked = verify(claim, case, target)
    assert checked.verdict == "untestable"
    assert checked.reason == "the target cannot score a changed case"


def test_a_fold_in_says_how_far_it_is_from_the_model(static_folder: Path, tmp_path: Path) -> None:
    static = load_bundle(static_folder)
    made = ridge_fold_in(static, seed=1)
    target = save_bundle(tmp_path / "fold-in", made, check_cases=static.contents.cases[:10])
    assert isinstance(made.spec, RidgeFoldIn)
    own = made.spec.agreement
    assert own.n_cases == 10 and own.same_top10 > 0.5 and own.rank_correlation > 0.5
    assert agreement_of(static, static, known_cases(static)).same_top10 == 1.0
    told = approximation_of(target)
    assert told is not None and f"{own.same_top10:.0%} of the ten best" in told
    assert approximation_of(static) is None
    explanation = Explainer(target)(known_cases(static)[5])
    assert explanation.claims, "a fold-in scores changed cases"
    assert explanation.provenance["approximation"] == told


def test_a_fold_in_beats_the_mean_and_keeps_a_column_of_biases() -> None:
    rng = np.random.default_rng(0)
    items = rng.normal(size=(30, 7)).astype(np.float32)
    users = rng.normal(size=(300, 7)).astype(np.float32)
    users[:, -1] = 1.0  # so the last column of the items is what each of them adds for everyone
    liked = (-users @ items.T).argsort(axis=1)[:, :5]
    cases = [Case(f"u{row}", tuple(f"i{i}" for i in own)) for row, own in enumerate(liked)]
    known, vectors = distinct_cases(cases, users)
    static = replace(
        static_contents(),
        outcome_vectors=items,
        part_vectors=items,
        cases=known,
        case_vectors=vectors,
    )
    target = BundleTarget(static)
    folded = BundleTarget(ridge_fold_in(target))
    mean = BundleTarget(
        replace(als_contents(), outcome_vectors=items, part_vectors=items, spec=MeanOfParts())
    )
    ours, theirs = (agreement_of(own, target, known) for own in (folded, mean))
    assert ours.rank_correlation > theirs.rank_correlation
    np.testing.assert_allclose(folded.case_vectors(known)[:, -1], 1.0, atol=1e-5)


def test_only_static_targets_need_a_fold_in(als_folder: Path) -> None:
    with pytest.raises(BundleError, match="is not static: it needs no fold-in"):
        ridge_fold_in(load_bundle(als_folder))
    few = static_contents()
    few = replace(few, cases=few.cases[:7], case_vectors=few.case_vectors[:7])  # type: ignore[index]
    with pytest.raises(CaseError, match="7 static cases"):
        ridge_fold_in(BundleTarget(few))


def test_the_command_makes_a_fold_in(static_folder: Path, tmp_path: Path) -> None:
    args = ["target", "fold-in", str(static_folder), "--out", str(tmp_path / "made")]
    result = CliRunner().invoke(app, args)
    assert result.exit_code == 0, result.output
    assert result.output.startswith("a ridge fold-in stands for a model")
    assert check_bundle(tmp_path / "made").ok
    manifest = json.loads((tmp_path / "made" / "manifest.json").read_text())
    assert manifest["encoder"]["agreement"]["n_cases"] == 10


def test_cases_of_the_same_parts_are_kept_once() -> None:
    cases = [Case("a", ("i1", "i2")), Case("b", ("i2", "i1")), Case("c", ()), Case("d", ("i1",))]
    kept, vectors = distinct_cases(cases, np.eye(4, dtype=np.float32))
    assert [case.case_id for case in kept] == ["a", "d"]
    np.testing.assert_array_equal(vectors, np.eye(4)[[0, 3]])
