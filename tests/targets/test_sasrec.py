"""SASRec: the exported encoder answers as the library does, and order matters."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from innerview.errors import BundleError
from innerview.targets import (
    BundleTarget,
    Case,
    Target,
    TrainingData,
    check_target,
    load_bundle,
)
from innerview.targets.onnx_export import export_encoder
from innerview.testing import TargetContract

from .conftest import cases_of

pytest.importorskip("rectools.models.nn.transformers.sasrec")
from innerview.targets.train_sasrec import SasrecSettings, _stretches, train_sasrec

SETTINGS = SasrecSettings(
    factors=8, heads=1, blocks=1, session_length=4, step=2, min_epochs=0, max_epochs=4
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("sasrec") / "b"


@pytest.fixture(scope="module")
def trained(groups: TrainingData, folder: Path) -> BundleTarget:
    return train_sasrec(groups, folder, settings=SETTINGS)


class TestExportedSasrec(TargetContract):
    """The encoder as exported, read back from its folder."""

    @pytest.fixture(autouse=True)
    def _folder(self, trained: BundleTarget, folder: Path) -> None:
        self.folder = folder

    def make_target(self) -> Target:
        return load_bundle(self.folder)

    def make_cases(self, target: Target) -> list[Case]:
        return cases_of(target.parts.ids, most=SETTINGS.session_length)


def test_exported_encoder_agrees_with_the_library(trained: BundleTarget) -> None:
    assert trained.manifest is not None
    report = trained.manifest.training
    assert report["onnx_max_difference"] < 1e-4  # type: ignore[operator]
    assert report["onnx_same_top20"] == 1.0
    assert trained.manifest.encoder.kind == "onnx"


def test_replay_of_the_library_s_answers_passes(trained: BundleTarget) -> None:
    report = check_target(trained)
    assert report.ok, report.findings
    assert report.max_score_difference is not None
    assert report.max_score_difference < 1e-4


def test_order_of_parts_matters(trained: BundleTarget) -> None:
    one, turned = trained.score([Case("a", ("i0", "i4", "i8")), Case("a", ("i8", "i4", "i0"))])
    assert np.abs(one - turned).max() > 1e-4


def test_batching_changes_nothing(trained: BundleTarget, groups: TrainingData) -> None:
    cases = groups.test.cases[:32]
    alone = np.concatenate([trained.score([case]) for case in cases])
    np.testing.assert_allclose(trained.score(cases), alone, atol=1e-5)


def test_same_seed_gives_the_same_target_and_leaves_the_random_numbers_alone(
    trained: BundleTarget, groups: TrainingData, tmp_path: Path
) -> None:
    torch.manual_seed(11)
    before = torch.random.get_rng_state()
    again = train_sasrec(groups, tmp_path / "again", settings=SETTINGS)
    assert torch.equal(torch.random.get_rng_state(), before)
    np.testing.assert_array_equal(again.outcome_vectors, trained.outcome_vectors)


def test_items_met_only_early_in_long_histories_are_known(
    groups: TrainingData, tmp_path: Path
) -> None:
    train = {user: tuple(i for i in items if i != "i0") for user, items in groups.train.items()}
    first, second = list(train)[:2]
    train |= {first: ("i0", *train[first] * 3), second: train[second][:1]}
    changed = TrainingData(train, groups.valid, groups.test, groups.catalogue, "random")
    once = SETTINGS.model_copy(update={"max_epochs": 2})
    assert "i0" in train_sasrec(changed, tmp_path / "long", settings=once).outcomes.index


@given(st.integers(0, 40), st.integers(2, 7))
def test_stretches_hold_every_step_once(n: int, longest: int) -> None:
    items = [str(at) for at in range(n)]
    stretches = list(_stretches(items, longest))
    assert all(2 <= len(stretch) <= longest for stretch in stretches)
    steps = [pair for stretch in stretches for pair in itertools.pairwise(stretch)]
    assert sorted(steps) == sorted(itertools.pairwise(items))


def test_item_without_history_is_left_out_of_the_catalogue(groups: TrainingData) -> None:
    train = {user: tuple(i for i in items if i != "i0") for user, items in groups.train.items()}
    changed = TrainingData(train, groups.valid, groups.test, groups.catalogue, "random")
    known = changed.known()
    assert "i0" not in known.catalogue.index
    assert known.n_unknown == groups.test.outcomes.count("i0") > 0
    assert all("i0" not in case.parts for case in known.test.cases)


def test_module_in_training_mode_is_refused() -> None:
    with pytest.raises(BundleError, match="training mode"):
        export_encoder(torch.nn.Sequential(torch.nn.Dropout()), session_length=3)
