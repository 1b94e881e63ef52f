"""The check finds what would make explanations of a target worthless."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from innerview.data.tables import Catalogue
from innerview.targets import BundleTarget, Case, check_bundle, check_target, save_bundle
from innerview.targets.bundle import Contents
from innerview.targets.export import record_answers
from innerview.testing import ScriptedTarget

from .conftest import able, als_contents, cases_of, mean_contents, random_vectors


def moved(catalogue: Catalogue, order: Sequence[int]) -> Catalogue:
    return replace(catalogue, ids=tuple(catalogue.ids[row] for row in order))


def mismatched(contents: Contents, wrong: Contents) -> BundleTarget:
    """A target whose record was made by the right contents."""
    record = record_answers(BundleTarget(contents), cases_of(contents.parts.ids, n=40))
    target = BundleTarget(wrong, manifest=_manifest_with(record.cases))
    target.check_scores = record.scores
    return target


def _manifest_with(cases: object) -> object:
    class Manifest:
        check_cases = cases
        training: dict[str, object] = {}  # noqa: RUF012

    return Manifest()


@pytest.mark.parametrize("shift", [1, -1, 2])
def test_shifted_ids_are_named(shift: int) -> None:
    right = als_contents()
    order = [(row + shift) % 30 for row in range(30)]
    wrong = moved(right.outcomes, order)
    report = check_target(mismatched(right, replace(right, outcomes=wrong, parts=wrong)))
    assert not report.ok
    assert f"ids look shifted by {abs(shift)}" in report.findings[0].text


def test_shifted_outcome_ids_alone_are_named() -> None:
    right = mean_contents()
    wrong = replace(right, outcomes=moved(right.outcomes, [1, 2, 3, 4, 5, 6, 0]))
    assert (
        "outcome ids look shifted by 1" in check_target(mismatched(right, wrong)).findings[0].text
    )


def test_permuted_outcome_ids_are_named() -> None:
    right = mean_contents()
    wrong = replace(right, outcomes=moved(right.outcomes, [3, 0, 5, 1, 6, 2, 4]))
    assert "outcome ids look permuted" in check_target(mismatched(right, wrong)).findings[0].text


def test_permuted_ids_are_found() -> None:
    right = als_contents()
    wrong = moved(right.outcomes, np.random.default_rng(0).permutation(30).tolist())
    report = check_target(mismatched(right, replace(right, outcomes=wrong, parts=wrong)))
    assert "ids look permuted" in report.findings[0].text
    assert report.max_score_difference is not None
    assert report.max_score_difference > 0.01


def test_every_permutation_of_two_ids_is_found() -> None:
    right = als_contents()
    for row in range(0, 30, 3):
        order = list(range(30))
        order[row], order[(row + 7) % 30] = order[(row + 7) % 30], order[row]
        wrong = moved(right.outcomes, order)
        report = check_target(mismatched(right, replace(right, outcomes=wrong, parts=wrong)))
        assert not report.ok


def test_sound_target_has_no_finding(als_folder: Path) -> None:
    report = check_bundle(als_folder)
    assert report.ok
    assert report.findings == ()
    assert report.max_score_difference == 0.0
    assert report.nondeterminism == 0.0
    assert report.queries_used > 0


def test_unreadable_bundle_is_a_finding(tmp_path: Path) -> None:
    report = check_bundle(tmp_path / "nowhere")
    assert not report.ok
    assert "no such folder" in report.findings[0].text


def test_shifted_bundle_that_load_refuses_is_still_diagnosed(als_folder: Path) -> None:
    from corpus.bundles import frame, shifted

    frame(als_folder, shifted)
    assert "ids look shifted by 1" in check_bundle(als_folder).findings[0].text


def test_nan_is_a_finding() -> None:
    weights = random_vectors(6, 6)
    weights[2, 3] = np.nan
    report = check_target(ScriptedTarget(weights), cases_of(ScriptedTarget(weights).parts.ids))
    assert any("NaN" in finding.text for finding in report.findings)
    assert not report.ok


def test_undeclared_noise_is_an_error_and_declared_noise_a_warning() -> None:
    target = ScriptedTarget(random_vectors(6, 6), noise=0.1)
    cases = cases_of(target.parts.ids, most=4)
    declared = check_target(target, cases)
    assert declared.ok
    assert [finding.level for finding in declared.findings][:1] == ["warning"]
    target._capabilities = able()
    hidden = check_target(target, cases)
    assert not hidden.ok
    assert "scored twice differs" in hidden.findings[0].text


def test_undeclared_order_sensitivity_is_an_error() -> None:
    target = ScriptedTarget(random_vectors(6, 6), positions=1.0)
    cases = cases_of(target.parts.ids, most=4)
    assert check_target(target, cases).ok
    target._capabilities = able()
    assert any("order_sensitive is off" in f.text for f in check_target(target, cases).findings)


class Crashing(ScriptedTarget):
    """Fails as a foreign library would."""

    def score(self, cases: Sequence[Case]) -> np.ndarray:
        raise ZeroDivisionError("in\nthe library")


def test_foreign_error_is_a_finding_of_one_line() -> None:
    target = Crashing(random_vectors(6, 6))
    report = check_target(target, cases_of(target.parts.ids))
    assert report.findings[0].text == "the target raised ZeroDivisionError: in the library"


def test_target_that_gives_everyone_the_same_is_warned_of(tmp_path: Path) -> None:
    contents = replace(
        als_contents(), capabilities=able(excludes_parts=False), part_vectors=random_vectors(30) * 0
    )
    contents = replace(contents, part_vectors=np.ones((30, 6), dtype=np.float32))
    cases = cases_of(contents.parts.ids, n=60)
    save_bundle(tmp_path / "b", contents, check_cases=cases[:5])
    report = check_bundle(tmp_path / "b", cases)
    assert report.ok  # a warning only: it is fit to be used, not to be believed
    assert report.constant_hr5 == 1.0
    assert report.distinct_first == 1
    assert "a table imitates it" in report.findings[-1].text
