"""ALS (implicit feedback) as a target, trained with the ``implicit`` library.

ALS has no notion of order or time. On a leave-*last*-out split of drifting data it is punished
for that: what came last is what was in fashion last, and plain popularity of the last weeks
wins. So ALS is trained and reported on a random leave-one-out split.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field
from scipy import sparse

from innerview.errors import MissingExtraError
from innerview.targets.baselines import interaction_matrix
from innerview.targets.bundle import BundleTarget, Contents
from innerview.targets.export import (
    CheckRecord,
    Provenance,
    check_record,
    data_hash,
    save_bundle,
    versions_of,
)
from innerview.targets.manifest import AlsFoldIn
from innerview.targets.metrics import evaluate
from innerview.targets.protocol import Capabilities, Case, FloatArray
from innerview.targets.training import OnLook, TrainingData, sample_cases, training_report

__all__ = ["AlsSettings", "train_als"]


class AlsSettings(BaseModel):
    """How ALS is trained."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    factors: int = Field(default=32, ge=1)
    """Width of the vectors."""
    alpha: float = Field(default=40.0, gt=0)
    """Confidence of one interaction."""
    regularization: float = Field(default=1.0, ge=0)
    max_parts: int = Field(default=16, ge=1)
    """Items of a history the target looks at (the last ones)."""
    step: int = Field(default=3, ge=1)
    """Iterations between two looks at the valid cases."""
    max_iterations: int = Field(default=30, ge=1)
    patience: int = Field(default=2, ge=1)
    """Looks without a better valid NDCG@10 before training stops."""
    n_check_cases: int = Field(default=64, ge=1)
    """Cases recorded for the replay at load."""


def train_als(
    data: TrainingData,
    out: Path | str,
    *,
    settings: AlsSettings | None = None,
    seed: int = 0,
    overwrite: bool = False,
    on_look: OnLook | None = None,
) -> BundleTarget:
    """Train ALS, stop early on valid NDCG@10, report on test, and write a bundle.

    The target is *defined* as seeing the last ``max_parts`` items; all its figures are made
    with the fold-in of exactly those. One thread and a fixed seed: the same vectors each time.

    ``on_look`` is told how many iterations are done and what NDCG@10 on valid is, and says whether
    to go on.

    Raises:
        MissingExtraError: ``implicit`` is not installed.
        BundleError: the folder exists and ``overwrite`` is off.
    """
    settings = settings or AlsSettings()
    started = time.perf_counter()
    with _one_thread():
        model, valid_ndcg10 = _fit(data, settings, seed, on_look)
        target = BundleTarget(_contents(data, settings, model.item_factors))
        check = _library_answers(model, target, data, settings, seed)
    seconds = time.perf_counter() - started
    report = training_report(target.score, data, seconds=seconds, valid_ndcg10=valid_ndcg10)
    provenance = Provenance(
        training=report,
        settings=settings.model_dump(),
        libraries=versions_of("implicit", "numpy", "innerview"),
        seed=seed,
        data_sha256=data_hash(data.train),
    )
    contents = _contents(data, settings, model.item_factors)
    return save_bundle(out, contents, check=check, provenance=provenance, overwrite=overwrite)


def _one_thread() -> Any:
    """BLAS on one thread; after the import of implicit, whose own BLAS must be there to limit."""
    _als_class()
    from threadpoolctl import threadpool_limits

    return threadpool_limits(1, "blas")


def _als_class() -> Any:
    try:
        from implicit.cpu.als import AlternatingLeastSquares
    except ModuleNotFoundError:
        raise MissingExtraError("implicit", "als") from None
    return AlternatingLeastSquares


def _fit(
    data: TrainingData, settings: AlsSettings, seed: int, on_look: OnLook | None
) -> tuple[Any, list[float]]:
    """The model with the vectors of its best round, and valid NDCG@10 of every round."""
    model = _als_class()(
        factors=settings.factors,
        regularization=settings.regularization,
        alpha=settings.alpha,
        iterations=settings.step,
        num_threads=1,
        random_state=seed,
    )
    matrix = interaction_matrix(data.train, data.catalogue)
    best, looks = np.empty(0, dtype=np.float32), [0.0]
    waited = 0
    while waited < settings.patience and len(looks) * settings.step <= settings.max_iterations:
        model.fit(matrix, show_progress=False)  # goes on from the vectors it has
        target = BundleTarget(_contents(data, settings, model.item_factors))
        ndcg10 = evaluate(target.score, data.valid, data.catalogue).ndcg10
        waited = waited + 1 if ndcg10 <= max(looks) else 0
        if not waited:
            best = model.item_factors.copy()
        looks.append(ndcg10)
        if on_look is not None and not on_look((len(looks) - 1) * settings.step, ndcg10):
            break
    model.item_factors, model._YtY = (best if best.size else model.item_factors), None
    return model, looks[1:]


def _contents(data: TrainingData, settings: AlsSettings, vectors: FloatArray) -> Contents:
    frozen = np.array(vectors, dtype=np.float32)
    return Contents(
        name="als",
        spec=AlsFoldIn(alpha=settings.alpha, regularization=settings.regularization),
        capabilities=Capabilities(
            vectors=True,
            rescoring=True,
            order_sensitive=False,
            deterministic=True,
            excludes_parts=True,
            max_parts=settings.max_parts,
        ),
        outcomes=data.catalogue,
        parts=data.catalogue,
        outcome_vectors=frozen,
        part_vectors=frozen,
    )


def _library_answers(
    model: Any, target: BundleTarget, data: TrainingData, settings: AlsSettings, seed: int
) -> CheckRecord:
    """What implicit itself answers for a sample of test cases."""
    cases = sample_cases(data.test, settings.n_check_cases, seed=seed)
    return check_record(target, cases, library_scores(model, data, cases, settings.max_parts))


def library_scores(
    model: Any, data: TrainingData, cases: Sequence[Case], max_parts: int
) -> FloatArray:
    """(N, O) float32 scores by implicit's own ``recalculate_user``."""
    seen = {str(i): case.parts[-max_parts:] for i, case in enumerate(cases)}
    rows: sparse.csr_matrix = interaction_matrix(seen, data.catalogue)
    users = model.recalculate_user(np.arange(len(cases)), rows)
    return np.asarray(users @ model.item_factors.T, dtype=np.float32)
