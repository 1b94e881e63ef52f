"""ALS: our fold-in is implicit's, the target learns, and the same seed gives the same target."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import cast

import numpy as np
import pytest
from scipy import sparse

from innerview.errors import MissingExtraError, TargetQueryError
from innerview.targets import AlsSettings, Case, TrainingData, check_bundle, load_bundle, train_als
from innerview.targets.encoders import AlsEncoder

implicit_als = pytest.importorskip("implicit.cpu.als")
SETTINGS = AlsSettings(factors=8, max_parts=4, step=2, max_iterations=12)


@pytest.mark.filterwarnings("ignore:OpenBLAS")
@pytest.mark.parametrize("alpha", [0.5, 1.0, 40.0])
def test_fold_in_equals_implicit_on_50_users(alpha: float) -> None:
    generator = np.random.default_rng(1)
    seen = [generator.choice(200, size=1 + row % 16, replace=False) for row in range(50)]
    rows = np.repeat(np.arange(50), [len(items) for items in seen])
    matrix = sparse.csr_matrix(
        (np.ones(len(rows), dtype=np.float32), (rows, np.concatenate(seen))), shape=(50, 200)
    )
    model = implicit_als.AlternatingLeastSquares(
        factors=16, alpha=alpha, regularization=0.7, iterations=4, num_threads=1, random_state=0
    )
    model.fit(matrix, show_progress=False)
    padded = np.full((50, 16), -1, dtype=np.int64)
    for row, items in zip(padded, seen, strict=True):
        row[16 - len(items) :] = items
    encoder = AlsEncoder(model.item_factors, alpha=alpha, regularization=0.7)
    expected = model.recalculate_user(np.arange(50), matrix)
    # float32 in implicit, float64 here; factors are of size 1.
    np.testing.assert_allclose(encoder.encode(padded), expected, atol=1e-4)


def test_fold_in_without_a_solution_is_an_error() -> None:
    encoder = AlsEncoder(np.zeros((3, 2), dtype=np.float32), alpha=2.0, regularization=0.0)
    with pytest.raises(TargetQueryError, match="no solution"):
        encoder.encode(np.array([[0]]))


def test_als_learns_the_groups_and_reports_it(groups: TrainingData, tmp_path: Path) -> None:
    target = train_als(groups, tmp_path / "als", settings=SETTINGS, seed=1)
    case = groups.test.cases[0]
    best = target.outcomes.ids[int(np.argmax(_masked(target.score([case])[0], case)))]
    assert int(best[1:]) % 4 == int(case.parts[0][1:]) % 4  # of the same group
    assert target.manifest is not None
    report = target.manifest.training
    assert report["target"]["ndcg10"] > 1.5 * report["popularity"]["ndcg10"]  # type: ignore
    assert report["n_test"] == 60
    assert target.manifest.libraries["implicit"]
    assert target.manifest.seed == 1
    assert check_bundle(tmp_path / "als", groups.test.cases).ok


def _masked(scores: np.ndarray, case: Case) -> np.ndarray:
    scores = scores.copy()
    scores[[int(part[1:]) for part in case.parts]] = -np.inf
    return scores


def test_same_seed_gives_the_same_target(groups: TrainingData, tmp_path: Path) -> None:
    made = [
        train_als(groups, tmp_path / name, settings=SETTINGS, seed=seed).fingerprint
        for name, seed in (("a", 3), ("b", 3), ("c", 4))
    ]
    assert made[0] == made[1] != made[2]


def test_training_stops_early_and_keeps_the_best_look(groups: TrainingData, tmp_path: Path) -> None:
    settings = SETTINGS.model_copy(update={"max_iterations": 200, "step": 1, "patience": 2})
    told: list[tuple[int, float]] = []

    def on_look(rounds: int, ndcg10: float) -> bool:
        told.append((rounds, pytest.approx(ndcg10, abs=1e-4)))
        return True

    target = train_als(groups, tmp_path / "als", settings=settings, on_look=on_look)
    assert target.manifest is not None
    looks = cast(list[float], target.manifest.training["valid_ndcg10"])
    assert [((at + 1) * settings.step, look) for at, look in enumerate(looks)] == told
    assert len(looks) < 200
    assert max(looks) == looks[-3]


def test_recorded_answers_are_those_of_the_library(groups: TrainingData, tmp_path: Path) -> None:
    train_als(groups, tmp_path / "als", settings=SETTINGS)
    target = load_bundle(tmp_path / "als", replay=False)
    assert target.check_scores is not None
    difference = check_bundle(tmp_path / "als").max_score_difference
    assert difference is not None
    assert 0 < difference < 1e-4  # float32 and float64 never agree to the bit


def test_missing_library_says_what_to_install(
    groups: TrainingData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "implicit.cpu.als", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'innerview\[als\]'"):
        train_als(groups, tmp_path / "als")
