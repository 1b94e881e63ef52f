"""implicit: ALS with its exact fold-in, BPR and LMF as static vectors, item-kNN as a matrix."""

from __future__ import annotations

from typing import Any, Sequence

import numpy as np

from ._arrays import from_item_item, from_static, from_vectors
from ._model import Case, ExportError, FloatArray, Model

__all__ = ["from_implicit"]


def from_implicit(
    model: Any,
    *,
    ids: Sequence[Any],
    user_ids: Sequence[Any] | None = None,
    weight: float = 1.0,
    max_parts: int = 50,
) -> Model:
    """A trained model of implicit, 0.4 or newer.

    An ALS is the fold-in of a history (``recalculate_user``). The vectors of BPR and LMF hold
    bias columns, one and two, beside a column of ones: they are kept, the dot product needs them.

    Args:
        model: on the CPU, or with ``to_cpu()``.
        ids: item ids, by column of the matrix that it was trained with.
        user_ids: user ids, by row; for BPR and LMF.
        weight: of one event in that matrix, for ALS.
        max_parts: items of a history that are looked at.

    Raises:
        ExportError: it is none of these.
    """
    if hasattr(model, "to_cpu"):
        model = model.to_cpu()
    name = type(model).__name__
    if hasattr(model, "similarity") and not hasattr(model, "item_factors"):
        return _neighbours(model, ids, max_parts)
    if name == "AlternatingLeastSquares":
        return _als(model, ids, weight, max_parts)
    if not hasattr(model, "user_factors"):
        raise ExportError(f"{name}: neither an ALS, nor vectors, nor a similarity matrix")
    if user_ids is None:
        raise ExportError(f"{name} cannot fold a history in; pass user_ids for its users")
    return _static(model, ids, user_ids)


def _als(model: Any, ids: Sequence[Any], weight: float, max_parts: int) -> Model:
    columns = _columns(ids)

    def answer(cases: Sequence[Case]) -> FloatArray:
        rows = _rows(cases, columns, weight)
        users = model.recalculate_user(np.arange(len(cases)), rows)
        return np.asarray(users @ model.item_factors.T, dtype=np.float32)

    return from_vectors(
        model.item_factors,
        ids=ids,
        encoder={
            "kind": "als_fold_in",
            "alpha": float(getattr(model, "alpha", 1.0)) * weight,
            "regularization": float(model.regularization),
        },
        answer=answer,
        name="als",
        max_parts=max_parts,
        libraries=("implicit",),
    )


def _neighbours(model: Any, ids: Sequence[Any], max_parts: int) -> Model:
    columns = _columns(ids)

    def answer(cases: Sequence[Case]) -> FloatArray:
        return _recommended(model, _rows(cases, columns, 1.0), np.arange(len(cases)))

    return from_item_item(
        model.similarity,
        ids=ids,
        answer=answer,
        name=type(model).__name__,
        max_parts=max_parts,
        libraries=("implicit",),
    )


def _static(model: Any, ids: Sequence[Any], user_ids: Sequence[Any]) -> Model:
    columns = _columns(ids)
    row_of = {str(user): row for row, user in enumerate(user_ids)}

    def score_user(user: str) -> Any:
        nothing = _rows([Case(user, ())], columns, 1.0)
        return _recommended(model, nothing, np.array([row_of[user]]))[0]

    return from_static(
        model.user_factors,
        model.item_factors,
        user_ids=user_ids,
        ids=ids,
        score_user=score_user,
        name=type(model).__name__,
        libraries=("implicit",),
    )


def _columns(ids: Sequence[Any]) -> dict[str, int]:
    return {str(item): column for column, item in enumerate(ids)}


def _rows(cases: Sequence[Case], columns: dict[str, int], weight: float) -> Any:
    """(N, items) sparse matrix of histories."""
    from scipy import sparse

    indices = [columns[part] for case in cases for part in case.parts]
    ends = np.cumsum([0] + [len(case.parts) for case in cases])
    data = np.full(len(indices), weight, dtype=np.float32)
    return sparse.csr_matrix((data, indices, ends), shape=(len(cases), len(columns)))


def _recommended(model: Any, rows: Any, users: Any) -> FloatArray:
    """(N, items) scores as ``recommend`` gives them for all items."""
    n = rows.shape[1]
    found, scores = model.recommend(users, rows, N=n, filter_already_liked_items=False)
    out = np.zeros((len(users), n), dtype=np.float32)
    for row, (items, values) in enumerate(zip(found, scores)):
        listed = items >= 0
        out[row, items[listed]] = values[listed]
    return out
