"""What a bundle will answer: the closed forms in numpy, to compare with the library at export.

Written apart from ``innerview.targets.encoders``, which this cannot import: two that agree.
"""

from __future__ import annotations

from typing import Sequence

import numpy as np

from ._model import Case, ExportError, FloatArray, Model

__all__ = ["bundle_scores"]


def bundle_scores(model: Model, cases: Sequence[Case]) -> FloatArray:
    """(N, O) scores that the bundle of a model gives.

    Raises:
        ExportError: the ALS equations have no single solution.
    """
    row_of = {item: row for row, item in enumerate(model.ids)}
    if model.item_item is not None:
        matrix = model.item_item
        sums = [matrix[_rows(case, row_of)].sum(axis=0, dtype=np.float64) for case in cases]
        return np.asarray(sums, dtype=np.float32)
    assert model.vectors is not None
    if model.encode is not None:
        vectors = np.asarray(model.encode(cases), dtype=np.float64)
    elif model.case_vectors is not None:
        vectors = np.stack([model.case_vectors[case.case_id] for case in cases]).astype(float)
    else:
        vectors = np.stack([_vector(model, _rows(case, row_of)) for case in cases])
    return np.asarray(vectors @ model.vectors.astype(np.float64).T, dtype=np.float32)


def _rows(case: Case, row_of: dict[str, int]) -> list[int]:
    return [row_of[part] for part in case.parts]


def _vector(model: Model, rows: list[int]) -> FloatArray:
    parts = model.vectors if model.part_vectors is None else model.part_vectors
    assert parts is not None
    seen, kind = parts[rows].astype(np.float64), model.encoder["kind"]
    if kind == "sum":
        return np.asarray(seen.sum(axis=0))
    if kind == "mean":
        return np.asarray(seen.mean(axis=0))
    if kind != "als_fold_in":
        raise ExportError(f"encoder {kind!r} is none of those that a bundle has")
    every, alpha = parts.astype(np.float64), model.encoder["alpha"]
    left = every.T @ every + model.encoder["regularization"] * np.eye(parts.shape[1])
    left += (alpha - 1.0) * seen.T @ seen
    try:
        return np.asarray(np.linalg.solve(left, alpha * seen.sum(axis=0)))
    except np.linalg.LinAlgError:
        raise ExportError(
            "the ALS fold-in has no single solution; its regularization is {}".format(
                model.encoder["regularization"]
            )
        ) from None
