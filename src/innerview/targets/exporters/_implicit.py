"""implicit: ALS with its exact fold-in, BPR and LMF as static vectors, item-kNN as a matrix."""

from __future__ import annotations

from typing import Any, Dict, Optional, Sequence

import numpy as np

from ._arrays import from_item_item, from_static, from_vectors
from ._model import Case, ExportError, FloatArray, Model

__all__ = ["from_implicit"]


def from_implicit(
    model: Any,
    *,
    ids: Sequence[Any],
    user_ids: Optional[Sequence[Any]] = None,
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
    columns = {str(item): column for column, item in enumerate(ids)}
    name = type(model).__name__

    if hasattr(model, "similarity") and not hasattr(model, "item_factors"):
        matrix = model.similarity.tocsr()

        def sums(cases: Sequence[Case]) -> FloatArray:
            return _recommended(model, _rows(cases, columns, 1.0), np.arange(len(cases)))

        return from_item_item(
            matrix, ids=ids, answer=sums, name=name, max_parts=max_parts, libraries=("implicit",)
        )
    if hasattr(model, "recalculate_user") and hasattr(model, "regularization"):
        if name == "AlternatingLeastSquares":

            def folded(cases: Sequence[Case]) -> FloatArray:
                rows = _rows(cases, columns, weight)
                users = model.recalculate_user(np.arange(len(cases)), rows)
                return np.asarray(users @ model.item_factors.T, dtype=np.float32)

            alpha = float(getattr(model, "alpha", 1.0)) * weight
            return from_vectors(
                model.item_factors,
                ids=ids,
                encoder={
                    "kind": "als_fold_in",
                    "alpha": alpha,
                    "regularization": float(model.regularization),
                },
                answer=folded,
                name="als",
                max_parts=max_parts,
                libraries=("implicit",),
            )
    if not hasattr(model, "user_factors"):
        raise ExportError("{}: neither an ALS, nor vectors, nor a similarity matrix".format(name))
    if user_ids is None:
        raise ExportError("{} cannot fold a history in; pass user_ids for its users".format(name))
    row_of = {str(user): row for row, user in enumerate(user_ids)}

    def score_user(user: str) -> Any:
        empty = _rows([Case(user, ())], columns, 1.0)
        return _recommended(model, empty, np.array([row_of[user]]))[0]

    return from_static(
        model.user_factors,
        model.item_factors,
        user_ids=user_ids,
        ids=ids,
        score_user=score_user,
        name=name,
        libraries=("implicit",),
    )


def _rows(cases: Sequence[Case], columns: Dict[str, int], weight: float) -> Any:
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
